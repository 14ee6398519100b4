// Compiles a node of the plan to an SQL expression over one candidate: its number `r`, its row of `cur` under an alias.
// Surprising: a leaf whose posting cannot be asked by resource reads the packed values, and where these do not hold it
// either (rows without order, composites), its resources are gathered in a set first, in steps.
import { fold } from '../../search/fold.js';
import type { Condition, Leaf, Node } from '../../search/plan.js';
import type { Connection, Value } from './connection.js';
import type { Kind, Param } from './dictionary.js';
import { present, someRow, type PackedRow } from './pack.js';
import { tupleOf, type TuplePart } from './postings.js';

/** SQL and its arguments, in order. `cur`: it reads the alias of the candidate's row of `cur`. */
export interface Fragment {
  readonly sql: string;
  readonly args: readonly Value[];
  readonly cur?: boolean;
}

/** Work in steps; between two of them others may run and the time is checked. */
export type Steps<T> = Generator<void, T, void>;

const yes: Fragment = { sql: '1', args: [] };
const no: Fragment = { sql: '0', args: [] };
export const isYes = (fragment: Fragment): boolean => fragment.sql === '1';
export const isNo = (fragment: Fragment): boolean => fragment.sql === '0';

const join = (fragments: readonly Fragment[], by: string): Fragment => ({
  sql: `(${fragments.map(one => one.sql).join(by)})`,
  args: fragments.flatMap(one => one.args),
  cur: fragments.some(one => one.cur === true),
});
export function allOf(fragments: readonly Fragment[]): Fragment {
  if (fragments.some(isNo)) return no;
  const kept = fragments.filter(one => !isYes(one));
  return kept.length === 0 ? yes : kept.length === 1 ? kept[0]! : join(kept, ' AND ');
}
function anyOf(fragments: readonly Fragment[]): Fragment {
  if (fragments.some(isYes)) return yes;
  const kept = fragments.filter(one => !isNo(one));
  return kept.length === 0 ? no : kept.length === 1 ? kept[0]! : join(kept, ' OR ');
}

/** The least text after every text with this prefix, by code point; undefined if there is none. */
export function beyondPrefix(prefix: string): string | undefined {
  const points = [...prefix].map(letter => letter.codePointAt(0)!);
  while (points.length > 0) {
    const last = points.pop()!;
    if (last < 0x10ffff) return String.fromCodePoint(...points, last === 0xd7ff ? 0xe000 : last + 1);
  }
  return undefined;
}

/** A condition on a column that holds text. */
export function textCondition(column: string, condition: Condition): Fragment {
  switch (condition.is) {
    case 'eq':
      return { sql: `${column} = ?`, args: [condition.value] };
    case 'in':
      return inList(column, condition.values);
    case 'prefix': {
      if (condition.value === '') return yes;
      const end = beyondPrefix(condition.value);
      return end === undefined
        ? { sql: `${column} >= ?`, args: [condition.value] }
        : { sql: `(${column} >= ? AND ${column} < ?)`, args: [condition.value, end] };
    }
    case 'contains':
      return condition.value === '' ? yes : { sql: `instr(${column}, ?) > 0`, args: [condition.value] };
    case 'range':
      return no;
  }
}
export function inList(column: string, values: readonly (string | number)[]): Fragment {
  if (values.length === 0) return no;
  if (values.length === 1) return { sql: `${column} = ?`, args: [values[0]!] };
  if (values.length <= 8) return { sql: `${column} IN (${values.map(() => '?').join(', ')})`, args: values };
  return { sql: `${column} IN (SELECT value FROM json_each(?))`, args: [JSON.stringify(values)] };
}

