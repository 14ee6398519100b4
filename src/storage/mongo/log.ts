// The change log: one row per version, numbered. A number is taken outside the transaction that uses it (a counter
// inside would make every two commits conflict), so numbers can become visible late or never. A reader therefore
// stops at a missing number until it appears, and after a while takes it away by storing an empty row there: whoever
// still wanted it then meets a duplicate key and starts over with a higher one. Nothing is ever skipped.
import { setTimeout as wait } from 'node:timers/promises';
import { MongoBulkWriteError, type WriteError } from 'mongodb';
import { FhirError } from '../../errors.js';
import type { Ref } from '../../fhir/resource.js';
import type { Change, Cursor } from '../store.js';
import { isDuplicate } from './connect.js';
import type { Counter, Layout, LogRow } from './layout.js';

/** How long a reader waits for a missing number before it takes it away, ms. */
export const patience = 2_000;
const pause = 25;
const pageSize = 1_000;

/** The first of `count` numbers that nobody else gets, and the index fence at that moment. */
export async function takeNumbers(
  layout: Layout,
  counter: Counter['_id'],
  count: number,
): Promise<{ first: number; fence: number }> {
  const update = { $inc: { n: count } };
  const options = { upsert: true, returnDocument: 'after' } as const;
  for (;;) {
    try {
      const taken = await layout.counters.findOneAndUpdate({ _id: counter }, update, options);
      return { first: taken!.n - count + 1, fence: taken!.index ?? 0 };
    } catch (error) {
      if (!isDuplicate(error)) throw error; // two made the counter at once: the loser counts on
    }
  }
}

/**
 * Raises the fence, and waits until every number taken before has its row: what was made with older parameters is then
 * stored for all to see, or never will be. docs/decisions/0040-custom-parameters.md
 */
export async function fenceIndex(layout: Layout, generation: number): Promise<void> {
  const counter = await raised(layout, generation);
  const last = counter.n ?? 0;
  for (let from = 0; from < last; from += fenceStep) {
    const to = Math.min(from + fenceStep, last);
    const there = await layout.log.countDocuments({ _id: { $gt: from, $lte: to } }, { hint: '_id_' });
    if (there < to - from) await settle(layout, from, to + 1);
  }
}
const fenceStep = 10_000;

async function raised(layout: Layout, generation: number): Promise<Partial<Counter>> {
  for (;;) {
    try {
      const update = { $max: { index: generation } };
      const options = { upsert: true, returnDocument: 'after' } as const;
      return (await layout.counters.findOneAndUpdate({ _id: 'log' }, update, options))!;
    } catch (error) {
      if (!isDuplicate(error)) throw error; // as in takeNumbers
    }
  }
}

/** Stores empty rows under these numbers; answers those that were taken already. */
export async function voidNumbers(layout: Layout, numbers: readonly number[]): Promise<readonly number[]> {
  if (numbers.length === 0) return [];
  try {
    // Bounded, because a transaction in doubt may hold these numbers for as long as it lives.
    const options = { ordered: false, maxTimeMS: 5_000 };
    await layout.log.insertMany(
      numbers.map(_id => ({ _id })),
      options,
    );
    return [];
  } catch (error) {
    if (!(error instanceof MongoBulkWriteError)) throw error;
    const failed: readonly WriteError[] = [error.writeErrors].flat();
    if (failed.some(({ code }) => code !== 11000)) throw error;
    return failed.map(({ index }) => numbers[index]!);
  }
}

export const refOf = (key: string): Ref => {
  const slash = key.indexOf('/');
  return { type: key.slice(0, slash), id: key.slice(slash + 1) };
};

export async function* changes(layout: Layout, after: Cursor): AsyncGenerator<Change> {
  let last = numberOf(after);
  for (;;) {
    const rows = await rowsAfter(layout, last);
    if (rows.length === 0) return;
    for (const row of rows) {
      if (row._id > last + 1) break; // a number is missing: fill it, then read on from there
      last = row._id;
      if (row.r !== undefined) yield changeOf(row);
    }
    const beyond = rows.find(row => row._id > last);
    if (beyond !== undefined) await settle(layout, last, beyond._id);
  }
}

function numberOf(cursor: Cursor): number {
  if (cursor === '') return 0;
  if (!/^\d{1,15}$/.test(cursor))
    throw new FhirError('invalid-cursor', 'This is not a place in the change log.');
  return Number(cursor);
}

const rowsAfter = (layout: Layout, last: number): Promise<LogRow[]> =>
  layout.log
    .find({ _id: { $gt: last } }, { sort: { _id: 1 }, limit: pageSize, batchSize: pageSize + 1 })
    .toArray();

const changeOf = (row: LogRow): Change => ({
  cursor: String(row._id),
  ref: refOf(row.r!),
  version: row.v!,
  method: row.m!,
  lastUpdated: row.lu!,
});

/** Waits until every number between the two has its row, and makes the rows that do not come. */
async function settle(layout: Layout, above: number, below: number): Promise<void> {
  const until = performance.now() + patience;
  for (;;) {
    const there = new Set<number>();
    for await (const row of layout.log.find({ _id: { $gt: above, $lt: below } }, { projection: { _id: 1 } }))
      there.add(row._id);
    const missing = Array.from({ length: below - above - 1 }, (_, i) => above + 1 + i).filter(
      n => !there.has(n),
    );
    if (missing.length === 0) return;
    if (performance.now() >= until) {
      await voidNumbers(layout, missing);
      return;
    }
    await wait(pause);
  }
}
