// Commits on their way to the writer's thread, packed: the structured clone of a resource's rows takes longer than
// making them does. Numbers go in one array, texts as one, bodies in one buffer; what is rare goes as it is.
// https://html.spec.whatwg.org/multipage/structured-data.html
// Surprising why: names (of parameters, systems, types) are sent once and by their place from then on, so that both ends
// must see the same parcels in the same order. And a piece of the text keeps all of it in memory, so that what the writer
// remembers is sent as strings of their own. And no closures over rows and writes: what V8 compiled of one is lost with it.
import type { ParameterRow, Part, Row } from '../../search/rows.js';
import type { Write } from '../store.js';
import { methods } from './record.js';
import type { Commit } from './writer.js';

/** A commit, or the first writes of one that is still to come. */
export interface Item {
  readonly id: number;
  readonly commit: Commit;
  readonly isPart: boolean;
}

export interface Parcel {
  readonly numbers: Float64Array<ArrayBuffer>;
  readonly text: string;
  readonly kept: readonly string[];
  readonly bodies: Uint8Array<ArrayBuffer>;
  /** Names the writer has not been sent before. */
  readonly names: readonly string[];
  /** So many were sent before: a parcel that got lost must not shift the names of the next. */
  readonly namesBefore: number;
  readonly rare: readonly Rare[];
}

/** What few writes and commits have. */
type Rare =
  Pick<Write, 'claims' | 'condition' | 'requires' | 'unreferenced'> | NonNullable<Commit['receipt']>;

const kinds = ['token', 'string', 'reference', 'date', 'number', 'uri', 'composite', 'words'] as const;
const placeOf = Object.fromEntries(kinds.map((kind, i) => [kind, i])) as Record<Row['kind'], number>;

/** More names than parameters, types and the systems in use; a further or longer one is sent each time. */
const mostNames = 20_000;
const longestName = 200;
const unnamed = -1;
/** Numbers of an ordinary parcel; what a huge one needed is not kept. */
const room = 4096;
const mostRoom = 32 * room;

export class Packer {
  private readonly known = new Map<string, number>();
  private numbers = new Float64Array(room);
  private at = 0;
  private text = '';
  private kept: string[] = [];
  private names: string[] = [];
  private rare: Rare[] = [];

  pack(items: readonly Item[]): Parcel {
    this.at = 0;
    this.text = '';
    this.kept = [];
    this.names = [];
    this.rare = [];
    this.put(items.length);
    let size = 0;
    for (const { id, commit, isPart } of items) {
      const { writes, receipt } = commit;
      this.put(id);
      this.put(isPart ? 1 : 0);
      this.put(receipt === undefined ? 0 : 1);
      if (receipt !== undefined) this.rare.push(receipt);
      this.put(writes.length);
      for (const write of writes) {
        this.write(write);
        size += write.body?.length ?? 0;
      }
    }
    const bodies = new Uint8Array(size);
    let to = 0;
    for (const { commit } of items)
      for (const { body } of commit.writes) {
        if (body === undefined) continue;
        bodies.set(body, to);
        to += body.length;
      }
    const { text, kept, names, rare } = this;
    const namesBefore = this.known.size - names.length;
    const numbers = this.numbers.slice(0, this.at);
    if (this.numbers.length > mostRoom) this.numbers = new Float64Array(room);
    return { numbers, text, kept, bodies, names, namesBefore, rare };
  }

  private put(value: number): void {
    if (this.at === this.numbers.length) {
      const larger = new Float64Array(this.at * 2);
      larger.set(this.numbers);
      this.numbers = larger;
    }
    this.numbers[this.at++] = value;
  }

  private string(value: string): void {
    this.put(value.length);
    this.text += value;
  }

  private name(value: string): void {
    const known = this.known.get(value);
    if (known !== undefined) return this.put(known);
    if (this.known.size >= mostNames || value.length > longestName) {
      this.put(unnamed);
      this.kept.push(value);
      return;
    }
    this.put(this.known.size);
    this.known.set(value, this.known.size);
    this.names.push(value);
  }

  private write({ ref, expected, method, lastUpdated, body, rows, replaces, index, ...rare }: Write): void {
    this.name(ref.type);
    this.kept.push(ref.id);
    this.put(expected);
    this.put(methods.indexOf(method));
    this.put(lastUpdated);
    this.put(body?.length ?? -1);
    this.put(index ?? -1);
    const { claims, condition, requires, unreferenced } = rare;
    const isRare = claims ?? condition ?? requires ?? unreferenced;
    this.put(isRare === undefined ? 0 : 1);
    if (isRare !== undefined) this.rare.push(rare);
    this.rows(rows);
    this.rows(replaces);
  }

  private rows(rows: readonly Row[]): void {
    this.put(rows.length);
    for (const row of rows) {
      this.put(placeOf[row.kind] * 4 + (row.kind === 'words' ? 0 : (row.end ?? 0)));
      this.name(row.param);
      if (row.kind === 'words') this.string(row.text);
      else this.columns(row);
    }
  }

