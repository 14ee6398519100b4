// The thread that writes. Commits that wait together share a transaction and so one fsync, each within a savepoint of
// its own; what else must not meet a write (expunge, reindex) goes through here too.
// https://www.sqlite.org/wal.html#performance_considerations
import { parentPort, receiveMessageOnPort, workerData, type MessagePort } from 'node:worker_threads';
import { WriteConflict, type ConflictReason, type Write } from '../store.js';
import type { Ref } from '../../fhir/resource.js';
import { connect, type Connection, type ConnectionOptions } from './connection.js';
import { tell, type Told } from './failure.js';
import { maintain, removing, type Task } from './maintenance.js';
import { migrate } from './schema.js';
import { Unpacker, type Parcel } from './parcel.js';
import { Writer, type Commit } from './writer.js';

interface Arrived {
  readonly id: number;
  readonly commit: Commit;
}
interface Asked {
  readonly id: number;
  readonly task: Task;
}
/** Who commits: the thread that started this one, and others of the process that it admits, each with numbers of its own. */
interface Committer {
  readonly port: MessagePort;
  readonly unpacker: Unpacker;
  /** The first writes of commits that are still to come. */
  readonly parts: Map<number, Write[]>;
}
type From<T> = T & { readonly from: Committer };
export type ToWriter =
  | { readonly what: 'commits'; readonly parcel: Parcel }
  | { readonly what: 'task'; readonly id: number; readonly task: Task }
  /** Another thread of the process commits over this port; it closes the port when it is done. */
  | { readonly what: 'admit'; readonly port: MessagePort }
  | { readonly what: 'close' };

/** `conflict`: refused. `failed`: nothing is known to be stored. Neither: done. */
export interface Answer {
  readonly id: number;
  readonly result?: unknown;
  readonly conflict?: {
    readonly reason: ConflictReason;
    readonly index: number;
    readonly what: string;
    readonly owner?: Ref;
  };
  readonly failed?: Told;
}
export type FromWriter =
  | { readonly what: 'unopened'; readonly failed: Told }
  | { readonly what: 'ready' }
  | { readonly what: 'answers'; readonly answers: readonly Answer[] }
  /** So many resources were written for another thread. */
  | { readonly what: 'wrote'; readonly resources: number }
  /** For other threads: what is known of the file may be of something that was removed. */
  | { readonly what: 'forget' }
  | { readonly what: 'closed' };

/** A group ends at so many resources or milliseconds; a commit larger than that goes alone. */
const groupResources = 200;
const groupMs = 20;

/** What the thread is started with. */
export interface WriterStart {
  readonly options: ConnectionOptions;
  /** One number, shared with all who commit: another before anything that was written is told of. */
  readonly settled: SharedArrayBuffer;
}
const { options, settled } = workerData as WriterStart;
const settlings = new Int32Array(settled);

const committer = (port: MessagePort): Committer => ({ port, unpacker: new Unpacker(), parts: new Map() });
const main = committer(parentPort as MessagePort);
const admitted = new Set<Committer>();
const send = (message: FromWriter, { port }: Committer = main): void => port.postMessage(message);

const connection = open();
const writer = new Writer(connection);
/** In the order of their arrival; a task is done when the commits before it are. */
const waiting: From<Arrived | Asked>[] = [];
let closing = false;
/** So many of those waiting were in a transaction that one of them spoilt: each is written within a savepoint. */
let spoilt = 0;

/** The error is told by message: as an event of the thread it would lose its code. */
function open(): Connection {
  try {
    const connection = connect({ ...options, write: true });
    migrate(connection.db);
    return connection;
  } catch (error) {
    send({ what: 'unopened', failed: tell(error) });
    throw error;
  }
}

function accept(message: ToWriter, from: Committer): void {
  const { parts } = from;
  if (message.what === 'commits') {
    for (const { id, commit, isPart } of from.unpacker.unpack(message.parcel)) {
      const first = parts.get(id);
      if (isPart) parts.set(id, first === undefined ? [...commit.writes] : push(first, commit.writes));
      else if (first === undefined) waiting.push({ id, commit, from });
      else {
        parts.delete(id);
        waiting.push({ id, commit: { ...commit, writes: push(first, commit.writes) }, from });
      }
    }
  } else if (message.what === 'task') waiting.push({ ...message, from });
  else if (message.what === 'admit') admit(committer(message.port));
  else closing = true;
}

function admit(one: Committer): void {
  admitted.add(one);
  listen(one);
  one.port.on('close', () => admitted.delete(one));
}

