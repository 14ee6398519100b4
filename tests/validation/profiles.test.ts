// Profiles made of differentials: what each rule of https://hl7.org/fhir/R4/profiling.html finds, and where.
import { describe, expect, it } from 'vitest';
import type { Resource } from '../../src/fhir/resource.js';
import { coreCatalog } from '../../src/terminology/catalog.js';
import { compileInvariants } from '../../src/validation/invariants.js';
import { createProfiles } from '../../src/validation/profiles.js';
import type { Structure } from '../../src/validation/structure.js';
import { terminologyOf } from '../../src/validation/terminology.js';
import { createValidator, type ValidateOptions } from '../../src/validation/validate.js';

type Element = Record<string, unknown> & { id: string };

const base = 'http://example.test/StructureDefinition/';

/** A profile by its name; ids say path and slice. */
function profile(name: string, type: string, elements: readonly Element[], more: object = {}): Structure {
  const element = elements.map(one => {
    const last = one.id.slice(one.id.lastIndexOf('.') + 1);
    const colon = last.indexOf(':');
    return {
      path: one.id.replace(/:[^.]*/g, ''),
      ...(colon < 0 ? {} : { sliceName: last.slice(colon + 1) }),
      ...one,
    };
  });
  return {
    resourceType: 'StructureDefinition',
    url: base + name,
    kind: 'resource',
    abstract: false,
    type,
    baseDefinition: `http://hl7.org/fhir/StructureDefinition/${type}`,
    derivation: 'constraint',
    differential: { element },
    ...more,
  } as unknown as Structure;
}

/** `code expression` of each error of the resource by the first of the profiles. */
function errors(resource: object, profiles: readonly Structure[], options: ValidateOptions = {}): string[] {
  const known = new Map(profiles.map(one => [one.url, one]));
  const validate = createValidator({
    profiles: createProfiles(canonical => known.get(canonical)),
    terminology: terminologyOf(coreCatalog),
    compileInvariants,
    rulesFor: () => [],
  });
  const [first] = profiles;
  const wanted = first && first.type !== 'Extension' ? [first.url] : [];
  return validate(resource as Resource, { profiles: wanted, ...options })
    .filter(({ severity }) => severity === 'error')
    .map(({ rule, expression }) => `${rule ?? ''} ${expression}`);
}

const observation = (more: object): object => ({
  resourceType: 'Observation',
  status: 'final',
  code: { text: 'x' },
  ...more,
});
const coding = (code: string): object => ({ coding: [{ system: 'http://example.test/s', code }] });

