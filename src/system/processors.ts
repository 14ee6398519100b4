// On two processors: V8 collects and compiles in threads of its own, and with the one for large Bundles there are soon
// more at work than processors. Linux then lets who answers wait behind them until the next tick of its clock, 4 ms, even
// beside an idle processor. So those threads are kept to the second one; the first is left to who answers and who writes.
// https://man7.org/linux/man-pages/man1/taskset.1.html
import { execFile } from 'node:child_process';
import { readdirSync, readFileSync, readlinkSync } from 'node:fs';
import { availableParallelism } from 'node:os';

/** Threads that were there before any of the server's, but for the main one: V8's, and those libuv waits for files in. */
const helpers = process.platform === 'linux' ? otherThreads() : [];

function otherThreads(): readonly number[] {
  return readdirSync('/proc/self/task')
    .map(Number)
    .filter(thread => thread !== process.pid);
}

/** To be asked by the main thread: what `stayBehind` is to be told, absent where there are not two processors. */
export const threadsBehind = (): readonly number[] | undefined =>
  process.platform === 'linux' && availableParallelism() === 2 ? helpers : undefined;

/** Keeps the thread that calls it, and those, to the second processor. Where `taskset` is missing, all stays as it was. */
export function stayBehind(threads: readonly number[]): void {
  const own = readlinkSync('/proc/thread-self').split('/').at(-1)!;
  const allowed = /^Cpus_allowed_list:.*?(\d+)$/m.exec(readFileSync('/proc/self/status', 'utf8'));
  if (allowed === null) return;
  const mask = (1n << BigInt(allowed[1]!)).toString(16);
  const script = 'mask=$1; shift; for thread do taskset -p "$mask" "$thread"; done';
  // A thread may have ended meanwhile; nothing hangs on it.
  execFile('/bin/sh', ['-c', script, 'sh', mask, own, ...threads.map(String)], () => undefined);
}
