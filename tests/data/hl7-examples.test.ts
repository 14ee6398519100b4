// HL7's R4 examples: each is PUT and read back equal but for meta.versionId and meta.lastUpdated.
import { existsSync, readFileSync } from 'node:fs';
import { expect, it } from 'vitest';
import { parseJson, writeJson, type JsonObject } from '../../src/fhir/json.js';
import { sameContent } from '../../src/fhir/stamp.js';
import type { Resource } from '../../src/fhir/resource.js';
import { onEveryStore } from '../system.js';
import { invalidExamples } from './invalid-examples.js';
import { filesIn } from './package-files.js';

const archive = new URL(
  '../../../shared/data/hl7/hl7.fhir.r4.examples-4.0.1-two-thirds.tgz',
  import.meta.url,
);
const present = existsSync(archive);

onEveryStore('HL7 examples', {}, tsela => {
  it.skipIf(!present)(
    `are stored and given back as they are${present ? '' : ' (skipped: ../shared/data/hl7 is absent)'}`,
    async () => {
      let stored = 0;
      const refused = new Map<string, string>();
      for (const { name, text } of filesIn(readFileSync(archive))) {
        const file = name.replace(/^package\//, '');
        const sent = parseJson(text) as JsonObject;
        if (typeof sent['resourceType'] !== 'string' || typeof sent['id'] !== 'string') continue;
        const url = `${sent['resourceType']}/${sent['id']}`;
        const put = await tsela().send('PUT', url, text);
        if (put.status !== 201 && put.status !== 200) {
          refused.set(file, `${put.status} ${JSON.stringify(put.body['issue']?.[0])}`);
          continue;
        }
        const read = parseJson(
          (await tsela().send('GET', url, undefined, { accept: 'application/fhir+json' })).text,
        ) as Resource;
        expect(
          sameContent(read, withLabels(read, sent as Resource)),
          `${url}: ${writeJson(read).slice(0, 300)}`,
        ).toBe(true);
        stored++;
      }
      expect([...refused].filter(([file]) => !(file in invalidExamples))).toEqual([]);
      expect(stored + refused.size).toBeGreaterThan(3000);
      const wrong: string[] = [];
      for await (const finding of tsela().system.store.check(tsela().system.rowsOf)) wrong.push(finding);
      expect(wrong).toEqual([]);
    },
    600_000,
  );
});

/** Two examples share an id now and then; the second update keeps the security labels of the first. */
function withLabels(read: Resource, sent: Resource): Resource {
  const security = (read['meta'] as JsonObject | undefined)?.['security'];
  return security === undefined
    ? sent
    : { ...sent, meta: { ...(sent['meta'] as JsonObject | undefined), security } };
}
