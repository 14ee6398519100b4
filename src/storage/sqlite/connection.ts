// A SQLite connection with its statements kept by their text, and the two functions a filter calls from within SQL.
// https://www.sqlite.org/wal.html, https://www.sqlite.org/mmap.html
// Surprising: a large page cache makes commits slower (docs/decisions/0001-sqlite-layout.md), so the file is mapped instead.
import Database from 'better-sqlite3';
import { Dictionary } from './dictionary.js';

export type Value = string | number | null | Uint8Array;

/** Predicates that a statement calls by their place: over packed values, a resource number, a composite's columns. */
export interface Slots {
  readonly holds: ((packed: Buffer) => boolean)[];
  readonly inset: ((rid: number) => boolean)[];
  readonly tuple: ((a: string, b: string | number, j: string) => boolean)[];
}

export interface Connection {
  readonly db: Database.Database;
  readonly dictionary: Dictionary;
  readonly slots: Slots;
  /** All rows as objects. */
  all<T>(sql: string, ...args: Value[]): T[];
  /** The first row, if any. */
  get<T>(sql: string, ...args: Value[]): T | undefined;
  /** The first column of all rows. */
  column<T>(sql: string, ...args: Value[]): T[];
  /** The first column of the first row, if any. */
  one<T>(sql: string, ...args: Value[]): T | undefined;
  run(sql: string, ...args: Value[]): Database.RunResult;
}

export interface ConnectionOptions {
  readonly path: string;
  readonly write?: boolean;
  readonly durability?: 'full' | 'normal';
}

const statementsKept = 1000;

export function connect(options: ConnectionOptions): Connection {
  const db = new Database(options.path, { readonly: !options.write, timeout: 5000 });
  if (options.write) {
    db.pragma('page_size = 4096');
    db.pragma('journal_mode = WAL');
    db.pragma(`synchronous = ${options.durability === 'normal' ? 'NORMAL' : 'FULL'}`);
    db.pragma('wal_autocheckpoint = 0');
  }
  db.pragma('cache_size = -8000');
  db.pragma('mmap_size = 2147418112');
  db.pragma('temp_store = MEMORY');

  const slots: Slots = { holds: [], inset: [], tuple: [] };
  db.function('holds', (slot, packed) => (slots.holds[slot as number]!(packed as Buffer) ? 1 : 0));
  db.function('inset', (slot, rid) => (slots.inset[slot as number]!(rid as number) ? 1 : 0));
  db.function('tuple', (slot, a, b, j) =>
    slots.tuple[slot as number]!(a as string, b as string | number, j as string) ? 1 : 0,
  );

  const kept = new Map<string, Database.Statement<Value[]>>();
  const statement = (sql: string, pluck: boolean): Database.Statement<Value[]> => {
    const key = pluck ? `1${sql}` : sql;
    let found = kept.get(key);
    if (found === undefined) {
      if (kept.size >= statementsKept) kept.delete(kept.keys().next().value!);
      found = db.prepare<Value[]>(sql);
      if (pluck) found.pluck();
      kept.set(key, found);
    }
    return found;
  };
  const connection: Connection = {
    db,
    slots,
    dictionary: undefined as unknown as Dictionary,
    all: <T>(sql: string, ...args: Value[]) => statement(sql, false).all(...args) as T[],
    get: <T>(sql: string, ...args: Value[]) => statement(sql, false).get(...args) as T | undefined,
    column: <T>(sql: string, ...args: Value[]) => statement(sql, true).all(...args) as T[],
    one: <T>(sql: string, ...args: Value[]) => statement(sql, true).get(...args) as T | undefined,
    run: (sql, ...args) => statement(sql, false).run(...args),
  };
  return Object.assign(connection, { dictionary: new Dictionary(connection) });
}
