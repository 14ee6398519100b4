// Terminology operations on R4's definitions and on stored resources, on every store.
// https://hl7.org/fhir/R4/terminology-service.html
import { beforeAll, describe, expect, it } from 'vitest';
import type { Grant } from '../../src/auth/grant.js';
import { all, none, type Node } from '../../src/search/plan.js';
import { onEveryStore, type Answer, type Send } from '../system.js';
import {
  animals,
  asking,
  asParameters,
  codesOf,
  mammals,
  of,
  parameters,
  set,
  system,
  valueOf,
} from './animals.js';

onEveryStore('terminology', {}, tsela => {
  const { put, get, post } = asking(tsela);
  beforeAll(async () => {
    await put(animals('1.0'));
    await put(animals('2.0', [{ code: 'fish', display: 'Fish' }]));
    await put(mammals);
    await put({ ...set('versioned-1', { include: [{ system, concept: [{ code: 'dog' }] }] }), url: 'http://example.org/versioned', version: '1' }); // prettier-ignore
  });

  describe('$lookup', () => {
    it('tells all of a code', async () => {
      const answer = await get(`CodeSystem/$lookup?system=${system}&code=dog`);
      expect(of(answer, 'name')).toBe('Animals');
      expect(of(answer, 'version')).toBe('2.0');
      expect(of(answer, 'display')).toBe('Dog');
      const parts = parameters(answer)
        .filter(one => one.name === 'property')
        .map(one => one.part!.map(valueOf));
      expect(parts).toContainEqual(['legs', 4]);
      expect(parts).toContainEqual(['parent', 'mammal', 'Mammal']);
      expect(parts).toContainEqual(['inactive', false]);
      const designations = parameters(answer).filter(one => one.name === 'designation');
      expect(designations.map(one => one.part!.map(valueOf))).toContainEqual(['de', 'Hund']);
    });
    it('answers in a language, with the properties asked for', async () => {
      const answer = await get(
        `CodeSystem/$lookup?coding=${system}|dog&displayLanguage=de-CH&property=legs&property=child`,
      );
      expect(of(answer, 'display')).toBe('Hund');
      expect(parameters(answer).filter(one => one.name === 'property')).toHaveLength(1);
      expect(parameters(answer).some(one => one.name === 'designation')).toBe(false);
    });
    it('holds a version', async () => {
      expect(of(await get(`CodeSystem/$lookup?system=${system}&code=fish`), 'display')).toBe('Fish');
      expect((await get(`CodeSystem/$lookup?system=${system}&version=1.0&code=fish`)).status).toBe(404);
    });
    it.each([
      ['CodeSystem/$lookup?system=http://example.org/none&code=a', 404],
      [`CodeSystem/$lookup?system=${system}&code=unicorn`, 404],
      ['CodeSystem/$lookup?code=dog', 400],
      [`CodeSystem/$lookup?system=${system}`, 400],
      [`CodeSystem/$lookup?system=${system}&code=dog&cod=x`, 400],
      [`CodeSystem/$lookup?system=${system}&code=dog&code=cat`, 400],
    ])('%s is %d', async (url, status) => {
      expect((await get(url)).status).toBe(status);
    });
  });

  describe('$validate-code', () => {
    it('of a code system, by code, coding and concept', async () => {
      expect(of(await get(`CodeSystem/$validate-code?url=${system}&code=dog&display=dog`), 'result')).toBe(
        true,
      );
      expect(of(await get(`CodeSystem/$validate-code?url=${system}&code=unicorn`), 'result')).toBe(false);
      const coding = await post('CodeSystem/$validate-code', {
        url: system,
        coding: { system, code: 'bird' },
      });
      expect(of(coding, 'display')).toBe('Bird');
      const concept = await post('CodeSystem/$validate-code', {
        url: system,
        codeableConcept: {
          coding: [
            { system: 'http://loinc.org', code: '1-8' },
            { system, code: 'whale' },
          ],
        },
      });
      expect(of(concept, 'result')).toBe(true);
      expect(of(await get('CodeSystem/animals-1-0/$validate-code?code=fish'), 'result')).toBe(false);
      expect(of(await get('CodeSystem/animals-2-0/$validate-code?code=fish'), 'result')).toBe(true);
    });
    it('of a code system that comes along', async () => {
      const { id: _, ...given } = { ...animals('9'), url: 'http://example.org/elsewhere' };
      const answer = await post('CodeSystem/$validate-code', { codeSystem: given, code: 'dog' });
      expect(of(answer, 'result')).toBe(true);
    });
    it('of a value set', async () => {
      const url = `ValueSet/$validate-code?url=${mammals.url}`;
      expect(of(await get(`${url}&system=${system}&code=dog`), 'result')).toBe(true);
      const bird = await get(`${url}&system=${system}&code=bird`);
      expect(of(bird, 'result')).toBe(false);
      expect(of(bird, 'message')).toMatch(/is not in the value set/);
      expect(of(await get(`ValueSet/mammals/$validate-code?code=whale&system=${system}`), 'result')).toBe(
        true,
      );
      expect(of(await post('ValueSet/$validate-code', { valueSet: mammals, coding: { system, code: 'whale' } }), 'result')).toBe(true); // prettier-ignore
    });
    it('tells a wrong display, and that it cannot know', async () => {
      const display = await get(`CodeSystem/$validate-code?url=${system}&code=dog&display=Cat`);
      expect(of(display, 'result')).toBe(true);
      expect(of(display, 'message')).toMatch(/"Cat".*"Dog"/);
      const open = set('open', { include: [{ valueSet: ['http://example.org/none'] }] });
      const unknown = await post('ValueSet/$validate-code', {
        valueSet: open,
        coding: { system, code: 'dog' },
      });
      expect(of(unknown, 'result')).toBe(false);
      expect(of(unknown, 'message')).toMatch(/cannot be known/);
    });
    it('by the element that is bound', async () => {
      const url = 'ValueSet/$validate-code?context=Patient.gender&code=';
      expect(of(await get(`${url}female`), 'result')).toBe(true);
      expect(of(await get(`${url}f`), 'result')).toBe(false);
    });
    it('refuses what it is not asked properly', async () => {
      expect((await get('ValueSet/$validate-code?url=http://example.org/none&code=a')).status).toBe(404);
      expect((await get(`ValueSet/$validate-code?url=${mammals.url}`)).status).toBe(400);
      expect((await get('ValueSet/none/$validate-code?code=a')).status).toBe(404);
      expect((await get('ValueSet/$validate-code?code=a')).status).toBe(400);
    });
  });

  describe('$subsumes', () => {
    const subsumes = async (a: string, b: string): Promise<unknown> =>
      of(await get(`CodeSystem/$subsumes?system=${system}&codeA=${a}&codeB=${b}`), 'outcome');
    it('goes by the hierarchy', async () => {
      expect(await subsumes('mammal', 'dog')).toBe('subsumes');
      expect(await subsumes('dog', 'animal')).toBe('subsumed-by');
      expect(await subsumes('dog', 'dog')).toBe('equivalent');
      expect(await subsumes('dog', 'bird')).toBe('not-subsumed');
      expect(of(await get('CodeSystem/animals-1-0/$subsumes?codeA=bird&codeB=animal'), 'outcome')).toBe('subsumed-by'); // prettier-ignore
      const codings = { codingA: { system, code: 'mammal' }, codingB: { system, code: 'whale' } };
      expect(of(await post('CodeSystem/$subsumes', codings), 'outcome')).toBe('subsumes');
      expect((await get(`CodeSystem/$subsumes?system=${system}&codeA=dog&codeB=unicorn`)).status).toBe(404);
    });
  });

  describe('$translate', () => {
    const sounds = 'http://example.org/sounds';
    const map = {
      resourceType: 'ConceptMap',
      id: 'sounds',
      url: 'http://example.org/map',
      status: 'active',
      sourceUri: 'http://example.org/vs/animals',
      targetUri: 'http://example.org/vs/sounds',
      group: [
        {
          source: system,
          target: sounds,
          element: [
            { code: 'dog', target: [{ code: 'bark', display: 'Bark', equivalence: 'wider' }] },
            { code: 'bird', target: [{ equivalence: 'unmatched', comment: 'too many' }] },
            {
              code: 'whale',
              target: [
                { code: 'song', equivalence: 'equivalent', dependsOn: [{ property: 'http://example.org/season', system: 'urn:season', value: 'winter' }] }, // prettier-ignore
              ],
            },
          ],
          unmapped: { mode: 'fixed', code: 'noise' },
        },
      ],
    };
    const matches = (answer: Answer) =>
      parameters(answer)
        .filter(one => one.name === 'match')
        .map(one => one.part!.map(valueOf));
    const translate = (query: string) => get(`ConceptMap/$translate?url=${map.url}&${query}`);
    beforeAll(() => put(map));

    it('goes both ways', async () => {
      const forward = await translate(`system=${system}&code=dog`);
      expect(of(forward, 'result')).toBe(true);
      expect(matches(forward)).toEqual([
        ['wider', { system: sounds, code: 'bark', display: 'Bark' }, map.url],
      ]);
      const back = await translate(`system=${sounds}&code=bark&reverse=true`);
      expect(matches(back)).toEqual([['narrower', { system, code: 'dog' }, map.url]]);
    });
    it('says what has no translation', async () => {
      const bird = await translate(`system=${system}&code=bird`);
      expect(of(bird, 'result')).toBe(false);
      expect(matches(bird)).toEqual([['unmatched', map.url]]);
      expect(matches(await translate(`system=${system}&code=quagga`))).toEqual([
        ['inexact', { system: sounds, code: 'noise' }, map.url],
      ]);
      expect(of(await translate(`system=${system}&code=dog&targetsystem=urn:none`), 'result')).toBe(false);
    });
    it('minds what a translation depends on', async () => {
      expect(of(await translate(`system=${system}&code=whale`), 'result')).toBe(false);
      const dependent = await tsela().send('POST', 'ConceptMap/sounds/$translate', {
        resourceType: 'Parameters',
        parameter: [
          { name: 'coding', valueCoding: { system, code: 'whale' } },
          {
            name: 'dependency',
            part: [
              { name: 'element', valueUri: 'http://example.org/season' },
              {
                name: 'concept',
                valueCodeableConcept: { coding: [{ system: 'urn:season', code: 'winter' }] },
              },
            ],
          },
        ],
      });
      expect(of(dependent, 'result')).toBe(true);
    });
    it('finds maps between value sets, and takes one along', async () => {
      const query = `source=${map.sourceUri}&target=${map.targetUri}&system=${system}&code=dog`;
      expect(of(await get(`ConceptMap/$translate?${query}`), 'result')).toBe(true);
      const unmapped = { ...map, url: 'http://example.org/other', group: [{ ...map.group[0], unmapped: { mode: 'provided' } }] }; // prettier-ignore
      const given = { conceptMap: unmapped, code: 'quagga', system };
      expect(of(await post('ConceptMap/$translate', given), 'result')).toBe(true);
      const chained = { ...map, group: [{ ...map.group[0], element: [{ code: 'none' }], unmapped: { mode: 'other-map', url: map.url } }] }; // prettier-ignore
      expect(of(await post('ConceptMap/$translate', { conceptMap: { ...chained, url: 'urn:chained' }, code: 'dog', system }), 'result')).toBe(true); // prettier-ignore
      expect((await get(`ConceptMap/$translate?url=urn:none&system=${system}&code=dog`)).status).toBe(404);
    });
  });

  describe('$closure', () => {
    it('says what is new, and again what was said', async () => {
      const close = (more: object[]) =>
        tsela().send('POST', '$closure', { resourceType: 'Parameters', parameter: [{ name: 'name', valueString: 'mine' }, ...more] }); // prettier-ignore
      const concept = (code: string) => ({ name: 'concept', valueCoding: { system, code } });
      expect((await close([concept('dog')])).status).toBe(404);
      expect((await close([])).body).toMatchObject({
        resourceType: 'ConceptMap',
        version: '0',
        name: 'mine',
      });
      const first = await close([concept('dog'), concept('mammal')]);
      expect(first.body).toMatchObject({
        version: '1',
        group: [
          {
            source: system,
            element: [{ code: 'dog', target: [{ code: 'mammal', equivalence: 'subsumes' }] }],
          },
        ],
      });
      const second = await close([concept('animal')]);
      expect(second.body['version']).toBe('2');
      expect((second.body['group'] as { element: { code: string }[] }[])[0]!.element.map(one => one.code).sort()).toEqual(['dog', 'mammal']); // prettier-ignore
      const replay = await close([{ name: 'version', valueString: '1' }]);
      expect(replay.body['group']).toEqual(second.body['group']);
      expect((await close([concept('dog')])).body['group']).toBeUndefined();
      const all = await close([{ name: 'version', valueString: '0' }]);
      expect((all.body['group'] as { element: unknown[] }[])[0]!.element).toHaveLength(2);
    });
  });

  describe('stored definitions', () => {
    it('are seen at once after a write, and gone after a deletion', async () => {
      const url = 'http://example.org/now';
      const codes = (code: string) => ({
        ...animals('1'),
        id: 'now',
        url,
        concept: [{ code, display: code }],
      });
      const isCode = async (code: string) =>
        of(await get(`CodeSystem/$validate-code?url=${url}&code=${code}`), 'result');
      await put(codes('a'));
      expect(await isCode('a')).toBe(true);
      await put(codes('b'));
      expect([await isCode('a'), await isCode('b')]).toEqual([false, true]);
      await tsela().send('DELETE', 'CodeSystem/now');
      expect((await get(`CodeSystem/$lookup?system=${url}&code=b`)).status).toBe(404);
      const created = await tsela().send('POST', 'CodeSystem', codes('c'));
      expect(created.status).toBe(201);
      expect(await isCode('c')).toBe(true);
    });
    it('do not change what FHIR itself binds its elements to', async () => {
      const url = 'http://hl7.org/fhir/administrative-gender';
      await put({ ...animals('99'), id: 'gender', url });
      expect(of(await get(`CodeSystem/$validate-code?url=${url}&code=female`), 'result')).toBe(true);
      expect(of(await get(`CodeSystem/$validate-code?url=${url}&code=dog`), 'result')).toBe(false);
      expect(of(await get(`CodeSystem/$validate-code?url=${url}&code=dog&version=99`), 'result')).toBe(true);
    });
    it('may supplement others', async () => {
      await put({
        ...animals('1'),
        id: 'supplement',
        url: 'http://example.org/supplement',
        content: 'supplement',
        supplements: system,
        property: [{ code: 'sound', type: 'string' }],
        concept: [{ code: 'dog', designation: [{ language: 'fr', value: 'Chien' }], property: [{ code: 'sound', valueString: 'woof' }] }], // prettier-ignore
      });
      const answer = await get(`CodeSystem/$lookup?system=${system}&code=dog&displayLanguage=fr`);
      expect(of(answer, 'display')).toBe('Chien');
      expect(answer.text).toContain('woof');
      expect(codesOf(await get(`ValueSet/mammals/$expand?filter=chi`))).toEqual(['dog']);
      const display = await get(`CodeSystem/$validate-code?url=${system}&code=dog&display=chien`);
      expect(of(display, 'message')).toBeUndefined();
      await tsela().send('DELETE', 'CodeSystem/supplement');
    });
  });

  describe('searches', () => {
    const found = async (query: string, send: Send = tsela().send): Promise<string[]> => {
      const answer = await send('GET', `Observation?${query}`);
      expect(answer.status, answer.text).toBe(200);
      return ((answer.body['entry'] ?? []) as { resource: { id: string } }[])
        .map(one => one.resource.id)
        .sort();
    };
    beforeAll(async () => {
      for (const code of ['dog', 'whale', 'bird', 'animal'])
        await put({
          resourceType: 'Observation',
          id: code,
          status: 'final',
          code: { coding: [{ system, code }] },
        });
    });
    it('ask stored value sets, by url, version and id', async () => {
      expect(await found(`code:in=${mammals.url}`)).toEqual(['dog', 'whale']);
      expect(await found('code:in=ValueSet/mammals')).toEqual(['dog', 'whale']);
      expect(await found(`code:not-in=${mammals.url}`)).toEqual(['animal', 'bird']);
      expect(await found('code:in=http://example.org/versioned|1')).toEqual(['dog']);
    });
    it('ask stored hierarchies', async () => {
      expect(await found(`code:below=${system}|mammal`)).toEqual(['dog', 'whale']);
      expect(await found(`code:above=${system}|bird`)).toEqual(['animal', 'bird']);
    });
    it('name what is not known', async () => {
      const answer = await get('Observation?code:in=http://example.org/none');
      expect([answer.status, answer.text]).toEqual([400, expect.stringContaining('http://example.org/none')]);
      expect((await get('Observation?code:below=urn:none|x')).status).toBe(400);
    });
    it('see no value set that the grant hides', async () => {
      const send = tsela().as({ id: 'x', principal: 'x', visible: type => (type === 'ValueSet' ? none : all), permits: () => true }); // prettier-ignore
      expect((await send('GET', `Observation?code:in=${mammals.url}`)).status).toBe(400);
      expect(await found('code:missing=false', send)).toHaveLength(4);
    });
    it('select for conditional interactions too', async () => {
      const answer = await tsela().send('DELETE', 'Observation?code:in=ValueSet/nothing');
      expect(answer.status).toBe(400);
    });
  });

  describe('grants', () => {
    const granted = (visible: (type: string) => Node, permits: Grant['permits'] = () => true): Send =>
      tsela().as({ id: 'test', principal: 'test', visible, permits });
    const lookup = `CodeSystem/$lookup?system=${system}&code=dog`;
    it('must allow to search and read the type', async () => {
      for (const missing of ['read', 'search']) {
        const send = granted(
          () => all,
          permission => permission !== missing,
        );
        expect((await send('GET', lookup)).status).toBe(403);
        expect((await send('GET', `ValueSet/$expand?url=${mammals.url}`)).status).toBe(403);
        expect((await send('POST', '$closure', asParameters({ name: 'x' }))).status).toBe(403);
      }
    });
    it('hide definitions as they hide everything', async () => {
      const send = granted(type => (type === 'CodeSystem' ? none : all));
      expect((await send('GET', lookup)).status).toBe(404);
      expect((await send('GET', 'CodeSystem/animals-1-0/$validate-code?code=dog')).status).toBe(404);
      const judged = await send(
        'GET',
        `ValueSet/$validate-code?url=${mammals.url}&system=${system}&code=dog`,
      );
      expect(of(judged, 'result')).toBe(false);
      expect(of(judged, 'message')).toMatch(/not known here/);
      const gender = 'CodeSystem/$validate-code?url=http://hl7.org/fhir/administrative-gender&code=male';
      expect(of(await send('GET', gender), 'result'), 'of R4 itself').toBe(true);
    });
    it('show the ones they show', async () => {
      const first: Node = { op: 'row', kind: 'token', param: '_id', where: [{ column: 'code', is: 'eq', value: 'animals-1-0' }] }; // prettier-ignore
      const send = granted(type => (type === 'CodeSystem' ? first : all));
      expect(of(await send('GET', lookup), 'version')).toBe('1.0');
      expect((await send('GET', `CodeSystem/$lookup?system=${system}&code=fish`)).status).toBe(404);
    });
  });

  describe('statements', () => {
    it('list the operations', async () => {
      const { rest } = (await get('metadata')).body as { rest: { resource: { type: string; operation: { name: string; definition: string }[] }[]; operation: object[] }[] }; // prettier-ignore
      const of = (type: string) => rest[0]!.resource.find(one => one.type === type)!.operation;
      expect(of('ValueSet')).toContainEqual({ name: 'expand', definition: 'http://hl7.org/fhir/OperationDefinition/ValueSet-expand' }); // prettier-ignore
      expect(of('CodeSystem').map(one => one.name)).toEqual(expect.arrayContaining(['lookup', 'subsumes', 'validate-code'])); // prettier-ignore
      expect(of('Patient').map(one => one.name)).not.toContain('closure');
      expect(rest[0]!.operation).toContainEqual({ name: 'closure', definition: 'http://hl7.org/fhir/OperationDefinition/ConceptMap-closure' }); // prettier-ignore
    });
    it('list the code systems', async () => {
      const { body } = await get('metadata?mode=terminology');
      expect(body).toMatchObject({ resourceType: 'TerminologyCapabilities', expansion: { paging: true } });
      const own = (body['codeSystem'] as { uri: string; version: unknown[] }[]).find(
        one => one.uri === system,
      );
      expect(own?.version).toHaveLength(2);
    });
  });
});
