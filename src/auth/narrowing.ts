// Plans narrowed to what a grant may come upon: what is visible is ANDed to the types searched and to the far end of every
// link; nothing of it asks a store.
import { followsLinks } from '../search/matches.js';
import { all, and, none, not, or, type Leaf, type Node } from '../search/plan.js';
import type { Grant } from './grant.js';

/** What of the type a grant may come upon by a search, a chain, an include or a history. */
export const searchable = (grant: Grant, type: string): Node =>
  grant.permits('search', type)
    ? grant.visible(type, 'search')
    : grant.permits('read', type)
      ? grant.visible(type)
      : none;

/** ANDs what may be found to the far end of every link and backlink of a node; a grant's own links lead anywhere. */
export function restrict(node: Node, found: (type: string) => Node): Node {
  switch (node.op) {
    case 'and':
      return and(...node.nodes.map(each => restrict(each, found)));
    case 'or':
      return or(...node.nodes.map(each => restrict(each, found)));
    case 'not':
      return not(restrict(node.node, found));
    case 'link': {
      const inner = restrict(node.node, found);
      const open = node.types.filter(type => found(type).op === 'all');
      const narrow = node.types.filter(type => !['all', 'none'].includes(found(type).op));
      return or(
        open.length === 0 ? none : { ...node, types: open, node: inner },
        ...narrow.map((type): Node => ({
          ...node,
          types: [type],
          node: and(inner, found(type)),
        })),
      );
    }
    case 'backlink': {
      const visible = found(node.type);
      return visible.op === 'none' ? none : { ...node, node: and(restrict(node.node, found), visible) };
    }
    case 'all':
    case 'none':
    case 'row':
      return node;
  }
}

/** What may be found among the types, as one node: each type's own condition where they differ. */
export function foundAmong(types: readonly string[], found: (type: string) => Node): Node {
  const nodes = types.map(found);
  if (nodes.every(node => node.op === 'all')) return all;
  if (types.length === 1) return nodes[0]!;
  return or(...types.map((type, i) => and(isType(type), nodes[i]!)));
}

const isType = (type: string): Leaf => ({
  op: 'row',
  kind: 'token',
  param: '_type',
  where: [{ column: 'code', is: 'eq', value: type }],
});

/** Of the references that the node follows. */
export function linkParams(node: Node): ReadonlySet<string> {
  if (!followsLinks(node)) return noParams;
  switch (node.op) {
    case 'and':
    case 'or':
      return new Set(node.nodes.flatMap(one => [...linkParams(one)]));
    case 'not':
      return linkParams(node.node);
    case 'link':
      return new Set([node.param]);
    default:
      return noParams;
  }
}
const noParams: ReadonlySet<string> = new Set();
