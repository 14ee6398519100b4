// What each R4 primitive may be, as hand-written scanners: faster than the specification's regular expressions, safe
// on hostile input, and exact where those are not (30 February). https://hl7.org/fhir/R4/datatypes.html#primitive
import { Decimal } from './json.js';

const digit = (text: string, at: number): number => text.charCodeAt(at) - 48;

/** The number in `count` digits at `at`; -1 if one of them is no digit. */
function digits(text: string, at: number, count: number): number {
  let value = 0;
  for (let i = at; i < at + count; i++) {
    const d = digit(text, i);
    if (!(d >= 0 && d <= 9)) return -1;
    value = value * 10 + d;
  }
  return value;
}

const isLeap = (year: number): boolean => (year % 4 === 0 && year % 100 !== 0) || year % 400 === 0;

/** Days of a month of the Gregorian calendar; `month` 1 to 12. */
function daysIn(year: number, month: number): number {
  if (month === 2) return isLeap(year) ? 29 : 28;
  return month === 4 || month === 6 || month === 9 || month === 11 ? 30 : 31;
}

const dash = 45;
const colon = 58;
const dot = 46;

/** True if the text up to `end` is YYYY, YYYY-MM or YYYY-MM-DD and such a day exists. */
function dateUpTo(text: string, end: number): boolean {
  if (end !== 4 && end !== 7 && end !== 10) return false;
  const year = digits(text, 0, 4);
  if (year < 1) return false;
  if (end === 4) return true;
  const month = digits(text, 5, 2);
  if (text.charCodeAt(4) !== dash || month < 1 || month > 12) return false;
  if (end === 7) return true;
  const day = digits(text, 8, 2);
  return text.charCodeAt(7) === dash && day >= 1 && day <= daysIn(year, month);
}

/** Where hh:mm:ss with an optional fraction ends, or -1. A leap second may be 60. */
function endOfTime(text: string, at: number): number {
  const hour = digits(text, at, 2);
  const minute = digits(text, at + 3, 2);
  const second = digits(text, at + 6, 2);
  if (hour < 0 || hour > 23 || minute < 0 || minute > 59 || second < 0 || second > 60) return -1;
  if (text.charCodeAt(at + 2) !== colon || text.charCodeAt(at + 5) !== colon) return -1;
  let end = at + 8;
  if (text.charCodeAt(end) !== dot) return end;
  while (digit(text, ++end) >= 0 && digit(text, end) <= 9);
  return end > at + 9 ? end : -1;
}

/** True if the text from `at` is Z, +hh:mm or -hh:mm, at most 14:00. */
function isZone(text: string, at: number): boolean {
  const sign = text.charCodeAt(at);
  if (sign === 90) return text.length === at + 1;
  if ((sign !== 43 && sign !== dash) || text.length !== at + 6 || text.charCodeAt(at + 3) !== colon)
    return false;
  const hour = digits(text, at + 1, 2);
  const minute = digits(text, at + 4, 2);
  return hour >= 0 && minute >= 0 && minute <= 59 && (hour <= 13 || (hour === 14 && minute === 0));
}

/** True for YYYY-MM-DDThh:mm:ss with zone. */
function isInstantText(text: string): boolean {
  if (text.charCodeAt(10) !== 84 || !dateUpTo(text, 10)) return false;
  const end = endOfTime(text, 11);
  return end > 0 && isZone(text, end);
}

// The specification says that strings should not hold other control characters; XML cannot carry them at all.
// eslint-disable-next-line no-control-regex
const control = /[\u0000-\u0008\u000b\u000c\u000e-\u001f]/;
const white = /[\t\n\v\f\r ]/;
const maxString = 1024 * 1024;

const isText = (value: unknown): value is string =>
  typeof value === 'string' && value.length > 0 && value.length <= maxString && !control.test(value);
const isUri = (value: unknown): value is string => isText(value) && !white.test(value);

/** No blank at either end, and none but single ones within. */
function isCode(value: unknown): boolean {
  if (!isText(value)) return false;
  if (!white.test(value)) return true;
  return !/^[\t\n\v\f\r ]|[\t\n\v\f\r ]{2}|[\t\n\v\f\r ]$/.test(value);
}

