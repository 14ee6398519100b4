// A patient's Consent is one facility's and binds all: what is there, what comes later, what moves, and what a facility
// that does not answer may have.
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { OPEN, type Grant } from '../../src/auth/grant.js';
import { defaultConfig } from '../../src/config.js';
import { facilityPath, putFacility } from '../../src/facilities/facility.js';
import type { JsonObject } from '../../src/fhir/json.js';
import { createSystem, type System } from '../../src/system.js';
import { openDistrict, type District } from '../../src/system/district.js';
import type { Json } from '../json.js';

type Facility = 'quthing' | 'maseru' | 'mafeteng';
const origin = 'http://tsela.test';
let folder: string;
let main: System;
let district: District;

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'tsela-facility-consents-'));
  const config = { ...defaultConfig, data: folder };
  const notices = { info: () => undefined, failure: () => undefined };
  main = await createSystem(config, `${origin}/fhir`, notices);
  for (const id of ['quthing', 'maseru'])
    await putFacility(main.documents, { id, name: id, organizations: [`Organization/${id}`], clients: [] }, true); // prettier-ignore
  district = await openDistrict({ config, origin, main, notices, isAudited: false });
});
afterAll(async () => {
  await district.close();
  await main.close();
  rmSync(folder, { recursive: true, force: true });
});

interface Answer {
  readonly status: number;
  readonly body: Json;
}

async function send(grant: Grant, method: string, at: Facility | undefined, url: string, resource?: object): Promise<Answer> {
  const base = origin + (at === undefined ? '/fhir' : facilityPath(at));
  const [path = '', query = ''] = url.split('?');
  const body = resource === undefined ? undefined : Buffer.from(JSON.stringify(resource));
  const request = { method, path: path.split('/'), query: [...new URLSearchParams(query)], headers: { accept: 'application/fhir+json' }, base, id: 'test' };
  const response = await district.dispatch({ ...request, ...(body && { body }) }, grant);
  const text = response.body === undefined || response.body === '' ? '{}' : Buffer.from(response.body).toString();
  return { status: response.status, body: JSON.parse(text) as JsonObject };
} // prettier-ignore

const staff = (id: string, facility?: Facility, role = 'doctor'): Promise<Grant> =>
  main.compile({
    sub: id,
    clientId: 'desk',
    user: { account: id, fhirUser: `Practitioner/${id}`, roles: [role], ...(facility === undefined ? {} : { facility }) },
    scopes: ['user/*.cruds'],
    grantId: 'g',
  }); // prettier-ignore
const observation = (id: string, patient: string) => ({
  resourceType: 'Observation',
  id,
  status: 'final',
  code: { text: id },
  subject: { reference: `Patient/${patient}` },
});
const consent = (id: string, patient: string, provision: object) => ({
  resourceType: 'Consent',
  id,
  status: 'active',
  scope: { coding: [{ code: 'patient-privacy' }] },
  category: [{ coding: [{ code: '59284-0' }] }],
  patient: { reference: `Patient/${patient}` },
  policyRule: { coding: [{ code: 'OPTIN' }] },
  provision,
});
const against = (...actors: string[]) => ({
  type: 'permit',
  provision: [{ type: 'deny', actor: actors.map(reference => ({ role: { text: 'x' }, reference: { reference } })) }], // prettier-ignore
});
const put = async (
  at: Facility | undefined,
  resource: { resourceType: string; id: string },
): Promise<void> => {
  const { status, body } = await send(OPEN, 'PUT', at, `${resource.resourceType}/${resource.id}`, resource);
  expect([status < 300, body]).toEqual([true, expect.anything()]);
};
/** A patient of Quthing who has been seen in Maseru too. */
async function record(patient: string): Promise<void> {
  await put('quthing', { resourceType: 'Patient', id: patient });
  await put('quthing', observation(`${patient}-q`, patient));
  await put('maseru', observation(`${patient}-m`, patient));
}
const seen = async (who: Grant, patient: string, at?: Facility): Promise<string[]> => {
  const { body } = await send(who, 'GET', at, `Observation?subject=Patient/${patient}&_total=accurate`);
  const ids = ((body['entry'] ?? []) as { resource: { id: string } }[]).map(({ resource }) => resource.id).sort(); // prettier-ignore
  expect(body['total']).toBe(ids.length);
  return ids;
};
/** What two doctors in each facility, and two people who see all of them, find. */
const told = async (patient: string): Promise<Record<string, string[]>> => ({
  'ann in quthing': await seen(await staff('ann', 'quthing'), patient, 'quthing'),
  'dan in quthing': await seen(await staff('dan', 'quthing'), patient),
  'ann in maseru': await seen(await staff('ann', 'maseru'), patient),
  'dan in maseru': await seen(await staff('dan', 'maseru'), patient, 'maseru'),
  'ann everywhere': await seen(await staff('ann', undefined, 'administrator'), patient),
  'dan everywhere': await seen(await staff('dan', undefined, 'administrator'), patient),
});
const filled = { timeout: 120_000, interval: 50 };
const withoutDan = (patient: string) => ({
  'ann in quthing': [`${patient}-q`],
  'dan in quthing': [],
  'ann in maseru': [`${patient}-m`],
  'dan in maseru': [],
  'ann everywhere': [`${patient}-m`, `${patient}-q`],
  'dan everywhere': [],
});

