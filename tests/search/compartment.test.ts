// Searches in compartments: Patient/1/Observation, Patient/1/*. https://hl7.org/fhir/R4/http.html#vsearch
import { beforeAll, describe, expect, it } from 'vitest';
import type { Grant } from '../../src/auth/grant.js';
import { inCompartment, typesInCompartment } from '../../src/search/compartment.js';
import { indexRows } from '../../src/search/index-rows.js';
import { matches, type Resolve } from '../../src/search/matches.js';
import { none } from '../../src/search/plan.js';
import { base, onEveryStore, type Answer, type Send } from '../system.js';

const reference = (target: string) => ({ reference: target });
const observation = (id: string, code: string, more: object) => ({
  resourceType: 'Observation',
  id,
  status: 'final',
  code: { coding: [{ system: 'http://loinc.org', code }] },
  ...more,
});

const given = [
  { resourceType: 'Organization', id: 'o1', name: 'Somewhere' },
  { resourceType: 'Practitioner', id: 'd1' },
  { resourceType: 'Device', id: 'dev1' },
  { resourceType: 'Patient', id: '1', generalPractitioner: [reference('Practitioner/d1')] },
  { resourceType: 'Patient', id: '2' },
  { resourceType: 'Patient', id: '3', link: [{ other: reference('Patient/1'), type: 'seealso' }] },
  { resourceType: 'RelatedPerson', id: 'r1', patient: reference('Patient/1') },
  {
    resourceType: 'Encounter',
    id: 'e1',
    status: 'finished',
    class: { code: 'AMB' },
    subject: reference('Patient/1'),
    serviceProvider: reference('Organization/o1'),
  },
  observation('b1', '8480-6', {
    subject: reference('Patient/1'),
    encounter: reference('Encounter/e1'),
    performer: [reference('Practitioner/d1')],
    effectiveDateTime: '2024-01-02',
  }),
  observation('b2', '8462-4', {
    subject: reference(`${base}/Patient/1`),
    device: reference('Device/dev1'),
    effectiveDateTime: '2024-01-01',
  }),
  // About another patient, made by this one.
  observation('b3', '8480-6', {
    subject: reference('Patient/2'),
    performer: [reference('Patient/1'), reference('RelatedPerson/r1')],
    effectiveDateTime: '2024-01-03',
  }),
  observation('b4', '8480-6', { subject: reference('Patient/2') }),
  {
    resourceType: 'Condition',
    id: 'c1',
    code: { text: 'cough' },
    subject: reference('Patient/1'),
    encounter: reference('Encounter/e1'),
  },
];

/** Membership is told by the resource alone. */
const follows: Resolve = {
  target() {
    throw new Error('A compartment needs no link');
  },
  referrers() {
    throw new Error('A compartment needs no link');
  },
};

const found = (answer: Answer, mode = 'match'): string[] => {
  expect(answer.status, answer.text).toBe(200);
  const entries = (answer.body['entry'] ?? []) as {
    fullUrl: string;
    search: { mode: string };
  }[];
  return entries
    .filter(entry => entry.search.mode === mode)
    .map(entry => entry.fullUrl.slice(base.length + 1));
};

/** Follows the next links; every page but the last is full. */
async function pages(send: Send, url: string): Promise<string[][]> {
  const all: string[][] = [];
  for (let next: string | undefined = url; next !== undefined;) {
    const answer: Answer = await send('GET', next);
    all.push(found(answer));
    const links = answer.body['link'] as { relation: string; url: string }[];
    next = links.find(link => link.relation === 'next')?.url.slice(base.length + 1);
  }
  return all;
}

