// How versions lie in res and hist, and how they are read from there.
import type { Ref } from '../../fhir/resource.js';
import type { Method, Version } from '../store.js';
import type { Connection } from './connection.js';

/** `op` of a version is the place of its method. */
export const methods: readonly Method[] = ['POST', 'PUT', 'PATCH', 'DELETE'];
export const deletion = methods.indexOf('DELETE');

/** The form of `body`: 0 is the bytes as they are. Room for a compressed one. */
export const plain = 0;

export interface Stored {
  readonly ver: number;
  readonly lu: number;
  readonly op: number;
  readonly body: Uint8Array | null;
}

export const toVersion = (ref: Ref, row: Stored): Version => ({
  ref,
  version: row.ver,
  lastUpdated: row.lu,
  method: methods[row.op]!,
  ...(row.body === null ? {} : { body: row.body }),
});

export function readVersion(connection: Connection, ref: Ref, version?: number): Version | undefined {
  const kind = connection.dictionary.kind(ref.type);
  if (kind === undefined) return undefined;
  const current = connection.get<Stored & { rid: number }>(
    'SELECT rid, ver, lu, op, body FROM res WHERE type = ? AND id = ?',
    kind.id,
    ref.id,
  );
  if (current === undefined) return undefined;
  if (version === undefined || version === current.ver) return toVersion(ref, current);
  const old = connection.get<Stored>(
    'SELECT ver, lu, op, body FROM hist WHERE rid = ? AND ver = ?',
    current.rid,
    version,
  );
  return old && toVersion(ref, old);
}

type Row = readonly [type: number, id: string, ver: number, lu: number, op: number, body: Uint8Array | null];

/** The current versions of resources by their numbers, in the order of these; in one statement, which a page is made of. */
export function currentOf(connection: Connection, rids: readonly number[]): Version[] {
  if (rids.length === 0) return [];
  return connection
    .rows<Row>(
      'SELECT res.type, res.id, ver, lu, op, body FROM json_each(?) j CROSS JOIN res ON res.rid = j.value',
      JSON.stringify(rids),
    )
    .map(([type, id, ver, lu, op, body]) =>
      toVersion({ type: connection.dictionary.kindOf(type).name, id }, { ver, lu, op, body }),
    );
}
