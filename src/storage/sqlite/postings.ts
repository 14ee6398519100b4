// A resource's index rows as they lie in the tables: postings (value → resource) and packed values (resource → values).
// docs/index-rows.md has the rows, docs/decisions/0020-sqlite-layout.md the tables.
// Surprising: of several rows that claim the same end of a parameter only the first keeps it, so that a sort can never
// show a resource twice whatever an extractor did.
import {
  openHigh,
  openLow,
  type CompositeRow,
  type ParameterRow,
  type Part,
  type Row,
} from '../../search/rows.js';
import type { Value } from './statements.js';
import type { Dictionary, Kind } from './dictionary.js';
import { pack, type Group } from './pack.js';
import { tokensOf } from './words.js';

export type Table = 'tok' | 'str' | 'ref' | 'rref' | 'dat' | 'num' | 'cmp';

/** One row of a posting table: the columns of its key, in the table's order, and its ends. */
export interface Posting {
  readonly table: Table;
  readonly key: readonly Value[];
  readonly end: number;
}

/** `d` of a resource without its type's primary date: below every date, so that it comes last in descending order. */
export const noDate = openLow - 1;

/** The date parameters that may be a type's primary date, best first. Which one is, the first resource to have one decides. */
export const primaryDates: readonly string[] = [
  'authoredon', 'authored-on', 'authored', 'onset-date', 'effective', 'effective-time', 'started', 'start', 'sent',
  'recorded', 'collected', 'whenhandedover', 'created', 'start-date', 'date', 'issued', 'period',
]; // prettier-ignore

const longest = 25 * 3600 * 1000;

/** Class of a date row: 0 an instant, 1 a second, 2 at most a day (with a change of clocks), 3 longer or one of several. */
export function dateClass(lo: number, hi: number, end: number): number {
  if (end !== 3) return 3;
  const length = hi - lo;
  return length === 0 ? 0 : length === 999 ? 1 : length <= longest ? 2 : 3;
}
export const dayClassLength = longest;

export const widestClass = 9;
export const narrowestClass = -9;
export const pointClass = -10;
/** Class of a number row: a power of ten its width does not exceed; 9 is anything wider. */
export function numberClass(lo: number, hi: number): number {
  const width = hi - lo;
  if (width === 0) return pointClass;
  const power = Math.ceil(Math.log10(width) - 1e-9);
  return power >= widestClass ? widestClass : Math.max(power, narrowestClass);
}
/** How much a row of the class may be wide. A little more than the power of ten, for the rounding of doubles. */
export const widthOf = (k: number): number =>
  k === pointClass ? 0 : k === widestClass ? Infinity : 10 ** k * 1.000001;

export const textOf = (part: Part): string => {
  switch (part.kind) {
    case 'token':
      return part.code;
    case 'string':
    case 'uri':
      return part.value;
    case 'reference':
      return part.target;
    default:
      return '';
  }
};

const letters: Readonly<Record<string, Part['kind']>> = {
  t: 'token',
  s: 'string',
  u: 'uri',
  r: 'reference',
  d: 'date',
  n: 'number',
};
/** How many columns a part has besides its first. */
const further: Readonly<Record<string, number>> = { t: 1, s: 1, u: 0, r: 1, d: 1, n: 2 };

/** A part's columns besides its first. Systems and units as numbers. */
function rest(part: Part, dictionary: Dictionary): (string | number)[] {
  switch (part.kind) {
    case 'token':
      return [dictionary.makeSystem(part.system)];
    case 'string':
      return [part.exact];
    case 'reference':
      return [part.version];
    case 'date':
      return [part.hi];
    case 'number':
      return [part.hi, dictionary.makeUnit(part.system, part.code)];
    default:
      return [];
  }
}
const firstColumn = (part: Part): string | number =>
  part.kind === 'date' || part.kind === 'number' ? part.lo : textOf(part);

/** A composite's posting: `a` and `b` are the first columns of its first two parts, `j` is a letter per part and the rest. */
function composite(p: number, rid: number, row: CompositeRow, dictionary: Dictionary): readonly Value[] {
  const [a = '', b = ''] = row.parts.map(firstColumn);
  const columns = row.parts.flatMap((part, n) =>
    n < 2 ? rest(part, dictionary) : [firstColumn(part), ...rest(part, dictionary)],
  );
  return [
    p,
    String(a),
    b,
    rid,
    row.parts.map(part => part.kind.charAt(0)).join('') + JSON.stringify(columns),
  ];
}

