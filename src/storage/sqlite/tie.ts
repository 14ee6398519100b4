// The resources that share their value of a sort key, as a condition: so many that the next key decides among them.
import { not, type Condition, type Leaf, type Node, type SortKey } from '../../search/plan.js';
import type { Kind } from './dictionary.js';
import { yes, type Fragment } from './fragment.js';
import type { KeyValue } from './order.js';
import { sortValueOf } from './pack.js';
import type { Query } from './query.js';

export interface Tie {
  /** Holds for all of them: what an index can be asked. */
  readonly node: Node;
  /** Holds for them alone: a resource may have the value and be sorted by another one it has. */
  exactly(cur: string): Fragment;
}

/** @param value null: those without a value */
export function tieOf(query: Query, kind: Kind, sort: SortKey, value: KeyValue): Tie {
  const row = (...where: Condition[]): Leaf => ({ op: 'row', kind: sort.kind, param: sort.param, where });
  if (value === null) return { node: not(row()), exactly: () => yes };
  const { descending } = sort;
  const node =
    typeof value === 'number'
      ? row({ column: descending ? 'hi' : 'lo', is: 'range', ge: value, le: value })
      : row({ column: sort.kind === 'token' ? 'code' : 'value', is: 'eq', value });
  const param = query.connection.dictionary.param(kind.id, sort.param, sort.kind);
  if (param === undefined) return { node, exactly: () => yes };
  return { node, exactly: cur => query.holds(packed => sortValueOf(packed, param, descending) === value, cur) };
} // prettier-ignore
