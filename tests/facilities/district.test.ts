// A running server with facilities: each has an address and a store of its own, and the district's address leads to one
// or to all of them.
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { readConfig } from '../../src/config.js';
import { putFacility } from '../../src/facilities/facility.js';
import { start, type Running } from '../../src/main.js';
import { openSqliteDocuments } from '../../src/storage/sqlite/documents.js';
import type { Json } from '../json.js';

let folder: string;
let running: Running;
const facilities = [
  { id: 'quthing', name: 'Quthing Hospital', organizations: ['Organization/q'], clients: [] },
  { id: 'maseru', name: 'Maseru Hospital', organizations: ['Organization/m'], clients: [] },
];

const at = (facility?: string): string =>
  `${running.origin}${facility === undefined ? '' : `/facilities/${facility}`}/fhir`;
async function ask(method: string, url: string, body?: object): Promise<{ status: number; body: Json }> {
  const answer = await fetch(url, {
    method,
    headers: { 'content-type': 'application/fhir+json' },
    ...(body === undefined ? {} : { body: JSON.stringify(body) }),
  });
  const text = await answer.text();
  return { status: answer.status, body: (text === '' ? {} : JSON.parse(text)) as Json };
}
const patient = (id: string, organization?: string, family = 'Mokoena') => ({
  resourceType: 'Patient',
  id,
  name: [{ family }],
  ...(organization === undefined ? {} : { managingOrganization: { reference: organization } }),
});
const idsIn = (bundle: Json): string[] =>
  ((bundle['entry'] ?? []) as Json[]).map(entry => entry['resource'].id as string);

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'tsela-district-'));
  const documents = await openSqliteDocuments({ path: join(folder, 'documents.sqlite') });
  for (const facility of facilities) await putFacility(documents, facility, true);
  await documents.close();
  running = await start(readConfig({ data: folder, port: '0', open: 'true', logLevel: 'silent' }, {}));
});
afterAll(async () => {
  await running?.close();
  rmSync(folder, { recursive: true, force: true });
});

it('keeps what is sent to a facility in its own store, with its own address in every link', async () => {
  const made = await ask('PUT', `${at('quthing')}/Patient/q1`, patient('q1'));
  expect(made.status).toBe(201);
  expect((await ask('GET', `${at('quthing')}/Patient/q1`)).status).toBe(200);
  expect((await ask('GET', `${at('maseru')}/Patient/q1`)).status).toBe(404);
  const page = await ask('GET', `${at('quthing')}/Patient?_count=1`);
  expect(page.body['link'][0].url).toContain(at('quthing'));
  expect(page.body['entry'][0].fullUrl).toBe(`${at('quthing')}/Patient/q1`);
  expect((await ask('GET', `${at('quthing')}/metadata`)).body['implementation'].url).toBe(at('quthing'));
});

it('answers 404 for a facility there is not, and for addresses that only look like one', async () => {
  for (const path of [
    '/facilities/nowhere/fhir/Patient',
    '/facilities/Quthing/fhir/Patient',
    '/facilities/quthing/fhirish',
  ])
    expect((await ask('GET', running.origin + path)).status).toBe(404);
});

it('sends a new patient to the facility of its organization, and what is about a patient after it', async () => {
  expect((await ask('PUT', `${at()}/Patient/m1`, patient('m1', 'Organization/m'))).status).toBe(201);
  expect((await ask('GET', `${at('maseru')}/Patient/m1`)).status).toBe(200);
  expect((await ask('GET', `${at('quthing')}/Patient/m1`)).status).toBe(404);
  const observation = {
    resourceType: 'Observation',
    id: 'o1',
    status: 'final',
    code: { text: 'weight' },
    subject: { reference: 'Patient/m1' },
  };
  expect((await ask('PUT', `${at()}/Observation/o1`, observation)).status).toBe(201);
  expect((await ask('GET', `${at('maseru')}/Observation/o1`)).status).toBe(200);
  // What belongs to no patient is the district's.
  const organization = { resourceType: 'Organization', id: 'm', name: 'Maseru Hospital' };
  expect((await ask('PUT', `${at()}/Organization/m`, organization)).status).toBe(201);
  expect((await ask('GET', `${at('maseru')}/Organization/m`)).status).toBe(404);
  expect((await ask('GET', `${at()}/Organization/m`)).status).toBe(200);
  const nowhere = await ask('PUT', `${at()}/Patient/lost`, patient('lost'));
  expect(nowhere.status).toBe(422);
  expect(nowhere.body['issue'][0].details.text).toContain('Nothing tells');
});