/** The same in JavaScript. */
export function holdsText(condition: Condition): (text: string) => boolean {
  switch (condition.is) {
    case 'eq':
      return text => text === condition.value;
    case 'in': {
      const values = new Set(condition.values);
      return text => values.has(text);
    }
    case 'prefix':
      return text => text.startsWith(condition.value);
    case 'contains':
      return text => text.includes(condition.value);
    case 'range':
      return () => false;
  }
}
export function holdsNumber(condition: Condition): (value: number) => boolean {
  if (condition.is !== 'range') return () => false;
  const { gt = -Infinity, ge = -Infinity, lt = Infinity, le = Infinity } = condition;
  return value => value > gt && value >= ge && value < lt && value <= le;
}
/** A range on a number column of SQL. */
export function numberCondition(column: string, condition: Condition): Fragment {
  if (condition.is !== 'range') return no;
  const parts: Fragment[] = [];
  for (const [name, sign] of [
    ['gt', '>'],
    ['ge', '>='],
    ['lt', '<'],
    ['le', '<='],
  ] as const) {
    // prettier-ignore
    const bound = condition[name];
    if (bound !== undefined) parts.push({ sql: `${column} ${sign} ?`, args: [bound] });
  }
  return allOf(parts);
}

/** The dictionary numbers of systems that satisfy a condition. Asked beforehand: a running statement cannot ask. */
function systemsOf(connection: Connection, condition: Condition): ReadonlySet<number> {
  const values = valuesOf(condition);
  if (values !== undefined) return new Set(values.flatMap(url => connection.dictionary.system(url) ?? []));
  const on = textCondition('url', condition);
  const ids = connection.column<number>(`SELECT id FROM sys WHERE ${on.sql}`, ...on.args);
  return new Set(holdsText(condition)('') ? [0, ...ids] : ids);
}
/** The same of units, by their system or code. */
function unitsOf(
  connection: Connection,
  column: 'system' | 'code',
  condition: Condition,
): ReadonlySet<number> {
  const on = textCondition(column, condition);
  const ids = connection.column<number>(`SELECT id FROM unit WHERE ${on.sql}`, ...on.args);
  return new Set(holdsText(condition)('') ? [0, ...ids] : ids);
}

