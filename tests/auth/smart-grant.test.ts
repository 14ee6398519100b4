// What a token sees and does with its scopes, on every store: the compartment, search arguments, unions, and nothing else.
import { expect, it } from 'vitest';
import type { Identity } from '../../src/auth/identity.js';
import { rolesAlone, smartGrant } from '../../src/auth/smart-grant.js';
import { base, onEveryStore, type Answer, type Send, type Tsela } from '../system.js';

const doctor = { account: 'a1', fhirUser: 'Practitioner/doctor', roles: ['doctor'] };
const identity = (scopes: string, more: Partial<Identity> = {}): Identity => ({
  sub: 'a1',
  clientId: 'app',
  user: doctor,
  scopes: scopes.split(' '),
  patient: 'mine',
  grantId: 'g1',
  ...more,
});
const settings = { bases: [base], zone: 'UTC', now: Date.now() };
const grantOf = (...of: Parameters<typeof identity>) => smartGrant(identity(...of), settings, rolesAlone);

const category = (code: string) => [
  { coding: [{ system: 'http://terminology.hl7.org/CodeSystem/observation-category', code }] },
];
const laboratory = 'http://terminology.hl7.org/CodeSystem/observation-category|laboratory';
const observation = (id: string, subject: string, kind: string) => ({
  resourceType: 'Observation',
  id,
  status: 'final',
  code: { text: 'x' },
  category: category(kind),
  subject: { reference: `Patient/${subject}` },
});

async function seed(send: Send): Promise<void> {
  for (const resource of [
    { resourceType: 'Organization', id: 'org', name: 'Clinic' },
    { resourceType: 'Patient', id: 'mine', managingOrganization: { reference: 'Organization/org' } },
    {
      resourceType: 'Patient',
      id: 'other',
      link: [{ type: 'seealso', other: { reference: 'Patient/mine' } }],
    },
    observation('lab', 'mine', 'laboratory'),
    observation('vital', 'mine', 'vital-signs'),
    observation('foreign', 'other', 'laboratory'),
    { resourceType: 'Basic', id: 'basic', code: { text: 'x' } },
  ]) {
    const { status } = await send('PUT', `${resource.resourceType}/${resource.id}`, resource);
    expect(status).toBeLessThan(300);
  }
}
const ids = (answer: Answer): string[] =>
  (answer.body['entry'] ?? []).map((entry: { resource: { id: string } }) => entry.resource.id).sort();

