// Every search parameter of the clinical types, with a hit and a miss on resources that others made: Synthea's, HL7's and
// US Core's. Values come from the data by the parameters' own expressions (sample-queries.ts). Where no such resource has
// the element, one is made from the definition, and the title says so. https://hl7.org/fhir/R4/searchparameter-registry.html
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { searchParameters, type SearchParameterDefinition } from '../../src/fhir/definitions.js';
import { parseJson, type JsonObject } from '../../src/fhir/json.js';
import { refKey, type Resource } from '../../src/fhir/resource.js';
import { appliesTo, customParameters } from '../../src/search/custom-parameters.js';
import { parametersOf, type Parameter } from '../../src/search/parameters.js';
import { filesOfPackage, shared } from '../fhir/package.js';
import { requestOf, writesOf, type CaseFile } from './cases.js';
import { engines } from './engines.js';
import type { Engine } from './memory.js';
import { hl7Examples, real, syntheaResources } from './real-resources.js';
import { madeFor, sampleOf, type Sample } from './sample-queries.js';

const types = [
  'Patient', 'Observation', 'AllergyIntolerance', 'Procedure', 'DiagnosticReport', 'Appointment', 'Encounter',
  'Condition', 'MedicationRequest', 'ServiceRequest', 'Schedule', 'Slot', 'Practitioner', 'Organization',
]; // prettier-ignore

const usCore = shared('us-core/us-core-610.tgz');
const pristine = shared('hl7/hl7.fhir.r4.core-4.0.1.tgz');
const present = real.present && usCore.present && pristine.present;

interface Example extends Sample {
  readonly type: string;
  readonly code: string;
  readonly source: string;
  readonly resource: Resource;
}

function* resourcesByOthers(): Generator<readonly [source: string, resource: Resource]> {
  for (const resource of syntheaResources(4)) yield ['Synthea', resource];
  for (const resource of hl7Examples()) yield ['HL7', resource];
  for (const [, text] of filesOfPackage(usCore.url)) {
    const value = parseJson(text) as JsonObject;
    if (typeof value['resourceType'] === 'string') yield ['US Core', value as Resource];
  }
}

/** All are stored, so that what a query should not find is there to be found. */
const stored = new Map<string, Resource>();
const sources = new Map<Resource, string>();
const mostOfAType = 400;
if (present) {
  const counts = new Map<string, number>();
  for (const [source, resource] of resourcesByOthers()) {
    const { resourceType: type, id } = resource;
    if (!types.includes(type) || typeof id !== 'string') continue;
    const count = (counts.get(source + type) ?? 0) + 1;
    if (count > mostOfAType || stored.has(`${type}/${id}`)) continue;
    counts.set(source + type, count);
    stored.set(`${type}/${id}`, resource);
    sources.set(resource, source);
  }
}

/** Definitions of HL7's package for these types, where there is something to search. */
const official: readonly SearchParameterDefinition[] = present
  ? [...filesOfPackage(pristine.url)]
      .filter(([name]) => name.startsWith('SearchParameter-'))
      .map(([, text]) => JSON.parse(text) as SearchParameterDefinition)
      .filter(one => one.expression !== undefined && types.some(type => appliesTo(one, type)))
  : [];

/** Those on extensions are not built in: they are added as those of a guide are. */
const builtIn = new Set(searchParameters().map(one => one.url));
const isSound = ({ url }: SearchParameterDefinition): boolean =>
  // Two examples of HL7's repeat other parameters; one's expression speaks of another type than its base.
  !url.includes('/SearchParameter/example');
const added = official.filter(one => !builtIn.has(one.url) && isSound(one));
const custom = customParameters(
  1,
  added.map((definition, i) => ({ definition, number: i + 1, state: 'ready' })),
);
const definitions = new Map([...searchParameters(), ...added].map(one => [one.url, one]));

function exampleOf(type: string, parameter: Parameter): Example | undefined {
  const definition = definitions.get(parameter.url)!;
  for (const resource of stored.values()) {
    if (resource.resourceType !== type) continue;
    const sample = sampleOf(definition, parameter, resource);
    if (sample !== undefined)
      return { type, code: parameter.code, source: sources.get(resource) ?? 'made', resource, ...sample };
  }
  for (const resource of madeFor(type, parameter)) {
    const sample = sampleOf(definition, parameter, resource);
    if (sample === undefined) continue;
    stored.set(refKey({ type, id: resource['id'] as string }), resource);
    return { type, code: parameter.code, source: 'made', resource, ...sample };
  }
  return undefined;
}

const examples: Example[] = [];
const without: string[] = [];
if (present) {
  for (const type of types) {
    for (const parameter of parametersOf(type, custom).values()) {
      const example = exampleOf(type, parameter);
      if (example === undefined) without.push(`${type}.${parameter.code}`);
      else examples.push(example);
    }
  }
}
const file: CaseFile = {
  name: 'every parameter',
  section: '',
  zone: 'UTC',
  given: [...stored.values()],
  custom,
  cases: [],
};

describe.skipIf(!present)(`every parameter of ${types.length} types${real.note}${usCore.note}`, () => {
  it('is in the run', () => {
    expect(without).toEqual([]);
    const expected = official
      .filter(isSound)
      .flatMap(one => types.filter(type => appliesTo(one, type)).map(type => `${type}.${one.code}`));
    expect(examples.map(one => `${one.type}.${one.code}`).sort()).toEqual([...new Set(expected)].sort());
  });

  it('is found on data by others, but for a few on their own and what few put in meta', () => {
    const made = examples.filter(example => example.source === 'made').map(one => one.code);
    expect(made.filter(code => !code.startsWith('_')).length).toBeLessThanOrEqual(27);
    expect(made.length).toBeLessThan(examples.length / 4);
  });

  let oracle: Engine;
  const answers = new Map<string, readonly string[]>();
  for (const { name, skip, open } of engines) {
    describe.skipIf(skip !== undefined)(skip === undefined ? name : `${name} (${skip})`, () => {
      let engine: Engine;
      beforeAll(async () => {
        engine = await open();
        await engine.commit(writesOf(file));
        oracle ??= engine;
      });
      afterAll(() => engine.close());

      const find = async (query: string): Promise<readonly string[]> => {
        const { plan } = requestOf({ query }, file);
        const { versions } = await engine.search({ ...plan, count: 1000 });
        const ids = versions.map(version => version.ref.id);
        const before = answers.get(query);
        if (before === undefined) answers.set(query, ids);
        else expect(ids, `${query}, as in memory`).toEqual(before);
        return ids;
      };

      it.each(examples)('$type?$code finds by $hit and not by $miss ($source)', async one => {
        const { id } = one.resource;
        const by = `${one.type}?${one.code}${one.modifier ?? ''}=`;
        expect(await find(by + encodeURIComponent(one.hit))).toContain(id);
        expect(await find(by + encodeURIComponent(one.miss))).not.toContain(id);
        expect(await find(`${one.type}?${one.code}:missing=false`)).toContain(id);
        expect(await find(`${one.type}?${one.code}:missing=true`)).not.toContain(id);
      });
    });
  }
});