describe('an element', () => {
  const patient = (...elements: Element[]): readonly Structure[] => [profile('p', 'Patient', elements)];

  it('has a cardinality', () => {
    const rules = patient({ id: 'Patient.name', min: 1, max: '1' }, { id: 'Patient.name.family', min: 1 });
    expect(errors({ resourceType: 'Patient' }, rules)).toEqual(['min Patient']);
    const two = { resourceType: 'Patient', name: [{ family: 'A' }, { given: ['B'] }] };
    expect(errors(two, rules)).toEqual(['max Patient', 'min Patient.name[1]']);
    expect(errors({ resourceType: 'Patient', name: [{ family: 'A' }] }, rules)).toEqual([]);
  });

  it('is fixed, or has a pattern', () => {
    const rules = patient(
      { id: 'Patient.gender', fixedCode: 'other' },
      { id: 'Patient.maritalStatus', patternCodeableConcept: coding('M') },
    );
    expect(errors({ resourceType: 'Patient', gender: 'male' }, rules)).toEqual(['fixed Patient.gender']);
    expect(errors({ resourceType: 'Patient', maritalStatus: coding('S') }, rules)).toContain(
      'pattern Patient.maritalStatus',
    );
    const more = { ...coding('M'), text: 'married' };
    expect(errors({ resourceType: 'Patient', gender: 'other', maritalStatus: more }, rules)).toEqual([]);
  });

  it('has limits, of quantities in whatever unit', () => {
    const limit = (value: number, code: string): object => ({
      value,
      system: 'http://unitsofmeasure.org',
      code,
    });
    const rules = [
      profile('p', 'Observation', [
        { id: 'Observation.value[x]', type: [{ code: 'Quantity' }], maxValueQuantity: limit(1, 'kg') },
      ]),
    ];
    expect(errors(observation({ valueQuantity: limit(900, 'g') }), rules)).toEqual([]);
    expect(errors(observation({ valueQuantity: limit(1100, 'g') }), rules)).toEqual([
      'limit Observation.value.ofType(Quantity)',
    ]);
    expect(errors(observation({ valueString: 'x' }), rules)).toEqual([
      'type Observation.value.ofType(string)',
    ]);
  });

  it('has lengths, decimal places and a pattern by extensions', () => {
    const core = 'http://hl7.org/fhir/StructureDefinition/';
    const rules = [
      profile('p', 'Observation', [
        {
          id: 'Observation.value[x]:valueString',
          extension: [
            { url: `${core}minLength`, valueInteger: 2 },
            { url: `${core}regex`, valueString: '[a-z]+' },
          ],
        },
        {
          id: 'Observation.value[x]:valueQuantity.value',
          extension: [{ url: `${core}maxDecimalPlaces`, valueInteger: 1 }],
        },
      ]),
    ];
    const place = 'Observation.value.ofType(string)';
    expect(errors(observation({ valueString: 'ab' }), rules)).toEqual([]);
    expect(errors(observation({ valueString: 'X' }), rules)).toEqual([
      `min-length ${place}`,
      `regex ${place}`,
    ]);
    expect(errors(observation({ valueQuantity: { value: 1.5 } }), rules)).toEqual([]);
    expect(errors(observation({ valueQuantity: { value: 1.25 } }), rules)).toEqual([
      'decimal-places Observation.value.ofType(Quantity).value',
    ]);
  });

  it('has invariants and a binding of the profile', () => {
    const rules = patient(
      {
        id: 'Patient',
        constraint: [{ key: 'p-1', severity: 'error', human: 'named', expression: 'name.exists()' }],
      },
      {
        id: 'Patient.maritalStatus',
        binding: { strength: 'required', valueSet: 'http://hl7.org/fhir/ValueSet/administrative-gender' },
      },
    );
    expect(errors({ resourceType: 'Patient', maritalStatus: coding('male') }, rules)).toEqual([
      'p-1 Patient',
      'binding-required Patient.maritalStatus',
    ]);
  });

  it('is unfolded below a contentReference and within a choice written short', () => {
    const nested = [profile('q', 'Questionnaire', [{ id: 'Questionnaire.item.item.prefix', min: 1 }])];
    const item = (linkId: string, more: object = {}): object => ({ linkId, type: 'group', ...more });
    const questionnaire = { resourceType: 'Questionnaire', status: 'draft' };
    expect(errors({ ...questionnaire, item: [item('1', { item: [item('2')] })] }, nested)).toContain(
      'min Questionnaire.item[0].item[0]',
    );
    const short = [profile('o', 'Observation', [{ id: 'Observation.valueQuantity.unit', min: 1 }])];
    expect(errors(observation({ valueQuantity: { value: 1 } }), short)).toEqual([
      'min Observation.value.ofType(Quantity)',
    ]);
    expect(errors(observation({ valueString: 'one' }), short)).toEqual([]);
  });
});

