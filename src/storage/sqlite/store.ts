// The embedded store: SQLite in one file. Writes go to a thread that shares one fsync among waiting commits, short
// reads are answered here and at once, long ones in a thread of readers. docs/decisions/0020-sqlite-layout.md
import { setImmediate as turn, setTimeout as wait } from 'node:timers/promises';
import { FhirError } from '../../errors.js';
import type { Ref } from '../../fhir/resource.js';
import type { SearchPlan } from '../../search/plan.js';
import type { Change, Explanation, HistoryScope, Page, Receipt, Store, Version, Write } from '../store.js';
import { check } from './check.js';
import { connect, type Connection, type ConnectionOptions, type Limits } from './connection.js';
import { OutOfTime } from './clock.js';
import { failure } from './failure.js';
import { indexSome } from './index-some.js';
import { logAfter, methodOf } from './history.js';
import { lock } from './lock.js';
import { makePrivate } from './private-file.js';
import type { Steps } from './query.js';
import { answer, type Answered, type Question } from './reader.js';
import { deletion, readVersion, refOf, stateOf, toVersion, type Stored } from './record.js';
import { Thread } from './thread.js';
import { joinWriter, startWriter, type Admission, type WriterClient } from './writer-client.js';

export interface SqliteOptions {
  /** The database file; it and its folder are made where missing. */
  readonly path: string;
  /** 'full' (default): a commit is on disk before it resolves. 'normal': a power cut may lose the last ones. */
  readonly durability?: 'full' | 'normal';
  /** How long one search, count or history may take, in milliseconds; 20,000 by default. */
  readonly searchBudgetMs?: number;
  /** Where searches take one way or another; for tests. */
  readonly limits?: Partial<Limits>;
}

/** A single statement that takes longer here, in milliseconds, ends and starts again in the readers' thread. */
const mostPatience = 25;
const scanPage = 200;
const changesPage = 500;
/** After so many resources written the WAL is moved into the file. */
const checkpointEvery = 2000;
/** So long afterwards: what was written is to be answered first. */
const afterwardsMs = 25;
/** A WAL of more pages starts anew: what is in it is read slower than the file, and a page may be in any of its parts. */
const shortWal = 4096;
/** For one of more pages the writer waits until nobody reads it. */
const longWal = 65_536;

export interface SqliteStore extends Store {
  /** What another thread of this process needs to open the same file (`joinSqliteStore`); it closes its store first. */
  admit(): Admission;
}

/**
 * The store that another thread of this process has open: reads are answered here, commits go to its writer, so that
 * there is one. What is a keeper's to do (backup, check, index) is left to the other thread.
 */
export function joinSqliteStore(options: SqliteOptions, admission: Admission): Store {
  const { path, durability = 'full', searchBudgetMs = 20_000, limits = {} } = options;
  const shared: ConnectionOptions = { path, durability, limits };
  try {
    const connection = connect(shared);
    const threads = threadsOf(shared);
    const writer = joinWriter(admission, () => forget(connection, threads.running));
    const wal: WalKeeper = { wrote: () => undefined, stop: () => Promise.resolve() };
    return store({ connection, writer, ...threads, searchBudgetMs, wal, unlock: () => undefined });
  } catch (error) {
    throw opening(path, error);
  }
}

/** @throws FhirError `unavailable` where the file is in use, damaged, of a newer release, or cannot be written. */
export async function openSqliteStore(options: SqliteOptions): Promise<SqliteStore> {
  const { path, durability = 'full', searchBudgetMs = 20_000, limits = {} } = options;
  const shared: ConnectionOptions = { path, durability, limits };
  let unlock: () => void;
  try {
    makePrivate(path);
    unlock = lock(path);
  } catch (error) {
    throw opening(path, error);
  }
  try {
    const threads = threadsOf(shared);
    const wal = walKeeper(threads.background, () => writer);
    const writer = await startWriter(shared, wal.wrote);
    const connection = connect(shared);
    const opened = store({ connection, writer, ...threads, searchBudgetMs, wal, unlock });
    return { ...opened, admit: () => writer.admit() };
  } catch (error) {
    unlock();
    throw opening(path, error);
  }
}

interface Threads {
  readonly background: () => Thread;
  readonly readers: () => Thread;
  readonly running: { background?: Thread; readers?: Thread };
}

