// The request a Bundle entry makes, read and checked. https://hl7.org/fhir/R4/http.html#transaction
import { createHash } from 'node:crypto';
import { STATUS_CODES } from 'node:http';
import { FhirError } from '../errors.js';
import { instant } from '../fhir/ids.js';
import { isObject, parseJson, writeJson, type Json, type JsonObject } from '../fhir/json.js';
import { operationOutcome } from '../fhir/outcome.js';
import { decodePercent, queryOf } from '../fhir/query.js';
import { refKey, type Resource } from '../fhir/resource.js';
import { etag, isThere, issuesOf, locationOf, preferredReturn } from './answer.js';
import type { Entry } from './bundle.js';
import type { Context } from './context.js';
import type { FhirRequest, FhirResponse } from './exchange.js';
import { xmlPatchType } from './media.js';
import type { Result } from './prepare.js';

export interface EntryRequest {
  readonly index: number;
  readonly fullUrl: string | undefined;
  readonly method: string;
  /** Decoded path segments below the base. */
  readonly path: readonly string[];
  /** Everything behind the "?", as sent; undefined where there is no "?". */
  readonly query: string | undefined;
  readonly resource: Json | undefined;
  readonly ifMatch: string | undefined;
  readonly ifNoneMatch: string | undefined;
  readonly ifModifiedSince: string | undefined;
  readonly ifNoneExist: string | undefined;
}

const methods = ['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE'];

/** Whether the entry asks and changes nothing. */
export const isRead = ({ method }: Pick<EntryRequest, 'method'>): boolean =>
  method === 'GET' || method === 'HEAD';

/** Reads `Bundle.entry[index]`. @throws FhirError naming the element. */
export function entryRequest(entry: JsonObject, index: number, bases: readonly string[]): EntryRequest {
  try {
    return read(entry, index, bases);
  } catch (error) {
    throw atEntry(error, index);
  }
}

