// $validate on what others published: HL7's and US Core's examples, Synthea's patients, the project's own sample.
// Only what tests/data/flagged-examples.ts gives a reason for may be found wrong.
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { gunzipSync } from 'node:zlib';
import { expect, it } from 'vitest';
import { generate } from '../../src/cli/sample/generate.js';
import { isObject, parseJson, type JsonObject } from '../../src/fhir/json.js';
import type { Resource } from '../../src/fhir/resource.js';
import { coreCatalog } from '../../src/terminology/catalog.js';
import { installedPackages, packed } from '../../src/validation/installed.js';
import { readPackage } from '../../src/validation/package.js';
import { createValidation, type Validation } from '../../src/validation/validation.js';
import { flaggedHl7, flaggedUsCore } from './flagged-examples.js';
import { filesIn } from './package-files.js';

const data = new URL('../../../shared/data/', import.meta.url);
const present = existsSync(data);
const skipped = present ? '' : ' (skipped: ../shared/data is absent)';

function validation(required: readonly string[] = [], ...packages: readonly string[]): Validation {
  const installed = installedPackages();
  for (const file of packages) installed.add(packed(readPackage(readFileSync(new URL(file, data)))));
  return createValidation({
    level: 'full',
    required: new Map(required.map(name => [name, []])),
    installed,
    catalog: coreCatalog,
  });
}

const errorsOf = ({ validate }: Validation, resource: Resource): string[] =>
  validate(resource)
    .filter(({ severity }) => severity === 'error')
    .map(({ expression, text }) => `${expression}: ${text}`);

/** Files that are found wrong with what is wrong, and how many there were. */
function judged(
  validator: Validation,
  files: Iterable<{ name: string; text: string }>,
  folder: string,
): { wrong: Map<string, string[]>; total: number } {
  const wrong = new Map<string, string[]>();
  let total = 0;
  for (const { name, text } of files) {
    if (!name.startsWith(folder) || !name.endsWith('.json')) continue;
    const resource = parseJson(text);
    if (!isObject(resource) || typeof resource['resourceType'] !== 'string') continue;
    total++;
    const errors = errorsOf(validator, resource as Resource);
    if (errors.length > 0) wrong.set(name.slice(folder.length), errors);
  }
  return { wrong, total };
}

it.skipIf(!present)(
  `published examples are right, with their profiles, but for at most 1.5 %${skipped}`,
  () => {
    const archive = new URL('hl7/hl7.fhir.r4.examples-4.0.1-two-thirds.tgz', data);
    const { wrong, total } = judged(validation(), filesIn(readFileSync(archive)), 'package/');
    expect([...wrong].filter(([file]) => !(file in flaggedHl7))).toEqual([]);
    expect(Object.keys(flaggedHl7).filter(file => !wrong.has(file))).toEqual([]);
    expect(total).toBeGreaterThan(3000);
    let [all, bad] = [total, wrong.size];
    for (const version of ['311', '610']) {
      const file = `us-core/us-core-${version}.tgz`;
      const files = filesIn(readFileSync(new URL(file, data)));
      const own = judged(validation([], file), files, 'package/example/');
      const reason = (name: string): string | undefined => flaggedUsCore[`${version}/${name}`];
      expect([...own.wrong].filter(([name]) => reason(name) === undefined)).toEqual([]);
      expect(own.total).toBeGreaterThan(80);
      all += own.total;
      bad += own.wrong.size;
    }
    expect(bad / all).toBeLessThanOrEqual(0.015);
  },
  300_000,
);

it.skipIf(!present)(
  `a Synthea patient may be written, resource by resource${skipped}`,
  () => {
    const folder = new URL('synthea/', data);
    const validator = validation();
    const [file] = readdirSync(folder);
    const text = gunzipSync(readFileSync(new URL(encodeURIComponent(file!), folder))).toString();
    const bundle = parseJson(text) as JsonObject;
    const resources = (bundle['entry'] as JsonObject[]).map(({ resource }) => resource as Resource);
    expect(resources.length).toBeGreaterThan(50);
    for (const resource of resources) expect(() => validator.judgeWrite(resource, 'gate')).not.toThrow();
  },
  120_000,
);

it('the sample is of the profiles of the project', () => {
  const validator = validation(['tsela']);
  let count = 0;
  for (const resources of generate({ patients: 5, seed: 1, today: '2026-01-05' }))
    for (const resource of resources) {
      expect(errorsOf(validator, resource)).toEqual([]);
      count++;
    }
  expect(count).toBeGreaterThan(100);
});
