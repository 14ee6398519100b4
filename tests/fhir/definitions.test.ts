// profiles/ against the pristine R4 4.0.1 package: every definition is there and says the same in all that is kept.
import { existsSync, statSync, readdirSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
// @ts-expect-error -- a build script without types; its choice of fields is what the comparison is about
import { keep as keepOf } from '../../scripts/definitions/keep.mjs';
import {
  codeSystem,
  codeSystemUrls,
  compartmentDefinition,
  conceptMaps,
  jsonSchema,
  operationDefinitions,
  resourceTypes,
  searchParameters,
  structureDefinition,
  structureDefinitionUrls,
  valueSet,
  valueSetUrls,
} from '../../src/fhir/definitions.js';
import { filesOfPackage, shared } from './package.js';

const keep = keepOf as Record<string, (from: unknown) => unknown>;
const core = shared('hl7/hl7.fhir.r4.core-4.0.1.tgz');

// What the registry package lacks: abstract patterns, HL7's own examples, and search parameters on extensions.
const statusMaps = /^ConceptMap http:\/\/hl7\.org\/fhir\/ConceptMap\/sc-/;
const absent = new Set([
  'CompartmentDefinition http://hl7.org/fhir/CompartmentDefinition/example',
  'OperationDefinition http://h7.org/fhir/OperationDefinition/example',
  ...['Definition', 'Event', 'FiveWs', 'Request', 'example-composition', 'example-section-library'].map(
    name => `StructureDefinition http://hl7.org/fhir/StructureDefinition/${name}`,
  ),
  ...['json', 'rdf', 'xml'].map(
    format =>
      `StructureDefinition http://hl7.org/fhir/StructureDefinition/structuredefinition-${format}-type`,
  ),
  ...[
    ...['author', 'effective', 'end', 'keyword', 'workflow'].map(
      name => `codesystem-extensions-CodeSystem-${name}`,
    ),
    ...['author', 'effective', 'end', 'keyword', 'workflow'].map(
      name => `valueset-extensions-ValueSet-${name}`,
    ),
    ...[
      'amino-acid-change',
      'dna-variant',
      'gene-amino-acid-change',
      'gene-dnavariant',
      'gene-identifier',
    ].map(name => `observation-genetic-Observation-${name}`),
    ...['age', 'birthOrderBoolean', 'mothersMaidenName'].map(name => `patient-extensions-Patient-${name}`),
    'device-extensions-Device-din',
    'diagnosticreport-genetic-DiagnosticReport-assessed-condition',
    'questionnaireresponse-extensions-QuestionnaireResponse-item-subject',
    'example',
    'example-extension',
    'example-reference',
    'filter',
  ].map(name => `SearchParameter http://hl7.org/fhir/SearchParameter/${name}`),
]);

/**
 * The registry package carries three corrections that later versions of FHIR made too: `x as T`, which fails where x is
 * a list, is `x.ofType(T)`; Consent.source-reference leaves out attachments, which are no references; and the value of
 * positiveInt and unsignedInt is an integer, not a string.
 */
function corrected(definition: unknown): unknown {
  let text = JSON.stringify(definition);
  const { resourceType, id } = definition as { resourceType: string; id: string };
  if (resourceType === 'SearchParameter') text = text.replace(/([\w.]+) as (\w+)\)/g, '$1.ofType($2))');
  if (id === 'Consent-source-reference')
    text = text.replace('"Consent.source"', '"Consent.source.ofType(Reference)"');
  if (id === 'positiveInt' || id === 'unsignedInt') {
    text = text.replace(/("path":"\w+\.value".*?)System\.String/, '$1System.Integer');
  }
  return JSON.parse(text);
}

