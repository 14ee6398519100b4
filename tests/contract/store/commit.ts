// Promises of commit: all or nothing, every judgement, claims and receipts.
import { expect } from 'vitest';
import { WriteConflict } from '../../../src/storage/store.js';
import { all } from '../../../src/search/plan.js';
import {
  conflictOf,
  eq,
  ids,
  leaf,
  name,
  reference,
  sorted,
  string,
  tick,
  token,
  type Promises,
} from './suite.js';

export function commitPromises(promise: Promises): void {
  promise('writes several resources at once, of several types', async world => {
    const refs = [world.ref(), world.ref('Observation'), world.ref('Organization')];
    await world.commit(...refs.map(ref => world.write(ref)));
    for (const ref of refs) expect(await world.store.read(ref)).toMatchObject({ version: 1 });
    expect(sorted(await world.find(all, { types: ['Patient', 'Observation', 'Organization'] }))).toEqual(
      sorted(ids(...refs)),
    );
  });

  promise('can be read as soon as it has resolved', async world => {
    const ref = world.ref();
    for (let n = 1; n <= 20; n++) {
      await world.put(ref, [token('round', String(n))]);
      expect((await world.store.read(ref))!.version).toBe(n);
      expect(await world.find(leaf('token', 'round', eq('code', String(n))))).toEqual([ref.id]);
    }
  });

  promise('changes its generation, where it has one, with every commit and with no read', async world => {
    const { store } = world;
    if (store.generation === undefined) return;
    const ref = world.ref();
    const seen = [store.generation()];
    for (let n = 1; n <= 5; n++) {
      await world.put(ref, [token('round', String(n))]);
      seen.push(store.generation());
      await world.find(leaf('token', 'round', eq('code', String(n))));
      await store.read(ref);
      expect(store.generation()).toBe(seen.at(-1));
    }
    await store.expunge(ref, 'everything');
    seen.push(store.generation());
    expect(new Set(seen).size).toBe(seen.length);
  });

  promise('stores nothing of a commit with a conflict in its third write', async world => {
    const [stale, updated, created, deleted] = [world.ref(), world.ref(), world.ref(), world.ref()];
    await world.commit(
      world.write(stale),
      world.write(updated, [string('name', 'before')]),
      world.write(deleted),
    );
    const cursor = await lastCursor(world.store);
    const writes = [
      world.write(created, [], { claims: [world.claim('c')] }),
      world.write(updated, [string('name', 'after')]),
      world.write(stale, [], { expected: 7 }),
      world.deletion(deleted),
    ];
    const conflict = await conflictOf(
      world.store.commit(writes, { key: world.claim('receipt'), body: Buffer.from('x') }),
    );
    expect(conflict).toMatchObject({ reason: 'version', index: 2, what: name(stale) });
    expect(await world.store.read(created)).toBeUndefined();
    expect(await world.store.read(updated)).toMatchObject({ version: 1 });
    expect(await world.store.read(deleted)).toMatchObject({ version: 1, method: 'POST' });
    expect(await world.find(leaf('string', 'name', eq('value', 'after')))).toEqual([]);
    expect(await world.find(leaf('string', 'name', eq('value', 'before')))).toEqual([updated.id]);
    expect((await world.store.history({ type: 'Patient', id: updated.id, count: 10 })).versions).toHaveLength(
      1,
    );
    expect(await world.store.claimOwner(world.claim('c'))).toBeUndefined();
    expect(await world.store.receipt(world.claim('receipt'))).toBeUndefined();
    for await (const change of world.store.changes(cursor)) expect(change).toBeUndefined();
    // And nothing is left in the way of doing it right.
    await world.commit(...writes.filter(write => write.ref !== stale));
    expect(await world.store.read(created)).toMatchObject({ version: 1 });
  });

  promise('refuses an expected version that is not the current one', async world => {
    const [ref, unknown, gone] = [world.ref(), world.ref(), world.ref()];
    await world.put(ref);
    await world.put(ref);
    await world.put(gone);
    await world.delete(gone);
    const refused = async (write: Parameters<typeof world.store.commit>[0][number]): Promise<void> => {
      expect(await conflictOf(world.store.commit([write]))).toMatchObject({
        reason: 'version',
        index: 0,
        what: name(write.ref),
      });
    };
    await refused(world.write(ref, [], { expected: 0 }));
    await refused(world.write(ref, [], { expected: 1 }));
    await refused(world.write(ref, [], { expected: 3 }));
    await refused(world.deletion(ref, { expected: 1 }));
    await refused(world.write(unknown, [], { expected: 1 }));
    await refused(world.write(gone, [], { expected: 0 }));
    await refused(world.write(gone, [], { expected: 1 }));
    expect(await world.store.read(unknown)).toBeUndefined();
  });

  promise('goes on counting versions after a deletion', async world => {
    const [ref, other] = [world.ref(), world.ref()];
    await world.commit(world.write(ref, [token('a', '1')]), world.write(other));
    await world.delete(ref);
    expect(await world.find(all)).toEqual([other.id]);
    await world.put(ref, [token('a', '2')]);
    expect(await world.store.read(ref)).toMatchObject({ version: 3 });
    expect(await world.find(leaf('token', 'a', eq('code', '1')))).toEqual([]);
    expect(await world.find(all)).toEqual([ref.id, other.id]);
    await world.delete(ref);
    await world.delete(ref);
    expect(await world.store.read(ref)).toMatchObject({ version: 5, method: 'DELETE' });
  });

  promise('refuses a reference twice in one commit', async world => {
    const ref = world.ref();
    await expect(world.store.commit([world.write(ref), world.write(ref)])).rejects.toThrow();
    expect(await world.store.read(ref)).toBeUndefined();
  });

  promise('judges a condition by what its criteria find now', async world => {
    const [a, b] = [world.ref(), world.ref()];
    const criteria = {
      plan: world.plan(leaf('token', 'identifier', eq('code', 'i')), { count: 2 }),
      locks: [world.claim('i')],
    };
    const write = (found: (typeof a)[]): Parameters<typeof world.write>[2] => ({
      condition: { ...criteria, found },
    });
    await world.commit(world.write(a, [token('identifier', 'i')], write([])));
    // Found nothing when judged, one now.
    const late = world.write(b, [token('identifier', 'i')], write([]));
    expect(await conflictOf(world.store.commit([world.write(world.ref()), late]))).toMatchObject({
      reason: 'condition',
      index: 1,
    });
    // Found that one: holds.
    await world.put(b, [token('identifier', 'i')], write([a]));
    // Now two: one or the other way about does not hold, in the plan's order it does.
    expect(
      (await conflictOf(world.store.commit([world.write(a, [token('identifier', 'i')], write([a]))]))).reason,
    ).toBe('condition');
    expect(
      (await conflictOf(world.store.commit([world.write(a, [token('identifier', 'i')], write([b, a]))])))
        .reason,
    ).toBe('condition');
    await world.put(a, [token('identifier', 'i')], write([a, b]));
    // A third beyond the plan's count changes nothing.
    const third = await world.put(world.ref(), [token('identifier', 'i')], write([a, b]));
    await world.delete(a, write([a, b]));
    expect((await conflictOf(world.store.commit([world.deletion(b, write([a, b]))]))).reason).toBe(
      'condition',
    );
    await world.delete(b, write([b, third]));
  });

  promise('judges conditions on the state before the commit', async world => {
    const criteria = {
      plan: world.plan(leaf('token', 'identifier', eq('code', 'i')), { count: 2 }),
      locks: [world.claim('i')],
      found: [],
    };
    const [a, b] = [world.ref(), world.ref()];
    await world.commit(
      world.write(a, [token('identifier', 'i')]),
      world.write(b, [], { condition: criteria }),
    );
    expect(await world.store.read(b)).toBeDefined();
  });

  promise('keeps claims unique and names their owner', async world => {
    const [owner, other] = [world.ref(), world.ref('Observation')];
    const claim = world.claim('slot');
    await world.put(owner, [], { claims: [claim, world.claim('more')] });
    expect(await world.store.claimOwner(claim)).toEqual(owner);
    const conflict = await conflictOf(
      world.store.commit([
        world.write(world.ref()),
        world.write(other, [], { claims: [world.claim('free'), claim] }),
      ]),
    );
    expect(conflict).toMatchObject({ reason: 'claim', index: 1, what: claim, owner });
    expect(await world.store.claimOwner(world.claim('free'))).toBeUndefined();
    expect(await world.store.claimOwner(world.claim('never'))).toBeUndefined();
  });

  promise('refuses a claim named by two writes of one commit', async world => {
    const claim = world.claim('twice');
    const conflict = await conflictOf(
      world.store.commit([
        world.write(world.ref(), [], { claims: [claim] }),
        world.write(world.ref(), [], { claims: [claim] }),
      ]),
    );
    expect(conflict).toMatchObject({ reason: 'claim', index: 1, what: claim });
    expect(await world.store.claimOwner(claim)).toBeUndefined();
    // One write that names it twice has it once.
    const ref = await world.put(world.ref(), [], { claims: [claim, claim] });
    expect(await world.store.claimOwner(claim)).toEqual(ref);
  });

  promise('releases claims that the next version does not name, and those of the deleted', async world => {
    const [first, second] = [world.ref(), world.ref()];
    const [kept, dropped] = [world.claim('kept'), world.claim('dropped')];
    await world.put(first, [], { claims: [kept, dropped] });
    await world.put(first, [], { claims: [kept] });
    expect(await world.store.claimOwner(kept)).toEqual(first);
    expect(await world.store.claimOwner(dropped)).toBeUndefined();
    await world.put(second, [], { claims: [dropped] });
    await world.delete(first);
    expect(await world.store.claimOwner(kept)).toBeUndefined();
    await world.put(second, [], { claims: [kept] });
    expect(await world.store.claimOwner(kept)).toEqual(second);
    expect(await world.store.claimOwner(dropped)).toBeUndefined();
  });

  promise('lets one write take over the claim that another gives up', async world => {
    const [from, to] = [world.ref(), world.ref()];
    const claim = world.claim('handed');
    await world.put(from, [], { claims: [claim] });
    await world.commit(world.write(to, [], { claims: [claim] }), world.write(from));
    expect(await world.store.claimOwner(claim)).toEqual(to);
    await world.commit(world.deletion(to), world.write(from, [], { claims: [claim] }));
    expect(await world.store.claimOwner(claim)).toEqual(from);
  });

  promise('refuses where something required is missing or deleted', async world => {
    const [gone, here] = [world.ref(), world.ref('Organization')];
    await world.commit(world.write(gone), world.write(here));
    await world.delete(gone);
    for (const missing of [world.ref('Organization'), { type: 'NoSuchTypeEver', id: 'x' }, gone]) {
      const conflict = await conflictOf(
        world.store.commit([
          world.write(world.ref()),
          world.write(world.ref(), [], { requires: [here, missing] }),
        ]),
      );
      expect(conflict).toMatchObject({ reason: 'required', index: 1, what: name(missing) });
    }
    await world.put(world.ref(), [], { requires: [here] });
  });

  promise('judges what is required when the commit is done', async world => {
    const [created, deleted] = [world.ref(), world.ref()];
    await world.put(deleted);
    await world.commit(world.write(world.ref(), [], { requires: [created] }), world.write(created));
    const conflict = await conflictOf(
      world.store.commit([world.write(world.ref(), [], { requires: [deleted] }), world.deletion(deleted)]),
    );
    expect(conflict).toMatchObject({ reason: 'required', index: 0, what: name(deleted) });
  });

  promise('refuses to delete what a current resource outside the commit refers to', async world => {
    const [patient, observation] = [world.ref(), world.ref('Observation')];
    await world.put(observation, [reference('subject', patient)]);
    await world.put(patient, [reference('link', patient)]);
    const conflict = await conflictOf(
      world.store.commit([world.write(world.ref()), world.deletion(patient, { unreferenced: true })]),
    );
    expect(conflict).toMatchObject({
      reason: 'referenced',
      index: 1,
      what: name(patient),
      owner: observation,
    });
    // Together with the referrer, or when it refers no more, or without the condition.
    const [second, third] = [world.ref(), world.ref()];
    await world.commit(world.deletion(patient, { unreferenced: true }), world.deletion(observation));
    await world.put(second);
    await world.put(observation, [reference('subject', second)]);
    await world.put(observation, [reference('subject', third)]);
    await world.delete(second, { unreferenced: true });
    await world.put(third);
    await world.delete(third);
  });

  promise('keeps a receipt with its commit and refuses its key a second time', async world => {
    const [ref, other] = [world.ref(), world.ref()];
    const receipt = { key: world.claim('once'), body: Buffer.from('{"answer":1}') };
    const writes = [world.write(ref)];
    expect(await world.store.receipt(receipt.key)).toBeUndefined();
    await world.store.commit(writes, receipt);
    world.remember(writes);
    expect(Buffer.from((await world.store.receipt(receipt.key))!).equals(receipt.body)).toBe(true);
    const conflict = await conflictOf(
      world.store.commit([world.write(other)], { ...receipt, body: Buffer.from('other') }),
    );
    expect(conflict).toMatchObject({ reason: 'receipt', index: -1, what: receipt.key });
    expect(await world.store.read(other)).toBeUndefined();
    expect(Buffer.from((await world.store.receipt(receipt.key))!).equals(receipt.body)).toBe(true);
  });

  promise('keeps a receipt without writes', async world => {
    await world.store.commit([], { key: world.claim('empty'), body: Buffer.from('nothing') });
    expect(Buffer.from((await world.store.receipt(world.claim('empty')))!).toString()).toBe('nothing');
    await world.store.commit([]);
  });

  promise('names the first write that does not hold', async world => {
    const [a, b] = [world.ref(), world.ref()];
    await world.commit(world.write(a), world.write(b));
    const conflict = await conflictOf(
      world.store.commit([
        world.write(a),
        world.write(b, [], { expected: 5 }),
        world.write(world.ref(), [], { expected: 3 }),
      ]),
    );
    expect(conflict).toMatchObject({ reason: 'version', index: 1 });
  });

  promise('takes three hundred writes and a body of three megabytes', async world => {
    const refs = Array.from({ length: 300 }, () => world.ref('Observation'));
    const body = Buffer.alloc(3_000_000, 'ä');
    await world.commit(
      ...refs.map((ref, i) => world.write(ref, [token('nth', String(i))], i === 150 ? { body } : {})),
    );
    expect(Buffer.from((await world.store.read(refs[150]!))!.body!).equals(body)).toBe(true);
    expect(await world.store.count(world.plan(all, { types: ['Observation'] }))).toBe(300);
    expect(await world.find(leaf('token', 'nth', eq('code', '299')), { types: ['Observation'] })).toEqual([
      refs[299]!.id,
    ]);
  });

  promise('finds a reference whose target came later, whatever the order', async world => {
    const [patient, early, sibling, late] = [
      world.ref(),
      world.ref('Observation'),
      world.ref('Observation'),
      world.ref('Observation'),
    ];
    await world.put(early, [reference('subject', patient)]);
    await world.commit(
      world.write(sibling, [reference('subject', patient)]),
      world.write(patient, [token('gender', 'female')]),
    );
    await world.put(late, [reference('subject', patient)]);
    const types = ['Observation'];
    expect(await world.find(leaf('reference', 'subject', eq('target', name(patient))), { types })).toEqual(
      ids(early, sibling, late),
    );
    const link = {
      op: 'link',
      param: 'subject',
      types: ['Patient'],
      node: leaf('token', 'gender', eq('code', 'female')),
    } as const;
    expect(await world.find(link, { types })).toEqual(ids(early, sibling, late));
    expect(await world.find({ op: 'backlink', type: 'Observation', param: 'subject', node: all })).toEqual([
      patient.id,
    ]);
    await world.put(early, [reference('subject', 'Patient/somebody-else')]);
    expect(await world.find(link, { types })).toEqual(ids(sibling, late));
  });

  promise('bears rows that are missing from what is replaced, or named twice', async world => {
    const ref = world.ref();
    const rows = [token('a', '1'), string('b', 'Two'), reference('c', 'Organization/x')];
    await world.put(ref, [...rows, ...rows]);
    expect(await world.find(leaf('token', 'a', eq('code', '1')))).toEqual([ref.id]);
    // Names a row that was never there, and others twice.
    const told = [...rows, ...rows, token('a', 'never'), token('case', world.tag)];
    await world.put(ref, [token('a', '2')], { replaces: told, lastUpdated: tick() });
    expect(await world.find(leaf('token', 'a', eq('code', '1')))).toEqual([]);
    expect(await world.find(leaf('token', 'a', eq('code', '2')))).toEqual([ref.id]);
    expect(await world.find(all)).toEqual([ref.id]);
  });

  promise('says what conflicts in an Error with a name', async world => {
    const conflict = await conflictOf(world.store.commit([world.write(world.ref(), [], { expected: 1 })]));
    expect(conflict).toBeInstanceOf(WriteConflict);
    expect(conflict.message).toContain('version');
  });
}

async function lastCursor(store: Parameters<Parameters<Promises>[1]>[0]['store']): Promise<string> {
  let cursor = '';
  for await (const change of store.changes('')) cursor = change.cursor;
  return cursor;
}
