// Which resources satisfy a node, as a set of bits: for what is negated, rare or counted, where a million would be read
// one by one. docs/decisions/0021-sqlite-search.md
import type { Node } from '../../search/plan.js';
import { Bits } from './bits.js';
import type { Kind } from './dictionary.js';
import { filter, isAskedByResource, isBuiltIn } from './filter.js';
import { gatherCurrent } from './gather.js';
import { keptSet, type Kept } from './kept.js';
import type { Query, Steps } from './query.js';

/** So many resources lead on in one statement. */
const chunk = 500;

/** The resources of a type that satisfy a node. The set may be a kept one: it is not to be changed. */
export function* setOf(query: Query, kind: Kind, node: Node): Steps<Bits> {
  switch (node.op) {
    case 'none':
      return new Bits();
    case 'all':
      return yield* keep(query, kind, node);
    case 'not':
      return (yield* keep(query, kind, { op: 'all' })).without(yield* setOf(query, kind, node.node));
    case 'and':
    case 'or': {
      let result: Bits | undefined;
      for (const one of node.nodes) {
        const set = yield* setOf(query, kind, one);
        result = result === undefined ? set : node.op === 'and' ? result.and(set) : result.or(set);
      }
      return result ?? new Bits();
    }
    case 'link':
      return yield* linked(query, kind, node);
    case 'backlink':
      return yield* backlinked(query, kind, node);
    case 'row':
      if (!isBuiltIn(node)) return yield* keep(query, kind, node);
      return yield* gatherCurrent(query.connection, kind, yield* filter(query, kind, node, 'x.r', 'x'));
  }
}

function keep(query: Query, kind: Kind, what: Kept): Steps<Bits> {
  return keptSet(query, kind, what, function* (rids) {
    if (what.op === 'row' && !isAskedByResource(query.connection, kind, what)) return undefined;
    const on = yield* filter(query, kind, what, 'x.r', 'c');
    return query.connection.column<number>(
      `SELECT x.r FROM (SELECT value AS r FROM json_each(?)) x CROSS JOIN cur c ON c.type = ? AND c.r = x.r WHERE ${on.sql}`,
      JSON.stringify(rids),
      kind.id,
      ...on.args,
    );
  });
}

/** Those that refer to a resource of one of the types for which the node holds. */
function* linked(
  query: Query,
  kind: Kind,
  { param, types, node }: Extract<Node, { op: 'link' }>,
): Steps<Bits> {
  const { dictionary } = query.connection;
  const found = new Bits();
  const by = dictionary.param(kind.id, param, 'reference');
  if (by === undefined) return found;
  for (const type of types) {
    const target = dictionary.kind(type);
    if (target === undefined) continue;
    const sql = 'SELECT ref.r FROM json_each(?) j CROSS JOIN ref ON ref.p = ? AND ref.v = j.value';
    yield* lead(query, yield* setOf(query, target, node), found, sql, by.p);
  }
  return found;
}

/** Those that a resource of another type, for which the node holds, refers to. */
function* backlinked(
  query: Query,
  kind: Kind,
  { type, param, node }: Extract<Node, { op: 'backlink' }>,
): Steps<Bits> {
  const { dictionary } = query.connection;
  const found = new Bits();
  const source = dictionary.kind(type);
  const by = source && dictionary.param(source.id, param, 'reference');
  if (source === undefined || by === undefined) return found;
  const sql = 'SELECT rref.v FROM json_each(?) j CROSS JOIN rref ON rref.r = j.value AND rref.p = ? WHERE rref.v > 0'; // prettier-ignore
  yield* lead(query, yield* setOf(query, source, node), found, sql, by.p);
  return found.and(yield* keep(query, kind, { op: 'all' }));
}

/** Adds what a statement leads to from the resources of a set. */
function* lead(query: Query, from: Bits, found: Bits, sql: string, p: number): Steps<void> {
  for (let some = from.following(0, chunk); some.length > 0; some = from.following(some.at(-1)!, chunk)) {
    for (const rid of query.connection.column<number>(sql, JSON.stringify(some), p)) found.add(rid);
    yield;
  }
}
