// Servers that tests kill, over one folder of data, and all that such a server found again.
import { expect } from 'vitest';
import type { Json } from '../json.js';
import { begin, type Running } from './cli.js';

/** A server on SQLite, open and audited, that answers. */
export async function serveFolder(folder: string): Promise<Running & { url: string }> {
  const env = { TSELA_OPEN: 'true', TSELA_AUDIT: 'on', TSELA_PORT: '0' };
  const server = begin(['start', '--data', folder], { env });
  const [, url] = /"url":"([^"]+)".*"listening"/.exec(await server.says('"listening"'))!;
  return { ...server, url: url! };
}

/** Everything a search finds, page by page. */
export async function everyPage(url: string): Promise<Json[]> {
  const found: Json[] = [];
  for (let next: string | undefined = url; next !== undefined;) {
    const page = (await (await fetch(next)).json()) as Json;
    expect(page['resourceType'], JSON.stringify(page).slice(0, 300)).toBe('Bundle');
    for (const entry of (page['entry'] ?? []) as Json[]) found.push(entry['resource'] as Json);
    next = (page['link'] as Json[]).find(link => link['relation'] === 'next')?.['url'] as string | undefined;
  }
  return found;
}
