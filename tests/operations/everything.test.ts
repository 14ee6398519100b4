// $everything of patients and encounters, on small records and on Synthea's.
// https://hl7.org/fhir/R4/patient-operation-everything.html
import { existsSync, readFileSync } from 'node:fs';
import { gunzipSync } from 'node:zlib';
import { beforeAll, describe, expect, it } from 'vitest';
import type { Grant } from '../../src/auth/grant.js';
import { careDates } from '../../src/operations/care-dates.js';
import { all, none, type Node } from '../../src/search/plan.js';
import { parametersOf } from '../../src/search/parameters.js';
import { base, nextMillisecond, onEveryStore, type Answer, type Send } from '../system.js';

interface BundleEntry {
  fullUrl: string;
  resource: { resourceType: string; id: string };
  search: { mode: string };
}
const entriesOf = (answer: Answer): BundleEntry[] => {
  expect(answer.status, answer.text.slice(0, 500)).toBe(200);
  expect(answer.body['type']).toBe('searchset');
  return (answer.body['entry'] ?? []) as BundleEntry[];
};
const keyOf = ({ fullUrl }: BundleEntry): string => fullUrl.slice(base.length + 1);
const matches = (answer: Answer): string[] =>
  entriesOf(answer)
    .filter(entry => entry.search.mode === 'match')
    .map(keyOf);
const includes = (answer: Answer): string[] =>
  entriesOf(answer)
    .filter(entry => entry.search.mode === 'include')
    .map(keyOf);
const nextOf = (answer: Answer): string | undefined =>
  (answer.body['link'] as { relation: string; url: string }[])
    .find(link => link.relation === 'next')
    ?.url.slice(base.length + 1);

/** All pages; each but the last is full. */
async function pages(send: Send, url: string): Promise<string[][]> {
  const found: string[][] = [];
  for (let next: string | undefined = url; next !== undefined;) {
    const answer: Answer = await send('GET', next);
    found.push(entriesOf(answer).map(keyOf));
    next = nextOf(answer);
  }
  expect(new Set(found.slice(0, -1).map(page => page.length)).size).toBeLessThan(2);
  return found;
}

const to = (target: string) => ({ reference: target });
const encounter = (id: string, patient: string, start: string, more: object = {}) => ({
  resourceType: 'Encounter',
  id,
  status: 'finished',
  class: { code: 'AMB' },
  subject: to(patient),
  period: { start, end: start },
  ...more,
});
const observation = (id: string, patient: string, more: object) => ({
  resourceType: 'Observation',
  id,
  status: 'final',
  code: { text: 'observed' },
  subject: to(patient),
  ...more,
});
const given = [
  { resourceType: 'Organization', id: 'clinic', name: 'Clinic' },
  { resourceType: 'Organization', id: 'elsewhere', name: 'Elsewhere' },
  { resourceType: 'Location', id: 'room' },
  { resourceType: 'Practitioner', id: 'doctor' },
  { resourceType: 'Practitioner', id: 'idle' },
  { resourceType: 'Medication', id: 'pill' },
  { resourceType: 'Patient', id: '1', managingOrganization: to('Organization/clinic') },
  { resourceType: 'Patient', id: '2', managingOrganization: to('Organization/elsewhere') },
  encounter('e1', 'Patient/1', '2020-05-01', { location: [{ location: to('Location/room') }] }),
  encounter('e2', 'Patient/1', '2022-05-01', {
    participant: [{ individual: to(`${base}/Practitioner/doctor`) }],
  }),
  encounter('e3', 'Patient/2', '2022-05-01'),
  observation('b1', 'Patient/1', { encounter: to('Encounter/e1'), effectiveDateTime: '2020-05-01' }),
  observation('b2', 'Patient/1', {
    encounter: to('Encounter/e2'),
    effectiveDateTime: '2022-05-01',
    performer: [to('Practitioner/doctor'), to('Organization/clinic')],
    // Another patient's, and not to be sent with this one's.
    hasMember: [to('Observation/b4')],
  }),
  observation('b3', 'Patient/1', {}),
  observation('b4', 'Patient/2', { effectiveDateTime: '2022-05-01' }),
  {
    resourceType: 'Condition',
    id: 'c1',
    subject: to('Patient/1'),
    encounter: to('Encounter/e1'),
    onsetDateTime: '2020-05-01',
  },
  {
    resourceType: 'Condition',
    id: 'c2',
    subject: to('Patient/1'),
    onsetDateTime: '2020-05-01',
    clinicalStatus: {
      coding: [{ system: 'http://terminology.hl7.org/CodeSystem/condition-clinical', code: 'resolved' }],
    },
    abatementDateTime: '2020-06',
  },
  {
    resourceType: 'AllergyIntolerance',
    id: 'a1',
    patient: to('Patient/1'),
    clinicalStatus: {
      coding: [
        { system: 'http://terminology.hl7.org/CodeSystem/allergyintolerance-clinical', code: 'active' },
      ],
    },
  },
  {
    resourceType: 'MedicationRequest',
    id: 'm1',
    status: 'active',
    intent: 'order',
    subject: to('Patient/1'),
    medicationReference: to('Medication/pill'),
    authoredOn: '2022-05-01',
    encounter: to('Encounter/e2'),
  },
  {
    resourceType: 'Group',
    id: 'g1',
    type: 'person',
    actual: true,
    member: [{ entity: to('Patient/1') }, { entity: to('Patient/2') }],
  },
];
const members =
  'Patient/1 Encounter/e1 Encounter/e2 Observation/b1 Observation/b2 Observation/b3 Condition/c1 Condition/c2 ' +
  'AllergyIntolerance/a1 MedicationRequest/m1 Group/g1';
