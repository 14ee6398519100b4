// If-Match, If-None-Match and If-Modified-Since against a version. https://hl7.org/fhir/R4/http.html#concurrency,
// https://hl7.org/fhir/R4/http.html#cread
import { FhirError } from '../errors.js';
import type { Version } from '../storage/store.js';
import { etag, versionHeaders } from './answer.js';

/** The versions an If-Match or If-None-Match header names; '*' for any. @throws FhirError `value` for other forms. */
function etagsOf(header: string, name: string): '*' | readonly string[] {
  if (header.trim() === '*') return '*';
  return header.split(',').map(part => {
    const version = /^\s*(?:W\/)?"?([A-Za-z0-9\-.]{1,64})"?\s*$/.exec(part)?.[1];
    if (version === undefined)
      throw new FhirError(
        'value',
        `${name} must be W/"<versionId>" or "*", not ${part.trim().slice(0, 80)}.`,
      );
    return version;
  });
}

/** @throws FhirError `precondition-failed` (412) unless `current` is the version the header names. */
export function checkIfMatch(header: string | undefined, current: Version | undefined): void {
  if (header === undefined) return;
  const named = etagsOf(header, 'If-Match');
  const exists = current?.body !== undefined;
  if (named === '*' ? exists : exists && named.includes(String(current.version))) return;
  throw new FhirError(
    'precondition-failed',
    exists
      ? `If-Match names ${header}; the current version is ${etag(current.version)}.`
      : `If-Match names ${header}; there is no such resource now.`,
    exists ? { headers: versionHeaders(current) } : {},
  );
}

/** @throws FhirError `precondition-failed` (412) where a write must only happen if nothing (of that version) is there. */
export function checkIfNoneMatch(header: string | undefined, current: Version | undefined): void {
  if (header === undefined || current?.body === undefined) return;
  const named = etagsOf(header, 'If-None-Match');
  if (named !== '*' && !named.includes(String(current.version))) return;
  throw new FhirError(
    'precondition-failed',
    `The resource exists at ${etag(current.version)}, and If-None-Match forbids that.`,
    {
      headers: versionHeaders(current),
    },
  );
}

/** Whether a conditional read is to be answered 304 Not Modified. If-None-Match wins over If-Modified-Since (RFC 9110). */
export function notModified(
  headers: Readonly<Record<string, string | undefined>>,
  current: Version,
): boolean {
  const noneMatch = headers['if-none-match'];
  if (noneMatch !== undefined) {
    const named = etagsOf(noneMatch, 'If-None-Match');
    return named === '*' || named.includes(String(current.version));
  }
  const since = headers['if-modified-since'];
  if (since === undefined) return false;
  const time = Date.parse(since);
  // HTTP dates have whole seconds.
  return !Number.isNaN(time) && Math.floor(current.lastUpdated / 1000) * 1000 <= time;
}
