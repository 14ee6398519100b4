// The order of results, as every store must give it; matches' companion in tests.
// https://hl7.org/fhir/R4/search.html#sort
import type { Ref } from '../fhir/resource.js';
import type { SortKey } from './plan.js';
import type { Row } from './rows.js';

/** What the plan's tree is judged on: a resource's identity, its instant of change and its rows. */
export interface Indexed {
  readonly ref: Ref;
  /** Milliseconds since 1970 UTC. */
  readonly lastUpdated: number;
  readonly rows: readonly Row[];
}

/** Compares by code point. `<` would put U+1F600, two UTF-16 units from U+D800 on, before U+FFFD. */
export function compareText(a: string, b: string): number {
  const length = Math.min(a.length, b.length);
  for (let i = 0; i < length; i++) {
    const x = a.charCodeAt(i);
    const y = b.charCodeAt(i);
    if (x !== y) return rank(x) - rank(y);
  }
  return a.length - b.length;
}
/** Surrogates stand for code points above all that one unit can hold. */
const rank = (unit: number): number => (unit >= 0xd800 && unit <= 0xdfff ? unit + 0x10000 : unit);

/** Compares by the plan's sort keys; 0 for a tie, which goes by order of creation. */
export function orderBy(keys: readonly SortKey[]): (a: Indexed, b: Indexed) => number {
  return (a, b) => {
    for (const key of keys) {
      const x = sortValue(a, key);
      const y = sortValue(b, key);
      if (x === undefined && y === undefined) continue;
      if (x === undefined) return 1;
      if (y === undefined) return -1;
      const order = typeof x === 'string' ? compareText(x, y as string) : x - (y as number);
      if (order !== 0) return key.descending ? -order : order;
    }
    return 0;
  };
}

/** The value a resource is sorted by; undefined where it has none. */
export function sortValue(of: Indexed, key: SortKey): string | number | undefined {
  if (key.param === '_id') return of.ref.id;
  if (key.param === '_type') return of.ref.type;
  if (key.param === '_lastUpdated') return of.lastUpdated;
  const bit = key.descending ? 2 : 1;
  const row = of.rows.find(
    one => one.param === key.param && one.kind === key.kind && ((one.end ?? 0) & bit) !== 0,
  );
  switch (row?.kind) {
    case 'token':
      return row.code;
    case 'string':
    case 'uri':
      return row.value;
    case 'date':
    case 'number':
      return key.descending ? row.hi : row.lo;
    default:
      return undefined;
  }
}