/** Whether a packed row satisfies every condition of the leaf. */
function rowTest(connection: Connection, leaf: Leaf): (row: PackedRow) => boolean {
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

/** A query on one connection: the predicates its statements call, and names for aliases. */
export class Query {
  private aliases = 0;
  constructor(readonly connection: Connection) {
    const { holds, inset, tuple } = connection.slots;
    holds.length = inset.length = tuple.length = 0;
  }
  alias(letter: string): string {
    return `${letter}${++this.aliases}`;
  }
  holds(test: (packed: Buffer) => boolean, cur: string): Fragment {
    const slot = this.connection.slots.holds.push(test) - 1;
    return { sql: `holds(?, ${cur}.b)`, args: [slot], cur: true };
  }
  inset(rids: Bits, r: string): Fragment {
    const slot = this.connection.slots.inset.push(rid => rids.has(rid)) - 1;
    return { sql: `inset(?, ${r})`, args: [slot] };
  }
  tuple(test: (a: string, b: string | number, j: string) => boolean): Fragment {
    const slot = this.connection.slots.tuple.push(test) - 1;
    return { sql: 'tuple(?, a, b, j)', args: [slot] };
  }
}

/** A set of resource numbers, a bit each. */
export class Bits {
  private words = new Uint32Array(1024);
  add(rid: number): void {
    const word = rid >>> 5;
    if (word >= this.words.length) {
      const more = new Uint32Array(Math.max(this.words.length * 2, word + 1));
      more.set(this.words);
      this.words = more;
    }
    this.words[word] = this.words[word]! | (1 << (rid & 31));
  }
  has(rid: number): boolean {
    return ((this.words[rid >>> 5] ?? 0) & (1 << (rid & 31))) !== 0;
  }
}

/** The expression for candidates of one type. `r` and `cur` name the candidate in the statement it goes into. */
export function* filter(query: Query, kind: Kind, node: Node, r: string, cur: string): Steps<Fragment> {
  switch (node.op) {
    case 'all':
      return yes;
    case 'none':
      return no;
    case 'and':
    case 'or': {
      const parts: Fragment[] = [];
      for (const one of node.nodes) parts.push(yield* filter(query, kind, one, r, cur));
      return node.op === 'and' ? allOf(parts) : anyOf(parts);
    }
    case 'not': {
      const inner = yield* filter(query, kind, node.node, r, cur);
      return isYes(inner) ? no : isNo(inner) ? yes : { ...inner, sql: `NOT ${inner.sql}` };
    }
    case 'link':
      return yield* linkFilter(query, kind, node, r);
    case 'backlink':
      return yield* backlinkFilter(query, node, r);
    case 'row':
      return yield* leafFilter(query, kind, node, r, cur);
  }
}

function* linkFilter(
  query: Query,
  kind: Kind,
  node: Extract<Node, { op: 'link' }>,
  r: string,
): Steps<Fragment> {
  const { dictionary } = query.connection;
  const param = dictionary.param(kind.id, node.param, 'reference');
  if (param === undefined) return no;
  const ways: Fragment[] = [];
  for (const type of node.types) {
    const target = dictionary.kind(type);
    if (target === undefined) continue;
    const l = query.alias('l');
    const c = query.alias('c');
    const inner = yield* filter(query, target, node.node, `${l}.v`, c);
    if (isNo(inner)) continue;
    ways.push({
      sql: `EXISTS (SELECT 1 FROM rref ${l} CROSS JOIN cur ${c} ON ${c}.type = ? AND ${c}.r = ${l}.v WHERE ${l}.r = ${r} AND ${l}.p = ? AND ${l}.v > 0 AND ${inner.sql})`,
      args: [target.id, param.p, ...inner.args],
    });
  }
  return anyOf(ways);
}

function* backlinkFilter(query: Query, node: Extract<Node, { op: 'backlink' }>, r: string): Steps<Fragment> {
  const { dictionary } = query.connection;
  const source = dictionary.kind(node.type);
  const param = source && dictionary.param(source.id, node.param, 'reference');
  if (source === undefined || param === undefined) return no;
  const l = query.alias('l');
  const c = query.alias('c');
  const inner = yield* filter(query, source, node.node, `${l}.r`, c);
  if (isNo(inner)) return no;
  const joined = inner.cur ? ` CROSS JOIN cur ${c} ON ${c}.type = ? AND ${c}.r = ${l}.r` : '';
  return {
    sql: `EXISTS (SELECT 1 FROM ref ${l}${joined} WHERE ${l}.p = ? AND ${l}.v = ${r} AND ${inner.sql})`,
    args: [...(inner.cur ? [source.id] : []), param.p, ...inner.args],
  };
}

function* leafFilter(query: Query, kind: Kind, leaf: Leaf, r: string, cur: string): Steps<Fragment> {
  const { connection } = query;
  if (isBuiltIn(leaf)) return builtIn(kind, leaf, r, cur);
  const param = connection.dictionary.param(kind.id, leaf.param, leaf.kind);
  if (param === undefined) return no;
  if (leaf.where.length === 0 && leaf.kind !== 'reference')
    return query.holds(packed => present(packed, param.p), cur);
  const probed = probe(connection, param, withFolded(leaf), r, cur);
  if (probed !== undefined) return probed;
  if (param.packed && !leaf.where.some(one => one.column === 'exact')) {
    const test = rowTest(connection, leaf);
    return query.holds(packed => someRow(packed, param.p, param.kind, test), cur);
  }
  return query.inset(yield* gather(query, param, leaf), r);
}

/** Rows nobody writes: docs/index-rows.md. */
export const isBuiltIn = (leaf: Leaf): boolean =>
  (leaf.kind === 'token' && (leaf.param === '_id' || leaf.param === '_type')) ||
  (leaf.kind === 'date' && leaf.param === '_lastUpdated');

function builtIn(kind: Kind, leaf: Leaf, r: string, cur: string): Fragment {
  if (leaf.kind === 'date') {
    return {
      ...allOf(
        leaf.where.map(one =>
          one.column === 'lo' || one.column === 'hi' ? numberCondition(`${cur}.lu`, one) : no,
        ),
      ),
      cur: true,
    };
  }
  const others = leaf.where.filter(one => one.column !== 'code');
  if (others.some(one => one.column !== 'system' || !holdsText(one)(''))) return no;
  const codes = leaf.where.filter(one => one.column === 'code');
  if (leaf.param === '_type') return codes.every(one => holdsText(one)(kind.name)) ? yes : no;
  if (codes.length === 0) return yes;
  const on = allOf(codes.map(one => textCondition('i.id', one)));
  return isNo(on)
    ? no
    : { sql: `EXISTS (SELECT 1 FROM res i WHERE i.rid = ${r} AND ${on.sql})`, args: on.args };
}

/** The values an `eq` or `in` condition allows. */
export function valuesOf(condition: Condition): readonly string[] | undefined {
  return condition.is === 'eq' ? [condition.value] : condition.is === 'in' ? condition.values : undefined;
}

/** A condition on the dictionary number of a token's system. */
export function systemCondition(connection: Connection, column: string, condition: Condition): Fragment {
  const values = valuesOf(condition);
  if (values !== undefined)
    return inList(
      column,
      values.flatMap(url => connection.dictionary.system(url) ?? []),
    );
  const none = holdsText(condition)('');
  const on = textCondition('url', condition);
  return isYes(on)
    ? yes
    : {
        sql: `(${column} IN (SELECT id FROM sys WHERE ${on.sql})${none ? ` OR ${column} = 0` : ''})`,
        args: on.args,
      };
}

/** A text as sent lies under its folded value. */
export function withFolded(leaf: Leaf): Leaf {
  if (leaf.kind !== 'string' || leaf.where.some(one => one.column === 'value' && valuesOf(one) !== undefined))
    return leaf;
  const exact = leaf.where.find(one => one.column === 'exact' && valuesOf(one) !== undefined);
  return exact === undefined
    ? leaf
    : { ...leaf, where: [{ column: 'value', is: 'in', values: valuesOf(exact)!.map(fold) }, ...leaf.where] };
}

/** Asks the posting by value and resource, where its key allows it. */
function probe(
  connection: Connection,
  param: Param,
  leaf: Leaf,
  r: string,
  cur: string,
): Fragment | undefined {
  const first = leaf.kind === 'token' ? 'code' : leaf.kind === 'reference' ? 'target' : 'value';
  const named = leaf.where.find(one => one.column === first && valuesOf(one) !== undefined);
  if (leaf.kind === 'reference') return referenceProbe(connection, param, leaf, r, cur);
  if (named === undefined || (leaf.kind !== 'token' && leaf.kind !== 'string' && leaf.kind !== 'uri'))
    return undefined;
  const table = leaf.kind === 'token' ? 'tok' : 'str';
  const on = allOf([
    inList('t.v', valuesOf(named)!),
    ...leaf.where.filter(one => one !== named).map(one => postingCondition(connection, leaf, one, 't')),
  ]);
  return isNo(on)
    ? no
    : {
        sql: `EXISTS (SELECT 1 FROM ${table} t WHERE t.p = ? AND t.r = ${r} AND ${on.sql})`,
        args: [param.p, ...on.args],
      };
}

/** A condition on a row of `tok` or `str`. `x` is '' where the text as sent is the folded one. */
export function postingCondition(
  connection: Connection,
  leaf: Leaf,
  condition: Condition,
  t: string,
): Fragment {
  const { column } = condition;
  if (leaf.kind === 'token') {
    return column === 'code'
      ? textCondition(`${t}.v`, condition)
      : column === 'system'
        ? systemCondition(connection, `${t}.s`, condition)
        : no;
  }
  if (column === 'value') return textCondition(`${t}.v`, condition);
  if (column === 'exact' && leaf.kind === 'string')
    return textCondition(`(CASE ${t}.x WHEN '' THEN ${t}.v ELSE ${t}.x END)`, condition);
  return no;
}

function referenceProbe(connection: Connection, param: Param, leaf: Leaf, r: string, cur: string): Fragment {
  const parts = leaf.where.map(one => referenceCondition(connection, one, 't'));
  const on = allOf(parts);
  if (isNo(on)) return no;
  return leaf.where.some(one => one.column === 'version')
    ? { sql: `EXISTS (SELECT 1 FROM rref o CROSS JOIN ref t ON t.p = o.p AND t.v = o.v AND t.d = ${cur}.d AND t.r = o.r WHERE o.r = ${r} AND o.p = ? AND ${on.sql})`, args: [param.p, ...on.args], cur: true } // prettier-ignore
    : {
        sql: `EXISTS (SELECT 1 FROM rref t WHERE t.r = ${r} AND t.p = ? AND ${on.sql})`,
        args: [param.p, ...on.args],
      };
}

/** A condition on a row of `ref` or `rref` (target only). */
export function referenceCondition(connection: Connection, condition: Condition, t: string): Fragment {
  if (condition.column === 'version') return textCondition(`${t}.w`, condition);
  if (condition.column !== 'target') return no;
  const values = valuesOf(condition);
  if (values !== undefined)
    return inList(
      `${t}.v`,
      values.flatMap(target => connection.dictionary.target(target) ?? []),
    );
  const text = `coalesce((SELECT g.t FROM tgt g WHERE g.id = -${t}.v), (SELECT k.name || '/' || s.id FROM res s CROSS JOIN kind k ON k.id = s.type WHERE s.rid = ${t}.v))`;
  return textCondition(text, condition);
}

const gatherStep = 4000;

/** The resources with a row that satisfies the leaf, by reading the parameter's postings in steps. */
function* gather(query: Query, param: Param, leaf: Leaf): Steps<Bits> {
  const { connection } = query;
  const found = new Bits();
  const table = leaf.kind === 'composite' ? 'cmp' : leaf.kind === 'token' ? 'tok' : 'str';
  const key = { cmp: ['a', 'b', 'r', 'j'], tok: ['v', 'r', 's'], str: ['v', 'r', 'x'] }[table];
  const within = leaf.kind === 'composite' ? compositeRange(leaf) : allOf(leaf.where.filter(one => one.is === 'prefix' && one.column !== 'system' && one.column !== 'exact').map(one => postingCondition(connection, leaf, one, table))); // prettier-ignore
  const test =
    leaf.kind === 'composite'
      ? query.tuple(tupleTest(connection, leaf))
      : allOf(leaf.where.map(one => postingCondition(connection, leaf, one, 'w')));
  if (isNo(test) || isNo(within)) return found;
  let last: readonly Value[] | undefined;
  for (;;) {
    const range = `SELECT ${key.join(', ')} FROM ${table} WHERE p = ? AND ${within.sql}${last ? ` AND (${key.join(', ')}) > (${key.map(() => '?').join(', ')})` : ''} ORDER BY ${key.join(', ')} LIMIT ?`;
    const args = [param.p, ...within.args, ...(last ?? []), gatherStep];
    for (const rid of connection.column<number>(
      `SELECT r FROM (${range}) w WHERE ${test.sql}`,
      ...args,
      ...test.args,
    ))
      found.add(rid);
    const end = connection.get<Record<string, Value>>(
      `SELECT * FROM (${range}) LIMIT 1 OFFSET ?`,
      ...args,
      gatherStep - 1,
    );
    if (end === undefined) return found;
    last = key.map(column => end[column]!);
    yield;
  }
}

/** What of a composite leaf is a range of `cmp`: its first part named, and the lo of its second bounded. */
export function compositeRange(leaf: Leaf): Fragment {
  const named = leaf.where.find(
    one => /^0\.(code|value|target)$/.test(one.column) && valuesOf(one) !== undefined,
  );
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
