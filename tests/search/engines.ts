// Everything that answers searches, each by one line: the cases and properties run through all of them.
import { randomUUID } from 'node:crypto';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { MongoClient } from 'mongodb';
import { openMongoStore } from '../../src/storage/mongo/store.js';
import { openSqliteStore } from '../../src/storage/sqlite/store.js';
import { openMemory, type Engine } from './memory.js';

export interface EngineRow {
  readonly name: string;
  /** Why it cannot run here. */
  readonly skip?: string;
  readonly open: () => Promise<Engine>;
}

async function openSqlite(): Promise<Engine> {
  const folder = await mkdtemp(join(tmpdir(), 'tsela-search-'));
  const store = await openSqliteStore({ path: join(folder, 'tsela.sqlite') });
  return {
    ...store,
    close: async () => {
      await store.close();
      await rm(folder, { recursive: true, force: true });
    },
  };
}

const mongoUrl = process.env['MONGODB_URL'];

async function openMongo(): Promise<Engine> {
  const database = `tsela-search-${randomUUID().slice(0, 8)}`;
  const store = await openMongoStore({ url: mongoUrl!, database });
  return {
    ...store,
    close: async () => {
      await store.close();
      const client = await new MongoClient(mongoUrl!).connect();
      await client.db(database).dropDatabase();
      await client.close();
    },
  };
}

export const engines: readonly EngineRow[] = [
  { name: 'matches', open: openMemory },
  { name: 'SQLite', open: openSqlite },
  { name: 'MongoDB', open: openMongo, ...(mongoUrl === undefined ? { skip: 'MONGODB_URL is not set' } : {}) },
];
