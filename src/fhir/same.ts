// Equality of JSON values: the order of properties does not matter, the order of items does.
// https://hl7.org/fhir/R4/json.html, numbers as RFC 6902 section 4.6 (by value) or as FHIR decimals (by lexeme).
import { isNumber, isObject, lexemeOf, type Json } from './json.js';

/** `value`: 1.0 is 1.00, exactly, however many digits. `lexeme`: they differ, because FHIR keeps the precision sent. */
export type NumberComparison = 'value' | 'lexeme';

export function sameJson(a: Json, b: Json, numbers: NumberComparison): boolean {
  if (a === b) return true;
  if (
    typeof a !== 'object' ||
    typeof b !== 'object' ||
    a === null ||
    b === null ||
    isNumber(a) ||
    isNumber(b)
  ) {
    if (!isNumber(a) || !isNumber(b)) return false;
    return numbers === 'lexeme'
      ? lexemeOf(a) === lexemeOf(b)
      : canonical(lexemeOf(a)) === canonical(lexemeOf(b));
  }
  if (Array.isArray(a)) {
    return Array.isArray(b) && a.length === b.length && a.every((item, i) => sameJson(item, b[i]!, numbers));
  }
  if (!isObject(a) || !isObject(b)) return false;
  const names = Object.keys(a);
  return (
    names.length === Object.keys(b).length &&
    names.every(name => Object.hasOwn(b, name) && sameJson(a[name]!, b[name]!, numbers))
  );
}

/** One spelling per number: sign, digits without outer zeros, power of ten. No pattern for the zeros: it could be made slow. */
function canonical(lexeme: string): string {
  const [, sign, whole, fraction = '', exponent = '0'] = /^(-?)(\d+)(?:\.(\d+))?(?:[eE]([-+]?\d+))?$/.exec(
    lexeme,
  )!;
  const digits = whole! + fraction;
  let [start, end] = [0, digits.length];
  while (digits[start] === '0') start++;
  while (end > start && digits[end - 1] === '0') end--;
  if (start === end) return '0';
  return `${sign}${digits.slice(start, end)}e${Number(exponent) - fraction.length + digits.length - end}`;
}
