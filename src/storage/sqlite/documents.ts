// The documents port on SQLite, in a database file of its own: few and small documents, each write synced before it
// answers, on the thread that asks (about 0.1 ms; nothing here grows with the number of patients).
import { randomInt } from 'node:crypto';
import Database from 'better-sqlite3';
import type { Document, Documents } from '../documents.js';
import { makePrivate } from './private-file.js';

interface Stored {
  readonly key: string;
  readonly value: string;
  readonly revision: number;
  readonly expires: number | null;
}

const schema = `
  CREATE TABLE IF NOT EXISTS document (
    collection TEXT NOT NULL,
    key TEXT NOT NULL,
    value TEXT NOT NULL,
    revision INTEGER NOT NULL,
    expires INTEGER,
    PRIMARY KEY (collection, key)
  ) WITHOUT ROWID;
  CREATE INDEX IF NOT EXISTS document_expires ON document (expires) WHERE expires IS NOT NULL;
`;

/** A consistent copy in a new file, also while others write. */
export function copySqliteDocuments(path: string, to: string): void {
  makePrivate(to); // an empty file is written into
  const database = new Database(path, { readonly: true, fileMustExist: true, timeout: 5_000 });
  try {
    database.prepare('VACUUM INTO ?').run(to);
  } finally {
    database.close();
  }
}

/** `path`: the database file; its folder is made where it is missing. */
export async function openSqliteDocuments(options: { readonly path: string }): Promise<Documents> {
  makePrivate(options.path);
  const database = new Database(options.path, { timeout: 5_000 });
  database.pragma('journal_mode = WAL');
  database.pragma('synchronous = FULL');
  database.exec(schema);

  const living = 'collection = :collection AND key = :key AND (expires IS NULL OR expires > :now)';
  const get = database.prepare<object, Stored>(`SELECT * FROM document WHERE ${living}`);
  const insertOrReplace = `INSERT INTO document VALUES (:collection, :key, :value, :revision, :expires)
    ON CONFLICT DO UPDATE SET value = excluded.value, revision = excluded.revision, expires = excluded.expires`;
  const put = database.prepare(insertOrReplace);
  const insert = database.prepare(`${insertOrReplace} WHERE expires <= :now`);
  const swap = database.prepare(
    `UPDATE document SET value = :value, revision = :revision, expires = :expires WHERE ${living} AND revision = :expected`,
  );
  const take = database.prepare<object, Stored>(`DELETE FROM document WHERE ${living} RETURNING *`);
  const remove = database.prepare(
    `DELETE FROM document WHERE ${living} AND (:expected IS NULL OR revision = :expected)`,
  );
  const list = database.prepare<object, Stored>(
    `SELECT * FROM document WHERE collection = :collection AND key >= :prefix AND substr(key, 1, length(:prefix)) = :prefix
       AND (:after IS NULL OR key > :after) AND (expires IS NULL OR expires > :now) ORDER BY key LIMIT :limit`,
  );
  const sweep = database.prepare('DELETE FROM document WHERE expires <= :now');

  return {
    get: async (collection, key) => made(get.get({ collection, key, now: Date.now() })),
    put: async (collection, key, value, { expires, expected } = {}) => {
      // Random, so that a document made again never has the revision of the one before.
      const revision = randomInt(1, 2 ** 48 - 1);
      const row = { collection, key, value: JSON.stringify(value), revision, expires: expires ?? null };
      const now = Date.now();
      const { changes } =
        expected === undefined
          ? put.run(row)
          : expected === 0
            ? insert.run({ ...row, now })
            : swap.run({ ...row, now, expected });
      return changes === 1 ? revision : undefined;
    },
    take: async (collection, key) => made(take.get({ collection, key, now: Date.now() })),
    delete: async (collection, key, expected) =>
      remove.run({ collection, key, now: Date.now(), expected: expected ?? null }).changes === 1,
    list: async (collection, { prefix = '', after, limit = -1 } = {}) =>
      list.all({ collection, prefix, after: after ?? null, limit, now: Date.now() }).map(row => made(row)!),
    sweep: async () => sweep.run({ now: Date.now() }).changes,
    close: async () => {
      database.close();
    },
  };
}

const made = (stored: Stored | undefined): Document | undefined =>
  stored && {
    key: stored.key,
    value: JSON.parse(stored.value) as unknown,
    revision: stored.revision,
    ...(stored.expires === null ? {} : { expires: stored.expires }),
  };
