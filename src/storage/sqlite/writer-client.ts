// The writer's thread as seen from the main one: commits of the same turn go over in one message, each is settled when
// its group is on disk.
import { setImmediate as nextTurn } from 'node:timers/promises';
import { Worker } from 'node:worker_threads';
import { FhirError } from '../../errors.js';
import { WriteConflict } from '../store.js';
import type { ConnectionOptions } from './connection.js';
import { told } from './failure.js';
import type { Task } from './maintenance.js';
import { Packer, type Item } from './parcel.js';
import type { Answer, FromWriter, ToWriter } from './writer-thread.js';
import type { Commit } from './writer.js';

/** So many writes are packed within a millisecond. */
const partWrites = 64;
/** So many commits are handed over at once, so that the writer begins while the next ones of this turn are judged. */
const handedOver = 6;

interface Waiting {
  readonly resources: number;
  resolve(result: unknown): void;
  reject(error: unknown): void;
}

export interface WriterClient {
  /** A number that is another before anything that was written is told of: no other process writes to the file. */
  settled(): number;
  commit(commit: Commit): Promise<void>;
  task<T>(task: Task): Promise<T>;
  /** Waits for everything handed over, then ends the thread. */
  close(): Promise<void>;
}

/** Starts the thread; resolves when the file is open. `committed` hears of every group how many resources it had. */
export async function startWriter(
  options: ConnectionOptions,
  committed: (resources: number) => void,
): Promise<WriterClient> {
  const worker = new Worker(new URL('./writer-thread.js', import.meta.url), { workerData: options });
  const waiting = new Map<number, Waiting>();
  let outgoing: Item[] = [];
  const packer = new Packer();
  const handing = new Set<Promise<void>>();
  let next = 1;
  let settled = 0;
  let broken: unknown;
  const post = (message: ToWriter): void => worker.postMessage(message);
  const send = (items: readonly Item[]): void => {
    const parcel = packer.pack(items);
    worker.postMessage({ what: 'commits', parcel } satisfies ToWriter, [
      parcel.numbers.buffer,
      parcel.bodies.buffer,
    ]);
  };

  const settle = (answer: Answer): number => {
    const one = waiting.get(answer.id);
    if (one === undefined) return 0;
    waiting.delete(answer.id);
    if (answer.conflict !== undefined) {
      const { reason, index, what, owner } = answer.conflict;
      one.reject(new WriteConflict(reason, index, what, owner));
      return 0;
    }
    if (answer.failed !== undefined) {
      one.reject(told(answer.failed));
      return 0;
    }
    one.resolve(answer.result);
    return one.resources;
  };
  const stop = (error: unknown): void => {
    broken ??= error;
    for (const one of waiting.values()) one.reject(stopped(error));
    waiting.clear();
  };

  const ready = promised();
  const closed = promised();
  worker.on('message', (message: FromWriter) => {
    if (message.what === 'ready') ready.resolve();
    else if (message.what === 'unopened') ready.reject(told(message.failed));
    else if (message.what === 'answers') {
      settled++;
      committed(message.answers.reduce((sum, answer) => sum + settle(answer), 0));
    }
  });
  worker.on('error', stop);
  worker.on('exit', () => {
    // Only now has every message arrived, so that what it told of a file it could not open came before this.
    stop(new Error('The writer ended.'));
    ready.reject(broken);
    closed.resolve();
  });
  await ready.promise;

  const register = <T>(resources: number, send: (id: number) => void): Promise<T> => {
    if (broken !== undefined) return Promise.reject(stopped(broken));
    const id = next++;
    return new Promise<T>((resolve, reject) => {
      waiting.set(id, { resources, resolve: resolve, reject });
      send(id);
    });
  };
  /** A long commit goes over in parts: to copy all of it for the thread at once would keep reads waiting. */
  const handOver = async (id: number, commit: Commit): Promise<void> => {
    const { writes } = commit;
    let at = 0;
    for (; writes.length - at > partWrites; at += partWrites) {
      send([{ id, commit: { writes: writes.slice(at, at + partWrites) }, isPart: true }]);
      await nextTurn();
    }
    outgoing.push({ id, commit: at === 0 ? commit : { ...commit, writes: writes.slice(at) }, isPart: false });
    if (outgoing.length === handedOver) flush();
    else if (outgoing.length === 1) setImmediate(flush);
  };
  const flush = (): void => {
    const items = outgoing;
    outgoing = [];
    if (items.length > 0) send(items);
  };
  return {
    settled: () => settled,
    commit: commit =>
      register<void>(commit.writes.length, id => {
        const done = handOver(id, commit).finally(() => handing.delete(done));
        handing.add(done);
      }),
    task: task =>
      register(0, id => {
        flush();
        post({ what: 'task', id, task });
      }),
    close: async () => {
      await Promise.all(handing);
      flush();
      post({ what: 'close' });
      await closed.promise;
    },
  };
}

/** A promise with its ends in hand. */
function promised(): { promise: Promise<void>; resolve: () => void; reject: (error: unknown) => void } {
  let ends: { resolve: () => void; reject: (error: unknown) => void } | undefined;
  const promise = new Promise<void>((resolve, reject) => (ends = { resolve, reject }));
  promise.catch(() => undefined); // whoever waits hears of it
  return { promise, ...ends! };
}

const stopped = (cause: unknown): FhirError =>
  new FhirError('unavailable', 'The store has stopped.', { cause });
