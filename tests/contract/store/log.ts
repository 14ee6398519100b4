// Promises of history and of the change log.
import { expect } from 'vitest';
import type { Change, HistoryScope, Store, Version } from '../../../src/storage/store.js';
import type { Ref } from '../../../src/fhir/resource.js';
import { conflictOf, name, random, tick, type Promises } from './suite.js';

const told = (version: Version | Change): string => `${version.ref.id} ${version.version} ${version.method}`;

async function wholeHistory(store: Store, scope: HistoryScope): Promise<Version[]> {
  const versions: Version[] = [];
  let after = scope.after;
  for (;;) {
    const page = await store.history(after === undefined ? scope : { ...scope, after });
    versions.push(...page.versions);
    if (page.next === undefined) return versions;
    expect(page.versions).toHaveLength(scope.count);
    after = JSON.parse(JSON.stringify(page.next)) as typeof page.next;
  }
}
async function changesAfter(store: Store, after: string): Promise<Change[]> {
  const changes: Change[] = [];
  for await (const change of store.changes(after)) changes.push(change);
  return changes;
}
const present = async (store: Store): Promise<string> => (await changesAfter(store, '')).at(-1)?.cursor ?? '';

export function logPromises(promise: Promises): void {
  promise('tells the history of one resource, newest first, deletions among it', async world => {
    const ref = world.ref();
    await world.put(ref, [], { body: Buffer.from('"1"') });
    await world.put(ref, [], { body: Buffer.from('"2"'), method: 'PATCH' });
    await world.delete(ref);
    await world.put(ref, [], { body: Buffer.from('"4"') });
    const scope = { type: 'Patient', id: ref.id, count: 10 };
    const { versions, next } = await world.store.history(scope);
    expect(next).toBeUndefined();
    expect(versions.map(told)).toEqual([
      `${ref.id} 4 PUT`,
      `${ref.id} 3 DELETE`,
      `${ref.id} 2 PATCH`,
      `${ref.id} 1 POST`,
    ]);
    expect(versions.map(version => version.body && Buffer.from(version.body).toString())).toEqual([
      '"4"',
      undefined,
      '"2"',
      '"1"',
    ]);
    expect((await world.store.history({ ...scope, ascending: true })).versions.map(told)).toEqual(
      versions.map(told).reverse(),
    );
    for (const count of [1, 3])
      expect((await wholeHistory(world.store, { ...scope, count })).map(told)).toEqual(versions.map(told));
    expect((await world.store.history({ ...scope, count: 2, total: true })).total).toBe(4);
    expect((await world.store.history({ ...scope, count: 0, total: true })).versions).toEqual([]);
    expect(
      await world.store.history({ type: 'Patient', id: world.ref().id, count: 10, total: true }),
    ).toMatchObject({ versions: [], total: 0 });
    expect((await world.store.history({ type: 'NoSuchTypeEver', count: 10 })).versions).toEqual([]);
  });

  promise('tells the history of a type and of the whole system in commit order', async world => {
    const since = tick();
    const [a, b, o] = [world.ref(), world.ref(), world.ref('Observation')];
    await world.put(a);
    await world.commit(world.write(o), world.write(b));
    await world.put(a);
    await world.delete(b);
    const system = [
      `${b.id} 2 DELETE`,
      `${a.id} 2 PUT`,
      `${b.id} 1 POST`,
      `${o.id} 1 POST`,
      `${a.id} 1 POST`,
    ];
    const patients = system.filter(line => !line.startsWith(o.id));
    for (const count of [1, 2, 100]) {
      expect((await wholeHistory(world.store, { since, count })).map(told)).toEqual(system);
      expect((await wholeHistory(world.store, { type: 'Patient', since, count })).map(told)).toEqual(
        patients,
      );
      expect((await wholeHistory(world.store, { since, count, ascending: true })).map(told)).toEqual(
        [...system].reverse(),
      );
    }
    expect((await world.store.history({ type: 'Observation', since, count: 10, total: true })).total).toBe(1);
    expect((await world.store.history({ since, count: 2, total: true })).total).toBe(5);
  });

  promise('keeps to versions since an instant, also where instants are not in commit order', async world => {
    const [early, late] = [tick(10_000), tick(10_000)];
    const [a, b, c] = [world.ref(), world.ref(), world.ref()];
    await world.put(a, [], { lastUpdated: late });
    await world.put(b, [], { lastUpdated: early });
    await world.put(c, [], { lastUpdated: late + 1 });
    const lines = async (scope: Omit<HistoryScope, 'count'>): Promise<string[]> =>
      (await wholeHistory(world.store, { type: 'Patient', count: 1, ...scope })).map(
        version => version.ref.id,
      );
    expect(await lines({ since: late })).toEqual([c.id, a.id]);
    expect(await lines({ since: early })).toEqual([c.id, b.id, a.id]);
    expect(await lines({ since: late, ascending: true })).toEqual([a.id, c.id]);
    expect(await lines({ since: early + 1, ascending: true })).toEqual([a.id, c.id]);
    expect(await lines({ since: late + 2 })).toEqual([]);
    expect(await lines({ since: late, id: b.id })).toEqual([]);
    tick(30_000);
  });

  promise('keeps to versions that were current at some time', async world => {
    const ref = world.ref();
    const instants = [tick(), tick(), tick(), tick()] as const;
    await world.put(ref, [], { lastUpdated: instants[0] });
    await world.put(ref, [], { lastUpdated: instants[1] });
    await world.delete(ref, { lastUpdated: instants[2] });
    await world.put(ref, [], { lastUpdated: instants[3] });
    const at = async (
      from: number,
      to: number,
      scope: Partial<HistoryScope> = { id: ref.id },
    ): Promise<number[]> => {
      const versions = await wholeHistory(world.store, {
        type: 'Patient',
        count: 2,
        at: { from, to },
        ...scope,
      });
      return versions.filter(version => version.ref.id === ref.id).map(version => version.version);
    };
    expect(await at(instants[0] - 500, instants[0] - 1)).toEqual([]);
    expect(await at(instants[0], instants[0])).toEqual([1]);
    expect(await at(instants[0] + 1, instants[1])).toEqual([2, 1]);
    expect(await at(instants[1], instants[1] + 5)).toEqual([2]);
    expect(await at(instants[1] + 1, instants[2])).toEqual([3, 2]);
    expect(await at(instants[3] + 9, instants[3] + 10)).toEqual([4]);
    expect(await at(instants[1], instants[1] + 5, {})).toEqual([2]);
  });

  promise('pages through history exactly once while more is written', async world => {
    const since = tick();
    const refs = Array.from({ length: 10 }, () => world.ref('Observation'));
    for (const ref of refs) await world.put(ref);
    for (const ref of refs) await world.put(ref);
    for (const ascending of [false, true]) {
      const before = (
        await wholeHistory(world.store, { type: 'Observation', since, count: 1000, ascending })
      ).map(told);
      const seen: string[] = [];
      let page = await world.store.history({ type: 'Observation', since, count: 3, ascending });
      for (let round = 0; ; round++) {
        seen.push(...page.versions.map(told));
        if (page.next === undefined) break;
        expect(round).toBeLessThan(100);
        // In ascending order what is written goes on at the end: it must stop before the reader is for ever behind.
        if (round < 5) await world.put(refs[round]!);
        page = await world.store.history({
          type: 'Observation',
          since,
          count: 3,
          ascending,
          after: page.next,
        });
      }
      expect(seen.filter(line => before.includes(line))).toEqual(before);
      expect(new Set(seen).size).toBe(seen.length);
    }
  });

  promise('tells every change once, in commit order, from any cursor on', async world => {
    const start = await present(world.store);
    const [a, b] = [world.ref(), world.ref('Observation')];
    await world.put(a);
    await world.commit(world.write(b), world.write(a));
    await world.delete(b);
    const changes = await changesAfter(world.store, start);
    expect(changes.map(told)).toEqual([
      `${a.id} 1 POST`,
      `${b.id} 1 POST`,
      `${a.id} 2 PUT`,
      `${b.id} 2 DELETE`,
    ]);
    expect(changes[0]!.lastUpdated).toBe((await world.store.read(a, 1))!.lastUpdated);
    expect(changes[2]!.ref).toEqual(a);
    for (const [i, change] of changes.entries()) {
      expect((await changesAfter(world.store, change.cursor)).map(told)).toEqual(
        changes.slice(i + 1).map(told),
      );
    }
    expect((await changesAfter(world.store, '')).slice(-4).map(told)).toEqual(changes.map(told));
  });

  promise('shows no change of a commit that was refused', async world => {
    const start = await present(world.store);
    await conflictOf(
      world.store.commit([world.write(world.ref()), world.write(world.ref(), [], { expected: 3 })]),
    );
    expect(await changesAfter(world.store, start)).toEqual([]);
  });

  promise('never passes a commit it has not shown, under parallel commits', async world => {
    const chance = random(41);
    let cursor = await present(world.store);
    const seen: string[] = [];
    const expected: string[] = [];
    let writing = true;
    const read = async (): Promise<void> => {
      for await (const change of world.store.changes(cursor)) {
        cursor = change.cursor;
        seen.push(`${name(change.ref)} ${change.version}`);
      }
    };
    const reader = (async () => {
      while (writing) {
        await read();
        await new Promise(resolve => setImmediate(resolve));
      }
    })();
    await Promise.all(
      Array.from({ length: 8 }, async () => {
        for (let n = 0; n < 15; n++) {
          const refs: Ref[] = Array.from({ length: 1 + chance.below(4) }, () =>
            world.ref(chance.pick(['Patient', 'Observation'])),
          );
          expected.push(...refs.map(ref => `${name(ref)} 1`));
          await world.store.commit(refs.map(ref => world.write(ref)));
        }
      }),
    );
    writing = false;
    await reader;
    await read();
    expect([...seen].sort()).toEqual([...expected].sort());
  });
}
