// Resources in order of creation, window by window: all of a type, or those of one token value. What has no sort keys
// is found and counted this way.
import type { Kind } from './dictionary.js';
import { Bits } from './bits.js';
import { allOf, isNo, type Fragment } from './fragment.js';
import type { Hit } from './hit.js';
import type { Driver } from './driver.js';
import type { Steps } from './query.js';
import { remaining, withCur, type Wanted } from './start.js';
import { Window } from './window.js';

interface Source {
  /** `SELECT r …` of at most `size` rows after a resource. */
  readonly rows: (after: number, size: number) => Fragment;
  readonly on: Fragment;
  readonly joined: string;
}

function* sourceOf(
  wanted: Pick<Wanted, 'query' | 'kind' | 'nodes' | 'drivers' | 'also'>,
  driver: Driver | undefined,
): Steps<Source> {
  const { query, kind } = wanted;
  const token = driver?.token;
  if (driver === undefined || token === undefined)
    return { rows: allOfKind(kind), on: yield* remaining(wanted, undefined, 'x'), joined: '' };
  const c = query.alias('c');
  const on = allOf([token.on, yield* remaining(wanted, driver, c)]);
  const rows = (after: number, size: number): Fragment => ({
    sql: 'SELECT r, s FROM tok WHERE p = ? AND v = ? AND r > ? ORDER BY r LIMIT ?',
    args: [token.p, token.v, after, size],
  });
  return { rows, on, joined: on.cur ? withCur(kind, c) : '' };
}

const allOfKind =
  (kind: Kind) =>
  (after: number, size: number): Fragment => ({
    sql: 'SELECT r, lu, d, b FROM cur WHERE type = ? AND r > ? ORDER BY r LIMIT ?',
    args: [kind.id, after, size],
  });

/** The resources of a set, which leave nothing but `wanted.also` to be judged. */
function* membersOf(wanted: Wanted, set: Bits): Steps<Source> {
  const c = wanted.query.alias('c');
  const on = yield* remaining({ ...wanted, nodes: [] }, undefined, c);
  const rows = (after: number, size: number): Fragment => ({
    sql: 'SELECT value AS r FROM json_each(?) LIMIT ?',
    args: [JSON.stringify(set.following(after, size)), size],
  });
  return { rows, on, joined: on.cur ? withCur(wanted.kind, c) : '' };
}

/**
 * The first results after a place, of all resources, those of a token, or those of a set; undefined where more rows would
 * have to be read than allowed.
 */
export function* inCreation(wanted: Wanted, of: Driver | Bits | undefined): Steps<Hit[] | undefined> {
  const { query, limit, after } = wanted;
  if (of instanceof Bits && wanted.also === undefined)
    return of.following(after?.r ?? 0, limit).map(r => ({ r, keys: [] }));
  const { connection } = query;
  const { rows, on, joined } = yield* of instanceof Bits ? membersOf(wanted, of) : sourceOf(wanted, of);
  if (isNo(on)) return [];
  const window = new Window(connection, Math.max(connection.limits.window, 2 * limit));
  const hits: Hit[] = [];
  let last = wanted.after?.r ?? 0;
  let read = 0;
  // A token may lie under several systems, so a resource may come twice, one row after the other.
  const most = limit + 8;
  for (;;) {
    const { size } = window;
    const range = rows(last, size);
    const found = window.measure(() =>
      connection.column<number>(
        `SELECT x.r FROM (${range.sql}) x${joined} WHERE ${on.sql} LIMIT ?`,
        ...range.args,
        ...on.args,
        most,
      ),
    );
    for (const r of found) {
      if (r <= last) continue;
      last = r;
      hits.push({ r, keys: [] });
      if (hits.length === limit) return hits;
    }
    if (found.length < most) {
      const end = connection.one<number>(
        `SELECT r FROM (${range.sql}) LIMIT 1 OFFSET ?`,
        ...range.args,
        size - 1,
      );
      if (end === undefined) return hits;
      last = end;
    }
    read += size;
    if (read > (wanted.rows ?? Infinity)) return undefined;
    yield;
  }
}

/** How many there are; stops counting beyond the limit. */
export function* countInCreation(
  wanted: Pick<Wanted, 'query' | 'kind' | 'nodes' | 'drivers'>,
  driver: Driver | undefined,
  limit: number,
): Steps<number> {
  const { connection } = wanted.query;
  const { rows, on, joined } = yield* sourceOf(wanted, driver);
  if (isNo(on)) return 0;
  const window = new Window(connection, Math.max(connection.limits.window, 1000));
  let total = 0;
  let last = 0;
  for (;;) {
    const { size } = window;
    const range = rows(last, size);
    total += window.measure(() =>
      connection.one<number>(
        `SELECT count(DISTINCT x.r) FROM (${range.sql}) x${joined} WHERE ${on.sql}`,
        ...range.args,
        ...on.args,
      )!,
    );
    const end = connection.one<number>(
      `SELECT r FROM (${range.sql}) LIMIT 1 OFFSET ?`,
      ...range.args,
      size - 1,
    );
    if (end === undefined || total > limit) return total;
    last = end;
    yield;
  }
}
