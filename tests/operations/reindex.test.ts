// $reindex: custom search parameters on every store, from being stored to being given up. docs/search-parameters.md
import { beforeAll, expect, test } from 'vitest';
import { onEveryStore, type Answer, type Tsela } from '../system.js';

type Json = Record<string, unknown>;

const custom = (code: string, more: Json): Json => ({
  resourceType: 'SearchParameter',
  id: code,
  url: `http://example.org/SearchParameter/${code}`,
  name: code.replaceAll('-', '_'),
  status: 'active',
  description: `Test of ${code}`,
  code,
  base: ['Patient'],
  ...more,
});

/** Polls the status address until the job is over. */
export async function settled({ send }: Tsela, accepted: Answer): Promise<Answer> {
  expect(accepted.status, accepted.text).toBe(202);
  const where = accepted.headers['content-location']!.split('/fhir/')[1]!;
  for (;;) {
    const status = await send('GET', where);
    if (status.status !== 202) return status;
    expect(status.headers['x-progress']).toBeTruthy();
    await new Promise(resolve => setTimeout(resolve, 20));
  }
}

const idsOf = ({ body, status, text }: Answer): string[] => {
  expect(status, text).toBe(200);
  return ((body['entry'] ?? []) as { resource: { id: string } }[]).map(entry => entry.resource.id);
};

onEveryStore('custom search parameters', {}, tsela => {
  beforeAll(async () => {
    tsela().system.work();
    const { send } = tsela();
    for (const [i, colour] of ['red', 'green', 'blue', 'Red'].entries()) {
      const patient = {
        resourceType: 'Patient',
        id: `p${i}`,
        extension: [{ url: 'http://example.org/colour', valueString: colour }],
        maritalStatus: { text: colour },
        ...(i === 0 ? {} : { link: [{ other: { reference: 'Patient/p0' }, type: 'seealso' }] }),
      };
      expect((await send('PUT', `Patient/p${i}`, patient)).status).toBe(201);
    }
    const observation = {
      resourceType: 'Observation',
      id: 'o1',
      status: 'final',
      code: { text: 'x' },
      subject: { reference: 'Patient/p1' },
    };
    expect((await send('PUT', 'Observation/o1', observation)).status).toBe(201);
  });

  test('storing changes nothing; $reindex makes it searchable, sortable, chainable', async () => {
    const { send } = tsela();
    const colour = custom('colour', {
      type: 'string',
      expression: "Patient.extension.where(url = 'http://example.org/colour').value",
    });
    expect((await send('PUT', 'SearchParameter/colour', colour)).status).toBe(201);
    const unknown = await send('GET', 'Patient?colour=red');
    expect(unknown.status).toBe(400);
    expect(unknown.text).toContain('has no search parameter');

    const done = await settled(tsela(), await send('POST', 'SearchParameter/colour/$reindex'));
    expect(done.status, done.text).toBe(200);
    expect(done.body['parameter']).toEqual([
      { name: 'activated', valueCanonical: colour['url'] },
      { name: 'resources', valueInteger: 4 },
    ]);
    expect(idsOf(await send('GET', 'Patient?colour=red'))).toEqual(['p0', 'p3']);
    expect(idsOf(await send('GET', 'Patient?colour:exact=Red'))).toEqual(['p3']);
    expect(idsOf(await send('GET', 'Patient?colour=yellow'))).toEqual([]);
    expect(idsOf(await send('GET', 'Patient?_sort=colour&colour:missing=false'))).toEqual(['p2', 'p1', 'p0', 'p3']); // prettier-ignore
    expect(idsOf(await send('GET', 'Patient?_sort=-colour&_count=2'))).toEqual(['p0', 'p3']);
    expect(idsOf(await send('GET', 'Observation?subject:Patient.colour=green'))).toEqual(['o1']);
    expect(idsOf(await send('GET', 'Observation?patient.colour=green'))).toEqual(['o1']);
    expect(idsOf(await send('GET', 'Observation?patient.colour=blue'))).toEqual([]);
    expect(idsOf(await send('GET', 'Patient?_filter=colour eq "green"'))).toEqual(['p1']);
    const again = await send('POST', 'SearchParameter/colour/$reindex');
    expect(again.status).toBe(200);
    const statement = await send('GET', 'metadata');
    const rest = statement.body['rest'][0] as { resource: { type: string; searchParam: Json[] }[] };
    expect(rest.resource.find(one => one.type === 'Patient')!.searchParam).toContainEqual({
      name: 'colour',
      type: 'string',
      definition: colour['url'],
    });
  });
});
