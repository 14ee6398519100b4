// Codes judged against R4's own code systems and value sets: true, false and unknown, and what is said of each.
// https://hl7.org/fhir/R4/valueset-operation-validate-code.html
import { describe, expect, it } from 'vitest';
import type { ValueSetDefinition } from '../../src/fhir/definitions.js';
import { validateCode, validateConcept, type AskedCode } from '../../src/terminology/validate-code.js';

const core = 'http://hl7.org/fhir';
const v3 = 'http://terminology.hl7.org/CodeSystem/v3';
const gender = { system: `${core}/administrative-gender`, code: 'female' };

const judge = (asked: AskedCode, valueSet?: string | ValueSetDefinition) => {
  const { result, issues } = validateCode(asked, valueSet);
  return [result, ...issues.map(issue => issue.kind)];
};
const set = (
  ...include: NonNullable<ValueSetDefinition['compose']>['include'][number][]
): ValueSetDefinition => ({
  resourceType: 'ValueSet',
  id: 'x',
  url: 'http://example.org/vs',
  compose: { include },
});

describe('a code of a system', () => {
  it('is or is not in a complete system', () => {
    expect(judge(gender)).toEqual([true]);
    expect(judge({ ...gender, code: 'femail' })).toEqual([false, 'unknown-code']);
    expect(validateCode(gender, undefined).display).toBe('Female');
  });
  it('may be of a system that is not here in whole', () => {
    expect(judge({ system: 'http://snomed.info/sct', code: '73211009' })).toEqual([
      'unknown',
      'unknown-system',
    ]);
    expect(judge({ system: 'http://example.org/none', code: 'a' })).toEqual(['unknown', 'unknown-system']);
    const service = 'http://terminology.hl7.org/CodeSystem/service-type';
    expect(judge({ system: service, code: '1' })).toEqual([true]);
    expect(judge({ system: service, code: 'nothing' })).toEqual(['unknown', 'unknown-system']);
  });
  it('is of a version of it', () => {
    expect(judge({ ...gender, version: '4.0.1' })).toEqual([true]);
    expect(judge({ ...gender, version: '3.0.2' })).toEqual(['unknown', 'unknown-system']);
  });
  it('has displays that are compared without case and spacing', () => {
    expect(judge({ ...gender, display: ' FEMALE ' })).toEqual([true]);
    expect(judge({ ...gender, display: 'Woman' })).toEqual([true, 'wrong-display']);
    expect(validateCode({ ...gender, display: 'Woman' }, undefined).issues[0]?.severity).toBe('warning');
  });
  it('is not of a system that cannot be one', () => {
    expect(judge({ system: 'gender', code: 'female' })).toEqual([false, 'relative-system']);
    expect(judge({ system: `${core}/ValueSet/administrative-gender`, code: 'female' })).toEqual([
      false,
      'value-set-as-system',
    ]);
    expect(judge({ system: `${core}/CodeSystem/example-supplement`, code: 'chol-mmol' })).toEqual([
      false,
      'supplement-as-system',
    ]);
  });
  it('may group others', () => {
    const abstract = { system: `${v3}-ActCode`, code: '_ActAccountCode' };
    expect(judge(abstract)).toEqual([true, 'abstract']);
    expect(validateCode(abstract, undefined, { abstract: false }).result).toBe(false);
    expect(validateCode(abstract, undefined, { abstract: true }).issues).toEqual([]);
  });
});

describe('a code of a grammar', () => {
  it.each([
    [
      'http://unitsofmeasure.org',
      ['mg/dL', '[IU]/L', '{score}', 'mm[Hg]', '10*3/uL'],
      ['drop', 'IU/L', 'TAB'],
    ],
    ['urn:ietf:bcp:47', ['en', 'en-US', 'zh-Hant-TW', 'de-CH-1996', 'x-sotho'], ['english_us', 'e', 'en-']],
    ['urn:ietf:bcp:13', ['text/plain', 'application/fhir+json; fhirVersion=4.0'], ['text', 'text/', 'a b/c']],
    ['urn:iso:std:iso:4217', ['LSL', 'ZAR', 'XAU'], ['LS', 'ABC', 'zar']],
  ])('%s', (system, right, wrong) => {
    for (const code of right) expect(validateCode({ system, code }, undefined).result, code).toBe(true);
    for (const code of wrong) expect(validateCode({ system, code }, undefined).result, code).toBe(false);
  });
});

