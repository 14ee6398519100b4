// $expand on stored code systems and value sets, on every store.
// https://hl7.org/fhir/R4/valueset-operation-expand.html
import { beforeAll, describe, expect, it } from 'vitest';
import { onEveryStore, type Answer } from '../system.js';
import { animals, asking, codesOf, mammals, of, set, system } from './animals.js';

onEveryStore('terminology', {}, tsela => {
  const { put, get, post } = asking(tsela);
  beforeAll(async () => {
    await put(animals('1.0'));
    await put(animals('2.0', [{ code: 'fish', display: 'Fish' }]));
    await put(mammals);
  });

  describe('$expand', () => {
    const expand = (query: string): Promise<Answer> => get(`ValueSet/$expand?url=${mammals.url}&${query}`);
    it('lists the codes, whole and in pages', async () => {
      const whole = await expand('');
      expect(codesOf(whole)).toEqual(['dog', 'whale', 'quagga']);
      const { total, parameter } = whole.body['expansion'] as { total: number; parameter: unknown[] };
      expect(total).toBe(3);
      expect(parameter).toContainEqual({ name: 'used-codesystem', valueUri: `${system}|2.0` });
      const page = await expand('offset=1&count=1');
      expect(codesOf(page)).toEqual(['whale']);
      expect(page.body['expansion']).toMatchObject({ total: 3, offset: 1 });
      expect(codesOf(await expand('count=0'))).toEqual([]);
    });
    it('filters by words, also of other languages', async () => {
      expect(codesOf(await expand('filter=wha'))).toEqual(['whale']);
      expect(codesOf(await expand('filter=NTJ'))).toEqual(['dog']);
      expect(codesOf(await expand('filter=ale'))).toEqual([]);
    });
    it('leaves out what is not in use, or only groups', async () => {
      expect(codesOf(await expand('activeOnly=true'))).toEqual(['dog', 'whale']);
      const whole = set('whole', { include: [{ system }] });
      expect(codesOf(await post('ValueSet/$expand', { valueSet: whole, excludeNotForUI: true }))).not.toContain('animal'); // prettier-ignore
      const marked = await tsela().send('POST', 'ValueSet/$expand', whole);
      const { contains } = marked.body['expansion'] as { contains: object[] };
      expect(contains).toContainEqual(expect.objectContaining({ code: 'animal', abstract: true }));
      expect(contains).toContainEqual(expect.objectContaining({ code: 'quagga', inactive: true }));
    });
    it('adds designations and speaks languages', async () => {
      const { contains } = (await expand('includeDesignations=true&displayLanguage=st')).body[
        'expansion'
      ] as {
        contains: { display: string; designation?: unknown[] }[];
      };
      expect(contains[0]).toMatchObject({ display: 'Ntja' });
      expect(contains[0]!.designation).toHaveLength(2);
      const one = (await expand('designation=de')).body['expansion'] as {
        contains: { designation: unknown[] }[];
      };
      expect(one.contains[0]!.designation).toEqual([{ language: 'de', value: 'Hund' }]);
    });
    it('nests where it is asked to', async () => {
      const whole = set('whole', { include: [{ system, version: '1.0' }] });
      const answer = await post('ValueSet/$expand', { valueSet: whole, excludeNested: false });
      const { contains } = answer.body['expansion'] as {
        contains: { code: string; contains: { code: string }[] }[];
      };
      expect(contains.map(one => one.code)).toEqual(['animal']);
      expect(contains[0]!.contains.map(one => one.code)).toEqual(['mammal', 'bird']);
    });
    it('includes the definition only where it is asked to', async () => {
      expect((await expand('')).body['compose']).toBeUndefined();
      expect((await expand('includeDefinition=true')).body['compose']).toEqual(mammals.compose);
    });
    it.each([
      [{ property: 'concept', op: 'is-a', value: 'mammal' }, ['mammal', 'dog', 'whale', 'quagga']],
      [{ property: 'concept', op: 'is-not-a', value: 'mammal' }, ['animal', 'bird']],
      [{ property: 'concept', op: 'generalizes', value: 'dog' }, ['animal', 'mammal', 'dog']],
      [{ property: 'concept', op: 'in', value: 'dog,bird' }, ['dog', 'bird']],
      [{ property: 'concept', op: 'not-in', value: 'dog,bird,animal' }, ['mammal', 'whale', 'quagga']],
      [{ property: 'code', op: 'regex', value: '[a-d].*' }, ['animal', 'dog', 'bird']],
      [{ property: 'display', op: '=', value: 'Whale' }, ['whale']],
      [{ property: 'legs', op: '=', value: '4' }, ['dog']],
      [{ property: 'legs', op: 'in', value: '0,2' }, ['whale', 'bird']],
      [{ property: 'legs', op: 'exists', value: 'false' }, ['animal', 'mammal', 'quagga']],
      [{ property: 'parent', op: '=', value: 'animal' }, ['mammal', 'bird']],
      [{ property: 'child', op: 'exists', value: 'true' }, ['animal', 'mammal']],
    ])('understands the filter %j', async (filter, codes) => {
      const filtered = set('filtered', { include: [{ system, version: '1.0', filter: [filter] }] });
      expect(codesOf(await post('ValueSet/$expand', { valueSet: filtered }))).toEqual(codes);
    });
    it('joins, intersects and excludes', async () => {
      const composed = set('composed', {
        include: [
          { system, concept: [{ code: 'bird', display: 'Bird of any kind' }] },
          { valueSet: [mammals.url] },
        ],
        exclude: [{ system, concept: [{ code: 'whale' }] }],
      });
      const answer = await post('ValueSet/$expand', { valueSet: composed });
      expect(codesOf(answer)).toEqual(['bird', 'dog', 'quagga']);
      expect(answer.text).toContain('Bird of any kind');
      const both = set('both', { include: [{ system, valueSet: [mammals.url], filter: [{ property: 'legs', op: '=', value: '4' }] }] }); // prettier-ignore
      expect(codesOf(await post('ValueSet/$expand', { valueSet: both }))).toEqual(['dog']);
    });
    it('holds versions, of the definition and of the request', async () => {
      const pinned = (version?: string) =>
        set('pinned', { include: [{ system, ...(version && { version }) }] });
      expect(codesOf(await post('ValueSet/$expand', { valueSet: pinned('1.0') }))).not.toContain('fish');
      expect(codesOf(await post('ValueSet/$expand', { valueSet: pinned() }))).toContain('fish');
      const usual = { valueSet: pinned(), 'system-version': `${system}|1.0` };
      expect(codesOf(await post('ValueSet/$expand', usual))).not.toContain('fish');
      const forced = { valueSet: pinned('1.0'), 'force-system-version': `${system}|2.0` };
      expect(codesOf(await post('ValueSet/$expand', forced))).toContain('fish');
      const checked = { valueSet: pinned('1.0'), 'check-system-version': `${system}|2.0` };
      expect((await post('ValueSet/$expand', checked)).status).toBe(422);
      const without = { valueSet: pinned('1.0'), 'exclude-system': system };
      expect(codesOf(await post('ValueSet/$expand', without))).toEqual([]);
      const nowhere = await post('ValueSet/$expand', { valueSet: pinned('3.0') });
      expect([nowhere.status, nowhere.text]).toEqual([422, expect.stringContaining('in version 3.0')]);
    });
    it('holds versions of included value sets', async () => {
      const versioned = (version: string, code: string) => ({
        ...set(`versioned-${version}`, { include: [{ system, concept: [{ code }] }] }),
        url: 'http://example.org/versioned',
        version,
      });
      await put(versioned('1', 'dog'));
      await put(versioned('2', 'whale'));
      const including = (canonical: string) => ({
        valueSet: set('x', { include: [{ valueSet: [canonical] }] }),
      });
      expect(codesOf(await post('ValueSet/$expand', including('http://example.org/versioned')))).toEqual([
        'whale',
      ]);
      expect(codesOf(await post('ValueSet/$expand', including('http://example.org/versioned|1')))).toEqual([
        'dog',
      ]);
      expect((await post('ValueSet/$expand', including('http://example.org/versioned|3'))).status).toBe(422);
      const judged = await post('ValueSet/$validate-code', {
        ...including('http://example.org/versioned|1'),
        coding: { system, code: 'whale' },
      });
      expect(of(judged, 'result')).toBe(false);
    });
    it('lists what there is of systems that are not here in whole, and says so', async () => {
      const part = { ...animals('1'), id: 'part', url: 'urn:part', version: '1', content: 'fragment' };
      await put(part);
      const whole = set('part', { include: [{ system: 'urn:part' }] });
      const answer = await post('ValueSet/$expand', { valueSet: whole });
      expect(codesOf(answer)).toContain('dog');
      expect((answer.body['expansion'] as { parameter: object[] }).parameter).toContainEqual({ name: 'incomplete-codesystem', valueUri: 'urn:part|1' }); // prettier-ignore
      expect((await get('Observation?code:in=urn:part/vs')).status).toBe(400);
    });
    it('knows the value set that a code system is all of', async () => {
      await put({ ...animals('1'), id: 'all', url: 'urn:all', valueSet: 'urn:all/vs', concept: [{ code: 'a' }, { code: 'b' }] }); // prettier-ignore
      expect(codesOf(await get('ValueSet/$expand?url=urn:all/vs'))).toEqual(['a', 'b']);
      expect(of(await get('ValueSet/$validate-code?url=urn:all/vs&system=urn:all&code=c'), 'result')).toBe(
        false,
      );
    });
    it('lists registries', async () => {
      const currencies = 'ValueSet/$expand?url=http://hl7.org/fhir/ValueSet/currencies&filter=lesotho';
      expect(codesOf(await get(currencies))).toEqual(['LSL']);
    });
    it('says why it cannot', async () => {
      const answer = await get('ValueSet/$expand?url=http://hl7.org/fhir/ValueSet/ucum-units');
      expect(answer.status).toBe(422);
      expect(answer.text).toContain('too-costly');
      expect((await get('ValueSet/$expand?url=http://hl7.org/fhir/ValueSet/condition-code')).status).toBe(
        422,
      );
      const ring = set('ring', { include: [{ valueSet: ['http://example.org/fhir/ValueSet/ring'] }] });
      await put(ring);
      expect((await get('ValueSet/ring/$expand')).text).toContain('includes itself');
      const hostile = set('hostile', { include: [{ system, filter: [{ property: 'code', op: 'regex', value: '(a+)+$' }] }] }); // prettier-ignore
      expect((await post('ValueSet/$expand', { valueSet: hostile })).status).toBe(422);
    });
  });
});
