// From a result to a response: status, Location, ETag, Last-Modified and the body that Prefer asks for.
// https://hl7.org/fhir/R4/http.html#ops
import type { Issue } from '../errors.js';
import { instant } from '../fhir/ids.js';
import { parseJson, writeJson } from '../fhir/json.js';
import { operationOutcome } from '../fhir/outcome.js';
import { refKey, type Resource } from '../fhir/resource.js';
import type { Version } from '../storage/store.js';
import type { Context } from './context.js';
import type { FhirRequest, FhirResponse } from './exchange.js';
import type { Result } from './prepare.js';

export const fhirJson = 'application/fhir+json; charset=utf-8';

const returns = ['minimal', 'representation', 'OperationOutcome'] as const;
export type Return = (typeof returns)[number];

/** What the Prefer header says about `name`, lower-case; RFC 7240 leaves quotes and spaces to the client. */
export function preference(request: FhirRequest, name: 'return' | 'handling'): string | undefined {
  const prefer = request.headers['prefer'];
  if (prefer === undefined) return undefined;
  for (const each of prefer.split(/[,;]/)) {
    const [key, value = ''] = each.split('=');
    if (key!.trim().toLowerCase() === name)
      return value
        .trim()
        .replace(/^"(.*)"$/, '$1')
        .toLowerCase();
  }
  return undefined;
}

/** The `return` preference of the request, if it states one of the three. https://hl7.org/fhir/R4/http.html#ops */
export function preferredReturn(request: FhirRequest): Return | undefined {
  const found = preference(request, 'return');
  return returns.find(one => one.toLowerCase() === found);
}

export const etag = (version: number): string => `W/"${version}"`;
export const httpDate = (ms: number): string => new Date(ms).toUTCString();
export const locationOf = (base: string, version: Version): string =>
  `${base}/${refKey(version.ref)}/_history/${version.version}`;

export const versionHeaders = (version: Version): Record<string, string> => ({
  etag: etag(version.version),
  'last-modified': httpDate(version.lastUpdated),
});

/**
 * The response to a write on its own. Without a preference the representation is sent, as most servers do, unless the
 * grant may write the type and not read it.
 */
export function answer({ request, grant }: Context, result: Result): FhirResponse {
  const { version, status } = result;
  const headers: Record<string, string> = version === undefined ? {} : versionHeaders(version);
  const made = version === undefined ? undefined : { lastUpdated: version.lastUpdated };
  if (isThere(version)) {
    const location = locationOf(request.base, version);
    // A conditional create answers 200 with what it found: its client asks for the place too.
    if (status === 201 || request.method === 'POST') headers['location'] = location;
    else headers['content-location'] = location;
  }
  const preferred = preferredReturn(request);
  if (preferred === 'OperationOutcome' || (!isThere(version) && result.issues !== undefined)) {
    const outcome = operationOutcome(issuesOf(result));
    return { ...sendResource({ status: status === 204 ? 200 : status, headers }, outcome, request), ...made };
  }
  if (!isThere(version)) return { status: 204, headers, ...made };
  // Answered again (receipt.ts), what was written may be hidden by now, or removed for good.
  const { body } = version;
  if (preferred === 'minimal' || body === undefined || !grant.permits('read', version.ref.type))
    return { status, headers, ...made };
  return { ...sendBytes({ status, headers }, body, request), ...made };
}

/** Whether a write left a resource, which a deletion does not. */
export const isThere = (version: Version | undefined): version is Version =>
  version !== undefined && version.method !== 'DELETE';

/** What there is to say about a write: for Prefer: return=OperationOutcome. */
export const issuesOf = (result: Result): readonly Issue[] =>
  result.issues ?? [{ severity: 'information', code: 'informational', text: described(result) }];

const described = ({ status, version }: Result): string =>
  version === undefined
    ? 'Nothing had to be done.'
    : `${refKey(version.ref)} is ${status === 201 ? 'created as' : isThere(version) ? 'at' : 'deleted by'} version ${version.version}, ${instant(version.lastUpdated)}.`;

export const isPretty = (request: Pick<FhirRequest, 'query'>): boolean =>
  request.query.some(([name, value]) => name === '_pretty' && value === 'true');

/** What the request says about the form of its answer: page links say it again. */
export const formOfAnswer = ({ query }: Pick<FhirRequest, 'query'>): readonly (readonly [string, string])[] =>
  query.filter(([name]) => name === '_format' || name === '_pretty');

/** A resource made for this response. */
export const sendResource = (
  head: { status: number; headers?: Record<string, string> },
  resource: Resource,
  request: FhirRequest,
): FhirResponse => ({
  status: head.status,
  headers: { ...head.headers, 'content-type': fhirJson },
  body: writeJson(resource, isPretty(request) ? 2 : undefined),
});

/** Stored bytes, passed through unless they are to be pretty. */
export function sendBytes(
  head: { status: number; headers: Record<string, string> },
  bytes: Uint8Array,
  request: FhirRequest,
): FhirResponse {
  head.headers['content-type'] = fhirJson;
  return { status: head.status, headers: head.headers, body: isPretty(request) ? pretty(bytes) : bytes };
}

const pretty = (bytes: Uint8Array): string => writeJson(parseJson(bytes), 2);
