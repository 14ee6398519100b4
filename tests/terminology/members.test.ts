// Members of R4's own value sets. https://hl7.org/fhir/R4/valueset.html#compositions
import { describe, expect, it } from 'vitest';
import { valueSetUrls } from '../../src/fhir/definitions.js';
import { closure, hierarchyOf } from '../../src/terminology/hierarchy.js';
import { members, valueSetWithId } from '../../src/terminology/members.js';

const known = (url: string): ReadonlySet<string> => {
  const found = members(url);
  if (found === 'unknown') throw new Error(`${url} is unknown`);
  return found;
};
const core = 'http://hl7.org/fhir/ValueSet';
const v3 = 'http://terminology.hl7.org/CodeSystem/v3';

describe('members', () => {
  it('lists the whole of a complete code system', () => {
    expect([...known(`${core}/administrative-gender`)].sort()).toEqual(
      ['female', 'male', 'other', 'unknown'].map(code => `http://hl7.org/fhir/administrative-gender|${code}`),
    );
  });
  it('lists named concepts, also of systems it does not have', () => {
    expect(known(`${core}/observation-vitalsignresult`)).toContain('http://loinc.org|8867-4');
  });
  it('follows is-a through nesting and through properties', () => {
    const encounter = known('http://terminology.hl7.org/ValueSet/v3-ActEncounterCode');
    expect(encounter).toContain(`${v3}-ActCode|AMB`);
    expect(encounter).toContain(`${v3}-ActCode|ACUTE`);
    expect(encounter).not.toContain(`${v3}-ActCode|_ActAccountCode`);
  });
  it('takes the union of included value sets', () => {
    const marital = known(`${core}/marital-status`);
    expect(marital).toContain(`${v3}-MaritalStatus|M`);
    expect(marital).toContain(`${v3}-NullFlavor|UNK`);
    expect(marital).not.toContain(`${v3}-NullFlavor|ASKU`);
  });
  it('knows a version only if it is that of the definition', () => {
    expect(members(`${core}/administrative-gender|4.0.1`)).toBe(members(`${core}/administrative-gender`));
    expect(members(`${core}/administrative-gender|3.0.2`)).toBe('unknown');
  });
  it('does not guess', () => {
    expect(members(`${core}/no-such-set`)).toBe('unknown');
    expect(members(`${core}/condition-code`), 'all of SNOMED CT').toBe('unknown');
    expect(members(`${core}/service-type`), 'an example system').toBe('unknown');
  });
  it('answers for every value set there is', () => {
    const all = valueSetUrls().map(members);
    expect(all.filter(one => one !== 'unknown' && one.size > 0).length).toBeGreaterThan(1000);
    for (const set of all)
      if (set !== 'unknown') for (const one of set) expect(one).toMatch(/^[^|]+(\|[^|]+)?\|[^|]+$/);
  });
  it('finds a definition by its id', () => {
    expect(valueSetWithId('administrative-gender')).toBe(`${core}/administrative-gender`);
    expect(valueSetWithId('v3-ActEncounterCode')).toBe(
      'http://terminology.hl7.org/ValueSet/v3-ActEncounterCode',
    );
    expect(valueSetWithId('nothing')).toBeUndefined();
  });
});

describe('hierarchy', () => {
  it('goes both ways', () => {
    const system = hierarchyOf(`${v3}-ActCode`);
    if (system === 'unknown') throw new Error('unknown');
    expect([...closure('IMP', system.below)].sort()).toEqual(['ACUTE', 'IMP', 'NONAC']);
    expect([...closure('ACUTE', system.above)].sort()).toEqual([
      'ACUTE',
      'IMP',
      '_ActCareProvisionCode',
      '_ActEncounterCode',
    ]);
    expect(closure('no such code', system.below).size).toBe(0);
  });
  it('knows complete systems only', () => {
    expect(hierarchyOf('http://snomed.info/sct')).toBe('unknown');
    expect(hierarchyOf('http://example.org')).toBe('unknown');
  });
});
