// The thread for large Bundles: the whole server but its network, on the same store and documents, so that a Bundle is
// parsed, judged and answered beside the requests of the main thread, and what is thrown away is collected here.
// Surprising why: it gives way to the main thread where processors are few; reads are what somebody waits for.
import { setPriority } from 'node:os';
import { parentPort, workerData, type MessagePort } from 'node:worker_threads';
import { OPEN, type Grant } from '../auth/grant.js';
import { createSystem, type Notices } from '../system.js';
import {
  crossed,
  crossing,
  lines,
  ownBytes,
  type Asked,
  type Beginning,
  type FromThread,
  type Place,
  type ToThread,
  type Who,
} from './crossing.js';
import { openDistrict } from './district.js';
import type { Held, Owner } from './owner.js';
import { stayBehind } from './processors.js';

const port = parentPort as MessagePort;
const { config, base, origin, isAudited, line, behind } = workerData as Beginning;
const send = (message: FromThread, transfer: ArrayBuffer[] = []): void => port.postMessage(message, transfer);

// Linux alone has priorities of threads; elsewhere the whole process would be meant.
if (process.platform === 'linux') setPriority(5);
if (behind !== undefined) stayBehind(behind);

let last = 0;
const waiting = new Map<number, { resolve(result: unknown): void; reject(error: Error): void }>();
const ask = <N extends keyof Asked>(
  name: N,
  ...args: Parameters<Asked[N]>
): Promise<Awaited<ReturnType<Asked[N]>>> =>
  new Promise((resolve, reject) => {
    const id = ++last;
    waiting.set(id, { resolve: resolve, reject });
    send({ what: 'ask', id, name, args });
  });

const state = new Int32Array(line);
/** A line must be in the journal before anything is done: this thread stands still until the main one has written it. */
function append(place: Place, json: string): void {
  Atomics.store(state, 0, lines.waiting);
  send({ what: 'append', place, json });
  Atomics.wait(state, 0, lines.waiting);
  if (Atomics.load(state, 0) === lines.refused) throw new Error('The audit journal cannot be written.');
}

let turns = 0;
const inTurn: Owner['inTurn'] = async (keys, work) => {
  if (keys.length === 0) return work();
  const turn = ++turns;
  await ask('turn', turn, keys);
  try {
    return await work();
  } finally {
    send({ what: 'release', turn });
  }
};

/** What is carried under the grant. */
const carriedBy = new WeakMap<Grant, number>();

const ownerOf = async (place: Place): Promise<Owner> => ({
  writer: await ask('admit', place),
  journal: {
    append: entry => append(place, typeof entry === 'string' ? entry : JSON.stringify(entry)),
    synced: () => ask('synced', place),
  },
  flush: () => ask('flush', place),
  defined: writes =>
    ask(
      'defined',
      place,
      writes.map(({ rows: _, replaces: __, ...write }) => ({ ...write, rows: [], replaces: [] })),
    ),
  closed: () => ask('closed', place),
  wake: () => send({ what: 'wake', place }),
  inTurn,
  elsewhere: (request, grant) => ask('dispatch', carriedBy.get(grant) ?? 0, request),
});

const notices: Notices = {
  info: (message, detail) => send({ what: 'notice', message, detail }),
  failure: (error, requestId) => send({ what: 'failure', failed: crossing(error), requestId }),
};

/** Everything that was to be read again has been. */
let caughtUp: Promise<unknown> = Promise.resolve();

/** What came while the system was being opened. */
const early: ToThread[] = [];
let hear = (message: ToThread): void => void early.push(message);
port.on('message', (message: ToThread) => {
  if (message.what !== 'reply') return hear(message);
  const one = waiting.get(message.id);
  waiting.delete(message.id);
  if (message.failed === undefined) one?.resolve(message.result);
  else one?.reject(crossed(message.failed));
});

const owner = await ownerOf('');
const main = await createSystem(config, base, notices, { isAudited, owner });
const { elsewhere } = owner;
const district = await openDistrict({ config, origin, main, notices, isAudited, ownerOf, elsewhere });

const grantOf = async (who: Who): Promise<Grant> => (who === 'open' ? { ...OPEN } : main.compile(who));

async function carry({ id, request, who }: Extract<ToThread, { what: 'carry' }>): Promise<void> {
  try {
    await caughtUp;
    const grant = await grantOf(who);
    carriedBy.set(grant, id);
    const response = await district.dispatch(request, grant);
    const { body } = response;
    if (!(body instanceof Uint8Array)) return send({ what: 'answer', id, response });
    const bytes = ownBytes(body);
    send({ what: 'answer', id, response: { ...response, body: bytes } }, [bytes.buffer]);
  } catch (error) {
    send({ what: 'failed', id, failed: crossing(error) });
  }
}

async function catchUp(place: Place, held: Held): Promise<void> {
  if (place === '') await main.catchUp(held);
  else if (district.opened().includes(place)) await district.systemOf(place).catchUp(held);
}

async function close(): Promise<void> {
  await district.close();
  await main.close();
  port.close();
}

hear = message => {
  switch (message.what) {
    case 'carry':
      void carry(message);
      break;
    case 'changed': {
      const { id, place, held } = message;
      const caught = catchUp(place, held)
        .catch((error: unknown) => notices.failure(error, 'large Bundles'))
        .then(() => send({ what: 'changed', id }));
      caughtUp = Promise.all([caughtUp, caught]);
      break;
    }
    case 'look':
      void district.look().then(() => send({ what: 'looked', opened: district.opened() }));
      break;
    case 'close':
      void close();
      break;
    case 'reply':
  }
};
for (const message of early) hear(message);
send({ what: 'ready', opened: district.opened() });
