// On two processors: V8 collects and compiles in threads of its own, and with the one for large Bundles there are soon
// more at work than processors. Linux then lets who answers wait behind them until the next tick of its clock, 4 ms, even
// beside an idle processor. So those threads are kept to the second one; the first is left to who answers and who writes.
// https://man7.org/linux/man-pages/man1/taskset.1.html
import { execFile } from 'node:child_process';
import { readdirSync, readFileSync, readlinkSync } from 'node:fs';
import { availableParallelism } from 'node:os';

/** Threads that were there before any of the server's, but for the main one: V8's, and those libuv waits for files in. */
const helpers = threads().filter(thread => thread !== process.pid);

/** None where the system does not tell. */
function threads(): readonly number[] {
  try {
    return readdirSync('/proc/self/task').map(Number);
  } catch {
    return [];
  }
}

/** To be asked by the main thread: what `stayBehind` is to be told, absent where there are not two processors. */
export const threadsBehind = (): readonly number[] | undefined =>
  availableParallelism() === 2 && helpers.length > 0 ? helpers : undefined;

/** Keeps the thread that calls it, and those, to the second processor. Where `taskset` is missing, all stays as it was. */
export function stayBehind(others: readonly number[]): void {
  const own = Number(readlinkSync('/proc/thread-self').split('/').at(-1));
  // The number of one that has ended may be another process's by now.
  const behind = threads().filter(thread => thread === own || others.includes(thread));
  const allowed = /^Cpus_allowed_list:.*?(\d+)$/m.exec(readFileSync('/proc/self/status', 'utf8'));
  if (allowed === null) return;
  const mask = (1n << BigInt(allowed[1]!)).toString(16);
  const script = 'mask=$1; shift; for thread do taskset -p "$mask" "$thread"; done';
  // Should it fail, nothing hangs on it.
  execFile('/bin/sh', ['-c', script, 'sh', mask, ...behind.map(String)], () => undefined);
}
