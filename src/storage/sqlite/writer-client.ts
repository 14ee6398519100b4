// The writer's thread as seen from those that commit: the main one, which starts it, and others that join it. Commits of
// the same turn go over in one message, each is settled when its group is on disk.
import { setImmediate as nextTurn } from 'node:timers/promises';
import { isMainThread, MessageChannel, Worker, type MessagePort } from 'node:worker_threads';
import { FhirError } from '../../errors.js';
import { WriteConflict } from '../store.js';
import type { ConnectionOptions } from './connection.js';
import { told } from './failure.js';
import type { Task } from './maintenance.js';
import { Packer, type Item } from './parcel.js';
import type { Answer, FromWriter, ToWriter, WriterStart } from './writer-thread.js';
import type { Commit } from './writer.js';

/**
 * So many writes are packed within a millisecond. Elsewhere nobody waits for the thread, and to have the writer unpack one
 * part while the next is packed would keep a second processor from those who do.
 */
const partWrites = isMainThread ? 64 : Infinity;
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

/** The writer's thread as the one that started it has it. */
export interface OwnWriter extends WriterClient {
  /** What another thread of this process needs to commit too (`joinWriter`), until it closes the port. */
  admit(): Admission;
}

/** `port` is to be transferred. */
export interface Admission {
  readonly port: MessagePort;
  readonly settled: SharedArrayBuffer;
}

/** Starts the thread; resolves when the file is open. `committed` hears of every group how many resources it had. */
export async function startWriter(
  options: ConnectionOptions,
  committed: (resources: number) => void,
): Promise<OwnWriter> {
  const settled = new Int32Array(new SharedArrayBuffer(4));
  const start: WriterStart = { options, settled: settled.buffer };
  const worker = new Worker(new URL('./writer-thread.js', import.meta.url), { workerData: start });
  const client = clientOf((message, transfer) => worker.postMessage(message, transfer));
  const ready = promised();
  const closed = promised();
  worker.on('message', (message: FromWriter) => {
    if (message.what === 'ready') ready.resolve();
    else if (message.what === 'unopened') ready.reject(told(message.failed));
    else if (message.what === 'answers') committed(client.settle(message.answers));
    else if (message.what === 'wrote') committed(message.resources);
  });
  let failed: unknown;
  worker.on('error', error => client.stop((failed = error)));
  worker.on('exit', () => {
    // Only now has every message arrived, so that what it told of a file it could not open came before this.
    client.stop((failed ??= new Error('The writer ended.')));
    ready.reject(failed);
    closed.resolve();
  });
  await ready.promise;
  return {
    settled: () => Atomics.load(settled, 0),
    commit: client.commit,
    task: client.task,
    admit() {
      const { port1, port2 } = new MessageChannel();
      worker.postMessage({ what: 'admit', port: port1 } satisfies ToWriter, [port1]);
      return { port: port2, settled: settled.buffer };
    },
    async close() {
      await client.handedOver();
      worker.postMessage({ what: 'close' } satisfies ToWriter);
      await closed.promise;
    },
  };
}

/** A writer that another thread has started. `forget` is told when what is known of the file may no longer be so. */
export function joinWriter({ port, settled: shared }: Admission, forget: () => void): WriterClient {
  const settled = new Int32Array(shared);
  const client = clientOf((message, transfer) => port.postMessage(message, transfer));
  port.on('message', (message: FromWriter) => {
    if (message.what === 'answers') client.settle(message.answers);
    else if (message.what === 'forget') forget();
  });
  port.on('close', () => client.stop(new Error('The writer ended.')));
  return {
    settled: () => Atomics.load(settled, 0),
    commit: client.commit,
    task: client.task,
    async close() {
      await client.handedOver();
      await client.idle();
      port.close();
    },
  };
}

interface Client {
  readonly commit: WriterClient['commit'];
  readonly task: WriterClient['task'];
  /** Answers how many resources were written. */
  settle(answers: readonly Answer[]): number;
  /** Nothing is answered any more. */
  stop(error: unknown): void;
  /** Resolves when everything that was to be committed is sent. */
  handedOver(): Promise<void>;
  /** Resolves when everything is answered. */
  idle(): Promise<void>;
}

function clientOf(post: (message: ToWriter, transfer: readonly ArrayBuffer[]) => void): Client {
  const waiting = new Map<number, Waiting>();
  let outgoing: Item[] = [];
  const packer = new Packer();
  const handing = new Set<Promise<void>>();
  let next = 1;
  let broken: unknown;
  let whenIdle: (() => void) | undefined;
  const send = (items: readonly Item[]): void => {
    const parcel = packer.pack(items);
    post({ what: 'commits', parcel }, [parcel.numbers.buffer, parcel.bodies.buffer]);
  };

  const settle = (answer: Answer): number => {
    const one = waiting.get(answer.id);
    if (one === undefined) return 0;
    waiting.delete(answer.id);
    if (waiting.size === 0) whenIdle?.();
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
    commit: commit =>
      register<void>(commit.writes.length, id => {
        const done = handOver(id, commit).finally(() => handing.delete(done));
        handing.add(done);
      }),
    task: task =>
      register(0, id => {
        flush();
        post({ what: 'task', id, task }, []);
      }),
    settle: answers => answers.reduce((sum, answer) => sum + settle(answer), 0),
    stop(error) {
      broken ??= error;
      for (const one of waiting.values()) one.reject(stopped(error));
      waiting.clear();
      whenIdle?.();
    },
    async handedOver() {
      await Promise.all(handing);
      flush();
    },
    async idle() {
      if (waiting.size > 0) await new Promise<void>(resolve => (whenIdle = resolve));
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