it.each([
  ['where the patient is', 'quthing'],
  ['elsewhere', 'maseru'],
  ["at the district's address", undefined],
] as const)('a Consent given %s binds every facility from the moment it is stored', async (_, at) => {
  const patient = `p-${at ?? 'district'}`;
  await record(patient);
  const everyone = await told(patient);
  expect(everyone['dan everywhere']).toEqual([`${patient}-m`, `${patient}-q`]);
  await put(at, consent(`c-${patient}`, patient, against('Practitioner/dan')));
  const at0 = await told(patient);
  for (const who of ['dan in quthing', 'dan in maseru', 'dan everywhere'])
    expect([who, at0[who]]).toEqual([who, []]);
  await expect.poll(() => told(patient), filled).toEqual(withoutDan(patient));
  expect((await send(await staff('dan', 'maseru'), 'GET', 'maseru', `Observation/${patient}-m`)).status).toBe(
    404,
  );
  expect((await send(await staff('dan', undefined, 'administrator'), 'GET', undefined, `Observation/${patient}-m`)).status).toBe(404); // prettier-ignore
  expect((await send(await staff('dan', 'maseru'), 'GET', 'maseru', `Observation/${patient}-m/_history/1`)).status).toBe(404); // prettier-ignore
  // What comes later, wherever.
  await put('maseru', observation(`${patient}-n`, patient));
  await put(undefined, observation(`${patient}-o`, patient));
  expect(await seen(await staff('dan', undefined, 'administrator'), patient)).toEqual([]);
  expect(await seen(await staff('ann', undefined, 'administrator'), patient)).toHaveLength(4);
  // Taken back, it binds nobody any more.
  await send(OPEN, 'DELETE', undefined, `Consent/c-${patient}`);
  await expect.poll(() => seen0(patient), filled).toEqual([2, 2]);
});
const seen0 = async (patient: string): Promise<number[]> => [
  (await seen(await staff('dan', 'quthing'), patient)).length,
  (await seen(await staff('dan', 'maseru'), patient)).length,
];

it('a record is hidden by a Consent of another facility', async () => {
  await record('hid');
  const hide = {
    type: 'deny',
    data: [{ meaning: 'instance', reference: { reference: 'Observation/hid-m' } }],
  };
  await put('quthing', consent('c-hid', 'hid', hide));
  await expect
    .poll(() => told('hid'), filled)
    .toMatchObject({ 'ann in quthing': ['hid-q'], 'ann in maseru': [], 'ann everywhere': ['hid-q'] });
});

it('consents of two facilities bind together', async () => {
  await record('two');
  await put('quthing', consent('c-two-q', 'two', against('Practitioner/dan')));
  await put('maseru', consent('c-two-m', 'two', against('Organization/maseru')));
  await expect
    .poll(() => told('two'), filled)
    .toEqual({
      ...withoutDan('two'),
      'ann in maseru': [],
    });
});