describe('a code of a value set', () => {
  it('needs no system where the set gives it', () => {
    expect(judge({ code: 'female' }, `${core}/ValueSet/administrative-gender`)).toEqual([true]);
    expect(judge({ code: 'none' }, `${core}/ValueSet/administrative-gender`)).toEqual([
      false,
      'not-in-value-set',
    ]);
    expect(judge({ code: 'text/plain' }, `${core}/ValueSet/mimetypes`)).toEqual([true]);
  });
  it('is found by any part, and unknown where a part is', () => {
    const mixed = set({ system: gender.system }, { valueSet: ['http://example.org/vs/elsewhere'] });
    expect(judge(gender, mixed)).toEqual([true]);
    expect(judge({ ...gender, code: 'x' }, mixed)).toEqual([false, 'unknown-value-set', 'unknown-code']);
    expect(judge({ system: 'http://loinc.org', code: '1-8' }, mixed)[0]).toBe('unknown');
  });
  it('is of the set that is asked for, in its version', () => {
    expect(judge(gender, `${core}/ValueSet/administrative-gender|4.0.1`)).toEqual([true]);
    expect(judge(gender, `${core}/ValueSet/administrative-gender|1`)).toEqual([
      'unknown',
      'unknown-value-set',
    ]);
    expect(judge(gender, set({ system: gender.system, version: '3.0.2' }))[0]).toBe('unknown');
    expect(judge({ ...gender, version: '4.0.1' }, set({ system: gender.system, version: '3.0.2' }))[0]).toBe(
      false,
    );
  });
  it('is judged by filters and exclusions', () => {
    const encounters = set({
      system: `${v3}-ActCode`,
      filter: [{ property: 'concept', op: 'descendent-of', value: '_ActEncounterCode' }],
    });
    expect(judge({ system: `${v3}-ActCode`, code: 'ACUTE' }, encounters)).toEqual([true]);
    expect(judge({ system: `${v3}-ActCode`, code: '_ActEncounterCode' }, encounters)[0]).toBe(false);
    const others: ValueSetDefinition = {
      ...encounters,
      compose: {
        ...encounters.compose!,
        exclude: [{ system: `${v3}-ActCode`, concept: [{ code: 'ACUTE' }] }],
      },
    };
    expect(judge({ system: `${v3}-ActCode`, code: 'ACUTE' }, others)[0]).toBe(false);
    expect(judge({ system: `${v3}-ActCode`, code: 'AMB' }, others)).toEqual([true]);
  });
  it('of SNOMED CT by implicit sets is not guessed', () => {
    expect(judge({ system: 'http://snomed.info/sct', code: '1' }, 'http://snomed.info/sct?fhir_vs')[0]).toBe(
      'unknown',
    );
    expect(judge(gender, 'http://snomed.info/sct?fhir_vs=isa/138875005')[0]).toBe(false);
  });
});

describe('a concept of several codings', () => {
  const bound = `${core}/ValueSet/administrative-gender`;
  it('needs one of them in the set', () => {
    const local = { system: 'http://example.org/local', code: 'F' };
    expect(validateConcept([local, gender], bound).result).toBe(true);
    expect(validateConcept([local], bound).result).toBe(false);
    expect(validateConcept([], bound)).toMatchObject({ result: false, issues: [{ kind: 'no-code' }] });
    expect(validateConcept([{ code: 'female' }], bound).result, 'no system, no meaning').toBe(false);
  });
  it('is wrong where one of them is no code', () => {
    const found = validateConcept([gender, { ...gender, code: 'nothing' }], bound);
    expect(found.result).toBe(false);
    expect(found.issues).toMatchObject([{ kind: 'unknown-code', index: 1 }]);
  });
});
