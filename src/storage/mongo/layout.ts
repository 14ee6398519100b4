// What lies where in a facility's database, with its indexes. docs/decisions/0010-mongodb-layout.md has the reasons.
// Resource types begin with a capital letter and the store's own collections do not, so they cannot meet.
import type { Binary, Collection, Db, IndexDescription } from 'mongodb';
import type { Method } from '../store.js';
import type { IndexFields } from './fields.js';

/** The body of a version: in place, or in so many chunks where it is too big for a document. A deletion has neither. */
export interface Body {
  raw?: Binary;
  parts?: number;
}

/** The current version of a resource, in the collection of its type. */
export interface Current extends Body, IndexFields {
  /** The resource's id. */
  _id: string;
  /** The number of its creation, for order; negative while it is deleted. */
  o: number;
  v: number;
  lu: number;
  m: Method;
  /** It owns claims. */
  cl?: true;
}

/** A superseded version. `_id`: `Type/id/version`. */
export interface Past extends Body {
  _id: string;
  /** `Type/id`. */
  r: string;
  v: number;
  lu: number;
  m: Method;
  /** When it was superseded. */
  end: number;
}

/** A place in the change log: a pointer to a version, or nothing (a number that was taken and not used). */
export interface LogRow {
  _id: number;
  t?: string;
  /** `Type/id`. */
  r?: string;
  v?: number;
  m?: Method;
  lu?: number;
}

export interface Claim {
  _id: string;
  /** The owner, `Type/id`. */
  r: string;
}
export interface Lock {
  _id: string;
  n: number;
  at: Date;
}
export interface Chunk {
  /** `Type/id/version/i`. */
  _id: string;
  /** `Type/id`. */
  r: string;
  v: number;
  data: Binary;
}
export interface StoredReceipt {
  _id: string;
  raw: Binary;
}
/** A driver session that runs transactions, by its id in hex, and whose it is (sessions.ts). */
export interface UsedSession {
  _id: string;
  host: string;
  pid: number;
  began: number;
  at: Date;
}
export interface Counter {
  _id: 'created' | 'log';
  n: number;
  /** Of `log`: rows made with search parameters of a lower generation are refused to whoever takes numbers from now on. */
  index?: number;
}
export interface Setting {
  _id: string;
  value: string;
}

export interface Layout {
  readonly db: Db;
  type(name: string): Collection<Current>;
  readonly history: Collection<Past>;
  readonly log: Collection<LogRow>;
  readonly claims: Collection<Claim>;
  readonly locks: Collection<Lock>;
  readonly chunks: Collection<Chunk>;
  readonly receipts: Collection<StoredReceipt>;
  readonly sessions: Collection<UsedSession>;
  readonly counters: Collection<Counter>;
  readonly settings: Collection<Setting>;
  /** Makes the collections of these types with their indexes, where they are not there. Never inside a transaction. */
  ensure(types: Iterable<string>): Promise<void>;
  /** The resource types that have a collection. */
  types(): Promise<readonly string[]>;
}

/** Named, so that a search can say which one it means (`hint`). */
export const typeIndexes = {
  key: { k: 1, o: 1 },
  date: { 'd.p': 1, 'd.lo': 1, 'd.hi': 1 },
  number: { 'n.p': 1, 'n.lo': 1, 'n.hi': 1 },
  composite: { 'c.p': 1, 'c.c0.code': 1 },
  created: { o: 1 },
  updated: { lu: 1, o: 1 },
} as const;
export type TypeIndex = keyof typeof typeIndexes;

const hour = 3_600;
const ownIndexes: Readonly<Record<string, readonly IndexDescription[]>> = {
  history: [{ key: { r: 1, v: 1 }, name: 'resource' }],
  log: [
    { key: { t: 1, _id: 1 }, name: 'type' },
    { key: { r: 1, _id: 1 }, name: 'resource' },
  ],
  claims: [{ key: { r: 1 }, name: 'owner' }],
  chunks: [{ key: { r: 1, v: 1 }, name: 'resource' }],
  // A lock is only of use to transactions that overlap, and those live for seconds.
  locks: [{ key: { at: 1 }, name: 'swept', expireAfterSeconds: hour }],
  sessions: [{ key: { at: 1 }, name: 'swept', expireAfterSeconds: 24 * hour }],
  receipts: [],
  counters: [],
  settings: [],
};

export async function openLayout(db: Db): Promise<Layout> {
  const ensured = new Map<string, Promise<void>>();
  const ensure = (name: string, indexes: readonly IndexDescription[]): Promise<void> => {
    let made = ensured.get(name);
    if (made === undefined) {
      made = createCollection(db, name, indexes).catch((error: unknown) => {
        ensured.delete(name);
        throw error;
      });
      ensured.set(name, made);
    }
    return made;
  };
  const ofType = Object.entries(typeIndexes).map(([name, key]) => ({ key, name }));
  for (const [name, indexes] of Object.entries(ownIndexes)) await ensure(name, indexes);
  return {
    db,
    type: name => db.collection<Current>(name),
    history: db.collection('history'),
    log: db.collection('log'),
    claims: db.collection('claims'),
    locks: db.collection('locks'),
    chunks: db.collection('chunks'),
    receipts: db.collection('receipts'),
    sessions: db.collection('sessions'),
    counters: db.collection('counters'),
    settings: db.collection('settings'),
    ensure: async types => {
      for (const type of types) await ensure(type, ofType);
    },
    types: async () => {
      const all = await db.listCollections({}, { nameOnly: true }).toArray();
      return all
        .map(collection => collection.name)
        .filter(name => /^[A-Z]/.test(name))
        .sort();
    },
  };
}

async function createCollection(db: Db, name: string, indexes: readonly IndexDescription[]): Promise<void> {
  // createIndexes makes the collection with its indexes at once: there is no moment with one and not the others.
  if (indexes.length > 0) await db.command({ createIndexes: name, indexes });
  else {
    await db.createCollection(name).catch((error: unknown) => {
      if ((error as { code?: unknown }).code !== 48) throw error; // 48: it exists
    });
  }
}
