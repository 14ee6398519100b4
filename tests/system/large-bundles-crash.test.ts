// kill -9 while large Bundles are carried out in their thread: each is stored whole or not at all, once however often it
// is sent, and every stored write has exactly one place in the audit trail.
import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, expect, it } from 'vitest';

type Json = Record<string, any>; // eslint-disable-line @typescript-eslint/no-explicit-any -- tests look deep into bodies

const cli = fileURLToPath(new URL('../../dist/cli.js', import.meta.url));
let folder: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'tsela-large-crash-'));
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

interface Server {
  readonly process: ChildProcess;
  readonly url: string;
  readonly hasThread: () => boolean;
}

async function start(): Promise<Server> {
  const { MONGODB_URL: _, ...rest } = process.env;
  const env = { ...rest, TSELA_OPEN: 'true', TSELA_AUDIT: 'on', TSELA_PORT: '0' };
  const child = spawn(process.execPath, [cli, 'start', '--data', folder], {
    env,
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  let text = '';
  return new Promise((resolve, reject) => {
    child.stdout.on('data', (chunk: Buffer) => {
      text += String(chunk);
      const url = /"url":"([^"]+)".*"listening"/.exec(text)?.[1];
      if (url !== undefined)
        resolve({ process: child, url, hasThread: () => text.includes('Large Bundles have a thread') });
    });
    child.once('exit', () => reject(new Error(`the server ended: ${text}`)));
  });
}

const size = 150;
const filling = 'x'.repeat(1000);
const bodyOf = (name: string): string =>
  JSON.stringify({
    resourceType: 'Bundle',
    type: 'transaction',
    entry: Array.from({ length: size }, (_, i) => ({
      resource: {
        resourceType: 'Basic',
        code: { text: filling },
        identifier: [{ system: name, value: `${i}` }],
      },
      request: { method: 'POST', url: 'Basic' },
    })),
  });

/** Everything a search finds, page by page. */
async function all(url: string): Promise<Json[]> {
  const found: Json[] = [];
  for (let next: string | undefined = url; next !== undefined;) {
    const page = (await (await fetch(next)).json()) as Json;
    for (const entry of (page['entry'] ?? []) as Json[]) found.push(entry['resource'] as Json);
    next = (page['link'] as Json[]).find(link => link['relation'] === 'next')?.['url'] as string | undefined;
  }
  return found;
}

it('leaves each Bundle whole and once, in four rounds', { timeout: 180_000 }, async () => {
  const sent: string[] = [];
  const post = async (url: string, name: string): Promise<number> => {
    const headers = { 'content-type': 'application/fhir+json', 'idempotency-key': name };
    const { status } = await fetch(url, { method: 'POST', headers, body: bodyOf(name) });
    return status;
  };
  for (let round = 0; round < 4; round++) {
    const server = await start();
    // What was under way when the server before this one died.
    for (const name of sent) expect(await post(server.url, name)).toBe(200);
    let carried = 0;
    let isDead = false;
    const client = async (n: number): Promise<void> => {
      for (let i = 0; !isDead; i++) {
        const name = `urn:${round}-${n}-${i}`;
        sent.push(name);
        try {
          expect(await post(server.url, name)).toBe(200);
        } catch (error) {
          if (!isDead) throw error;
          return;
        }
        if (server.hasThread() && ++carried === 4 + round) {
          isDead = true;
          server.process.kill('SIGKILL');
        }
      }
    };
    const ended = once(server.process, 'exit');
    await Promise.all([0, 1, 2].map(client));
    await ended;
  }

  const server = await start();
  for (const name of sent) expect(await post(server.url, name)).toBe(200);
  const stored = await all(`${server.url}/Basic?_count=500&_elements=identifier`);
  const many = new Map<string, number>();
  for (const one of stored) {
    const { system, value } = one['identifier'][0] as { system: string; value: string };
    many.set(`${system} ${value}`, (many.get(`${system} ${value}`) ?? 0) + 1);
  }
  expect(stored).toHaveLength(sent.length * size);
  expect(many.size).toBe(stored.length);
  const written = (
    await all(`${server.url}/AuditEvent?subtype=create,transaction,batch&outcome=0&_count=500`)
  )
    .filter(event => event['action'] !== 'R')
    .flatMap(event => (event['entity'] ?? []) as Json[])
    .flatMap(({ what }) =>
      /^Basic\/.*\/_history\/1$/.test(what?.reference) ? [what.reference as string] : [],
    );
  expect(written.sort()).toEqual(stored.map(one => `Basic/${one['id']}/_history/1`).sort());
  server.process.kill('SIGTERM');
  await once(server.process, 'exit');
});
