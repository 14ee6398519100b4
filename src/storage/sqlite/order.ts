// Orders a search can be read in: an index that gives every resource of a type once, by one sort key, from any place on.
// Surprising: a window is read in the index's own direction and ties are put in order of creation afterwards, because
// SQLite would sort a whole block of ties (a million resources with the same status) before it gave the first.
import type { SortKey } from '../../search/plan.js';
import type { Value } from './statements.js';
import type { Kind } from './dictionary.js';
import type { Fragment } from './fragment.js';
import type { Connection } from './connection.js';
import { classesOf } from './ranges.js';
import { noDate, pointClass, widthOf } from './postings.js';

/** A key's value; null for a resource that has none, which comes last. */
export type KeyValue = string | number | null;

export interface Order {
  /** `SELECT r, key` of at most `size` rows strictly beyond the key (from the start where undefined), in its direction. */
  beyond(key: Value | undefined, size: number): Fragment;
  /** `SELECT r, key` of at most `size` rows with this key, after the resource, in order of creation. */
  ties(key: Value, after: number, size: number): Fragment;
  /** Key of the resources without a value, where the order has them itself; they come at its end. */
  readonly absent?: Value;
  /** `SELECT r, key` of the first rows, candidates `x`, that satisfy conditions: reads on until it has `size`. */
  passing?(joins: Fragment, on: Fragment, size: number): Fragment;
  /** Whether resources without a value are not in the order. */
  readonly partial: boolean;
}

interface Source {
  readonly table: string;
  readonly key: string;
  readonly on: string;
  readonly args: readonly Value[];
  /** What to add to the table's key for the order's. */
  readonly plus?: number;
  /** The key is `hi`, which the table has not in order: its rows are in order by `lo`, no further apart than this. */
  readonly width?: number;
}

/** Merges sources that are each in order of their key. */
function merged(
  sources: readonly Source[],
  descending: boolean,
  rest: { absent?: Value; partial: boolean },
  rid = 'r',
): Order {
  const direction = descending ? 'DESC' : 'ASC';
  const sign = descending ? '<' : '>';
  const select = (
    source: Source,
    where: string,
    args: readonly Value[],
    order: string,
    size: number,
  ): Fragment => {
    const plus = source.plus ? ` + ${source.plus}` : '';
    return {
      sql: `SELECT ${rid} AS r, ${source.key}${plus} AS key FROM ${source.table} WHERE ${source.on}${where} ORDER BY ${order} LIMIT ?`,
      args: [...source.args, ...args, size],
    };
  };
  const all = (parts: readonly Fragment[], order: string, size: number): Fragment =>
    parts.length === 1
      ? parts[0]!
      : {
          sql: `SELECT r, key FROM (${parts.map(one => `SELECT * FROM (${one.sql})`).join(' UNION ALL ')}) ORDER BY ${order} LIMIT ?`,
          args: [...parts.flatMap(one => one.args), size],
        };
  const shifted = (key: Value, source: Source): Value =>
    typeof key === 'number' ? key - (source.plus ?? 0) : key;
  /** The greatest `hi` below the key: none of them is among rows with `lo` a width less than the least of so many. */
  const highest = (
    { table, on, args, width = 0 }: Source,
    key: Value | undefined,
    size: number,
  ): Fragment => {
    const below = key === undefined ? '' : ' AND lo < ? AND hi < ?';
    const bounds = key === undefined ? [] : [key, key];
    return {
      sql: `SELECT r, hi AS key FROM ${table} WHERE ${on}${below} AND lo >= (SELECT min(lo) - ? FROM (SELECT lo FROM ${table} WHERE ${on}${below} ORDER BY lo DESC LIMIT ?)) ORDER BY hi DESC, r DESC LIMIT ?`,
      args: [...args, ...bounds, width, ...args, ...bounds, size, size],
    };
  };
  const highestTies = (
    { table, on, args, width = 0 }: Source,
    key: number,
    after: number,
    size: number,
  ): Fragment => ({
    sql: `SELECT r, hi AS key FROM ${table} WHERE ${on} AND lo BETWEEN ? AND ? AND hi = ? AND r > ? ORDER BY r LIMIT ?`,
    args: [...args, key - width, key, key, after, size],
  });
  return {
    ...rest,
    beyond: (key, size) =>
      all(
        sources.map(one =>
          one.width !== undefined
            ? highest(one, key, size)
            : select(
                one,
                key === undefined ? '' : ` AND ${one.key} ${sign} ?`,
                key === undefined ? [] : [shifted(key, one)],
                `${one.key} ${direction}, ${rid} ${direction}`,
                size,
              ),
        ),
        `key ${direction}, r ${direction}`,
        size,
      ),
    ties: (key, after, size) =>
      all(
        sources.map(one =>
          one.width !== undefined
            ? highestTies(one, key as number, after, size)
            : select(one, ` AND ${one.key} = ? AND ${rid} > ?`, [shifted(key, one), after], rid, size),
        ),
        'r',
        size,
      ),
  };
}

