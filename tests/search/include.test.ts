// What bounds `_include:iterate`. https://hl7.org/fhir/R4/search.html#include
import { describe, expect, it } from 'vitest';
import type { Resource } from '../../src/fhir/resource.js';
import { include } from '../../src/search/include.js';
import { bases, requestOf, writesOf, type CaseFile } from './cases.js';
import { openMemory } from './memory.js';

/** Organizations each of which is part of the next. */
const ofLength = (length: number): CaseFile => ({
  name: 'a chain',
  section: '',
  zone: 'UTC',
  cases: [],
  given: Array.from({ length }, (_, i): Resource => ({
    resourceType: 'Organization',
    id: `o${i}`,
    ...(i < length - 1 ? { partOf: { reference: `Organization/o${i + 1}` } } : {}),
  })),
});

async function included(length: number, max?: number): Promise<number> {
  const file = ofLength(length);
  const store = await openMemory();
  await store.commit(writesOf(file));
  const query = 'Organization?_id=o0&_include:iterate=Organization:partof';
  const { plan, includes } = requestOf({ query }, file);
  const { versions } = await store.search(plan);
  return (await include(store, versions, includes, { bases, ...(max === undefined ? {} : { max }) })).length;
}

describe('_include:iterate', () => {
  it('goes fifty steps', async () => {
    expect(await included(51)).toBe(50);
  });
  it('is refused where it leads further, rather than cut', async () => {
    await expect(included(52)).rejects.toMatchObject({
      code: 'too-costly-search',
      message: expect.stringContaining('leads on after 50 steps') as string,
    });
  });
  it('is refused where it adds too many over all steps', async () => {
    expect(await included(11, 10)).toBe(10);
    await expect(included(12, 10)).rejects.toMatchObject({ code: 'too-costly-search' });
  });
});
