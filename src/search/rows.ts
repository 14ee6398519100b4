// Index rows: what a resource is found by, in columns every store can keep. docs/index-rows.md is the contract.
// https://hl7.org/fhir/R4/search.html

interface RowOf<Kind extends string> {
  readonly kind: Kind;
  /** The search parameter's code, or `code:modifier` where a modifier has rows of its own (`subject:identifier`). */
  readonly param: string;
  /**
   * Which end of the resource's values for this parameter the row is: 1 the lowest, 2 the highest, 3 both.
   * Ascending sorts take the rows with bit 1, descending sorts those with bit 2. Absent: neither, or not sortable.
   */
  readonly end?: 1 | 2 | 3;
}

/** Coded values, identifiers, booleans, contact points. `system` is '' where the value has none. */
export interface TokenRow extends RowOf<'token'> {
  readonly system: string;
  readonly code: string;
}
/** `value` is folded (search/fold.ts), `exact` is as sent. */
export interface StringRow extends RowOf<'string'> {
  readonly value: string;
  readonly exact: string;
}
/** `target`: `Type/id` for a resource of this server, else the absolute URL without version. `version`: canonical version or ''. */
export interface ReferenceRow extends RowOf<'reference'> {
  readonly target: string;
  readonly version: string;
}
/** Milliseconds since 1970 UTC, both inclusive; an open end is ±8.64e15 (the range of Date). */
export interface DateRow extends RowOf<'date'> {
  readonly lo: number;
  readonly hi: number;
}
/** Numbers and quantities. `system` and `code` are '' for plain numbers; a unit without code is `system: '', code: unit`. */
export interface NumberRow extends RowOf<'number'> {
  readonly lo: number;
  readonly hi: number;
  readonly system: string;
  readonly code: string;
}
export interface UriRow extends RowOf<'uri'> {
  readonly value: string;
}
/** One tuple of a composite parameter: the columns of its component rows, in order, from one occurrence. */
export interface CompositeRow extends RowOf<'composite'> {
  readonly parts: readonly Part[];
}
/**
 * The words of `_text` or `_content`, in order (words.ts): folded, between single spaces, a space at both ends, and a line
 * feed as a word of its own between two texts. Conditions are `contains` with a space before: ` chest pain ` is the phrase,
 * ` che` the beginning of a word.
 */
export interface WordsRow extends RowOf<'words'> {
  readonly text: string;
}
/** A component of a composite: a row's columns without its parameter. */
export type Part =
  | Columns<TokenRow>
  | Columns<StringRow>
  | Columns<ReferenceRow>
  | Columns<DateRow>
  | Columns<NumberRow>
  | Columns<UriRow>;
type Columns<R> = R extends unknown ? Omit<R, 'param' | 'end'> : never;

/** Rows that a search parameter's elements make. */
export type ParameterRow = TokenRow | StringRow | ReferenceRow | DateRow | NumberRow | UriRow | CompositeRow;
export type Row = ParameterRow | WordsRow;
export type RowKind = Row['kind'];

/** What rows of this parameter refer to: `Patient/1`. */
export const targetsIn = (rows: readonly Row[], param: string): readonly string[] =>
  rows.flatMap(row => (row.kind === 'reference' && row.param === param ? [row.target] : []));

export const openLow = -8.64e15;
export const openHigh = 8.64e15;
