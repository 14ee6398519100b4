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

/** One pass, because every search joins many: those that decide nothing are left out, one that decides is the answer. */
function join(fragments: readonly Fragment[], by: string, nothing: Fragment, deciding: Fragment): Fragment {
  let first: Fragment | undefined;
  let sql = '';
  let args: Value[] | undefined;
  let cur = false;
  for (const one of fragments) {
    if (one.sql === deciding.sql) return deciding;
    if (one.sql === nothing.sql) continue;
    if (first === undefined) first = one;
    else {
      if (args === undefined) {
        sql = first.sql;
        args = [...first.args];
      }
      sql += by + one.sql;
      args.push(...one.args);
    }
    cur ||= one.cur === true;
  }
  return args === undefined ? (first ?? nothing) : { sql: `(${sql})`, args, cur };
}
export const allOf = (fragments: readonly Fragment[]): Fragment => join(fragments, ' AND ', yes, no);
export const anyOf = (fragments: readonly Fragment[]): Fragment => join(fragments, ' OR ', no, yes);
/** The opposite, which is none as a join. */
export function notOf({ sql, args, cur = false }: Fragment): Fragment {
  if (sql === yes.sql) return no;
  return sql === no.sql ? yes : { sql: `NOT ${sql}`, args, cur };
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
