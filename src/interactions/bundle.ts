// Bundles as bytes: stored resources go in as they are, without being parsed. https://hl7.org/fhir/R4/bundle.html
import { instant } from '../fhir/ids.js';
import { writeJson, type Json, type JsonObject } from '../fhir/json.js';
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
  const parts: (string | Uint8Array)[] = [];
  const top: JsonObject = { resourceType: 'Bundle' };
  if (head.lastUpdated !== undefined) top['meta'] = { lastUpdated: instant(head.lastUpdated) };
  top['type'] = head.type;
  if (head.total !== undefined) top['total'] = head.total;
  if (head.links !== undefined) top['link'] = head.links.map(({ relation, url }) => ({ relation, url }));
  const text = writeJson(top);
  parts.push(entries.length === 0 ? text : text.slice(0, -1));
  entries.forEach((entry, i) => {
    parts.push(i === 0 ? ',"entry":[{' : ',{');
    let comma = '';
    const put = (name: string, value: Json | undefined): void => {
      if (value === undefined) return;
      parts.push(`${comma}"${name}":${writeJson(value)}`);
      comma = ',';
    };
    put('fullUrl', entry.fullUrl);
    if (entry.resource !== undefined) {
      const { resource } = entry;
      parts.push(
        `${comma}"resource":`,
        resource instanceof Uint8Array || typeof resource === 'string' ? resource : writeJson(resource),
      );
      comma = ',';
    }
    if (entry.search !== undefined) put('search', { mode: entry.search });
    put('request', entry.request as JsonObject | undefined);
    put('response', entry.response as JsonObject | undefined);
    parts.push(i === entries.length - 1 ? '}]}' : '}');
  });
  return Buffer.concat(parts.map(part => (typeof part === 'string' ? Buffer.from(part) : part)));
}
