// A file that only its owner may read. SQLite gives a new file the rights the process gives to any, and its log (WAL) those
// of the file: so the file is made before SQLite comes.
// Surprising: a file that is there is never opened here, because closing it would let go of every lock this process has on
// it. https://www.sqlite.org/howtocorrupt.html#posix_advisory_locks_canceled_by_a_separate_thread_doing_close_
import { chmodSync, closeSync, mkdirSync, openSync, statSync } from 'node:fs';
import { dirname } from 'node:path';

const others = 0o077;

/** Makes the file and its folder where they are missing, and takes a file that is there away from everybody else. */
export function makePrivate(path: string): void {
  mkdirSync(dirname(path), { recursive: true, mode: 0o700 });
  try {
    closeSync(openSync(path, 'wx', 0o600));
    return;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
  }
  for (const each of [path, `${path}-wal`, `${path}-shm`]) narrow(each);
}

/** Of another owner, or on a file system without rights, a file can be used all the same. */
const tolerated = new Set(['EPERM', 'ENOTSUP', 'ENOSYS', 'EROFS']);

function narrow(path: string): void {
  const mode = statSync(path, { throwIfNoEntry: false })?.mode;
  if (mode === undefined || (mode & others) === 0) return;
  try {
    chmodSync(path, 0o600);
  } catch (error) {
    if (!tolerated.has((error as NodeJS.ErrnoException).code ?? '')) throw error;
  }
}
