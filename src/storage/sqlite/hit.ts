// A result on its way to a page: the resource's number and the values it is sorted by.
import { FhirError } from '../../errors.js';
import type { Position, SortKey } from '../../search/plan.js';
import { compareText } from '../../search/sort.js';
import type { Connection } from './connection.js';
import type { Kind } from './dictionary.js';
import type { KeyValue } from './order.js';
import { sortValueOf } from './pack.js';

/** A result: the resource's number and its values of the sort keys. */
export interface Hit {
  readonly r: number;
  readonly keys: readonly KeyValue[];
}

/** Compares by keys, then by order of creation; null comes last in both directions. */
export function compareHits(sort: readonly SortKey[]): (a: Hit, b: Hit) => number {
  return (a, b) => {
    for (let i = 0; i < sort.length; i++) {
      const order = compareKeys(a.keys[i]!, b.keys[i]!, sort[i]!.descending);
      if (order !== 0) return order;
    }
    return a.r - b.r;
  };
}
function compareKeys(x: KeyValue, y: KeyValue, descending: boolean): number {
  if (x === y) return 0;
  if (x === null) return 1;
  if (y === null) return -1;
  const order = typeof x === 'string' ? compareText(x, String(y)) : x - Number(y);
  return descending ? -order : order;
}

export function hitOf(position: Position, sort: readonly SortKey[]): Hit {
  const r = position.at(-1);
  if (position.length !== sort.length + 1 || typeof r !== 'number')
    throw new FhirError('invalid-cursor', 'The page link belongs to another search.');
  return { r, keys: position.slice(0, -1) };
}

export interface Candidate {
  readonly r: number;
  readonly lu?: number;
  readonly b?: Buffer;
  readonly id?: string;
}

/** What of a candidate its sort values are made from, as columns of a select. */
export function valueColumns(sort: readonly SortKey[], cur: string): { sql: string; cur: boolean } {
  const columns: string[] = [];
  if (sort.some(key => key.param === '_lastUpdated')) columns.push(`${cur}.lu`);
  if (sort.some(key => key.param === '_id')) columns.push(`(SELECT id FROM res WHERE rid = ${cur}.r) AS id`);
  if (sort.some(key => key.param !== '_lastUpdated' && key.param !== '_id')) columns.push(`${cur}.b`);
  return { sql: columns.map(one => `, ${one}`).join(''), cur: columns.length > 0 };
}

export function valuesOf(
  connection: Connection,
  kind: Kind,
  sort: readonly SortKey[],
): (candidate: Candidate) => Hit {
  const readers = sort.map(key => {
    if (key.param === '_lastUpdated') return (candidate: Candidate): KeyValue => candidate.lu!;
    if (key.param === '_id') return (candidate: Candidate): KeyValue => candidate.id!;
    const param = connection.dictionary.param(kind.id, key.param, key.kind);
    return (candidate: Candidate): KeyValue =>
      (param && sortValueOf(candidate.b!, param, key.descending)) ?? null;
  });
  return candidate => ({ r: candidate.r, keys: readers.map(read => read(candidate)) });
}
