// Names and values of a query, wherever it stands: in a URL, a form, a Bundle entry, If-None-Exist. Decoding is strict:
// what cannot be decoded, or holds a NUL, is refused and never guessed at. https://url.spec.whatwg.org/#urlencoded-parsing
import { FhirError } from '../errors.js';

export type Query = readonly (readonly [name: string, value: string])[];

/**
 * Pairs of an `application/x-www-form-urlencoded` text, in order, repeats kept.
 * @throws FhirError `value`
 */
export function queryOf(text: string): Query {
  const pairs: (readonly [string, string])[] = [];
  for (const part of text.split('&')) {
    if (part === '') continue;
    const equals = part.indexOf('=');
    const name = decodeForm(equals < 0 ? part : part.slice(0, equals), 'A parameter name');
    pairs.push([
      name,
      equals < 0 ? '' : decodeForm(part.slice(equals + 1), `The value of parameter "${name.slice(0, 100)}"`),
    ]);
  }
  return pairs;
}

/** The pairs as text again, in the form `queryOf` reads. */
export const queryText = (pairs: Query): string =>
  pairs.map(([name, value]) => `${encodeURIComponent(name)}=${encodeURIComponent(value)}`).join('&');

const decodeForm = (text: string, what: string): string =>
  decodePercent(text.includes('+') ? text.replaceAll('+', ' ') : text, what);

/** @throws FhirError `value` for a percent sign that encodes nothing, bytes that are not UTF-8, or a NUL; `what` is named in it */
export function decodePercent(text: string, what: string): string {
  let decoded = text;
  try {
    if (text.includes('%')) decoded = decodeURIComponent(text);
  } catch (cause) {
    throw new FhirError(
      'value',
      `${what} holds a bad percent-encoding: write % as %25, and other characters as UTF-8.`,
      { cause },
    );
  }
  if (decoded.includes('\0')) throw new FhirError('value', `${what} holds a NUL character.`);
  return decoded;
}
