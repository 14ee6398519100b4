// R4's own invariants on writes: what they refuse and where, and that they refuse nothing that real senders send.
import { readdirSync, readFileSync } from 'node:fs';
import { gunzipSync } from 'node:zlib';
import { describe, expect, it } from 'vitest';
import { FhirError } from '../../src/errors.js';
import { parseJson } from '../../src/fhir/json.js';
import type { Resource } from '../../src/fhir/resource.js';
import { brokenInvariants, checkWriteInvariants } from '../../src/validation/write-invariants.js';
import { filesOfPackage, shared } from '../fhir/package.js';

const broken = (resource: object): string[] =>
  brokenInvariants(resource as Resource).map(
    ({ text, expression }) => `${text.split(':', 1)[0]} at ${expression}`,
  );
const div = (inside: string): object => ({
  status: 'generated',
  div: `<div xmlns="http://www.w3.org/1999/xhtml">${inside}</div>`,
});
const coded = { status: 'final', code: { text: 'x' } };

describe('write invariants', () => {
  it.each<[string, object, string[]]>([
    [
      'a period that ends before it starts',
      { resourceType: 'Patient', name: [{}, { period: { start: '2020-02', end: '2020-01-03' } }].slice(1) },
      ['per-1 at Patient.name[0].period'],
    ],
    [
      'a period whose order cannot be said',
      { resourceType: 'Patient', name: [{ period: { start: '2020-01-03', end: '2020-01' } }] },
      [],
    ],
    ...(
      [
        ['the same offset', '2020-01-01T10:00:00+02:00', '2020-01-01T09:00:00+02:00', true],
        ['a later text of an earlier time', '2020-01-01T10:00:00+00:00', '2020-01-01T11:00:00+05:00', true],
        ['an earlier text of a later time', '2020-01-01T11:00:00+05:00', '2020-01-01T10:00:00+00:00', false],
        ['fractions of other lengths', '2020-01-01T10:00:00.5Z', '2020-01-01T10:00:00Z', true],
        ['years', '2020', '2019', true],
        ['nothing but days', '2020-01-01', '2020-01-01', false],
      ] as const
    ).map(([what, start, end, isBroken]): [string, object, string[]] => [
      `a period in ${what}`,
      { resourceType: 'Patient', name: [{ period: { start, end } }] },
      isBroken ? ['per-1 at Patient.name[0].period'] : [],
    ]),
    [
      'a contact without anything',
      { resourceType: 'Patient', contact: [{ gender: 'male' }] },
      ['pat-1 at Patient.contact[0]'],
    ],
    [
      'an Observation with value and reason',
      { resourceType: 'Observation', ...coded, valueString: 'x', dataAbsentReason: { text: 'y' } },
      ['obs-6 at Observation'],
    ],
    [
      'a component with the code of the whole',
      {
        resourceType: 'Observation',
        status: 'final',
        code: { coding: [{ code: 'a', system: 's' }] },
        valueString: 'x',
        component: [{ code: { coding: [{ code: 'a', system: 's' }] } }],
      },
      ['obs-7 at Observation'],
    ],
    [
      'a quantity with a code and no system',
      { resourceType: 'Observation', ...coded, valueQuantity: { value: 1, code: 'mg' } },
      ['qty-3 at Observation.valueQuantity'],
    ],
    [
      'a comparator in a SimpleQuantity',
      { resourceType: 'Observation', ...coded, referenceRange: [{ low: { value: 1, comparator: '<' } }] },
      ['sqty-1 at Observation.referenceRange[0].low'],
    ],
    [
      'a range from high to low',
      {
        resourceType: 'Observation',
        ...coded,
        valueRange: { low: { value: 1, unit: 'kg' }, high: { value: 900, unit: 'g' } },
      },
      [],
    ],
    [
      'a range of the same unit from high to low',
      {
        resourceType: 'Observation',
        ...coded,
        valueRange: { low: { value: 2, unit: 'kg' }, high: { value: 1, unit: 'kg' } },
      },
      ['rng-2 at Observation.valueRange'],
    ],
    [
      'a range of UCUM units from high to low',
      {
        resourceType: 'Observation',
        ...coded,
        valueRange: {
          low: { value: 1, code: 'kg', system: 'http://unitsofmeasure.org' },
          high: { value: 900, code: 'g', system: 'http://unitsofmeasure.org' },
        },
      },
      ['rng-2 at Observation.valueRange'],
    ],
    [
      'an extension with value and extensions',
      {
        resourceType: 'Patient',
        extension: [{ url: 'u', valueCode: 'x', extension: [{ url: 'v', valueCode: 'y' }] }],
      },
      ['ext-1 at Patient.extension[0]'],
    ],
    [
      'an extension with neither',
      { resourceType: 'Patient', extension: [{ url: 'u' }] },
      ['ext-1 at Patient.extension[0]'],
    ],
    [
      'an element with only an id',
      { resourceType: 'Patient', name: [{ id: 'a' }] },
      ['ele-1 at Patient.name[0]'],
    ],
    [
      'an appointment without its end',
      {
        resourceType: 'Appointment',
        status: 'booked',
        start: '2026-01-01T10:00:00Z',
        participant: [{ status: 'accepted', actor: { display: 'x' } }],
      },
      ['app-2 at Appointment', 'app-3 at Appointment'],
    ],
    [
      'a cancelled appointment with a reason',
      {
        resourceType: 'Appointment',
        status: 'noshow',
        cancelationReason: { text: 'x' },
        start: '2026-01-01T10:00:00Z',
        end: '2026-01-01T11:00:00Z',
        participant: [{ status: 'accepted', actor: { display: 'x' } }],
      },
      [],
    ],
    [
      'what is contained and not referred to',
      { resourceType: 'Patient', contained: [{ resourceType: 'Organization', id: 'o', name: 'x' }] },
      ['dom-3 at Patient'],
    ],
    [
      'what is contained and referred to',
      {
        resourceType: 'Patient',
        contained: [{ resourceType: 'Organization', id: 'o', name: 'x' }],
        managingOrganization: { reference: '#o' },
      },
      [],
    ],
    [
      'what is contained and shown by the narrative',
      {
        resourceType: 'Patient',
        text: div('<img src="#b" alt="x"/>'),
        contained: [{ resourceType: 'Binary', id: 'b', contentType: 'image/png' }],
      },
      [],
    ],
    [
      'what is contained and refers to its container',
      {
        resourceType: 'Patient',
        contained: [{ resourceType: 'Observation', id: 'o', ...coded, subject: { reference: '#' } }],
      },
      [],
    ],
    [
      'a reference to what is not contained',
      { resourceType: 'Patient', managingOrganization: { reference: '#o' } },
      ['ref-1 at Patient.managingOrganization'],
    ],
    [
      'what is contained in what is contained',
      {
        resourceType: 'Patient',
        managingOrganization: { reference: '#o' },
        contained: [
          {
            resourceType: 'Organization',
            id: 'o',
            name: 'x',
            partOf: { reference: '#p' },
            contained: [{ resourceType: 'Organization', id: 'p', name: 'y' }],
          },
        ],
      },
      ['dom-2 at Patient', 'ref-1 at Patient.contained[0].partOf'],
    ],
    [
      'a narrative with a script',
      { resourceType: 'Patient', text: div('<script>x</script>') },
      ['txt-1 at Patient.text.div'],
    ],
    [
      'a narrative without content',
      { resourceType: 'Patient', text: div('  <p/> ') },
      ['txt-2 at Patient.text.div'],
    ],
    [
      'a question group without questions',
      { resourceType: 'Questionnaire', status: 'draft', item: [{ linkId: '1', type: 'group' }] },
      ['que-1 at Questionnaire.item[0]'],
    ],
    [
      'questions that share a linkId',
      {
        resourceType: 'Questionnaire',
        status: 'draft',
        item: [{ linkId: '1', type: 'group', item: [{ linkId: '1', type: 'string' }] }],
      },
      ['que-2 at Questionnaire'],
    ],
    [
      'a nested question under another name',
      {
        resourceType: 'Questionnaire',
        status: 'draft',
        item: [{ linkId: '1', type: 'group', item: [{ linkId: '2', type: 'display', required: true }] }],
      },
      ['que-6 at Questionnaire.item[0].item[0]'],
    ],
    [
      'an entry of a Bundle',
      {
        resourceType: 'Bundle',
        type: 'collection',
        entry: [{ resource: { resourceType: 'Organization', active: true } }],
      },
      ['org-1 at Bundle.entry[0].resource'],
    ],
    [
      'a batch without requests',
      { resourceType: 'Bundle', type: 'batch', entry: [{ resource: { resourceType: 'Patient' } }] },
      ['bdl-3 at Bundle'],
    ],
    [
      'parts of Parameters',
      { resourceType: 'Parameters', parameter: [{ name: 'a', part: [{ name: 'b' }] }] },
      ['inv-1 at Parameters.parameter[0].part[0]'],
    ],
    [
      'a condition that is over and active',
      { resourceType: 'Condition', subject: { reference: 'Patient/1' }, abatementDateTime: '2020' },
      ['con-4 at Condition'],
    ],
  ])('on %s', (_, resource, expected) => {
    expect(broken(resource)).toEqual(expected);
  });

  it('refuse with 422, the key and the expression', () => {
    try {
      checkWriteInvariants({ resourceType: 'Patient', contact: [{ gender: 'male' }, { gender: 'female' }] });
      expect.unreachable();
    } catch (error) {
      expect(error).toBeInstanceOf(FhirError);
      const { status, code, message, issues } = error as FhirError;
      expect([status, code, issues.length]).toEqual([422, 'invariant', 2]);
      expect(message).toContain('pat-1');
      expect(message).toContain(
        'name.exists() or telecom.exists() or address.exists() or organization.exists()',
      );
    }
  });

  it('list at most 100', () => {
    const contact = Array.from({ length: 500 }, () => ({ gender: 'male' }));
    expect(broken({ resourceType: 'Patient', contact }).length).toBe(100);
  });
});

