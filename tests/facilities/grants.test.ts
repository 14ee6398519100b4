// Whose requests go where: a user's facility, a client's, and who may see them all.
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import type { Grant } from '../../src/auth/grant.js';
import { defaultConfig } from '../../src/config.js';
import { facilityPath, putFacility } from '../../src/facilities/facility.js';
import { createSystem, type System } from '../../src/system.js';
import { openDistrict, type District } from '../../src/system/district.js';

const origin = 'http://tsela.test';
const all: Grant = { id: 'all', principal: 'all', visible: () => ({ op: 'all' }), permits: () => true };
const ofQuthing: Grant = { ...all, id: 'q', facility: 'quthing' };
const ofLaboratory: Grant = { ...all, id: 'lab', agent: { client: 'laboratory' } };

let folder: string;
let main: System;
let district: District;
beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'tsela-facility-grants-'));
  const config = { ...defaultConfig, data: folder };
  const notices = { info: () => undefined, failure: () => undefined };
  main = await createSystem(config, `${origin}/fhir`, notices);
  for (const [id, clients] of [
    ['quthing', []],
    ['maseru', ['laboratory']],
  ] as const)
    await putFacility(main.documents, { id, name: id, organizations: [], clients }, true);
  district = await openDistrict({ config, origin, main, notices, isAudited: false });
});
afterAll(async () => {
  await district.close();
  await main.close();
  rmSync(folder, { recursive: true, force: true });
});

const send = async (
  grant: Grant,
  method: string,
  facility: string | undefined,
  id: string,
): Promise<number> => {
  const base = origin + (facility === undefined ? '/fhir' : facilityPath(facility));
  const body = Buffer.from(JSON.stringify({ resourceType: 'Patient', id }));
  const request = { method, path: ['Patient', id], query: [], headers: {}, base, id: 'test' };
  const { status } = await district.dispatch(method === 'PUT' ? { ...request, body } : request, grant);
  return status;
};

it('keeps who belongs to a facility there, at its own address and at that of the district', async () => {
  expect(await send(ofQuthing, 'PUT', 'quthing', 'a')).toBe(201);
  expect(await send(ofQuthing, 'PUT', undefined, 'b')).toBe(201);
  expect(await send(all, 'GET', 'quthing', 'b')).toBe(200);
  await expect(send(ofQuthing, 'GET', 'maseru', 'a')).rejects.toMatchObject({ code: 'forbidden' });
  expect(await send(all, 'PUT', 'maseru', 'm')).toBe(201);
  expect(await send(ofQuthing, 'GET', undefined, 'm')).toBe(404);
});

it("leads a client's requests to its facility", async () => {
  expect(await send(ofLaboratory, 'PUT', undefined, 'sent')).toBe(201);
  expect(await send(all, 'GET', 'maseru', 'sent')).toBe(200);
  expect(await send(ofLaboratory, 'GET', undefined, 'a')).toBe(404);
});

it('shows all of them to who belongs to none', async () => {
  for (const id of ['a', 'b', 'm', 'sent']) expect(await send(all, 'GET', undefined, id)).toBe(200);
});

it.each([
  ['an id that cannot be part of an address', { id: 'Quthing!' }, 'value'],
  ['an id that is taken', { id: 'quthing' }, 'duplicate'],
  ['a client that another has', { id: 'new', clients: ['laboratory'] }, 'duplicate'],
])('refuses a facility with %s', async (_, some, code) => {
  const facility = { name: 'x', organizations: [], clients: [], ...some };
  await expect(putFacility(main.documents, facility, true)).rejects.toMatchObject({ code });
});
