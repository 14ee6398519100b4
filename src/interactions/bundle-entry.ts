// The request a Bundle entry makes, read and checked. https://hl7.org/fhir/R4/http.html#transaction
import { FhirError } from '../errors.js';
import { isObject, writeJson, type Json, type JsonObject } from '../fhir/json.js';
import type { Context } from './context.js';
import type { FhirRequest, FhirResponse } from './exchange.js';
import type { Entry } from './bundle.js';
import { instant } from '../fhir/ids.js';
import { parseJson } from '../fhir/json.js';
import type { Resource } from '../fhir/resource.js';

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

/** Reads `Bundle.entry[index]`. @throws FhirError naming the element. */
export function entryRequest(entry: JsonObject, index: number, bases: readonly string[]): EntryRequest {
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
  let segments: string[];
  try {
    segments = path.map(decodeURIComponent);
  } catch {
    throw new FhirError('value', `"${url.slice(0, 200)}" holds a "%" that does not encode a character.`, {
      expression: `${at}.url`,
    });
  }
  return {
    index,
    fullUrl: typeof entry['fullUrl'] === 'string' ? entry['fullUrl'] : undefined,
    method,
    path: segments,
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
  const headers: Record<string, string | undefined> = {
    accept: 'application/fhir+json',
    prefer: request.headers['prefer'],
  };
  if (entry.ifMatch !== undefined) headers['if-match'] = entry.ifMatch;
  if (entry.ifNoneMatch !== undefined) headers['if-none-match'] = entry.ifNoneMatch;
  if (entry.ifNoneExist !== undefined) headers['if-none-exist'] = entry.ifNoneExist;
  if (entry.ifModifiedSince !== undefined)
    headers['if-modified-since'] = new Date(entry.ifModifiedSince).toUTCString();
  const key = request.headers['idempotency-key'];
  if (key !== undefined && entry.method !== 'GET') headers['idempotency-key'] = `${key}#${entry.index}`;
  let body: Uint8Array | undefined;
  if (entry.resource !== undefined) {
    const patch = entry.method === 'PATCH' ? patchDocument(entry.resource) : entry.resource;
    headers['content-type'] = Array.isArray(patch) ? 'application/json-patch+json' : 'application/fhir+json';
    body = Buffer.from(writeJson(patch));
  }
  return {
    method: entry.method,
    path: entry.path,
    query: [...new URLSearchParams(entry.query ?? '')],
    headers,
    ...(body === undefined ? {} : { body }),
    base: request.base,
    id: request.id,
  };
}

/** A PATCH entry carries FHIRPath Patch as Parameters, or JSON Patch inside a Binary. https://hl7.org/fhir/R4/http.html#patch */
export function patchDocument(resource: Json): Json {
  if (!isObject(resource) || resource['resourceType'] !== 'Binary') return resource;
  return parseJson(Buffer.from(typeof resource['data'] === 'string' ? resource['data'] : '', 'base64'));
}

const reasons: Record<number, string> = {
  200: 'OK',
  201: 'Created',
  204: 'No Content',
  304: 'Not Modified',
  400: 'Bad Request',
  401: 'Unauthorized',
  403: 'Forbidden',
  404: 'Not Found',
  405: 'Method Not Allowed',
  409: 'Conflict',
  410: 'Gone',
  412: 'Precondition Failed',
  415: 'Unsupported Media Type',
  422: 'Unprocessable Entity',
  500: 'Internal Server Error',
  503: 'Service Unavailable',
};
export const statusText = (status: number): string =>
  reasons[status] === undefined ? String(status) : `${status} ${reasons[status]}`;

/** The response entry for a dispatched entry. */
export function responseEntry(response: FhirResponse): Entry {
  const { headers, status, body } = response;
  const json = body !== undefined && (headers['content-type'] ?? '').includes('json');
  const failed = status >= 400;
  const lastModified = headers['last-modified'];
  return {
    ...(json && !failed ? { resource: body } : {}),
    response: {
      status: statusText(status),
      ...(headers['location'] === undefined ? {} : { location: headers['location'] }),
      ...(headers['etag'] === undefined ? {} : { etag: headers['etag'] }),
      ...(lastModified === undefined ? {} : { lastModified: instant(Date.parse(lastModified)) }),
      ...(json && failed ? { outcome: parseJson(body) as Resource } : {}),
    },
  };
}
