// Runs the jobs of a queue in this process, one at a time. What a job does must bear to be done twice: after a crash it
// begins again at its last checkpoint.
import { FhirError } from '../errors.js';
import { JobLost, type Held, type Job, type Progress, type Queue } from './queue.js';

export interface Running {
  readonly job: Job;
  /** Keeps where to go on. Throws where the work must stop: the server closes, or the job is no longer this worker's. */
  checkpoint(checkpoint: unknown, progress: Progress): Promise<void>;
  /** Waits; the lease is kept. Throws as `checkpoint` does. */
  pause(ms: number): Promise<void>;
}

/** Does the job, or what is left of it, and answers what it came to; undefined where it found `job.cancelling` and undid it. */
export type Run = (running: Running) => Promise<unknown>;

export interface Worker {
  /** Looks for work now. */
  wake(): void;
  /** Stops after the step under way; the job waits for the next start. */
  stop(): Promise<void>;
}

/** The server is closing. */
class Stopped extends Error {}

/** How often others' jobs are looked for, ms. */
const every = 5_000;
const leaseKept = 5_000;
/** After so many failures in a row a job is given up. */
const usualFailures = 8;

export function startWorker(
  queue: Queue,
  kinds: Readonly<Record<string, Run>>,
  onFailure: (error: unknown, jobId: string) => void,
  mostFailures = usualFailures,
): Worker {
  const stopping = new AbortController();
  let asleep: (() => void) | undefined;
  let woken = false;

  const sleep = (ms: number): Promise<void> =>
    new Promise(resolve => {
      const timer = setTimeout(resolve, ms);
      timer.unref();
      asleep = () => {
        clearTimeout(timer);
        resolve();
      };
    });

  const work = async (held: Held): Promise<void> => {
    const check = (): void => {
      if (stopping.signal.aborted) throw new Stopped();
    };
    const running: Running = {
      get job() {
        return held.job;
      },
      async checkpoint(checkpoint, progress) {
        await held.save({ checkpoint, progress, failures: 0 });
        check();
      },
      async pause(ms) {
        const until = performance.now() + ms;
        for (let left = ms; left > 0; left = until - performance.now()) {
          await sleep(Math.min(left, leaseKept));
          check();
          await held.save({});
        }
      },
    };
    try {
      const result = await kinds[held.job.kind]!(running);
      await held.save({ state: result === undefined ? 'cancelled' : 'done', result });
    } catch (error) {
      if (error instanceof JobLost) return;
      if (error instanceof Stopped) return held.save({ state: 'waiting' });
      const failures = held.job.failures + 1;
      const isFinal = isRefusal(error) || failures >= mostFailures;
      if (!isRefusal(error)) onFailure(error, held.job.id);
      const failure =
        error instanceof FhirError
          ? { code: error.code, message: error.issues.map(issue => issue.text).join(' ') }
          : { code: 'internal' as const, message: 'The job failed; the log has the cause under its id.' };
      await held.save({
        state: isFinal ? 'failed' : 'waiting',
        failures,
        failure,
        ...(isFinal ? {} : { notBefore: Date.now() + 500 * 2 ** failures }),
      });
    }
  };

  const loop = async (): Promise<void> => {
    while (!stopping.signal.aborted) {
      woken = false;
      try {
        const held = await queue.claim(Object.keys(kinds));
        if (held !== undefined) {
          await work(held);
          continue;
        }
      } catch (error) {
        if (!(error instanceof JobLost)) onFailure(error, 'jobs');
      }
      if (!woken && !stopping.signal.aborted) await sleep(every);
    }
  };
  const done = loop();
  return {
    wake() {
      woken = true;
      asleep?.();
    },
    async stop() {
      stopping.abort();
      asleep?.();
      await done;
    },
  };
}

/** To try again would end the same way. */
const isRefusal = (error: unknown): boolean =>
  error instanceof FhirError && error.status < 500 && error.status !== 408;
