// Reindexing by real server processes: killed in the middle, and several at once on one database, while clients write.
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { begin, tsela, type Running } from '../cli/cli.js';
import { colour, colouredPatient, custom } from '../operations/custom-parameter.js';

const mongoUrl = process.env['MONGODB_URL'];

let folder: string;
let env: Record<string, string>;
let servers: Running[] = [];
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'tsela-reindex-'));
  env = { TSELA_LOG_LEVEL: 'error' };
});
afterEach(async () => {
  for (const { process, ended } of servers.splice(0)) {
    process.kill('SIGTERM');
    await ended;
  }
  rmSync(folder, { recursive: true, force: true });
});

interface Server extends Running {
  readonly url: string;
}
async function serve(name = 'data'): Promise<Server> {
  const running = begin(['start', '--open', '--port', '0', '--data', join(folder, name)], { env });
  servers.push(running);
  const said = await running.says('Ctrl-C');
  return { ...running, url: /FHIR base\s+(\S+)/.exec(said)![1]! };
}
async function kill(server: Server): Promise<void> {
  server.process.kill('SIGKILL');
  await server.ended;
  servers = servers.filter(one => one.process !== server.process);
}

async function send(server: Server, method: string, path: string, body?: unknown): Promise<Response> {
  return fetch(`${server.url}/${path}`, {
    method,
    headers: { 'content-type': 'application/fhir+json' },
    ...(body === undefined ? {} : { body: JSON.stringify(body) }),
  });
}
async function put(server: Server, resource: Record<string, unknown>): Promise<void> {
  const path = `${String(resource['resourceType'])}/${String(resource['id'])}`;
  const response = await send(server, 'PUT', path, resource);
  if (!response.ok) throw new Error(`${response.status} ${await response.text()}`);
}
/** How many are found; or the status where the search is refused. */
async function total(server: Server, query: string): Promise<number | string> {
  const response = await send(server, 'GET', `${query}&_summary=count`);
  const body = (await response.json()) as { total: number };
  return response.ok ? body.total : `refused with ${response.status}`;
}

const parameters = (...urls: string[]): unknown => ({
  resourceType: 'Parameters',
  parameter: urls.map(url => ({ name: 'url', valueCanonical: url })),
});
async function accepted(server: Server, ...urls: string[]): Promise<string> {
  const response = await send(server, 'POST', '$reindex', parameters(...urls));
  expect(response.status, await response.clone().text()).toBe(202);
  return /\$job\/.*/.exec(response.headers.get('content-location')!)![0];
}
async function settled(server: Server, job: string): Promise<void> {
  for (;;) {
    const response = await send(server, 'GET', job);
    if (response.status === 200) return;
    expect(response.status, await response.clone().text()).toBe(202);
    await new Promise(resolve => setTimeout(resolve, 50));
  }
}
/** Resolves when the job says that it indexes and is not at its end. */
async function underWay(server: Server, job: string): Promise<void> {
  for (;;) {
    const response = await send(server, 'GET', job);
    const progress = response.headers.get('x-progress') ?? '';
    if (progress.startsWith('indexing')) return;
    if (response.status !== 202) throw new Error(`It was over too soon: ${response.status}`);
    await response.text();
  }
}

async function fill(server: Server, count: number): Promise<void> {
  for (let from = 0; from < count; from += 500) {
    const entry = Array.from({ length: Math.min(500, count - from) }, (_, i) => ({
      resource: colouredPatient(`p${from + i}`, (from + i) % 2 ? 'odd' : 'even'),
      request: { method: 'PUT', url: `Patient/p${from + i}` },
    }));
    const response = await send(server, 'POST', '', { resourceType: 'Bundle', type: 'transaction', entry });
    expect(response.status).toBe(200);
  }
}

async function healthy(): Promise<void> {
  const { out } = await tsela(['doctor', '--full', '--data', join(folder, 'data')], { env });
  expect(out).toContain('The index agrees with the content');
}

