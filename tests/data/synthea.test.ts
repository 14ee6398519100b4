// The 46 Synthea transaction bundles, unmodified: every resource is there afterwards and says what was posted.
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { gunzipSync } from 'node:zlib';
import { expect, it } from 'vitest';
import { onEveryStore } from '../system.js';

const folder = new URL('../../../shared/data/synthea/', import.meta.url);
const present = existsSync(folder);
interface Entry {
  fullUrl: string;
  resource: { resourceType: string; id?: string; meta?: object };
}

onEveryStore('Synthea', {}, tsela => {
  it.skipIf(!present)(
    `takes every bundle and gives back every resource${present ? '' : ' (skipped: ../shared/data/synthea is absent)'}`,
    async () => {
      let posted = 0;
      for (const file of readdirSync(folder)) {
        const text = gunzipSync(readFileSync(new URL(encodeURIComponent(file), folder))).toString();
        const sent = JSON.parse(text) as { entry: Entry[] };
        const answer = await tsela().send('POST', '', text);
        expect(answer.status, answer.text.slice(0, 500)).toBe(200);
        const places = new Map<string, string>();
        const entries = answer.body['entry'] as { response: { location: string } }[];
        expect(entries).toHaveLength(sent.entry.length);
        sent.entry.forEach((entry, i) =>
          places.set(entry.fullUrl, /\/([^/]+\/[^/]+)\/_history/.exec(entries[i]!.response.location)![1]!),
        );
        const expected = (entry: Entry): unknown => {
          const { id: _id, meta: _meta, ...rest } = entry.resource;
          return JSON.parse(JSON.stringify(rest), (_key, value: unknown) =>
            typeof value === 'string' ? (places.get(value) ?? value) : value,
          ) as unknown;
        };
        for (const entry of sent.entry) {
          const {
            id: _id,
            meta: _meta,
            ...stored
          } = (await tsela().send('GET', places.get(entry.fullUrl)!)).body;
          expect(stored).toEqual(expected(entry));
        }
        posted += sent.entry.length;
      }
      const counts = await tsela().system.store.counts();
      expect([...counts.values()].reduce((sum, count) => sum + count, 0)).toBe(posted);
      const wrong: string[] = [];
      for await (const finding of tsela().system.store.check(tsela().system.rowsOf)) wrong.push(finding);
      expect(wrong).toEqual([]);
    },
    600_000,
  );
});
