// What patients decide about their records: consents on every level of IHE's Privacy Consent on FHIR, hidden records, who
// stands for a patient, break-glass, and who is told of it. On every store.
import { afterEach, beforeEach, expect, it, vi } from 'vitest';
import { onEveryStore, type Answer, type Send, type Tsela } from '../system.js';

export const staff = (role: string, id = role, scopes = 'user/*.cruds') => ({
  sub: id,
  clientId: 'desk',
  user: { account: id, fhirUser: `Practitioner/${id}`, roles: [role] },
  scopes: scopes.split(' '),
  grantId: 'g',
});
export const patient = (id: string, scopes = 'patient/*.cruds') => ({
  sub: id,
  clientId: 'portal',
  user: { account: id, fhirUser: `Patient/${id}`, roles: ['patient'], patients: [id] },
  patient: id,
  scopes: scopes.split(' '),
  grantId: 'g',
});
const proxy = (...patients: string[]) => ({
  sub: 'mother',
  clientId: 'portal',
  user: { account: 'mother', fhirUser: 'RelatedPerson/mother', roles: ['proxy'], patients },
  scopes: ['user/*.cruds'],
  grantId: 'g',
});

const put = async (send: Send, resource: { resourceType: string; id: string; [name: string]: unknown }) => {
  const { status, text } = await send('PUT', `${resource.resourceType}/${resource.id}`, resource);
  expect([status, text]).toEqual([expect.toBeOneOf([200, 201]), expect.anything()]);
};
const observation = (id: string, subject: string, more: object = {}) => ({
  resourceType: 'Observation',
  id,
  status: 'final',
  code: { text: id },
  subject: { reference: `Patient/${subject}` },
  ...more,
});
const consent = (subject: string, provision: object, more: object = {}) => ({
  resourceType: 'Consent',
  status: 'active',
  scope: {
    coding: [{ system: 'http://terminology.hl7.org/CodeSystem/consentscope', code: 'patient-privacy' }],
  },
  category: [{ coding: [{ system: 'http://loinc.org', code: '59284-0' }] }],
  patient: { reference: `Patient/${subject}` },
  dateTime: '2026-01-01',
  policyRule: { coding: [{ system: 'http://terminology.hl7.org/CodeSystem/v3-ActCode', code: 'OPTIN' }] },
  provision,
  ...more,
});
const actor = (reference: object) => ({
  role: { coding: [{ system: 'http://terminology.hl7.org/CodeSystem/v3-ParticipationType', code: 'IRCP' }] },
  reference,
});
const role = (value: string) => actor({ identifier: { system: 'urn:tsela:role', value } });
const ids = (answer: Answer): string[] =>
  (answer.body['entry'] ?? []).map((entry: { resource: { id: string } }) => entry.resource.id).sort();
const hide = (...keys: string[]) => ({
  type: 'deny',
  data: keys.map(reference => ({ meaning: 'instance', reference: { reference } })),
});

/** A patient with two observations of their own name. */
async function record({ send }: Tsela, id: string, more: object = {}): Promise<void> {
  await put(send, { resourceType: 'Patient', id, name: [{ family: id }], ...more });
  for (const one of ['a', 'b']) await put(send, observation(`${id}-${one}`, id));
}
const as = async (tsela: Tsela, identity: Parameters<Tsela['system']['compile']>[0]): Promise<Send> =>
  tsela.as(await tsela.system.compile(identity));
const seen = async (send: Send, id: string): Promise<string[]> => ids(await send('GET', `Observation?subject=Patient/${id}`)); // prettier-ignore

