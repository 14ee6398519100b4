// Numbers of a query as ranges of rows. https://hl7.org/fhir/R4/search.html#number, #prefix
// A query number stands for what it could have been rounded from: 5.4 is [5.35, 5.45), which decides eq and ne; the
// other prefixes take it as exact. Bounds are computed on decimal digits, since 5.4 - 0.05 is not 5.35 in doubles.
import { prefixOf, type Alternatives } from './search-type.js';

const form = /^([+-]?)(\d+)(?:\.(\d+))?(?:[eE]([+-]?\d{1,3}))?$/;

/** Value of the text and the half-open range that rounds to it; undefined where it is no finite number. */
export function implicitRange(text: string): { value: number; from: number; to: number } | undefined {
  const match = form.exec(text);
  if (match === null) return undefined;
  const [, sign, whole, given, exponent] = match;
  // "1e2" has two significant digits in the specification's example ([95, 105)): it is read as 1.0e2.
  const fraction = given ?? (exponent === undefined ? '' : '0');
  const digits = BigInt(`${whole}${fraction}`) * (sign === '-' ? -10n : 10n);
  const scale = Number(exponent ?? 0) - fraction.length - 1;
  const value = Number(`${digits}e${scale}`);
  if (!Number.isFinite(value)) return undefined;
  return { value, from: Number(`${digits - 5n}e${scale}`), to: Number(`${digits + 5n}e${scale}`) };
}

/** The nine prefixes on a row's [lo, hi]; undefined where the text is no number. */
export function numberAlternatives(text: string): Alternatives | undefined {
  const { prefix, rest } = prefixOf(text);
  const range = implicitRange(rest);
  if (range === undefined) return undefined;
  const { value, from, to } = range;
  switch (prefix) {
    case 'eq':
      return [
        [
          { column: 'lo', is: 'range', ge: from },
          { column: 'hi', is: 'range', lt: to },
        ],
      ];
    case 'ne':
      return [[{ column: 'lo', is: 'range', lt: from }], [{ column: 'hi', is: 'range', ge: to }]];
    case 'gt':
      return [[{ column: 'hi', is: 'range', gt: value }]];
    case 'lt':
      return [[{ column: 'lo', is: 'range', lt: value }]];
    case 'ge':
      return [[{ column: 'hi', is: 'range', ge: value }]];
    case 'le':
      return [[{ column: 'lo', is: 'range', le: value }]];
    case 'sa':
      return [[{ column: 'lo', is: 'range', gt: value }]];
    case 'eb':
      return [[{ column: 'hi', is: 'range', lt: value }]];
    case 'ap': {
      const tenth = Math.abs(value) / 10;
      return [
        [
          { column: 'lo', is: 'range', le: Math.max(value + tenth, to) },
          { column: 'hi', is: 'range', ge: Math.min(value - tenth, from) },
        ],
      ];
    }
  }
}
