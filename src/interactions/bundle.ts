// Bundles as bytes: stored resources go in as they are, without being parsed. https://hl7.org/fhir/R4/bundle.html
import { instant } from '../fhir/ids.js';
import { writeJson, type JsonObject } from '../fhir/json.js';
import type { Resource } from '../fhir/resource.js';

export interface Entry {
  readonly fullUrl?: string;
  readonly resource?: Resource | Uint8Array | string;
  readonly search?: 'match' | 'include' | 'outcome';
  readonly request?: { readonly method: string; readonly url: string };
  readonly response?: {
    readonly status: string;
    readonly location?: string;
    readonly etag?: string;
    readonly lastModified?: string;
    readonly outcome?: Resource;
  };
}

export interface BundleHead {
  readonly type: 'searchset' | 'history' | 'batch-response' | 'transaction-response';
  /** When it was true, ms; for searches and histories. */
  readonly lastUpdated?: number;
  readonly total?: number;
  readonly links?: readonly { readonly relation: string; readonly url: string }[];
}

/** The JSON of the Bundle, UTF-8. */
export function bundleBytes(head: BundleHead, entries: readonly Entry[]): Uint8Array {
  const top: JsonObject = { resourceType: 'Bundle' };
  if (head.lastUpdated !== undefined) top['meta'] = { lastUpdated: instant(head.lastUpdated) };
  top['type'] = head.type;
  if (head.total !== undefined) top['total'] = head.total;
  if (head.links !== undefined) top['link'] = head.links.map(({ relation, url }) => ({ relation, url }));
  // Text between two resources is gathered, so that a page has few parts.
  const parts: (string | Uint8Array)[] = [];
  let text = writeJson(top);
  if (entries.length > 0) text = `${text.slice(0, -1)},"entry":[`;
  for (let i = 0; i < entries.length; i++) {
    const { fullUrl, resource, search, request, response } = entries[i]!;
    let entry = i === 0 ? '{' : ',{';
    if (fullUrl !== undefined) entry = withMember(entry, 'fullUrl', JSON.stringify(fullUrl));
    if (resource instanceof Uint8Array) {
      parts.push(text + withMember(entry, 'resource', ''), resource);
      text = entry = '';
    } else if (resource !== undefined)
      entry = withMember(entry, 'resource', typeof resource === 'string' ? resource : writeJson(resource));
    if (search !== undefined) entry = withMember(entry, 'search', `{"mode":"${search}"}`);
    if (request !== undefined) entry = withMember(entry, 'request', writeJson(request));
    if (response !== undefined) entry = withMember(entry, 'response', writeJson(response));
    text += `${entry}}`;
  }
  parts.push(entries.length > 0 ? `${text}]}` : text);
  return joined(parts);
}

const withMember = (object: string, name: string, json: string): string =>
  `${object}${object.endsWith('{') ? '' : ','}"${name}":${json}`;

function joined(parts: readonly (string | Uint8Array)[]): Uint8Array {
  let length = 0;
  for (const part of parts) length += typeof part === 'string' ? Buffer.byteLength(part) : part.length;
  const bytes = Buffer.allocUnsafe(length);
  let at = 0;
  for (const part of parts) {
    if (typeof part === 'string') at += bytes.write(part, at);
    else {
      bytes.set(part, at);
      at += part.length;
    }
  }
  return bytes;
}
