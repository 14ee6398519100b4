// The thread that writes. Commits that wait together share a transaction and so one fsync, each within a savepoint of
// its own; what else must not meet a write (expunge, reindex) goes through here too.
// https://www.sqlite.org/wal.html#performance_considerations
import { parentPort, receiveMessageOnPort, workerData, type MessagePort } from 'node:worker_threads';
import { WriteConflict, type ConflictReason, type Write } from '../store.js';
import type { Ref } from '../../fhir/resource.js';
import { connect, type Connection, type ConnectionOptions } from './connection.js';
import { tell, type Told } from './failure.js';
import { maintain, type Task } from './maintenance.js';
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
export type ToWriter =
  | { readonly what: 'commits'; readonly parcel: Parcel }
  | { readonly what: 'task'; readonly id: number; readonly task: Task }
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
  | { readonly what: 'closed' };

/** A group ends at so many resources or milliseconds; a commit larger than that goes alone. */
const groupResources = 200;
const groupMs = 20;

const port = parentPort as MessagePort;
const send = (message: FromWriter): void => port.postMessage(message);

const connection = open();
const writer = new Writer(connection);
const unpacker = new Unpacker();
/** In the order of their arrival; a task is done when the commits before it are. */
const waiting: (Arrived | Asked)[] = [];
/** The first writes of commits that are still to come. */
const parts = new Map<number, Write[]>();
let closing = false;
/** So many of those waiting were in a transaction that one of them spoilt: each is written within a savepoint. */
let spoilt = 0;

/** The error is told by message: as an event of the thread it would lose its code. */
function open(): Connection {
  try {
    const connection = connect({ ...(workerData as ConnectionOptions), write: true });
    migrate(connection.db);
    return connection;
  } catch (error) {
    send({ what: 'unopened', failed: tell(error) });
    throw error;
  }
}

function accept(message: ToWriter): void {
  if (message.what === 'commits') {
    for (const { id, commit, isPart } of unpacker.unpack(message.parcel)) {
      const first = parts.get(id);
      if (isPart) parts.set(id, first === undefined ? [...commit.writes] : push(first, commit.writes));
      else if (first === undefined) waiting.push({ id, commit });
      else {
        parts.delete(id);
        waiting.push({ id, commit: { ...commit, writes: push(first, commit.writes) } });
      }
    }
  } else if (message.what === 'task') waiting.push(message);
  else closing = true;
}

function push(writes: Write[], more: readonly Write[]): Write[] {
  for (const write of more) writes.push(write);
  return writes;
}

function perform({ id, task }: Asked): void {
  try {
    send({ what: 'answers', answers: [{ id, result: maintain(connection, writer, task) }] });
  } catch (error) {
    if (connection.db.inTransaction) connection.db.exec('ROLLBACK');
    writer.recall();
    send({ what: 'answers', answers: [{ id, failed: tell(error) }] });
  }
}

/** Takes what has arrived meanwhile, so that it shares the transaction. */
function drain(): void {
  for (;;) {
    const received = receiveMessageOnPort(port) as { message: ToWriter } | undefined;
    if (received === undefined) return;
    accept(received.message);
  }
}

function writeGroup(): void {
  const answers: Answer[] = [];
  const taken: Arrived[] = [];
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
        answers.push({ id: next.id });
      } catch (error) {
        if (error instanceof WriteConflict) {
          const { reason, index, what, owner } = error;
          answers.push({ id: next.id, conflict: { reason, index, what, ...(owner ? { owner } : {}) } });
        } else {
          if (connection.db.inTransaction && isSaved === undefined) return again(taken);
          answers.push({ id: next.id, failed: tell(error) });
          if (!connection.db.inTransaction) throw error;
        }
      }
    }
    writer.finish();
    connection.db.exec('COMMIT');
  } catch (error) {
    // Nothing of the group is stored.
    if (connection.db.inTransaction) connection.db.exec('ROLLBACK');
    writer.recall();
    const failed = tell(error);
    if (answers.length === 0 && waiting.length > 0) answers.push({ id: waiting.shift()!.id });
    // A conflict may have been with a commit of the group that is now undone: it too has only failed.
    send({ what: 'answers', answers: answers.map(({ id, failed: own }) => ({ id, failed: own ?? failed })) });
    return;
  }
  send({ what: 'answers', answers });
}

/** Nobody pays for a commit that cannot be stored: the group is written anew, so that only that one fails. */
function again(taken: readonly Arrived[]): void {
  connection.db.exec('ROLLBACK');
  writer.recall();
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
    port.close();
  }
}

port.on('message', (message: ToWriter) => {
  accept(message);
  drain();
  work();
});
send({ what: 'ready' });
