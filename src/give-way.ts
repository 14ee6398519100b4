// Where processors are few, a thread at long work keeps the main one from its processor: Linux lets who runs finish a
// slice, and asks again at the next tick of its clock, so that somebody's read waits up to 4 ms whatever the priorities.
// A thread that stands still for a moment now and then is one behind which nobody waits longer than that.
// https://docs.kernel.org/scheduler/sched-eevdf.html
import { availableParallelism } from 'node:os';
import { getEnvironmentData, isMainThread, setEnvironmentData } from 'node:worker_threads';

export const hasFewProcessors = availableParallelism() <= 2;

/** So long is worked between two moments, and so long somebody is waited for after a request, in ms. */
const workMs = 0.4;
const expectedMs = 100;
/** What is asked for; the kernel makes some 60 µs of it. */
const momentMs = 0.01;

const shared = 'tsela requests';
/** How many requests the main thread has taken upon itself; absent in threads of something else than a server. */
const taken = takenOf();
const nobody = new Int32Array(new SharedArrayBuffer(4));
let seen = 0;
let lastAsked = -Infinity;
let since = -Infinity;

function takenOf(): Int32Array | undefined {
  const found = getEnvironmentData(shared) as SharedArrayBuffer | undefined;
  if (found !== undefined || !isMainThread) return found && new Int32Array(found);
  const made = new SharedArrayBuffer(4);
  setEnvironmentData(shared, made);
  return new Int32Array(made);
}

/** The main thread answers a request itself: other threads give way for a while. */
export function asksForMain(): void {
  if (taken !== undefined) Atomics.add(taken, 0, 1);
}

/** To be called often in the long work of a thread; on the main one it does nothing. */
export function giveWay(): void {
  if (!hasFewProcessors || isMainThread || taken === undefined) return;
  const now = performance.now();
  if (now - since < workMs) return;
  const asked = Atomics.load(taken, 0);
  if (asked !== seen) {
    seen = asked;
    lastAsked = now;
  }
  if (now - lastAsked < expectedMs) Atomics.wait(nobody, 0, 0, momentMs);
  since = performance.now();
}
