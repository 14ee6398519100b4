// https://hl7.org/fhir/R4/references.html, https://hl7.org/fhir/R4/http.html#trules
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { gunzipSync } from 'node:zlib';
import { describe, expect, it } from 'vitest';
import type { FhirError } from '../../src/errors.js';
import { parseJson, writeJson, type JsonObject } from '../../src/fhir/json.js';
import {
  checkReferences,
  localReferences,
  parseCanonical,
  parseReference,
  referencesIn,
  rewriteReferences,
  visitReferences,
} from '../../src/fhir/reference.js';
import { refKey, type Resource } from '../../src/fhir/resource.js';

const base = 'https://example.org/fhir';

describe('parseReference', () => {
  it.each([
    ['Patient/1', { kind: 'literal', type: 'Patient', id: '1' }],
    ['Patient/a.B-9/_history/3', { kind: 'literal', type: 'Patient', id: 'a.B-9', version: '3' }],
    [`${base}/Patient/1`, { kind: 'literal', type: 'Patient', id: '1' }],
    [`${base}/Patient/1/_history/2`, { kind: 'literal', type: 'Patient', id: '1', version: '2' }],
    [
      'http://other.org/r4/Patient/1',
      { kind: 'literal', type: 'Patient', id: '1', base: 'http://other.org/r4' },
    ],
    [`${base}/x/Patient/1`, { kind: 'literal', type: 'Patient', id: '1', base: `${base}/x` }],
    ['#p1', { kind: 'contained', id: 'p1' }],
    ['#', { kind: 'contained', id: '' }],
    [
      'urn:uuid:8c6b4b4c-0000-4000-8000-000000000001',
      { kind: 'urn', urn: 'urn:uuid:8c6b4b4c-0000-4000-8000-000000000001' },
    ],
    ['urn:oid:1.2.3', { kind: 'urn', urn: 'urn:oid:1.2.3' }],
    ['Patient?identifier=a|b', { kind: 'conditional', type: 'Patient', criteria: 'identifier=a|b' }],
    ['Nothing/1', { kind: 'url', url: 'Nothing/1' }],
    ['Nothing?a=b', { kind: 'url', url: 'Nothing?a=b' }],
    ['patient/1', { kind: 'url', url: 'patient/1' }],
    ['Patient/1/', { kind: 'url', url: 'Patient/1/' }],
    ['Patient/1 ', { kind: 'url', url: 'Patient/1 ' }],
    [`Patient/${'x'.repeat(65)}`, { kind: 'url', url: `Patient/${'x'.repeat(65)}` }],
    ['Patient', { kind: 'url', url: 'Patient' }],
    ['', { kind: 'url', url: '' }],
    ['http://example.org/page', { kind: 'url', url: 'http://example.org/page' }],
  ])('%s', (text, expected) => {
    expect(parseReference(text, [base])).toStrictEqual(expected);
  });
});

it.each([
  ['http://x/vs', { url: 'http://x/vs' }],
  ['http://x/vs|1.0', { url: 'http://x/vs', version: '1.0' }],
  ['http://x/vs|1.0#part', { url: 'http://x/vs', version: '1.0', fragment: 'part' }],
  ['http://x/vs#part', { url: 'http://x/vs', fragment: 'part' }],
  ['#contained', { url: '', fragment: 'contained' }],
])('parseCanonical %s', (text, expected) => {
  expect(parseCanonical(text)).toStrictEqual(expected);
});

const resource = (value: JsonObject): Resource => value as Resource;
const old = 'urn:uuid:00000000-0000-4000-8000-000000000001';

/** One of everything that can refer, and of everything that looks as if it did. */
const everything = resource({
  resourceType: 'DocumentReference',
  meta: { source: old, profile: [old] },
  text: {
    status: 'generated',
    div: `<div xmlns="http://www.w3.org/1999/xhtml"><a href="${old}">${old} href="${old}"</a><img class='x' src = '${old}'/><a href="a?b=1&amp;c=2"/></div>`,
  },
  contained: [{ resourceType: 'Observation', id: 'o', subject: { reference: old } }],
  extension: [
    { url: old, valueReference: { reference: old } },
    { url: 'http://x', valueUri: old },
    { url: 'http://x', valueUrl: old },
    { url: 'http://x', valueOid: old },
    { url: 'http://x', valueUuid: old },
    { url: 'http://x', valueCanonical: old },
    { url: 'http://x', valueString: old },
    { url: 'http://x', extension: [{ url: 'y', valueReference: { reference: old } }] },
  ],
  masterIdentifier: { system: old, value: old, assigner: { reference: old } },
  status: 'current',
  _status: { extension: [{ url: 'http://x', valueReference: { reference: old } }] },
  subject: { reference: old, _reference: { extension: [{ url: 'http://x', valueUri: old }] }, display: old },
  author: [{ reference: 'Patient/1' }, { reference: old }],
  content: [{ attachment: { url: old, title: old } }],
});
const refersTo = (text: string, sought: string): number => text.split(sought).length - 1;