/** A part of a composite row as it lies in `cmp`: system or unit as numbers of the dictionary, other columns by name. */
export interface TuplePart {
  readonly system?: number;
  readonly unit?: number;
  readonly columns: Readonly<Record<string, string | number>>;
}

/** The inverse of `composite`. */
export function tupleOf(a: string, b: string | number, j: string): TuplePart[] {
  const bracket = j.indexOf('[');
  const columns = JSON.parse(j.slice(bracket)) as (string | number)[];
  return [...j.slice(0, bracket)].map((letter, n): TuplePart => {
    const kind = letters[letter]!;
    const isNumber = kind === 'date' || kind === 'number';
    const first = n === 0 ? (isNumber ? Number(a) : a) : n === 1 ? b : columns.shift()!;
    const [second, third] = columns.splice(0, further[letter]) as [string | number, string | number];
    switch (kind) {
      case 'token':
        return { system: second as number, columns: { code: first } };
      case 'number':
        return { unit: third as number, columns: { lo: first, hi: second } };
      case 'date':
        return { columns: { lo: first, hi: second } };
      case 'reference':
        return { columns: { target: first, version: second } };
      case 'string':
        return { columns: { value: first, exact: second } };
      case 'uri':
      default:
        return { columns: { value: first } };
    }
  });
}

/** A text that names a posting within its resource. */
export const nameOf = ({ table, key }: Posting): string => `${table}\n${key.join('\n')}`;

export interface Indexed {
  /** No two of them have the same key. */
  readonly postings: readonly Posting[];
  readonly primaryDate: number;
  /** Of the full-text index; '' for none. */
  readonly tokens: string;
  packed(): Buffer;
}

const rank = (row: ParameterRow, descending: boolean): [string, number, number] => {
  if (row.kind === 'date' || row.kind === 'number')
    return descending ? ['', row.hi, row.lo] : ['', row.lo, row.hi];
  return [row.kind === 'composite' ? '' : textOf(row), 0, 0];
};

/** The ends as the rows carry them, each at most once: the first of the lowest, the first of the highest. */
function endsOf(rows: readonly ParameterRow[]): number[] {
  const ends: number[] = [];
  let lowest = 0;
  let highest = 0;
  for (const { end = 0 } of rows) {
    ends.push(end);
    if (end & 1) lowest++;
    if (end & 2) highest++;
  }
  if (lowest > 1) keepOne(rows, ends, 1);
  if (highest > 1) keepOne(rows, ends, 2);
  return ends;
}

function keepOne(rows: readonly ParameterRow[], ends: number[], bit: 1 | 2): void {
  const bearers = ends.flatMap((end, i) => (end & bit ? [i] : []));
  const text = (i: number): Buffer => Buffer.from(rank(rows[i]!, bit === 2)[0]);
  const order = (a: number, b: number): number => {
    const [, x, y] = rank(rows[a]!, bit === 2);
    const [, u, v] = rank(rows[b]!, bit === 2);
    return Buffer.compare(text(a), text(b)) || x - u || y - v;
  };
  const kept = bearers.reduce((best, i) =>
    (bit === 1 ? order(i, best) < 0 : order(i, best) > 0) ? i : best,
  );
  for (const i of bearers) if (i !== kept) ends[i] = ends[i]! & ~bit;
}

/** Rows of one parameter. */
interface Members {
  readonly kind: ParameterRow['kind'];
  readonly code: string;
  readonly rows: ParameterRow[];
}

/** So many postings of a parameter are compared one by one, more are found by name. */
const fewPostings = 24;

/** Of one table, so of one length. */
function sameKey(a: readonly Value[], b: readonly Value[]): boolean {
  for (let n = 0; n < a.length; n++) if (a[n] !== b[n]) return false;
  return true;
}

function membersOf(grouped: readonly Members[], { kind, param }: ParameterRow): Members | undefined {
  for (const members of grouped) if (members.code === param && members.kind === kind) return members;
  return undefined;
}

/** Postings as they are made, parameter by parameter: only those of one parameter can be equal. */
class Postings {
  readonly all: Posting[] = [];
  private first = 0;
  private names: Map<string, number> | undefined = undefined;

