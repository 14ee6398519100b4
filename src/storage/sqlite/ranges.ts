// Ranges of dates and numbers. Their postings lie by classes of length, so that a bound on one end bounds the other:
// docs/decisions/0021-sqlite-search.md
import type { Leaf, Node } from '../../search/plan.js';
import type { Connection } from './connection.js';
import type { Param } from './dictionary.js';
import { allOf, type Fragment } from './fragment.js';
import { union, type Driver } from './driver.js';
import { dayClassLength, openEnds, pointClass, widestClass, widthOf } from './postings.js';

interface Bounds {
  loMin: number;
  loMax: number;
  hiMin: number;
  hiMax: number;
}
export function boundsOf(leaves: readonly Leaf[]): Bounds {
  const bounds: Bounds = { loMin: -Infinity, loMax: Infinity, hiMin: -Infinity, hiMax: Infinity };
  for (const condition of leaves.flatMap(leaf => leaf.where)) {
    if (condition.is !== 'range' || (condition.column !== 'lo' && condition.column !== 'hi')) continue;
    const { column } = condition;
    bounds[`${column}Min`] = Math.max(
      bounds[`${column}Min`],
      condition.ge ?? -Infinity,
      condition.gt ?? -Infinity,
    );
    bounds[`${column}Max`] = Math.min(
      bounds[`${column}Max`],
      condition.le ?? Infinity,
      condition.lt ?? Infinity,
    );
  }
  return bounds;
}
function between(column: string, min: number, max: number): Fragment {
  return allOf([
    ...(min === -Infinity ? [] : [{ sql: `${column} >= ?`, args: [min] }]),
    ...(max === Infinity ? [] : [{ sql: `${column} <= ?`, args: [max] }]),
  ]);
}

/**
 * Resources with one date of at most a day (classes 0 to 2) must satisfy all conditions with that date, so that ge and lt
 * of two leaves together bound the range. The others (class 3) may satisfy each with another date.
 */
export function dateDriver(param: Param, leaf: Leaf, others: readonly Node[]): Driver | undefined {
  const same = others.filter(
    (one): one is Leaf =>
      one.op === 'row' && one.kind === 'date' && one.param === leaf.param && one.where.length > 0,
  );
  const all = boundsOf(same.includes(leaf) ? same : [leaf, ...same]);
  const own = boundsOf([leaf]);
  if (Object.values(own).every(bound => !Number.isFinite(bound))) return undefined;
  const parts = [0, 999, dayClassLength].map((length, k): Fragment => {
    const range = between('lo', Math.max(all.loMin, all.hiMin - length), Math.min(all.loMax, all.hiMax));
    return {
      sql: `SELECT r FROM dat WHERE p = ? AND k = ${k} AND ${range.sql}`,
      args: [param.p, ...range.args],
    };
  });
  const byLo = openEnds(own.loMin, own.loMax);
  const byHi = openEnds(own.hiMin, own.hiMax);
  if (byHi < byLo || (byHi === byLo && own.hiMin > -Infinity)) {
    const range = between('hi', own.hiMin, own.hiMax);
    parts.push({
      sql: `SELECT r FROM dat INDEXED BY dat_hi WHERE p = ? AND k >= 2 AND ${range.sql} AND k = 3`,
      args: [param.p, ...range.args],
    });
  } else {
    const range = between('lo', own.loMin, own.loMax);
    parts.push({
      sql: `SELECT r FROM dat WHERE p = ? AND k = 3 AND ${range.sql}`,
      args: [param.p, ...range.args],
    });
  }
  const rows = union(parts);
  return { rows, read: rows, exact: false };
}

/** The classes of width that a parameter's numbers have. */
export function classesOf(connection: Connection, param: Param): number[] {
  const classes: number[] = [];
  let k: number | null = pointClass - 1;
  for (;;) {
    k = connection.one<number | null>('SELECT min(k) FROM num WHERE p = ? AND k > ?', param.p, k) ?? null;
    if (k === null || k > widestClass) return classes;
    classes.push(k);
  }
}

/** Rows are kept by classes of width, so that a bound on hi bounds lo too. */
export function numberDriver(connection: Connection, param: Param, leaf: Leaf): Driver | undefined {
  const own = boundsOf([leaf]);
  if (Object.values(own).every(bound => !Number.isFinite(bound))) return undefined;
  const parts: Fragment[] = [];
  for (const k of classesOf(connection, param)) {
    const range = between('lo', Math.max(own.loMin, own.hiMin - widthOf(k)), Math.min(own.loMax, own.hiMax));
    parts.push({
      sql: `SELECT r FROM num WHERE p = ? AND k = ? AND ${range.sql}`,
      args: [param.p, k, ...range.args],
    });
  }
  const rows = union(parts);
  return { rows, read: rows, exact: false };
}
