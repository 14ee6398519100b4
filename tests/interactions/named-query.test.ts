// `_query` over the whole way, and what the server says of its named queries.
// https://hl7.org/fhir/R4/search.html#query
import { beforeAll, expect, it } from 'vitest';
import { base, onEveryStore, type Answer } from '../system.js';

const idsOf = (answer: Answer): string[] => {
  expect(answer.status, answer.text).toBe(200);
  return ((answer.body['entry'] ?? []) as { resource: { id: string } }[]).map(entry => entry.resource.id);
};

onEveryStore('named queries', {}, tsela => {
  const get = (url: string) => tsela().send('GET', url);
  beforeAll(async () => {
    for (const family of ['Mokoena', 'Mokete', 'Sello'])
      await tsela().send('PUT', `Patient/${family}`, {
        resourceType: 'Patient',
        id: family,
        name: [{ family }],
      });
  });

  it('answer page by page, and the self link says what was asked', async () => {
    const first = await get('Patient?_query=find&words=mok&_count=1');
    expect(idsOf(first)).toEqual(['Mokete']);
    const links = first.body['link'] as { relation: string; url: string }[];
    expect(links.find(link => link.relation === 'self')?.url).toBe(
      `${base}/Patient?_query=find&words=mok&_count=1`,
    );
    const next = links.find(link => link.relation === 'next')!.url.slice(base.length + 1);
    expect(idsOf(await get(next))).toEqual(['Mokoena']);
  });

  it('are refused by name where there is none such, with lenient handling too', async () => {
    const answer = await tsela().send('GET', 'Patient?_query=nothing', undefined, {
      prefer: 'handling=lenient',
    });
    expect(answer.status).toBe(400);
    expect(answer.text).toContain('Patient?_query=find');
  });

  it('are announced, with a definition to be read', async () => {
    const { body } = await get('metadata');
    const resources = body['rest'][0].resource as {
      type: string;
      operation: { name: string; definition: string }[];
    }[];
    const announced = resources
      .find(one => one.type === 'Patient')!
      .operation.find(one => one.name === 'find')!;
    const definition = await get(announced.definition.slice(base.length + 1));
    expect(definition.body).toMatchObject({
      resourceType: 'OperationDefinition',
      kind: 'query',
      code: 'find',
      url: announced.definition,
      resource: ['Patient'],
      parameter: [{ name: 'words', min: 1, max: '1', searchType: 'string' }],
    });
    const { id: _id, ...unnamed } = definition.body;
    const checked = await tsela().send('POST', 'OperationDefinition', unnamed);
    expect(checked.status, checked.text).toBe(201);
    expect((await get(`OperationDefinition/${checked.body['id']}`)).body).toMatchObject({ code: 'find' });
    expect((await get('OperationDefinition/nothing')).status).toBe(404);
  });
});
