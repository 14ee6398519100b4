// The loader's loop: several requests under way, never two about the same resource, one phase of sources after another;
// what was refused is tried again at the end, as long as that gets more of it in.
import { setMaxListeners } from 'node:events';
import type { Progress } from '../progress.js';
import { deliver, type Failure, type Persistence, type Refusal } from './deliver.js';
import { Requests, type LoadRequest, type RequestOptions } from './requests.js';
import type { Sender } from './sender.js';
import type { Source } from './sources.js';

export interface RunOptions extends RequestOptions {
  /** Requests under way at once. */
  readonly parallel: number;
  readonly persistence: Persistence;
  readonly progress: Progress;
  /** Told as soon as a failure is certain. */
  readonly failed: (failure: Failure) => void;
}

export interface Summary {
  stored: number;
  failures: number;
  /** Why it ended early; everything acknowledged until then is stored. */
  stopped?: Error;
}

/** Refused requests kept for another try; beyond, the first refusal counts. */
const keptBytes = 64 * 1024 * 1024;

export async function run(sources: Iterable<Source>, sender: Sender, options: RunOptions): Promise<Summary> {
  const { progress, failed } = options;
  const requests = new Requests(options);
  const summary: Summary = { stored: 0, failures: 0 };
  const stop = new AbortController();
  const signal = AbortSignal.any([options.persistence.signal, stop.signal]);
  setMaxListeners(0, signal); // every request that waits for its next try listens
  const persistence = { ...options.persistence, signal };
  const late: Refusal[] = [];
  let lateBytes = 0;

  const fail = (failure: Failure): void => {
    summary.failures++;
    progress.tally.failures++;
    failed(failure);
  };
  const attempt = async (request: LoadRequest): Promise<readonly Refusal[]> => {
    const { stored, failures, refused } = await deliver(sender, request, requests, persistence);
    summary.stored += stored;
    progress.tally.done += stored;
    failures.forEach(fail);
    return refused;
  };
  const firstAttempt = async (request: LoadRequest): Promise<void> => {
    const refused = await attempt(request);
    progress.tally.bytes += request.weight;
    for (const refusal of refused) {
      lateBytes += refusal.request.body.length;
      if (lateBytes <= keptBytes) late.push(refusal);
      else fail(refusal.failure);
    }
  };

  try {
    await lanes(options.parallel, signal, stop, async start => {
      let phase = 0;
      for (const source of sources) {
        const next = source.phase !== phase;
        phase = source.phase;
        if (next) await start.settled();
        for await (const request of requests.of(source)) {
          if ('items' in request) {
            await start(request.about, () => firstAttempt(request));
            continue;
          }
          progress.tally.bytes += request.weight;
          const { place, message } = request;
          fail({ source: source.label, place, what: '', status: 0, message, resources: 0 });
        }
      }
    });
    for (let before = Infinity; late.length > 0 && late.length < before && summary.stored > 0;) {
      before = late.length;
      for (const refusal of late.slice()) {
        signal.throwIfAborted();
        const refused = await attempt(refusal.request);
        late.shift();
        late.push(...refused);
      }
    }
  } catch (error) {
    summary.stopped = error instanceof Error ? error : new Error(String(error));
  }
  for (const { failure } of late) fail(failure);
  return summary;
}

interface Start {
  /** Starts the work when a lane is free and nobody is busy with the same resources; resolves when it has begun. */
  (about: readonly string[], work: () => Promise<void>): Promise<void>;
  /** Resolves when all that was started is done. */
  settled(): Promise<void>;
}

/** Runs `produce` with a bounded number of works under way; the first that throws stops it and is thrown once all are done. */
async function lanes(
  parallel: number,
  signal: AbortSignal,
  stop: AbortController,
  produce: (start: Start) => Promise<void>,
): Promise<void> {
  const underWay = new Set<Promise<void>>();
  const busy = new Set<string>();
  let failure: { error: unknown } | undefined;
  const check = (): void => {
    if (failure) throw failure.error;
    signal.throwIfAborted();
  };
  const start = async (about: readonly string[], work: () => Promise<void>): Promise<void> => {
    check();
    while (underWay.size >= parallel || about.some(one => busy.has(one))) {
      await Promise.race(underWay);
      check();
    }
    for (const one of about) busy.add(one);
    const running: Promise<void> = work()
      .catch((error: unknown) => {
        failure ??= { error };
        stop.abort(); // the others need not wait for their next try
      })
      .finally(() => {
        for (const one of about) busy.delete(one);
        underWay.delete(running);
      });
    underWay.add(running);
  };
  const settled = async (): Promise<void> => {
    await Promise.all(underWay);
    check();
  };
  try {
    await produce(Object.assign(start, { settled }));
  } finally {
    await Promise.all(underWay);
  }
  check();
}