  private columns(row: ParameterRow | Part): void {
    switch (row.kind) {
      case 'token':
        this.name(row.system);
        this.string(row.code);
        break;
      case 'string':
        this.string(row.value);
        this.string(row.exact);
        break;
      case 'reference':
        this.kept.push(row.target);
        this.string(row.version);
        break;
      case 'date':
        this.put(row.lo);
        this.put(row.hi);
        break;
      case 'number':
        this.put(row.lo);
        this.put(row.hi);
        this.name(row.system);
        this.name(row.code);
        break;
      case 'uri':
        this.string(row.value);
        break;
      case 'composite':
        this.put(row.parts.length);
        for (const part of row.parts) {
          this.put(placeOf[part.kind]);
          this.columns(part);
        }
    }
  }
}

const nothing: Parcel = {
  numbers: new Float64Array(0),
  text: '',
  kept: [],
  bodies: new Uint8Array(0),
  names: [],
  namesBefore: 0,
  rare: [],
};

export class Unpacker {
  private readonly known: string[] = [];
  private parcel = nothing;
  private at = 0;
  private inText = 0;
  private inKept = 0;
  private inBodies = 0;
  private inRare = 0;

  /** @throws Error where an earlier parcel of the same packer did not arrive */
  unpack(parcel: Parcel): Item[] {
    this.parcel = parcel;
    if (parcel.namesBefore !== this.known.length)
      throw new Error('Commits were lost on their way to the writer.');
    for (const name of parcel.names) this.known.push(name);
    this.at = this.inText = this.inKept = this.inBodies = this.inRare = 0;
    const items: Item[] = [];
    for (let left = this.next(); left > 0; left--) items.push(this.item());
    this.parcel = nothing;
    return items;
  }

  private next(): number {
    return this.parcel.numbers[this.at++]!;
  }
  private string(): string {
    const from = this.inText;
    return this.parcel.text.slice(from, (this.inText += this.next()));
  }
  private own(): string {
    return this.parcel.kept[this.inKept++]!;
  }
  private name(): string {
    const place = this.next();
    return place === unnamed ? this.own() : this.known[place]!;
  }

  private item(): Item {
    const id = this.next();
    const isPart = this.next() === 1;
    const hasReceipt = this.next() === 1;
    const receipt = hasReceipt
      ? (this.parcel.rare[this.inRare++] as NonNullable<Commit['receipt']>)
      : undefined;
    const writes: Write[] = [];
    for (let left = this.next(); left > 0; left--) writes.push(this.write());
    return { id, isPart, commit: receipt === undefined ? { writes } : { writes, receipt } };
  }

  private write(): Write {
    const ref = { type: this.name(), id: this.own() };
    const expected = this.next();
    const method = methods[this.next()]!;
    const lastUpdated = this.next();
    const length = this.next();
    const index = this.next();
    const isRare = this.next() === 1;
    const rows = this.rows();
    const replaces = this.rows();
    const write: Writable = { ref, expected, method, lastUpdated, rows, replaces };
    if (length >= 0) write.body = this.parcel.bodies.subarray(this.inBodies, (this.inBodies += length));
    if (index >= 0) write.index = index;
    return isRare ? { ...write, ...(this.parcel.rare[this.inRare++] as Partial<Write>) } : write;
  }

  private rows(): Row[] {
    const rows: Row[] = [];
    for (let left = this.next(); left > 0; left--) rows.push(this.row());
    return rows;
  }

  private row(): Row {
    const head = this.next();
    const kind = kinds[head >> 2]!;
    const param = this.name();
    if (kind === 'words') return { kind, param, text: this.string() };
    const row = this.columns(kind) as Columns & { param: string; end?: 1 | 2 | 3 };
    row.param = param;
    const end = head & 3;
    if (end !== 0) row.end = end as 1 | 2 | 3;
    return row;
  }

  private parts(): Part[] {
    const parts: Part[] = [];
    for (let left = this.next(); left > 0; left--)
      parts.push(this.columns(kinds[this.next()]! as Part['kind']) as Part);
    return parts;
  }

  /** In the order of `Packer.columns`. */
  private columns(kind: ParameterRow['kind']): Columns {
    switch (kind) {
      case 'token':
        return { kind, system: this.name(), code: this.string() };
      case 'string':
        return { kind, value: this.string(), exact: this.string() };
      case 'reference':
        return { kind, target: this.own(), version: this.string() };
      case 'date':
        return { kind, lo: this.next(), hi: this.next() };
      case 'number':
        return { kind, lo: this.next(), hi: this.next(), system: this.name(), code: this.name() };
      case 'uri':
        return { kind, value: this.string() };
      case 'composite':
        return { kind, parts: this.parts() };
    }
  }
}

/** Of a row, or of a part of a composite. */
type Columns = Part | { readonly kind: 'composite'; readonly parts: readonly Part[] };
type Writable = { -readonly [Key in keyof Write]: Write[Key] };
