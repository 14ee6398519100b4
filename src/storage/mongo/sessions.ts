// Which sessions a process uses for transactions, written down. A process that is killed leaves its transaction open
// on the server, where it holds every document it wrote for a minute; whoever starts next on the same machine ends it.
import { hostname } from 'node:os';
import { Binary, Long, type ClientSession } from 'mongodb';
import type { Connection } from './connect.js';
import type { Layout, UsedSession } from './layout.js';

const host = hostname();
/** When this process began, ms; tells it from an earlier one with its number, as containers have. */
const began = Date.now() - process.uptime() * 1_000;
/** A record lives a day (layout.ts) and is made again before that. */
const lasting = 12 * 3_600_000;

export interface Sessions {
  /** To be called before each transaction; writes to the database once for each of the driver's sessions. */
  record(session: ClientSession): Promise<void>;
}

export function openSessions(layout: Layout): Sessions {
  const recorded = new Map<string, number>();
  return {
    record: async session => {
      const id = session.id!.id.toString('hex');
      if ((recorded.get(id) ?? 0) > Date.now() - lasting) return;
      const used = { host, pid: process.pid, began, at: new Date() };
      await layout.sessions.updateOne({ _id: id }, { $set: used }, { upsert: true });
      recorded.set(id, Date.now());
    },
  };
}

/** Ends the transactions of processes of this machine that are gone. */
export async function endAbandoned(connection: Connection, layout: Layout): Promise<void> {
  const used = await layout.sessions.find({ host }).toArray();
  const dead = used.filter(isGone).map(({ _id }) => _id);
  if (dead.length === 0) return;
  const ids = dead.map(id => new Binary(Buffer.from(id, 'hex'), Binary.SUBTYPE_UUID));
  const admin = connection.client.db('admin');
  // Where it is not allowed, or an engine does not do it, the server's own time limit does.
  await admin.command({ killSessions: ids.map(id => ({ id })) }).catch(() => undefined);
  for (const id of ids) await abort(connection, id).catch(() => undefined);
  await layout.sessions.deleteMany({ _id: { $in: dead } });
}

/** For engines on which killSessions leaves transactions alone: abortTransaction in the dead session's name. */
async function abort(connection: Connection, id: Binary): Promise<void> {
  const session = connection.client.startSession({ causalConsistency: false });
  const { serverSession } = session;
  serverSession.id = { id };
  serverSession.isDirty = true; // never to be used again
  try {
    await connection.client.db('admin').command({ abortTransaction: 1, txnNumber: Long.ONE }, { session });
  } finally {
    await session.endSession();
  }
}

function isGone(used: UsedSession): boolean {
  if (used.pid === process.pid) return Math.abs(used.began - began) > 5_000;
  try {
    process.kill(used.pid, 0); // asks, and does not kill
    return false;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'ESRCH';
  }
}
