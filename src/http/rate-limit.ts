// How often one may ask: a bucket of tokens per key, filled evenly. In the memory of this process: several processes of
// one server count each for itself. https://www.rfc-editor.org/rfc/rfc6585#section-4
import { network } from '../auth/allowance.js';
import type { Grant } from '../auth/grant.js';
import type { Config } from '../config.js';
import { FhirError } from '../errors.js';
import type { Sender } from './sender.js';

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

/** @param now ms of a monotonic clock */
export function createLimiter(
  { count, per }: Rate,
  now: () => number = () => performance.now(),
): (key: string) => Taken {
  // Whoever was silent for a whole period has a full bucket, which need not be remembered: two maps take turns.
  let young = new Map<string, Bucket>();
  let old = young;
  let turned = now();
  const perMs = count / per;
  return key => {
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
    const isThere = bucket.left >= 1;
    if (isThere) bucket.left--;
    const seconds = (missing: number): number => Math.max(0, Math.ceil(missing / perMs / 1000));
    return {
      limit: count,
      remaining: Math.floor(bucket.left),
      reset: seconds(count - bucket.left),
      ...(isThere ? {} : { wait: Math.max(1, seconds(1 - bucket.left)) }),
    };
  };
}

/** What a request is counted as. */
export type Kind = 'address' | 'client' | 'login' | 'token';

/** Counts one request; answers headers to be sent with the response. @throws FhirError `too-many-requests` */
export type CountRequest = (kind: Kind, sender: Sender, grant?: Grant) => readonly string[];

const nothing: readonly string[] = [];

/** Open mode has no limits, and neither has a program on this machine that asks without a proxy. */
export function requestLimits(
  config: Pick<Config, 'open' | 'limitAddress' | 'limitClient' | 'limitLogin' | 'limitToken'>,
): CountRequest {
  if (config.open) return () => nothing;
  const limiter = (rate: Rate | undefined) => (rate === undefined ? undefined : createLimiter(rate));
  const limiters: Readonly<Record<Kind, ReturnType<typeof limiter>>> = {
    address: limiter(config.limitAddress),
    client: limiter(config.limitClient),
    login: limiter(config.limitLogin),
    token: limiter(config.limitToken),
  };
  return (kind, sender, grant) => {
    const take = limiters[kind];
    if (take === undefined || sender.isHere) return nothing;
    const taken = take(grant === undefined ? network(sender.address) : ownerOf(grant));
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
}

const whose: Readonly<Record<Kind, string>> = {
  address: 'your address',
  client: 'this client',
  login: 'your address',
  token: 'your address',
};

/** An app is counted for each of its users: many people use one app. */
const ownerOf = ({ principal, agent }: Grant): string => `${principal} ${agent?.client ?? ''}`;