describe('definitions', () => {
  it('name the 146 concrete resource types', () => {
    expect(resourceTypes().size).toBe(146);
    for (const type of ['Patient', 'Bundle', 'Parameters', 'Binary', 'OperationOutcome'])
      expect(resourceTypes()).toContain(type);
    for (const type of ['Resource', 'DomainResource', 'HumanName', 'patient', ''])
      expect(resourceTypes()).not.toContain(type);
  });

  it('find a structure by name, id, url and versioned url', () => {
    const url = 'http://hl7.org/fhir/StructureDefinition/Patient';
    const patient = structureDefinition('Patient');
    expect(patient?.url).toBe(url);
    expect(structureDefinition(url)).toBe(patient);
    expect(structureDefinition(`${url}|4.0.1`)).toBe(patient);
    expect(
      patient?.snapshot.element.find(e => e.path === 'Patient.link.other')?.type?.[0]?.targetProfile,
    ).toEqual([url, 'http://hl7.org/fhir/StructureDefinition/RelatedPerson']);
    expect(structureDefinition('HumanName')?.kind).toBe('complex-type');
    expect(structureDefinition('date')?.kind).toBe('primitive-type');
    expect(structureDefinition('bp')?.derivation).toBe('constraint');
    expect(
      structureDefinition('http://hl7.org/fhir/StructureDefinition/patient-birthPlace')?.context,
    ).toEqual([{ type: 'element', expression: 'Patient' }]);
  });

  it('know nothing of what is not there, whatever the name', () => {
    for (const name of [
      'Nothing',
      '',
      '__proto__',
      'constructor',
      '../../etc/passwd',
      'http://example.org/x',
    ]) {
      expect(structureDefinition(name)).toBeUndefined();
      expect(valueSet(name)).toBeUndefined();
      expect(codeSystem(name)).toBeUndefined();
      expect(jsonSchema(name)).toBeUndefined();
      expect(compartmentDefinition(name)).toBeUndefined();
    }
  });

  it('give search parameters, value sets, code systems, operations, concept maps and compartments', () => {
    expect(searchParameters()).toHaveLength(1375);
    const withoutExpression = searchParameters().filter(p => p.expression === undefined);
    expect(withoutExpression.map(p => p.code)).toEqual(['_text', '_content', '_query']);
    const birthdate = searchParameters().find(p => p.code === 'birthdate' && p.base.includes('Patient'));
    expect(birthdate?.expression).toBe('Patient.birthDate | Person.birthDate | RelatedPerson.birthDate');
    expect(valueSetUrls()).toHaveLength(1316);
    expect(valueSet('http://hl7.org/fhir/ValueSet/administrative-gender|4.0.1')?.compose?.include).toEqual([
      { system: 'http://hl7.org/fhir/administrative-gender' },
    ]);
    expect(codeSystemUrls()).toHaveLength(1062);
    expect(codeSystem('http://hl7.org/fhir/administrative-gender')?.concept?.map(c => c.code)).toEqual([
      'male',
      'female',
      'other',
      'unknown',
    ]);
    expect(
      operationDefinitions().find(o => o.code === 'everything' && o.resource?.[0] === 'Patient')?.instance,
    ).toBe(true);
    expect(conceptMaps()).toHaveLength(19);
    expect(compartmentDefinition('Patient')?.resource.find(r => r.code === 'Observation')?.param).toEqual([
      'subject',
      'performer',
    ]);
    for (const code of ['Encounter', 'RelatedPerson', 'Practitioner', 'Device'])
      expect(compartmentDefinition(code)?.code).toBe(code);
  });

  it('have a schema for every resource type and datatype', () => {
    for (const type of resourceTypes())
      expect(jsonSchema(type)).toMatchObject({ $id: type, additionalProperties: false });
    for (const url of structureDefinitionUrls()) {
      const definition = structureDefinition(url)!;
      if (
        definition.derivation !== 'constraint' &&
        !definition.kind.startsWith('resource') &&
        definition.kind !== 'logical'
      ) {
        expect(jsonSchema(definition.type), definition.type).toBeDefined();
      }
    }
  });

  it('take less than 4 MB', () => {
    const folder = new URL('../../profiles/', import.meta.url);
    expect(existsSync(folder)).toBe(true);
    const bytes = readdirSync(folder).reduce((sum, file) => sum + statSync(new URL(file, folder)).size, 0);
    expect(bytes).toBeLessThan(4_000_000);
  });

  it.skipIf(!core.present)(`say what the pristine package says, element by element${core.note}`, () => {
    const ours: Record<string, (url: string) => unknown> = {
      StructureDefinition: structureDefinition,
      SearchParameter: url => searchParameters().find(p => p.url === url),
      ValueSet: valueSet,
      CodeSystem: codeSystem,
      OperationDefinition: url => operationDefinitions().find(o => o.url === url),
      ConceptMap: url => conceptMaps().find(m => m.url === url),
      CompartmentDefinition: url =>
        compartmentDefinition(url.replace(/^.*\//, '').replace(/^./, c => c.toUpperCase())),
    };
    const missing: string[] = [];
    let compared = 0;
    for (const [file, text] of filesOfPackage(core.url)) {
      const theirs = JSON.parse(text) as { resourceType: string; url: string };
      const find = ours[theirs.resourceType];
      if (!find) continue;
      const found = find(theirs.url);
      if (found === undefined) missing.push(`${theirs.resourceType} ${theirs.url}`);
      else expect(found, file).toEqual(corrected(keep[theirs.resourceType]!(theirs)));
      compared++;
    }
    expect(compared).toBe(658 + 1400 + 1316 + 1062 + 47 + 80 + 6);
    expect(missing.filter(name => !statusMaps.test(name)).sort()).toEqual([...absent].sort());
    expect(missing.filter(name => statusMaps.test(name))).toHaveLength(61);
  });
});
