// Index rows as fields of a resource's document, and the keys that the plan compiler (filter.ts) looks for.
// Rows of text become strings in one array `k` under one multikey index, because an equality, a prefix or a pattern
// over a row's columns is then a single bound: a leaf is satisfied by ONE row, so one string must hold all of it.
import type { CompositeRow, Row, RowKind } from '../../search/rows.js';

/** Present where there are such rows. docs/decisions/0010-mongodb-layout.md shows a document. */
export interface IndexFields {
  /** Token, string, reference and uri rows as keys. */
  k?: string[];
  /** Date rows. */
  d?: { p: string; lo: number; hi: number }[];
  /** Number and quantity rows. */
  n?: { p: string; lo: number; hi: number; system: string; code: string }[];
  /** Composite rows; the columns of component i below `c<i>`. */
  c?: Record<string, unknown>[];
  /** Texts of the words rows, for phrases; their words are keys. */
  w?: { p: string; text: string }[];
  /** Sort values by `sortField`, ascending and descending. */
  a?: Record<string, string | number>;
  z?: Record<string, string | number>;
}

export type TextKind = Exclude<RowKind, 'date' | 'number' | 'composite' | 'words'>;

/**
 * The columns of a text row: `first` alone and `second` alone are stored as keys where marked, both together always
 * where there are two.
 */
export const textColumns: {
  readonly [K in TextKind]: {
    letter: string;
    first: string;
    second?: string;
    firstAlone: boolean;
    secondAlone: boolean;
  };
} = {
  token: { letter: 't', first: 'code', second: 'system', firstAlone: true, secondAlone: true },
  string: { letter: 's', first: 'value', second: 'exact', firstAlone: false, secondAlone: true },
  reference: { letter: 'r', first: 'target', second: 'version', firstAlone: true, secondAlone: false },
  uri: { letter: 'u', first: 'value', firstAlone: true, secondAlone: false },
};

// Between parameter and first column, before the second column, and between parameter and second column alone.
const start = '\u0001';
export const between = '\u0002';
const secondStart = '\u0003';

/**
 * Keeps the separators out of values. Eight control characters become three each of which none stands for itself, so
 * the beginning of a value stays the beginning of its key, and a part of it a part.
 */
export const keySafe = (value: string): string => value.replace(controls, c => escapes[c.charCodeAt(0)]!);
// eslint-disable-next-line no-control-regex
const controls = /[\u0000-\u0007]/g;
const digits = ['\u0005', '\u0006', '\u0007'];
const escapes = Array.from(
  { length: 8 },
  (_, code) => `\u0004${digits[Math.floor(code / 3)]}${digits[code % 3]}`,
);

export const keyStart = (kind: TextKind, param: string): string =>
  textColumns[kind].letter + keySafe(param) + start;
export const secondKeyStart = (kind: TextKind, param: string): string =>
  textColumns[kind].letter + keySafe(param) + secondStart;
/** A word, or the beginning of one, of the parameter's text. Words hold no separators. */
export const wordKey = (param: string, word: string): string => `w${keySafe(param)}${start}${word}`;
/** Any parameter's reference to the target: what a deletion looks for. */
export const targetKey = (target: string): string => `*${start}${keySafe(target)}`;

/** The field of `a` and `z` that a sort reads. */
export const sortField = (kind: RowKind, param: string): string =>
  `${kind}_${param.replaceAll('.', '\uff0e').replaceAll('$', '\uff04')}`;

export function indexFields(rows: readonly Row[]): IndexFields {
  const keys = new Set<string>();
  const fields: IndexFields = {};
  for (const row of rows) {
    switch (row.kind) {
      case 'token':
        addKeys(keys, 'token', row.param, row.code, row.system);
        break;
      case 'string':
        addKeys(keys, 'string', row.param, row.value, row.exact);
        break;
      case 'reference':
        addKeys(keys, 'reference', row.param, row.target, row.version);
        keys.add(targetKey(row.target));
        break;
      case 'uri':
        addKeys(keys, 'uri', row.param, row.value);
        break;
      case 'date':
        (fields.d ??= []).push({ p: row.param, lo: row.lo, hi: row.hi });
        break;
      case 'number':
        (fields.n ??= []).push({ p: row.param, lo: row.lo, hi: row.hi, system: row.system, code: row.code });
        break;
      case 'composite':
        (fields.c ??= []).push(compositeField(row));
        break;
      case 'words':
        for (const word of row.text.split(' ')) if (/\S/.test(word)) keys.add(wordKey(row.param, word));
        (fields.w ??= []).push({ p: row.param, text: row.text });
        break;
    }
    if (
      row.end !== undefined &&
      row.kind !== 'words' &&
      row.kind !== 'composite' &&
      row.kind !== 'reference'
    ) {
      const field = sortField(row.kind, row.param);
      if (row.end & 1) (fields.a ??= {})[field] = sortValue(row, false);
      if (row.end & 2) (fields.z ??= {})[field] = sortValue(row, true);
    }
  }
  if (keys.size > 0) fields.k = [...keys];
  return fields;
}

function addKeys(keys: Set<string>, kind: TextKind, param: string, first: string, second?: string): void {
  const columns = textColumns[kind];
  const key = keyStart(kind, param) + keySafe(first);
  if (columns.firstAlone) keys.add(key);
  if (second === undefined) return;
  keys.add(key + between + keySafe(second));
  if (columns.secondAlone) keys.add(secondKeyStart(kind, param) + keySafe(second));
}

function compositeField(row: CompositeRow): Record<string, unknown> {
  const field: Record<string, unknown> = { p: row.param };
  row.parts.forEach((part, i) => {
    const { kind: _, ...columns } = part;
    field[`c${i}`] = columns;
  });
  return field;
}

function sortValue(
  row: Exclude<Row, { kind: 'composite' | 'reference' | 'words' }>,
  descending: boolean,
): string | number {
  switch (row.kind) {
    case 'token':
      return row.code;
    case 'string':
    case 'uri':
      return row.value;
    case 'date':
    case 'number':
      return descending ? row.hi : row.lo;
  }
}
