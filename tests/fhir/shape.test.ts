// https://hl7.org/fhir/R4/elementdefinition.html, https://hl7.org/fhir/R4/json.html
import { describe, expect, it } from 'vitest';
import { resourceTypes } from '../../src/fhir/definitions.js';
import { shapeOf, type Shape } from '../../src/fhir/shape.js';

const property = (type: string, ...names: string[]): ReturnType<Shape['properties']['get']> => {
  let shape = shapeOf(type);
  names.slice(0, -1).forEach(name => (shape = shape.properties.get(name)!.shape()));
  return shape.properties.get(names.at(-1)!);
};

describe('shapeOf', () => {
  it('has a property per JSON name', () => {
    expect(property('Observation', 'valueQuantity')).toMatchObject({
      element: 'value',
      path: 'Observation.value',
      type: 'Quantity',
      list: false,
      primitive: false,
      summary: true,
    });
    expect(property('Observation', 'value')).toBeUndefined();
    expect(property('Observation', 'status')).toMatchObject({
      type: 'code',
      primitive: true,
      mandatory: true,
      modifier: true,
    });
  });
  it('goes into backbones, datatypes, and elements defined elsewhere', () => {
    expect(property('Patient', 'contact', 'name', 'given')).toMatchObject({
      path: 'HumanName.given',
      list: true,
    });
    expect(property('Observation', 'component', 'referenceRange', 'low', 'value')).toMatchObject({
      type: 'decimal',
    });
    expect(property('Questionnaire', 'item', 'item', 'item', 'linkId')).toMatchObject({
      path: 'Questionnaire.item.linkId',
    });
    expect(property('Patient', 'birthDate', 'extension', 'valueHumanName', 'family')).toMatchObject({
      type: 'string',
    });
  });
  it("calls ids and extension urls by FHIR's names", () => {
    expect([property('Patient', 'id')?.type, property('Extension', 'url')?.type]).toEqual(['string', 'uri']);
  });
  it('knows what a reference may be to', () => {
    expect([...property('Observation', 'subject')!.targets!]).toEqual([
      'Patient',
      'Group',
      'Device',
      'Location',
    ]);
    expect(property('Observation', 'focus')!.targets).toBeUndefined();
    expect(property('Extension', 'valueReference')!.targets).toBeUndefined();
  });
  it('is empty for what is no type', () => {
    expect([
      ...['Nothing', '__proto__', 'http://x', ''].flatMap(type => [...shapeOf(type).properties.keys()]),
    ]).toEqual([]);
  });
  it('gives every resource type its id, and every property a shape', () => {
    for (const type of resourceTypes()) {
      expect(property(type, 'id')?.type).toBe('string');
      for (const each of shapeOf(type).properties.values()) {
        if (each.type !== 'Resource')
          expect([each.path, each.shape().properties.has('id')]).toEqual([each.path, true]);
      }
    }
  });
});
