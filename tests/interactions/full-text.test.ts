// `_text` and `_content` over the whole way: writes of all kinds, grants, transactions, conditional interactions.
// https://hl7.org/fhir/R4/search.html#content
import { beforeAll, expect, it } from 'vitest';
import type { Grant } from '../../src/auth/grant.js';
import { onEveryStore, type Answer } from '../system.js';

const idsOf = (answer: Answer): string[] => {
  expect(answer.status, answer.text).toBe(200);
  return ((answer.body['entry'] ?? []) as { resource: { id: string } }[]).map(entry => entry.resource.id);
};
const note = (id: string, text: string, tag = 'open'): object => ({
  resourceType: 'Basic',
  id,
  meta: { tag: [{ code: tag }] },
  code: { text },
});
/** Sees what has the tag `open`. */
const narrow: Grant = {
  id: 'narrow',
  principal: 'narrow',
  visible: () => ({
    op: 'row',
    kind: 'token',
    param: '_tag',
    where: [{ column: 'code', is: 'eq', value: 'open' }],
  }),
  permits: () => true,
};

onEveryStore('full text', {}, tsela => {
  const found = async (query: string) => idsOf(await tsela().send('GET', `Basic?${query}`));
  beforeAll(async () => {
    await tsela().send('PUT', 'Basic/a', note('a', 'Severe headache'));
    await tsela().send('PUT', 'Basic/b', note('b', 'severe cough', 'closed'));
  });

  it('follows every write', async () => {
    expect(await found('_content=severe')).toEqual(['a', 'b']);
    await tsela().send('PUT', 'Basic/c', note('c', 'mild cough'));
    expect(await found('_content=cough')).toEqual(['b', 'c']);
    await tsela().send('PUT', 'Basic/c', note('c', 'mild fever'));
    expect(await found('_content=cough')).toEqual(['b']);
    const patch = [{ op: 'replace', path: '/code/text', value: 'patched' }];
    const patched = await tsela().send('PATCH', 'Basic/c', patch, {
      'content-type': 'application/json-patch+json',
    });
    expect(patched.status, patched.text).toBe(200);
    expect(await found('_content=fever')).toEqual([]);
    expect(await found('_content=patched')).toEqual(['c']);
    await tsela().send('DELETE', 'Basic/c');
    expect(await found('_content=patched')).toEqual([]);
    await tsela().send('PUT', 'Basic/c', note('c', 'back'));
    expect(await found('_content=back')).toEqual(['c']);
    await tsela().send('DELETE', 'Basic/c');
  });

  it('finds within what the caller sees', async () => {
    const get = tsela().as(narrow);
    expect(idsOf(await get('GET', 'Basic?_content=severe'))).toEqual(['a']);
    expect(idsOf(await get('GET', 'Basic?_content=-headache'))).toEqual([]);
    expect((await get('GET', 'Basic?_content=cough&_summary=count')).body['total']).toBe(0);
  });

  it('judges criteria of words within a transaction', async () => {
    const entry = (text: string) => ({
      resource: { resourceType: 'Basic', code: { text } },
      request: { method: 'POST', url: 'Basic', ifNoneExist: '_content="only once"' },
    });
    const bundle = { resourceType: 'Bundle', type: 'transaction', entry: [entry('This only once.')] };
    const statuses = [];
    for (let i = 0; i < 2; i++) {
      const answer = await tsela().send('POST', '', bundle);
      expect(answer.status, answer.text).toBe(200);
      statuses.push((answer.body['entry'] as { response: { status: string } }[])[0]!.response.status);
    }
    expect(statuses.map(status => status.slice(0, 3))).toEqual(['201', '200']);
  });
});