it('searches all facilities from the district, page by page, and changes a record where it is', async () => {
  for (let i = 0; i < 7; i++) {
    await ask('PUT', `${at('quthing')}/Patient/qs${i}`, patient(`qs${i}`, undefined, `Letsie-${i * 2}`));
    await ask('PUT', `${at('maseru')}/Patient/ms${i}`, patient(`ms${i}`, undefined, `Letsie-${i * 2 + 1}`));
  }
  const found: string[] = [];
  let url: string | undefined = `${at()}/Patient?family=Letsie&_sort=family&_count=4&_total=accurate`;
  while (url !== undefined) {
    const { status, body } = await ask('GET', url);
    expect(status, JSON.stringify(body)).toBe(200);
    found.push(...idsIn(body));
    url = (body['link'] as Json[]).find(({ relation }) => relation === 'next')?.['url'] as string | undefined;
  }
  expect(new Set(found).size).toBe(14);
  expect(found).toHaveLength(14);
  const family = (id: string): string => `Letsie-${Number(id.slice(2)) * 2 + (id.startsWith('m') ? 1 : 0)}`;
  expect(found.map(family)).toEqual(found.map(family).sort());

  const changed = await ask('PUT', `${at()}/Patient/qs3`, { ...patient('qs3'), active: true });
  expect(changed.status).toBe(200);
  expect((await ask('GET', `${at('quthing')}/Patient/qs3`)).body['active']).toBe(true);
  expect((await ask('DELETE', `${at()}/Patient/ms3`)).status).toBe(204);
  expect((await ask('GET', `${at('maseru')}/Patient/ms3`)).status).toBe(410);
});

it('refuses a transaction that would write to two facilities, and writes nothing of it', async () => {
  const entry = (resource: Json) => ({
    resource,
    request: { method: 'PUT', url: `${resource['resourceType']}/${resource['id']}` },
  });
  const bundle = {
    resourceType: 'Bundle',
    type: 'transaction',
    entry: [entry(patient('t1', 'Organization/q')), entry(patient('t2', 'Organization/m'))],
  };
  const answer = await ask('POST', at(), bundle);
  expect(answer.status).toBe(422);
  for (const id of ['t1', 't2']) expect((await ask('GET', `${at()}/Patient/${id}`)).status).toBe(404);
  const one = { ...bundle, entry: bundle.entry.slice(0, 1) };
  expect((await ask('POST', at(), one)).status).toBe(200);
  expect((await ask('GET', `${at('quthing')}/Patient/t1`)).status).toBe(200);
});

const moveTo = (facility: string) => ({
  resourceType: 'Parameters',
  parameter: [{ name: 'facility', valueCode: facility }],
});
const weight = (id: string, subject: string) => ({
  resourceType: 'Observation',
  id,
  status: 'final',
  code: { text: 'weight' },
  subject: { reference: subject },
});

