// Leaves judged in JavaScript, on packed values and on composites.
import type { Condition, Leaf } from '../../search/plan.js';
import { holdsNumber, holdsText, numberCondition, textCondition, valuesOf } from './conditions.js';
import type { Connection } from './connection.js';
import { allOf, inList, yes, type Fragment } from './fragment.js';
import type { PackedRow } from './pack.js';
import { tupleOf, type TuplePart } from './postings.js';

/** The dictionary numbers of systems that satisfy a condition. Asked beforehand: a running statement cannot ask. */
function systemsOf(connection: Connection, condition: Condition): ReadonlySet<number> {
  const values = valuesOf(condition);
  if (values !== undefined) return new Set(values.flatMap(url => connection.dictionary.system(url) ?? []));
  const on = textCondition('url', condition);
  const ids = connection.column<number>(`SELECT id FROM sys WHERE ${on.sql}`, ...on.args);
  return new Set(holdsText(condition)('') ? [0, ...ids] : ids);
}
/** The same of units, by their system or code. */
export function unitsOf(
  connection: Connection,
  column: 'system' | 'code',
  condition: Condition,
): ReadonlySet<number> {
  const on = textCondition(column, condition);
  const ids = connection.column<number>(`SELECT id FROM unit WHERE ${on.sql}`, ...on.args);
  return new Set(holdsText(condition)('') ? [0, ...ids] : ids);
}

/** Whether a packed row satisfies every condition of the leaf. */
export function rowTest(connection: Connection, leaf: Leaf): (row: PackedRow) => boolean {
  const tests = leaf.where.map((condition): ((row: PackedRow) => boolean) => {
    const { column } = condition;
    if (leaf.kind === 'date' || leaf.kind === 'number') {
      if (column === 'lo' || column === 'hi') {
        const holds = holdsNumber(condition);
        return column === 'lo' ? row => holds(row.lo) : row => holds(row.hi);
      }
      if (leaf.kind === 'date' || (column !== 'system' && column !== 'code')) return () => false;
      const units = unitsOf(connection, column, condition);
      return row => units.has(row.id);
    }
    if (leaf.kind === 'token' && column === 'system') {
      const systems = systemsOf(connection, condition);
      return row => systems.has(row.id);
    }
    const holds = holdsText(condition);
    if (column === (leaf.kind === 'token' ? 'code' : 'value')) return row => holds(row.text);
    return () => false;
  });
  return tests.length === 1 ? tests[0]! : row => tests.every(test => test(row));
}

/** Whether the column is what `cmp` keeps as `a`. */
export const isFirstText = (column: string): boolean => /^0\.(code|value|target)$/.test(column);

/** What of a composite leaf is a range of `cmp`: its first part named, and the lo of its second bounded. */
export function compositeRange(leaf: Leaf): Fragment {
  const named = leaf.where.find(one => isFirstText(one.column) && valuesOf(one) !== undefined);
  if (named === undefined) return yes;
  const bounds = leaf.where.filter(one => one.column === '1.lo').map(one => numberCondition('b', one));
  return allOf([inList('a', valuesOf(named)!), ...bounds]);
}

/** Whether a row of `cmp` satisfies every condition of the leaf. */
export function tupleTest(
  connection: Connection,
  leaf: Leaf,
): (a: string, b: string | number, j: string) => boolean {
  const tests = leaf.where.map(condition => {
    const { column } = condition;
    const name = column.slice(column.indexOf('.') + 1);
    const number = holdsNumber(condition);
    const text = holdsText(condition);
    const systems = name === 'system' ? systemsOf(connection, condition) : undefined;
    const units = name === 'system' || name === 'code' ? unitsOf(connection, name, condition) : undefined;
    const of = Number(column.slice(0, column.indexOf('.')));
    return (parts: readonly TuplePart[]): boolean => {
      const part = parts[of];
      if (part === undefined) return false;
      if (units !== undefined && part.unit !== undefined) return units.has(part.unit);
      if (systems !== undefined) return part.system !== undefined && systems.has(part.system);
      const value = part.columns[name];
      return typeof value === 'number' ? number(value) : value !== undefined && text(value);
    };
  });
  return (a, b, j) => {
    const parts = tupleOf(a, b, j);
    return tests.every(test => test(parts));
  };
}

/**
 * What must hold of a row of `cmp` for the leaf, as far as SQL can tell without reading `j` as a whole: where its second
 * part is a date or a number after a token, `hi` follows the first comma.
 */
export function tupleGuess(leaf: Leaf): Fragment {
  return allOf(
    leaf.where.flatMap(one => {
      if (one.column === '1.lo') return [numberCondition('b', one)];
      if (one.column !== '1.hi' || one.is !== 'range') return [];
      // Wider by more than the rounding of a text's reading.
      const wider = (bound: number, sign: number): number => bound + sign * Math.abs(bound) * 1e-12;
      const min = Math.max(one.gt ?? -Infinity, one.ge ?? -Infinity);
      const max = Math.min(one.lt ?? Infinity, one.le ?? Infinity);
      const sql =
        "(substr(j, 1, 2) NOT IN ('tn', 'td') OR CAST(substr(j, instr(j, ',') + 1) AS REAL) BETWEEN ? AND ?)";
      return [{ sql, args: [wider(min, -1), wider(max, 1)] }];
    }),
  );
}
