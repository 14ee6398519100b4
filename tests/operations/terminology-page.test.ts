// The examples of docs/terminology.md, run in their order.
import { readFileSync } from 'node:fs';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { openTsela, type Tsela } from '../system.js';

const page = readFileSync(new URL('../../docs/terminology.md', import.meta.url), 'utf8');
const examples = [...page.matchAll(/```http\n(\S+) \/fhir\/(\S+)\n([^]*?)→ (\d+)(.*)\n```/g)].map(
  ([, method, url, body, status, words]) => ({
    method: method!,
    url: url!,
    body: body!.trim(),
    status: Number(status),
    words: words!.match(/"[^"]+"(?::\S+)?|[^"\s][^]*$/g) ?? [],
  }),
);

let tsela: Tsela;
beforeAll(async () => {
  tsela = await openTsela('SQLite');
});
afterAll(() => tsela.close());

it('has examples', () => expect(examples.length).toBeGreaterThan(6));

it.each(examples)('$method $url', async ({ method, url, body, status, words }) => {
  const answer = await tsela.send(method, url, body === '' ? undefined : body);
  expect(answer.status, answer.text).toBe(status);
  for (const word of words) expect(answer.text).toContain(word);
});
