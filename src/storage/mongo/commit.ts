// A commit is one multi-document transaction, run again where MongoDB says that it met another one. All that a run
// stores is made before the first, so that every run is the same. docs/decisions/0010-mongodb-layout.md
import { setTimeout as wait } from 'node:timers/promises';
import {
  Binary,
  MongoError,
  MongoNetworkError,
  MongoServerSelectionError,
  type ClientSession,
} from 'mongodb';
import { FhirError } from '../../errors.js';
import { refKey } from '../../fhir/resource.js';
import { WriteConflict, type Receipt, type Write } from '../store.js';
import { inPlace, split } from './body.js';
import { concerns, isDuplicate, type Connection } from './connect.js';
import { indexFields, type IndexFields } from './fields.js';
import { judge, lock, locksOf, type Judged } from './judge.js';
import type { Body, Chunk, Current, Layout, LogRow, Past } from './layout.js';
import { takeNumbers, voidNumbers } from './log.js';
import type { Sessions } from './sessions.js';

export interface CommitLimits {
  /** Writes in one commit. */
  readonly writes: number;
  /** Bytes of all bodies in one commit. */
  readonly bytes: number;
  /** How long a commit may take with all its runs, ms. */
  readonly deadline: number;
}
export const commitLimits: CommitLimits = { writes: 10_000, bytes: 100 * 1024 * 1024, deadline: 20_000 };

/** A write with everything that does not depend on what the transaction finds. */
interface Prepared {
  readonly write: Write;
  readonly key: string;
  readonly fields: IndexFields;
  readonly body: Body;
  readonly chunks: readonly Chunk[];
  /** The number of its creation, if it is one. */
  readonly created: number | undefined;
}

export async function commit(
  connection: Connection,
  layout: Layout,
  sessions: Sessions,
  limits: CommitLimits,
  writes: readonly Write[],
  receipt: Receipt | undefined,
): Promise<void> {
  if (writes.length === 0 && receipt === undefined) return;
  const until = performance.now() + limits.deadline;
  checkSize(limits, writes);
  await layout.ensure(new Set(writes.map(write => write.ref.type)));
  const prepared = await prepare(layout, writes);
  const numbers = new LogNumbers(layout, writes);
  const session = connection.client.startSession({ causalConsistency: false });
  try {
    await sessions.record(session);
    for (let run = 1; ; run++) {
      try {
        await runOnce(layout, session, prepared, writes, receipt, numbers, run, until);
        return;
      } catch (error) {
        if (session.inTransaction()) await session.abortTransaction().catch(() => undefined);
        if (numbers.doubtful && (await numbers.wereStored())) return;
        // After the numbers were taken only they can be duplicates: a reader has voided them.
        if (isDuplicate(error)) await numbers.giveBack();
        if (!mayRunAgain(error)) throw error;
        if (performance.now() > until) throw tooLate(error);
        await wait(Math.random() * Math.min(10 * 2 ** run, 250));
      }
    }
  } finally {
    await session.endSession().catch(() => undefined);
    await numbers.giveBack();
  }
}

function checkSize(limits: CommitLimits, writes: readonly Write[]): void {
  const seen = new Set(writes.map(write => refKey(write.ref)));
  if (seen.size !== writes.length) throw new TypeError('A commit names a resource twice');
  const bytes = writes.reduce((sum, write) => sum + (write.body?.length ?? 0), 0);
  if (writes.length > limits.writes || bytes > limits.bytes) {
    const most = `${limits.writes} resources and ${Math.floor(limits.bytes / 1024 / 1024)} MB`;
    throw new FhirError('too-large', `A transaction may change at most ${most}; send it in smaller parts.`);
  }
}

/** Of a document's 16 MB, what index fields and a body in place may take together, and the fields alone. */
const mostInDocument = 15 * 1024 * 1024;
const mostFields = 12 * 1024 * 1024;

/** More than the fields take in BSON, where each key of the array has its place as text. */
const sizeOf = (fields: IndexFields): number =>
  Buffer.byteLength(JSON.stringify(fields)) + 16 * (fields.k?.length ?? 0);

