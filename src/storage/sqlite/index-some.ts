// Makes the rows of some resources beside traffic: their bodies are read here, their postings go in by the writer's
// thread, which sends back what changed in between. docs/decisions/0040-custom-parameters.md
import { setImmediate as turn } from 'node:timers/promises';
import type { Portion, RowsOf, Version } from '../store.js';
import type { Connection } from './connection.js';
import { deletion, toVersion, type Stored } from './record.js';
import type { WriterClient } from './writer-client.js';

interface Reach {
  readonly connection: Connection;
  readonly writer: WriterClient;
  readonly direct: <T>(read: () => T) => Promise<T>;
}

type Numbered = Version & { readonly rid: number };

/** So many rows are made without letting others have a turn. */
const atOnce = 25;

export async function indexSome(
  { connection, writer, direct }: Reach,
  { types, after, count, params }: Portion,
  rowsOf: RowsOf,
): Promise<{ done: number; next?: string }> {
  const read = (where: string, ...args: readonly (string | number)[]): Promise<Numbered[]> =>
    direct(() =>
      connection
        .all<Stored & { rid: number; type: number; id: string }>(
          `SELECT rid, type, id, ver, lu, op, codec, body FROM res WHERE ${where} AND op <> ${deletion} ORDER BY rid`,
          ...args,
        )
        .map(row => ({
          ...toVersion({ type: connection.dictionary.kindOf(row.type).name, id: row.id }, row),
          rid: row.rid,
        })),
    );
  const kinds = await direct(() => types.flatMap(type => connection.dictionary.kind(type)?.id ?? []));
  if (types.length > 0 && kinds.length === 0) return { done: 0 };
  const ofTypes = types.length > 0 ? 'AND type IN (SELECT value FROM json_each(?))' : '';
  // The last of the portion is found first, so that bodies are read a few at a time.
  const rids = await direct(() =>
    connection.column<number>(
      `SELECT rid FROM res WHERE rid > ? AND op <> ${deletion} ${ofTypes} ORDER BY rid LIMIT ?`,
      Number(after),
      ...(types.length > 0 ? [JSON.stringify(kinds)] : []),
      count,
    ),
  );
  for (let left = rids; left.length > 0;) {
    const some = left.slice(0, atOnce);
    const versions = await read('rid IN (SELECT value FROM json_each(?))', JSON.stringify(some));
    const moved = await writer.task<readonly number[]>({
      task: 'index',
      resources: versions.map(one => ({ rid: one.rid, version: one.version, rows: rowsOf(one) })),
      ...(params === undefined ? {} : { params }),
    });
    left = [...moved, ...left.slice(atOnce)];
    await turn();
  }
  return { done: rids.length, ...(rids.length < count ? {} : { next: String(rids.at(-1)) }) };
}