const idForm = /^[A-Za-z0-9\-.]{1,64}$/;
const oidForm = /^urn:oid:[0-2](?:\.(?:0|[1-9][0-9]*))+$/;
const uuidForm = /^urn:uuid:[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/;

/** Groups of four characters, blanks anywhere between, padded with `=` at the end only. */
function isBase64(value: unknown): boolean {
  if (typeof value !== 'string') return false;
  let count = 0;
  let padding = 0;
  for (let i = 0; i < value.length; i++) {
    const c = value.charCodeAt(i);
    if (c === 32 || c === 10 || c === 13 || c === 9) continue;
    if (c === 61) padding++;
    else if (
      padding > 0 ||
      !((c >= 97 && c <= 122) || (c >= 65 && c <= 90) || (c >= 47 && c <= 57) || c === 43)
    )
      return false;
    count++;
  }
  return count > 0 && count % 4 === 0 && padding <= 2;
}

/** An integer lexeme: 1.0, 1e3 and -0 arrive as `Decimal` and are none. */
const isInteger = (value: unknown, min: number): boolean =>
  typeof value === 'number' && Number.isInteger(value) && value >= min && value <= 2147483647;

/** One primitive type. */
export interface Primitive {
  /** What JSON carries it. */
  readonly json: 'string' | 'number' | 'boolean';
  /** True if the parsed JSON value is one. */
  readonly is: (value: unknown) => boolean;
  /** Says what is wrong with a value that is none and what is accepted. */
  readonly sentence: string;
}

const text = (is: Primitive['is'], sentence: string): Primitive => ({ json: 'string', is, sentence });
const number = (is: Primitive['is'], sentence: string): Primitive => ({ json: 'number', is, sentence });

const stringSentence =
  'not a string that FHIR allows, expected 1 to 1048576 characters without control characters';

/** Every R4 primitive by name. */
export const primitives = {
  base64Binary: text(
    isBase64,
    'not base64, expected groups of four of A-Z a-z 0-9 + / with = only at the end',
  ),
  boolean: {
    json: 'boolean',
    is: value => typeof value === 'boolean',
    sentence: 'not a boolean, expected true or false without quotes',
  },
  canonical: text(isUri, 'not a canonical, expected a url without blanks, with |version if wanted'),
  code: text(
    isCode,
    'not a code, expected characters with no blank at either end and only single blanks within',
  ),
  date: text(
    value => typeof value === 'string' && dateUpTo(value, value.length),
    'not a date, expected YYYY, YYYY-MM or YYYY-MM-DD',
  ),
  dateTime: text(
    value =>
      typeof value === 'string' &&
      (value.length <= 10 ? dateUpTo(value, value.length) : isInstantText(value)),
    'not a dateTime, expected YYYY, YYYY-MM, YYYY-MM-DD or YYYY-MM-DDThh:mm:ss with a zone (Z, +hh:mm or -hh:mm)',
  ),
  decimal: number(
    // beyond a double no search, sum or comparison could be right
    value => (typeof value === 'number' || value instanceof Decimal) && Number.isFinite(Number(value)),
    'not a decimal, expected a number without quotes, below 1.8e308',
  ),
  id: text(
    value => typeof value === 'string' && idForm.test(value),
    'not an id, expected 1 to 64 letters, digits, hyphens and dots',
  ),
  instant: text(
    value => typeof value === 'string' && isInstantText(value),
    'not an instant, expected YYYY-MM-DDThh:mm:ss with a zone (Z, +hh:mm or -hh:mm)',
  ),
  integer: number(
    value => isInteger(value, -2147483648),
    'not an integer, expected a whole number without point, exponent or quotes, from -2147483648 to 2147483647',
  ),
  markdown: text(isText, stringSentence),
  oid: text(
    value => typeof value === 'string' && oidForm.test(value),
    'not an oid, expected for example urn:oid:1.2.3.4',
  ),
  positiveInt: number(
    value => isInteger(value, 1),
    'not a positiveInt, expected a whole number without point, exponent or quotes, from 1 to 2147483647',
  ),
  string: text(isText, stringSentence),
  time: text(
    value => typeof value === 'string' && endOfTime(value, 0) === value.length,
    'not a time, expected hh:mm:ss without a zone',
  ),
  unsignedInt: number(
    value => isInteger(value, 0),
    'not an unsignedInt, expected a whole number without point, exponent or quotes, from 0 to 2147483647',
  ),
  uri: text(isUri, 'not a uri, expected characters without blanks'),
  url: text(isUri, 'not a url, expected characters without blanks'),
  uuid: text(
    value => typeof value === 'string' && uuidForm.test(value),
    'not a uuid, expected for example urn:uuid:c757873d-ec9a-4326-a141-556f43239520',
  ),
  xhtml: text(
    value => typeof value === 'string' && value.trim().length > 0,
    'not xhtml, expected a <div> element',
  ),
} as const satisfies Record<string, Primitive>;

export type PrimitiveName = keyof typeof primitives;

export const isPrimitive = (type: string): type is PrimitiveName => Object.hasOwn(primitives, type);