onEveryStore('a consent', {}, tsela => {
  it('of a patient who hides one record hides it from everyone else, in its own commit', async () => {
    await record(tsela(), 'p1');
    const doctor = await as(tsela(), staff('doctor'));
    const own = await as(tsela(), patient('p1'));
    expect(await seen(doctor, 'p1')).toEqual(['p1-a', 'p1-b']);
    const made = await own('POST', 'Consent', consent('p1', hide('Observation/p1-a')));
    expect([made.status, made.text]).toEqual([201, expect.anything()]);
    expect(await seen(doctor, 'p1')).toEqual(['p1-b']);
    expect((await doctor('GET', 'Observation?subject=Patient/p1&_summary=count')).body['total']).toBe(1);
    const absent = await doctor('GET', 'Observation/none');
    const hidden = await doctor('GET', 'Observation/p1-a');
    expect([hidden.status, hidden.text.replaceAll('p1-a', 'none')]).toEqual([404, absent.text]);
    expect((await doctor('GET', 'Observation/p1-a/_history/1')).status).toBe(404);
    expect(ids(await doctor('GET', 'Consent?patient=Patient/p1'))).toEqual([]);
    expect(await seen(own, 'p1')).toEqual(['p1-a', 'p1-b']);
    const consentId: string = made.body['id'];
    const undone = await own('PUT', `Consent/${consentId}`, { ...made.body, status: 'inactive' });
    expect(undone.status).toBe(200);
    expect(await seen(doctor, 'p1')).toEqual(['p1-a', 'p1-b']);
    expect((await tsela().send('GET', 'Observation/p1-a')).body['meta'].security).toBeUndefined();
  });

  it('against one person, a role, an organization or a client binds those, and what is written later', async () => {
    await record(tsela(), 'p2');
    await put(tsela().send, { resourceType: 'PractitionerRole', id: 'at-clinic', practitioner: { reference: 'Practitioner/eve' }, organization: { reference: 'Organization/clinic' } }); // prettier-ignore
    const about = (...actors: object[]) => consent('p2', { type: 'permit', provision: [{ type: 'deny', actor: actors }] });
    const saved = await tsela().send('POST', 'Consent', about(actor({ reference: 'Practitioner/dan' }), role('nurse'), actor({ reference: 'Organization/clinic' }))); // prettier-ignore
    expect(saved.status).toBe(201);
    const sees = async (identity: ReturnType<typeof staff>) => (await seen(await as(tsela(), identity), 'p2')).length;
    expect(await sees(staff('doctor', 'ann'))).toBe(2);
    expect(await sees(staff('doctor', 'dan'))).toBe(0);
    expect(await sees(staff('nurse', 'ned'))).toBe(0);
    expect(await sees(staff('doctor', 'eve'))).toBe(0);
    expect((await (await as(tsela(), staff('doctor', 'dan')))('GET', 'Patient/p2')).status).toBe(404);
    const ann = await as(tsela(), staff('doctor', 'ann'));
    const { id: _, ...fresh } = observation('fresh', 'p2');
    const added = await ann('POST', 'Observation', fresh);
    expect(added.status).toBe(201);
    expect(await sees(staff('doctor', 'ann'))).toBe(3);
    expect(await sees(staff('nurse', 'ned'))).toBe(0);
    // Labels of consents are the server's: nobody takes them off, or puts some on.
    const path = `Observation/${added.body['id']}`;
    const { meta: __, ...bare } = (await ann('GET', path)).body;
    expect((await ann('PUT', path, { ...bare, status: 'amended' })).status).toBe(200);
    const label = { system: 'urn:tsela:consent', code: 'permit-forged' };
    const meta = { resourceType: 'Parameters', parameter: [{ name: 'meta', valueMeta: { security: [label] } }] };
    await ann('POST', `${path}/$meta-add`, meta);
    expect((await ann('GET', path)).text).not.toContain('permit-forged');
    expect(await sees(staff('nurse', 'ned'))).toBe(0);
  });

  it('closed to all but some opens to those only', async () => {
    await record(tsela(), 'p3');
    await tsela().send('POST', 'Consent', consent('p3', { type: 'deny', provision: [{ type: 'permit', actor: [actor({ reference: 'Practitioner/ann' })] }] })); // prettier-ignore
    expect(await seen(await as(tsela(), staff('doctor', 'ann')), 'p3')).toHaveLength(2);
    expect(await seen(await as(tsela(), staff('doctor', 'bob')), 'p3')).toHaveLength(0);
    // What another consent denies by name, a permission does not open.
    await tsela().send('POST', 'Consent', consent('p3', { type: 'permit', provision: [{ type: 'deny', actor: [actor({ reference: 'Practitioner/ann' })] }] })); // prettier-ignore
    expect(await seen(await as(tsela(), staff('doctor', 'ann')), 'p3')).toHaveLength(0);
  });

  it.each([
    ['a type', { class: [{ system: 'http://hl7.org/fhir/resource-types', code: 'Observation' }] }, ['c1', 'o1', 'o2', 'o3'], ['c1']],
    ['a code', { code: [{ coding: [{ system: 'http://loinc.org', code: '75622-1' }] }] }, [], ['c1', 'o1', 'o3']],
    ['a time', { dataPeriod: { start: '2020-01-01', end: '2020-12-31' } }, [], ['c1', 'o2', 'o3']],
    ['an author', { data: [{ meaning: 'authoredby', reference: { reference: 'Practitioner/zoe' } }] }, [], ['c1', 'o1', 'o2']],
    ['a security label', { securityLabel: [{ system: 'http://terminology.hl7.org/CodeSystem/v3-ActCode', code: 'PSY' }] }, [], ['o1', 'o2', 'o3']],
    ['something unknown', { class: [{ system: 'urn:other', code: 'x' }] }, [], []],
  ])('covers by %s what it says', async (name, what, _, left) => {
    const id = `q-${name.replaceAll(' ', '-')}`;
    const { send } = tsela();
    const undated = { effectiveDateTime: '2025-05-05' };
    await put(send, { resourceType: 'Patient', id });
    await put(send, observation(`${id}-o1`, id, { effectiveDateTime: '2020-05-05' }));
    await put(send, observation(`${id}-o2`, id, { ...undated, code: { coding: [{ system: 'http://loinc.org', code: '75622-1' }] } })); // prettier-ignore
    await put(send, observation(`${id}-o3`, id, { ...undated, performer: [{ reference: 'Practitioner/zoe' }] }));
    await put(send, { resourceType: 'Condition', id: `${id}-c1`, subject: { reference: `Patient/${id}` }, recordedDate: '2025-01-01', meta: { security: [{ system: 'http://terminology.hl7.org/CodeSystem/v3-ActCode', code: 'PSY' }] } }); // prettier-ignore
    expect((await send('POST', 'Consent', consent(id, { type: 'permit', provision: [{ type: 'deny', ...what }] }))).status).toBe(201); // prettier-ignore
    const doctor = await as(tsela(), staff('doctor'));
    const found = ids(await doctor('GET', `?_type=Observation,Condition&patient=Patient/${id}`));
    expect(found).toEqual(left.map(one => `${id}-${one}`));
  });

  it('for a purpose binds who has that purpose, and who says none', async () => {
    await record(tsela(), 'p4');
    const purpose = [{ system: 'http://terminology.hl7.org/CodeSystem/v3-ActReason', code: 'HOPERAT' }];
    await tsela().send('POST', 'Consent', consent('p4', { type: 'permit', provision: [{ type: 'deny', purpose }] }));
    expect((await (await as(tsela(), staff('doctor')))('GET', 'Patient/p4')).status).toBe(200);
    expect((await (await as(tsela(), staff('administrator')))('GET', 'Patient/p4')).status).toBe(404);
  });

  it('of a large record closes it first and opens the rest when it is labelled', async () => {
    const { send } = tsela();
    await put(send, { resourceType: 'Patient', id: 'large' });
    const entry = Array.from({ length: 450 }, (_, i) => ({
      resource: observation(`large-${i}`, 'large', i % 2 === 0 ? { category: [{ coding: [{ system: 'urn:c', code: 'private' }] }] } : {}), // prettier-ignore
      request: { method: 'PUT', url: `Observation/large-${i}` },
    }));
    expect((await send('POST', '', { resourceType: 'Bundle', type: 'transaction', entry })).status).toBe(200);
    const doctor = await as(tsela(), staff('doctor'));
    const total = async () => (await doctor('GET', 'Observation?subject=Patient/large&_summary=count')).body['total'];
    expect(await total()).toBe(450);
    const made = await send('POST', 'Consent', consent('large', { type: 'permit', provision: [{ type: 'deny', code: [{ coding: [{ system: 'urn:c', code: 'private' }] }] }] })); // prettier-ignore
    expect(made.status).toBe(201);
    expect(await total()).toBeLessThanOrEqual(225);
    await expect.poll(total).toBe(225);
  });

  const person = (key: string) => ({ member: { reference: key } });
  const entity = (key: string) => ({ entity: { reference: key } });
  const over = { period: { end: '2025-01-01' } };
  const team = (id: string, participant: object[], more: object = {}) => ({ resourceType: 'CareTeam', id, status: 'active', participant, ...more });
  const group = (id: string, member: object[], more: object = {}) => ({ resourceType: 'Group', id, type: 'practitioner', actual: true, member, ...more });
  const workplace = (id: string, practitioner: string, organization: string, more: object = {}) => ({ resourceType: 'PractitionerRole', id, practitioner: { reference: `Practitioner/${practitioner}` }, organization: { reference: organization }, ...more });

  it.each([
    ['CareTeam', 'a care team', [team('t1', [person('Practitioner/in')])], 'CareTeam/t1'],
    ['CareTeam', 'a care team by an absolute reference', [team('t2', [person('http://tsela.test/fhir/Practitioner/in')])], 'CareTeam/t2'],
    ['CareTeam', 'a care team by a role', [workplace('r3', 'in', 'Organization/x3'), team('t3', [person('PractitionerRole/r3')])], 'CareTeam/t3'],
    ['CareTeam', 'a care team by an organization', [workplace('r4', 'in', 'Organization/x4'), team('t4', [person('Organization/x4')])], 'CareTeam/t4'],
    ['CareTeam', 'a team within a team', [team('t5', [person('Practitioner/in')]), team('t6', [person('CareTeam/t5')])], 'CareTeam/t6'],
    ['Group', 'a group', [group('g1', [entity('Practitioner/in')])], 'Group/g1'],
    ['Group', 'a group within a group', [group('g2', [entity('Practitioner/in')]), group('g3', [entity('Group/g2')])], 'Group/g3'],
    ['Organization', 'the hospital a ward is part of', [{ resourceType: 'Organization', id: 'hospital', name: 'h' }, { resourceType: 'Organization', id: 'ward', name: 'w', partOf: { reference: 'Organization/hospital' } }, workplace('r5', 'in', 'Organization/ward')], 'Organization/hospital'],
    ['PractitionerRole', 'a role', [workplace('r6', 'in', 'Organization/x6')], 'PractitionerRole/r6'],
  ] as const)('denies and permits a %s: %s', async (_, what, resources, key) => {
    const id = `m-${what.replaceAll(' ', '-')}`;
    for (const resource of resources) await put(tsela().send, resource);
    const who = { in: staff('doctor', 'in'), out: staff('doctor', 'out') };
    const told = async () => [await seen(await as(tsela(), who.in), id), await seen(await as(tsela(), who.out), id)].map(one => one.length);
    await record(tsela(), id);
    const actors = [actor({ reference: key })];
    const denying = await tsela().send('POST', 'Consent', consent(id, { type: 'permit', provision: [{ type: 'deny', actor: actors }] }));
    expect(await told()).toEqual([0, 2]);
    await tsela().send('DELETE', `Consent/${denying.body['id']}`);
    expect(await told()).toEqual([2, 2]);
    await tsela().send('POST', 'Consent', consent(id, { type: 'deny', provision: [{ type: 'permit', actor: actors }] }));
    expect(await told()).toEqual([2, 0]);
  });

  it.each([
    ['a membership that is over', team('u1', [{ ...person('Practitioner/in'), ...over }])],
    ['a team whose time is over', team('u2', [person('Practitioner/in')], over)],
    ['a team that is inactive', team('u3', [person('Practitioner/in')], { status: 'inactive' })],
    ['a membership that is inactive', group('u4', [{ ...entity('Practitioner/in'), inactive: true }])],
    ['a group that is inactive', group('u5', [entity('Practitioner/in')], { active: false })],
    ['a role that is over', workplace('u6', 'in', 'Organization/u6', over)],
    ['a role that is inactive', workplace('u7', 'in', 'Organization/u7', { active: false })],
  ])('permits nobody by %s', async (what, resource) => {
    const id = `n-${what.replaceAll(' ', '-')}`;
    await put(tsela().send, resource);
    await record(tsela(), id);
    const actors = [actor({ reference: `${resource.resourceType}/${resource.id}` })];
    await tsela().send('POST', 'Consent', consent(id, { type: 'deny', provision: [{ type: 'permit', actor: actors }] }));
    expect(await seen(await as(tsela(), staff('doctor', 'in')), id)).toEqual([]);
  });

  it('that permits a team lets nobody in who writes themselves into it', async () => {
    await put(tsela().send, team('trusted', [person('Practitioner/ann')]));
    await put(tsela().send, group('trusted', [entity('Practitioner/ann')]));
    await record(tsela(), 'joined');
    const actors = [actor({ reference: 'CareTeam/trusted' }), actor({ reference: 'Group/trusted' })];
    await tsela().send('POST', 'Consent', consent('joined', { type: 'deny', provision: [{ type: 'permit', actor: actors }] }));
    const eve = async () => as(tsela(), staff('doctor', 'intruder'));
    expect((await (await eve())('GET', 'CareTeam/trusted')).status).toBe(200);
    const patch = { 'content-type': 'application/json-patch+json' };
    const refused = [
      await (await eve())('PUT', 'CareTeam/trusted', team('trusted', [person('Practitioner/intruder')])),
      await (await eve())('PUT', 'CareTeam/trusted', team('trusted', [person('http://tsela.test/fhir/Practitioner/intruder')])),
      await (await eve())('PATCH', 'CareTeam/trusted', [{ op: 'add', path: '/participant/-', value: person('Practitioner/intruder') }], patch),
      await (await eve())('PUT', 'Group/trusted', group('trusted', [entity('Practitioner/intruder')])),
      await (await eve())('POST', '', { resourceType: 'Bundle', type: 'transaction', entry: [{ request: { method: 'PUT', url: 'Group/trusted' }, resource: group('trusted', [entity('Practitioner/intruder')]) }] }),
    ];
    expect(refused.map(({ status }) => status)).toEqual([403, 403, 403, 403, 403]);
    expect(await seen(await eve(), 'joined')).toEqual([]);
    // Who is in it lets others in; a team of one's own is free.
    const ann = await as(tsela(), staff('doctor', 'ann'));
    expect((await ann('PUT', 'CareTeam/trusted', team('trusted', [person('Practitioner/ann'), person('Practitioner/new')]))).status).toBe(200);
    expect(await seen(await as(tsela(), staff('doctor', 'new')), 'joined')).toHaveLength(2);
    const { id: _, ...own } = team('x', [person('Practitioner/intruder')]);
    expect((await (await eve())('POST', 'CareTeam', own)).status).toBe(201);
  });

  it('against a team binds who belongs to more teams than are looked through', async () => {
    const entry = Array.from({ length: 301 }, (_, i) => ({ request: { method: 'PUT', url: `CareTeam/many-${i}` }, resource: team(`many-${i}`, [person('Practitioner/busy')]) }));
    expect((await tsela().send('POST', '', { resourceType: 'Bundle', type: 'transaction', entry })).status).toBe(200);
    await record(tsela(), 'many');
    await tsela().send('POST', 'Consent', consent('many', { type: 'permit', provision: [{ type: 'deny', actor: [actor({ reference: 'CareTeam/unknown' })] }] }));
    expect(await seen(await as(tsela(), staff('doctor', 'busy')), 'many')).toEqual([]);
    expect(await seen(await as(tsela(), staff('doctor', 'ann')), 'many')).toHaveLength(2);
  });

  it('to be treated, or not to be, says nothing about who may know', async () => {
    await record(tsela(), 'adr');
    for (const code of ['adr', 'treatment']) await tsela().send('POST', 'Consent', consent('adr', { type: 'deny' }, { scope: { coding: [{ code }] } }));
    expect(await seen(await as(tsela(), staff('doctor')), 'adr')).toHaveLength(2);
  });

  it('that permits another action than to see permits nothing', async () => {
    await record(tsela(), 'action');
    const ann = [actor({ reference: 'Practitioner/ann' })];
    const permit = (code: string) => consent('action', { type: 'deny', provision: [{ type: 'permit', actor: ann, action: [{ coding: [{ code }] }] }] });
    const made = await tsela().send('POST', 'Consent', permit('collect'));
    expect(await seen(await as(tsela(), staff('doctor', 'ann')), 'action')).toEqual([]);
    const again = await tsela().send('PUT', `Consent/${made.body['id']}`, { ...permit('access'), id: made.body['id'] });
    expect(again.status).toBe(200);
    expect(await seen(await as(tsela(), staff('doctor', 'ann')), 'action')).toHaveLength(2);
  });
}); // prettier-ignore

