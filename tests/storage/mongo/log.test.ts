// The change log's numbers: taken outside transactions, so they can stay unused or be used late; nothing is skipped.
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { openLayout, type Layout } from '../../../src/storage/mongo/layout.js';
import { takeNumbers } from '../../../src/storage/mongo/log.js';
import { WriteConflict, type Store } from '../../../src/storage/store.js';
import { collect, newFacility, title, unavailable, write, type Facility } from './facility.js';

describe.skipIf(unavailable)(title('MongoDB change log'), () => {
  let facility: Facility;
  let store: Store;
  let layout: Layout;
  beforeEach(async () => {
    facility = await newFacility();
    store = await facility.open();
    layout = await openLayout(facility.db);
  });
  afterEach(() => facility.dispose());
  const ids = async (after = ''): Promise<string[]> =>
    (await collect(store.changes(after))).map(change => change.ref.id);

  test('numbers that a dead writer took are passed after a while, and nothing behind them is lost', async () => {
    await store.commit([write('Patient/a')]);
    await takeNumbers(layout, 'log', 3);
    await store.commit([write('Patient/b')]);
    await takeNumbers(layout, 'log', 1);
    await store.commit([write('Patient/c'), write('Patient/d')]);
    expect(await ids()).toEqual(['a', 'b', 'c', 'd']);
  });

  test('a reader waits for a number that is still to be used', async () => {
    await store.commit([write('Patient/a')]);
    const { first: late } = await takeNumbers(layout, 'log', 1);
    await store.commit([write('Patient/c')]);
    const reading = ids();
    await layout.log.insertOne({ _id: late, t: 'Patient', r: 'Patient/b', v: 1, m: 'PUT', lu: Date.now() });
    expect(await reading).toEqual(['a', 'b', 'c']);
  });

  test('a writer whose number a reader took away commits under a higher one', async () => {
    await store.commit([write('Patient/a')]);
    const { n } = (await layout.counters.findOne({ _id: 'log' }))!;
    await layout.log.insertMany([{ _id: n + 1 }, { _id: n + 2 }]);
    await store.commit([write('Patient/b'), write('Patient/c')]);
    expect(await ids()).toEqual(['a', 'b', 'c']);
    expect((await store.history({ count: 9 })).versions.map(version => version.ref.id)).toEqual([
      'c',
      'b',
      'a',
    ]);
    const rows = await layout.log.find({}, { sort: { _id: 1 } }).toArray();
    expect(rows.map(row => [row._id - n, row.r])).toEqual([
      [0, 'Patient/a'],
      [1, undefined],
      [2, undefined],
      [3, 'Patient/b'],
      [4, 'Patient/c'],
    ]);
  });

  test('a fence waits until every number taken before it is used or taken away', async () => {
    await store.commit([write('Patient/a', { index: 1 })]);
    const { first: used } = await takeNumbers(layout, 'log', 1);
    const { first: unused, fence } = await takeNumbers(layout, 'log', 1);
    expect(fence).toBe(0);
    const raising = store.fenceIndex(2);
    // A commit that saw no fence is still on its way, another died.
    await layout.log.insertOne({ _id: used, t: 'Patient', r: 'Patient/b', v: 1, m: 'PUT', lu: Date.now() });
    await raising;
    expect(await layout.log.findOne({ _id: used })).toMatchObject({ r: 'Patient/b' });
    expect(await layout.log.findOne({ _id: unused })).toEqual({ _id: unused });
    expect((await takeNumbers(layout, 'log', 1)).fence).toBe(2);
    await expect(store.commit([write('Patient/c', { index: 1 })])).rejects.toMatchObject({ reason: 'index' });
  });

  test('a refused commit leaves nothing in the log, and no number that readers wait for', async () => {
    await store.commit([write('Patient/a')]);
    await expect(store.commit([write('Patient/b'), write('Patient/a')])).rejects.toThrow(WriteConflict);
    await store.commit([write('Patient/c')]);
    const cursor = (await collect(store.changes(''))).at(-1)!.cursor;
    expect(await ids()).toEqual(['a', 'c']);
    const { n } = (await layout.counters.findOne({ _id: 'log' }))!;
    expect(await layout.log.countDocuments({})).toBe(n);
    await store.commit([write('Patient/d')]);
    expect(await ids(cursor)).toEqual(['d']);
  });

  test('a reader that keeps up while 4 processes write sees every change once, each resource in order', async () => {
    const writers = await Promise.all(Array.from({ length: 4 }, () => facility.open({ transactions: 3 })));
    const seen: string[] = [];
    let writing = true;
    const reading = (async () => {
      let cursor = '';
      for (let last = false; ;) {
        for await (const change of store.changes(cursor)) {
          seen.push(`${change.ref.id}/${change.version}`);
          cursor = change.cursor;
        }
        if (last) return;
        last = !writing;
      }
    })();
    await Promise.all(
      writers.map(async (writer, w) => {
        for (let v = 0; v < 15; v++) {
          const one = [0, 1, 2].map(i => write(`Patient/w${w}-${i}`, { expected: v }));
          await writer.commit(one);
        }
      }),
    );
    writing = false;
    await reading;
    expect(seen).toHaveLength(4 * 3 * 15);
    expect(new Set(seen).size).toBe(seen.length);
    for (const id of ['w0-0', 'w3-2']) {
      const versions = seen.filter(key => key.startsWith(`${id}/`)).map(key => Number(key.split('/')[1]));
      expect(versions).toEqual(Array.from({ length: 15 }, (_, i) => i + 1));
    }
  });
});
