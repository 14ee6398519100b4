// If-Match, If-None-Match, If-Modified-Since and If-Unmodified-Since against a version.
// https://hl7.org/fhir/R4/http.html#concurrency, https://hl7.org/fhir/R4/http.html#cread
import { FhirError } from '../errors.js';
import type { Version } from '../storage/store.js';
import { etag, versionHeaders } from './answer.js';
import type { FhirRequest } from './exchange.js';

/** What a write demands of the state it replaces, from the request's headers or a Bundle entry. */
export interface Conditions {
  readonly ifMatch?: string | undefined;
  readonly ifNoneMatch?: string | undefined;
  readonly ifUnmodifiedSince?: string | undefined;
}

export const conditionsOf = ({ headers }: FhirRequest): Conditions => ({
  ifMatch: headers['if-match'],
  ifNoneMatch: headers['if-none-match'],
  ifUnmodifiedSince: headers['if-unmodified-since'],
});

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

/** @throws FhirError `precondition-failed` (412) where a condition does not hold for what is there now. */
export function checkConditions(conditions: Conditions, current: Version | undefined): void {
  const { ifMatch, ifNoneMatch, ifUnmodifiedSince } = conditions;
  const there = current?.body === undefined ? undefined : current;
  const names = (header: string, name: string): boolean => {
    const named = etagsOf(header, name);
    return there !== undefined && (named === '*' || named.includes(String(there.version)));
  };
  const refuse = (why: string): never => {
    throw new FhirError(
      'precondition-failed',
      there === undefined
        ? `${why}; there is no such resource now.`
        : `${why}; the current version is ${etag(there.version)}.`,
      there === undefined ? {} : { headers: versionHeaders(there) },
    );
  };
  if (ifMatch !== undefined) {
    if (!names(ifMatch, 'If-Match')) refuse(`If-Match names ${ifMatch.slice(0, 200)}`);
  } else if (ifUnmodifiedSince !== undefined && there !== undefined) {
    // RFC 9110 has a date that is none ignored.
    if (isLater(there, ifUnmodifiedSince) === true)
      refuse('The resource has changed since If-Unmodified-Since');
  }
  if (ifNoneMatch !== undefined && names(ifNoneMatch, 'If-None-Match'))
    refuse('The resource exists, and If-None-Match forbids that');
}

/** Whether a conditional read is to be answered 304 Not Modified. If-None-Match wins over If-Modified-Since (RFC 9110). */
export function notModified(headers: FhirRequest['headers'], current: Version): boolean {
  const noneMatch = headers['if-none-match'];
  if (noneMatch !== undefined) {
    const named = etagsOf(noneMatch, 'If-None-Match');
    return named === '*' || named.includes(String(current.version));
  }
  const since = headers['if-modified-since'];
  return since !== undefined && isLater(current, since) === false;
}

/** Whether the version was made after the date; undefined where it is none. HTTP's dates have whole seconds, a Bundle entry's are exact. */
function isLater({ lastUpdated }: Version, date: string): boolean | undefined {
  const time = Date.parse(date);
  if (Number.isNaN(time)) return undefined;
  const isExact = /^\d{4}-/.test(date);
  return (isExact ? lastUpdated : Math.floor(lastUpdated / 1000) * 1000) > time;
}
