// Compiles a node of the plan to an SQL expression over one candidate: its number `r`, its row of `cur` under an alias.
// Surprising: a leaf whose posting cannot be asked by resource reads the packed values, and where these do not hold it
// either, its resources are gathered in a set first (kept.ts).
import type { Condition, Leaf, Node } from '../../search/plan.js';
import {
  holdsText,
  numberCondition,
  postingCondition,
  referenceCondition,
  textCondition,
  valuesOf,
  withFolded,
} from './conditions.js';
import type { Connection } from './connection.js';
import type { Kind, Param } from './dictionary.js';
import { allOf, anyOf, inList, isNo, no, notOf, yes, type Fragment } from './fragment.js';
import { keptSet } from './kept.js';
import { present, someRow } from './pack.js';
import type { Query, Steps } from './query.js';
import { rowTest } from './row-test.js';
import { withWords } from './words.js';

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
    case 'not':
      return notOf(yield* filter(query, kind, node.node, r, cur));
    case 'link':
      return yield* linkFilter(query, kind, node, r);
    case 'backlink':
      return yield* backlinkFilter(query, node, r);
    case 'row':
      return yield* leafFilter(query, kind, node, r, cur);
  }
}

/** A chain within a chain may be walked for very long: it looks at the clock. */
const endable = ({ sql }: Fragment): string => (sql.includes('EXISTS (') ? `goes() AND ${sql}` : sql);

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
      sql: `EXISTS (SELECT 1 FROM rref ${l} CROSS JOIN cur ${c} ON ${c}.type = ? AND ${c}.r = ${l}.v WHERE ${l}.r = ${r} AND ${l}.p = ? AND ${l}.v > 0 AND ${endable(inner)})`,
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
    sql: `EXISTS (SELECT 1 FROM ref ${l}${joined} WHERE ${l}.p = ? AND ${l}.v = ${r} AND ${endable(inner)})`,
    args: [...(inner.cur ? [source.id] : []), param.p, ...inner.args],
  };
}

function* leafFilter(query: Query, kind: Kind, leaf: Leaf, r: string, cur: string): Steps<Fragment> {
  const { connection } = query;
  if (isBuiltIn(leaf)) return builtIn(kind, leaf, r, cur);
  const param = connection.dictionary.param(kind.id, leaf.param, leaf.kind);
  if (param === undefined) return no;
  if (leaf.kind === 'words') return query.inset(yield* withWords(query, param, leaf), r);
  if (leaf.where.length === 0 && leaf.kind !== 'reference')
    return query.holds(packed => present(packed, param.p), cur);
  const probed = probe(query, param, withFolded(leaf), r, cur);
  if (probed !== undefined) return probed;
  if (isPacked(param, leaf)) {
    const test = rowTest(connection, leaf);
    return query.holds(packed => someRow(packed, param.p, param.kind, test), cur);
  }
  if (connection.sets === undefined) yield 'long';
  return query.inset(yield* keptSet(query, kind, leaf), r);
}

const isPacked = (param: Param, leaf: Leaf): boolean =>
  param.packed && !leaf.where.some(one => one.column === 'exact');

/** Whether a leaf can be judged of one resource without reading the others' postings. */
export function isAskedByResource({ dictionary }: Connection, kind: Kind, leaf: Leaf): boolean {
  const param = dictionary.param(kind.id, leaf.param, leaf.kind);
  return param === undefined || leaf.where.length === 0 || leaf.kind === 'reference' || isPacked(param, leaf) || namedIn(withFolded(leaf)) !== undefined; // prettier-ignore
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

const longList = 8;

/** The condition that names the values of a text. */
function namedIn(leaf: Leaf): Condition | undefined {
  if (leaf.kind !== 'token' && leaf.kind !== 'string' && leaf.kind !== 'uri') return undefined;
  const first = leaf.kind === 'token' ? 'code' : 'value';
  return leaf.where.find(one => one.column === first && valuesOf(one) !== undefined);
}

/** Asks the posting by value and resource, where its key allows it. */
function probe(query: Query, param: Param, leaf: Leaf, r: string, cur: string): Fragment | undefined {
  const { connection } = query;
  if (leaf.kind === 'reference') return referenceProbe(connection, param, leaf, r, cur);
  const named = namedIn(leaf);
  if (named === undefined) return undefined;
  // Each value is a place to look at; the resource's own values are few.
  if (valuesOf(named)!.length > longList && isPacked(param, leaf)) return undefined;
  const table = leaf.kind === 'token' ? 'tok' : 'str';
  const t = query.alias('t');
  const others = leaf.where.filter(one => one !== named);
  const on = allOf([
    inList(`${t}.v`, valuesOf(named)!),
    ...others.map(one => postingCondition(connection, leaf, one, t)),
  ]);
  if (isNo(on)) return no;
  const where = `${t}.p = ? AND ${t}.r = ${r} AND ${on.sql}`;
  const isWhole =
    leaf.kind === 'token' &&
    [named, ...others].every(one => valuesOf(one)?.length === 1) &&
    others.some(one => one.column === 'system');
  return {
    sql: `EXISTS (SELECT 1 FROM ${table} ${t} WHERE ${where})`,
    args: [param.p, ...on.args],
    ...(isWhole ? { join: ` CROSS JOIN ${table} ${t} ON ${where}` } : {}),
  };
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
