// Every search parameter of R4 compiles. https://hl7.org/fhir/R4/searchparameter-registry.html
import { describe, expect, it } from 'vitest';
import {
  resourceTypes,
  searchParameters,
  type SearchParameterDefinition,
} from '../../src/fhir/definitions.js';
import type { Resource } from '../../src/fhir/resource.js';
import { answeredBy, isWritten, type Answers } from '../../src/search/aliases.js';
import { Collector } from '../../src/search/extract/collector.js';
import { compileExtraction } from '../../src/search/extract/compile.js';
import { BeyondGrammar, readExpression } from '../../src/search/extract/expression.js';
import { parameterOf, parametersOf, searchParametersOf } from '../../src/search/parameters.js';
import type { Row } from '../../src/search/rows.js';
import { searchTypes } from '../../src/search/types/all.js';
import { filesOfPackage, shared } from '../fhir/package.js';

const withoutExpression = [
  'DomainResource-text',
  'Resource-content',
  'Resource-query',
  'codesystem-extensions-CodeSystem-author',
  'codesystem-extensions-CodeSystem-effective',
  'codesystem-extensions-CodeSystem-end',
  'codesystem-extensions-CodeSystem-keyword',
  'codesystem-extensions-CodeSystem-workflow',
  'filter',
  'patient-extensions-Patient-age',
  'patient-extensions-Patient-birthOrderBoolean',
  'valueset-extensions-ValueSet-author',
  'valueset-extensions-ValueSet-effective',
  'valueset-extensions-ValueSet-end',
  'valueset-extensions-ValueSet-keyword',
  'valueset-extensions-ValueSet-workflow',
];

const typesOf = ({ base }: SearchParameterDefinition): readonly string[] =>
  base.some(type => type === 'Resource' || type === 'DomainResource') ? ['Patient'] : base;

const pristine = shared('hl7/hl7.fhir.r4.core-4.0.1.tgz');

/** Compiles for each of its types to something that can find a value, without fhirpath.js. */
function check(definition: SearchParameterDefinition): void {
  for (const type of typesOf(definition)) {
    const parameter = parameterOf(definition, type);
    expect(parameter.evaluate, definition.url).toBeUndefined();
    // One of HL7's examples says it is for Patient, but its expression speaks of DocumentReference.
    if (definition.url.endsWith('/example-extension')) continue;
    const places = parameter.paths.length + parameter.tuples.length + (parameter.test === undefined ? 0 : 1);
    expect(places, `${definition.url} in ${type}`).toBeGreaterThan(0);
    for (const { components } of parameter.tuples) {
      for (const paths of components)
        expect(paths.length, `a component of ${definition.url} in ${type}`).toBeGreaterThan(0);
    }
    compileExtraction([parameter]);
  }
}

describe('the search parameters of R4', () => {
  it.skipIf(!pristine.present)(
    `compile, all 1,400 but for the 16 without an expression${pristine.note}`,
    () => {
      const all = [...filesOfPackage(pristine.url)]
        .map(([, text]) => JSON.parse(text) as SearchParameterDefinition & { resourceType: string })
        .filter(one => one.resourceType === 'SearchParameter');
      expect(all).toHaveLength(1400);
      const without = all.filter(one => one.expression === undefined);
      expect(without.map(one => one.url.slice(one.url.lastIndexOf('/') + 1)).toSorted()).toEqual(
        withoutExpression.toSorted(),
      );
      for (const definition of all) if (definition.expression !== undefined) check(definition);
    },
  );

  it('of profiles/ compile', () => {
    const all = searchParameters().filter(one => one.expression !== undefined);
    expect(all.length).toBeGreaterThan(1300);
    for (const definition of all) check(definition);
  });

  it('know how to index the elements they lead to, but for a few', () => {
    const unknown = new Set<string>();
    for (const type of resourceTypes()) {
      for (const { code, type: kind, paths } of parametersOf(type).values()) {
        for (const path of paths)
          if (path.type !== 'Extension' && searchTypes[kind]?.index[path.type] === undefined)
            unknown.add(`${type}.${code} ${path.type}`);
      }
    }
    expect([...unknown].toSorted()).toEqual([
      'Bundle.composition Resource',
      'Bundle.message Resource',
      'CarePlan.activity-date string',
      'Immunization.date string',
      'Procedure.date Age',
      'Procedure.date Range',
      'Procedure.date string',
    ]);
  });

  it('lead to the types their elements allow', () => {
    expect(parametersOf('Observation').get('patient')?.targets).toEqual(['Patient']);
    expect(parametersOf('Observation').get('encounter')?.targets).toEqual(['Encounter']);
    expect(parametersOf('Provenance').get('target')?.targets).toHaveLength(resourceTypes().size - 1); // but Parameters
  });

  it('are offered but for what has no rows yet', () => {
    const codes = searchParametersOf('Location').map(parameter => parameter.code);
    expect(codes).toContain('address-city');
    expect(codes).toContain('_lastUpdated');
    expect(codes).toContain('near');
    expect(codes).not.toContain('_text');
  });
});

