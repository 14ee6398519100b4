// Patterns of value sets: understood where matching them ends soon. https://hl7.org/fhir/R4/valueset-filter-operator.html
import { describe, expect, it } from 'vitest';
import { boundedPattern } from '../../src/terminology/filter.js';

describe('boundedPattern', () => {
  it.each([
    ['[A-Z]{2}\\d+', ['AB1', 'XY123'], ['AB', 'ab1', 'AB1x']],
    ['(dog|cat)s?', ['dog', 'cats'], ['dogcat', 'bird']],
    ['a.*', ['a', 'abc'], ['ba']],
    ['.*lung.*left.*', ['the lung, left'], ['left lung']],
    ['a|bc', ['a', 'bc'], ['ac', 'abc']],
    ['1\\-2', ['1-2'], ['12']],
    ['(ab){3}', ['ababab'], ['abab']],
  ])('understands %s of the whole text', (pattern, yes, no) => {
    const test = boundedPattern(pattern)!;
    for (const text of yes) expect(test(text), text).toBe(true);
    for (const text of no) expect(test(text), text).toBe(false);
  });
  it.each([
    '(a+)+',
    '(a|a)*',
    '((a*))*b',
    '(a?){50}a{50}',
    '(.*)(.*)(.*)(.*)x',
    'a?a?a?a?a?a?a?a?a?aaaaaaaaa',
    '(a)\\1',
    '(?=a)a',
    'a{1,1000}',
    '(',
    'x'.repeat(301),
  ])('does not take %s', pattern => {
    expect(boundedPattern(pattern)).toBeUndefined();
  });
});
