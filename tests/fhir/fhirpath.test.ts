// https://hl7.org/fhir/R4/fhirpath.html
import { describe, expect, it } from 'vitest';
import { FhirError } from '../../src/errors.js';
import { compileFhirPath, compileFhirPathNodes } from '../../src/fhir/fhirpath.js';
import { Decimal, parseJson, type JsonObject } from '../../src/fhir/json.js';

const observation = parseJson(`{
  "resourceType": "Observation", "status": "final", "_status": {"extension": [{"url": "u", "valueDecimal": 2.50}]},
  "effectiveDateTime": "2026-01-02",
  "component": [{"valueQuantity": {"value": 1.00, "unit": "kg"}}, {"valueString": "x"}, {"valueQuantity": {"value": 3}}],
  "contained": [{"resourceType": "Patient", "id": "p", "name": [{"given": ["a", "b"], "_given": [null, {"id": "i"}]}]}],
  "text": {"status": "generated", "div": "<div>x</div>"}
}`) as JsonObject;
const values = (expression: string): unknown[] => compileFhirPath(expression)(observation);
const paths = (expression: string): unknown[] =>
  compileFhirPathNodes(expression)(observation).map(({ path, type }) => [path?.join('.'), type]);

describe('compileFhirPath', () => {
  it('answers JSON as it is in the resource', () => {
    expect(values('Observation.status')).toEqual(['final']);
    expect(values('Observation.component[0].value')[0]).toBe(
      ((observation['component'] as JsonObject[])[0] as JsonObject)['valueQuantity'],
    );
    expect(values('Observation.component.value.value')).toStrictEqual([new Decimal('1.00'), 3]);
    expect(values('Observation.effective')).toEqual(['2026-01-02']);
  });
  it('calculates with Decimals as with numbers', () => {
    expect(values('Observation.component.where(value.value < 2).value.unit')).toEqual(['kg']);
    expect(values('Observation.component[0].value.value + 1')).toEqual([2]);
    expect(values('Observation.component[0].value.value = 1')).toEqual([true]);
  });
  it('answers what is computed as plain values', () => {
    expect(values('Observation.component.count()')).toEqual([3]);
    expect(values('Observation.effective + 1 day')).toEqual(['2026-01-03']);
    expect(values('Observation.component[0].value is Quantity')).toEqual([true]);
    expect(values("%resource.status & '!'")).toEqual(['final!']);
  });
  it('is silent about trace()', () => {
    expect(values("Observation.status.trace('x')")).toEqual(['final']);
  });
  it('can start below a resource', () => {
    const component = (observation['component'] as JsonObject[])[2]!;
    expect(compileFhirPath('value.value', 'Observation.component')(component)).toEqual([3]);
  });
  it('understands FHIR\'s own "text.div"', () => {
    expect(values('Observation.text.div')).toEqual(['<div>x</div>']);
    expect(values("'a.div' = 'a.div'")).toEqual([true]);
  });
  it('leaves the resource as it was', () => {
    const before = JSON.stringify(observation);
    values('Observation.descendants()');
    expect(JSON.stringify(observation)).toBe(before);
    expect(Object.getOwnPropertyNames(observation)).not.toContain('__path__');
  });
});

describe('compileFhirPathNodes', () => {
  it('tells type and place', () => {
    expect(paths('Observation')).toEqual([['', 'Observation']]);
    expect(paths('Observation.component.value')).toEqual([
      ['component.0.valueQuantity', 'Quantity'],
      ['component.1.valueString', 'string'],
      ['component.2.valueQuantity', 'Quantity'],
    ]);
    expect(paths('Observation.effective')).toEqual([['effectiveDateTime', 'dateTime']]);
    expect(paths("Observation.contained.where(id = 'p').name.given[1]")).toEqual([
      ['contained.0.name.0.given.1', 'string'],
    ]);
  });
  it('finds its way below primitives', () => {
    expect(paths('Observation.status.extension.value')).toEqual([
      ['_status.extension.0.valueDecimal', 'decimal'],
    ]);
    expect(compileFhirPath('Observation.status.extension.value')(observation)).toStrictEqual([
      new Decimal('2.50'),
    ]);
    expect(paths('Observation.contained.name.given.id')).toEqual([
      ['contained.0.name.0._given.1.id', 'string'],
    ]);
  });
  it('gives what is computed no place', () => {
    expect(compileFhirPathNodes('1 + 1')(observation)).toStrictEqual([{ value: 2, type: 'integer' }]);
    expect(compileFhirPathNodes('true')(observation)).toStrictEqual([{ value: true, type: 'boolean' }]);
  });
});

describe('failures', () => {
  const error = (run: () => unknown): FhirError => {
    try {
      run();
    } catch (thrown) {
      if (thrown instanceof FhirError) return thrown;
      throw thrown;
    }
    throw new Error('nothing was thrown');
  };
  it.each(['Observation.[', '', "'open", 'a b'])('%s is not an expression', text => {
    const { code, message } = error(() => compileFhirPath(text));
    expect(code).toBe('value');
    expect(message).toContain('is not an expression');
  });
  it('of evaluation repeat no data, and carry nothing of the engine', () => {
    const { code, message, cause } = error(() => values('Observation.component.value.value + 1'));
    expect([code, message, cause]).toEqual([
      'value',
      'The FHIRPath "Observation.component.value.value + 1" cannot be evaluated on this.',
      undefined,
    ]);
    expect(error(() => compileFhirPath('a.[')).cause).toBeUndefined();
  });
  it.each(['status.resolve()', "status.memberOf('http://x')", '%terminologies.expand(1)', '%secret'])(
    '%s reaches for nothing outside',
    text => {
      expect(error(() => values(text)).code).toBe('value');
    },
  );
});
