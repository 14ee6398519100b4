// Promises of scan, expunge, clearIndex, indexSome, check, counts, backup and close. Most look at the whole store, so they open one
// of their own.
import { rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect } from 'vitest';
import { all, type Node } from '../../../src/search/plan.js';
import type { Store, Version } from '../../../src/storage/store.js';
import {
  asc,
  contains,
  date,
  desc,
  eq,
  ids,
  leaf,
  name,
  reference,
  rowsOf,
  sorted,
  string,
  text,
  token,
  World,
  type Promises,
  type StoreUnderTest,
} from './suite.js';

export function maintenancePromises(promise: Promises, prepare: () => Promise<StoreUnderTest>): void {
  /** A store of the test's own, closed and removed afterwards. */
  const alone = (
    title: string,
    run: (subject: StoreUnderTest, opened: (store: Store) => Store) => Promise<void>,
  ): void =>
    promise(title, async () => {
      const subject = await prepare();
      const stores: Store[] = [];
      try {
        await run(subject, store => {
          stores.push(store);
          return store;
        });
      } finally {
        for (const store of stores) await store.close();
        await subject.dispose();
      }
    });
  const collect = async <T>(from: AsyncIterable<T>): Promise<T[]> => {
    const all: T[] = [];
    for await (const one of from) all.push(one);
    return all;
  };

  alone('an empty store is empty', async (subject, opened) => {
    const store = opened(await subject.open());
    const world = new World(store);
    expect(await world.find(all)).toEqual([]);
    expect(await store.count(world.plan(all))).toBe(0);
    expect((await store.history({ count: 10, total: true })).total).toBe(0);
    expect(await collect(store.changes(''))).toEqual([]);
    expect(await collect(store.scan([]))).toEqual([]);
    expect(await collect(store.check(rowsOf))).toEqual([]);
    expect((await store.counts()).size).toBe(0);
    expect(await store.indexVersion()).toBe('');
    expect(await store.indexSome({ types: [], after: '', count: 10 }, rowsOf)).toEqual({ done: 0 });
  });

  alone('scans current resources in order of creation, all types or some', async (subject, opened) => {
    const world = new World(opened(await subject.open()));
    const refs = Array.from({ length: 250 }, (_, i) => world.ref(['Patient', 'Observation', 'Group'][i % 3]));
    await world.commit(...refs.map(ref => world.write(ref)));
    await world.put(refs[3]!);
    await world.delete(refs[4]!);
    const scanned = async (types: string[]): Promise<string[]> =>
      (await collect(world.store.scan(types))).map(version => name(version.ref));
    const left = refs.filter(ref => ref !== refs[4]).map(name);
    expect(await scanned([])).toEqual(left);
    expect(await scanned(['Group', 'Patient', 'NoSuchTypeEver'])).toEqual(
      left.filter(key => !key.startsWith('Observation')),
    );
    expect(await scanned(['NoSuchTypeEver'])).toEqual([]);
    for await (const version of world.store.scan(['Patient'])) {
      expect(version.body).toBeInstanceOf(Uint8Array);
      break; // leaving early must let go of everything
    }
    await world.put(refs[0]!);
  });

  alone('counts current resources per type', async (subject, opened) => {
    const world = new World(opened(await subject.open()));
    const refs = [world.ref(), world.ref(), world.ref('Observation'), world.ref('Group')];
    await world.commit(...refs.map(ref => world.write(ref)));
    await world.put(refs[0]!);
    await world.delete(refs[3]!);
    expect(new Map(await world.store.counts())).toEqual(new Map([['Patient', 2], ['Observation', 1]])); // prettier-ignore
  });

  alone('keeps everything when it is opened again', async (subject, opened) => {
    let store = await subject.open();
    const world = new World(store);
    const [a, b] = [world.ref(), world.ref('Observation')];
    await world.commit(
      world.write(a, [string('name', 'Anna')], { claims: [world.claim('c')] }),
      world.write(b, [reference('subject', a), date('date', 5)]),
    );
    await world.put(a, [string('name', 'Anne')], { claims: [world.claim('c')] });
    await store.commit([], { key: 'k', body: Buffer.from('v') });
    await store.setIndexVersion('seven');
    const before = await collect(store.changes(''));
    await store.close();
    store = opened(await subject.open());
    const again = new World(store);
    expect(await store.read(a)).toMatchObject({ version: 2 });
    expect(await store.read(a, 1)).toMatchObject({ version: 1 });
    expect(await store.claimOwner(world.claim('c'))).toEqual(a);
    expect(Buffer.from((await store.receipt('k'))!).toString()).toBe('v');
    expect(await store.indexVersion()).toBe('seven');
    expect(await collect(store.changes(''))).toEqual(before);
    const plan = {
      types: ['Patient'],
      where: leaf('string', 'name', eq('value', 'anne')),
      sort: [],
      count: 5,
      total: 'none',
    } as const;
    expect((await store.search(plan)).versions.map(version => version.ref)).toEqual([a]);
    // Numbers go on where they were: the new come after the old.
    const c = await again.put(again.ref());
    expect((await store.search({ ...plan, where: all })).versions.map(version => version.ref)).toEqual([
      a,
      c,
    ]);
    expect((await collect(store.changes(before.at(-1)!.cursor))).map(change => change.ref)).toEqual([c]);
  });

  alone('finishes the commits under way when it closes, and refuses later ones', async subject => {
    const store = await subject.open();
    const world = new World(store);
    const refs = Array.from({ length: 40 }, () => world.ref());
    const commits = refs.map(ref => store.commit([world.write(ref)]));
    await store.close();
    const ends = await Promise.allSettled(commits);
    await expect(store.read(refs[0]!)).rejects.toThrow();
    await expect(store.commit([world.write(world.ref())])).rejects.toThrow();
    await expect(store.ping()).rejects.toThrow();
    const again = await subject.open();
    for (const [i, ref] of refs.entries())
      expect((await again.read(ref)) !== undefined).toBe(ends[i]!.status === 'fulfilled');
    expect(ends.every(end => end.status === 'fulfilled')).toBe(true);
    await again.close();
  });

  alone('makes every index row anew from the bodies', async (subject, opened) => {
    const store = opened(await subject.open());
    const world = new World(store);
    const refs = Array.from({ length: 60 }, (_, i) => world.ref(i % 2 ? 'Patient' : 'Observation'));
    await world.commit(
      ...refs.map((ref, i) =>
        world.write(ref, [
          token('old', 'x'),
          text('_content', `old word ${i}`),
          date('date', i),
          reference('subject', refs[(i * 7) % 60]!),
        ]),
      ),
    );
    await world.delete(refs[5]!);
    await world.put(refs[6]!, [token('old', 'y')]);
    const newRows = (version: Version): ReturnType<typeof rowsOf> => [
      ...rowsOf(version).filter(row => row.param !== 'old' && row.kind !== 'words'),
      text('_content', `new ${version.version}`),
      token('new', version.ref.id),
      string('name', `N ${version.ref.id}`),
    ];
    await store.setIndexVersion('gone');
    await store.clearIndex();
    expect(await store.indexVersion()).toBe('');
    let portions = 0;
    let sum = 0;
    for (let after: string | undefined = ''; after !== undefined; portions++) {
      const made: { done: number; next?: string } = await store.indexSome({ types: [], after, count: 7 }, newRows); // prettier-ignore
      // What was done is done again, as after a crash.
      await store.indexSome({ types: [], after, count: 3 }, newRows);
      sum += made.done;
      after = made.next;
    }
    expect(sum).toBe(59);
    expect(portions).toBeGreaterThan(8);
    expect(await collect(store.check(newRows))).toEqual([]);
    expect((await collect(store.check(rowsOf))).length).toBeGreaterThan(0);
    expect(await world.find(leaf('token', 'old', eq('code', 'x')))).toEqual([]);
    const word = (value: string): Node => leaf('words', '_content', contains('text', ` ${value} `));
    expect(await store.count(world.plan(word('old')))).toBe(0);
    expect(await store.count(world.plan(word('new')))).toBe(30 - 1);
    expect(await world.find(leaf('token', 'new', eq('code', refs[1]!.id)))).toEqual([refs[1]!.id]);
    const patients = refs.filter((ref, i) => i % 2 && ref !== refs[5]);
    expect(await world.find(all, { sort: [desc('date', 'date')], count: 7 })).toEqual(
      ids(...patients.toReversed()),
    );
    expect(await world.find(all, { sort: [asc('name', 'string')] })).toEqual(sorted(ids(...patients)));
    const whole = leaf('reference', 'subject', eq('target', name(refs[7]!)));
    expect(await world.find(whole, { types: ['Observation', 'Patient'] })).toEqual(ids(refs[1]!));
  });

  alone('finds nothing to complain about after all kinds of writes', async (subject, opened) => {
    const store = opened(await subject.open());
    const world = new World(store);
    const refs = Array.from({ length: 30 }, (_, i) => world.ref(i % 2 ? 'Patient' : 'Observation'));
    for (const [i, ref] of refs.entries())
      await world.put(
        ref,
        [
          token('t', String(i % 4)),
          text('_content', `same word${i % 5}`),
          text('_text', 'same'),
          reference('subject', refs[(i + 11) % 30]!),
          reference('uses', 'http://x'),
          reference('uses', `Patient/${world.tag}-not-yet`),
          date('date', i, i + (i % 5) * 50_000_000),
        ],
        { claims: [world.claim(String(i))] },
      );
    for (const ref of refs.slice(0, 10))
      await world.put(ref, [string('s', 'Changed'), text('_content', 'changed'), date('date', 3, 9)]);
    for (const ref of refs.slice(5, 15)) await world.delete(ref);
    for (const ref of refs.slice(12, 14)) await world.put(ref, [string('s', 'Back')]);
    await store.expunge(refs[20]!, 'everything');
    await store.expunge(refs[1]!, 'history');
    await store.expunge(refs[14]!, 'everything');
    expect(await collect(store.check(rowsOf))).toEqual([]);
  });

  alone('tells, where it can, whether searches for a type may find others', async (subject, opened) => {
    const store = opened(await subject.open());
    if (store.stateOf === undefined) return;
    const world = new World(store);
    const state = (): string | undefined => store.stateOf!('Observation');
    const seen: (string | undefined)[] = [];
    const expectAnother = (): void => {
      expect(seen).not.toContain(state());
      seen.push(state());
    };
    expect(state()).toBe('');
    const [a, b] = [world.ref('Observation'), world.ref('Observation')];
    await world.put(a, [token('code', 'x')]);
    expectAnother();
    await world.put(world.ref());
    expect(state()).toBe(seen.at(-1));
    await world.put(a, [token('code', 'y')]);
    expectAnother();
    await world.put(b);
    expectAnother();
    await store.clearIndex();
    expectAnother();
    await store.indexSome({ types: [], after: '', count: 100 }, rowsOf);
    expectAnother();
    await world.delete(a);
    expectAnother();
    await store.expunge(b, 'everything');
    expect(state()).toBe('');
    await world.put(a);
    expectAnother();
  });

  promise('expunges superseded versions only, or everything', async world => {
    const [a, b, referring] = [world.ref(), world.ref(), world.ref('Observation')];
    await world.put(a, [token('t', '1')], { claims: [world.claim('a')] });
    await world.put(a, [token('t', '2')], { claims: [world.claim('a')] });
    await world.put(a, [token('t', '3')], { claims: [world.claim('a')] });
    await world.put(b, [token('t', '3')], { claims: [world.claim('b')] });
    await world.put(referring, [reference('subject', b)]);
    expect(await world.store.expunge(a, 'history')).toBe(2);
    expect(await world.store.read(a)).toMatchObject({ version: 3 });
    expect(await world.store.read(a, 2)).toBeUndefined();
    expect(
      (await world.store.history({ type: 'Patient', id: a.id, count: 9 })).versions.map(
        version => version.version,
      ),
    ).toEqual([3]);
    expect(await world.store.claimOwner(world.claim('a'))).toEqual(a);
    await world.put(a, [token('t', '3')]);
    expect(await world.store.expunge(b, 'everything')).toBe(1);
    expect(await world.store.expunge(b, 'everything')).toBe(0);
    expect(await world.store.read(b)).toBeUndefined();
    expect(await world.store.read(b, 1)).toBeUndefined();
    expect(await world.store.claimOwner(world.claim('b'))).toBeUndefined();
    expect(await world.find(all)).toEqual([a.id]);
    expect((await collect(world.store.changes(''))).some(change => change.ref.id === b.id)).toBe(false);
    expect(
      (await collect(world.store.changes('')))
        .filter(change => change.ref.id === a.id)
        .map(change => change.version),
    ).toEqual([3, 4]);
    // What referred to it still names it, and finds it when it is made again.
    const toB = leaf('reference', 'subject', eq('target', name(b)));
    const link = { op: 'link', param: 'subject', types: ['Patient'], node: all } as const;
    expect(await world.find(toB, { types: ['Observation'] })).toEqual([referring.id]);
    expect(await world.find(link, { types: ['Observation'] })).toEqual([]);
    world.versions.delete(name(b));
    world.rows.delete(name(b));
    await world.put(b);
    expect(await world.store.read(b)).toMatchObject({ version: 1 });
    expect(await world.find(link, { types: ['Observation'] })).toEqual([referring.id]);
  });

  alone('forgets no cursor when the newest change is expunged', async (subject, opened) => {
    let store = await subject.open();
    const world = new World(store);
    const [a, b] = [await world.put(world.ref()), await world.put(world.ref())];
    const cursor = (await collect(store.changes(''))).at(-1)!.cursor;
    await store.expunge(b, 'everything');
    await store.close();
    store = opened(await subject.open());
    const again = new World(store);
    const c = await again.put(again.ref());
    expect((await collect(store.changes(cursor))).map(change => change.ref)).toEqual([c]);
    expect((await collect(store.changes(''))).map(change => change.ref)).toEqual([a, c]);
  });

  promise('keeps the name of its index', async world => {
    await world.store.setIndexVersion('one');
    await world.store.setIndexVersion('two');
    expect(await world.store.indexVersion()).toBe('two');
  });

  alone('copies itself while writes go on, where it says it can', async (subject, opened) => {
    const store = opened(await subject.open());
    if (!store.capabilities.onlineBackup) return;
    const world = new World(store);
    const refs = Array.from({ length: 50 }, () => world.ref());
    await world.commit(...refs.map(ref => world.write(ref)));
    const path = join(tmpdir(), `tsela-backup-${world.tag}.sqlite`);
    try {
      const more = Array.from({ length: 30 }, () => store.commit([world.write(world.ref())]));
      await Promise.all([store.backup(path), ...more]);
      // A second one must not write over the first.
      await expect(store.backup(path)).rejects.toThrow();
    } finally {
      await rm(path, { force: true });
    }
  });
}
