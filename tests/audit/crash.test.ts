// kill -9 in the middle of writes and reads: every write that is stored has exactly one AuditEvent, every read that was
// answered too, whatever the process was doing when it died.
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { everyPage, serveFolder } from '../cli/crashing.js';
import type { Json } from '../json.js';

let folder: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'tsela-audit-crash-'));
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

it('leaves exactly one AuditEvent for every stored write and every answered read, in five rounds', async () => {
  const readIds = new Set<string>();
  const acknowledged = new Map<string, number>();
  for (let round = 0; round < 5; round++) {
    const { process: server, ended, url } = await serveFolder(folder);
    let dead = false;
    void ended.then(() => (dead = true));
    let answered = 0;
    const client = async (n: number): Promise<void> => {
      for (let i = 0; !dead; i++) {
        const id = `c${n}-${i % 5}`;
        const isRead = i % 4 === 3 && acknowledged.has(id);
        const requestId = `req-${round}-${n}-${i}`;
        try {
          const answer = await fetch(`${url}/Basic/${id}`, {
            method: isRead ? 'GET' : 'PUT',
            headers: { 'content-type': 'application/fhir+json', 'x-request-id': requestId },
            ...(isRead
              ? {}
              : { body: JSON.stringify({ resourceType: 'Basic', id, code: { text: `${round} ${i}` } }) }),
          });
          const body = (await answer.json()) as Json;
          if (answer.status >= 300) throw new Error(JSON.stringify(body));
          if (isRead) readIds.add(requestId);
          else acknowledged.set(id, Number(body['meta'].versionId));
          if (++answered === 100 + 37 * round) server.kill('SIGKILL');
        } catch (error) {
          if (!dead) await ended;
          if (answered < 100) throw error;
        }
      }
    };
    await Promise.all(Array.from({ length: 6 }, (_, n) => client(n)));
    await ended;
  }

  const { process: server, ended, url } = await serveFolder(folder);
  const stored = new Map<string, number>();
  for (const resource of await everyPage(`${url}/Basic?_count=100`))
    stored.set(resource['id'] as string, Number(resource['meta'].versionId));
  for (const [id, version] of acknowledged) expect(stored.get(id)).toBeGreaterThanOrEqual(version);

  const writes = [...(await everyPage(`${url}/AuditEvent?subtype=create,update&outcome=0&_count=500`))]
    .flatMap(event => event['entity'] as Json[])
    .flatMap(entity => (entity['what']?.reference as string | undefined) ?? [])
    .sort();
  const wanted = [...stored].flatMap(([id, version]) =>
    Array.from({ length: version }, (_, i) => `Basic/${id}/_history/${i + 1}`),
  );
  expect(writes).toEqual(wanted.sort());

  const reads = (await everyPage(`${url}/AuditEvent?subtype=read&outcome=0&_count=500`)).map(event =>
    (event['entity'] as Json[]).map(entity => entity['what']?.identifier?.value as string).find(Boolean),
  );
  expect(new Set(reads).size).toBe(reads.length);
  for (const id of readIds) expect(reads).toContain(id);
  server.kill('SIGTERM');
  await ended;
});