// A clock that stands still until it is put forward: before and after are as far apart as the test says.
onEveryStore('a consent that has its time', {}, tsela => {
  const hour = 3_600_000;
  const now = Date.now();
  const at = (hours: number): string => new Date(now + hours * hour).toISOString();
  beforeEach(() => {
    vi.useFakeTimers({ toFake: ['Date'], now });
  });
  afterEach(() => {
    vi.useRealTimers();
  });

  it('counts from when it begins until it ends', async () => {
    await record(tsela(), 'p5');
    const over = { type: 'deny', period: { end: '2025-01-01' } };
    const ahead = { type: 'deny', period: { start: at(1) } };
    for (const provision of [over, ahead]) await tsela().send('POST', 'Consent', consent('p5', provision));
    const doctor = await as(tsela(), staff('doctor'));
    expect(await seen(doctor, 'p5')).toHaveLength(2);
    vi.setSystemTime(now + 1 * hour);
    await expect.poll(() => seen(doctor, 'p5')).toEqual([]);
  });

  it('counts a part of it from when that begins until it ends', async () => {
    await record(tsela(), 'part');
    const nested = (period: object, more: object = {}) => ({ type: 'deny', period, ...more });
    await tsela().send('POST', 'Consent', consent('part', { type: 'permit', provision: [
      nested({ end: '2025-01-01' }), nested({ start: '2100-01-01' }),
      { type: 'permit', period: { end: '2025-01-01' }, provision: [nested({ start: '2020-01-01' })] },
      nested({ start: at(1), end: at(2) }),
    ] }));
    const doctor = await as(tsela(), staff('doctor'));
    expect(await seen(doctor, 'part')).toHaveLength(2);
    vi.setSystemTime(now + 1 * hour);
    await expect.poll(() => seen(doctor, 'part')).toEqual([]);
    vi.setSystemTime(now + 2 * hour + 1);
    await expect.poll(() => seen(doctor, 'part')).toHaveLength(2);
  });
}); // prettier-ignore

