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

export function toVersion(ref: Ref, { ver, lu, op, codec, body }: Stored): Version {
  const method = methods[op]!;
  // Without a spread, which would cost as much as reading the row.
  if (body === null) return { ref, version: ver, lastUpdated: lu, method };
  const plainBody = codec === deflated ? inflateRawSync(body) : body;
  return { ref, version: ver, lastUpdated: lu, method, body: plainBody };
}

type Row = readonly [ver: number, lu: number, op: number, codec: number, body: Uint8Array | null];
const ofRow = (ref: Ref, [ver, lu, op, codec, body]: Row): Version =>
  toVersion(ref, { ver, lu, op, codec, body });

export function readVersion(connection: Connection, ref: Ref, version?: number): Version | undefined {
  const kind = connection.dictionary.kindId(ref.type);
  if (kind === undefined) return undefined;
  const current = connection.row<Row>(
    'SELECT ver, lu, op, codec, body FROM res WHERE type = ? AND id = ?',
    kind,
    ref.id,
  );
  if (current === undefined || version === undefined || version === current[0])
    return current && ofRow(ref, current);
  const old = connection.row<Row>(
    'SELECT ver, lu, op, codec, body FROM hist WHERE rid = (SELECT rid FROM res WHERE type = ? AND id = ?) AND ver = ?',
    kind,
    ref.id,
    version,
  );
  return old && ofRow(ref, old);
}

type Head = [type: number, id: string, ver: number, lu: number, op: number, codec: number, length: number];

/** So many bodies are read as one: far from the largest text SQLite makes. */
const together = 32;
/** Columns of a head, before the bytes of its body. */
const columns = 7;

/**
 * The current, undeleted versions of resources by their numbers, in the order of these. Surprising: the bodies come as
 * one blob and are parted here, because a Buffer from SQLite costs more than the row it is read from; their heads as one
 * text that is read as JSON, which costs less than rows and than SQLite's own JSON.
 */
export function currentOf(connection: Connection, rids: readonly number[]): Version[] {
  const versions: Version[] = [];
  for (let from = 0; from < rids.length; from += together) {
    const [heads, bodies] = connection.rows<readonly [string, Uint8Array]>(
      `SELECT group_concat(format('%d,"%s",%d,%d,%d,%d,%d', res.type, res.id, ver, lu, op, codec, length(body))), CAST(group_concat(body, '') AS BLOB)
       FROM json_each(?) j CROSS JOIN res ON res.rid = j.value`,
      JSON.stringify(rids.slice(from, from + together)),
    )[0]!;
    const list = JSON.parse(`[${heads}]`) as (number | string)[];
    let start = 0;
    for (let i = 0; i < list.length; i += columns) {
      const [type, id, ver, lu, op, codec, length] = list.slice(i, i + columns) as Head;
      const body = bodies.subarray(start, (start += length));
      const ref = { type: connection.dictionary.kindOf(type).name, id };
      versions.push(toVersion(ref, { ver, lu, op, codec, body }));
    }
  }
  return versions;
}

/** The identity of a resource by its number. */
export function refOf(connection: Connection, rid: number): Ref {
  const row = connection.get<{ type: number; id: string }>('SELECT type, id FROM res WHERE rid = ?', rid)!;
  return { type: connection.dictionary.kindOf(row.type).name, id: row.id };
}

/** How many there are of a type, its last line in the log, and how often rows were changed without a line there. */
export function stateOf(connection: Connection, type: string): string {
  const row = connection.row<readonly [number, number | null, number | null]>(
    `SELECT n, (SELECT seq FROM log WHERE type = id ORDER BY seq DESC LIMIT 1), (SELECT v FROM meta WHERE k = 'epoch')
     FROM kind WHERE name = ? AND n > 0`,
    type,
  );
  return row?.join(' ') ?? '';
}
