// Members of R4's own value sets. https://hl7.org/fhir/R4/valueset.html#compositions
import { describe, expect, it } from 'vitest';
import { valueSetUrls } from '../../src/fhir/definitions.js';
import { relatives } from '../../src/terminology/hierarchy.js';
import { members } from '../../src/terminology/members.js';

const known = (url: string): ReadonlySet<string> => {
  const found = members(url);
  if (typeof found === 'string') throw new Error(`${url} is ${found}`);
  return new Set([...found].flatMap(([system, codes]) => codes.map(code => `${system}|${code}`)));
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
    expect(members(`${core}/administrative-gender|4.0.1`)).toEqual(members(`${core}/administrative-gender`));
    expect(members(`${core}/administrative-gender|3.0.2`)).toBe('unknown');
  });
  it('does not guess', () => {
    expect(members(`${core}/no-such-set`)).toBe('unknown');
    expect(members(`${core}/condition-code`), 'all of SNOMED CT').toBe('unknown');
    expect(members(`${core}/service-type`), 'an example system').toBe('unknown');
  });
  it('answers for every value set there is', () => {
    const all = valueSetUrls().map(url => members(url));
    expect(all.filter(one => typeof one !== 'string' && one.size > 0).length).toBeGreaterThan(1000);
  });
  it('finds a definition by its id', () => {
    expect(known('ValueSet/administrative-gender')).toEqual(known(`${core}/administrative-gender`));
    expect(known('ValueSet/v3-ActEncounterCode').size).toBeGreaterThan(5);
    expect(members('ValueSet/nothing')).toBe('unknown');
  });
});

describe('relatives', () => {
  it('are above and below', () => {
    const act = (code: string, direction: 'above' | 'below') => {
      const found = relatives(`${v3}-ActCode`, code, direction);
      return found === 'unknown' ? found : [...found].sort();
    };
    expect(act('IMP', 'below')).toEqual(['ACUTE', 'IMP', 'NONAC']);
    expect(act('ACUTE', 'above')).toEqual(['ACUTE', 'IMP', '_ActCareProvisionCode', '_ActEncounterCode']);
    expect(act('no such code', 'below')).toEqual([]);
  });
  it('are known of complete systems only', () => {
    expect(relatives('http://snomed.info/sct', '1', 'below')).toBe('unknown');
    expect(relatives('http://example.org', '1', 'above')).toBe('unknown');
  });
});