const referred = 'Location/room Medication/pill Organization/clinic Practitioner/doctor';
const words = (text: string): string[] => text.split(' ').filter(Boolean);

onEveryStore('$everything', {}, tsela => {
  beforeAll(async () => {
    for (const resource of given) {
      await nextMillisecond(); // a test asks for what came after one of them
      const answer = await tsela().send('PUT', `${resource.resourceType}/${resource.id}`, resource);
      expect(answer.status, answer.text).toBe(201);
    }
  });
  const get = (url: string) => tsela().send('GET', url);
  const parameters = (...parameter: object[]) => ({ resourceType: 'Parameters', parameter });

  it('of a patient is the compartment and what it refers to, without what is of others', async () => {
    const answer = await get('Patient/1/$everything');
    expect(matches(answer)).toEqual(words(members));
    expect(includes(answer)).toEqual(words(referred));
    expect(nextOf(answer)).toBeUndefined();
    const again = await get('Patient/1/$everything');
    expect(entriesOf(again)).toEqual(entriesOf(answer));
  });

  it('of an encounter is the same for the encounter, and its patient', async () => {
    const answer = await get('Encounter/e2/$everything');
    expect(matches(answer)).toEqual(words('Encounter/e2 Observation/b2 MedicationRequest/m1'));
    expect(includes(answer)).toEqual(
      words('Medication/pill Organization/clinic Patient/1 Practitioner/doctor'),
    );
  });

  it('of all patients is every record, and the directory', async () => {
    const whole = await get('Patient/$everything');
    expect(matches(whole)).toHaveLength(words(members).length + 3);
    expect(includes(whole).sort()).toEqual(
      words(
        'Location/room Medication/pill Organization/clinic Organization/elsewhere Practitioner/doctor Practitioner/idle',
      ),
    );
    expect((await pages(tsela().send, 'Patient/$everything?_count=5')).flat()).toEqual(
      entriesOf(whole).map(keyOf),
    );
  });

  it.each([1, 2, 4, 11, 14, 15, 100])('paged by %i is the same as in one', async count => {
    const paged = await pages(tsela().send, `Patient/1/$everything?_count=${count}`);
    expect(paged.flat()).toEqual(words(`${members} ${referred}`));
    expect(paged).toHaveLength(Math.ceil(15 / count));
  });

  it.each([
    [
      'start=2021',
      'Patient/1 Encounter/e2 Observation/b2 Observation/b3 Condition/c1 AllergyIntolerance/a1 MedicationRequest/m1 Group/g1',
    ],
    [
      'end=2021-01-01',
      'Patient/1 Encounter/e1 Observation/b1 Observation/b3 Condition/c1 Condition/c2 AllergyIntolerance/a1 Group/g1',
    ],
    [
      'start=2020-06&end=2020-07',
      'Patient/1 Observation/b3 Condition/c1 Condition/c2 AllergyIntolerance/a1 Group/g1',
    ],
    ['start=2020-05-01&end=2020-05-01&_type=Encounter', 'Encounter/e1'],
    [
      '_type=Encounter,Condition&_type=Patient',
      'Patient/1 Encounter/e1 Encounter/e2 Condition/c1 Condition/c2',
    ],
    ['_since=2001-01-01T00:00:00Z', members],
    ['_since=2201-01-01T00:00:00Z', ''],
  ])('%s leaves %s', async (query, expected) => {
    expect(matches(await get(`Patient/1/$everything?${query}`))).toEqual(words(expected));
  });

  it('narrows what is referred to as well', async () => {
    const types = await get('Patient/1/$everything?_type=Practitioner,Patient');
    expect([matches(types), includes(types)]).toEqual([['Patient/1'], ['Practitioner/doctor']]);
    // The range has one encounter, without the doctor; its room comes with it.
    expect(includes(await get('Patient/1/$everything?end=2021-01-01'))).toEqual([
      'Location/room',
      'Organization/clinic',
    ]);
    expect(includes(await get('Patient/1/$everything?_since=2201-01-01T00:00:00Z'))).toEqual([]);
  });

  it('sends what was changed since an instant', async () => {
    const before = await get('Practitioner/idle');
    const changed = await tsela().send(
      'PUT',
      'Observation/b3',
      observation('b3', 'Patient/1', { issued: '2024-01-01T00:00:00Z' }),
    );
    const since = encodeURIComponent(changed.body['meta'].lastUpdated as string);
    expect(matches(await get(`Patient/1/$everything?_since=${since}`))).toEqual(['Observation/b3']);
    const early = encodeURIComponent(before.body['meta'].lastUpdated as string);
    expect(includes(await get(`Patient/1/$everything?_since=${early}`))).toEqual(['Medication/pill']);
  });

  it('takes its parameters by POST', async () => {
    const answer = await tsela().send(
      'POST',
      'Patient/1/$everything',
      parameters(
        { name: 'start', valueDate: '2021-01-01' },
        { name: '_type', valueCode: 'Encounter' },
        { name: '_type', valueCode: 'Observation' },
        { name: '_count', valueInteger: 2 },
      ),
    );
    expect(matches(answer)).toEqual(['Encounter/e2', 'Observation/b2']);
    expect(matches(await get(nextOf(answer)!))).toEqual(['Observation/b3']);
    expect(matches(await tsela().send('POST', 'Patient/1/$everything'))).toHaveLength(11);
  });

  it('has links bound to the caller and the record', async () => {
    const next = nextOf(await get('Patient/1/$everything?_count=3&start=2000'))!;
    expect(next).not.toContain('2000');
    expect((await get(next.replace('Patient/1/', 'Patient/2/'))).status).toBe(400);
    const other: Grant = { id: 'another', principal: 'another', visible: () => all, permits: () => true };
    expect((await tsela().as(other)('GET', next)).status).toBe(400);
  });

  it.each([
    ['Patient/nobody/$everything', 404, 'There is no Patient/nobody'],
    ['Observation/b1/$everything', 404, '$everything is not here'],
    ['Encounter/$everything', 404, '$everything is not here'],
    ['Patient/1/$everything?colour=red', 400, 'start, end, _since, _type and _count'],
    ['Patient/1/$everything?start=soon', 400, 'soon'],
    ['Patient/1/$everything?start=2020&start=2021', 400, 'start is given twice'],
    ['Patient/1/$everything?_count=0', 400, '_count'],
    ['Patient/1/$everything?_type=Pateint', 400, 'Patient'],
    ['Patient/1/$everything?_cursor=x', 400, 'page link'],
  ])('%s is refused with %i', async (url, status, message) => {
    const answer = await get(url);
    expect(answer.status).toBe(status);
    expect(answer.text).toContain(message);
  });

  it('is announced for the types that have it', async () => {
    const resources = (await get('metadata')).body['rest'][0].resource as {
      type: string;
      operation: { name: string; definition: string }[];
    }[];
    const announced = resources.flatMap(({ operation }) =>
      operation.filter(one => one.name === 'everything'),
    );
    expect(announced.map(one => one.definition)).toEqual([
      'http://hl7.org/fhir/OperationDefinition/Encounter-everything',
      'http://hl7.org/fhir/OperationDefinition/Patient-everything',
    ]);
  });

  it('shows a restricted grant its part', async () => {
    const id = (value: string): Node => ({
      op: 'row',
      kind: 'token',
      param: '_id',
      where: [{ column: 'code', is: 'eq', value }],
    });
    const visible: Partial<Record<string, Node>> = {
      Patient: id('1'),
      Encounter: id('e1'),
      Observation: all,
      Organization: all,
      Medication: all,
    };
    const send = tsela().as({
      id: 'nurse',
      principal: 'nurse',
      permits: (permission, type) => permission === 'read' && type !== 'Medication',
      visible: type => visible[type] ?? none,
    });
    const answer = await send('GET', 'Patient/1/$everything');
    expect(matches(answer)).toEqual(
      words('Patient/1 Encounter/e1 Observation/b1 Observation/b2 Observation/b3'),
    );
    expect(includes(answer)).toEqual(['Organization/clinic']);
    const [hidden, absent] = [
      await send('GET', 'Patient/2/$everything'),
      await send('GET', 'Patient/4/$everything'),
    ];
    expect([hidden.status, absent.status]).toEqual([404, 404]);
    expect(hidden.text.replace('Patient/2', '')).toBe(absent.text.replace('Patient/4', ''));
    expect((await send('GET', 'Patient/$everything')).status).toBe(403);
  });

  it('says that a patient was deleted', async () => {
    await tsela().send('PUT', 'Patient/gone', { resourceType: 'Patient', id: 'gone' });
    await tsela().send('DELETE', 'Patient/gone');
    expect((await get('Patient/gone/$everything')).status).toBe(410);
  });
});

