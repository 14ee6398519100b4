// Gathers the rows of one resource: no row twice, the lowest and highest of each parameter marked for sorting.
// docs/index-rows.md. Surprising: it is reused from resource to resource, since most of the work of indexing would
// otherwise be making its arrays.
import { compareText } from '../sort.js';
import type { ParameterRow as Row, Part, RowKind } from '../rows.js';
import type { RowSettings, Sink } from '../types/search-type.js';

/** Where the rows of one parameter gather. */
export interface Slot {
  readonly param: string;
  readonly kind: RowKind;
}

type Mutable<T> = { -readonly [K in keyof T]: T[K] };

/** From so many rows on, a set of keys finds duplicates. */
const many = 16;

export class Collector implements Sink {
  settings: RowSettings = { bases: [] };
  private readonly rows: Row[][];
  private readonly keys: (Set<string> | undefined)[];
  private readonly isPresent: boolean[];
  private readonly others: Row[] = [];
  private otherKeys: Set<string> | undefined;
  private slot = 0;

  constructor(private readonly slots: readonly Slot[]) {
    this.rows = slots.map(() => []);
    this.keys = slots.map(() => undefined);
    this.isPresent = slots.map(() => false);
  }

  /** What follows belongs to this slot. */
  enter(slot: number): this {
    this.slot = slot;
    return this;
  }

  add(columns: Part): void {
    const { slot } = this;
    const rows = this.rows[slot]!;
    const row = columns as Mutable<Row>;
    row.param = this.slots[slot]!.param;
    if (rows.length > 0 && this.repeats(row, rows, slot)) return;
    rows.push(row);
  }

  /** A row of the composite, or of `<code>:<modifier>`. */
  addTuple(parts: readonly Part[], modifier?: string): void {
    const row = { kind: 'composite', parts } as unknown as Part;
    if (modifier === undefined) this.add(row);
    else this.addTo(modifier, row);
  }

  addTo(modifier: string, columns: Part): void {
    const row = columns as Mutable<Row>;
    row.param = `${this.slots[this.slot]!.param}:${modifier}`;
    const { others } = this;
    if (others.length < many) {
      for (const other of others) if (other.param === row.param && sameRow(other, row)) return;
      others.push(row);
      return;
    }
    this.otherKeys ??= new Set(others.map(other => `${other.kind}${other.param}\n${keyOf(other)}`));
    const key = `${row.kind}${row.param}\n${keyOf(row)}`;
    if (this.otherKeys.has(key)) return;
    this.otherKeys.add(key);
    others.push(row);
  }

  present(): void {
    this.isPresent[this.slot] = true;
  }

  private repeats(row: Row, rows: readonly Row[], slot: number): boolean {
    if (rows.length < many) {
      for (const other of rows) if (sameRow(other, row)) return true;
      return false;
    }
    const keys = (this.keys[slot] ??= new Set(rows.map(keyOf)));
    const key = keyOf(row);
    if (keys.has(key)) return true;
    keys.add(key);
    return false;
  }

  /** The rows, slot by slot; the collector is empty afterwards. */
  take(): Row[] {
    const taken: Row[] = [];
    for (let slot = 0; slot < this.slots.length; slot++) {
      const { param, kind } = this.slots[slot]!;
      const rows = this.rows[slot]!;
      if (rows.length > 0) {
        if (kind !== 'composite' && kind !== 'reference') markEnds(rows);
        for (const row of rows) taken.push(row);
        this.rows[slot] = [];
        this.keys[slot] = undefined;
      } else if (this.isPresent[slot] === true)
        taken.push({ kind: 'token', param: `${param}:present`, system: '', code: 'true' });
      this.isPresent[slot] = false;
    }
    for (const row of this.others) taken.push(row);
    this.forgetOthers();
    return taken;
  }

  /** The columns gathered in the first slot, as parts of tuples, and those in base units; the collector is empty afterwards. */
  takeParts(): { readonly parts: readonly Part[]; readonly converted: readonly Part[] } {
    const parts = this.rows[0]!.map(columnsOf);
    const converted = this.others.filter(row => row.param.endsWith(':ucum')).map(columnsOf);
    this.rows[0] = [];
    this.keys[0] = undefined;
    this.isPresent[0] = false;
    this.forgetOthers();
    return { parts, converted };
  }

  private forgetOthers(): void {
    this.others.length = 0;
    this.otherKeys = undefined;
  }
}

const columnsOf = (row: Row): Part => {
  const { param: _param, end: _end, ...columns } = row as Exclude<Row, { kind: 'composite' }>;
  return columns;
};

function markEnds(rows: readonly Row[]): void {
  if (rows.length === 1) {
    (rows[0] as Mutable<Row>).end = 3;
    return;
  }
  let lowest = rows[0]!;
  let highest = rows[0]!;
  for (const row of rows) {
    if (order(row, lowest, 1) < 0) lowest = row;
    if (order(row, highest, 2) > 0) highest = row;
  }
  (lowest as Mutable<Row>).end = lowest === highest ? 3 : 1;
  if (highest !== lowest) (highest as Mutable<Row>).end = 2;
}

/** Order of two rows of one kind at the end that `bit` names. */
function order(a: Row, b: Row, bit: 1 | 2): number {
  switch (a.kind) {
    case 'token':
      return compareText(a.code, (b as typeof a).code);
    case 'string':
    case 'uri':
      return compareText(a.value, (b as typeof a).value);
    case 'date':
    case 'number': {
      const other = b as typeof a;
      return bit === 1 ? a.lo - other.lo || a.hi - other.hi : a.hi - other.hi || a.lo - other.lo;
    }
    default:
      return 0;
  }
}

function sameRow(a: Row | Part, b: Row | Part): boolean {
  switch (a.kind) {
    case 'token':
      return b.kind === 'token' && a.code === b.code && a.system === b.system;
    case 'string':
      return b.kind === 'string' && a.exact === b.exact;
    case 'reference':
      return b.kind === 'reference' && a.target === b.target && a.version === b.version;
    case 'date':
      return b.kind === 'date' && a.lo === b.lo && a.hi === b.hi;
    case 'number':
      return (
        b.kind === 'number' && a.lo === b.lo && a.hi === b.hi && a.code === b.code && a.system === b.system
      );
    case 'uri':
      return b.kind === 'uri' && a.value === b.value;
    case 'composite':
      return b.kind === 'composite' && a.parts.every((part, i) => sameRow(part, b.parts[i]!));
  }
}

function keyOf(row: Row): string {
  switch (row.kind) {
    case 'token':
      return `${row.system}\n${row.code}`;
    case 'string':
      return row.exact;
    case 'reference':
      return `${row.target}\n${row.version}`;
    case 'date':
      return `${row.lo} ${row.hi}`;
    case 'number':
      return `${row.lo} ${row.hi} ${row.system}\n${row.code}`;
    case 'uri':
      return row.value;
    case 'composite':
      return JSON.stringify(row.parts);
  }
}