for (const [policy, sees] of [
  ['permit', { doctor: true, reception: true }],
  ['treatment', { doctor: true, reception: false }],
  ['break-glass', { doctor: false, reception: false }],
  ['deny', { doctor: false, reception: false }],
] as const)
  onEveryStore(`the implicit policy ${policy}`, { consent: policy }, tsela => {
    it('decides where a patient has said nothing, and gives way to what they say', async () => {
      await record(tsela(), 'p');
      for (const one of ['doctor', 'reception'] as const)
        expect([one, (await (await as(tsela(), staff(one)))('GET', 'Patient/p')).status]).toEqual([one, sees[one] ? 200 : 404]); // prettier-ignore
      expect((await (await as(tsela(), patient('p')))('GET', 'Patient/p')).status).toBe(200);
      await tsela().send('POST', 'Consent', consent('p', { type: 'permit' }));
      for (const one of ['doctor', 'reception'] as const)
        expect((await (await as(tsela(), staff(one)))('GET', 'Patient/p')).status).toBe(200);
    });
  });

onEveryStore('who stands for a patient', {}, tsela => {
  const born = (years: number) => `${new Date().getUTCFullYear() - years - 1}-01-01`;
  const mother = (more: object = {}) => ({
    resourceType: 'RelatedPerson',
    id: 'mother',
    patient: { reference: 'Patient/baby' },
    relationship: [
      { coding: [{ system: 'http://terminology.hl7.org/CodeSystem/v3-RoleCode', code: 'MTH' }] },
    ],
    ...more,
  });
  it('does so by age, and while they may', async () => {
    const { send } = tsela();
    for (const [id, age] of [['baby', 2], ['teen', 14], ['adult', 30]] as const) await record(tsela(), id, { birthDate: born(age) }); // prettier-ignore
    const psy = {
      meta: { security: [{ system: 'http://terminology.hl7.org/CodeSystem/v3-ActCode', code: 'SEX' }] },
    };
    await put(send, observation('teen-private', 'teen', psy));
    await put(send, observation('baby-private', 'baby', psy));
    await put(send, mother());
    const ofMother = () => as(tsela(), proxy('baby', 'teen', 'adult'));
    expect(ids(await (await ofMother())('GET', 'Observation'))).toEqual(['baby-a', 'baby-b', 'baby-private', 'teen-a', 'teen-b']); // prettier-ignore
    expect((await (await ofMother())('GET', 'Patient/adult')).status).toBe(404);
    await put(send, mother({ relationship: [{ coding: [{ code: 'SPS' }] }] }));
    expect((await (await ofMother())('GET', 'Patient/adult')).status).toBe(200);
    await put(send, mother({ period: { end: '2025-01-01' } }));
    expect((await (await ofMother())('GET', 'Patient')).status).toBe(403);
    await put(send, mother({ active: false }));
    expect((await (await ofMother())('GET', 'Patient')).status).toBe(403);
  });

  it('can be shut out by the patient', async () => {
    const { send } = tsela();
    await record(tsela(), 'old');
    await put(
      send,
      mother({ relationship: [{ coding: [{ code: 'SPS' }] }], patient: { reference: 'Patient/old' } }),
    );
    expect(await seen(await as(tsela(), proxy('old')), 'old')).toHaveLength(2);
    await (await as(tsela(), patient('old')))('POST', 'Consent', consent('old', { type: 'permit', provision: [{ type: 'deny', actor: [actor({ reference: 'RelatedPerson/mother' })] }] })); // prettier-ignore
    expect(await seen(await as(tsela(), proxy('old')), 'old')).toHaveLength(0);
  });
});

