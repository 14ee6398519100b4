// The plan: a search as a small tree over index rows. It knows no FHIR prefixes or modifiers (search/types/* has
// compiled them away) and no database (storage/sqlite and storage/mongo compile it; search/matches.ts interprets it).
import type { RowKind } from './rows.js';

/** A condition on one column of a row. For composite rows the column is `<part>.<column>`, such as `1.lo`. */
export type Condition =
  | { readonly column: string; readonly is: 'eq'; readonly value: string }
  | { readonly column: string; readonly is: 'in'; readonly values: readonly string[] }
  | { readonly column: string; readonly is: 'prefix'; readonly value: string }
  | { readonly column: string; readonly is: 'suffix'; readonly value: string }
  | { readonly column: string; readonly is: 'contains'; readonly value: string }
  | {
      readonly column: string;
      readonly is: 'range';
      readonly gt?: number;
      readonly ge?: number;
      readonly lt?: number;
      readonly le?: number;
    };

/** There is ONE row of this kind and parameter that satisfies every condition; without conditions: there is a row. */
export interface Leaf {
  readonly op: 'row';
  readonly kind: RowKind;
  readonly param: string;
  readonly where: readonly Condition[];
}

export type Node =
  | { readonly op: 'all' }
  | { readonly op: 'none' }
  | { readonly op: 'and'; readonly nodes: readonly Node[] }
  | { readonly op: 'or'; readonly nodes: readonly Node[] }
  /** No row of the resource satisfies the node. */
  | { readonly op: 'not'; readonly node: Node }
  | Leaf
  /** Chain: a reference row of `param` leads to a current resource of one of `types` for which `node` holds. */
  | { readonly op: 'link'; readonly param: string; readonly types: readonly string[]; readonly node: Node }
  /** Reverse chain (_has): a current resource of `type`, for which `node` holds, refers here by `param`. */
  | { readonly op: 'backlink'; readonly type: string; readonly param: string; readonly node: Node };

/*
 * Every resource has these rows without their being stored as such; stores answer them from its own columns:
 * token `_type` (code), token `_id` (code), date `_lastUpdated` (lo = hi = the instant).
 */

export interface SortKey {
  /** The parameter whose `end` rows give the order; `_id` and `_lastUpdated` too. */
  readonly param: string;
  /** token sorts by code, string by folded value, date and number by lo ascending and hi descending, uri by value. */
  readonly kind: Exclude<RowKind, 'composite' | 'reference' | 'words'>;
  readonly descending: boolean;
}

/** A place between two results, as the store that made it understands it. JSON values only; opaque to everyone else. */
export type Position = readonly (string | number | null)[];

export interface SearchPlan {
  /** The resource types searched, at least one. */
  readonly types: readonly string[];
  readonly where: Node;
  /** Ties, and plans without sort keys, go in order of creation. Resources without a value come last. */
  readonly sort: readonly SortKey[];
  /** At most so many resources; 0 for the total alone. */
  readonly count: number;
  /** Only what comes after this position. */
  readonly after?: Position;
  readonly total: 'none' | 'estimate' | 'accurate';
}

export const all: Node = { op: 'all' };
export const none: Node = { op: 'none' };

/** Conjunction, flattened, with constants folded and without what another part of it says already. */
export function and(...nodes: readonly Node[]): Node {
  const kept: Node[] = [];
  for (const node of nodes) {
    if (node.op === 'none') return none;
    if (node.op === 'all') continue;
    if (node.op === 'and') kept.push(...node.nodes);
    else kept.push(node);
  }
  const own = kept.length > mostCompared ? kept : kept.filter((node, i) => !isSaid(node, i, kept));
  return own.length === 0 ? all : own.length === 1 ? own[0]! : { op: 'and', nodes: own };
}

/** More are not held against each other. */
const mostCompared = 20;

/** Whether another of the nodes means that this one holds; of two that are the same the later is said. */
const isSaid = (node: Node, at: number, nodes: readonly Node[]): boolean =>
  nodes.some((other, i) => i !== at && says(other, node) && (i < at || !says(node, other)));

/** Whether the first node holding means that the second does: it is the same, or one of its alternatives. */
const says = (node: Node, other: Node): boolean =>
  isSame(node, other) || (other.op === 'or' && other.nodes.some(each => isSame(node, each)));

/** Whether both are written alike; of chains only if they are one and the same. */
function isSame(one: Node, other: Node): boolean {
  if (one === other) return true;
  if (one.op === 'row' && other.op === 'row')
    return (
      one.param === other.param &&
      one.kind === other.kind &&
      one.where.length === other.where.length &&
      one.where.every((condition, i) => isSameCondition(condition, other.where[i]!))
    );
  if ((one.op === 'or' && other.op === 'or') || (one.op === 'and' && other.op === 'and'))
    return (
      one.nodes.length === other.nodes.length && one.nodes.every((node, i) => isSame(node, other.nodes[i]!))
    );
  return one.op === 'not' && other.op === 'not' && isSame(one.node, other.node);
}

const isSameCondition = (one: Condition, other: Condition): boolean =>
  one.column === other.column && one.is === 'eq' && other.is === 'eq' && one.value === other.value;

/** Whether one of the leaves is such, here or behind a reference. */
export function someLeaf(node: Node, isSuch: (leaf: Leaf) => boolean): boolean {
  switch (node.op) {
    case 'row':
      return isSuch(node);
    case 'and':
    case 'or':
      return node.nodes.some(one => someLeaf(one, isSuch));
    case 'not':
    case 'link':
    case 'backlink':
      return someLeaf(node.node, isSuch);
    default:
      return false;
  }
}

/** Disjunction, flattened and with constants folded. */
export function or(...nodes: readonly Node[]): Node {
  const kept: Node[] = [];
  for (const node of nodes) {
    if (node.op === 'all') return all;
    if (node.op === 'none') continue;
    if (node.op === 'or') kept.push(...node.nodes);
    else kept.push(node);
  }
  return kept.length === 0 ? none : kept.length === 1 ? kept[0]! : { op: 'or', nodes: kept };
}

export function not(node: Node): Node {
  if (node.op === 'all') return none;
  if (node.op === 'none') return all;
  return node.op === 'not' ? node.node : { op: 'not', node };
}