describe('aliases', () => {
  const text = (answers: Answers): string =>
    'any' in answers
      ? answers.any
          .map(
            ({ parameter, targets }) => parameter.code + (targets === undefined ? '' : `→${targets.join()}`),
          )
          .join(' or ')
      : answers.each.map(text).join(' and ');
  it.each([
    ['Observation', 'patient', 'subject→Patient'],
    ['Observation', 'combo-code', 'component-code or code'],
    ['Observation', 'combo-code-value-quantity', 'code-value-quantity or component-code-value-quantity'],
    ['Observation', 'code-value-concept', 'code and value-concept'],
    ['Observation', 'code-value-quantity', 'code-value-quantity'],
    ['Appointment', 'practitioner', 'actor→Practitioner'],
    ['Patient', 'phonetic', 'name'],
    ['Patient', 'name', 'name'],
    ['AllergyIntolerance', 'patient', 'patient'],
  ])('%s.%s is answered by %s', (type, code, by) => {
    expect(text(answeredBy(type, code))).toBe(by);
    expect(isWritten(type, code)).toBe(by === code);
  });

  it('lead to parameters that are written', () => {
    const check = (type: string, answers: Answers): void => {
      if ('each' in answers) for (const each of answers.each) check(type, each);
      else
        for (const { parameter } of answers.any)
          expect(isWritten(type, parameter.code), `${type}.${parameter.code}`).toBe(true);
    };
    for (const type of resourceTypes())
      for (const code of parametersOf(type).keys()) check(type, answeredBy(type, code));
  });

  it('are asked for by name', () => {
    expect(() => answeredBy('Patient', 'nothing')).toThrowError('Patient has no search parameter nothing');
    expect(isWritten('Patient', 'nothing')).toBe(false);
  });
});

describe('expressions', () => {
  const rowsOf = (definition: Partial<SearchParameterDefinition>, resource: Resource): readonly Row[] => {
    const full = {
      code: 'x',
      type: 'token',
      url: 'http://acme.org/x',
      base: [resource.resourceType],
      ...definition,
    } as SearchParameterDefinition;
    const { slots, run } = compileExtraction([parameterOf(full, resource.resourceType)]);
    const collector = new Collector(slots);
    run(resource, collector);
    return collector.take();
  };
  const codes = (expression: string, resource: Resource): string[] =>
    rowsOf({ expression }, resource).map(row => (row.kind === 'token' ? row.code : row.kind));
  const patient: Resource = {
    resourceType: 'Patient',
    id: 'p',
    gender: 'male',
    telecom: [
      { system: 'phone', value: '1', use: 'home' },
      { system: 'email', value: '2' },
      { system: 'phone', value: '3', use: 'work' },
    ],
    extension: [{ url: 'http://acme.org/race', valueCoding: { code: 'human' } }],
    contact: [{ telecom: [{ value: '4' }], extension: [{ url: 'http://acme.org/e', valueBoolean: true }] }],
    link: [
      { type: 'seealso', other: { reference: 'Patient/q' } },
      { type: 'refer', other: { type: 'Patient', identifier: { value: '9' } } },
    ],
  };

  it.each([
    ["Patient.telecom.where(system='phone')", ['1', '3']],
    ["Patient.telecom.where(system='phone' and use='work')", ['3']],
    ["Patient.telecom.where(system='email' or use='work')", ['2', '3']],
    ["Patient.telecom.where(system!='phone')", ['2']],
    ['Patient.telecom.where(use.exists())', ['1', '3']],
    ['Patient.telecom[1]', ['2']],
    ['Patient.telecom.first()', ['1']],
    ['Patient.telecom | Patient.contact.telecom', ['1', '2', '3', '4']],
    ['(Patient.telecom | Patient.contact.telecom).where(value.exists())', ['1', '2', '3', '4']],
    ['telecom', ['1', '2', '3']],
    ['Resource.id', ['p']],
    ["Patient.extension('http://acme.org/race')", ['human']],
    ["Patient.extension('http://acme.org/other')", []],
    ["Patient.contact.where(hasExtension('http://acme.org/e')).telecom", ['4']],
    ["Patient.contact.where(hasExtension('http://acme.org/f')).telecom", []],
    ['Patient.deceased.exists()', ['false']],
    ['Patient.deceased.exists() and Patient.deceased != false', ['false']],
    ["Patient.gender = 'male'", ['true']],
    ["Patient.maritalStatus.text = 'x'", []],
    ['Observation.code', []],
  ])('%s finds %j', (expression, expected) => {
    expect(codes(expression, patient)).toEqual(expected);
  });

  it('resolve() is answered by text and type, without reading anything', () => {
    const wide = { type: 'reference' as const, expression: 'Patient.link.other.where(resolve() is Patient)' };
    expect(rowsOf(wide, patient)).toEqual([
      { kind: 'reference', param: 'x', target: 'Patient/q', version: '' },
      { kind: 'token', param: 'x:identifier', system: '', code: '9' },
    ]);
    expect(
      rowsOf({ ...wide, expression: 'Patient.link.other.where(resolve() is RelatedPerson)' }, patient),
    ).toEqual([]);
  });

  it('outside the grammar go to fhirpath.js', () => {
    expect(codes('Patient.telecom.value.select($this.length().toString())', patient)).toEqual(['1']);
    expect(codes("Patient.telecom.where(value > '1' and system.startsWith('ph'))", patient)).toEqual(['3']);
    expect(codes('Patient.telecom.value.single()', patient), 'a write never fails by an index').toEqual([]);
    expect(() =>
      parameterOf({ type: 'token', expression: 'Patient.(' } as SearchParameterDefinition, 'Patient'),
    ).toThrowError('is not an expression');
  });

  it.each([
    'Patient.name.given.upper()',
    'Patient.name = Patient.contact',
    "'x'",
    'Patient.name.resolve()',
    'Patient.name is HumanName',
    'Patient.name..given',
    'Patient.name)',
    'Patient.name ~ 1',
  ])('%s is beyond the grammar', expression => {
    expect(() => readExpression(expression)).toThrowError(BeyondGrammar);
  });
});
