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

/** Where a search takes one way or another. Tests make them small, so that few resources go the ways of many. */
export interface Limits {
  /** So few candidates are simply sorted. */
  readonly few: number;
  /** More than so many are not collected; an index is read in order instead. */
  readonly many: number;
  /** At most so many resources carry a chain on. */
  readonly chain: number;
  /** How many rows a first step reads. */
  readonly window: number;
  /** How long a step may take, in milliseconds; windows grow and shrink to it. */
  readonly stepMs: number;
  /** How long a question may take on the main thread before it goes to the readers', in milliseconds. */
  readonly patienceMs: number;
}
export const limits: Limits = { few: 300, many: 20_000, chain: 2000, window: 64, stepMs: 8, patienceMs: 4 };

export interface Connection {
  readonly db: Database.Database;
  readonly dictionary: Dictionary;
  readonly slots: Slots;
  readonly limits: Limits;
  /** All rows as objects. */
  all<T>(sql: string, ...args: Value[]): T[];
  /** All rows as arrays, which cost less than objects. */
  rows<T extends readonly Value[]>(sql: string, ...args: Value[]): T[];
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
  readonly limits?: Partial<Limits>;
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
  const statement = (sql: string, form?: 'pluck' | 'raw'): Database.Statement<Value[]> => {
    const key = form === undefined ? sql : `${form} ${sql}`;
    let found = kept.get(key);
    if (found === undefined) {
      if (kept.size >= statementsKept) kept.delete(kept.keys().next().value!);
      found = db.prepare<Value[]>(sql);
      if (form !== undefined) found[form]();
      kept.set(key, found);
    }
    return found;
  };
  const connection: Connection = {
    db,
    slots,
    limits: { ...limits, ...options.limits },
    dictionary: undefined as unknown as Dictionary,
    all: <T>(sql: string, ...args: Value[]) => statement(sql).all(...args) as T[],
    rows: <T extends readonly Value[]>(sql: string, ...args: Value[]) =>
      statement(sql, 'raw').all(...args) as T[],
    get: <T>(sql: string, ...args: Value[]) => statement(sql).get(...args) as T | undefined,
    column: <T>(sql: string, ...args: Value[]) => statement(sql, 'pluck').all(...args) as T[],
    one: <T>(sql: string, ...args: Value[]) => statement(sql, 'pluck').get(...args) as T | undefined,
    run: (sql, ...args) => statement(sql).run(...args),
  };
  return Object.assign(connection, { dictionary: new Dictionary(connection) });
}