onEveryStore('a token', {}, (tsela: () => Tsela) => {
  let seeded: Promise<void> | undefined;
  const as = async (...of: Parameters<typeof identity>): Promise<Send> => {
    await (seeded ??= seed(tsela().send));
    return tsela().as(grantOf(...of));
  };

  it('for a patient sees that record, by search and by id', async () => {
    const send = await as('patient/*.rs');
    expect(ids(await send('GET', 'Observation'))).toEqual(['lab', 'vital']);
    expect((await send('GET', 'Observation/lab')).status).toBe(200);
    expect((await send('GET', 'Observation/foreign')).status).toBe(404);
    expect((await send('GET', 'Observation?_summary=count')).body['total']).toBe(2);
  });

  it('for a patient does not reach through Patient.link', async () => {
    const send = await as('patient/*.rs');
    expect(ids(await send('GET', 'Patient'))).toEqual(['mine']);
    expect((await send('GET', 'Patient/other')).status).toBe(404);
  });

  it('for a patient reads what is beside patients and is refused what is not', async () => {
    const send = await as('patient/*.cruds');
    expect((await send('GET', 'Organization/org')).status).toBe(200);
    expect((await send('PUT', 'Organization/org', { resourceType: 'Organization', id: 'org' })).status).toBe(
      403,
    );
    expect((await send('GET', 'List')).status).toBe(200);
    expect((await send('GET', 'Endpoint')).status).toBe(403);
  });

  it('sees nothing by patient scopes without a patient', async () => {
    await as('patient/*.rs');
    const { patient, ...rest } = identity('patient/*.rs');
    const send = tsela().as(smartGrant(rest, settings, rolesAlone));
    expect(patient).toBe('mine');
    expect((await send('GET', 'Observation')).status).toBe(403);
  });

  it('without resource scopes can do nothing', async () => {
    const send = await as('openid fhirUser launch/patient offline_access');
    expect((await send('GET', 'Patient/mine')).status).toBe(403);
    expect((await send('GET', 'Patient')).status).toBe(403);
    expect(ids(await send('GET', ''))).toEqual([]);
  });

  it('is held to the search arguments of its scope', async () => {
    const send = await as(`patient/Observation.rs?category=${laboratory}`);
    expect(ids(await send('GET', 'Observation'))).toEqual(['lab']);
    expect((await send('GET', 'Observation/vital')).status).toBe(404);
    expect((await send('GET', 'Condition')).status).toBe(403);
  });

  it('has the union of its scopes, each with its own constraint', async () => {
    const send = await as(
      `patient/Observation.rs?category=${laboratory} patient/Observation.rs?category=vital-signs`,
    );
    expect(ids(await send('GET', 'Observation'))).toEqual(['lab', 'vital']);
    const mixed = await as(`patient/Observation.rs user/Observation.rs?category=${laboratory}`);
    expect(ids(await mixed('GET', 'Observation'))).toEqual(['foreign', 'lab', 'vital']);
  });

  it('writes within the constraint of its write scope and reads within that of its read scope', async () => {
    const send = await as(
      `patient/Observation.rs?category=${laboratory} patient/Observation.cu?category=vital-signs`,
    );
    const { id: _, ...lab } = observation('', 'mine', 'laboratory');
    const { id: __, ...vital } = observation('', 'mine', 'vital-signs');
    const { id: ___, ...foreign } = observation('', 'other', 'vital-signs');
    expect((await send('POST', 'Observation', lab)).status).toBe(403);
    expect((await send('POST', 'Observation', foreign)).status).toBe(403);
    expect((await send('POST', 'Observation', vital)).status).toBe(201);
    expect((await send('PUT', 'Observation/lab', observation('lab', 'mine', 'vital-signs'))).status).toBe(
      404,
    );
    expect(ids(await send('GET', 'Observation'))).toEqual(['lab']);
  });

  it('of a user who is a patient sees that patient, whatever user scopes it has', async () => {
    const user = { account: 'a2', fhirUser: 'Patient/mine', roles: ['patient'], patients: ['mine'] };
    const send = await as('user/*.rs', { user });
    expect(ids(await send('GET', 'Patient'))).toEqual(['mine']);
    expect((await send('GET', 'Observation/foreign')).status).toBe(404);
  });

  it('of a backend service has system scopes and no others', async () => {
    await as('system/*.rs');
    const { user, patient, ...rest } = identity('system/Observation.rs user/Patient.rs patient/Patient.rs');
    expect([user, patient]).toBeDefined();
    const send = tsela().as(smartGrant(rest, settings, rolesAlone));
    expect(ids(await send('GET', 'Observation'))).toContain('foreign');
    expect((await send('GET', 'Patient')).status).toBe(403);
    expect((await (await as('system/*.cruds'))('GET', 'Patient')).status).toBe(403);
  });
});

it('of the same person with other scopes, context or client has another grant', () => {
  const id = grantOf('patient/*.rs openid').id;
  expect(grantOf('openid patient/*.rs', { grantId: 'g2' }).id).toBe(id);
  expect(grantOf('patient/*.r openid').id).not.toBe(id);
  expect(grantOf('patient/*.rs openid', { patient: 'other' }).id).not.toBe(id);
  expect(grantOf('patient/*.rs openid', { clientId: 'another' }).id).not.toBe(id);
});