it('moves with the patient, and goes on binding what stays', async () => {
  await record('mov');
  await put('maseru', {
    ...observation('shared', 'mov'),
    performer: [{ reference: 'Patient/other' }],
  } as never);
  await put('quthing', consent('c-mov', 'mov', against('Practitioner/dan')));
  const facility = { resourceType: 'Parameters', parameter: [{ name: 'facility', valueCode: 'maseru' }] };
  const { status, body } = await send(OPEN, 'POST', undefined, 'Patient/mov/$move', facility);
  expect([status, body]).toEqual([200, expect.anything()]);
  expect((await send(OPEN, 'GET', 'maseru', 'Consent/c-mov')).status).toBe(200);
  expect((await send(OPEN, 'GET', 'quthing', 'Consent/c-mov')).status).toBe(410);
  const dan = await staff('dan', undefined, 'administrator');
  expect(await seen(dan, 'mov')).toEqual([]);
  expect((await send(dan, 'GET', undefined, 'Patient/mov')).status).toBe(404);
  await put('quthing', observation('mov-late', 'mov'));
  expect(await seen(dan, 'mov')).toEqual([]);
  expect((await send(await staff('dan', 'quthing'), 'GET', 'quthing', 'Observation/mov-q/_history/1')).status).toBe(404); // prettier-ignore
  await expect
    .poll(async () => seen(await staff('ann', undefined, 'administrator'), 'mov'), filled)
    .toEqual(['mov-late', 'mov-m', 'mov-q', 'shared']);
});

it('a move takes along the content of what moves, and leaves that of what stays', async () => {
  const binary = (id: string, more: object = {}) => ({
    resourceType: 'Binary',
    id,
    contentType: 'text/plain',
    ...more,
  });
  const document = (id: string, patient: string, url: string) => ({
    resourceType: 'DocumentReference',
    id,
    status: 'current',
    subject: { reference: `Patient/${patient}` },
    content: [{ attachment: { url } }],
  });
  for (const id of ['goes', 'stays']) await put('quthing', { resourceType: 'Patient', id });
  await put('quthing', binary('b-context', { securityContext: { reference: 'Patient/goes' } }));
  await put('quthing', binary('b-other', { securityContext: { reference: 'Patient/stays' } }));
  for (const id of ['b-only', 'b-both']) await put('quthing', binary(id));
  for (const id of ['b-only', 'b-both', 'b-other'])
    await put('quthing', document(`goes-${id}`, 'goes', `Binary/${id}`));
  await put('quthing', document('stays-both', 'stays', 'Binary/b-both'));
  const facility = { resourceType: 'Parameters', parameter: [{ name: 'facility', valueCode: 'maseru' }] };
  expect((await send(OPEN, 'POST', undefined, 'Patient/goes/$move', facility)).status).toBe(200);
  const at = async (facility: Facility) => Promise.all(['b-context', 'b-other', 'b-only', 'b-both'].map(async id => (await send(OPEN, 'GET', facility, `Binary/${id}`)).status)); // prettier-ignore
  expect([await at('quthing'), await at('maseru')]).toEqual([
    [410, 200, 410, 200],
    [200, 404, 200, 404],
  ]);
});

it('while a facility does not answer, what is written is closed; what it missed is done before it answers', async () => {
  await put('quthing', { resourceType: 'Patient', id: 'down' });
  mkdirSync(join(folder, 'facilities'), { recursive: true });
  writeFileSync(join(folder, 'facilities/mafeteng'), 'in the way');
  await putFacility(main.documents, { id: 'mafeteng', name: 'm', organizations: [], clients: [] }, true);
  await expect.poll(() => district.facilities().length, filled).toBe(3);
  const ann = () => staff('ann', 'quthing');
  const dan = () => staff('dan', 'quthing');
  // Nobody knows whether the facility has a Consent.
  await put('quthing', observation('down-q', 'down'));
  const first = await seen(await ann(), 'down');
  await put('quthing', consent('c-down', 'down', against('Practitioner/dan')));
  expect([first, await seen(await ann(), 'down'), await seen(await dan(), 'down')]).toEqual([[], [], []]);
  rmSync(join(folder, 'facilities/mafeteng'));
  await expect.poll(async () => seen(await ann(), 'down'), filled).toEqual(['down-q']);
  expect(await seen(await dan(), 'down')).toEqual([]);
  await put('mafeteng', observation('down-f', 'down'));
  expect(await seen(await staff('dan', 'mafeteng'), 'down')).toEqual([]);
  expect(await seen(await staff('ann', 'mafeteng'), 'down')).toEqual(['down-f']);
});
