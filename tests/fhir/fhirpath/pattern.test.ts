// Regular expressions that cannot be made slow: the same answers as JavaScript's, and bounded on the hostile ones.
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { FhirPathError } from '../../../src/fhir/fhirpath/fhirpath-error.js';
import { compilePattern } from '../../../src/fhir/fhirpath/pattern.js';

const patterns = [
  '',
  'a',
  'a|b|',
  '^ab?c$',
  '(a|b)*c',
  'a{2}',
  'a{1,3}b',
  'a{2,}',
  '[a-c]+x?',
  '[^ab]',
  '\\d\\w\\s',
  '(ab)+|c',
  '(?:a|ab)(?:c|bcd)',
  '\\bab\\b',
  '(a*)*b',
  '(a|a)*',
  'a.c',
  '[\\]\\-x]',
  '^(?:[ab]|c{2})*$',
  'a+?b',
];

describe('a pattern', () => {
  it.each(patterns)('%s matches what JavaScript matches', source => {
    const [ours, theirs] = [compilePattern(source), new RegExp(source, 'su')];
    const whole = new RegExp(`^(?:${source})$`, 'su');
    fc.assert(
      fc.property(fc.string({ unit: fc.constantFrom(...'abcd x1-]\n'), maxLength: 12 }), text => {
        expect(ours.test(text, false)).toBe(theirs.test(text));
        expect(ours.test(text, true)).toBe(whole.test(text));
      }),
      { numRuns: 300 },
    );
  });
  it.each(['a', 'a+', 'a+?', '(a)(b)?', 'a|ab', 'b*', '^a', 'c$'])(
    '%s replaces what JavaScript replaces',
    source => {
      const [ours, theirs] = [compilePattern(source), new RegExp(source, 'gsu')];
      fc.assert(
        fc.property(fc.string({ unit: fc.constantFrom(...'abc😀'), maxLength: 10 }), text => {
          expect(ours.replace(text, '<$1>')).toBe(
            text.replace(
              theirs,
              (_: string, group: unknown) => `<${typeof group === 'string' ? group : ''}>`,
            ),
          );
        }),
        { numRuns: 200 },
      );
    },
  );
  it('takes the escapes of R4 that JavaScript refuses', () => {
    expect(compilePattern('^[a-zA-Z0-9\\/\\-_\\[\\]\\@]+$').test('a/b[x]@', false)).toBe(true);
    expect(compilePattern('\\p{Lu}+').test('Ä', true)).toBe(true);
  });
  it.each([
    '(a+)+$',
    '(a|aa)+$',
    '(a*)*b',
    '([a-z]+)*[0-9]',
    '(.*)*(.*)*x',
    'a?'.repeat(50) + 'a'.repeat(50),
  ])('%s ends on what makes it explode elsewhere', source => {
    const compiled = compilePattern(source);
    expect(typeof compiled.test(`${'a'.repeat(2000)}!`, true)).toBe('boolean');
  });
  it('refuses what takes too long for its text', () => {
    const compiled = compilePattern('(?:a{1,30}b?){1,40}$');
    expect(() => compiled.test(`${'a'.repeat(500_000)}!`, false)).toThrow(FhirPathError);
  });
  it.each([
    ['(a', 'does not close'],
    ['a)', 'was not opened'],
    ['[a', 'does not close'],
    ['*a', 'repeats nothing'],
    ['(?=a)', 'looks around'],
    ['(a)\\1', 'refers back'],
    ['a{3,1}', 'at most'],
    ['((a{1,500}){1,500}){1,500}', 'too large'],
    ['('.repeat(500), 'too deep'],
    ['a'.repeat(5000), 'too long'],
    ['\\', 'backslash'],
  ])('%s is refused', (source, why) => {
    expect(() => compilePattern(source)).toThrow(why);
  });
});