describe('rewriteReferences', () => {
  const fresh = 'Patient/7';
  const after = rewriteReferences(everything, reference => (reference === old ? fresh : undefined));

  it('exchanges references, uris and links, and nothing else', () => {
    const expected = {
      ...everything,
      meta: { source: fresh, profile: [old] },
      text: {
        status: 'generated',
        div: `<div xmlns="http://www.w3.org/1999/xhtml"><a href="${fresh}">${old} href="${old}"</a><img class='x' src = "${fresh}"/><a href="a?b=1&amp;c=2"/></div>`,
      },
      contained: [{ resourceType: 'Observation', id: 'o', subject: { reference: fresh } }],
      extension: [
        { url: old, valueReference: { reference: fresh } },
        { url: 'http://x', valueUri: fresh },
        { url: 'http://x', valueUrl: fresh },
        { url: 'http://x', valueOid: fresh },
        { url: 'http://x', valueUuid: fresh },
        { url: 'http://x', valueCanonical: old },
        { url: 'http://x', valueString: old },
        { url: 'http://x', extension: [{ url: 'y', valueReference: { reference: fresh } }] },
      ],
      masterIdentifier: { system: fresh, value: old, assigner: { reference: fresh } },
      _status: { extension: [{ url: 'http://x', valueReference: { reference: fresh } }] },
      subject: {
        reference: fresh,
        _reference: { extension: [{ url: 'http://x', valueUri: fresh }] },
        display: old,
      },
      author: [{ reference: 'Patient/1' }, { reference: fresh }],
      content: [{ attachment: { url: fresh, title: old } }],
    };
    expect(after).toStrictEqual(expected);
  });

  it('leaves the original alone, and answers it where nothing is exchanged', () => {
    expect(refersTo(writeJson(everything), fresh)).toBe(0);
    expect(rewriteReferences(everything, () => undefined)).toBe(everything);
  });

  it('reads and writes the entities of a link', () => {
    const page = resource({
      resourceType: 'Patient',
      text: { status: 'generated', div: '<div><a href="Patient?a=1&amp;b=2">x</a></div>' },
    });
    const rewritten = rewriteReferences(page, link =>
      link === 'Patient?a=1&b=2' ? 'Patient?x&y"' : undefined,
    );
    expect(rewritten['text']).toMatchObject({ div: '<div><a href="Patient?x&amp;y&quot;">x</a></div>' });
  });

  it.each([
    `${'<a'.repeat(500_000)} href`,
    `<a${' href="'.repeat(500_001)}`,
    `<a${' '.repeat(1_000_000)}href`,
  ])('reads a narrative made to be slow in linear time', div => {
    const page = resource({ resourceType: 'Patient', text: { status: 'generated', div } });
    expect(rewriteReferences(page, () => undefined)).toBe(page);
  });

  it.each<[string, JsonObject]>([
    [
      'a Bundle',
      {
        resourceType: 'Bundle',
        type: 'document',
        entry: [{ fullUrl: 'x', resource: { resourceType: 'Observation', subject: { reference: old } } }],
      },
    ],
    [
      'Parameters',
      {
        resourceType: 'Parameters',
        parameter: [{ name: 'a', resource: { resourceType: 'Observation', subject: { reference: old } } }],
      },
    ],
  ])('does not reach into the resources of %s', (_, nested) => {
    expect(rewriteReferences(resource(nested), () => fresh)['entry']).toEqual(
      nested['entry'] === undefined
        ? undefined
        : [{ fullUrl: fresh, resource: { resourceType: 'Observation', subject: { reference: old } } }],
    );
    expect(referencesIn(resource(nested))).toEqual([]);
  });
});

describe('finding', () => {
  it('names each reference and its element', () => {
    expect(referencesIn(everything).map(({ expression }) => expression())).toEqual([
      'DocumentReference.contained[0].subject',
      'DocumentReference.extension[0].value.ofType(Reference)',
      'DocumentReference.extension[7].extension[0].value.ofType(Reference)',
      'DocumentReference.masterIdentifier.assigner',
      'DocumentReference.status.extension[0].value.ofType(Reference)',
      'DocumentReference.subject',
      'DocumentReference.author[0]',
      'DocumentReference.author[1]',
    ]);
  });
  it('tells kinds apart', () => {
    const kinds = new Map<string, number>();
    visitReferences(
      everything,
      (text, kind) => void (text === old && kinds.set(kind, (kinds.get(kind) ?? 0) + 1)),
    );
    expect(Object.fromEntries(kinds)).toEqual({ reference: 7, uri: 8, narrative: 2 });
  });
  it('finds the resources of this server once each', () => {
    const references = [
      'Patient/1',
      `${base}/Patient/1`,
      'Patient/1/_history/4',
      'http://other.org/Patient/2',
      '#o',
      old,
      'Patient?a=b',
      'Group/2',
    ];
    const list = resource({
      resourceType: 'List',
      contained: [{ resourceType: 'Basic', id: 'o', author: { reference: 'Organization/3' } }],
      entry: references.map(reference => ({ item: { reference } })),
    });
    expect(localReferences(list, [base]).map(refKey)).toEqual(['Organization/3', 'Patient/1', 'Group/2']);
  });
});