/** Threads that are started when they are first needed. */
function threadsOf(shared: ConnectionOptions): Threads {
  const running: Threads['running'] = {};
  return {
    running,
    background: () =>
      (running.background ??= new Thread(new URL('./background-thread.js', import.meta.url), shared)),
    readers: () => (running.readers ??= new Thread(new URL('./reader-thread.js', import.meta.url), shared)),
  };
}

/** What is known of the file may be of something that was removed. */
function forget(connection: Connection, { readers }: Threads['running']): void {
  connection.dictionary.forget();
  readers?.tell({ what: 'forget' });
}

function opening(path: string, error: unknown): FhirError {
  const failed = failure(error);
  const why = failed instanceof Error ? failed.message : String(failed);
  if (why.includes(path)) return new FhirError('unavailable', why, { cause: error });
  return new FhirError('unavailable', `The store ${path} cannot be opened. ${why}`, { cause: error });
}

interface WalKeeper {
  readonly wrote: (resources: number) => void;
  /** No checkpoint from now on; resolves when none is under way. */
  readonly stop: () => Promise<void>;
}

/**
 * Moves the WAL into the file from time to time, off the writer's thread. The writer then moves the little that it wrote
 * meanwhile, because a WAL starts anew only when all of it has been moved.
 */
function walKeeper(background: () => Thread, writer: () => WriterClient): WalKeeper {
  let written = 0;
  let working: Promise<void> | undefined;
  let stopped = false;
  const checkpoint = async (): Promise<void> => {
    await wait(afterwardsMs);
    if (stopped) return;
    const pages = await background().ask<number>({ what: 'checkpoint' });
    if (pages > shortWal) await writer().task({ task: 'checkpoint', waits: pages > longWal });
  };
  return {
    wrote: resources => {
      written += resources;
      if (stopped || written < checkpointEvery || working !== undefined) return;
      written = 0;
      // A failed checkpoint loses nothing, the next one does its work.
      working = checkpoint().catch(() => undefined).finally(() => (working = undefined)); // prettier-ignore
    },
    stop: async () => {
      stopped = true;
      await working;
    },
  };
}

interface Parts extends Threads {
  readonly connection: Connection;
  readonly writer: WriterClient;
  readonly searchBudgetMs: number;
  readonly wal: WalKeeper;
  readonly unlock: () => void;
}

