// What several processes of one server have taken from their buckets (rate-limit.ts), told to each other by Redis, so
// that a limit holds for all of them together. https://redis.io/docs/latest/develop/pubsub/
// Surprising why: nobody waits for Redis. Each process judges by what it knows, which is a fifth of a second old, and by
// its own memory alone while Redis is away.
import { createHash, randomUUID } from 'node:crypto';
import { createRequire } from 'node:module';
import type * as IoRedis from 'ioredis';
import type { Log } from '../audit/log.js';

export interface SharedLimits {
  /** One was taken here from this bucket. */
  took(bucket: string): void;
  /** What a key is called to others: nobody's name or address. */
  nameOf(key: string): string;
  close(): void;
}

interface Told {
  readonly from: string;
  readonly took: readonly (readonly [bucket: string, count: number])[];
}

/** ms */
const tellEvery = 200;
/** Buckets told of at once; those beyond are told of the next time. */
const mostTold = 10_000;

/**
 * @param url of Redis
 * @param server the same for all processes of a server, and for no other that uses this Redis
 * @param spent called with what others took
 */
export function shareLimits(
  url: string,
  server: string,
  spent: (bucket: string, count: number) => void,
  log: Pick<Log, 'warn' | 'info'>,
): SharedLimits {
  const self = randomUUID();
  const channel = channelOf(server);
  const taken = new Map<string, number>();
  // Loaded where there is one: it takes 18 ms of the start.
  const { Redis } = createRequire(import.meta.url)('ioredis') as typeof IoRedis;
  // What could not be told at once is of no use later.
  const options: IoRedis.RedisOptions = { enableOfflineQueue: false, maxRetriesPerRequest: 0 };
  const publisher = new Redis(url, options);
  const subscriber = new Redis(url, { ...options, autoResubscribe: false });
  let isAway = false;
  const away = (): void => {
    if (isAway) return;
    isAway = true;
    log.warn({}, 'Redis cannot be reached: requests are counted by each process for itself');
  };
  for (const connection of [publisher, subscriber]) connection.on('error', away);
  subscriber.on('ready', () => {
    subscriber.subscribe(channel).then(() => {
      if (isAway) log.info({}, 'Redis is reached again');
      isAway = false;
    }, away);
  });
  subscriber.on('message', (_, text: string) => {
    const told = toldBy(text);
    if (told === undefined || told.from === self) return;
    for (const [bucket, count] of told.took) spent(bucket, count);
  });
  const tell = (): void => {
    if (taken.size === 0) return;
    const took = [...taken].slice(0, mostTold);
    for (const [bucket] of took) taken.delete(bucket);
    if (publisher.status === 'ready')
      publisher.publish(channel, JSON.stringify({ from: self, took } satisfies Told)).catch(away);
  };
  const timer = setInterval(tell, tellEvery);
  timer.unref();
  return {
    took: bucket => void taken.set(bucket, (taken.get(bucket) ?? 0) + 1),
    nameOf: key => digest(`${channel} ${key}`),
    close() {
      clearInterval(timer);
      publisher.disconnect();
      subscriber.disconnect();
    },
  };
}

/** Where the processes of a server tell each other. */
export const channelOf = (server: string): string => `tsela:limits:${digest(server)}`;

const digest = (text: string): string => createHash('sha256').update(text).digest('base64url').slice(0, 22);

/** Undefined for what no process of this server has sent. */
function toldBy(text: string): Told | undefined {
  try {
    const told = JSON.parse(text) as Partial<Told> | null;
    const isTaken = (one: unknown): boolean =>
      Array.isArray(one) && typeof one[0] === 'string' && Number.isSafeInteger(one[1]) && Number(one[1]) > 0;
    return Array.isArray(told?.took) && told.took.every(isTaken) ? (told as Told) : undefined;
  } catch {
    return undefined;
  }
}
