// Profiles and resources made to take the server down: each gets its answer, and soon.
import { describe, expect, it } from 'vitest';
import type { JsonObject } from '../../src/fhir/json.js';
import type { Resource } from '../../src/fhir/resource.js';
import { coreCatalog } from '../../src/terminology/catalog.js';
import { installedPackages, packed } from '../../src/validation/installed.js';
import { createValidation, type Validation } from '../../src/validation/validation.js';

const url = 'http://example.test/StructureDefinition/hostile';

/** A validation that knows a profile of Patient with these elements. */
function knowing(type: string, element: readonly object[], more: object = {}): Validation {
  const installed = installedPackages();
  const structure = {
    resourceType: 'StructureDefinition',
    url,
    kind: 'resource',
    abstract: false,
    type,
    baseDefinition: `http://hl7.org/fhir/StructureDefinition/${type}`,
    derivation: 'constraint',
    differential: { element },
    ...more,
  } as unknown as Resource;
  const definitions = [structure];
  installed.add(packed({ name: 'hostile', version: '1', fhirVersions: [], dependencies: {}, definitions }));
  return createValidation({ level: 'full', required: new Map(), installed, catalog: coreCatalog });
}

const patient = (more: object = {}): Resource => ({
  resourceType: 'Patient',
  meta: { profile: [url] },
  ...more,
});

describe('a hostile profile', () => {
  it('of itself does not turn for ever', () => {
    const own = [{ code: 'HumanName', profile: [url] }];
    const { validate } = knowing('HumanName', [{ id: 'HumanName', path: 'HumanName', type: own }], {
      kind: 'complex-type',
    });
    expect(validate(patient({ name: [{ family: 'A' }] })).length).toBeGreaterThan(0);
  });

  it('with an expression that backtracks is judged or not, at once', () => {
    const expression = "name.family.matches('^(a+)+$')";
    const constraint = [{ key: 'x', severity: 'error', human: 'x', expression }];
    const { validate } = knowing('Patient', [{ id: 'Patient', path: 'Patient', constraint }]);
    const findings = validate(patient({ name: [{ family: `${'a'.repeat(60_000)}b` }] }));
    expect(findings.some(({ rule }) => rule === 'x')).toBe(true);
  });

  it('with endless paths is not known', () => {
    const path = `Questionnaire${'.item'.repeat(20_000)}`;
    const { validate } = knowing('Questionnaire', [{ id: path, path }]);
    const questionnaire = { resourceType: 'Questionnaire', status: 'draft', meta: { profile: [url] } };
    expect(validate(questionnaire as unknown as Resource).map(({ rule }) => rule)).toContain(
      'profile-unknown',
    );
  });

  it('with elements that are none, or nothing in it, is used as far as it goes', () => {
    for (const element of [[{}], [{ id: 'Patient.nothing.at.all', path: 'Patient.nothing.at.all' }], []]) {
      const { validate } = knowing('Patient', element as JsonObject[]);
      expect(() => validate(patient())).not.toThrow();
    }
  });

  it('with anything in the place of anything is used as far as it goes', () => {
    const slicing = { discriminator: [{ type: 'value', path: 'system' }], rules: 'closed', ordered: false };
    const element = [
      { id: 'Patient.telecom', path: 'Patient.telecom', min: 1, max: '3', slicing },
      { id: 'Patient.telecom:a', path: 'Patient.telecom', sliceName: 'a' },
      { id: 'Patient.telecom:a.system', path: 'Patient.telecom.system', fixedCode: 'phone' },
      { id: 'Patient.link.other', path: 'Patient.link.other', type: [{ code: 'Reference', profile: [url] }] },
    ];
    const wrong = [null, 1, 'x', true, [], {}, [[]], [null], [{}], { a: 1 }];
    const resource = patient({
      telecom: [{ system: 'phone', value: '1' }],
      link: [{ other: {}, type: 'seealso' }],
    });
    const places = (value: unknown, path: readonly string[] = []): (readonly string[])[] =>
      typeof value === 'object' && value !== null
        ? Object.entries(value).flatMap(([key, one]) => [[...path, key], ...places(one, [...path, key])])
        : [];
    const whole = { element, more: { context: [], type: 'Patient', snapshot: { element: [] } } };
    for (const place of places(whole))
      for (const value of wrong) {
        const copy = structuredClone(whole) as unknown as Record<string, unknown>;
        let at = copy;
        for (const step of place.slice(0, -1)) at = at[step] as Record<string, unknown>;
        at[place.at(-1)!] = value;
        const { element: changed, more } = copy as unknown as { element: object[]; more: object };
        const { validate } = knowing('Patient', changed, more ?? {});
        expect(() => validate(resource), `${place.join('.')} ${JSON.stringify(value)}`).not.toThrow();
      }
  });

  it('with thousands of slices is judged', () => {
    const slicing = { discriminator: [{ type: 'value', path: 'system' }], rules: 'closed' };
    const slices = Array.from({ length: 2000 }, (_, i) => [
      { id: `Patient.telecom:s${i}`, path: 'Patient.telecom', sliceName: `s${i}` },
      { id: `Patient.telecom:s${i}.value`, path: 'Patient.telecom.value', min: 1 },
    ]).flat();
    const { validate } = knowing('Patient', [
      { id: 'Patient.telecom', path: 'Patient.telecom', slicing },
      ...slices,
    ]);
    expect(validate(patient({ telecom: [{ value: '1' }, { value: '2' }] })).length).toBeGreaterThan(0);
  });
});

describe('a hostile resource', () => {
  const { validate } = knowing('Patient', []);

  it('with thousands of faults has at most 101 findings', () => {
    const link = Array.from({ length: 20_000 }, (_, i) => ({
      type: 'seealso',
      other: { reference: `Observation/${i}` },
    }));
    const findings = validate(patient({ link }));
    expect(findings).toHaveLength(101);
    expect(findings.at(-1)!.rule).toBe('more');
  });

  it('with twenty thousand entries that refer to each other is judged in one go', () => {
    const entry = Array.from({ length: 20_000 }, (_, i) => ({
      fullUrl: `http://example.test/Patient/${i}`,
      resource: {
        resourceType: 'Patient',
        id: String(i),
        link: [{ type: 'seealso', other: { reference: `Patient/${(i * 7) % 20_000}` } }],
      },
    }));
    const bundle = { resourceType: 'Bundle', type: 'collection', entry } as unknown as Resource;
    expect(validate(bundle).filter(({ severity }) => severity === 'error')).toEqual([]);
  });

  it('of the wrong shape anywhere is told so and harms nothing', () => {
    const wrong: readonly unknown[] = [null, 1, 'x', true, [], {}, [[]], [null], { a: 1 }];
    for (const name of ['meta', 'name', 'contained', 'extension', 'link', 'text', 'birthDate', '_birthDate'])
      for (const value of wrong)
        expect(() => validate(patient({ [name]: value })), `${name} ${JSON.stringify(value)}`).not.toThrow();
  });
});
