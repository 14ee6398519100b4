// A page from an index that is read in the order of the results, window by window, until it is full.
import type { Value } from './statements.js';
import { allOf, isNo, isYes, joined, type Fragment } from './fragment.js';
import { compareHits, valueColumns, valuesOf, type Candidate, type Hit } from './hit.js';
import type { Driver } from './driver.js';
import type { KeyValue, Order } from './order.js';
import type { Steps } from './query.js';
import { eachRemaining, withCur, type Wanted } from './start.js';
import { Window } from './window.js';

export type Among = (key: KeyValue, limit: number, after: Hit | undefined) => Steps<Hit[]>;

/** So many more than wanted are read where this is likely to show all of the last date. */
const mostTies = 8;

/**
 * The results that the order has; those without a value are missing where it is `partial`. Undefined where more rows
 * would have to be read than `wanted.rows`.
 * @param isShort it has fewer rows than `limits.few`: they are read at once
 * @param among the results with one value of the first key, by the others: asked where there are many
 */
export function* inOrder(
  wanted: Wanted,
  order: Order,
  among: Among,
  driver?: Driver,
  isShort = false,
): Steps<Hit[] | undefined> {
  const { query, kind, sort, limit, after } = wanted;
  const { connection } = query;
  const first = after?.keys[0];
  if (first === null && order.absent === undefined) return [];
  const c = query.alias('c');
  const conditions = yield* eachRemaining(wanted, driver, c);
  const on = allOf(conditions);
  if (isNo(on)) return [];
  const further = sort.slice(1);
  const values = valueColumns(further, c);
  // res knows the deleted too: an order by _id must be held against cur.
  const withCurrent = on.cur || values.cur || sort[0]!.param === '_id' ? withCur(kind, c) : '';
  const furtherKeys = valuesOf(connection, kind, further);
  const compare = compareHits(sort);
  const isEveryRow = isYes(on) && withCurrent === '';
  const { few } = connection.limits;
  const width = isEveryRow ? 2 * limit : Math.max(connection.limits.window, 2 * limit);
  const window = new Window(connection, isShort ? few : width);
  const keyOf = (key: Value): string | number | null =>
    key === order.absent ? null : (key as string | number);
  const judged = (range: Fragment): Hit[] => {
    const sql = `SELECT x.r, x.key${values.sql} FROM (${range.sql}) x${withCurrent} WHERE ${on.sql}`;
    if (values.sql === '') {
      const found = window.measure(() =>
        connection.rows<readonly [number, string | number]>(sql, ...range.args, ...on.args),
      );
      return found.map(([r, key]) => ({ r, keys: [keyOf(key)] }));
    }
    return window
      .measure(() => connection.all<Candidate & { key: string | number }>(sql, ...range.args, ...on.args))
      .map(row => ({ r: row.r, keys: [keyOf(row.key), ...furtherKeys(row).keys] }));
  };
  /** The row at the end of a full window; where every row is a result, it is among those that were read. */
  const endOf = (range: Fragment, size: number, read: readonly Hit[]): Hit | undefined => {
    if (isShort && size >= few) return undefined;
    if (isEveryRow) return read.length < size ? undefined : read.at(-1);
    const end = connection.rows<readonly [number, string | number]>(
      `SELECT r, key FROM (${range.sql}) LIMIT 1 OFFSET ?`,
      ...range.args,
      size - 1,
    )[0];
    return end && { r: end[0], keys: [keyOf(end[1])] };
  };

  const isMany = ({ sql, args }: Fragment): boolean =>
    connection.one<number>(`SELECT count(*) FROM (${sql})`, ...args)! > few;
  let read = 0;
  const tooMany = (): boolean => read > (wanted.rows ?? Infinity);

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
    const value = keyOf(key);
    if (further.length > 0 && isMany(order.ties(key, 0, few + 1))) {
      read += few;
      const place = after?.keys[0] === value ? { r: after.r, keys: after.keys.slice(1) } : undefined;
      const found = yield* among(value, limit - hits.length, place);
      add(found.map(({ r, keys }) => ({ r, keys: [value, ...keys] })));
      return;
    }
    const some: Hit[] = [];
    for (let place = from; ;) {
      const { size } = window;
      read += size;
      const range = order.ties(key, place, size);
      const more = judged(range);
      const end = endOf(range, size, more);
      if (further.length === 0) add(more);
      else some.push(...more);
      if (end === undefined || hits.length >= limit) break;
      if (tooMany()) return;
      place = end.r;
      yield;
    }
    add(some);
  }

  let from: Value | undefined;
  if (isShort && after === undefined && further.length === 0 && order.passing !== undefined) {
    const { joins, on: rest } = joined(conditions);
    const size = limit + mostTies;
    const { sql, args } = order.passing({ ...joins, sql: withCurrent + joins.sql }, rest, size);
    const found = connection.rows<readonly [number, string | number]>(sql, ...args);
    const some = found.map(([r, key]): Hit => ({ r, keys: [keyOf(key)] }));
    const boundary = some.length === size ? some.at(-1)!.keys[0]! : undefined;
    add(boundary === undefined ? some : some.filter(hit => hit.keys[0] !== boundary));
    if (boundary === undefined || hits.length >= limit) return hits.slice(0, limit);
    from = boundary ?? order.absent!;
    yield* ties(from, 0);
  } else if (after !== undefined) {
    from = first ?? order.absent!;
    yield* ties(from, further.length === 0 ? after.r : 0);
  }
  while (hits.length < limit) {
    if (tooMany()) return undefined;
    const { size } = window;
    read += size;
    const range = order.beyond(from, size);
    const more = judged(range);
    const end = endOf(range, size, more);
    if (end === undefined) {
      add(more);
      break;
    }
    // The last key of a full window may go on beyond it: its resources are read by themselves.
    const [boundary] = end.keys as [KeyValue];
    add(more.filter(hit => hit.keys[0] !== boundary));
    if (hits.length >= limit) break;
    from = boundary ?? order.absent!;
    yield* ties(from, 0);
    yield;
  }
  return hits.slice(0, limit);
}
