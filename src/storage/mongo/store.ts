// The store on MongoDB: one facility, one database. docs/decisions/0010-mongodb-layout.md has its layout and reasons.
import { FhirError } from '../../errors.js';
import { refKey } from '../../fhir/resource.js';
import type { Store } from '../store.js';
import { defaultBudgetMs, limited, type Reach } from './asking.js';
import { bytesOf } from './body.js';
import { commit, commitLimits, type CommitLimits } from './commit.js';
import { connect, reaching, reachingEach, type MongoOptions } from './connect.js';
import { explain } from './explain.js';
import { history, readMany, readVersion } from './history.js';
import { openLayout } from './layout.js';
import { changes, fenceIndex, refOf } from './log.js';
import { check, counts, expunge, indexSome, scan } from './maintain.js';
import { openQueue } from './queue.js';
import { count, search } from './search.js';
import { endAbandoned, openSessions } from './sessions.js';

export interface MongoStoreOptions extends MongoOptions {
  /** Transactions open at once from this process; default 8. */
  readonly transactions?: number;
  readonly limits?: Partial<CommitLimits>;
  /** How long one search or count may take, in milliseconds; 20,000 by default. */
  readonly searchBudgetMs?: number;
}

/** @throws FhirError `unavailable` where no server answers within about 5 s or it has no transactions. */
export async function openMongoStore(options: MongoStoreOptions): Promise<Store> {
  const connection = await connect(options);
  const layout = await reaching(async () => {
    const opened = await openLayout(connection.db);
    await endAbandoned(connection, opened);
    return opened;
  }).catch(async (error: unknown) => {
    await connection.client.close();
    throw error;
  });
  const sessions = openSessions(layout);
  const queue = openQueue(options.transactions ?? 8);
  const limits: CommitLimits = { ...commitLimits, ...options.limits };
  const reach = (): Reach => ({ layout, limit: limited(options.searchBudgetMs ?? defaultBudgetMs) });
  let closed: Promise<void> | undefined;

  return {
    capabilities: { name: 'mongodb', onlineBackup: false, shared: true },
    read: (ref, version) => reaching(() => readVersion(layout, ref, version)),
    readMany: refs => reaching(() => readMany(layout, refs)),
    search: plan => reaching(() => search(reach(), plan)),
    count: plan => reaching(() => count(reach(), plan)),
    explain: plan => reaching(() => explain(reach(), plan)),
    history: scope => reaching(() => history(layout, scope)),
    commit: async (writes, receipt) => {
      const keys = writes.flatMap(write => [
        ...(write.expected > 0 ? [refKey(write.ref)] : []),
        ...(write.claims ?? []).map(claim => `claim ${claim}`),
        ...(write.condition?.locks ?? []).map(lock => `criteria ${lock}`),
      ]);
      if (receipt) keys.push(`receipt ${receipt.key}`);
      if (closed) throw new FhirError('unavailable', 'The store is closed.');
      await queue.run(keys, () =>
        reaching(() => commit(connection, layout, sessions, limits, writes, receipt)),
      );
    },
    receipt: key =>
      reaching(async () => {
        const found = await layout.receipts.findOne({ _id: key });
        return found ? bytesOf(found.raw) : undefined;
      }),
    claimOwner: claim =>
      reaching(async () => {
        const found = await layout.claims.findOne({ _id: claim });
        return found ? refOf(found.r) : undefined;
      }),
    changes: after => reachingEach(changes(layout, after)),
    scan: types => reachingEach(scan(layout, types)),
    expunge: (ref, what) =>
      queue.run([refKey(ref)], () => reaching(() => expunge(connection, layout, ref, what))),
    fenceIndex: generation => reaching(() => fenceIndex(layout, generation)),
    indexSome: (portion, rowsOf) => reaching(() => indexSome(layout, portion, rowsOf)),
    forgetRows: () => Promise.resolve(),
    clearIndex: () =>
      reaching(async () => {
        await layout.settings.deleteOne({ _id: 'index' });
      }),
    check: rowsOf => reachingEach(check(layout, rowsOf)),
    indexVersion: () => reaching(async () => (await layout.settings.findOne({ _id: 'index' }))?.value ?? ''),
    setIndexVersion: name =>
      reaching(async () => {
        await layout.settings.updateOne({ _id: 'index' }, { $set: { value: name } }, { upsert: true });
      }),
    counts: () => reaching(() => counts(layout)),
    backup: async () => {
      throw new FhirError(
        'not-supported',
        'Back MongoDB up with its own tools, such as mongodump or a volume snapshot.',
      );
    },
    ping: () =>
      reaching(async () => {
        await connection.db.command({ ping: 1 });
      }),
    close: () => (closed ??= queue.idle().then(() => connection.client.close())),
  };
}