onEveryStore('break-glass', { audit: 'on' }, tsela => {
  const reason = {
    resourceType: 'Parameters',
    parameter: [{ name: 'reason', valueString: 'Unconscious, no history known' }],
  };
  it('opens one record to one person for a time, writes it down, and tells the patient', async () => {
    for (const id of ['shut', 'other']) {
      await record(tsela(), id);
      await tsela().send('POST', 'Consent', consent(id, { type: 'deny' }));
    }
    const doctor = () => as(tsela(), staff('doctor', 'ann'));
    expect((await (await doctor())('GET', 'Patient/shut')).status).toBe(404);
    for (const [who, url, body, status] of [
      ['reception', 'Patient/shut/$break-glass', reason, 403],
      ['doctor', 'Patient/shut/$break-glass', { resourceType: 'Parameters', parameter: [] }, 400],
      ['doctor', 'Patient/nobody/$break-glass', reason, 404],
    ] as const)
      expect([who, (await (await as(tsela(), staff(who, 'ann')))('POST', url, body)).status]).toEqual([
        who,
        status,
      ]);
    const narrow = await as(tsela(), staff('doctor', 'ann', 'user/Observation.rs'));
    expect((await narrow('POST', 'Patient/shut/$break-glass', reason)).status).toBe(403);
    const broken = await (await doctor())('POST', 'Patient/shut/$break-glass', reason);
    expect([broken.status, broken.text]).toEqual([200, expect.stringContaining('until')]);
    const after = await doctor();
    expect((await after('GET', 'Patient/shut')).status).toBe(200);
    expect(await seen(after, 'shut')).toHaveLength(2);
    expect((await after('GET', 'Patient/other')).status).toBe(404);
    expect((await (await as(tsela(), staff('doctor', 'bob')))('GET', 'Patient/shut')).status).toBe(404);
    const own = await as(tsela(), patient('shut'));
    const notices = await own('GET', 'Communication');
    expect(notices.body['entry'][0].resource.payload[0].contentString).toContain(
      'Unconscious, no history known',
    );
    const told = await own('GET', 'Patient/shut/$disclosures');
    expect([told.status, told.text]).toEqual([200, expect.stringContaining('break-glass')]);
    expect(told.text).toContain('BTG');
  });

  it('is looked at by somebody else, once, and the patient is told', async () => {
    const { send } = tsela();
    await record(tsela(), 'looked');
    await send('POST', 'Consent', consent('looked', { type: 'deny' }));
    expect((await (await as(tsela(), staff('doctor', 'carl')))('POST', 'Patient/looked/$break-glass', reason)).status).toBe(200); // prettier-ignore
    const review = { resourceType: 'Parameters', parameter: [{ name: 'note', valueString: 'Was unconscious: justified' }] }; // prettier-ignore
    const administrator = () => as(tsela(), staff('administrator'));
    const queue = async () => {
      const { status, body } = await (await administrator())('GET', 'AuditEvent/$broken-glass?_count=50');
      expect(status).toBe(200);
      const events = ((body['entry'] ?? []) as { resource: Record<string, unknown> }[]).map(({ resource }) => resource); // prettier-ignore
      expect(body['total']).toBe(events.length);
      return events.filter(event => JSON.stringify(event).includes('Patient/looked')).map(({ id }) => String(id)); // prettier-ignore
    };
    const [event, ...more] = await queue();
    expect(more).toEqual([]);
    const path = `AuditEvent/${event!}/$reviewed`;
    for (const who of ['doctor', 'nurse', 'reception', 'laboratory']) {
      expect((await (await as(tsela(), staff(who)))('GET', 'AuditEvent/$broken-glass')).status).toBe(403);
      expect((await (await as(tsela(), staff(who)))('POST', path, review)).status).toBe(403);
    }
    expect((await (await as(tsela(), staff('administrator', 'x', 'user/AuditEvent.rs')))('POST', path, review)).status).toBe(403); // prettier-ignore
    // Who broke it does not review it, whatever else they are.
    const both = { ...staff('administrator', 'carl'), user: { account: 'carl', fhirUser: 'Practitioner/carl', roles: ['administrator', 'doctor'] } }; // prettier-ignore
    expect((await (await as(tsela(), both))('POST', path, review)).status).toBe(403);
    expect((await (await administrator())('POST', path, { resourceType: 'Parameters' })).status).toBe(400);
    expect((await (await administrator())('POST', 'AuditEvent/none/$reviewed', review)).status).toBe(404);
    const other = (await (await administrator())('GET', 'AuditEvent?subtype=read&_count=1')).body['entry'][0];
    expect((await (await administrator())('POST', `AuditEvent/${other.resource.id}/$reviewed`, review)).status).toBe(404); // prettier-ignore
    const done = await Promise.all([1, 2, 3].map(async () => (await administrator())('POST', path, review)));
    expect(done.map(({ status }) => status).sort()).toEqual([201, 409, 409]);
    expect(await queue()).toEqual([]);
    const found = await (await administrator())('GET', `AuditEvent?entity=AuditEvent/${event!}&subtype=break-glass-review`); // prettier-ignore
    expect(found.text).toContain('Was unconscious: justified');
    expect((await (await as(tsela(), patient('looked')))('GET', 'Patient/looked/$disclosures?_count=100')).text).toContain('break-glass-review'); // prettier-ignore
  });
});

