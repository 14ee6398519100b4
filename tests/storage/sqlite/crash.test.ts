// SIGKILL at random moments under load: what was acknowledged is there, once; no commit is half there; the index agrees
// with the bodies. Five rounds, or as many as TSELA_TEST_CRASHES says. A file goes through ten.
import { spawn } from 'node:child_process';
import { createHash, randomInt } from 'node:crypto';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, expect, test } from 'vitest';
import type { Row } from '../../../src/search/rows.js';
import { openSqliteStore } from '../../../src/storage/sqlite/store.js';
import type { Version } from '../../../src/storage/store.js';

const rounds = Number(process.env['TSELA_TEST_CRASHES'] ?? 5);

interface Acknowledged {
  readonly ack: string;
  readonly writes: readonly (readonly [type: string, id: string, version: number, sha1: string])[];
}

let folder: string;
beforeAll(async () => (folder = await mkdtemp(join(tmpdir(), 'tsela-crash-'))));
afterAll(() => rm(folder, { recursive: true }));

/** Runs the load until it has acknowledged so many commits, kills it, and answers all it acknowledged. */
async function crash(path: string, seed: number, after: number): Promise<Acknowledged[]> {
  const child = spawn(
    process.execPath,
    [fileURLToPath(new URL('load.mjs', import.meta.url)), path, String(seed)],
    { stdio: ['ignore', 'pipe', 'inherit'] },
  );
  const heard: Acknowledged[] = [];
  const ended = new Promise<NodeJS.Signals | null>(resolve =>
    child.on('exit', (_, signal) => resolve(signal)),
  );
  for await (const line of createInterface({ input: child.stdout })) {
    const said = JSON.parse(line) as Acknowledged | { try: string } | { ready: true };
    if (!('ack' in said)) continue;
    heard.push(said);
    // Read on after the kill: what is still in the pipe was acknowledged too.
    if (heard.length === after) child.kill('SIGKILL');
  }
  expect(await ended).toBe('SIGKILL');
  return heard;
}

const parsed = (body: Uint8Array): { commit: string; of: number; rows: Row[] } =>
  JSON.parse(Buffer.from(body).toString()) as { commit: string; of: number; rows: Row[] };
const rowsOf = (version: Version): readonly Row[] => parsed(version.body!).rows;

test(
  `loses nothing acknowledged and leaves nothing half done in ${rounds} kills`,
  { timeout: 60_000 + rounds * 20_000 },
  async () => {
    let acknowledged: Acknowledged[] = [];
    let path = '';
    for (let round = 0; round < rounds; round++) {
      if (round % 10 === 0) [path, acknowledged] = [join(folder, `store-${round}.sqlite`), []];
      const seed = randomInt(1, 2 ** 31);
      const after = randomInt(1, 400);
      acknowledged.push(...(await crash(path, seed, after)));
      const store = await openSqliteStore({ path });
      try {
        const told = `round ${round}, seed ${seed}, killed after ${after}`;
        const versions = new Map<string, Version>();
        const parts = new Map<string, { of: number; found: number }>();
        let after_;
        do {
          const page = await store.history({
            count: 500,
            ascending: true,
            ...(after_ ? { after: after_ } : {}),
          });
          for (const version of page.versions) {
            const key = `${version.ref.type}/${version.ref.id} ${version.version}`;
            expect(versions.has(key), `${key} twice; ${told}`).toBe(false);
            versions.set(key, version);
            if (version.body === undefined) continue;
            const { commit, of } = parsed(version.body);
            const part = parts.get(commit) ?? { of, found: 0 };
            parts.set(commit, { of, found: part.found + 1 });
          }
          after_ = page.next;
        } while (after_ !== undefined);

        for (const { ack, writes } of acknowledged) {
          for (const [type, id, version, sha1] of writes) {
            const stored = versions.get(`${type}/${id} ${version}`);
            expect(stored, `${type}/${id} ${version} of ${ack} is lost; ${told}`).toBeDefined();
            expect(stored!.body ? createHash('sha1').update(stored!.body).digest('hex') : '', told).toBe(
              sha1,
            );
          }
          expect(Buffer.from((await store.receipt(ack))!).toString(), told).toBe(String(writes.length));
        }
        const halves = [...parts].filter(([, { of, found }]) => of !== found);
        expect(halves, told).toEqual([]);
        const complaints: string[] = [];
        for await (const complaint of store.check(rowsOf)) complaints.push(complaint);
        expect(complaints, told).toEqual([]);
      } finally {
        await store.close();
      }
    }
    expect(acknowledged.length).toBeGreaterThan(0);
  },
);
