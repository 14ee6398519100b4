// The grammar of SMART scopes, and what narrowing them gives.
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { canonicalScope, granted, meet, parseResourceScope, within } from '../../src/auth/scopes.js';

const parsed = (text: string) => {
  const scope = parseResourceScope(text);
  if (scope === undefined) throw new Error(`${text} is no scope`);
  return scope;
};

describe('a resource scope', () => {
  it.each([
    ['patient/*.rs', 'patient', '*', 'rs'],
    ['patient/*.read', 'patient', '*', 'rs'],
    ['user/Observation.write', 'user', 'Observation', 'cud'],
    ['system/Patient.*', 'system', 'Patient', 'cruds'],
    ['user/Patient.cruds', 'user', 'Patient', 'cruds'],
    ['user/Patient.s', 'user', 'Patient', 's'],
    ['system/*.cud', 'system', '*', 'cud'],
  ])('%s is read', (text, context, type, permissions) => {
    expect(parseResourceScope(text)).toEqual({ context, type, permissions, criteria: [] });
  });

  it.each([
    'patient/Observation.',
    'patient/Observation.sr',
    'patient/Observation.dus',
    'patient/Observation.rr',
    'patient/Observation.x',
    'patient/Observation.Read',
    'patient/Unheard.rs',
    'patient/observation.rs',
    'patient/.rs',
    'patient/*',
    'practitioner/Patient.rs',
    'Patient/Observation.rs',
    'patient/Observation.rs?',
    'patient/Observation.rs?category',
    'patient/Observation.rs?=laboratory',
    'patient/Observation.rs?category=',
    'patient/Observation.rs?unheard=1',
    'patient/Observation.rs?category:in=http://example.org/v',
    'patient/Observation.rs?patient.name=x',
    'patient/Observation.rs?_has:AuditEvent:entity:agent=1',
    'patient/Observation.rs?_filter=code%20eq%20x',
    'patient/Observation.rs?_include=Observation:subject',
    'patient/Observation.rs?_count=1',
    'patient/Observation.rs?category=%zz',
    'patient/Observation.rs?category=%00',
    'patient/*.rs?category=laboratory',
    'patient/Observation.read?category=laboratory',
    `patient/Observation.rs?code=${'x'.repeat(600)}`,
    `patient/Observation.rs?${Array.from({ length: 9 }, (_, i) => `code=${i}`).join('&')}`,
    'launch',
    'launch/patient',
    'openid',
    '',
  ])('%s is none', text => {
    expect(parseResourceScope(text)).toBeUndefined();
  });

  it('decodes values once and keeps a plus sign', () => {
    expect(parsed('user/Observation.rs?code=a%26b%3Dc').criteria).toEqual([['code', 'a&b=c']]);
    expect(parsed('user/Observation.rs?code=a%2526b').criteria).toEqual([['code', 'a%26b']]);
    expect(parsed('user/Observation.rs?code=a+b').criteria).toEqual([['code', 'a+b']]);
  });

  it('allows what every type has on all types', () => {
    expect(parsed('user/*.rs?_tag=a').criteria).toEqual([['_tag', 'a']]);
  });

  it('is written in one way', () => {
    expect(canonicalScope(parsed('patient/Patient.read'))).toBe('patient/Patient.rs');
    expect(canonicalScope(parsed('patient/Observation.rs?status=final&category=a|b'))).toBe(
      'patient/Observation.rs?category=a|b&status=final',
    );
  });

  it('means the same after it was written, whatever its values are', () => {
    fc.assert(
      fc.property(fc.string({ minLength: 1, maxLength: 30, unit: 'grapheme' }), value => {
        fc.pre(!value.includes('\0') && Buffer.from(value).toString() === value);
        const scope = {
          context: 'user',
          type: 'Observation',
          permissions: 'rs',
          criteria: [['code', value]],
        } as const;
        const text = canonicalScope(scope);
        fc.pre(text.length <= 512);
        expect(text).toMatch(/^[!#-[\]-~]+$/);
        expect(parseResourceScope(text)).toEqual(scope);
      }),
    );
  });
});

describe('narrowing', () => {
  it.each([
    ['patient/Observation.rs', 'patient/*.rs', true],
    ['patient/*.rs', 'patient/Observation.rs', false],
    ['patient/Observation.rs', 'user/Observation.rs', false],
    ['patient/Observation.r', 'patient/Observation.rs', true],
    ['patient/Observation.cruds', 'patient/Observation.rs', false],
    ['patient/Observation.rs?category=a', 'patient/Observation.rs', true],
    ['patient/Observation.rs', 'patient/Observation.rs?category=a', false],
    ['patient/Observation.rs?category=a&status=final', 'patient/Observation.rs?category=a', true],
    ['patient/Observation.rs?category=b', 'patient/Observation.rs?category=a', false],
    ['patient/Observation.read', 'patient/Observation.rs', true],
  ])('%s is within %s: %s', (a, b, answer) => {
    expect(within(parsed(a), parsed(b))).toBe(answer);
  });

  const scope = fc.record({
    context: fc.constantFrom('patient', 'user', 'system'),
    type: fc.constantFrom('*', 'Observation', 'Condition'),
    permissions: fc.subarray(['c', 'r', 'u', 'd', 's'], { minLength: 1 }).map(letters => letters.join('')),
    criteria: fc
      .subarray(['_tag=a', '_tag=b', '_id=1'])
      .map(pairs => pairs.map(pair => pair.split('=') as [string, string])),
  });

  it('gives what both allow, and never more', () => {
    fc.assert(
      fc.property(scope, scope, (a, b) => {
        const both = meet(a, b);
        if (both === undefined) return;
        expect(within(both, a)).toBe(true);
        expect(within(both, b)).toBe(true);
      }),
    );
  });

  it('keeps what was asked within the ceiling as it was written', () => {
    expect(granted(['patient/Observation.read', 'openid'], ['patient/*.cruds', 'openid'])).toEqual([
      'patient/Observation.read',
      'openid',
    ]);
  });

  it('cuts what reaches beyond the ceiling, and drops what is not in it', () => {
    expect(
      granted(
        ['patient/*.cruds', 'system/Patient.rs', 'openid', 'launch', 'unheard', 'patient/Observation.sr'],
        ['patient/Observation.rs', 'patient/Condition.rs?category=a', 'launch'],
      ),
    ).toEqual(['patient/Observation.rs', 'patient/Condition.rs?category=a', 'launch']);
  });

  it('says nothing twice', () => {
    expect(granted(['patient/*.rs'], ['patient/Observation.rs', 'patient/Observation.r'])).toEqual([
      'patient/Observation.rs',
    ]);
  });
});