function push(writes: Write[], more: readonly Write[]): Write[] {
  for (const write of more) writes.push(write);
  return writes;
}

/** Of the transaction under way nothing is kept, in the file or in mind. */
function undo(): void {
  // SQLite itself may have rolled back, on a full disk and the like.
  if (connection.db.inTransaction) connection.db.exec('ROLLBACK');
  writer.recall();
}

function perform({ id, task, from }: From<Asked>): void {
  try {
    const result = maintain(connection, writer, task);
    Atomics.add(settlings, 0, 1);
    if (removing.has(task.task)) for (const other of admitted) send({ what: 'forget' }, other);
    send({ what: 'answers', answers: [{ id, result }] }, from);
  } catch (error) {
    undo();
    send({ what: 'answers', answers: [{ id, failed: tell(error) }] }, from);
  }
}

/** Takes what has arrived meanwhile, so that it shares the transaction. */
function drain(): void {
  for (const from of [main, ...admitted]) {
    for (;;) {
      const received = receiveMessageOnPort(from.port) as { message: ToWriter } | undefined;
      if (received === undefined) break;
      accept(received.message, from);
    }
  }
}

interface Done {
  readonly from: Committer;
  readonly size: number;
  readonly answer: Answer;
}
const isStored = ({ conflict, failed }: Answer): boolean => conflict === undefined && failed === undefined;

/** Sends each committer what became of its commits; the main thread counts what others have written, too. */
function report(done: readonly Done[]): void {
  for (const from of new Set(done.map(one => one.from))) {
    const own = done.filter(one => one.from === from);
    send({ what: 'answers', answers: own.map(({ answer }) => answer) }, from);
    if (from === main) continue;
    const resources = own.reduce((sum, { answer, size }) => sum + (isStored(answer) ? size : 0), 0);
    send({ what: 'wrote', resources });
  }
}

function writeGroup(): void {
  const done: Done[] = [];
  const taken: From<Arrived>[] = [];
  const note = ({ id, from, commit }: From<Arrived>, became: Omit<Answer, 'id'>): void =>
    void done.push({ from, size: commit.writes.length, answer: { id, ...became } });
  const started = performance.now();
  let resources = 0;
  try {
    connection.db.exec('BEGIN IMMEDIATE');
    for (;;) {
      if (waiting.length === 0) drain();
      const next = waiting[0];
      if (next === undefined || 'task' in next) break;
      const size = next.commit.writes.length;
      if (resources > 0 && (resources + size > groupResources || performance.now() - started > groupMs))
        break;
      waiting.shift();
      taken.push(next);
      resources += size;
      const isSaved = spoilt > 0 ? (spoilt--, true) : undefined;
      try {
        writer.apply(next.commit, isSaved);
        note(next, {});
      } catch (error) {
        if (error instanceof WriteConflict) {
          const { reason, index, what, owner } = error;
          note(next, { conflict: { reason, index, what, ...(owner ? { owner } : {}) } });
        } else {
          if (connection.db.inTransaction && isSaved === undefined) return again(taken);
          note(next, { failed: tell(error) });
          if (!connection.db.inTransaction) throw error;
        }
      }
    }
    writer.finish();
    connection.db.exec('COMMIT');
    Atomics.add(settlings, 0, 1);
  } catch (error) {
    undo();
    const failed = tell(error);
    const [next] = waiting;
    if (done.length === 0 && next !== undefined && 'commit' in next) {
      waiting.shift();
      note(next, {});
    }
    // A conflict may have been with a commit of the group that is now undone: it too has only failed.
    report(done.map(one => ({ ...one, answer: { id: one.answer.id, failed: one.answer.failed ?? failed } })));
    return;
  }
  report(done);
}

/** Nobody pays for a commit that cannot be stored: the group is written anew, so that only that one fails. */
function again(taken: readonly From<Arrived>[]): void {
  undo();
  waiting.unshift(...taken);
  spoilt = taken.length;
}

function work(): void {
  for (;;) {
    const next = waiting[0];
    if (next === undefined) break;
    if ('task' in next) {
      waiting.shift();
      perform(next);
    } else writeGroup();
    drain();
  }
  if (closing) {
    connection.db.close();
    send({ what: 'closed' });
    for (const { port } of [main, ...admitted]) port.close();
  }
}

function listen(from: Committer): void {
  from.port.on('message', (message: ToWriter) => {
    accept(message, from);
    drain();
    work();
  });
}
listen(main);
send({ what: 'ready' });
