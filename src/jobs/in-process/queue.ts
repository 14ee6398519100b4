// The queue in the documents port: as durable as that is, for one process or for several on one database.
// A worker that was killed is noticed at once on its own machine, elsewhere when its lease ends.
import { randomBytes } from 'node:crypto';
import { hostname } from 'node:os';
import type { Document, Documents } from '../../storage/documents.js';
import { isOver, JobLost, type Held, type Job, type Queue } from '../queue.js';

const collection = 'jobs';
/** How long a worker may be silent, ms. */
const lease = 30_000;
/** How long a job that is over can still be asked about, ms. */
const remembered = 7 * 24 * 3600 * 1000;

export function openQueue(documents: Documents): Queue {
  const me = `${hostname()} ${process.pid} ${randomBytes(6).toString('base64url')}`;

  const read = async (id: string): Promise<{ job: Job; revision: number } | undefined> =>
    jobIn(await documents.get(collection, id));
  const put = (job: Job, expected: number): Promise<number | undefined> =>
    documents.put(collection, job.id, job, {
      expected,
      ...(isOver(job) ? { expires: Date.now() + remembered } : {}),
    });

  const hold = (first: Job, at: number): Held => {
    let job = first;
    let revision = at;
    return {
      get job() {
        return job;
      },
      async save(change) {
        const { owner: _owner, leased: _leased, ...rest } = { ...job, ...change };
        const next: Job =
          rest.state === 'running' ? { ...rest, owner: me, leased: Date.now() + lease } : rest;
        for (;;) {
          const saved = await put(next, revision);
          if (saved !== undefined) {
            [job, revision] = [next, saved];
            return;
          }
          // A wish to cancel is the only change that others make to a job that is held.
          const now = await read(job.id);
          if (now?.job.owner !== me || now.job.cancelling === job.cancelling) throw new JobLost(job.id);
          revision = now.revision;
          job = now.job;
          Object.assign(next, { cancelling: true });
        }
      },
    };
  };

  return {
    async add(kind, input, principal) {
      // In order of creation by name.
      const id = `${Date.now().toString(36).padStart(9, '0')}-${randomBytes(9).toString('hex')}`;
      const job: Job = {
        id,
        kind,
        principal,
        input,
        state: 'waiting',
        progress: { step: 'waiting', done: 0 },
        failures: 0,
        created: Date.now(),
      };
      await put(job, 0);
      return job;
    },
    get: async id => (await read(id))?.job,
    list: async () => (await documents.list(collection)).map(document => document.value as Job),
    async claim(kinds) {
      for (const document of await documents.list(collection)) {
        const { job, revision } = jobIn(document)!;
        if (!kinds.includes(job.kind) || isOver(job) || (job.notBefore ?? 0) > Date.now()) continue;
        if (job.state === 'running' && !isAbandoned(job, me)) continue;
        const mine: Job = { ...job, state: 'running', owner: me, leased: Date.now() + lease };
        const taken = await put(mine, revision);
        if (taken !== undefined) return hold(mine, taken);
      }
      return undefined;
    },
    async cancel(id) {
      for (;;) {
        const found = await read(id);
        if (found === undefined || isOver(found.job)) return false;
        if (found.job.cancelling) return true;
        const { notBefore: _soon, ...job } = found.job;
        if ((await put({ ...job, cancelling: true }, found.revision)) !== undefined) return true;
      }
    },
  };
}

const jobIn = (document: Document | undefined): { job: Job; revision: number } | undefined =>
  document === undefined ? undefined : { job: document.value as Job, revision: document.revision };

function isAbandoned({ owner = '', leased = 0 }: Job, me: string): boolean {
  if (leased < Date.now()) return true;
  const [host, pid] = owner.split(' ');
  const [here] = me.split(' ');
  if (host !== here || Number(pid) === process.pid) return false;
  try {
    process.kill(Number(pid), 0);
    return false;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'ESRCH';
  }
}
