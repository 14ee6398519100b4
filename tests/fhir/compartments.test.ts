// https://hl7.org/fhir/R4/compartmentdefinition.html
import { describe, expect, it } from 'vitest';
import {
  compartmentLinks,
  compartmentParams,
  compartmentTypes,
  isCompartment,
} from '../../src/fhir/compartments.js';
import { resourceTypes, searchParameters } from '../../src/fhir/definitions.js';

describe('compartments', () => {
  it.each([
    ['Patient', 'Observation', ['subject', 'performer']],
    ['Patient', 'Patient', ['link']],
    ['Patient', 'Appointment', ['actor']],
    ['Patient', 'Organization', []],
    ['Patient', 'Nothing', []],
    ['Encounter', 'Encounter', []],
    ['Encounter', 'Observation', ['encounter']],
    ['Practitioner', 'Patient', ['general-practitioner']],
  ] as const)('%s holds %s by %j', (compartment, type, params) => {
    expect(compartmentParams(compartment, type)).toEqual(params);
  });
  it.each(compartmentTypes)('%s is linked by parameters that exist', compartment => {
    const links = [...compartmentLinks(compartment)];
    expect(links.length).toBeGreaterThan(20);
    for (const [type, params] of links) {
      expect(resourceTypes()).toContain(type);
      for (const param of params) {
        expect(
          searchParameters().some(
            ({ code, base, type: kind }) => code === param && base.includes(type) && kind === 'reference',
          ),
        ).toBe(true);
      }
    }
  });
  it('are five', () => {
    expect([isCompartment('Device'), isCompartment('Group')]).toEqual([true, false]);
  });
});
