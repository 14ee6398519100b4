// The exact bytes of a version: what the client sent, with the id, versionId and lastUpdated the server gives.
// https://hl7.org/fhir/R4/resource.html#Meta. Stored once, sent as they are ever after.
import { instant } from './ids.js';
import { isObject, writeJson, type JsonObject } from './json.js';
import type { Resource } from './resource.js';
import { sameJson } from './same.js';

export interface Stamp {
  readonly id: string;
  readonly version: number;
  /** Milliseconds since 1970 UTC. */
  readonly lastUpdated: number;
}

/** UTF-8 JSON: resourceType, id and meta first, then the rest in the order it came. */
export function stamp(resource: Resource, { id, version, lastUpdated }: Stamp): Uint8Array {
  const { resourceType, meta } = resource;
  const own: JsonObject = { versionId: String(version), lastUpdated: instant(lastUpdated) };
  const stamped: JsonObject = { resourceType, id, meta: unstamped(meta, own) };
  // By one property after another: rest and spread take half as long again.
  for (const name in resource) if (!first.has(name)) stamped[name] = resource[name]!;
  return Buffer.from(writeJson(stamped));
}

const given: ReadonlySet<string> = new Set(['versionId', 'lastUpdated', '_versionId', '_lastUpdated']);
const first: ReadonlySet<string> = new Set(['resourceType', 'id', 'meta']);

/** Whether storing `b` in place of `a` would change nothing but the version's number and time. 1.0 and 1.00 differ. */
export function sameContent(a: Resource, b: Resource): boolean {
  const { meta: metaOfA, ...restOfA } = a;
  const { meta: metaOfB, ...restOfB } = b;
  return sameJson(unstamped(metaOfA), unstamped(metaOfB), 'lexeme') && sameJson(restOfA, restOfB, 'lexeme');
}

/** Meta without what the server fills in, put into an object; into an empty one where none is given. */
export function unstamped(meta: unknown, into: JsonObject = {}): JsonObject {
  if (isObject(meta)) for (const name in meta) if (!given.has(name)) into[name] = meta[name]!;
  return into;
}