const synthea = shared('synthea/');
const packages = [
  'hl7/hl7.fhir.r4.examples-4.0.1-two-thirds.tgz',
  'hl7/hl7.fhir.r4.core-4.0.1.tgz',
  'us-core/us-core-311.tgz',
  'us-core/us-core-610.tgz',
].map(shared);

/** What HL7 published that breaks its own rules. */
const wrong = new Map([
  // a narrative without text
  ['ActivityDefinition-blood-tubes-supply.json', 'txt-2'],
  ['ActivityDefinition-heart-valve-replacement.json', 'txt-2'],
  ['EventDefinition-example.json', 'txt-2'],
  ['Questionnaire-zika-virus-exposure-assessment.json', 'txt-2'],
  // contains a definition that nothing refers to
  ['PlanDefinition-example-cardiology-os.json', 'dom-3'],
  // patterns, which have no base
  ...['Definition', 'Event', 'FiveWs', 'Request'].map(
    name => [`StructureDefinition-${name}.json`, 'sdf-4'] as const,
  ),
  // extensions of the specification's own tooling, on types that are none
  ...['json', 'rdf', 'xml'].map(
    name => [`StructureDefinition-structuredefinition-${name}-type.json`, 'sdf-19'] as const,
  ),
]);

describe('write invariants on what others wrote', () => {
  it.skipIf(!synthea.present)(`refuse no Synthea resource${synthea.note}`, () => {
    for (const file of readdirSync(synthea.url)) {
      const bundle = parseJson(gunzipSync(readFileSync(new URL(encodeURIComponent(file), synthea.url))));
      expect(broken(bundle as Resource), file).toEqual([]);
    }
  });
  for (const { url, present, note } of packages) {
    it.skipIf(!present)(`refuse only what is wrong in ${url.pathname.split('/').pop()}${note}`, () => {
      const refused: [string, string][] = [];
      const expected: [string, string][] = [];
      for (const [name, text] of filesOfPackage(url)) {
        const resource = parseJson(text) as Resource;
        if (typeof resource.resourceType !== 'string') continue;
        const [first] = broken(resource);
        if (first !== undefined) refused.push([name, first.split(' ', 1)[0]!]);
        const known = wrong.get(name);
        if (known !== undefined) expected.push([name, known]);
      }
      expect(refused.sort()).toEqual(expected.sort());
    });
  }
});