describe('slicing', () => {
  const sliced = (slicing: object, ...elements: Element[]): readonly Structure[] => [
    profile('s', 'Observation', [{ id: 'Observation.category', slicing }, ...elements]),
  ];
  const byPattern = [{ type: 'pattern', path: '$this' }];
  const a = { id: 'Observation.category:a', min: 1, max: '1', patternCodeableConcept: coding('a') };
  const b = { id: 'Observation.category:b', patternCodeableConcept: coding('b') };

  it('counts each slice', () => {
    const rules = sliced({ discriminator: byPattern, rules: 'open' }, a, b);
    expect(errors(observation({}), rules)).toEqual(['slice-min Observation']);
    expect(errors(observation({ category: [coding('a'), coding('a')] }), rules)).toEqual([
      'slice-max Observation.category',
    ]);
    expect(errors(observation({ category: [coding('x'), coding('a')] }), rules)).toEqual([]);
  });

  it('is closed, ordered, or open at the end', () => {
    const closed = sliced({ discriminator: byPattern, rules: 'closed' }, a, b);
    expect(errors(observation({ category: [coding('a'), coding('x')] }), closed)).toEqual([
      'slicing-closed Observation.category[1]',
    ]);
    const ordered = sliced({ discriminator: byPattern, rules: 'open', ordered: true }, a, b);
    expect(errors(observation({ category: [coding('b'), coding('a')] }), ordered)).toEqual([
      'slicing-order Observation.category[1]',
    ]);
    const end = sliced({ discriminator: byPattern, rules: 'openAtEnd' }, a, b);
    expect(errors(observation({ category: [coding('x'), coding('a')] }), end)).toEqual([
      'slicing-end Observation.category[0]',
    ]);
  });

  it('refuses what fits two slices, and judges items by their slice', () => {
    const value = [{ type: 'value', path: 'coding.code' }];
    const rules = sliced(
      { discriminator: value, rules: 'open' },
      { id: 'Observation.category:a' },
      { id: 'Observation.category:a.coding.code', min: 1, fixedCode: 'a' },
      { id: 'Observation.category:a.text', min: 1 },
      { id: 'Observation.category:b' },
      { id: 'Observation.category:b.coding.code', min: 1, fixedCode: 'b' },
    );
    const both = { coding: [{ code: 'a' }, { code: 'b' }], text: 'x' };
    expect(errors(observation({ category: [both] }), rules)).toContain(
      'slicing-several Observation.category[0]',
    );
    expect(errors(observation({ category: [coding('a')] }), rules)).toEqual(['min Observation.category[0]']);
    expect(errors(observation({ category: [coding('b')] }), rules)).toEqual([]);
  });

  it('goes by existence and by type', () => {
    const exists = sliced(
      { discriminator: [{ type: 'exists', path: 'text' }], rules: 'closed' },
      { id: 'Observation.category:with', max: '1' },
      { id: 'Observation.category:with.text', min: 1 },
      { id: 'Observation.category:without' },
      { id: 'Observation.category:without.text', max: '0' },
    );
    const text = { text: 'x' };
    expect(errors(observation({ category: [text, coding('a')] }), exists)).toEqual([]);
    expect(errors(observation({ category: [text, text] }), exists)).toEqual([
      'slice-max Observation.category',
    ]);
    const byType = [
      profile('r', 'Observation', [
        {
          id: 'Observation.performer',
          slicing: { discriminator: [{ type: 'type', path: 'resolve()' }], rules: 'open' },
        },
        {
          id: 'Observation.performer:org',
          max: '1',
          type: [
            { code: 'Reference', targetProfile: ['http://hl7.org/fhir/StructureDefinition/Organization'] },
          ],
        },
      ]),
    ];
    const organization = { reference: 'Organization/1' };
    const patient = { reference: 'Patient/1' };
    expect(errors(observation({ performer: [organization, patient, patient] }), byType)).toEqual([]);
    expect(errors(observation({ performer: [organization, organization] }), byType)).toEqual([
      'slice-max Observation.performer',
    ]);
  });

  it('goes by profile', () => {
    const coded = profile('coded', 'CodeableConcept', [{ id: 'CodeableConcept.coding', min: 1 }], {
      kind: 'complex-type',
    });
    const rules = sliced(
      { discriminator: [{ type: 'profile', path: '$this' }], rules: 'open' },
      { id: 'Observation.category:coded', min: 1, type: [{ code: 'CodeableConcept', profile: [coded.url] }] },
    );
    expect(errors(observation({ category: [{ text: 'x' }] }), [...rules, coded])).toEqual([
      'slice-min Observation',
    ]);
    expect(errors(observation({ category: [coding('x')] }), [...rules, coded])).toEqual([]);
  });

  it('slices slices again', () => {
    const rules = sliced(
      { discriminator: byPattern, rules: 'open' },
      { ...a, max: '*', slicing: { discriminator: [{ type: 'value', path: 'text' }], rules: 'closed' } },
      { id: 'Observation.category:a/one', sliceName: 'a/one' },
      { id: 'Observation.category:a/one.text', min: 1, fixedString: 'one' },
    );
    const [one, two] = [
      { ...coding('a'), text: 'one' },
      { ...coding('a'), text: 'two' },
    ];
    expect(errors(observation({ category: [one, coding('x')] }), rules)).toEqual([]);
    expect(errors(observation({ category: [one, two] }), rules)).toEqual([
      'slicing-closed Observation.category[1]',
    ]);
  });
});