onEveryStore('compartments', {}, tsela => {
  beforeAll(async () => {
    for (const resource of given) {
      const answer = await tsela().send('PUT', `${resource.resourceType}/${resource.id}`, resource);
      expect(answer.status, answer.text).toBe(201);
    }
  });
  const get = (url: string) => tsela().send('GET', url);

  it.each([
    ['Patient/1/Observation', 'Observation/b1 Observation/b2 Observation/b3'],
    ['Patient/2/Observation', 'Observation/b3 Observation/b4'],
    ['Patient/3/Observation', ''],
    ['Patient/1/Observation?code=http://loinc.org|8480-6', 'Observation/b1 Observation/b3'],
    ['Patient/1/Observation?patient=2', 'Observation/b3'],
    ['Patient/1/Observation?patient.link=Patient/1', ''],
    ['Patient/1/Observation?code:not=8480-6', 'Observation/b2'],
    ['Patient/1/Observation?_sort=-date', 'Observation/b3 Observation/b1 Observation/b2'],
    ['Patient/1/Patient', 'Patient/1 Patient/3'],
    ['Patient/1/RelatedPerson', 'RelatedPerson/r1'],
    ['Encounter/e1/Observation', 'Observation/b1'],
    ['Encounter/e1/Condition', 'Condition/c1'],
    ['Encounter/e1/Encounter', 'Encounter/e1'],
    ['Encounter/e1/*', 'Encounter/e1 Observation/b1 Condition/c1'],
    ['Practitioner/d1/Patient', 'Patient/1'],
    ['Practitioner/d1/*', 'Practitioner/d1 Patient/1 Observation/b1'],
    ['RelatedPerson/r1/*', 'RelatedPerson/r1 Observation/b3'],
    ['Device/dev1/*', 'Device/dev1 Observation/b2'],
    [
      'Patient/1/*',
      'Patient/1 Patient/3 RelatedPerson/r1 Encounter/e1 Observation/b1 Observation/b2 Observation/b3 Condition/c1',
    ],
    ['Patient/1/*?_type=Condition,Encounter', 'Encounter/e1 Condition/c1'],
    ['Patient/1/*?_id=1', 'Patient/1'],
    ['Patient/1/*?_type=Observation,Condition&code=8480-6', 'Observation/b1 Observation/b3'],
  ])('%s finds %s', async (url, expected) => {
    expect(found(await get(url)).join(' ')).toBe(expected);
  });

  it.each([
    ['Patient', '1'],
    ['Patient', '2'],
    ['Encounter', 'e1'],
    ['Practitioner', 'd1'],
    ['RelatedPerson', 'r1'],
    ['Device', 'dev1'],
  ] as const)('finds of %s/%s what matches finds', async (compartment, id) => {
    const types = typesInCompartment(compartment);
    const node = inCompartment(compartment, id, types);
    const inMemory = given.filter(resource => {
      const ref = { type: resource.resourceType, id: resource.id };
      const rows = indexRows(resource, { bases: [base] });
      return types.includes(ref.type) && matches(node, { ref, lastUpdated: 0, rows }, follows) === true;
    });
    expect(found(await get(`${compartment}/${id}/*`))).toEqual(
      inMemory.map(resource => `${resource.resourceType}/${resource.id}`),
    );
  });

  it('answers POST, with the parameters of URL and body', async () => {
    const form = { 'content-type': 'application/x-www-form-urlencoded' };
    const one = await tsela().send('POST', 'Patient/1/Observation/_search?_sort=date', 'code=8480-6', form);
    expect(found(one)).toEqual(['Observation/b1', 'Observation/b3']);
    expect(one.body['link'][0]).toEqual({
      relation: 'self',
      url: `${base}/Patient/1/Observation?_sort=date&code=8480-6`,
    });
    const every = await tsela().send('POST', 'Patient/1/*/_search', '_type=Condition', form);
    expect(found(every)).toEqual(['Condition/c1']);
  });

  it('counts, includes and summarises like any search', async () => {
    expect((await get('Patient/1/*?_summary=count')).body['total']).toBe(8);
    expect((await get('Patient/1/Observation?_total=accurate&_count=1')).body['total']).toBe(3);
    const including = await get(
      'Patient/1/Encounter?_include=Encounter:subject&_revinclude=Observation:encounter',
    );
    expect(found(including)).toEqual(['Encounter/e1']);
    expect(found(including, 'include')).toEqual(['Patient/1', 'Observation/b1']);
    const [entry] = (await get('Patient/1/Observation?_elements=status&_count=1')).body['entry'];
    expect(entry.resource.effectiveDateTime).toBeUndefined();
  });

  it('pages by links that are bound to the compartment', async () => {
    const whole = found(await get('Patient/1/*'));
    const paged = await pages(tsela().send, 'Patient/1/*?_count=3');
    expect(paged.map(page => page.length)).toEqual([3, 3, 2]);
    expect(paged.flat()).toEqual(whole);
    const links = (await get('Patient/1/Observation?_count=1')).body['link'] as { url: string }[];
    const { searchParams } = new URL(links[1]!.url);
    const cursor = searchParams.get('_cursor')!;
    for (const elsewhere of ['Observation', 'Patient/2/Observation', 'Patient/1/*', 'Patient/1/Condition'])
      expect((await get(`${elsewhere}?_cursor=${encodeURIComponent(cursor)}`)).status).toBe(400);
    expect(found(await get(`Patient/1/Observation?_cursor=${cursor}`))).toEqual(['Observation/b2']);
  });

  it.each([
    ['Patient/nobody/Observation', 404, 'There is no Patient/nobody.'],
    ['Patient/nobody/*', 404, 'There is no Patient/nobody.'],
    ['Patient/1/Organization', 404, 'never in the compartment'],
    ['Observation/b1/Patient', 404, 'nothing at this address'],
    ['Patient/1/Nothing', 404, 'nothing at this address'],
    ['Patient/1/*?_type=Organization', 400, 'never finds'],
    ['Patient/1/Observation?_type=Observation', 400, '_type'],
    ['Patient/1/Observation?colour=red', 400, 'colour'],
  ])('%s is refused with %i', async (url, status, message) => {
    const answer = await get(url);
    expect(answer.status).toBe(status);
    expect(answer.text).toContain(message);
  });

  it('leaves the other paths below a resource as they were', async () => {
    expect((await get('Patient/1/_history')).body['type']).toBe('history');
    expect((await get('Patient/1/$meta')).body['resourceType']).toBe('Parameters');
    expect((await get('Patient/1/_search')).status).toBe(404);
    expect((await tsela().send('DELETE', 'Patient/1/Observation')).status).toBe(405);
  });

  it('is announced', async () => {
    const [rest] = (await get('metadata')).body['rest'];
    expect(rest.compartment).toContain('http://hl7.org/fhir/CompartmentDefinition/patient');
    expect(rest.compartment).toHaveLength(5);
    expect(rest.interaction.map((one: { code: string }) => one.code)).not.toContain('search-type');
  });

  describe('for a restricted grant', () => {
    /** Sees one patient and observations of one code, may not search conditions. */
    const grant: Grant = {
      id: 'nurse',
      principal: 'nurse',
      permits: (_permission, type) => type !== 'Condition',
      visible(type) {
        if (type === 'Patient')
          return {
            op: 'row',
            kind: 'token',
            param: '_id',
            where: [{ column: 'code', is: 'eq', value: '1' }],
          };
        if (type === 'Observation')
          return {
            op: 'row',
            kind: 'token',
            param: 'code',
            where: [{ column: 'code', is: 'eq', value: '8480-6' }],
          };
        return type === 'Encounter' ? { op: 'all' } : none;
      },
    };
    it('shows what it sees and no more', async () => {
      const send = tsela().as(grant);
      expect(found(await send('GET', 'Patient/1/*'))).toEqual([
        'Patient/1',
        'Encounter/e1',
        'Observation/b1',
        'Observation/b3',
      ]);
      expect(found(await send('GET', 'Patient/1/Observation'))).toEqual(['Observation/b1', 'Observation/b3']);
      expect((await send('GET', 'Patient/1/Condition')).status).toBe(403);
      expect((await send('GET', 'Patient/1/*?_type=Condition')).status).toBe(403);
    });
    it('answers for a hidden resource as for one that is not there', async () => {
      const send = tsela().as(grant);
      const hidden = await send('GET', 'Patient/2/Observation');
      const absent = await send('GET', 'Patient/4/Observation');
      expect([hidden.status, absent.status]).toEqual([404, 404]);
      expect(hidden.text.replaceAll('Patient/2', '')).toBe(absent.text.replaceAll('Patient/4', ''));
    });
  });

  it('ends with the resource it is about', async () => {
    await tsela().send('PUT', 'Patient/gone', { resourceType: 'Patient', id: 'gone' });
    expect((await get('Patient/gone/Observation')).status).toBe(200);
    await tsela().send('DELETE', 'Patient/gone');
    expect((await get('Patient/gone/Observation')).status).toBe(404);
  });
});