function read(entry: JsonObject, index: number, bases: readonly string[]): EntryRequest {
  const at = `Bundle.entry[${index}].request`;
  const request = entry['request'];
  if (!isObject(request))
    throw new FhirError('required', `Every entry of a batch or transaction needs a request.`, {
      expression: at,
    });
  const text = (name: string): string | undefined => {
    const value = request[name];
    return typeof value === 'string' ? value : undefined;
  };
  const method = text('method') ?? '';
  if (!methods.includes(method)) {
    throw new FhirError('value', `"${method}" is not one of ${methods.join(', ')}.`, {
      expression: `${at}.method`,
    });
  }
  const url = text('url') ?? '';
  const own = bases.find(base => url === base || url.startsWith(`${base}/`) || url.startsWith(`${base}?`));
  const relative = own === undefined ? url.replace(/^\//, '') : url.slice(own.length).replace(/^\//, '');
  if (/^[a-z][a-z0-9+.-]*:/i.test(relative)) {
    throw new FhirError(
      'value',
      `"${url.slice(0, 200)}" is not a URL of this server; send one relative to the base, like "Patient/1".`,
      {
        expression: `${at}.url`,
      },
    );
  }
  const question = relative.indexOf('?');
  const path = (question < 0 ? relative : relative.slice(0, question))
    .split('/')
    .filter(segment => segment !== '');
  return {
    index,
    fullUrl: typeof entry['fullUrl'] === 'string' ? entry['fullUrl'] : undefined,
    method,
    path: path.map(segment => decodePercent(segment, 'The URL of the entry')),
    query: question < 0 ? undefined : relative.slice(question + 1),
    resource: entry['resource'],
    ifMatch: text('ifMatch'),
    ifNoneMatch: text('ifNoneMatch'),
    ifModifiedSince: text('ifModifiedSince'),
    ifNoneExist: text('ifNoneExist'),
  };
}

/** The entry as a request of its own, for dispatch. */
export function standalone(context: Context, entry: EntryRequest): FhirRequest {
  const { request } = context;
  const { method, path, query, resource } = entry;
  const headers: Record<string, string | undefined> = {
    accept: 'application/fhir+json',
    // As in a transaction: what was sent comes back only where it is asked for.
    prefer: request.headers['prefer'] ?? (isRead(entry) ? undefined : 'return=minimal'),
    'if-match': entry.ifMatch,
    'if-none-match': entry.ifNoneMatch,
    'if-none-exist': entry.ifNoneExist,
    'if-modified-since': entry.ifModifiedSince,
  };
  const key = request.headers['idempotency-key'];
  if (key !== undefined && !isRead(entry)) {
    // Hashed, so that no key of a single request can be that of an entry.
    headers['idempotency-key'] = `${createHash('sha256').update(key).digest('base64url')}#${entry.index}`;
  }
  let body: Uint8Array | undefined;
  if (resource !== undefined) {
    const sent = method === 'PATCH' ? patchDocument(resource) : resource;
    if (typeof sent === 'string') headers['content-type'] = xmlPatchType;
    else
      headers['content-type'] = Array.isArray(sent) ? 'application/json-patch+json' : 'application/fhir+json';
    body = Buffer.from(typeof sent === 'string' ? sent : writeJson(sent));
  }
  return {
    method,
    path,
    query: queryOf(query ?? ''),
    headers,
    ...(body === undefined ? {} : { body }),
    base: request.base,
    id: request.id,
  };
}

/**
 * A PATCH entry carries FHIRPath Patch as Parameters, or JSON Patch or XML Patch (here a text) inside a Binary.
 * https://hl7.org/fhir/R4/http.html#patch
 */
export function patchDocument(resource: Json): Json {
  if (!isObject(resource) || resource['resourceType'] !== 'Binary') return resource;
  const content = Buffer.from(typeof resource['data'] === 'string' ? resource['data'] : '', 'base64');
  return resource['contentType'] === xmlPatchType ? content.toString() : parseJson(content);
}

export const statusText = (status: number): string => `${status} ${STATUS_CODES[status] ?? ''}`.trimEnd();

/** The response entry for a dispatched entry. */
export function responseEntry(entry: EntryRequest, response: FhirResponse): Entry {
  const { headers, status, body, lastUpdated } = response;
  const content = body === undefined || !(headers['content-type'] ?? '').includes('json') ? undefined : body;
  const isOutcome = status >= 400 || (content !== undefined && !isRead(entry) && isOperationOutcome(content));
  const location = headers['location'] ?? headers['content-location'];
  return {
    ...(content === undefined || isOutcome || entry.method === 'HEAD' ? {} : { resource: content }),
    response: {
      status: statusText(status),
      ...(location === undefined ? {} : { location }),
      ...(headers['etag'] === undefined ? {} : { etag: headers['etag'] }),
      ...(lastUpdated === undefined ? {} : { lastModified: instant(lastUpdated) }),
      ...(content !== undefined && isOutcome ? { outcome: parseJson(content) as Resource } : {}),
    },
  };
}

const isOperationOutcome = (content: Uint8Array | string): boolean =>
  /^\{\s*"resourceType":\s*"OperationOutcome"/.test(Buffer.from(content.slice(0, 80)).toString());

/** The response entry for what became of a write; the resource only where Prefer asks for it and the grant may read it. */
export function resultEntry({ request, grant }: Context, result: Result): Entry {
  const { status, version } = result;
  const preferred = preferredReturn(request);
  const there = isThere(version) ? version : undefined;
  const shown =
    there?.body !== undefined && preferred === 'representation' && grant.permits('read', there.ref.type);
  const told = result.issues !== undefined || preferred === 'OperationOutcome';
  return {
    ...(there === undefined ? {} : { fullUrl: `${request.base}/${refKey(there.ref)}` }),
    ...(shown ? { resource: Buffer.from(there.body).toString() } : {}),
    response: {
      status: statusText(status),
      ...(there === undefined ? {} : { location: locationOf(request.base, there) }),
      ...(version === undefined
        ? {}
        : { etag: etag(version.version), lastModified: instant(version.lastUpdated) }),
      ...(told ? { outcome: operationOutcome(issuesOf(result)) } : {}),
    },
  };
}

/** The failure with `Bundle.entry[index]` in front of what it names. */
export function atEntry(error: unknown, index: number): unknown {
  if (!(error instanceof FhirError)) return error;
  const place = `Bundle.entry[${index}]`;
  const within = (expression: string | undefined): string =>
    expression === undefined
      ? place
      : expression.startsWith('Bundle.entry[')
        ? expression
        : expression.replace(/^[A-Za-z]+/, `${place}.resource`);
  return new FhirError(error.code, `Entry ${index}: ${error.message}`, {
    expression: within(error.expression),
    issues: error.issues.map(issue => ({ ...issue, expression: within(issue.expression) })),
    headers: error.headers,
    cause: error.cause,
  });
}
