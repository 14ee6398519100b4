// How versions lie in res and hist, and how they are read from there.
import { deflateRawSync, inflateRawSync } from 'node:zlib';
import type { Ref } from '../../fhir/resource.js';
import type { Method, Version } from '../store.js';
import type { Connection } from './connection.js';

/** `op` of a version is the place of its method. */
export const methods: readonly Method[] = ['POST', 'PUT', 'PATCH', 'DELETE'];
export const deletion = methods.indexOf('DELETE');

/** `codec`, the form of `body`: the bytes as they are, or deflated (RFC 1951). */
const plain = 0;
const deflated = 1;
/** A longer body would spill over its page, and shrinks to a fifth; a shorter one is not worth the time of each read. */
const spills = 3900;

/** A body as it is stored. */
export function formOf(body: Uint8Array | null): {
  readonly codec: number;
  readonly body: Uint8Array | null;
} {
  if (body === null || body.length < spills) return { codec: plain, body };
  const shorter = deflateRawSync(body, { level: 1 });
  return shorter.length < body.length * 0.8 ? { codec: deflated, body: shorter } : { codec: plain, body };
}

export interface Stored {
  readonly ver: number;
  readonly lu: number;
  readonly op: number;
  readonly codec: number;
  readonly body: Uint8Array | null;
}

export const toVersion = (ref: Ref, { ver, lu, op, codec, body }: Stored): Version => ({
  ref,
  version: ver,
  lastUpdated: lu,
  method: methods[op]!,
  ...(body === null ? {} : { body: codec === deflated ? inflateRawSync(body) : body }),
});

export function readVersion(connection: Connection, ref: Ref, version?: number): Version | undefined {
  const kind = connection.dictionary.kind(ref.type);
  if (kind === undefined) return undefined;
  const current = connection.get<Stored & { rid: number }>(
    'SELECT rid, ver, lu, op, codec, body FROM res WHERE type = ? AND id = ?',
    kind.id,
    ref.id,
  );
  if (current === undefined) return undefined;
  if (version === undefined || version === current.ver) return toVersion(ref, current);
  const old = connection.get<Stored>(
    'SELECT ver, lu, op, codec, body FROM hist WHERE rid = ? AND ver = ?',
    current.rid,
    version,
  );
  return old && toVersion(ref, old);
}

type Row = readonly [
  type: number,
  id: string,
  ver: number,
  lu: number,
  op: number,
  codec: number,
  body: Uint8Array | null,
];

/** The current versions of resources by their numbers, in the order of these; in one statement, which a page is made of. */
export function currentOf(connection: Connection, rids: readonly number[]): Version[] {
  if (rids.length === 0) return [];
  return connection
    .rows<Row>(
      'SELECT res.type, res.id, ver, lu, op, codec, body FROM json_each(?) j CROSS JOIN res ON res.rid = j.value',
      JSON.stringify(rids),
    )
    .map(([type, id, ver, lu, op, codec, body]) =>
      toVersion({ type: connection.dictionary.kindOf(type).name, id }, { ver, lu, op, codec, body }),
    );
}

/** The identity of a resource by its number. */
export function refOf(connection: Connection, rid: number): Ref {
  const row = connection.get<{ type: number; id: string }>('SELECT type, id FROM res WHERE rid = ?', rid)!;
  return { type: connection.dictionary.kindOf(row.type).name, id: row.id };
}