describe('dates of care', () => {
  it.each(careDates.flatMap(({ begins, ends, types }) => types.map(type => [type, begins, ends] as const)))(
    '%s is dated by %s and %s',
    (type, begins, ends) => {
      for (const param of [begins, ends]) expect(parametersOf(type).get(param)?.kind).toBe('date');
    },
  );
});

const folder = new URL('../../../shared/data/synthea/', import.meta.url);
const present = existsSync(folder);
const files = [
  'Buster_Hoeger_ad2e3fc5-2b5d-4cb9-8d03-9ea0f4ac8423.json.gz',
  'Jacob_Larson_0b324782-31d1-4659-89ab-58e075d6e61f.json.gz',
  'Catina_Witting_8e81f54b-b5e3-40b4-8497-88ba0d13f945.json.gz',
];

onEveryStore('$everything of Synthea records', {}, tsela => {
  it.skipIf(!present)(
    `gives back each bundle, whole and paged${present ? '' : ' (skipped: ../shared/data/synthea is absent)'}`,
    async () => {
      const bundles: string[][] = [];
      for (const file of files) {
        const answer = await tsela().send(
          'POST',
          '',
          gunzipSync(readFileSync(new URL(file, folder))).toString(),
        );
        expect(answer.status).toBe(200);
        const entries = answer.body['entry'] as { response: { location: string } }[];
        bundles.push(entries.map(({ response }) => /([^/]+\/[^/]+)\/_history/.exec(response.location)![1]!));
      }
      for (const bundle of bundles) {
        const patient = bundle.find(key => key.startsWith('Patient/'))!;
        const whole = await tsela().send('GET', `${patient}/$everything`);
        const keys = entriesOf(whole).map(keyOf);
        expect(nextOf(whole)).toBeUndefined();
        expect(new Set(keys).size).toBe(keys.length);
        expect([...keys].sort()).toEqual([...bundle].sort());
        expect((await pages(tsela().send, `${patient}/$everything?_count=50`)).flat()).toEqual(keys);
      }
    },
  );
});
