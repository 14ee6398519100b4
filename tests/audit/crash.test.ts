// kill -9 in the middle of writes and reads: every write that is stored has exactly one AuditEvent, every read that was
// answered too, whatever the process was doing when it died.
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
  folder = mkdtempSync(join(tmpdir(), 'tsela-audit-crash-'));
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

async function start(): Promise<{ process: ChildProcess; url: string }> {
  const env = { ...process.env, MONGODB_URL: '', TSELA_OPEN: 'true', TSELA_AUDIT: 'on', TSELA_PORT: '0' };
  const child = spawn(process.execPath, [cli, 'start', '--data', folder], {
    env: Object.fromEntries(Object.entries(env).filter(([, value]) => value !== '')),
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  let text = '';
  for await (const chunk of child.stdout) {
    text += String(chunk);
    const url = /"url":"([^"]+)".*"listening"/.exec(text)?.[1];
    if (url !== undefined) {
      child.stdout.resume();
      return { process: child, url };
    }
  }
  throw new Error(`the server ended: ${text}`);
}

/** Everything a search finds, page by page. */
async function all(url: string): Promise<Json[]> {
  const found: Json[] = [];
  for (let next: string | undefined = url; next !== undefined;) {
    const page = (await (await fetch(next)).json()) as Json;
    expect(page['resourceType'], JSON.stringify(page).slice(0, 300)).toBe('Bundle');
    for (const entry of (page['entry'] ?? []) as Json[]) found.push(entry['resource'] as Json);
    next = (page['link'] as Json[]).find(link => link['relation'] === 'next')?.['url'] as string | undefined;
  }
  return found;
}

it(
  'leaves exactly one AuditEvent for every stored write and every answered read, in five rounds',
  { timeout: 120_000 },
  async () => {
    const readIds = new Set<string>();
    const acknowledged = new Map<string, number>();
    for (let round = 0; round < 5; round++) {
      const { process: server, url } = await start();
      let dead = false;
      const ended = once(server, 'exit').then(() => (dead = true));
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

    const { process: server, url } = await start();
    const stored = new Map<string, number>();
    for (const resource of await all(`${url}/Basic?_count=100`))
      stored.set(resource['id'] as string, Number(resource['meta'].versionId));
    for (const [id, version] of acknowledged) expect(stored.get(id)).toBeGreaterThanOrEqual(version);

    const writes = [...(await all(`${url}/AuditEvent?subtype=create,update&outcome=0&_count=500`))]
      .flatMap(event => event['entity'] as Json[])
      .flatMap(entity => (entity['what']?.reference as string | undefined) ?? [])
      .sort();
    const wanted = [...stored].flatMap(([id, version]) =>
      Array.from({ length: version }, (_, i) => `Basic/${id}/_history/${i + 1}`),
    );
    expect(writes).toEqual(wanted.sort());

    const reads = (await all(`${url}/AuditEvent?subtype=read&outcome=0&_count=500`)).map(event =>
      (event['entity'] as Json[]).map(entity => entity['what']?.identifier?.value as string).find(Boolean),
    );
    expect(new Set(reads).size).toBe(reads.length);
    for (const id of readIds) expect(reads).toContain(id);
    server.kill('SIGTERM');
    await once(server, 'exit');
  },
);
