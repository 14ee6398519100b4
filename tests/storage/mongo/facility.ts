// A MongoDB facility for a test file: a database of its own, as many stores on it as there are "processes".
import { randomUUID } from 'node:crypto';
import { MongoClient, type Db } from 'mongodb';
import type { Row } from '../../../src/search/rows.js';
import { openMongoStore, type MongoStoreOptions } from '../../../src/storage/mongo/store.js';
import type { Store, Write } from '../../../src/storage/store.js';

export const url = process.env['MONGODB_URL'] ?? '';
/** For describe.skipIf: its title must say why. */
export const unavailable = url === '';
export const title = (what: string): string =>
  unavailable ? `${what} (skipped: MONGODB_URL is not set)` : what;

export interface Facility {
  readonly database: string;
  /** The database itself, to look behind the store. */
  readonly db: Db;
  /** Another store on it, as another process would have. */
  open(options?: Partial<MongoStoreOptions>): Promise<Store>;
  dispose(): Promise<void>;
}

export async function newFacility(): Promise<Facility> {
  const database = `tsela-test-${randomUUID().slice(0, 13)}`;
  const client = await new MongoClient(url).connect();
  const stores: Store[] = [];
  return {
    database,
    db: client.db(database),
    async open(options) {
      const store = await openMongoStore({ url, database, ...options });
      stores.push(store);
      return store;
    },
    async dispose() {
      await Promise.all(stores.map(store => store.close()));
      await client.db(database).dropDatabase();
      await client.close();
    },
  };
}

export const bytes = (text: string): Uint8Array => new TextEncoder().encode(text);

/** A write of `Type/id`; with `content` null a deletion. */
export function write(key: string, more: Partial<Write> & { content?: string | null } = {}): Write {
  const [type, id] = key.split('/') as [string, string];
  const { content, ...rest } = more;
  return {
    ref: { type, id },
    expected: 0,
    method: content === null ? 'DELETE' : 'PUT',
    lastUpdated: Date.now(),
    ...(content === null ? {} : { body: bytes(content ?? `{"resourceType":"${type}","id":"${id}"}`) }),
    rows: [],
    replaces: [],
    ...rest,
  };
}

export const token = (param: string, code: string, system = ''): Row => ({
  kind: 'token',
  param,
  system,
  code,
});
export const reference = (param: string, target: string): Row => ({
  kind: 'reference',
  param,
  target,
  version: '',
});

export async function collect<T>(items: AsyncIterable<T>): Promise<T[]> {
  const all: T[] = [];
  for await (const item of items) all.push(item);
  return all;
}
