// The order of a number parameter, which no index has: its postings lie by classes of width. All values are read and sorted.
import type { SortKey } from '../../search/plan.js';
import type { Connection } from './connection.js';
import type { Value } from './statements.js';
import type { Kind } from './dictionary.js';
import type { Fragment } from './fragment.js';
import type { Order } from './order.js';
import type { Steps } from './query.js';

/** An order no index has: all values of the parameter, read and sorted. */
export function* gathered(connection: Connection, kind: Kind, sort: SortKey): Steps<Order> {
  const param = connection.dictionary.param(kind.id, sort.param, sort.kind)!;
  const entries: { r: number; key: number }[] = [];
  const size = 4000;
  let last: readonly Value[] = [];
  for (;;) {
    const range = `SELECT k, lo, r, hi, u, e FROM num WHERE p = ?${last.length ? ' AND (k, lo, r, hi, u) > (?, ?, ?, ?, ?)' : ''} ORDER BY k, lo, r, hi, u LIMIT ?`;
    const rows: { k: number; lo: number; r: number; hi: number; u: number; e: number }[] = connection.all(
      range,
      param.p,
      ...last,
      size,
    );
    for (const row of rows)
      if ((row.e & (sort.descending ? 2 : 1)) === 0)
        entries.push({ r: row.r, key: sort.descending ? row.hi : row.lo });
    const end = rows.at(-1);
    if (rows.length < size || end === undefined) break;
    last = [end.k, end.lo, end.r, end.hi, end.u];
    yield;
  }
  const sign = sort.descending ? -1 : 1;
  entries.sort((a, b) => sign * (a.key - b.key) || sign * (a.r - b.r));
  const select = (some: readonly { r: number; key: number }[]): Fragment => ({
    sql: "SELECT value ->> 'r' AS r, value ->> 'key' AS key FROM json_each(?)",
    args: [JSON.stringify(some)],
  });
  const firstBeyond = (key: number): number => {
    let low = 0;
    let high = entries.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      if (sign * (entries[middle]!.key - key) > 0) high = middle;
      else low = middle + 1;
    }
    return low;
  };
  return {
    partial: true,
    beyond: (key, many) => {
      const from = key === undefined ? 0 : firstBeyond(key as number);
      return select(entries.slice(from, from + many));
    },
    ties: (key, after, many) => {
      const end = firstBeyond(key as number);
      let from = end;
      while (from > 0 && entries[from - 1]!.key === key) from--;
      return select(entries.slice(from, end).filter(one => one.r > after).sort((a, b) => a.r - b.r).slice(0, many)); // prettier-ignore
    },
  };
}
