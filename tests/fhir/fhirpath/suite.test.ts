// The engine against the official cases for R4; suite-misses.yaml has those it answers otherwise. https://hl7.org/fhirpath/
import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { parse } from 'yaml';
import { checkFhirPath } from '../../../src/fhir/fhirpath/check.js';
import { judge, present, readSuite, suite } from './suite.js';

const misses = parse(readFileSync(new URL('suite-misses.yaml', import.meta.url), 'utf8')) as Record<
  string,
  string
>;

describe.skipIf(!present)(`the official FHIRPath suite${suite.note}`, () => {
  const cases = present ? readSuite() : [];
  it('is read whole', () => {
    expect(cases.length).toBe(935);
    expect(Object.keys(misses).filter(name => !cases.some(each => each.name === name))).toEqual([]);
  });
  it.each(cases.map(each => [each.name, each] as const))('%s', (name, each) => {
    const why = judge(each);
    if (misses[name] === undefined) expect(why).toBeUndefined();
    else expect(why, 'holds now: take it out of suite-misses.yaml').toBeDefined();
  });
  it('holds nothing that is said to be wrong without evaluating it', () => {
    const valid = cases.filter(({ invalid }) => invalid === undefined);
    const refused = valid.flatMap(({ name, expression, input }) => {
      try {
        checkFhirPath(expression, input['resourceType'] as string);
        return [];
      } catch (error) {
        return [`${name}: ${String(error)}`];
      }
    });
    expect(refused).toEqual([]);
  });
});