/** The order of a sort key over a type; undefined where no resource has a value. */
export function orderOf(connection: Connection, kind: Kind, sort: SortKey): Order | undefined {
  const { descending } = sort;
  const whole = { partial: false };
  if (sort.param === '_lastUpdated')
    return merged(
      [{ table: 'cur INDEXED BY cur_lu', key: 'lu', on: 'type = ?', args: [kind.id] }],
      descending,
      whole,
    );
  if (sort.param === '_id')
    return merged(
      [{ table: 'res INDEXED BY res_id', key: 'id', on: 'type = ?', args: [kind.id] }],
      descending,
      whole,
      'rid',
    );
  const param = connection.dictionary.param(kind.id, sort.param, sort.kind);
  if (param === undefined) return undefined;
  const partial = { partial: true };
  const bit = descending ? 2 : 1;
  const { p } = param;
  switch (sort.kind) {
    case 'token':
      return merged(
        [{ table: 'tok', key: 'v', on: `p = ? AND e & ${bit} = 0`, args: [p] }],
        descending,
        partial,
      );
    case 'string':
    case 'uri':
      return merged(
        [{ table: 'str', key: 'v', on: `p = ? AND e & ${bit} = 0`, args: [p] }],
        descending,
        partial,
      );
    case 'date': {
      const long: Source = descending
        ? { table: 'dat INDEXED BY dat_hi', key: 'hi', on: `p = ? AND k >= 2 AND e & ${bit} = 0`, args: [p] }
        : { table: 'dat', key: 'lo', on: `p = ? AND k = 3 AND e & ${bit} = 0`, args: [p] };
      const short = (k: number, plus: number): Source => ({
        table: 'dat',
        key: 'lo',
        on: `p = ? AND k = ${k}`,
        args: [p],
        ...(descending ? { plus } : {}),
      });
      return merged(
        [short(0, 0), short(1, 999), ...(descending ? [] : [short(2, 0)]), long],
        descending,
        partial,
      );
    }
    case 'number': {
      const source = (k: number): Source => ({
        table: 'num',
        key: 'lo',
        on: `p = ? AND k = ${k} AND e & ${bit} = 0`,
        args: [p],
        ...(descending && k !== pointClass ? { width: widthOf(k) } : {}),
      });
      const classes = classesOf(connection, param);
      return classes.length === 0 ? undefined : merged(classes.map(source), descending, partial);
    }
  }
}

/** The resources that refer to a target, latest primary date first. */
export const referring = (p: number, v: number): Order => ({
  ...merged([{ table: 'ref', key: 'd', on: 'p = ? AND v = ?', args: [p, v] }], true, {
    absent: noDate,
    partial: false,
  }),
  passing: (joins, on, size) => ({
    sql: `SELECT x.r, x.d AS key FROM ref x${joins.sql} WHERE x.p = ? AND x.v = ? AND ${on.sql} ORDER BY x.d DESC, x.r DESC LIMIT ?`,
    args: [...joins.args, p, v, ...on.args, size],
  }),
});