async function prepare(layout: Layout, writes: readonly Write[]): Promise<Prepared[]> {
  const creations = writes.filter(write => write.expected === 0).length;
  let next = creations > 0 ? (await takeNumbers(layout, 'created', creations)).first : 0;
  return writes.map(write => {
    const key = refKey(write.ref);
    const fields = write.body === undefined ? {} : indexFields(write.rows);
    // Few rows of a small body are small.
    const large = write.rows.length > 5_000 || (write.body?.length ?? 0) > 1024 * 1024;
    const size = large ? sizeOf(fields) : 0;
    if (size > mostFields) {
      throw new FhirError(
        'too-large',
        `${key} has more to be found by than the store can keep with one resource.`,
      );
    }
    const { field, chunks } = split(
      key,
      write.expected + 1,
      write.body,
      Math.min(inPlace, mostInDocument - size),
    );
    return { write, key, fields, body: field, chunks, created: write.expected === 0 ? next++ : undefined };
  });
}

async function runOnce(
  layout: Layout,
  session: ClientSession,
  prepared: readonly Prepared[],
  writes: readonly Write[],
  receipt: Receipt | undefined,
  numbers: LogNumbers,
  run: number,
  until: number,
): Promise<void> {
  session.startTransaction({
    readConcern: { level: 'snapshot' },
    writeConcern: concerns.writeConcern,
    readPreference: concerns.readPreference,
    maxCommitTimeMS: Math.max(1_000, Math.ceil(until - performance.now())),
  });
  await lock(layout, session, locksOf(writes));
  if (receipt && (await layout.receipts.findOne({ _id: receipt.key }, { session, projection: { _id: 1 } }))) {
    throw new WriteConflict('receipt', -1, receipt.key);
  }
  const judged = await judge(layout, session, writes, run === 1);
  await store(layout, session, prepared, judged);
  if (receipt)
    await layout.receipts.insertOne({ _id: receipt.key, raw: new Binary(receipt.body) }, { session });
  if (writes.length > 0) {
    const first = await numbers.take();
    await layout.log.insertMany(
      prepared.map((one, i) => logRow(first + i, one)),
      { session },
    );
  }
  await commitSurely(session, numbers, until);
}

/** A document was replaced between reading and writing, which a snapshot should not allow: run again. */
class Moved extends Error {}

function mayRunAgain(error: unknown): boolean {
  if (error instanceof Moved || isDuplicate(error)) return true;
  if (!(error instanceof MongoError) || error instanceof MongoServerSelectionError) return false;
  return error.hasErrorLabel('TransientTransactionError') || error.code === 112; // 112: WriteConflict
}

const tooLate = (cause: unknown): FhirError =>
  cause instanceof MongoNetworkError
    ? new FhirError('unavailable', 'The database cannot be reached.', { cause })
    : new FhirError('conflict', 'Other changes kept getting in the way of this one; send it again.', {
        cause,
      });

/** Current documents, history, chunks and claims. */
async function store(
  layout: Layout,
  session: ClientSession,
  prepared: readonly Prepared[],
  judged: Judged,
): Promise<void> {
  for (const type of new Set(prepared.map(one => one.write.ref.type))) {
    const ofType = prepared.filter(one => one.write.ref.type === type);
    const collection = layout.type(type);
    const made = ofType.filter(one => one.write.expected === 0).map(one => document(one, undefined));
    if (made.length > 0) await collection.insertMany(made, { session });
    const replaced = ofType.filter(one => one.write.expected > 0);
    if (replaced.length === 0) continue;
    const operations = replaced.map(one => {
      const { _id, ...replacement } = document(one, judged.current.get(one.key));
      return { replaceOne: { filter: { _id, v: one.write.expected }, replacement } };
    });
    const { matchedCount } = await collection.bulkWrite(operations, { session });
    if (matchedCount !== replaced.length) throw new Moved();
  }
  const past = prepared.flatMap(one => {
    const old = judged.current.get(one.key);
    return old ? [pastOf(one, old)] : [];
  });
  if (past.length > 0) await layout.history.insertMany(past, { session });
  const chunks = prepared.flatMap(one => one.chunks);
  for (const chunk of chunks) await layout.chunks.insertOne(chunk, { session }); // one by one: a message holds 48 MB
  if (judged.release.length > 0)
    await layout.claims.deleteMany({ _id: { $in: [...judged.release] } }, { session });
  if (judged.claim.length > 0) await layout.claims.insertMany([...judged.claim], { session });
}

