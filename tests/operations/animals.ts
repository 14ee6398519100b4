// Two versions of a small code system and a value set of it, and how terminology operations are asked and read.
import { expect } from 'vitest';
import type { Answer, Tsela } from '../system.js';

export const system = 'http://example.org/fhir/CodeSystem/animals';
export const animals = (version: string, more: object[] = []) => ({
  resourceType: 'CodeSystem',
  id: `animals-${version.replace('.', '-')}`,
  url: system,
  version,
  name: 'Animals',
  status: 'active',
  content: 'complete',
  caseSensitive: true,
  property: [
    { code: 'legs', type: 'integer' },
    { code: 'inactive', type: 'boolean', uri: 'http://hl7.org/fhir/concept-properties#inactive' },
    { code: 'notSelectable', type: 'boolean' },
  ],
  concept: [
    {
      code: 'animal',
      display: 'Animal',
      property: [{ code: 'notSelectable', valueBoolean: true }],
      concept: [
        {
          code: 'mammal',
          display: 'Mammal',
          definition: 'Feeds its young with milk',
          concept: [
            {
              code: 'dog',
              display: 'Dog',
              designation: [
                { language: 'de', value: 'Hund' },
                { language: 'st', value: 'Ntja' },
              ],
              property: [{ code: 'legs', valueInteger: 4 }],
            },
            { code: 'whale', display: 'Whale', property: [{ code: 'legs', valueInteger: 0 }] },
            { code: 'quagga', display: 'Quagga', property: [{ code: 'inactive', valueBoolean: true }] },
          ],
        },
        { code: 'bird', display: 'Bird', property: [{ code: 'legs', valueInteger: 2 }] },
        ...more,
      ],
    },
  ],
});
export const set = (id: string, compose: object, more: object = {}) => ({
  resourceType: 'ValueSet',
  id,
  url: `http://example.org/fhir/ValueSet/${id}`,
  status: 'active',
  compose,
  ...more,
});
export const mammals = set('mammals', {
  include: [{ system, filter: [{ property: 'concept', op: 'descendent-of', value: 'mammal' }] }],
});
export const codesOf = (answer: Answer): string[] => {
  expect(answer.status, answer.text.slice(0, 800)).toBe(200);
  const list = (contains: { code: string; contains?: never[] }[] = []): string[] =>
    contains.flatMap(one => [one.code, ...list(one.contains)]);
  return list((answer.body['expansion'] as { contains?: { code: string }[] }).contains);
};
export interface Parameter {
  name: string;
  part?: Parameter[];
  [value: `value${string}`]: unknown;
}
export const parameters = (answer: Answer): Parameter[] => {
  expect(answer.status, answer.text.slice(0, 800)).toBe(200);
  return answer.body['parameter'] as Parameter[];
};
export const valueOf = (parameter: Parameter | undefined): unknown =>
  parameter && Object.entries(parameter).find(([key]) => key.startsWith('value'))?.[1];
export const of = (answer: Answer, name: string): unknown =>
  valueOf(parameters(answer).find(one => one.name === name));
export const asParameters = (given: Record<string, unknown>) => ({
  resourceType: 'Parameters',
  parameter: Object.entries(given).map(([name, value]) =>
    typeof value === 'object' && value !== null && 'resourceType' in value
      ? { name, resource: value }
      : {
          name,
          [typeof value === 'boolean'
            ? 'valueBoolean'
            : typeof value === 'number'
              ? 'valueInteger'
              : typeof value === 'object'
                ? 'coding' in value! || 'text' in value!
                  ? 'valueCodeableConcept'
                  : 'valueCoding'
                : 'valueString']: value,
        },
  ),
});

/** What the tests ask of the server that is open. */
export const asking = (tsela: () => Tsela) => ({
  put: async (resource: { resourceType: string; id: string } & Record<string, unknown>): Promise<void> => {
    const { status, text } = await tsela().send('PUT', `${resource.resourceType}/${resource.id}`, resource);
    expect([200, 201], text).toContain(status);
  },
  get: (url: string): Promise<Answer> => tsela().send('GET', url),
  post: (url: string, given: Record<string, unknown>): Promise<Answer> =>
    tsela().send('POST', url, asParameters(given)),
});
