// SIGKILL does not prove fsync: the kernel keeps what a killed process wrote. So the system calls are traced, and each
// acknowledged commit must have had its log (WAL) synced after the last write to it. https://www.sqlite.org/atomiccommit.html
import { execFile, spawnSync } from 'node:child_process';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';

const traced = spawnSync('strace', ['-f', '-e', 'trace=fsync', 'true']).status === 0;

interface Event {
  readonly what: 'wal write' | 'wal sync' | 'try' | 'ack';
  readonly commit?: string;
}

/** The calls that matter, in the order they returned (a `try` line: began). */
function eventsOf(trace: string): Event[] {
  const events: Event[] = [];
  const begun = new Map<string, string>();
  for (const line of trace.split('\n')) {
    const [, thread = '', call = ''] = /^(\d+)\s+(.*)$/.exec(line) ?? [];
    if (call.endsWith('<unfinished ...>')) {
      begun.set(thread, call);
      continue;
    }
    const resumed = call.startsWith('<... ') ? (begun.get(thread) ?? '') : '';
    const whole = resumed + call;
    if (/^(fsync|fdatasync)\(\d+<[^>]*-wal>/.test(whole)) {
      expect(whole).toMatch(/= 0$/);
      events.push({ what: 'wal sync' });
    } else if (/^(pwrite64|pwritev|write)\(\d+<[^>]*-wal>/.test(whole)) events.push({ what: 'wal write' });
    else {
      const [, what, commit] = /^write\(1<.*?"\{\\"(try|ack)\\":\\"([^"\\]+)\\"/.exec(whole) ?? [];
      if (what !== undefined && commit !== undefined) events.push({ what: what as 'try' | 'ack', commit });
    }
  }
  return events;
}

describe.skipIf(!traced)(
  'the log is synced before a commit is acknowledged (skipped where strace is missing or may not trace)',
  () => {
    let folder: string;
    beforeAll(async () => (folder = await mkdtemp(join(tmpdir(), 'tsela-sync-'))));
    afterAll(() => rm(folder, { recursive: true }));

    async function trace(commits: number, atOnce: number): Promise<Event[]> {
      const file = join(folder, `trace-${atOnce}`);
      const load = fileURLToPath(new URL('load.mjs', import.meta.url));
      const calls = 'trace=fsync,fdatasync,write,pwrite64,pwritev';
      await promisify(execFile)(
        'strace',
        [
          '-f',
          '-y',
          '-s',
          '64',
          '-e',
          calls,
          '-e',
          'signal=none',
          '-o',
          file,
          process.execPath,
          load,
          join(folder, `store-${atOnce}`),
          '7',
          String(commits),
          String(atOnce),
        ],
        { maxBuffer: 1e9 },
      );
      return eventsOf(await readFile(file, 'utf8'));
    }

    test('one commit at a time: written, synced, acknowledged', async () => {
      const events = await trace(60, 1);
      const acks = events.flatMap((event, i) => (event.what === 'ack' ? [i] : []));
      expect(acks).toHaveLength(60);
      for (const ack of acks) {
        const since = events.slice(0, ack).findLastIndex(event => event.what === 'try');
        expect(events[since]!.commit).toBe(events[ack]!.commit);
        const between = events.slice(since + 1, ack).map(event => event.what);
        expect(between).toContain('wal write');
        expect(between.at(-1)).toBe('wal sync');
      }
    });

    test('many at once: each has a sync between its beginning and its acknowledgement, and they share them', async () => {
      const events = await trace(300, 16);
      const acks = events.filter(event => event.what === 'ack');
      expect(acks).toHaveLength(300);
      for (const { commit } of acks) {
        const from = events.findIndex(event => event.what === 'try' && event.commit === commit);
        const to = events.findIndex(event => event.what === 'ack' && event.commit === commit);
        expect(
          events.slice(from, to).some(event => event.what === 'wal sync'),
          commit,
        ).toBe(true);
      }
      expect(events.filter(event => event.what === 'wal sync').length).toBeLessThan(acks.length);
    });
  },
);
