// Units in base units. https://ucum.org/ucum
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { canonicalUnit, inCanonical } from '../../src/fhir/ucum.js';

const canonical = (value: number, code: string): string => {
  const unit = canonicalUnit(code);
  return unit === undefined ? 'unknown' : `${inCanonical(value, unit)} ${unit.code}`;
};

describe('units', () => {
  it.each([
    [500, 'mg', '0.5 g'],
    [5, 'mg/dL', '50 m-3.g'],
    [120, 'mm[Hg]', '15998640 m-1.s-2.g'],
    [1, 'L', '0.001 m3'],
    [72, '{beats}/min', '1.2 s-1'],
    [5, '%', '0.05 1'],
    [3, '{score}', '3 1'],
    [37, 'Cel', '310.15 K'],
    [98.6, '[degF]', '310.15 K'],
    [0, 'K', '0 K'],
    [5.5, 'mmol/L', '5.5 m-3.mol'],
    [5.5, '10*9/L', '5500000000000 m-3'],
    [60, 'U/L', '0.001 m-3.s-1.mol'],
    [1, '[in_i]', '0.0254 m'],
    [1, '[lb_av]', '453.59237 g'],
  ])('%d %s is %s', (value, code, expected) => {
    expect(canonical(value, code)).toBe(expected);
  });

  it.each([
    '',
    '[iU]',
    'k[iU]/L',
    '[pH]',
    'B',
    'dB',
    'mCel',
    'Cel/min',
    'tablet',
    'gram',
    'mg mg',
    '(((',
    '|',
    `m${'.m'.repeat(50)}`,
  ])('does not convert "%s"', code => {
    expect(canonicalUnit(code)).toBeUndefined();
  });

  it('finds what equals in decimals equal', () => {
    fc.assert(
      fc.property(
        fc.integer({ min: -1_000_000, max: 1_000_000 }),
        fc.constantFrom(
          ['ug', 'mg'],
          ['mg', 'g'],
          ['g', 'kg'],
          ['mL', 'L'],
          ['umol/L', 'mmol/L'],
          ['ms', 's'],
        ),
        (thousandths, [small, large]) => {
          expect(canonical(thousandths, small)).toBe(canonical(Number(`${thousandths}e-3`), large));
        },
      ),
    );
  });

  it('takes any text', () => {
    fc.assert(fc.property(fc.string(), text => void canonicalUnit(text)));
  });
});
