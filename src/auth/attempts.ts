// Guessing made slow: every attempt is counted before the password is looked at, in one compare-and-set, so that many at
// once count as many. After five failures a name is locked, twice as long each time. Nothing tells whether it is locked
// or exists: names that do not are counted alike. https://pages.nist.gov/800-63-4/sp800-63b.html#throttle
import type { Documents } from '../storage/documents.js';
import { nameKey } from './accounts.js';
import { hashed } from './secrets.js';

export interface Attempts {
  /** Counts one; whether it may be tried at all. */
  begin(name: string): Promise<boolean>;
  succeeded(name: string): Promise<void>;
}

interface Count {
  readonly failures: number;
  readonly lockedUntil: number;
}

const collection = 'login-attempts';
const free = 5;
const firstLock = 30_000;
const longestLock = 3_600_000;
const forgottenAfter = 24 * 3_600_000;

export const openAttempts = (documents: Documents, now: () => number = Date.now): Attempts => ({
  async begin(name) {
    const key = keyOf(name);
    for (;;) {
      const document = await documents.get(collection, key);
      const before = (document?.value as Count | undefined) ?? { failures: 0, lockedUntil: 0 };
      if (before.lockedUntil > now()) return false;
      const failures = before.failures + 1;
      const lock = failures < free ? 0 : Math.min(firstLock * 2 ** (failures - free), longestLock);
      const count: Count = { failures, lockedUntil: lock === 0 ? 0 : now() + lock };
      const put = await documents.put(collection, key, count, {
        expected: document?.revision ?? 0,
        expires: Date.now() + forgottenAfter,
      });
      if (put !== undefined) return true;
    }
  },
  async succeeded(name) {
    await documents.delete(collection, keyOf(name));
  },
});

const keyOf = (name: string): string => hashed(nameKey(name));
