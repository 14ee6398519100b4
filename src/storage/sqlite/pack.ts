// The values of one resource in a few bytes: what `cur.b` holds. A filter reads it where a posting cannot be asked by
// resource (ranges, :contains, :missing), and a sort takes its values from it.
// Form: groups by rising p of { p less the last group's, length, rows }, both varints; a row's first byte carries its
// `end` bits. An empty group says only that the parameter has rows.
import type { ParameterRow, RowKind } from '../../search/rows.js';
import type { Dictionary, Param } from './dictionary.js';

/** A row as a filter sees it; the columns of its kind. */
export interface PackedRow {
  e: number;
  /** code of a token, value of a string or uri */
  text: string;
  /** system of a token, unit of a number: dictionary ids */
  id: number;
  lo: number;
  hi: number;
}

/** Bits of a row's first byte, above its ends. */
const equalEnds = 4;
const wholeSecond = 8;
/** `lo` in six bytes: every date up to the year 6429, and no number. */
const short = 16;

let bytes = Buffer.allocUnsafe(4096);
let at = 0;

function room(more: number): void {
  if (at + more <= bytes.length) return;
  const larger = Buffer.allocUnsafe(Math.max(bytes.length * 2, at + more));
  bytes.copy(larger, 0, 0, at);
  bytes = larger;
}
function putVarint(value: number): void {
  room(8);
  while (value > 127) {
    bytes[at++] = (value % 128) | 128;
    value = Math.floor(value / 128);
  }
  bytes[at++] = value;
}
function putText(text: string): void {
  const length = Buffer.byteLength(text);
  putVarint(length);
  room(length);
  at += bytes.write(text, at);
}
function putRow(row: ParameterRow, end: number, dictionary: Dictionary): void {
  room(24);
  switch (row.kind) {
    case 'token':
      bytes[at++] = end;
      putVarint(dictionary.makeSystem(row.system));
      putText(row.code);
      return;
    case 'string':
    case 'uri':
      bytes[at++] = end;
      putText(row.value);
      return;
    case 'date':
    case 'number': {
      const isShort = row.kind === 'date' && Number.isInteger(row.lo) && Math.abs(row.lo) < 2 ** 47;
      const form =
        row.hi === row.lo ? equalEnds : row.kind === 'date' && row.hi - row.lo === 999 ? wholeSecond : 0;
      bytes[at++] = end | form | (isShort ? short : 0);
      at = isShort ? bytes.writeIntLE(row.lo, at, 6) : bytes.writeDoubleLE(row.lo, at);
      if (form === 0) at = bytes.writeDoubleLE(row.hi, at);
      if (row.kind === 'number') putVarint(dictionary.makeUnit(row.system, row.code));
      return;
    }
    case 'reference':
    case 'composite':
  }
}

export interface Group {
  readonly param: Param;
  readonly rows: readonly ParameterRow[];
  readonly ends: readonly number[];
}

/** Packs the groups. References are left out: `rref` has them by resource. */
export function pack(groups: readonly Group[], dictionary: Dictionary): Buffer {
  at = 0;
  let last = 0;
  const kept = groups.filter(({ param }) => param.kind !== 'reference').sort((a, b) => a.param.p - b.param.p);
  for (const { param, rows, ends } of kept) {
    putVarint(param.p - last);
    last = param.p;
    if (!param.packed) {
      putVarint(0);
      continue;
    }
    room(1);
    const start = ++at; // most groups are short: one byte for the length
    for (let i = 0; i < rows.length; i++) putRow(rows[i]!, ends[i]!, dictionary);
    const length = at - start;
    if (length < 128) {
      bytes[start - 1] = length;
      continue;
    }
    const group = Buffer.from(bytes.subarray(start, at));
    at = start - 1;
    putVarint(length);
    room(length);
    at += group.copy(bytes, at);
  }
  return Buffer.from(bytes.subarray(0, at));
}

let next = 0;
function varint(from: Buffer): number {
  let value = 0;
  let scale = 1;
  for (;;) {
    const byte = from[next++]!;
    value += (byte & 127) * scale;
    if (byte < 128) return value;
    scale *= 128;
  }
}

/** Whether the resource has rows of the parameter. */
export function present(packed: Buffer, p: number): boolean {
  return find(packed, p) >= 0;
}

/** Moves to the group; its end, or -1. */
function find(packed: Buffer, p: number): number {
  next = 0;
  let group = 0;
  while (next < packed.length) {
    group += varint(packed);
    const length = varint(packed);
    if (group === p) return next + length;
    if (group > p) return -1;
    next += length;
  }
  return -1;
}

/** Calls `see` with each row of a packed parameter until it answers true; whether it did. The row is used again. */
export function someRow(packed: Buffer, p: number, kind: RowKind, see: (row: PackedRow) => boolean): boolean {
  const end = find(packed, p);
  while (next < end) {
    readRow(packed, kind);
    if (see(row)) return true;
  }
  return false;
}

const row: PackedRow = { e: 0, text: '', id: 0, lo: 0, hi: 0 };
function readRow(packed: Buffer, kind: RowKind): void {
  const form = packed[next++]!;
  row.e = form & 3;
  if (kind === 'date' || kind === 'number') {
    row.lo = form & short ? packed.readIntLE(next, 6) : packed.readDoubleLE(next);
    next += form & short ? 6 : 8;
    if (form & equalEnds) row.hi = row.lo;
    else if (form & wholeSecond) row.hi = row.lo + 999;
    else {
      row.hi = packed.readDoubleLE(next);
      next += 8;
    }
    if (kind === 'number') row.id = varint(packed);
    return;
  }
  if (kind === 'token') row.id = varint(packed);
  const length = varint(packed);
  row.text = packed.toString('utf8', next, next + length);
  next += length;
}

/** The value a resource is sorted by, undefined where it has none. */
export function sortValueOf(packed: Buffer, param: Param, descending: boolean): string | number | undefined {
  const bit = descending ? 2 : 1;
  let value: string | number | undefined;
  someRow(packed, param.p, param.kind, row => {
    if ((row.e & bit) === 0) return false;
    value = param.kind === 'date' || param.kind === 'number' ? (descending ? row.hi : row.lo) : row.text;
    return true;
  });
  return value;
}
