// kill -9 while large Bundles are carried out in their thread: each is stored whole or not at all, once however often it
// is sent, and every stored write has exactly one place in the audit trail.
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { everyPage, serveFolder } from '../cli/crashing.js';
import type { Json } from '../json.js';

let folder: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'tsela-large-crash-'));
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

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

it('leaves each Bundle whole and once, in four rounds', { timeout: 180_000 }, async () => {
  const sent: string[] = [];
  const post = async (url: string, name: string): Promise<number> => {
    const headers = { 'content-type': 'application/fhir+json', 'idempotency-key': name };
    const { status } = await fetch(url, { method: 'POST', headers, body: bodyOf(name) });
    return status;
  };
  for (let round = 0; round < 4; round++) {
    const server = await serveFolder(folder);
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
        if (server.said().includes('Large Bundles have a thread') && ++carried === 4 + round) {
          isDead = true;
          server.process.kill('SIGKILL');
        }
      }
    };
    await Promise.all([0, 1, 2].map(client));
    await server.ended;
  }

  const server = await serveFolder(folder);
  for (const name of sent) expect(await post(server.url, name)).toBe(200);
  const stored = await everyPage(`${server.url}/Basic?_count=500&_elements=identifier`);
  const many = new Map<string, number>();
  for (const one of stored) {
    const { system, value } = one['identifier'][0] as { system: string; value: string };
    many.set(`${system} ${value}`, (many.get(`${system} ${value}`) ?? 0) + 1);
  }
  expect(stored).toHaveLength(sent.length * size);
  expect(many.size).toBe(stored.length);
  const written = (
    await everyPage(`${server.url}/AuditEvent?subtype=create,transaction,batch&outcome=0&_count=500`)
  )
    .filter(event => event['action'] !== 'R')
    .flatMap(event => (event['entity'] ?? []) as Json[])
    .flatMap(({ what }) =>
      /^Basic\/.*\/_history\/1$/.test(what?.reference) ? [what.reference as string] : [],
    );
  expect(written.sort()).toEqual(stored.map(one => `Basic/${one['id']}/_history/1`).sort());
  server.process.kill('SIGTERM');
  await server.ended;
});