describe('checkReferences', () => {
  const refusal = (value: JsonObject): FhirError | undefined => {
    try {
      checkReferences(resource(value));
      return undefined;
    } catch (error) {
      return error as FhirError;
    }
  };
  const observation = (subject: string): JsonObject => ({
    resourceType: 'Observation',
    status: 'final',
    subject: { reference: subject },
  });

  it.each([
    'Patient/1',
    'Group/1/_history/2',
    'http://other.org/fhir/Device/1',
    'Location?name=x',
    old,
    'http://anywhere',
    '#none',
  ])('lets pass %s', text => {
    expect(refusal(observation(text))).toBeUndefined();
  });
  it.each([
    'Medication/1',
    'http://other.org/fhir/Medication/1',
    'Medication/1/_history/1',
    'Medication?code=x',
  ])('refuses %s', text => {
    const error = refusal(observation(text));
    expect([error?.code, error?.status, error?.expression]).toEqual([
      'invalid-reference',
      400,
      'Observation.subject',
    ]);
    expect(error?.message).toBe(
      `Observation.subject refers to a Medication, "${text}"; it may refer to Patient, Group, Device or Location.`,
    );
  });
  it('knows what a contained reference leads to', () => {
    const contained = [
      { resourceType: 'Medication', id: 'm' },
      { resourceType: 'Patient', id: 'p' },
    ];
    expect(refusal({ ...observation('#p'), contained })).toBeUndefined();
    expect(refusal({ ...observation('#m'), contained })?.message).toContain('a Medication, "#m"');
    const inside = { resourceType: 'Provenance', id: 'x', agent: [{ who: { reference: '#' } }] };
    expect(refusal({ resourceType: 'Patient', contained: [inside] })).toBeUndefined();
    expect(refusal({ resourceType: 'Observation', contained: [inside] })?.expression).toBe(
      'Observation.contained[0].agent[0].who',
    );
  });
  it('looks into choices, extensions, lists, bundles and parameters, and reports all', () => {
    const bundle = {
      resourceType: 'Bundle',
      entry: [
        {
          resource: {
            ...observation('Medication/1'),
            performer: [{ reference: 'Patient/1' }, { reference: 'Encounter/1' }],
            extension: [{ url: 'x', valueReference: { reference: 'Medication/2' } }],
          },
        },
      ],
    };
    expect(refusal(bundle)?.issues.map(({ expression }) => expression)).toEqual([
      'Bundle.entry[0].resource.subject',
      'Bundle.entry[0].resource.performer[1]',
    ]);
    const request = { resourceType: 'MedicationRequest', medicationReference: { reference: 'Patient/1' } };
    expect(refusal(request)?.expression).toBe('MedicationRequest.medication.ofType(Reference)');
    const identified = { resourceType: 'Patient', identifier: [{ assigner: { reference: 'Patient/1' } }] };
    expect(refusal(identified)?.expression).toBe('Patient.identifier[0].assigner');
  });
});

const synthea = fileURLToPath(new URL('../../../shared/data/synthea/', import.meta.url));
describe.skipIf(!existsSync(synthea))(`real transactions (need ${synthea})`, () => {
  it('are resolved to the last urn:uuid, and every type is allowed', () => {
    for (const file of readdirSync(synthea).slice(0, 6)) {
      const bundle = parseJson(gunzipSync(readFileSync(synthea + file))) as unknown as {
        entry: { fullUrl: string; resource: Resource }[];
      };
      const places = new Map(
        bundle.entry.map(({ fullUrl, resource: { resourceType, id } }) => [
          fullUrl,
          refKey({ type: resourceType, id: id as string }),
        ]),
      );
      for (const entry of bundle.entry) {
        const resolved = rewriteReferences(entry.resource, reference => places.get(reference));
        expect(JSON.stringify(resolved)).not.toContain('"urn:uuid:');
        checkReferences(resolved);
        expect(localReferences(resolved, []).every(ref => [...places.values()].includes(refKey(ref)))).toBe(
          true,
        );
      }
    }
  });
});
