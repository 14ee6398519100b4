// What a search parameter type is to the rest of search: how a FHIR value becomes rows, and how a query value becomes
// conditions on their columns. One file beside this per type. https://hl7.org/fhir/R4/search.html#ptypes
import { FhirError } from '../../errors.js';
import type { Json } from '../../fhir/json.js';
import type { Catalog } from '../../terminology/catalog.js';
import type { Condition, Leaf } from '../plan.js';
import { or, type Node } from '../plan.js';
import type { CustomParameters } from '../parameter.js';
import type { ParameterRow, Part, RowKind } from '../rows.js';

/** What the rows of a server depend on besides the resource. */
export interface RowSettings {
  /** Absolute bases of this server, without trailing slash: references below them are local. */
  readonly bases: readonly string[];
  /** IANA zone that dates without a zone are read in; UTC where absent. */
  readonly zone?: string;
  /** Parameters beside those of the specification. */
  readonly custom?: CustomParameters | undefined;
}

/** Where an indexer puts the columns it finds. The object becomes the row: it must be new. */
export interface Sink {
  readonly settings: RowSettings;
  add(columns: Part): void;
  /** A row of a parameter of its own, `<code>:<modifier>`. */
  addTo(modifier: string, columns: Part): void;
  /** The element was there but made no row. */
  present(): void;
}

/** Indexes one value of a known FHIR type. Values of the wrong shape are passed over: judging them is the gate's. */
export type Indexer = (value: Json, sink: Sink) => void;

/** One value of a criterion: any of the lists holds, each list of ONE row. */
export type Alternatives = readonly (readonly Condition[])[];

/** The parameter a criterion is about, as far as its type needs to know it. */
export interface Asked {
  /** As in rows. */
  readonly param: string;
  /** As the client wrote it, for messages. */
  readonly name: string;
  /** Types a reference may lead to. */
  readonly targets: readonly string[];
  /** FHIR types of the elements it indexes. */
  readonly elementTypes: ReadonlySet<string>;
  /** Value sets its codes are bound to. */
  readonly bindings: readonly string[];
}

export interface ParseSettings {
  readonly bases: readonly string[];
  readonly zone: string;
  /** The present, for `ap`; milliseconds since 1970 UTC. */
  readonly now: number;
  /** What is known of codes; R4's own definitions where absent. */
  readonly catalog?: Catalog | undefined;
  /** Parameters beside those of the specification. */
  readonly custom?: CustomParameters | undefined;
}

/** What `_filter` may ask of a parameter. https://hl7.org/fhir/R4/search_filter.html */
export const comparisons = [
  'eq', 'ne', 'co', 'sw', 'ew', 'gt', 'lt', 'ge', 'le', 'ap', 'sa', 'eb', 'pr', 'po', 'ss', 'sb', 'in', 'ni', 're',
] as const; // prettier-ignore
export type Comparison = (typeof comparisons)[number];

export interface SearchType {
  readonly kind: ParameterRow['kind'];
  /** By the FHIR type of the element. */
  readonly index: Readonly<Record<string, Indexer>>;
  /** Modifiers besides `missing`; for messages, the CapabilityStatement's notes and docs/search.md. */
  readonly modifiers: readonly string[];
  /** What one value looks like, for messages. */
  readonly form: string;
  /** Conditions for one value (still escaped), without modifier. */
  alternatives(value: string, asked: Asked, settings: ParseSettings): Alternatives;
  /** The comparisons of `_filter` that it understands, besides `pr`, and besides `ne` and `ni` where these negate. */
  readonly comparisons: readonly Comparison[];
  /** The criterion for a comparison of the list. Absent: the comparison is the prefix of that name. */
  compared?(comparison: Comparison, value: string, asked: Asked, settings: ParseSettings): Node;
  /** Conditions on the rows of `<param>:ucum` instead, where the value has a unit that can be converted. */
  converted?(value: string, asked: Asked): Alternatives | undefined;
  /** The criterion for one value (still escaped) instead of `alternatives`, where it asks more than one row. */
  node?(value: string, asked: Asked): Node;
  /** The criterion for a modifier of the list; `value` is one of the comma-separated values, still escaped. */
  modified?(modifier: string, value: string, asked: Asked, settings: ParseSettings): Node;
}

