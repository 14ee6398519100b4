// A page from an index that is read in the order of the results, window by window, until it is full.
import type { Value } from './connection.js';
import type { Driver } from './drive.js';
import { isNo, type Fragment, type Steps } from './filter.js';
import { compareHits, valueColumns, valuesOf, type Candidate, type Hit } from './hit.js';
import type { Order } from './order.js';
import { remaining, withCur, type Wanted } from './start.js';
import { Window } from './window.js';

/** The results that the order has; those without a value are missing where it is `partial`. */
export function* inOrder(wanted: Wanted, order: Order, driver: Driver | undefined): Steps<Hit[]> {
  const { query, kind, sort, limit, after } = wanted;
  const { connection } = query;
  const first = after?.keys[0];
  if (first === null && order.absent === undefined) return [];
  const c = query.alias('c');
  const on = yield* remaining(wanted, driver, c);
  if (isNo(on)) return [];
  const further = sort.slice(1);
  const values = valueColumns(further, c);
  // res knows the deleted too: an order by _id must be held against cur.
  const joined = on.cur || values.cur || sort[0]!.param === '_id' ? withCur(kind, c) : '';
  const furtherKeys = valuesOf(connection, kind, further);
  const compare = compareHits(sort);
  const window = new Window(connection, Math.max(connection.limits.window, 2 * limit));
  const keyOf = (key: Value): string | number | null =>
    key === order.absent ? null : (key as string | number);
  const judged = (range: Fragment): Hit[] =>
    window
      .measure(() =>
        connection.all<Candidate & { key: string | number }>(
          `SELECT x.r, x.key${values.sql} FROM (${range.sql}) x${joined} WHERE ${on.sql}`,
          ...range.args,
          ...on.args,
        ),
      )
      .map(row => ({ r: row.r, keys: [keyOf(row.key), ...furtherKeys(row).keys] }));
  /** The row at the end of a full window. */
  const last = <T>(column: string, range: Fragment, size: number): T | undefined =>
    connection.one<T>(`SELECT ${column} FROM (${range.sql}) LIMIT 1 OFFSET ?`, ...range.args, size - 1);

  const hits: Hit[] = [];
  const add = (more: Hit[]): void => {
    more.sort(compare);
    for (const hit of more) {
      if (after !== undefined && compare(hit, after) <= 0) continue;
      if (hits.at(-1)?.r !== hit.r) hits.push(hit);
    }
  };
  /** All resources with one key, in order of creation; with further keys all are seen before the first is given. */
  function* ties(key: Value, from: number): Steps<void> {
    const some: Hit[] = [];
    for (let place = from; ;) {
      const { size } = window;
      const range = order.ties(key, place, size);
      if (further.length === 0) add(judged(range));
      else some.push(...judged(range));
      const end = hits.length >= limit ? undefined : last<number>('r', range, size);
      if (end === undefined) break;
      place = end;
      yield;
    }
    add(some);
  }

  let from: Value | undefined;
  if (after !== undefined) {
    from = first ?? order.absent!;
    yield* ties(from, further.length === 0 ? after.r : 0);
  }
  while (hits.length < limit) {
    const { size } = window;
    const range = order.beyond(from, size);
    const more = judged(range);
    const boundary = last<string | number>('key', range, size);
    // The last key of a full window may go on beyond it: its resources are read by themselves.
    add(boundary === undefined ? more : more.filter(hit => hit.keys[0] !== keyOf(boundary)));
    if (boundary === undefined || hits.length >= limit) break;
    yield* ties(boundary, 0);
    from = boundary;
    yield;
  }
  return hits.slice(0, limit);
}
