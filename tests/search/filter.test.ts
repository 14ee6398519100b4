// The grammar of _filter. https://hl7.org/fhir/R4/search_filter.html; tests/search/cases/filter.yaml has what it finds.
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { FhirError } from '../../src/errors.js';
import { readFilter, type Filter } from '../../src/search/filter.js';

/** With every group in parentheses. */
const written = (filter: Filter): string => {
  switch (filter.op) {
    case 'and':
    case 'or':
      return `(${filter.of.map(written).join(` ${filter.op} `)})`;
    case 'not':
      return `not (${written(filter.of)})`;
    case 'compare': {
      const path = filter.path.map(step => step.name + (step.filter ? `[${written(step.filter)}]` : ''));
      return `${path.join('.')} ${filter.comparison} ${filter.value}`;
    }
  }
};

describe('a filter', () => {
  it.each([
    ['a eq 1 or b eq 2 and c eq 3', '(a eq 1 or (b eq 2 and c eq 3))'],
    ['a eq 1 and b eq 2 and c eq 3', '(a eq 1 and b eq 2 and c eq 3)'],
    ['not (a eq 1) and b eq 2', '(not (a eq 1) and b eq 2)'],
    ['a[b eq 1 or c eq 2].d:Patient.e-f pr true', 'a[(b eq 1 or c eq 2)].d:Patient.e-f pr true'],
    ['and eq or or or eq and', '(and eq or or or eq and)'],
    ['a eq "x) and b eq ]"', 'a eq x) and b eq ]'],
    ['a eq "\\u0041\\""', 'a eq A"'],
    ['nothing eq 1', 'nothing eq 1'],
    ['a\n eq\t1', 'a eq 1'],
  ])('%s', (text, expected) => {
    expect(written(readFilter(text))).toBe(expected);
  });

  it('refuses what is too much', () => {
    expect(() => readFilter(`${'('.repeat(40)}a eq 1${')'.repeat(40)}`)).toThrowError(
      'nested deeper than 30',
    );
    expect(() => readFilter(Array(101).fill('a eq 1').join(' or '))).toThrowError(
      'more than 100 comparisons',
    );
    expect(() => readFilter('('.repeat(100_000))).toThrowError('nested deeper');
  });

  it('answers any text with a filter or a refusal that has a place', () => {
    const piece = fc.constantFrom(
      'a',
      ' ',
      'eq',
      ' eq ',
      '"x"',
      '"',
      '(',
      ')',
      '[',
      ']',
      '.',
      'and',
      ' or ',
      'not',
      ':',
      '\\',
      '😀',
    );
    fc.assert(
      fc.property(fc.array(piece, { maxLength: 12 }), pieces => {
        try {
          readFilter(pieces.join(''));
        } catch (error) {
          expect(error).toBeInstanceOf(FhirError);
          expect((error as FhirError).message).toMatch(/^_filter, character \d+: expected .+, found .+\.$/s);
        }
      }),
      { numRuns: 2000 },
    );
  });
});
