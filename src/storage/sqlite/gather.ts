// The set of resources that satisfy a leaf, by reading the postings that may: each range of their table by its key, in
// steps of bounded length.
import type { Leaf } from '../../search/plan.js';
import { Bits } from './bits.js';
import { beyondPrefix, numberCondition, postingCondition, referenceCondition, valuesOf } from './conditions.js'; // prettier-ignore
import type { Connection } from './connection.js';
import type { Kind, Param } from './dictionary.js';
import { allOf, inList, isNo, isYes, no, yes, type Fragment } from './fragment.js';
import { dayClassLength, widthOf, type Table } from './postings.js';
import type { Query, Steps } from './query.js';
import { boundsOf, classesOf } from './ranges.js';
import { isFirstText, tupleGuess, tupleTest, unitsOf } from './row-test.js';
import type { Value } from './statements.js';
import { keyColumns } from './tables.js';
import { Window } from './window.js';
import { withWords } from './words.js';

/** How many rows a first step reads. */
const gatherStep = 4000;

/** A range of a posting table: the leading columns of its key that are fixed, and bounds on the next, both inclusive. */
interface Range {
  readonly table: Table;
  readonly fixed: readonly Value[];
  readonly from?: Value;
  readonly to?: Value;
}

const tableOf = { token: 'tok', string: 'str', uri: 'str', reference: 'ref', date: 'dat', number: 'num', composite: 'cmp' } as const; // prettier-ignore

type RowLeaf = Leaf & { readonly kind: keyof typeof tableOf };
const hasTable = (leaf: Leaf): leaf is RowLeaf => leaf.kind !== 'words';

/** The ranges whose rows may satisfy the leaf. */
function rangesOf(connection: Connection, param: Param, leaf: RowLeaf): Range[] {
  const { p } = param;
  const table = tableOf[leaf.kind];
  const whole: Range[] = [{ table, fixed: [p] }];
  switch (leaf.kind) {
    case 'token':
    case 'string':
    case 'uri': {
      const first = leaf.kind === 'token' ? 'code' : 'value';
      const named = leaf.where.find(one => one.column === first && valuesOf(one) !== undefined);
      if (named !== undefined) return valuesOf(named)!.map(value => ({ table, fixed: [p, value] }));
      const prefix = leaf.where.flatMap(one =>
        one.column === first && one.is === 'prefix' ? [one.value] : [],
      )[0];
      if (prefix === undefined) return whole;
      const to = beyondPrefix(prefix);
      return [{ table, fixed: [p], from: prefix, ...(to === undefined ? {} : { to }) }];
    }
    case 'reference': {
      const named = leaf.where.find(one => one.column === 'target' && valuesOf(one) !== undefined);
      return named === undefined
        ? whole
        : valuesOf(named)!
            .flatMap(target => connection.dictionary.target(target) ?? [])
            .map(target => ({ table, fixed: [p, target] }));
    }
    case 'date':
    case 'number': {
      const { loMin, loMax, hiMin, hiMax } = boundsOf([leaf]);
      const { kind } = leaf;
      const classes = kind === 'date' ? [0, 1, 2, 3] : classesOf(connection, param);
      return classes.map(k => ({
        table,
        fixed: [p, k],
        from: Math.max(loMin, hiMin - longest(kind, k)),
        to: Math.min(loMax, hiMax),
      }));
    }
    case 'composite': {
      const first = leaf.where.find(one => isFirstText(one.column) && valuesOf(one) !== undefined);
      return first === undefined ? whole : valuesOf(first)!.map(value => ({ table, fixed: [p, value] }));
    }
  }
}
const longest = (kind: Leaf['kind'], k: number): number =>
  kind === 'number' ? widthOf(k) : ([0, 999, dayClassLength][k] ?? Infinity);

/** What a posting, as `w`, must satisfy. */
function testOf(query: Query, leaf: RowLeaf): Fragment {
  const { connection } = query;
  if (leaf.where.length === 0) return yes;
  switch (leaf.kind) {
    case 'token':
    case 'string':
    case 'uri':
      return allOf(leaf.where.map(one => postingCondition(connection, leaf, one, 'w')));
    case 'reference':
      return allOf(leaf.where.map(one => referenceCondition(connection, one, 'w')));
    case 'date':
    case 'number':
      return allOf(
        leaf.where.map(one => {
          if (one.column === 'lo' || one.column === 'hi') return numberCondition(`w.${one.column}`, one);
          if (leaf.kind === 'date' || (one.column !== 'system' && one.column !== 'code')) return no;
          return inList('w.u', [...unitsOf(connection, one.column, one)]);
        }),
      );
    case 'composite':
      return allOf([tupleGuess(leaf), query.tuple(tupleTest(connection, leaf))]);
  }
}

/** The resources with a row that satisfies the leaf. `leaf` as `withFolded` gives it. */
export function* gather(query: Query, kind: Kind, leaf: Leaf): Steps<Bits> {
  const { connection } = query;
  const found = new Bits();
  const param = connection.dictionary.param(kind.id, leaf.param, leaf.kind);
  if (param === undefined) return found;
  if (!hasTable(leaf)) return yield* withWords(query, param, leaf);
  const test = testOf(query, leaf);
  if (isNo(test)) return found;
  for (const { table, fixed, from, to } of rangesOf(connection, param, leaf)) {
    const columns = keyColumns[table].split(', ');
    const free = columns.slice(fixed.length);
    const on = columns.slice(0, fixed.length).map(column => `${column} = ?`);
    if (to !== undefined) on.push(`${free[0]} <= ?`);
    const window = new Window(connection, gatherStep);
    let last: readonly Value[] | undefined;
    for (;;) {
      const { size } = window;
      // Not both bounds at once: SQLite might begin at the lower one and read all again up to the place.
      const start = last ?? (from === undefined ? [] : [from]);
      const beyond = last ? `(${free.join(', ')}) > (${free.map(() => '?').join(', ')})` : `${free[0]} >= ?`;
      const where = start.length === 0 ? on : [...on, beyond];
      const range = `SELECT ${columns.join(', ')} FROM ${table} WHERE ${where.join(' AND ')} ORDER BY ${free.join(', ')} LIMIT ?`;
      const args = [...fixed, ...(to === undefined ? [] : [to]), ...start, size];
      const rids = window.measure(() =>
        connection.column<number>(`SELECT r FROM (${range}) w WHERE ${test.sql}`, ...args, ...test.args),
      );
      for (const rid of rids) found.add(rid);
      last = connection.row(`SELECT ${free.join(', ')} FROM (${range}) LIMIT 1 OFFSET ?`, ...args, size - 1);
      if (last === undefined) break;
      yield;
    }
  }
  return found;
}

/** The current resources of a type, as `x`, that satisfy a condition. */
export function* gatherCurrent(connection: Connection, kind: Kind, on: Fragment): Steps<Bits> {
  const found = new Bits();
  const window = new Window(connection, gatherStep);
  const range = `SELECT ${isYes(on) ? 'r' : 'r, lu, d, b'} FROM cur WHERE type = ? AND r > ? ORDER BY r LIMIT ?`;
  for (let last: number | undefined = isNo(on) ? undefined : 0; last !== undefined;) {
    const args = [kind.id, last, window.size];
    const rids = window.measure(() =>
      connection.column<number>(`SELECT x.r FROM (${range}) x WHERE ${on.sql}`, ...args, ...on.args),
    );
    for (const rid of rids) found.add(rid);
    last = connection.one<number>(`SELECT r FROM (${range}) LIMIT 1 OFFSET ?`, ...args, args[2]! - 1);
    yield;
  }
  return found;
}
