// Value sets that include each other so often, or so deep, that following every way would take forever.
// https://hl7.org/fhir/R4/valueset.html#compositions
import { describe, expect, it } from 'vitest';
import type { ValueSetDefinition } from '../../src/fhir/definitions.js';
import { coreCatalog, type Catalog } from '../../src/terminology/catalog.js';
import { listed, NotExpandable } from '../../src/terminology/expand.js';
import { members } from '../../src/terminology/members.js';
import { isMember } from '../../src/terminology/membership.js';

const system = 'http://hl7.org/fhir/administrative-gender';
const url = (i: number): string => `urn:vs:${i}`;
/** Each includes the next one, so often. */
const tower = (height: number, often: number): Catalog => ({
  ...coreCatalog,
  memory: new Map(),
  valueSet(asked) {
    const i = Number(/^urn:vs:(\d+)$/.exec(asked)?.[1]);
    if (!(i < height)) return undefined;
    const include = { valueSet: [url(i + 1)] };
    const leaf = { system, concept: [{ code: 'male' }] };
    return sets.get(asked) ?? remember(asked, i + 1 === height ? [leaf] : Array(often).fill(include));
  },
});
const sets = new Map<string, ValueSetDefinition>();
const remember = (of: string, include: NonNullable<ValueSetDefinition['compose']>['include']) => {
  const set: ValueSetDefinition = { resourceType: 'ValueSet', id: 'x', url: of, compose: { include } };
  sets.set(of, set);
  return set;
};
const top = (catalog: Catalog): ValueSetDefinition => {
  sets.clear();
  return catalog.valueSet(url(0))!;
};

describe('value sets within value sets', () => {
  it('are judged in time, however many ways there are', () => {
    const catalog = tower(60, 3);
    const set = top(catalog);
    expect(isMember(catalog, set, { system, code: 'male' }).is).toBe(true);
    expect(isMember(catalog, set, { system, code: 'female' }).is).toBe(false);
  });
  it('are not listed beyond all measure', () => {
    const catalog = tower(60, 3);
    const set = top(catalog);
    expect(() => [...listed(set, { catalog })]).toThrow(NotExpandable);
    expect(members(url(0), catalog)).toBe('unknown');
  });
  it('may go some way down, and no further', () => {
    const deep = tower(50, 1);
    expect([...listed(top(deep), { catalog: deep })].map(one => one.code)).toEqual(['male']);
    const bottomless = tower(100_000, 1);
    const set = top(bottomless);
    expect(isMember(bottomless, set, { system, code: 'male' }).is).toBe('unknown');
    expect(() => [...listed(set, { catalog: bottomless })]).toThrow(NotExpandable);
  });
});
