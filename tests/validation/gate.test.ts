// The gate: what it takes, what it refuses and in which words. https://hl7.org/fhir/R4/json.html
import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { parse } from 'yaml';
import { FhirError } from '../../src/errors.js';
import { maxDepth, parseJson, type JsonObject } from '../../src/fhir/json.js';
import type { Resource } from '../../src/fhir/resource.js';
import { checkGate, checkGateShallow, gate, gateShallow } from '../../src/validation/gate.js';

interface Case {
  readonly it: string;
  readonly given: string;
  readonly says?: readonly (readonly [code: string, expression: string, words: string])[];
}

const cases = parse(readFileSync(new URL('gate-cases.yaml', import.meta.url), 'utf8')) as Case[];
const resource = (value: unknown): Resource => value as Resource;

describe('the gate', () => {
  it.each(cases)('$it', ({ given, says = [] }) => {
    const issues = gate(resource(parseJson(given)));
    const [codes, expected] = [
      issues.map(i => [i.code, i.expression]),
      says.map(([code, expression]) => [code, expression]),
    ];
    expect(codes).toEqual(expected);
    issues.forEach((issue, i) => {
      expect(issue.severity).toBe('error');
      expect(issue.text).toContain(says[i]![2]);
      expect(issue.text).toMatch(/^[A-Z]\S*: .*[.?]$/);
    });
  });

  it('throws the code of the first issue, with all issues and the count of the others', () => {
    const thrown = (given: object): FhirError => {
      try {
        checkGate(resource(given));
      } catch (error) {
        if (error instanceof FhirError) return error;
      }
      throw new Error('nothing was thrown');
    };
    const two = thrown({ resourceType: 'Patient', birthDate: 'x', foo: 1 });
    expect([two.code, two.status, two.expression, two.issues.length]).toEqual([
      'value',
      400,
      'Patient.birthDate',
      2,
    ]);
    expect(two.message).toBe(
      'Patient.birthDate: "x" is not a date, expected YYYY, YYYY-MM or YYYY-MM-DD. (and 1 more)',
    );
    expect(thrown({ resourceType: 'Patient', foo: 1 }).code).toBe('structure');
    expect(thrown({ resourceType: 'Observation', status: 'final' }).code).toBe('required');
    expect(thrown({ resourceType: 'Patient', gender: 'x' }).code).toBe('value');
    expect(thrown({ resourceType: 'Foo' }).code).toBe('wrong-type');
    expect(() => checkGate({ resourceType: 'Patient' })).not.toThrow();
  });

  it('looks at a bundle alone where its entries are judged one by one', () => {
    const bundle = (more: JsonObject, inner: JsonObject): Resource => ({
      resourceType: 'Bundle',
      type: 'batch',
      entry: [{ resource: inner, ...more }],
    });
    const faulty = { resourceType: 'Patient', birthDate: 'x' };
    expect(gateShallow(bundle({}, faulty))).toEqual([]);
    expect(gate(bundle({}, faulty))).toHaveLength(1);
    expect(gateShallow(bundle({ foo: 1 }, faulty)).map(i => i.expression)).toEqual(['Bundle.entry[0].foo']);
    expect(gateShallow(bundle({}, { resourceType: 'Foo' })).map(i => i.expression)).toEqual([
      'Bundle.entry[0].resource',
    ]);
    expect(() => checkGateShallow(bundle({ foo: 1 }, faulty))).toThrow(FhirError);
    expect(gate(bundle({}, faulty)), 'the whole is judged again afterwards').toHaveLength(1);
  });

  it('lists at most 100 issues and says how many more there are', () => {
    const names = (count: number): Resource => ({
      resourceType: 'Patient',
      name: Array.from({ length: count }, () => ({ family: 1 })),
    });
    expect(gate(names(99)).map(i => i.severity)).toEqual(Array(99).fill('error'));
    const issues = gate(names(5000));
    expect(issues).toHaveLength(100);
    expect(issues[99]).toEqual({
      severity: 'information',
      code: 'informational',
      text: '4901 more faults were found; the first 99 are listed.',
    });
  });

  it('passes over what a resource made by code leaves undefined', () => {
    expect(gate(resource({ resourceType: 'Patient', birthDate: undefined, name: undefined }))).toEqual([]);
    expect(
      gate(resource({ resourceType: 'Observation', status: 'final', code: undefined })).map(
        i => i.expression,
      ),
    ).toEqual(['Observation.code']);
  });
});

describe('hostile input', () => {
  it('is refused without harm', () => {
    const own = JSON.parse('{"resourceType":"Patient","__proto__":{"active":true}}') as Resource;
    expect(gate(own).map(i => i.expression)).toEqual(['Patient.__proto__']);
    expect(gate(resource({ resourceType: '__proto__' }))).toHaveLength(1);
    expect(gate(resource({ resourceType: '../runtime' }))).toHaveLength(1);
    expect(gate(resource({ resourceType: 'datatypes' }))).toHaveLength(1);
    expect(gate(resource(null))).toHaveLength(1);
    expect(gate(resource([]))).toHaveLength(1);
    expect(gate(resource('Patient'))).toHaveLength(1);
    const shouting = {
      resourceType: 'Patient',
      ['x'.repeat(1_000_000)]: 1,
      birthDate: '1'.repeat(5_000_000),
    };
    for (const issue of gate(resource(shouting)))
      expect(issue.text.length + issue.expression!.length).toBeLessThan(400);
  });

  it('may nest as deep as the parser lets it', () => {
    const nested = (levels: number): string =>
      '{"url":"x","extension":['.repeat(levels) + '{"url":"y","valueCode":"z"}' + ']}'.repeat(levels);
    const levels = Math.floor((maxDepth - 4) / 2);
    expect(gate(resource(parseJson(`{"resourceType":"Patient","extension":[${nested(levels)}]}`)))).toEqual(
      [],
    );
    const items = (count: number): string =>
      '{"linkId":"1","type":"group","item":['.repeat(count) +
      '{"linkId":1,"type":"group"}' +
      ']}'.repeat(count);
    const deep = gate(
      resource(parseJson(`{"resourceType":"Questionnaire","status":"draft","item":[${items(levels)}]}`)),
    );
    expect(deep.map(i => i.code)).toEqual(['value']);
  });
});
