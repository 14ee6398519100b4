// Real resources for search tests: Synthea's and HL7's examples, where they are at hand.
import { readdirSync, readFileSync } from 'node:fs';
import { gunzipSync } from 'node:zlib';
import { parseJson, type JsonObject } from '../../src/fhir/json.js';
import type { Resource } from '../../src/fhir/resource.js';
import { filesOfPackage, shared } from '../fhir/package.js';

const synthea = shared('synthea/');
const examples = shared('hl7/hl7.fhir.r4.examples-4.0.1-two-thirds.tgz');

/** Whether both are there, and for the title why not. */
export const real = { present: synthea.present && examples.present, note: synthea.note + examples.note };

/** The resources of so many Synthea bundles. */
export function* syntheaResources(bundles = Infinity): Generator<Resource> {
  const files = readdirSync(synthea.url).filter(name => name.endsWith('.gz'));
  for (const file of files.slice(0, bundles)) {
    const text = gunzipSync(readFileSync(new URL(encodeURIComponent(file), synthea.url))).toString();
    for (const { resource } of (JSON.parse(text) as { entry: { resource: Resource }[] }).entry)
      yield resource;
  }
}

export function* hl7Examples(): Generator<Resource> {
  for (const [, text] of filesOfPackage(examples.url)) {
    const value = parseJson(text) as JsonObject;
    if (typeof value['resourceType'] === 'string') yield value as Resource;
  }
}
