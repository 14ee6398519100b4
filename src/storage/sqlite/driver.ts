// What candidates come from: the rows that hold every resource a condition can be true for.
import type { Fragment } from './fragment.js';

export interface Driver {
  /** `SELECT r …`; resources may repeat. */
  readonly rows: Fragment;
  /** The rows that have to be read for it, to be counted; often `rows` itself. */
  readonly read: Fragment;
  /** Every candidate satisfies the condition. */
  readonly exact: boolean;
  /** The postings of one token value: in order of creation, to be read window by window. */
  readonly token?: { readonly p: number; readonly v: string; readonly on: Fragment };
  /** The postings of one target: in descending order of the primary date. */
  readonly target?: { readonly p: number; readonly v: number };
}

const nothing: Fragment = { sql: 'SELECT 0 AS r WHERE 0', args: [] };
/** Drives nothing: the condition holds for no resource. */
export const none: Driver = { rows: nothing, read: nothing, exact: true };

export const union = (parts: readonly Fragment[]): Fragment =>
  parts.length === 0
    ? nothing
    : {
        sql: parts.map(one => `SELECT r FROM (${one.sql})`).join(' UNION ALL '),
        args: parts.flatMap(one => one.args),
      };
