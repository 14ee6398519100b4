// A SQLite connection: its settings, its statements, its dictionaries and the functions a filter calls from within SQL.
// https://www.sqlite.org/wal.html, https://www.sqlite.org/mmap.html
// Surprising: a large page cache makes commits slower (docs/decisions/0020-sqlite-layout.md), so the file is mapped instead.
import Database from 'better-sqlite3';
import { startClock, type Clock } from './clock.js';
import { Dictionary } from './dictionary.js';
import { partsOf } from './letters.js';
import type { Sets } from './bits.js';
import { statementsOf, type Statements } from './statements.js';

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
  /** So many rows of an index are read in order before the candidates are counted. */
  readonly probe: number;
  /** At most so many resources carry a chain on. */
  readonly chain: number;
  /** How many rows a first step reads. */
  readonly window: number;
  /** How long a step may take, in milliseconds; windows grow and shrink to it. */
  readonly stepMs: number;
  /** How long a question may take on the main thread before it goes to the readers', in milliseconds. */
  readonly patienceMs: number;
}
export const limits: Limits = {
  few: 300,
  many: 20_000,
  probe: 2000,
  chain: 2000,
  window: 64,
  stepMs: 8,
  patienceMs: 4,
};

export interface Connection extends Statements {
  readonly db: Database.Database;
  readonly dictionary: Dictionary;
  readonly slots: Slots;
  /** Ends statements that are within filters. */
  readonly clock: Clock;
  readonly limits: Limits;
  /** Where sets of resources are kept; absent where what needs them is left to others. */
  readonly sets?: Sets;
}

export interface ConnectionOptions {
  readonly path: string;
  readonly write?: boolean;
  readonly durability?: 'full' | 'normal';
  readonly limits?: Partial<Limits>;
  /** Keeps sets of resources from search to search. */
  readonly keepsSets?: boolean;
}

export function connect(options: ConnectionOptions): Connection {
  const db = new Database(options.path, { readonly: !options.write, timeout: 5000 });
  if (options.write) {
    db.pragma('page_size = 4096');
    db.pragma('journal_mode = WAL');
    db.pragma(`synchronous = ${options.durability === 'normal' ? 'NORMAL' : 'FULL'}`);
    db.pragma('wal_autocheckpoint = 0');
    db.pragma('journal_size_limit = 67108864');
  }
  db.pragma('cache_size = -8000');
  db.pragma('mmap_size = 2147418112');
  db.pragma('temp_store = MEMORY');

  const slots: Slots = { holds: [], inset: [], tuple: [] };
  const clock = startClock();
  db.function('holds', (slot, packed) => {
    clock.check();
    return slots.holds[slot as number]!(packed as Buffer) ? 1 : 0;
  });
  db.function('goes', () => {
    clock.check();
    return 1;
  });
  db.function('inset', (slot, rid) => (slots.inset[slot as number]!(rid as number) ? 1 : 0));
  db.function('tuple', (slot, a, b, j) =>
    slots.tuple[slot as number]!(a as string, b as string | number, j as string) ? 1 : 0,
  );

  db.function('parts', (p, text) => partsOf(p as number, text as string));

  const statements = statementsOf(db);
  return {
    ...statements,
    db,
    slots,
    clock,
    limits: { ...limits, ...options.limits },
    dictionary: new Dictionary(statements),
    ...(options.keepsSets ? { sets: new Map() } : {}),
  };
}