function store({
  connection,
  writer,
  background,
  readers,
  running: threads,
  searchBudgetMs,
  wal,
  unlock,
}: Parts): Store {
  let closed: Promise<void> | undefined;
  const states = new Map<string, { readonly at: number; readonly state: string }>();

  const direct = async <T>(read: () => T): Promise<T> => {
    if (closed !== undefined) throw new FhirError('unavailable', 'The store is closed.');
    try {
      return read();
    } catch (error) {
      throw failure(error);
    }
  };

  /** Answers here what is quick, and hands over what is not. */
  async function ask<T extends Answered>(question: Question): Promise<T> {
    const quick = await direct(() => {
      const started = performance.now();
      connection.clock.until = started + mostPatience;
      const steps = answer(connection, question);
      try {
        return stepped(steps, started);
      } catch (error) {
        if (error instanceof OutOfTime) return undefined;
        throw error;
      } finally {
        connection.clock.until = Infinity;
      }
    });
    if (quick !== undefined && quick !== 'long') return quick.result as T;
    return readers().ask({ what: 'ask', question, budgetMs: searchBudgetMs, isLong: quick === 'long' });
  }

  /** The answer, where it comes within the patience there is; 'long' where the search has found that it needs sets. */
  function stepped(
    steps: Steps<Answered>,
    started: number,
  ): { readonly result: Answered } | 'long' | undefined {
    for (;;) {
      const step = steps.next();
      if (step.done) return { result: step.value };
      if (step.value === 'long' || performance.now() - started >= connection.limits.patienceMs) {
        steps.return(0);
        return step.value;
      }
    }
  }

  /** Resources in order of creation, a page at a time. */
  async function* pages(
    types: readonly string[],
  ): AsyncGenerator<readonly (Version & { readonly rid: number })[]> {
    const kinds = await direct(() => types.flatMap(type => connection.dictionary.kind(type)?.id ?? []));
    if (types.length > 0 && kinds.length === 0) return;
    let last = 0;
    for (;;) {
      const rows = await direct(() =>
        connection.all<Stored & { rid: number; type: number; id: string }>(
          `SELECT rid, type, id, ver, lu, op, codec, body FROM res WHERE rid > ? AND op <> ${deletion}
           ${types.length > 0 ? 'AND type IN (SELECT value FROM json_each(?))' : ''} ORDER BY rid LIMIT ?`,
          last,
          ...(types.length > 0 ? [JSON.stringify(kinds)] : []),
          scanPage,
        ),
      );
      if (rows.length === 0) return;
      yield rows.map(row => ({
        ...toVersion({ type: connection.dictionary.kindOf(row.type).name, id: row.id }, row),
        rid: row.rid,
      }));
      last = rows.at(-1)!.rid;
      await turn();
    }
  }

  /** The writer's connection goes last: as the only one left it moves the whole log into the file and removes it. */
  async function close(): Promise<void> {
    await wal.stop();
    await threads.readers?.close();
    await threads.background?.close();
    connection.db.close();
    await writer.close();
    unlock();
  }

  return {
    capabilities: { name: 'sqlite', onlineBackup: true, shared: false },
    read: (ref, version) => direct(() => readVersion(connection, ref, version)),
    readMany: refs =>
      direct(() =>
        refs.flatMap(ref => readVersion(connection, ref) ?? []).filter(one => one.body !== undefined),
      ),
    search: (plan: SearchPlan) => ask<Page>({ ask: 'search', plan }),
    count: (plan: SearchPlan) => ask<number>({ ask: 'count', plan }),
    // https://www.sqlite.org/pragma.html#pragma_data_version
    generation: () => connection.one<number>('PRAGMA data_version')!,
    stateOf: type => {
      const now = writer.settled();
      const known = states.get(type);
      if (known?.at === now) return known.state;
      const state = stateOf(connection, type);
      states.set(type, { at: now, state });
      return state;
    },
    explain: (plan: SearchPlan) => ask<Explanation>({ ask: 'explain', plan }),
    history: (scope: HistoryScope) => ask<Page>({ ask: 'history', scope }),

    commit: async (writes: readonly Write[], receipt?: Receipt) => {
      if (closed !== undefined) throw new FhirError('unavailable', 'The store is closed.');
      await writer.commit({ writes, ...(receipt ? { receipt } : {}) });
    },
    receipt: key => direct(() => connection.one<Uint8Array>('SELECT body FROM receipt WHERE key = ?', key)),
    claimOwner: claim =>
      direct(() => {
        const rid = connection.one<number>('SELECT r FROM claim WHERE claim = ?', claim);
        return rid === undefined ? undefined : refOf(connection, rid);
      }),

    async *changes(after): AsyncGenerator<Change> {
      let seq = after === '' ? 0 : Number(after);
      if (!Number.isSafeInteger(seq))
        throw new FhirError('invalid-cursor', 'The cursor is not one of this change log.');
      for (;;) {
        const entries = await direct(() => logAfter(connection, seq, changesPage));
        for (const { type, id, version, op, lu, ...entry } of entries) {
          seq = entry.seq;
          yield { cursor: String(seq), ref: { type, id }, version, method: methodOf(op), lastUpdated: lu };
        }
        if (entries.length < changesPage) return;
      }
    },
    async *scan(types): AsyncGenerator<Version> {
      for await (const page of pages(types)) {
        for (const { rid: _, ...version } of page) yield version;
      }
    },

    expunge: async (ref: Ref, what) => {
      const removed = await writer.task<number>({ task: 'expunge', ref, what });
      forget(connection, threads);
      return removed;
    },
    fenceIndex: generation => writer.task({ task: 'fence', generation }),
    indexSome: (portion, rowsOf) => indexSome({ connection, writer, direct }, portion, rowsOf),
    forgetRows: async params => {
      while ((await writer.task<number>({ task: 'forgetRows', params })) > 0) await turn();
    },
    clearIndex: async () => {
      await writer.task({ task: 'clearIndex' });
      forget(connection, threads);
    },
    async *check(rowsOf): AsyncGenerator<string> {
      yield* await background().ask<string[]>({ what: 'checkPages' });
      yield* check(connection, pages([]), rowsOf);
    },
    indexVersion: () =>
      direct(() => connection.one<string>("SELECT v FROM meta WHERE k = 'indexVersion'") ?? ''),
    setIndexVersion: name => writer.task({ task: 'setIndexVersion', name }),

    counts: () =>
      direct(
        () =>
          new Map(
            connection
              .all<{ name: string; n: number }>('SELECT name, n FROM kind WHERE n > 0')
              .map(({ name, n }) => [name, n]),
          ),
      ),
    backup: path => background().ask({ what: 'backup', path }),
    ping: () => direct(() => void connection.one('SELECT 1 FROM kind')),
    close: () => (closed ??= close()),
  };
}
