// Code systems loaded in bulk, on every store: kept, replaced, forgotten, supplemented, and known to other processes.
import { beforeAll, describe, expect, it, vi } from 'vitest';
import { announce } from '../../src/interactions/definition-store.js';
import { conceptWriter, type ConceptRecord } from '../../src/terminology/concepts.js';
import { forgetSystem, keepSystem, listSystems } from '../../src/terminology/loaded.js';
import { onEveryStore, openTsela, type Tsela } from '../system.js';
import { asking, codesOf, of, set } from './animals.js';

const system = 'http://example.org/large';
const many = 30_000;
const within = { timeout: 120_000 };

function* numbers(): Generator<ConceptRecord> {
  yield { code: 'root', display: 'Root' };
  for (let i = 0; i < many; i++)
    yield {
      code: `c${i}`,
      display: `Concept number ${i}`,
      parents: [i < 100 ? 'root' : `c${i % 100}`],
      properties: [{ code: 'parity', type: 'String', value: i % 2 === 0 ? 'even' : 'odd' }],
      ...(i === 7 ? { designations: [{ language: 'st', value: 'Supa' }] } : {}),
    };
}
const arraysOf = (concepts: Iterable<ConceptRecord>) => {
  const writer = conceptWriter();
  for (const concept of concepts) writer.add(concept);
  return writer.finish();
};
const load = async (
  { system: { documents } }: Tsela,
  head: object,
  concepts: Iterable<ConceptRecord>,
): Promise<void> => {
  await keepSystem(documents, { url: system, content: 'complete', ...head }, arraysOf(concepts));
  await announce(documents);
};

onEveryStore('loaded systems', {}, tsela => {
  const { get, post } = asking(tsela);
  const display = async (code: string): Promise<unknown> => {
    const answer = await get(`CodeSystem/$lookup?system=${system}&code=${code}`);
    return answer.status === 404 ? undefined : of(answer, 'display');
  };
  beforeAll(async () => {
    await load(tsela(), { version: '1' }, numbers());
    await vi.waitFor(async () => expect(await display('c1')).toBe('Concept number 1'), within);
  });

  it('answer like any other', async () => {
    expect(await display('c29999')).toBe('Concept number 29999');
    expect(await display('c30000')).toBeUndefined();
    const subsumes = await get(`CodeSystem/$subsumes?system=${system}&codeA=root&codeB=c29999`);
    expect(of(subsumes, 'outcome')).toBe('subsumes');
    const below = set('below', { include: [{ system, filter: [{ property: 'concept', op: 'descendent-of', value: 'c5' }, { property: 'parity', op: '=', value: 'odd' }] }] }); // prettier-ignore
    const page = await post('ValueSet/$expand', { valueSet: below, count: 3 });
    expect(codesOf(page)).toEqual(['c105', 'c205', 'c305']);
    expect(page.body['expansion']).toMatchObject({ total: many / 100 - 1 });
  });
  it('are filtered by words', async () => {
    const whole = set('whole', { include: [{ system }] });
    expect(codesOf(await post('ValueSet/$expand', { valueSet: whole, filter: 'numb 29999' }))).toEqual([
      'c29999',
    ]);
    expect(codesOf(await post('ValueSet/$expand', { valueSet: whole, filter: 'supa' }))).toEqual(['c7']);
    const page = await post('ValueSet/$expand', { valueSet: whole, filter: 'concept', count: 2, offset: 1 });
    expect(codesOf(page)).toEqual(['c1', 'c2']);
    expect(page.body['expansion']).toMatchObject({ total: many });
  });
  it('are too much at once', async () => {
    const answer = await post('ValueSet/$expand', { valueSet: set('whole', { include: [{ system }] }) });
    expect([answer.status, answer.text]).toEqual([422, expect.stringContaining('too-costly')]);
    expect((await get(`Observation?code:below=${system}|root`)).status).toBe(400);
    expect((await get(`Observation?code:below=${system}|c5`)).status).toBe(200);
  });
  it('may be supplemented', async () => {
    await load(tsela(), { url: 'urn:more', content: 'supplement', supplements: system }, [
      { code: 'c1', designations: [{ language: 'fr', value: 'Numéro un' }] },
    ]);
    await vi.waitFor(async () => {
      const answer = await get(`CodeSystem/$lookup?system=${system}&code=c1&displayLanguage=fr`);
      expect(of(answer, 'display')).toBe('Numéro un');
    }, within);
    await forgetSystem(tsela().system.documents, 'urn:more', undefined);
  });
  it('are replaced as a whole, version by version', async () => {
    const { documents } = tsela().system;
    await load(tsela(), { version: '1' }, [{ code: 'c1', display: 'Other' }]);
    await vi.waitFor(async () => expect(await display('c1')).toBe('Other'), within);
    await load(tsela(), { version: '2' }, [{ code: 'c1', display: 'Newer' }]);
    await vi.waitFor(async () => expect(await display('c1')).toBe('Newer'), within);
    const pinned = await get(`CodeSystem/$lookup?system=${system}&version=1&code=c1`);
    expect(of(pinned, 'display')).toBe('Other');
    expect((await listSystems(documents)).map(one => [one.version, one.concepts])).toEqual([
      ['1', 1],
      ['2', 1],
    ]);
    expect(await documents.list('terminology-pieces'), 'no piece is left behind').toHaveLength(2);
    for (const version of ['1', '2']) expect(await forgetSystem(documents, system, version)).toBe(true);
    expect(await forgetSystem(documents, system, '2')).toBe(false);
    await announce(documents);
    await vi.waitFor(async () => expect(await display('c1')).toBeUndefined(), within);
    expect(await documents.list('terminology-pieces')).toHaveLength(0);
  });
});

const mongo = process.env['MONGODB_URL'] === undefined;
describe.skipIf(mongo)(`two processes on MongoDB${mongo ? ' (skipped: MONGODB_URL is not set)' : ''}`, () => {
  it('know what the other has stored, changed and deleted', async () => {
    const mongoDatabase = `tsela_test_two_${process.pid}`;
    const one = await openTsela('MongoDB', { mongoDatabase });
    const two = await openTsela('MongoDB', { mongoDatabase });
    const resource = (code: string) => ({
      resourceType: 'CodeSystem',
      id: 'shared',
      url: 'urn:shared',
      status: 'active',
      content: 'complete',
      concept: [{ code, display: code }],
    });
    const known = async (tsela: Tsela, code: string): Promise<boolean> =>
      (await tsela.send('GET', `CodeSystem/$lookup?system=urn:shared&code=${code}`)).status === 200;
    try {
      expect(await known(two, 'a')).toBe(false);
      await one.send('PUT', 'CodeSystem/shared', resource('a'));
      expect(await known(one, 'a')).toBe(true);
      await vi.waitFor(async () => expect(await known(two, 'a')).toBe(true), within);
      await two.send('PUT', 'CodeSystem/shared', resource('b'));
      expect(await known(two, 'b')).toBe(true);
      await vi.waitFor(async () => expect(await known(one, 'b')).toBe(true), within);
      await one.send('DELETE', 'CodeSystem/shared');
      expect(await known(one, 'b')).toBe(false);
      await vi.waitFor(async () => expect(await known(two, 'b')).toBe(false), within);
    } finally {
      await two.close();
      await one.close();
    }
  });
});