describe('an extension', () => {
  const url = `${base}e`;
  const extension = (context: object[], ...elements: Element[]): Structure =>
    profile('e', 'Extension', [{ id: 'Extension.url', fixedUri: url }, ...elements], {
      kind: 'complex-type',
      context,
    });
  const name = { type: 'element', expression: 'HumanName' };
  const value = { url, valueString: 'x' };

  it('stands where its context says', () => {
    const known = [extension([name])];
    expect(errors({ resourceType: 'Patient', name: [{ family: 'A', extension: [value] }] }, known)).toEqual(
      [],
    );
    expect(errors({ resourceType: 'Patient', extension: [value] }, known)).toEqual([
      'extension-context Patient.extension[0]',
    ]);
    const within = [extension([{ type: 'element', expression: 'Patient.name.family' }])];
    const deep = { resourceType: 'Patient', name: [{ family: 'A', _family: { extension: [value] } }] };
    expect(errors(deep, within)).toEqual([]);
    const path = [extension([{ type: 'fhirpath', expression: "Patient.name.where(use = 'official')" }])];
    const named = (use: string): object => ({
      resourceType: 'Patient',
      name: [{ use, family: 'A', extension: [value] }],
    });
    expect(errors(named('official'), path)).toEqual([]);
    expect(errors(named('old'), path)).toEqual(['extension-context Patient.name[0].extension[0]']);
  });

  it('is of its definition', () => {
    const known = [extension([name], { id: 'Extension.value[x]', type: [{ code: 'code' }] })];
    expect(errors({ resourceType: 'Patient', name: [{ family: 'A', extension: [value] }] }, known)).toEqual([
      'type Patient.name[0].extension[0].value.ofType(string)',
    ]);
  });

  it('is a modifier only where it is defined so', () => {
    const plain = [extension([{ type: 'element', expression: 'Element' }])];
    expect(errors({ resourceType: 'Patient', modifierExtension: [value] }, plain)).toEqual([
      'extension-modifier Patient.modifierExtension[0]',
    ]);
    expect(
      errors({ resourceType: 'Patient', modifierExtension: [{ ...value, url: `${base}?` }] }, []),
    ).toEqual(['extension-unknown Patient.modifierExtension[0]']);
  });

  it('has only the parts it defines', () => {
    const parts = extension(
      [{ type: 'element', expression: 'Element' }],
      {
        id: 'Extension.extension',
        slicing: { discriminator: [{ type: 'value', path: 'url' }], rules: 'open' },
      },
      { id: 'Extension.extension:a', min: 1 },
      { id: 'Extension.extension:a.url', fixedUri: 'a' },
    );
    const holding = (part: string): object => ({
      resourceType: 'Patient',
      extension: [{ url, extension: [{ url: part, valueString: 'x' }] }],
    });
    expect(errors(holding('a'), [parts])).toEqual([]);
    expect(errors(holding('b'), [parts])).toContain('extension-part Patient.extension[0].extension[0]');
  });

  it('is needed where a slice of it is', () => {
    const needed = profile('p', 'Patient', [
      { id: 'Patient.extension:e', min: 1, type: [{ code: 'Extension', profile: [url] }] },
    ]);
    const known = [needed, extension([{ type: 'element', expression: 'Patient' }])];
    expect(errors({ resourceType: 'Patient' }, known)).toEqual(['slice-min Patient']);
    expect(errors({ resourceType: 'Patient', extension: [value] }, known)).toEqual([]);
  });
});

describe('references', () => {
  const linked = (target: string): Element => ({
    id: 'Patient.link.other',
    type: [{ code: 'Reference', targetProfile: [target] }],
  });
  const other = (reference: string): object => ({
    resourceType: 'Patient',
    id: 'a',
    active: true,
    link: [{ type: 'seealso', other: { reference } }],
  });

  it('lead to a type', () => {
    const rules = [
      profile('p', 'Patient', [linked('http://hl7.org/fhir/StructureDefinition/RelatedPerson')]),
    ];
    expect(errors(other('RelatedPerson/1'), rules)).toEqual([]);
    expect(errors(other('Patient/1'), rules)).toEqual(['reference-target Patient.link[0].other']);
  });

  it('lead to what is of a profile, in circles too', () => {
    const circle = profile('p', 'Patient', [{ id: 'Patient.active', min: 1 }, linked(`${base}p`)]);
    const people: Record<string, object> = {
      'Patient/b': { ...other('Patient/a'), id: 'b' },
      'Patient/c': { resourceType: 'Patient', id: 'c' },
    };
    const resolve = (reference: string): Resource | undefined => people[reference] as Resource | undefined;
    expect(errors(other('Patient/b'), [circle], { resolve })).toEqual([]);
    expect(errors(other('Patient/c'), [circle], { resolve })).toEqual([
      'reference-profile Patient.link[0].other',
    ]);
    expect(errors(other('Patient/unknown'), [circle], { resolve })).toEqual([]);
  });
});

describe('profiles of profiles', () => {
  it('hold together', () => {
    const parent = profile('parent', 'Patient', [{ id: 'Patient.birthDate', min: 1 }]);
    const child = profile('child', 'Patient', [{ id: 'Patient.gender', min: 1 }], {
      baseDefinition: parent.url,
    });
    expect(errors({ resourceType: 'Patient' }, [child, parent])).toEqual(['min Patient', 'min Patient']);
  });

  it('that derive from each other are not known', () => {
    const one = profile('one', 'Patient', [], { baseDefinition: `${base}two` });
    const two = profile('two', 'Patient', [], { baseDefinition: `${base}one` });
    expect(errors({ resourceType: 'Patient' }, [one, two])).toEqual(['profile-unknown Patient']);
  });

  it('of another type are refused', () => {
    const rules = [profile('o', 'Observation', [])];
    expect(errors({ resourceType: 'Patient' }, rules)).toHaveLength(1);
  });
});
