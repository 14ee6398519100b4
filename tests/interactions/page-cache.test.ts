// A page of a search may be sent again only while it is what a new search would say, and only to the same grant.
import { expect, it } from 'vitest';
import type { Grant } from '../../src/auth/grant.js';
import { onEveryStore, openTsela, type Answer } from '../system.js';

const idsOf = (answer: Answer): string[] => {
  expect(answer.status, answer.text).toBe(200);
  return ((answer.body['entry'] ?? []) as { resource: { id: string } }[]).map(entry => entry.resource.id);
};
const put = (id: string, birthDate: string) => ({ resourceType: 'Patient', id, birthDate });

onEveryStore('pages sent again', {}, tsela => {
  const get = (url: string, headers = {}) => tsela().send('GET', url, undefined, headers);

  it('are the same to the byte where the store can tell that nothing has changed, and searched anew elsewhere', async () => {
    for (const id of ['a', 'b', 'c']) await tsela().send('PUT', `Patient/${id}`, put(id, '2001'));
    // The next link holds a nonce: equal text was made once.
    const [first, again] = [await get('Patient?_count=2'), await get('Patient?_count=2')];
    expect(again.text === first.text).toBe(tsela().system.store.generation !== undefined);
    expect(idsOf(again)).toEqual(idsOf(first));
    const posted = await tsela().send('POST', 'Patient/_search?_count=2');
    expect(posted.text).not.toBe(first.text);
  });

  it('differ by address, base parameters and handling', async () => {
    expect(idsOf(await get('Patient?_id=a'))).toEqual(['a']);
    expect(idsOf(await get('Patient?_id=b'))).toEqual(['b']);
    expect((await get('Patient?_id=a&_pretty=true')).text).toContain('\n');
    const lenient = { prefer: 'handling=lenient' };
    expect((await get('Patient?_id=a&nonsense=1', lenient)).status).toBe(200);
    expect((await get('Patient?_id=a&nonsense=1')).status).toBe(400);
    expect((await get('Patient?_id=a&nonsense=1', lenient)).status).toBe(200);
  });

  it('are never those of another grant, however alike', async () => {
    const grantOf = (id: string): Grant => ({
      id: 'the same',
      principal: 'the same',
      visible: () => ({
        op: 'row',
        kind: 'token',
        param: '_id',
        where: [{ column: 'code', is: 'eq', value: id }],
      }),
      permits: () => true,
    });
    const [a, b] = [tsela().as(grantOf('a')), tsela().as(grantOf('b'))];
    for (let turn = 0; turn < 2; turn++) {
      expect(idsOf(await a('GET', 'Patient?_sort=_id'))).toEqual(['a']);
      expect(idsOf(await b('GET', 'Patient?_sort=_id'))).toEqual(['b']);
    }
  });

  it('show every write at once: 300 of all kinds, each followed by the same searches', async () => {
    const { send } = tsela();
    const alive = new Map<string, string>();
    let seed = 7;
    const random = (n: number): number => (seed = (seed * 48271) % 2147483647) % n;
    const tag = { tag: [{ code: 'model' }] };
    for (let step = 0; step < 300; step++) {
      const id = `m${random(12)}`;
      const year = String(1950 + random(50));
      const resource = { ...put(id, year), meta: tag };
      switch (random(4)) {
        case 0:
          expect((await send('DELETE', `Patient/${id}`)).status).toBeLessThan(300);
          alive.delete(id);
          break;
        case 1: {
          const entry = [{ resource, request: { method: 'PUT', url: `Patient/${id}` } }];
          const bundle = { resourceType: 'Bundle', type: 'transaction', entry };
          expect((await send('POST', '', bundle)).status).toBe(200);
          alive.set(id, year);
          break;
        }
        case 2: {
          // Refused: it changes nothing.
          const stale = await send('PUT', `Patient/${id}`, resource, { 'if-match': 'W/"9999"' });
          expect(stale.status).toBe(412);
          break;
        }
        default:
          expect((await send('PUT', `Patient/${id}`, resource)).status).toBeLessThan(300);
          alive.set(id, year);
      }
      for (let turn = 0; turn < 2; turn++) {
        expect(idsOf(await get('Patient?_tag=model&_sort=_id&_count=100'))).toEqual([...alive.keys()].sort());
        const young = [...alive].filter(([, born]) => born >= '1980').length;
        expect((await get('Patient?_tag=model&birthdate=ge1980&_summary=count')).body['total']).toBe(young);
      }
    }
  });
});

it('takes no more room than it is given, and none where that is 0', async () => {
  for (const [pageCache, keeps] of [
    [0, false],
    [16 * 8000, true],
  ] as const) {
    const tsela = await openTsela('SQLite', { pageCache });
    try {
      for (let i = 0; i < 60; i++) await tsela.send('PUT', `Patient/p${i}`, put(`p${i}`, '2001'));
      const text = async (url: string) => (await tsela.send('GET', url)).text;
      const first = await text('Patient?_count=2');
      expect((await text('Patient?_count=2')) === first).toBe(keeps);
      // Larger than a sixteenth of the room: never kept.
      expect(await text('Patient?_count=55')).not.toBe(await text('Patient?_count=55'));
      // Others push it out, the least used first.
      for (let i = 0; i < 200; i++) await text(`Patient?_count=2&_id:not=x${i}`);
      expect(await text('Patient?_count=2')).not.toBe(first);
    } finally {
      await tsela.close();
    }
  }
});
