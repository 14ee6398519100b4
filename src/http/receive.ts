// From a URL to the decoded path and query of a FhirRequest. Decoding is strict: what cannot be decoded, or decodes to
// a NUL, is refused and never guessed at. https://hl7.org/fhir/R4/http.html#general, https://www.rfc-editor.org/rfc/rfc3986
import { isUtf8 } from 'node:buffer';
import { FhirError } from '../errors.js';
import { decodePercent, queryOf, type Query } from '../fhir/query.js';

export interface Target {
  readonly path: readonly string[];
  readonly query: Query;
}

const nothing: readonly never[] = [];

/**
 * @param url the request target below the FHIR base: `/Patient/1?_pretty=true`, or empty
 * @throws FhirError `value` for bad percent-encoding, bytes that are not UTF-8, or a NUL
 */
export function receive(url: string): Target {
  const target = isAscii(url) ? url : decodeBytes(url);
  const mark = target.indexOf('?');
  return mark < 0
    ? { path: pathOf(target), query: nothing }
    : { path: pathOf(target.slice(0, mark)), query: queryOf(target.slice(mark + 1)) };
}

function pathOf(text: string): readonly string[] {
  const start = text.startsWith('/') ? 1 : 0;
  const end = text.length > start && text.endsWith('/') ? -1 : text.length;
  const inner = text.slice(start, end);
  if (inner === '') return nothing;
  const segments = inner.split('/');
  return inner.includes('%') ? segments.map(segment => decodePercent(segment, 'The path')) : segments;
}

function isAscii(text: string): boolean {
  for (let i = 0; i < text.length; i++) if (text.charCodeAt(i) > 127) return false;
  return true;
}

/** Node hands over unencoded bytes as Latin-1; clients that do not encode mean UTF-8. */
function decodeBytes(text: string): string {
  const bytes = Buffer.from(text, 'latin1');
  if (!isUtf8(bytes))
    throw new FhirError('value', 'The URL holds bytes that are not UTF-8: percent-encode them.');
  return bytes.toString('utf8');
}

const validId = /^[A-Za-z0-9._-]{1,64}$/;
/** A request id that is safe in a header and a log line, or undefined. */
export const requestIdIn = (header: string | string[] | undefined): string | undefined =>
  typeof header === 'string' && validId.test(header) ? header : undefined;
