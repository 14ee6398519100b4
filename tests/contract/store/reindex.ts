// Promises of fenceIndex, indexSome and forgetRows: the index of a parameter that comes and goes beside traffic.
import { expect } from 'vitest';
import { all } from '../../../src/search/plan.js';
import type { Row } from '../../../src/search/rows.js';
import {
  WriteConflict,
  type Portion,
  type RowsOf,
  type Store,
  type Write,
} from '../../../src/storage/store.js';
import { eq, leaf, name, reference, rowsOf, string, token, World, type Promises, type StoreUnderTest } from './suite.js'; // prettier-ignore

/** Rows with those of a parameter that was not there when the first resources were written. */
const withNew = (id: string): Row[] => [
  token('new~7', id),
  string('new~7', `N ${id}`),
  reference('new~7', `Patient/${id}`),
  token('new~7:identifier', id),
];
const newRows: RowsOf = version => [...rowsOf(version), ...withNew(version.ref.id)];

/** The write with rows of the new parameter, in its own state and in the one it replaces. */
const remade = (write: Write): Write => ({
  ...write,
  rows: write.body === undefined ? [] : [...write.rows, ...withNew(write.ref.id)],
  replaces: write.expected === 0 ? [] : [...write.replaces, ...withNew(write.ref.id)],
  index: 2,
});

async function indexAll(store: Store, portion: Omit<Portion, 'after'>): Promise<number> {
  let sum = 0;
  for (let after: string | undefined = ''; after !== undefined;) {
    const { done, next }: { done: number; next?: string } = await store.indexSome(
      { ...portion, after },
      newRows,
    );
    sum += done;
    after = next;
  }
  return sum;
}

export function reindexPromises(promise: Promises, prepare: () => Promise<StoreUnderTest>): void {
  /** A store of the test's own, opened by two processes where that can be. */
  const alone = (title: string, run: (writing: World, indexing: Store) => Promise<void>): void =>
    promise(title, async () => {
      const subject = await prepare();
      const stores = [await subject.open()];
      try {
        if (stores[0]!.capabilities.shared) stores.push(await subject.open());
        await run(new World(stores[0]!), stores.at(-1)!);
      } finally {
        for (const store of stores) await store.close();
        await subject.dispose();
      }
    });
  const complaints = async (store: Store, rows: RowsOf): Promise<string[]> => {
    const all: string[] = [];
    for await (const one of store.check(rows)) all.push(one);
    return all;
  };

  alone('refuses rows of older search parameters behind a fence', async (world, indexing) => {
    const a = await world.put(world.ref(), [], { index: 1 });
    await indexing.fenceIndex(2);
    await indexing.fenceIndex(1);
    for (const write of [
      world.write(world.ref(), [], { index: 1 }),
      world.write(a, [], { index: 1 }),
      world.deletion(a, { index: 0 }),
    ]) {
      const refused = await world.store.commit([world.write(world.ref(), [], { index: 2 }), write]).catch((error: unknown) => error); // prettier-ignore
      expect(refused).toBeInstanceOf(WriteConflict);
      expect(refused).toMatchObject({ reason: 'index', index: 1, what: name(write.ref) });
    }
    expect(await world.store.count(world.plan(all))).toBe(1);
    await world.put(a, [], { index: 2 });
    await world.put(world.ref(), [], { index: 3 });
    await world.put(world.ref());
    expect(await world.store.count(world.plan(all))).toBe(3);
  });

  alone('shows behind a fence all that came before it', async (world, indexing) => {
    for (let generation = 1; generation <= 5; generation++) {
      const writes = Array.from({ length: 30 }, () => world.write(world.ref(), [], { index: generation }));
      const ends: Promise<boolean>[] = [];
      const commit = async (write: Write, i: number): Promise<boolean> => {
        await ends[i - 10]; // ten at a time
        return world.store.commit([write]).then(() => true, (error: unknown) => {
          if (error instanceof WriteConflict && error.reason === 'index') return false;
          throw error;
        }); // prettier-ignore
      };
      for (const [i, write] of writes.entries()) ends.push(commit(write, i));
      await ends[4];
      await indexing.fenceIndex(generation + 1);
      const seen = new Set<string>();
      for await (const version of indexing.scan([])) seen.add(version.ref.id);
      const done = await Promise.all(ends);
      writes.forEach((write, i) => expect(seen.has(write.ref.id)).toBe(done[i]));
      expect(done.includes(true)).toBe(true);
    }
  });

  alone(
    'indexes beside writes, so that every resource ends with the rows of its last state',
    async (world, indexing) => {
      const refs = Array.from({ length: 120 }, () => world.ref());
      for (const ref of refs) await world.put(ref, [token('old', 'x')], { index: 1 });
      await world.put(world.ref('Observation'), [token('old', 'x')], { index: 1 });
      await indexing.fenceIndex(2);
      const writing = (async () => {
        for (let i = 0; i < 90; i++) {
          const ref = refs[(i * 37) % refs.length]!;
          if (i % 3 === 0) await world.commit(remade(world.write(ref, [token('old', 'y')])));
          else if (i % 3 === 1) await world.commit(remade(world.write(world.ref(), [token('old', 'z')])));
          else await world.commit(remade(world.deletion(ref)));
        }
      })();
      const done = await indexAll(indexing, { types: ['Patient'], count: 10, params: ['new~7'] });
      await writing;
      expect(done).toBeGreaterThanOrEqual(90);
      const rows: RowsOf = version => (version.ref.type === 'Patient' ? newRows(version) : rowsOf(version));
      expect(await complaints(indexing, rows)).toEqual([]);
      const found = await world.find(leaf('reference', 'new~7'), { count: 1000 });
      expect([...found].sort()).toEqual([...(await world.find(all, { count: 1000 }))].sort());
      expect(await world.find(leaf('token', 'new~7', eq('code', refs[1]!.id)))).toEqual([refs[1]!.id]);

      // Given up: nothing is left of it.
      await indexing.fenceIndex(3);
      await indexing.forgetRows(['new~7', 'never~1']);
      for (let after: string | undefined = ''; after !== undefined;)
        after = (await indexing.indexSome({ types: ['Patient'], after, count: 50, params: [] }, rowsOf)).next;
      expect(await complaints(indexing, rowsOf)).toEqual([]);
      expect(await world.find(leaf('token', 'new~7'))).toEqual([]);
      expect(await world.find(leaf('token', 'old', eq('code', 'y')))).not.toEqual([]);
    },
  );
}