function document({ write, fields, body, created }: Prepared, old: Current | undefined): Current {
  const o = Math.abs(old?.o ?? created ?? 0);
  return {
    _id: write.ref.id,
    o: write.body === undefined ? -o : o,
    v: write.expected + 1,
    lu: write.lastUpdated,
    m: write.method,
    ...(write.claims?.length ? { cl: true as const } : {}),
    ...body,
    ...fields,
  };
}

function pastOf({ write, key }: Prepared, old: Current): Past {
  return {
    _id: `${key}/${old.v}`,
    r: key,
    v: old.v,
    lu: old.lu,
    m: old.m,
    end: write.lastUpdated,
    ...(old.raw ? { raw: old.raw } : {}),
    ...(old.parts ? { parts: old.parts } : {}),
  };
}

const logRow = (_id: number, { write, key }: Prepared): LogRow => ({
  _id,
  t: write.ref.type,
  r: key,
  v: write.expected + 1,
  m: write.method,
  lu: write.lastUpdated,
});

/** Commits; while the answer is unknown, asks again. */
async function commitSurely(session: ClientSession, numbers: LogNumbers, until: number): Promise<void> {
  for (;;) {
    try {
      await session.commitTransaction();
      numbers.used();
      return;
    } catch (error) {
      if (!(error instanceof MongoError)) throw error;
      // Unless the server says that it did not, it may have committed: in the end the log rows tell.
      numbers.doubtful = !error.hasErrorLabel('TransientTransactionError');
      if (!answerIsUnknown(error) || performance.now() > until) throw error;
      await wait(50);
    }
  }
}

/** The driver does not label its failure to find the server again. */
const answerIsUnknown = (error: MongoError): boolean =>
  error.hasErrorLabel('UnknownTransactionCommitResult') ||
  error instanceof MongoNetworkError ||
  error instanceof MongoServerSelectionError;

/** The log numbers of a commit: taken as late as can be, kept for further runs, and voided if they come to nothing. */
class LogNumbers {
  /** The transaction that stores them may have been committed. */
  doubtful = false;
  private first: number | undefined;

  constructor(
    private readonly layout: Layout,
    private readonly writes: readonly Write[],
  ) {}

  async take(): Promise<number> {
    if (this.first === undefined) {
      const { first, fence } = await takeNumbers(this.layout, 'log', this.writes.length);
      this.first = first;
      // Number and fence are of one moment: whoever raises it waits for all numbers taken before.
      const index = this.writes.findIndex(write => write.index !== undefined && write.index < fence);
      if (index >= 0) throw new WriteConflict('index', index, refKey(this.writes[index]!.ref));
    }
    return this.first;
  }

  used(): void {
    this.first = undefined;
  }

  /** Settles the doubt: a number that can be voided was not stored and now never will be. */
  async wereStored(): Promise<boolean> {
    const stored = await this.void();
    this.doubtful = false;
    return stored;
  }

  async giveBack(): Promise<void> {
    await this.void().catch(() => undefined); // a reader voids them in its time
  }

  private async void(): Promise<boolean> {
    if (this.first === undefined) return false;
    const numbers = Array.from({ length: this.writes.length }, (_, i) => this.first! + i);
    const taken = await voidNumbers(this.layout, numbers);
    this.first = undefined;
    if (taken.length === 0) return false;
    const row = await this.layout.log.findOne({ _id: taken[0]!, r: { $exists: true } });
    return row !== null;
  }
}