for (const store of ['SQLite', 'MongoDB'] as const) {
  const absent = store === 'MongoDB' && mongoUrl === undefined;
  describe.skipIf(absent)(`on ${store}${absent ? ' (skipped: MONGODB_URL is not set)' : ''}`, () => {
    beforeEach(() => {
      if (store === 'MongoDB')
        env = {
          ...env,
          MONGODB_URL: mongoUrl!,
          TSELA_MONGODB_DATABASE: `tsela_reindex_${Date.now().toString(36)}`,
        };
    });
    afterEach(async () => {
      if (store !== 'MongoDB') return;
      const { MongoClient } = await import('mongodb');
      const client = new MongoClient(mongoUrl!);
      await client.db(env['TSELA_MONGODB_DATABASE']).dropDatabase();
      await client.close();
    });

    test('a job goes on after kill -9, with what was written before, between and after', async () => {
      // So many that the job is still under way when a slow client has asked its questions.
      const count = store === 'SQLite' ? 15_000 : 5000;
      let server = await serve();
      await fill(server, count);
      await put(server, colour);
      const job = await accepted(server, colour.url);
      await underWay(server, job);
      expect(await total(server, 'Patient?colour=odd')).toBe('refused with 409');
      await put(server, colouredPatient('p1', 'new'));
      await put(server, colouredPatient(`p${count - 1}`, 'new'));
      await kill(server);
      server = await serve();
      expect(await total(server, 'Patient?colour=odd')).not.toBe(0);
      await put(server, colouredPatient('p3', 'new'));
      await settled(server, job);
      expect(await total(server, 'Patient?colour=odd')).toBe(count / 2 - 3);
      expect(await total(server, 'Patient?colour=even')).toBe(count / 2);
      expect(await total(server, 'Patient?colour=new')).toBe(3);
      server.process.kill('SIGTERM');
      await server.ended;
      await healthy();
    });
  });
}

describe.skipIf(mongoUrl === undefined)(
  `several servers on one MongoDB${mongoUrl === undefined ? ' (skipped: MONGODB_URL is not set)' : ''}`,
  () => {
    test('no search of any of them is wrong while parameters come and go under writes', async () => {
      env = {
        ...env,
        MONGODB_URL: mongoUrl!,
        TSELA_MONGODB_DATABASE: `tsela_reindex_${Date.now().toString(36)}`,
      };
      const [one, two] = [await serve('one'), await serve('two')];
      await fill(one, 600);
      await put(one, colour);
      const other = custom('shade', {
        ...colour,
        id: 'shade',
        code: 'shade',
        url: 'http://example.org/shade',
      });
      await put(one, other);

      // Writers on both servers, without a pause, from before the job to after it.
      let writing = true;
      let made = 0;
      const writer = async (server: Server, name: string): Promise<void> => {
        for (let i = 0; writing; i++) {
          await put(server, colouredPatient(`${name}${i}`, 'made'));
          made++;
          if (i % 3 === 0) await put(server, colouredPatient(`p${(i * 7) % 600}`, i % 2 ? 'odd' : 'even'));
        }
      };
      const writers = [writer(one, 'a'), writer(one, 'b'), writer(two, 'c'), writer(two, 'd')];
      const judged = async (server: Server, code: string): Promise<'refused' | 'right'> => {
        const before = made;
        const found = await total(server, `Patient?${code}=made`);
        if (typeof found === 'string') return 'refused';
        expect(found).toBeGreaterThanOrEqual(before);
        return 'right';
      };
      const searching = async (server: Server): Promise<number> => {
        let right = 0;
        // Once at least after both are in use, however slow the searches were meanwhile.
        while (writing || right === 0)
          for (const code of ['colour', 'shade']) if ((await judged(server, code)) === 'right') right++;
        return right;
      };
      const searchers = [searching(one), searching(two)];
      await settled(two, await accepted(one, colour.url));
      await settled(one, await accepted(two, other.url));
      // Given up while both servers answer by it.
      await send(two, 'DELETE', 'SearchParameter/shade');
      await settled(one, await accepted(one, other.url));
      writing = false;
      await Promise.all(writers);
      for (const right of await Promise.all(searchers)) expect(right).toBeGreaterThan(0);
      for (const server of [one, two]) {
        expect(await total(server, 'Patient?colour=made')).toBe(made);
        expect(await total(server, 'Patient?colour:missing=true')).toBe(0);
        expect(await total(server, 'Patient?shade=made')).toBe('refused with 400');
      }
      const { MongoClient } = await import('mongodb');
      const client = new MongoClient(mongoUrl!);
      await client.db(env['TSELA_MONGODB_DATABASE']).dropDatabase();
      await client.close();
    });
  },
);
