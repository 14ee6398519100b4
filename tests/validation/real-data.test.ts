// The gate on what others wrote: every Synthea resource passes, and of HL7's examples only those that are not R4.
import { readdirSync, readFileSync } from 'node:fs';
import { gunzipSync } from 'node:zlib';
import { describe, expect, it } from 'vitest';
import { parseJson } from '../../src/fhir/json.js';
import type { Resource } from '../../src/fhir/resource.js';
import { gate, gateShallow } from '../../src/validation/gate.js';
import { filesOfPackage, shared } from '../fhir/package.js';

const synthea = shared('synthea/');
const examples = shared('hl7/hl7.fhir.r4.examples-4.0.1-two-thirds.tgz');
const core = shared('hl7/hl7.fhir.r4.core-4.0.1.tgz');
const usCore = ['us-core/us-core-311.tgz', 'us-core/us-core-610.tgz'].map(shared);

/** The examples that are not valid R4, by file, with the element at fault. */
const noBase = (type: string, codes: readonly string[]): [string, string][] =>
  codes.map(code => [
    `SearchParameter-${type.toLowerCase()}-extensions-${type}-${code}.json`,
    'SearchParameter.base',
  ]);
const invalid = new Map<string, string>([
  ...noBase('CodeSystem', ['author', 'effective', 'end', 'keyword', 'workflow']), // base is required
  ...noBase('ValueSet', ['author', 'effective', 'end', 'keyword', 'workflow']),
  // an id has at most 64 characters, this one 67
  [
    'SearchParameter-questionnaireresponse-extensions-QuestionnaireResponse-item-subject.json',
    'SearchParameter.id',
  ],
  // its hash EQH/..AgME is not base64
  ['DiagnosticReport-cardiology-report.json', 'DiagnosticReport.presentedForm[0].hash'],
]);

const refusedIn = (url: URL): Map<string, string> => {
  const refused = new Map<string, string>();
  for (const [name, text] of filesOfPackage(url)) {
    const resource = parseJson(text) as Resource;
    const issues = typeof resource.resourceType === 'string' ? gate(resource) : [];
    if (issues.length > 0) refused.set(name, issues.map(i => i.expression).join());
  }
  return refused;
};

describe('the gate', () => {
  it.skipIf(!synthea.present)(`takes every Synthea bundle and resource${synthea.note}`, () => {
    let count = 0;
    for (const file of readdirSync(synthea.url)) {
      const bundle = parseJson(
        gunzipSync(readFileSync(new URL(encodeURIComponent(file), synthea.url))),
      ) as Resource;
      expect(gate(bundle), file).toEqual([]);
      expect(gateShallow(bundle), file).toEqual([]);
      for (const { resource } of bundle['entry'] as unknown as { resource: Resource }[]) {
        expect(gate(resource)).toEqual([]);
        count++;
      }
    }
    expect(count).toBe(10_647);
  });

  it.skipIf(!examples.present)(`takes HL7's valid examples${examples.note}`, () => {
    const refused = refusedIn(examples.url);
    const here = [...filesOfPackage(examples.url)].map(([name]) => name).filter(name => invalid.has(name));
    expect(new Map([...refused].sort())).toEqual(
      new Map(here.sort().map(name => [name, invalid.get(name)!])),
    );
  });

  it.skipIf(!core.present)(`takes R4's own definitions${core.note}`, () => {
    expect([...refusedIn(core.url)].filter(([name]) => !invalid.has(name))).toEqual([]);
  });

  for (const { url, present, note } of usCore) {
    it.skipIf(!present)(`takes all of ${url.pathname.split('/').pop()}${note}`, () => {
      expect([...refusedIn(url)].filter(([name]) => !invalid.has(name))).toEqual([]);
    });
  }
});