/** How texts are compared, on a column of text. */
export const textIs = { co: 'contains', sw: 'prefix', ew: 'suffix' } as const;

export const leaf = (kind: RowKind, param: string, where: readonly Condition[] = []): Leaf => ({
  op: 'row',
  kind,
  param,
  where,
});

export const anyOf = (kind: RowKind, param: string, alternatives: Alternatives): Node =>
  or(...merged(alternatives).map(where => leaf(kind, param, where)));

/** Alternatives that differ only in what their last column equals become one that asks for any of the values. */
function merged(alternatives: Alternatives): Alternatives {
  if (alternatives.length < 2) return alternatives;
  const groups = new Map<string, { readonly where: readonly Condition[]; readonly values: Set<string> }>();
  for (const where of alternatives) {
    const last = where.at(-1);
    const values = last?.is === 'eq' ? [last.value] : last?.is === 'in' ? last.values : [];
    const key =
      values.length === 0 ? JSON.stringify(where) : JSON.stringify([where.slice(0, -1), last!.column]);
    const group = groups.get(key) ?? { where, values: new Set() };
    for (const value of values) group.values.add(value);
    groups.set(key, group);
  }
  return [...groups.values()].map(({ where, values }) =>
    values.size < 2
      ? where
      : [...where.slice(0, -1), { column: where.at(-1)!.column, is: 'in', values: [...values] }],
  );
}

export const equal = (column: string, value: string): Condition => ({ column, is: 'eq', value });

/** A client's text for a message, shortened: it may be megabytes. */
export const quoted = (text: string): string => `"${text.length > 100 ? `${text.slice(0, 100)}…` : text}"`;

/** @throws FhirError `invalid-search` naming the parameter, the value and what is accepted. */
export function refuse(asked: Asked, value: string, accepted: string): never {
  throw new FhirError(
    'invalid-search',
    `The value ${quoted(unescape(value))} of search parameter ${quoted(asked.name)} is not understood: ${accepted}.`,
  );
}

const escape = /\\([,|$\\])/g;

/** Undoes `\,` `\|` `\$` and `\\`. https://hl7.org/fhir/R4/search.html#escaping */
export const unescape = (text: string): string => (text.includes('\\') ? text.replace(escape, '$1') : text);

/** The text as a value that `unescape` makes the text again. */
export const escaped = (text: string): string => text.replace(/[\\,|$]/g, '\\$&');

/** Splits at separators that are not escaped; the pieces stay escaped. */
export function split(text: string, separator: ',' | '|' | '$'): string[] {
  if (!text.includes('\\')) return text.split(separator);
  const pieces: string[] = [];
  let start = 0;
  for (let i = 0; i < text.length; i++) {
    if (text[i] === '\\') i++;
    else if (text[i] === separator) {
      pieces.push(text.slice(start, i));
      start = i + 1;
    }
  }
  pieces.push(text.slice(start));
  return pieces;
}

const prefixes = ['eq', 'ne', 'gt', 'lt', 'ge', 'le', 'sa', 'eb', 'ap'] as const;
export type Prefix = (typeof prefixes)[number];

/** `ge2013` → `ge` and `2013`; no prefix is `eq`. https://hl7.org/fhir/R4/search.html#prefix */
export function prefixOf(value: string): { prefix: Prefix; rest: string } {
  const found = prefixes.find(prefix => value.startsWith(prefix));
  return found === undefined ? { prefix: 'eq', rest: value } : { prefix: found, rest: value.slice(2) };
}