it('moves a patient with all that is about them, and nothing else', async () => {
  await ask('PUT', `${at('maseru')}/Patient/mv1`, patient('mv1', 'Organization/m'));
  await ask('PUT', `${at('maseru')}/Patient/mv2`, { ...patient('mv2'), link: [{ other: { reference: 'Patient/mv1' }, type: 'seealso' }] }); // prettier-ignore
  for (let i = 0; i < 30; i++)
    await ask('PUT', `${at('maseru')}/Observation/mw${i}`, weight(`mw${i}`, 'Patient/mv1'));
  await ask('PUT', `${at('maseru')}/Observation/other`, weight('other', 'Patient/mv2'));
  const moved = await ask('POST', `${at()}/Patient/mv1/$move`, moveTo('quthing'));
  expect(moved.status, JSON.stringify(moved.body)).toBe(200);
  expect(moved.body['parameter'][0]).toEqual({ name: 'count', valueInteger: 31 });
  expect(
    (await ask('GET', `${at('quthing')}/Observation?subject=Patient/mv1&_summary=count`)).body['total'],
  ).toBe(30);
  expect((await ask('GET', `${at('maseru')}/Patient/mv1`)).status).toBe(410);
  expect((await ask('GET', `${at('maseru')}/Observation/mw3`)).status).toBe(410);
  for (const left of ['Patient/mv2', 'Observation/other'])
    expect((await ask('GET', `${at('maseru')}/${left}`)).status).toBe(200);
  // From the district it is where it is now, and can go back.
  expect((await ask('GET', `${at()}/Patient/mv1`)).status).toBe(200);
  expect((await ask('POST', `${at()}/Patient/mv1/$move`, moveTo('maseru'))).status).toBe(200);
  expect((await ask('GET', `${at('maseru')}/Observation/mw3`)).status).toBe(200);
  expect((await ask('GET', `${at()}/Observation?subject=Patient/mv1&_summary=count`)).body['total']).toBe(30);
});

it.each([
  ['a patient there is not', 'Patient/nobody', 'quthing', 404],
  ['a facility there is not', 'Patient/m1', 'nowhere', 404],
  ['where the patient is already', 'Patient/m1', 'maseru', 409],
])('refuses to move %s', async (_, ref, facility, status) => {
  expect((await ask('POST', `${at()}/${ref}/$move`, moveTo(facility))).status).toBe(status);
});

it('refuses to overwrite a record the other facility has, and to move at the address of one facility', async () => {
  await ask('PUT', `${at('maseru')}/Patient/both`, patient('both', undefined, 'One'));
  await ask('PUT', `${at('quthing')}/Patient/both`, patient('both', undefined, 'Another'));
  expect((await ask('GET', `${at()}/Patient/both`)).status).toBe(409);
  expect((await ask('POST', `${at()}/Patient/both/$move`, moveTo('quthing'))).status).toBe(409);
  expect((await ask('POST', `${at('maseru')}/Patient/mv1/$move`, moveTo('quthing'))).status).toBe(404);
  await ask('DELETE', `${at('quthing')}/Patient/both`);
});

it('finishes at the next start what a process that died had begun', async () => {
  for (const id of ['h1', 'h2'])
    await ask('PUT', `${at('maseru')}/Observation/${id}`, weight(id, 'Patient/half'));
  await ask('PUT', `${at('maseru')}/Patient/half`, patient('half'));
  // It died after the copy was made.
  await ask('PUT', `${at('quthing')}/Patient/half`, patient('half'));
  await ask('PUT', `${at('quthing')}/Observation/h1`, weight('h1', 'Patient/half'));
  await running.close();
  const documents = await openSqliteDocuments({ path: join(folder, 'documents.sqlite') });
  await documents.put('moves', 'half', { id: 'x', patient: 'half', from: 'maseru', to: 'quthing' });
  await documents.close();
  running = await start(readConfig({ data: folder, port: '0', open: 'true', logLevel: 'silent' }, {}));
  await expect.poll(async () => (await ask('GET', `${at('maseru')}/Patient/half`)).status).toBe(410);
  expect((await ask('GET', `${at()}/Patient/half`)).body['meta'].versionId).toBe('1');
  for (const id of ['h1', 'h2'])
    expect((await ask('GET', `${at('quthing')}/Observation/${id}`)).status).toBe(200);
});
