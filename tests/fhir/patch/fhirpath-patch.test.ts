// https://hl7.org/fhir/R4/fhirpatch.html, with the official cases.
import { existsSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { FhirError } from '../../../src/errors.js';
import { parseJson, writeJson, type Json, type JsonObject } from '../../../src/fhir/json.js';
import { fhirPathPatch } from '../../../src/fhir/patch/fhirpath-patch.js';
import type { Resource } from '../../../src/fhir/resource.js';
import { parseXml } from '../../../src/fhir/xml-read.js';
import { parseXmlTree, writeXmlTree, type XmlNode } from '../../../src/fhir/xml-tree.js';

/** Narrative is text in one form and markup in the other: blanks and quotes may differ. */
const comparable = (value: unknown): unknown =>
  JSON.parse(JSON.stringify(value), (name, item: unknown) =>
    name === 'div' ? String(item).replaceAll('&quot;', '"').replace(/\s+/g, ' ') : item,
  );

const official = fileURLToPath(
  new URL('../../../../shared/data/fhir-test-cases/r4/patch/fhir-patch-tests.xml', import.meta.url),
);
describe.skipIf(!existsSync(official))(`official cases (need ${official})`, () => {
  const elements = (node: XmlNode): XmlNode[] => node.children.filter(child => child.kind === 'element');
  const cases = existsSync(official) ? elements(parseXmlTree(readFileSync(official))) : [];
  it('are all there', () => expect(cases.length).toBe(33));
  it.each(cases.map(one => [one.attributes.get('name')!, one] as const))('%s', (_, one) => {
    const part = (name: string): XmlNode | undefined => one.children.find(child => child.name === name);
    const resource = (name: string): Resource => parseXml(writeXmlTree(elements(part(name)!)[0]!));
    const patch = (): Resource => fhirPathPatch(resource('input'), resource('diff'));
    if (part('error') !== undefined) expect(patch).toThrow(FhirError);
    else expect(comparable(patch())).toEqual(comparable(resource('output')));
  });
});

type Parts = Record<string, Json>;
/** `{ type, path, name }` as text, numbers as valueInteger, anything else as the value part. */
const operation = (parts: Parts): JsonObject => ({
  name: 'operation',
  part: Object.entries(parts).map(([name, value]) =>
    name === 'value'
      ? { name, ...(value as JsonObject) }
      : typeof value === 'number'
        ? { name, valueInteger: value }
        : { name, [name === 'type' ? 'valueCode' : 'valueString']: value },
  ),
});
const run = (resource: string, ...operations: Parts[]): string =>
  writeJson(
    fhirPathPatch(parseJson(resource) as Resource, {
      resourceType: 'Parameters',
      parameter: operations.map(operation),
    }),
  );
const refusal = (resource: string, ...operations: Parts[]): FhirError => {
  try {
    run(resource, ...operations);
  } catch (error) {
    if (error instanceof FhirError) return error;
    throw error;
  }
  throw new Error('the patch was applied');
};
const patient = (rest: string): string => `{"resourceType":"Patient",${rest}}`;

describe('decimals', () => {
  const observation =
    '{"resourceType":"Observation","valueQuantity":{"value":1.00},"component":[{"valueQuantity":{"value":2.50}},{"valueQuantity":{"value":3.0}}]}';
  it('keep their lexeme, touched or not, and can be selected by value', () => {
    expect(
      run(
        observation,
        {
          type: 'replace',
          path: 'Observation.component.where(value.value = 3).value.value',
          value: { valueDecimal: parseJson('4.10') },
        },
        { type: 'move', path: 'Observation.component', source: 1, destination: 0 },
      ),
    ).toBe(
      '{"resourceType":"Observation","valueQuantity":{"value":1.00},"component":[{"valueQuantity":{"value":4.10}},{"valueQuantity":{"value":2.50}}]}',
    );
  });
  it('come from the patch as they are', () => {
    const { value } = parseJson('{"value":{"value":7.000,"unit":"kg"}}') as { value: JsonObject };
    expect(
      run('{"resourceType":"Observation"}', {
        type: 'add',
        path: 'Observation',
        name: 'value',
        value: { valueQuantity: value },
      }),
    ).toBe('{"resourceType":"Observation","valueQuantity":{"value":7.000,"unit":"kg"}}');
  });
});

describe('choices', () => {
  it('are added and replaced under their type', () => {
    expect(
      run(patient('"id":"1"'), {
        type: 'add',
        path: 'Patient',
        name: 'deceased',
        value: { valueBoolean: true },
      }),
    ).toBe(patient('"id":"1","deceasedBoolean":true'));
    expect(
      run(patient('"deceasedBoolean":true,"_deceasedBoolean":{"id":"x"}'), {
        type: 'replace',
        path: 'Patient.deceased',
        value: { valueDateTime: '2020' },
      }),
    ).toBe(patient('"deceasedDateTime":"2020"'));
    expect(
      run(patient('"id":"1","deceasedDateTime":"2020"'), { type: 'delete', path: 'Patient.deceased' }),
    ).toBe(patient('"id":"1"'));
  });
  it('have only the types they are defined with, and one value', () => {
    expect(
      refusal(patient('"id":"1"'), {
        type: 'add',
        path: 'Patient',
        name: 'deceased',
        value: { valueString: 'yes' },
      }).message,
    ).toContain('may not be a String');
    expect(
      refusal(patient('"deceasedDateTime":"2020"'), {
        type: 'add',
        path: 'Patient',
        name: 'deceased',
        value: { valueBoolean: true },
      }).message,
    ).toContain('is there already');
  });
});

describe('primitives with ids and extensions', () => {
  const names = patient('"name":[{"given":["a","b","c"],"_given":[null,{"id":"b"}]}]');
  it('move, leave and come together with their value', () => {
    expect(run(names, { type: 'move', path: 'Patient.name[0].given', source: 1, destination: 0 })).toBe(
      patient('"name":[{"given":["b","a","c"],"_given":[{"id":"b"},null,null]}]'),
    );
    expect(run(names, { type: 'delete', path: 'Patient.name[0].given[1]' })).toBe(
      patient('"name":[{"given":["a","c"]}]'),
    );
    expect(
      run(names, {
        type: 'insert',
        path: 'Patient.name[0].given',
        index: 0,
        value: { valueString: 'z', _valueString: { id: 'z' } },
      }),
    ).toBe(patient('"name":[{"given":["z","a","b","c"],"_given":[{"id":"z"},null,{"id":"b"},null]}]'));
    expect(
      run(names, { type: 'replace', path: 'Patient.name[0].given[1]', value: { valueString: 'x' } }),
    ).toBe(patient('"name":[{"given":["a","x","c"]}]'));
  });
  it('can be given extensions, and lose them', () => {
    const added = run(
      patient('"birthDate":"2000","name":[{"given":["a","b"]}]'),
      {
        type: 'add',
        path: 'Patient.birthDate',
        name: 'extension',
        value: { valueExtension: { url: 'u', valueString: 's' } },
      },
      { type: 'add', path: 'Patient.name.given[1]', name: 'id', value: { valueString: 'i' } },
    );
    expect(added).toBe(
      patient(
        '"birthDate":"2000","name":[{"given":["a","b"],"_given":[null,{"id":"i"}]}],"_birthDate":{"extension":[{"url":"u","valueString":"s"}]}',
      ),
    );
    expect(
      run(
        added,
        { type: 'delete', path: "Patient.birthDate.extension('u')" },
        { type: 'delete', path: 'Patient.name.given[1].id' },
      ),
    ).toBe(patient('"birthDate":"2000","name":[{"given":["a","b"]}]'));
  });
});

describe('places', () => {
  it('are in contained resources and in bundles too', () => {
    const text = patient('"contained":[{"resourceType":"Observation","id":"o","valueBoolean":true}]');
    expect(
      run(text, {
        type: 'replace',
        path: "Patient.contained.where(id = 'o').value",
        value: { valueInteger: 3 },
      }),
    ).toBe(patient('"contained":[{"resourceType":"Observation","id":"o","valueInteger":3}]'));
    const bundle = '{"resourceType":"Bundle","entry":[{"resource":{"resourceType":"Patient","id":"1"}}]}';
    expect(
      run(bundle, {
        type: 'add',
        path: 'Bundle.entry[0].resource',
        name: 'gender',
        value: { valueCode: 'male' },
      }),
    ).toBe(
      '{"resourceType":"Bundle","entry":[{"resource":{"resourceType":"Patient","id":"1","gender":"male"}}]}',
    );
  });
  it('may be in a list that is not there yet', () => {
    expect(
      run(patient('"id":"1"'), {
        type: 'insert',
        path: 'Patient.name',
        index: 0,
        value: { valueHumanName: { text: 'a' } },
      }),
    ).toBe(patient('"id":"1","name":[{"text":"a"}]'));
  });
  it('emptied by a deletion disappear, and their parents', () => {
    expect(
      run(patient('"id":"1","contact":[{"name":{"text":"a"}}]'), {
        type: 'delete',
        path: 'Patient.contact.name.text',
      }),
    ).toBe(patient('"id":"1"'));
  });
  it('that are not there are deleted without complaint', () => {
    expect(run(patient('"id":"1"'), { type: 'delete', path: 'Patient.name' })).toBe(patient('"id":"1"'));
  });
});

describe('values without a type of their own', () => {
  it('are made from parts, by the definition', () => {
    const value = {
      part: [
        { name: 'code', valueCodeableConcept: { text: 'c' } },
        { name: 'value', valueQuantity: { value: 1 } },
        { name: 'referenceRange', part: [{ name: 'text', valueString: 'r' }] },
        { name: 'referenceRange', part: [{ name: 'text', valueString: 's' }] },
      ],
    };
    expect(
      run('{"resourceType":"Observation"}', { type: 'add', path: 'Observation', name: 'component', value }),
    ).toBe(
      '{"resourceType":"Observation","component":[{"code":{"text":"c"},"valueQuantity":{"value":1},"referenceRange":[{"text":"r"},{"text":"s"}]}]}',
    );
  });
  it('may be a resource', () => {
    expect(
      run(patient('"id":"1"'), {
        type: 'add',
        path: 'Patient',
        name: 'contained',
        value: { resource: { resourceType: 'Basic', id: 'b' } },
      }),
    ).toBe(patient('"id":"1","contained":[{"resourceType":"Basic","id":"b"}]'));
  });
});

it('changes neither the resource nor the patch, so that it can be applied again', () => {
  const resource = parseJson(patient('"name":[{"given":["a"]}]')) as Resource;
  const patch = {
    resourceType: 'Parameters',
    parameter: [
      { type: 'add', path: 'Patient', name: 'name', value: { valueHumanName: { given: ['b'] } } },
      { type: 'add', path: 'Patient.name[1]', name: 'given', value: { valueString: 'c' } },
    ].map(operation),
  };
  const first = writeJson(fhirPathPatch(resource, patch));
  expect(first).toBe(patient('"name":[{"given":["a"]},{"given":["b","c"]}]'));
  expect(writeJson(fhirPathPatch(resource, patch))).toBe(first);
  expect(writeJson(resource)).toBe(patient('"name":[{"given":["a"]}]'));
});

describe('refusals', () => {
  const two = patient('"name":[{"text":"a"},{"text":"b"}]');
  it.each<[string, Parts]>([
    [
      'add to a missing place',
      { type: 'add', path: 'Patient.contact', name: 'gender', value: { valueCode: 'male' } },
    ],
    [
      'add to several places',
      { type: 'add', path: 'Patient.name', name: 'family', value: { valueString: 'x' } },
    ],
    [
      'add of an unknown element',
      { type: 'add', path: 'Patient', name: 'colour', value: { valueString: 'x' } },
    ],
    [
      'add of an object to a primitive',
      { type: 'add', path: 'Patient', name: 'birthDate', value: { valueHumanName: {} } },
    ],
    [
      'add of a primitive to an object',
      { type: 'add', path: 'Patient', name: 'maritalStatus', value: { valueString: 'x' } },
    ],
    [
      'replace of a missing element',
      { type: 'replace', path: 'Patient.birthDate', value: { valueDate: '2000' } },
    ],
    ['replace of several', { type: 'replace', path: 'Patient.name', value: { valueHumanName: {} } }],
    [
      'replace of everything',
      { type: 'replace', path: 'Patient', value: { resource: { resourceType: 'Patient' } } },
    ],
    ['delete of several', { type: 'delete', path: 'Patient.name' }],
    ['delete of everything', { type: 'delete', path: 'Patient' }],
    ['delete of what is computed', { type: 'delete', path: 'Patient.name.count()' }],
    [
      'insert past the end',
      { type: 'insert', path: 'Patient.name', index: 3, value: { valueHumanName: {} } },
    ],
    [
      'insert into what does not repeat',
      { type: 'insert', path: 'Patient.birthDate', index: 0, value: { valueDate: '2000' } },
    ],
    [
      'insert where no list is named',
      { type: 'insert', path: 'Patient.name[0]', index: 0, value: { valueHumanName: {} } },
    ],
    ['move from past the end', { type: 'move', path: 'Patient.name', source: 2, destination: 0 }],
    ['move to past the end', { type: 'move', path: 'Patient.name', source: 0, destination: 2 }],
    ['what stumbles', { type: 'delete', path: 'Patient.name.single()' }],
    ['another type', { type: 'replace', path: 'Observation.status', value: { valueCode: 'final' } }],
  ])('%s does not apply: 422', (_, parts) => {
    const error = refusal(two, parts);
    expect([error.code, error.status]).toEqual(['business-rule', 422]);
    expect(error.message).toMatch(/^Operation 1 of the patch \(.+\) cannot be applied: .+\.$/);
  });

  it.each<[string, Parts]>([
    ['no type', { path: 'Patient' }],
    ['an unknown type', { type: 'test', path: 'Patient' }],
    ['a type of Object.prototype', { type: 'constructor', path: 'Patient' }],
    ['no path', { type: 'delete' }],
    ['no name', { type: 'add', path: 'Patient', value: { valueString: 'x' } }],
    ['no value', { type: 'replace', path: 'Patient.name[0]' }],
    ['no index', { type: 'insert', path: 'Patient.name', value: { valueHumanName: {} } }],
    ['a negative index', { type: 'move', path: 'Patient.name', source: -1, destination: 0 }],
    ['no destination', { type: 'move', path: 'Patient.name', source: 0 }],
  ])('%s is malformed: 400', (_, parts) => {
    expect([refusal(two, parts).code, refusal(two, parts).status]).toEqual(['structure', 400]);
  });
  it.each<[string, JsonObject]>([
    ['another parameter', { resourceType: 'Parameters', parameter: [{ name: 'other', part: [] }] }],
    [
      'a value in place of parts',
      { resourceType: 'Parameters', parameter: [{ name: 'operation', valueString: 'x' }] },
    ],
    [
      'a part twice',
      {
        resourceType: 'Parameters',
        parameter: [
          {
            name: 'operation',
            part: [
              { name: 'type', valueCode: 'add' },
              { name: 'type', valueCode: 'delete' },
            ],
          },
        ],
      },
    ],
  ])('%s is malformed: 400', (_, patch) => {
    expect(() => fhirPathPatch(parseJson(two) as Resource, patch)).toThrow(
      expect.objectContaining({ code: 'structure' }),
    );
  });

  it.each([
    ['what is no FHIRPath', 'Patient.name['],
    ['other resources', 'Patient.managingOrganization.resolve().name'],
    ['recursion', 'Patient.descendants()'],
    ['repetition', 'Patient.repeat(contact)'],
    ['patterns, which may take for ever', "Patient.name.where(text.matches('(a+)+$'))"],
    ['variables', '%resource.name'],
    ['the environment', 'Patient.name.where(text = %`vs-x`)'],
    ['very long text', `Patient${'.name'.repeat(100)}`],
  ])('a path may not use %s', (_, path) => {
    expect(refusal(two, { type: 'delete', path }).status).toBe(400);
  });

  it('paths may not add up to more than is read quickly', () => {
    const operations = Array.from({ length: 100 }, (_, i) => ({
      type: 'delete',
      path: `Patient.name[${i}]${'.x'.repeat(100)}`,
    }));
    expect(refusal(two, ...operations).status).toBe(413);
    expect(run(two, ...operations.map(({ type }) => ({ type, path: operations[0]!.path })))).toBe(two);
  });
  it('nesting without end is refused', () => {
    const extension = (depth: number): JsonObject =>
      depth === 0 ? { url: 'x' } : { url: 'x', extension: [extension(depth - 1)] };
    const deep = {
      type: 'add',
      path: `Patient.extension[0]${'.extension[0]'.repeat(30)}`,
      name: 'extension',
      value: { valueExtension: extension(90) },
    };
    expect(
      refusal(
        patient('"id":"1"'),
        { type: 'add', path: 'Patient', name: 'extension', value: { valueExtension: extension(90) } },
        deep,
      ).status,
    ).toBe(413);
  });
});
