// Pieces of SQL with their arguments, joined by AND and OR.
import type { Value } from './statements.js';

/** SQL and its arguments, in order. `cur`: it reads the alias of the candidate's row of `cur`. */
export interface Fragment {
  readonly sql: string;
  readonly args: readonly Value[];
  readonly cur?: boolean;
  /** The same as a join, which costs less: it gives a candidate `x` at most once, and has the same arguments. */
  readonly join?: string;
}

export const yes: Fragment = { sql: '1', args: [] };
export const no: Fragment = { sql: '0', args: [] };
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
export function anyOf(fragments: readonly Fragment[]): Fragment {
  if (fragments.some(isYes)) return yes;
  const kept = fragments.filter(one => !isNo(one));
  return kept.length === 0 ? no : kept.length === 1 ? kept[0]! : join(kept, ' OR ');
}

/** Conditions as joins, where they can be, and what is left of them. */
export function joined(fragments: readonly Fragment[]): { readonly joins: Fragment; readonly on: Fragment } {
  const joins = fragments.filter(one => one.join !== undefined);
  return {
    joins: { sql: joins.map(one => one.join!).join(''), args: joins.flatMap(one => one.args) },
    on: allOf(fragments.filter(one => one.join === undefined)),
  };
}

export function inList(column: string, values: readonly (string | number)[]): Fragment {
  if (values.length === 0) return no;
  if (values.length === 1) return { sql: `${column} = ?`, args: [values[0]!] };
  if (values.length <= 8) return { sql: `${column} IN (${values.map(() => '?').join(', ')})`, args: values };
  return { sql: `${column} IN (SELECT value FROM json_each(?))`, args: [JSON.stringify(values)] };
}
