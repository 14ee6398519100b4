// How often one may ask: a bucket of tokens per key, filled evenly. In the memory of this process, which hears by Redis,
// where there is one, what other processes of the server took. https://www.rfc-editor.org/rfc/rfc6585#section-4
import { network } from '../auth/allowance.js';
import type { Grant } from '../auth/grant.js';
import type { Config } from '../config.js';
import type { Log } from '../audit/log.js';
import { FhirError } from '../errors.js';
import type { Sender } from './sender.js';
import { shareLimits } from './shared-limits.js';

/** So many at once, and as many in each `per` milliseconds. */
export interface Rate {
  readonly count: number;
  readonly per: number;
}

interface Bucket {
  left: number;
  /** When `left` was right, ms of a monotonic clock. */
  at: number;
}

export interface Taken {
  readonly limit: number;
  readonly remaining: number;
  /** Seconds until all is there again. */
  readonly reset: number;
  /** Seconds until one is there; undefined where one was taken. */
  readonly wait?: number;
}

/** Keys remembered at once. */
const mostKeys = 50_000;

export interface Limiter {
  readonly take: (key: string) => Taken;
  /** So many were taken by another process. What it gave too much is given less later, up to all there is. */
  readonly spend: (key: string, many: number) => void;
}

/** @param now ms of a monotonic clock */
export function createLimiter({ count, per }: Rate, now: () => number = () => performance.now()): Limiter {
  // Whoever was silent for a whole period has a full bucket, which need not be remembered: two maps take turns.
  let young = new Map<string, Bucket>();
  let old = young;
  let turned = now();
  const perMs = count / per;
  const seconds = (missing: number): number => Math.max(0, Math.ceil(missing / perMs / 1000));
  const bucketOf = (key: string): Bucket => {
    const at = now();
    if (at - turned >= per || young.size >= mostKeys) {
      old = young;
      young = new Map();
      turned = at;
    }
    let bucket = young.get(key);
    if (bucket === undefined) {
      bucket = old.get(key) ?? { left: count, at };
      young.set(key, bucket);
    }
    bucket.left = Math.min(count, bucket.left + (at - bucket.at) * perMs);
    bucket.at = at;
    return bucket;
  };
  return {
    take(key) {
      const bucket = bucketOf(key);
      const isThere = bucket.left >= 1;
      if (isThere) bucket.left--;
      return {
        limit: count,
        remaining: Math.max(0, Math.floor(bucket.left)),
        reset: seconds(count - bucket.left),
        ...(isThere ? {} : { wait: Math.max(1, seconds(1 - bucket.left)) }),
      };
    },
    spend(key, many) {
      const bucket = bucketOf(key);
      bucket.left = Math.max(-count, bucket.left - many);
    },
  };
}

/** What a request is counted as. */
export type Kind = 'address' | 'client' | 'login' | 'token';

/** Counts one request; answers headers to be sent with the response. @throws FhirError `too-many-requests` */
export type CountRequest = (kind: Kind, sender: Sender, grant?: Grant) => readonly string[];

export interface RequestLimits {
  readonly count: CountRequest;
  close(): void;
}

const nothing: readonly string[] = [];

/** Open mode has no limits, and neither has a program on this machine that asks without a proxy. */
export function requestLimits(
  config: Pick<
    Config,
    'open' | 'limitAddress' | 'limitClient' | 'limitLogin' | 'limitToken' | 'redisUrl' | 'baseUrl'
  >,
  log: Pick<Log, 'warn' | 'info'>,
): RequestLimits {
  if (config.open) return { count: () => nothing, close: () => undefined };
  const limiter = (rate: Rate | undefined) => (rate === undefined ? undefined : createLimiter(rate));
  const limiters: Readonly<Record<Kind, ReturnType<typeof limiter>>> = {
    address: limiter(config.limitAddress),
    client: limiter(config.limitClient),
    login: limiter(config.limitLogin),
    token: limiter(config.limitToken),
  };
  const spent = (bucket: string, many: number): void => {
    const kind = bucket.slice(0, bucket.indexOf(' '));
    if (Object.hasOwn(limiters, kind)) limiters[kind as Kind]?.spend(bucket, many);
  };
  const shared =
    config.redisUrl === undefined
      ? undefined
      : shareLimits(config.redisUrl, config.baseUrl ?? '', spent, log);
  const count: CountRequest = (kind, sender, grant) => {
    const limiter = limiters[kind];
    if (limiter === undefined || sender.isHere) return nothing;
    const key = grant === undefined ? network(sender.address) : ownerOf(grant);
    const bucket = shared === undefined ? key : `${kind} ${shared.nameOf(key)}`;
    const taken = limiter.take(bucket);
    if (taken.wait === undefined) shared?.took(bucket);
    const headers = {
      'x-ratelimit-limit': String(taken.limit),
      'x-ratelimit-remaining': String(taken.remaining),
      'x-ratelimit-reset': String(taken.reset),
    };
    if (taken.wait === undefined) return Object.entries(headers).flat();
    const retry = { 'retry-after': String(taken.wait) };
    const message = `There were too many requests from ${whose[kind]}: try again in ${taken.wait} s.`;
    throw new FhirError('too-many-requests', message, { headers: { ...headers, ...retry } });
  };
  return { count, close: () => shared?.close() };
}

const whose: Readonly<Record<Kind, string>> = {
  address: 'your address',
  client: 'this client',
  login: 'your address',
  token: 'your address',
};

/** An app is counted for each of its users: many people use one app. */
const ownerOf = ({ principal, agent }: Grant): string => `${principal} ${agent?.client ?? ''}`;
