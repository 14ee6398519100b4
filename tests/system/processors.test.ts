// Who may have which processor, once there is a thread for large Bundles.
import { execFileSync } from 'node:child_process';
import { readdirSync, readFileSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { expect, it } from 'vitest';
import { openTsela } from '../system.js';

const reason =
  process.platform !== 'linux'
    ? 'Linux alone lets a thread be kept to a processor'
    : availableParallelism() !== 2
      ? 'the machine has not two processors'
      : hasTaskset()
        ? undefined
        : 'there is no taskset';

function hasTaskset(): boolean {
  try {
    execFileSync('taskset', ['-p', String(process.pid)]);
    return true;
  } catch {
    return false;
  }
}

/** Of each thread of this process the processors it may have, as Linux writes them. */
const allowed = (): ReadonlyMap<number, string> =>
  new Map(
    readdirSync('/proc/self/task').flatMap(thread => {
      try {
        const status = readFileSync(`/proc/self/task/${thread}/status`, 'utf8');
        return [[Number(thread), /^Cpus_allowed_list:\s*(\S+)/m.exec(status)![1]!]];
      } catch {
        return []; // it has ended
      }
    }),
  );

it.skipIf(reason !== undefined)(
  `is the second one for the thread for large Bundles and for V8, both for the others${reason ? ` (${reason})` : ''}`,
  async () => {
    const before = allowed();
    const both = before.get(process.pid)!;
    const [, second] = /[-,](\d+)$/.exec(both)!;
    expect(new Set(before.values())).toEqual(new Set([both]));
    const tsela = await openTsela('SQLite', {}, { isCarried: true });
    try {
      await expect.poll(() => [...allowed()].filter(([, list]) => list === second).length).toBeGreaterThan(4);
      expect(allowed().get(process.pid)).toBe(both);
      // The writer's thread is among those that came later and may have either.
      expect([...allowed()].filter(([thread, list]) => !before.has(thread) && list === both)).not.toEqual([]);
    } finally {
      await tsela.close();
    }
  },
);