  begin(members: number): void {
    this.first = this.all.length;
    this.names = members > fewPostings ? new Map<string, number>() : undefined;
  }
  add(table: Table, end: number, key: readonly Value[]): void {
    const posting: Posting = { table, key, end };
    const same = this.names === undefined ? this.equal(posting) : this.named(posting, this.names);
    if (same < 0) this.all.push(posting);
    else this.all[same] = { table, key, end: end | this.all[same]!.end };
  }
  private equal({ table, key }: Posting): number {
    for (let i = this.first; i < this.all.length; i++) {
      const other = this.all[i]!;
      if (other.table === table && sameKey(other.key, key)) return i;
    }
    return -1;
  }
  private named(posting: Posting, names: Map<string, number>): number {
    const name = nameOf(posting);
    const known = names.get(name);
    if (known === undefined) names.set(name, this.all.length);
    return known ?? -1;
  }
}

/** `known.d`: the primary date stored with rows that are to be found again, where it may not be made from them. */
export function indexed(
  kind: Kind,
  rid: number,
  rows: readonly Row[],
  dictionary: Dictionary,
  known?: { readonly d: number },
): Indexed {
  const grouped: Members[] = [];
  let tokens = '';
  for (const row of rows) {
    if (row.kind === 'words') {
      const { p } = dictionary.makeParam(kind.id, row.param, 'words', false);
      tokens += `${tokens === '' ? '' : ' '}${tokensOf(p, row.text)}`;
      continue;
    }
    const known = membersOf(grouped, row);
    if (known === undefined) grouped.push({ kind: row.kind, code: row.param, rows: [row] });
    else known.rows.push(row);
  }
  let primaryDate = noDate;
  const groups: Group[] = [];
  for (const { kind: rowKind, code, rows: members } of grouped) {
    const ends: number[] = members.length === 1 ? [members[0]!.end ?? 0] : endsOf(members);
    const packed = rowKind === 'date' || rowKind === 'number' || ends.some(end => end !== 0);
    const param = dictionary.makeParam(kind.id, code, rowKind, packed);
    groups.push({ param, rows: members, ends });
    if (rowKind === 'date' && code === kind.primaryDate) {
      const highest = members.find((_, i) => ends[i]! & 2);
      if (highest?.kind === 'date') primaryDate = highest.hi;
    }
  }
  if (known !== undefined) primaryDate = known.d;

  const postings = new Postings();
  for (const { param, rows: members, ends } of groups) {
    const p = param.p;
    postings.begin(members.length);
    for (let i = 0; i < members.length; i++) {
      const row = members[i]!;
      const end = ends[i]!;
      switch (row.kind) {
        case 'token':
          postings.add('tok', end, [p, row.code, rid, dictionary.makeSystem(row.system)]);
          break;
        case 'string':
          postings.add('str', end, [p, row.value, rid, row.exact === row.value ? '' : row.exact]);
          break;
        case 'uri':
          postings.add('str', end, [p, row.value, rid, '']);
          break;
        case 'reference': {
          const target = dictionary.makeTarget(row.target, p);
          postings.add('ref', 0, [p, target, primaryDate, rid, row.version]);
          postings.add('rref', 0, [rid, p, target]);
          break;
        }
        case 'date':
          postings.add('dat', end, [p, dateClass(row.lo, row.hi, end), whole(row.lo), rid, whole(row.hi)]);
          break;
        case 'number':
          postings.add('num', end, [
            p,
            numberClass(row.lo, row.hi),
            row.lo,
            rid,
            row.hi,
            dictionary.makeUnit(row.system, row.code),
          ]);
          break;
        case 'composite':
          postings.add('cmp', 0, composite(p, rid, row, dictionary));
      }
    }
  }
  return { postings: postings.all, primaryDate, tokens, packed: () => pack(groups, dictionary) };
}

/** Integers within the range of Date, whatever an extractor computed. */
const whole = (ms: number): number => Math.max(openLow, Math.min(openHigh, Math.trunc(ms)));

/** The parameter that would be the primary date of a type with these rows; null if none is fit. */
export function primaryDateAmong(codes: Iterable<string>): string | null {
  const present = new Set(codes);
  return primaryDates.find(code => present.has(code)) ?? null;
}

/** How many ends of a range are open: the fewer, the shorter it is likely to be. */
export const openEnds = (min: number, max: number): number =>
  Number(min === -Infinity) + Number(max === Infinity);