onEveryStore('broken glass where nobody has consented', { audit: 'on', consent: 'deny' }, tsela => {
  it('is listed to who reads the audit trail', async () => {
    await record(tsela(), 'p');
    const reason = { resourceType: 'Parameters', parameter: [{ name: 'reason', valueString: 'Emergency' }] };
    const broken = await (await as(tsela(), staff('doctor')))('POST', 'Patient/p/$break-glass', reason);
    expect(broken.status).toBe(200);
    const { body } = await (await as(tsela(), staff('administrator')))('GET', 'AuditEvent/$broken-glass');
    expect(body['total']).toBe(1);
  });
});

onEveryStore('the accounting of disclosures', { audit: 'on' }, tsela => {
  it('tells a patient who saw the record, and nothing of anybody else', async () => {
    for (const id of ['one', 'two']) await record(tsela(), id);
    const doctor = await as(tsela(), staff('doctor', 'ann'));
    await doctor('GET', 'Observation?subject=Patient/one,Patient/two');
    await doctor('GET', 'Patient/two');
    const own = await as(tsela(), patient('one'));
    const told = await own('GET', 'Patient/one/$disclosures?_count=100');
    expect(told.status).toBe(200);
    expect(told.text).toContain('Practitioner/ann');
    expect(told.text).not.toMatch(/two/);
    const first = await own('GET', 'Patient/one/$disclosures?_count=1');
    const next = first.body['link'].find((link: { relation: string }) => link.relation === 'next').url.split('/fhir/')[1];
    expect(ids(await own('GET', next))).toHaveLength(1);
    expect((await own('GET', 'Patient/two/$disclosures')).status).toBe(404);
    expect((await own('GET', 'AuditEvent')).status).toBe(403);
    expect((await doctor('GET', 'Patient/one/$disclosures')).status).toBe(403);
    expect((await (await as(tsela(), patient('one', 'patient/Observation.rs patient/Patient.rs')))('GET', 'Patient/one/$disclosures')).status).toBe(403); // prettier-ignore
    expect((await (await as(tsela(), staff('administrator')))('GET', 'Patient/two/$disclosures')).status).toBe(200);
  });
}); // prettier-ignore
