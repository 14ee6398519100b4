// Attacks on scopes and data, each by its name. Those on logins, tokens and clients are in tests/auth/.
import { beforeAll, expect, it } from 'vitest';
import type { Identity } from '../../src/auth/identity.js';
import { onEveryStore, type Answer, type Send } from '../system.js';
import { absent, closed, marker, seed } from './world.js';

const doctor = (scopes: string, more: Partial<Identity> = {}): Identity => ({
  sub: 'doctor',
  clientId: 'app',
  user: { account: 'doctor', fhirUser: 'Practitioner/doctor', roles: ['doctor'] },
  scopes: scopes.split(' '),
  grantId: 'g',
  ...more,
});
const ids = (answer: Answer): string[] =>
  (answer.body['entry'] ?? []).map((entry: { resource: { id: string } }) => entry.resource.id).sort();
const code = 'http://terminology.hl7.org/CodeSystem/observation-category|vital-signs';

onEveryStore('an attack', { audit: 'on' }, tsela => {
  beforeAll(async () => seed(tsela()));
  const as = async (identity: Identity): Promise<Send> => tsela().as(await tsela().system.compile(identity));
  const mine = { patient: 'mine' };

  it.each([
    ['no letters', 'user/Observation.'],
    ['letters out of order', 'user/Observation.sr'],
    ['letters out of order for writing', 'user/Observation.dus'],
    ['an unknown type', 'user/Observations.rs'],
    ['an unknown parameter', 'user/Observation.rs?colour=red'],
    ['a chain', 'user/Observation.rs?subject.name=x'],
    ['a modifier', 'user/Observation.rs?code:not=x'],
    ['_has', 'user/Observation.rs?_has:Patient:organization:name=x'],
    ['_filter', 'user/Observation.rs?_filter=code eq x'],
    ['* with a parameter of one type', 'user/*.rs?category=x'],
    ['another context', 'system/Observation.rs'],
    ['patient scopes without a patient', 'patient/Observation.rs'],
    ['launch and openid alone', 'openid fhirUser launch/patient'],
    ['a NUL', 'user/Observation.rs?code=%00'],
    ['an empty value', 'user/Observation.rs?code='],
  ])('by a scope with %s gets nothing', async (_, scope) => {
    const send = await as(doctor(scope));
    for (const url of ['Observation', 'Observation/obs-mi', 'Patient', '?_type=Observation'])
      expect([url, (await send('GET', url)).status]).toEqual([url, 403]);
  });

  it('by smuggling a second pair into a value stays within the value', async () => {
    for (const value of [`${code}%26_id=obs-mi`, `${code}%2526_id=obs-mi`])
      expect(ids(await (await as(doctor(`user/Observation.rs?category=${value}`)))('GET', 'Observation'))).toEqual([]);
  });

  it('by a list of values in a scope gets what either says, and no more', async () => {
    const send = await as(doctor(`user/Observation.rs?category=${code},none`));
    expect(ids(await send('GET', 'Observation'))).toEqual(['obs-mi', 'obs-to']);
  });

  it('by ten thousand scopes costs no more than a moment, and gives no more than they say', async () => {
    const scopes = Array.from({ length: 10_000 }, (_, i) => `user/Observation.rs?_id=x${i}`).join(' ');
    const send = await as(doctor(`${scopes} user/Observation.rs?_id=obs-mi`));
    expect((await send('GET', 'Observation/obs-mi')).status).toBe(200);
    expect((await send('GET', 'Observation/obs-to')).status).toBe(404);
  });

  it('by lenient handling does not loosen the scope', async () => {
    const send = await as(doctor('user/Observation.rs?_id=obs-mi'));
    const answer = await send('GET', 'Observation?unknown=1', undefined, { prefer: 'handling=lenient' });
    expect(answer.text).not.toContain('obs-to');
  });

  it('by contained resources and Bundles finds no closed record inside them', async () => {
    const send = await as(doctor('user/*.cruds'));
    const stored = { resourceType: 'Bundle', type: 'collection', entry: [{ resource: { resourceType: 'Patient', id: closed.patient } }] };
    expect((await send('POST', 'Bundle', stored)).status).toBe(403);
    expect((await send('GET', `Observation?subject:Patient._id=${closed.patient}`)).body['entry']).toBeUndefined();
  });

  it('by a Provenance, a List or a Group that names a closed record does not reach it', async () => {
    const { send } = tsela();
    const about = { reference: `Observation/${closed.observation}` };
    await send('PUT', 'List/names', { resourceType: 'List', id: 'names', status: 'current', mode: 'working', entry: [{ item: about }, { item: { reference: 'Observation/obs-mi' } }] });
    await send('PUT', 'Group/names', { resourceType: 'Group', id: 'names', type: 'person', actual: true, member: [{ entity: { reference: `Patient/${closed.patient}` } }] });
    await send('PUT', 'Provenance/names', { resourceType: 'Provenance', id: 'names', target: [about], recorded: '2026-01-01T00:00:00Z', agent: [{ who: { reference: 'Practitioner/doctor' } }] });
    const asked = await as(doctor('user/*.cruds'));
    expect(ids(await asked('GET', 'Observation?_list=names'))).toEqual(['obs-mi']);
    for (const url of ['List/names', 'List?_include=List:item', 'Group?_include=Group:member', 'Provenance?_include=Provenance:target', `Patient?_has:Group:member:_id=names`])
      expect([url, (await asked('GET', url)).text.includes(marker)]).toEqual([url, false]);
  });

  it('by a reference in a record that is seen learns nothing of what it leads to', async () => {
    const { send } = tsela();
    for (const [id, about] of [['ref-cl', closed], ['ref-ab', absent]] as const)
      await send('PUT', `Observation/${id}`, { resourceType: 'Observation', id, status: 'final', code: { text: 'x' }, subject: { reference: 'Patient/mine' }, focus: [{ reference: `Patient/${about.patient}` }], hasMember: [{ reference: `Observation/${about.observation}` }] });
    for (const identity of [doctor('user/*.cruds'), doctor('patient/*.cruds', mine)]) {
      const asked = await as(identity);
      for (const url of ['Observation/ID', 'Observation?_id=ID&_include=Observation:focus&_include=Observation:has-member', 'Observation?_id=ID&focus:Patient._id:missing=false', 'Observation?_id=ID&has-member:missing=false', 'Observation?_id=ID&focus:Patient.name:missing=true', 'Observation?_id=ID&_include:iterate=*', 'Observation/ID/$validate', 'Observation?_id=ID&has-member.status:not=final', 'Observation?_id=ID&_filter=focus.birthdate pr true', 'Observation?_id=ID&_sort=focus']) {
        const [found, none] = [await asked('GET', url.replace('ID', 'ref-cl')), await asked('GET', url.replace('ID', 'ref-ab'))];
        const plain = (text: string) => text.replaceAll(/ref-(?:cl|ab)|obs-(?:cl|ab)|closed|absent|"(?:lastUpdated|versionId)":"[^"]*"/g, '');
        expect([url, found.status, plain(found.text)]).toEqual([url, none.status, plain(none.text)]);
      }
    }
  });

  it('by Patient.link does not enter the linked record', async () => {
    await tsela().send('PUT', 'Patient/linked', { resourceType: 'Patient', id: 'linked', link: [{ type: 'seealso', other: { reference: 'Patient/mine' } }] });
    const send = await as(doctor('patient/*.cruds', mine));
    expect(ids(await send('GET', 'Patient'))).toEqual(['mine']);
    expect((await send('GET', 'Patient/linked')).status).toBe(404);
  });

  it('by moving a record of another, or the own one away, is refused like a write to what is not there', async () => {
    const send = await as(doctor('patient/*.cruds', mine));
    const take = { resourceType: 'Observation', id: closed.observation, status: 'final', code: { text: 'x' }, subject: { reference: 'Patient/mine' } };
    expect((await send('PUT', `Observation/${closed.observation}`, take)).status).toBe(405);
    expect((await send('PUT', 'Observation/obs-mi', { ...take, id: 'obs-mi', subject: { reference: `Patient/${closed.patient}` } })).status).toBe(403);
    expect((await send('GET', 'Observation/obs-mi')).body['subject'].reference).toBe('Patient/mine');
  });

  it('by a batch that hides a forbidden entry gets that entry alone refused', async () => {
    const send = await as(doctor('user/Observation.rs'));
    const entry = (url: string, method = 'GET') => ({ request: { method, url } });
    const { body } = await send('POST', '', { resourceType: 'Bundle', type: 'batch', entry: [entry('Observation/obs-mi'), entry('Patient/mine'), entry('Observation/obs-mi', 'DELETE')] });
    expect(body['entry'].map((one: { response: { status: string } }) => one.response.status.slice(0, 3))).toEqual(['200', '403', '403']);
  });

  it('by taking a consent\'s label off, or putting one on, changes nothing', async () => {
    const { send } = tsela();
    const stored = (await send('GET', `Observation/${closed.observation}`)).body;
    const { security } = stored['meta'];
    const parameters = { resourceType: 'Parameters', parameter: [{ name: 'meta', valueMeta: { security } }] };
    await send('POST', `Observation/${closed.observation}/$meta-delete`, parameters);
    const path = [{ op: 'remove', path: '/meta/security' }];
    await send('PATCH', `Observation/${closed.observation}`, path, { 'content-type': 'application/json-patch+json' });
    expect((await send('GET', `Observation/${closed.observation}`)).body['meta'].security).toEqual(security);
    const doctors = await as(doctor('user/*.cruds'));
    expect((await doctors('GET', `Observation/${closed.observation}`)).status).toBe(404);
  });

  it('by the receipt of another gets no answer of theirs', async () => {
    const key = { 'idempotency-key': 'guessed' };
    const body = { resourceType: 'Basic', code: { text: marker } };
    expect((await tsela().send('POST', 'Basic', body, key)).status).toBe(201);
    const own = await (await as(doctor('user/*.cruds')))('POST', 'Basic', { resourceType: 'Basic', code: { text: 'own' } }, key);
    expect([own.status, own.text.includes(marker)]).toEqual([201, false]);
  });

  it('by the audit trail learns of nobody else\'s record', async () => {
    for (const identity of [doctor('user/*.cruds'), { ...doctor('patient/*.cruds', mine), user: { account: 'm', fhirUser: 'Patient/mine', roles: ['patient'], patients: ['mine'] } }])
      expect((await (await as(identity))('GET', `AuditEvent?patient=Patient/${closed.patient}`)).status).toBe(403);
  });

  it('by a patient who names themselves the author, writes nothing into the record of another', async () => {
    await tsela().send('PUT', 'Patient/victim', { resourceType: 'Patient', id: 'victim' });
    const asPatient = await as({ ...doctor('patient/*.cruds', mine), user: { account: 'm', fhirUser: 'Patient/mine', roles: ['patient'], patients: ['mine'] } });
    const me = { reference: 'Patient/mine' };
    const victim = { reference: 'Patient/victim' };
    const attempts: Record<string, unknown>[] = [
      { resourceType: 'Observation', status: 'final', code: { text: 'x' }, subject: victim, performer: [me] },
      { resourceType: 'DocumentReference', status: 'current', subject: victim, author: [me], content: [{ attachment: { title: 'x' } }] },
      { resourceType: 'QuestionnaireResponse', status: 'completed', subject: victim, author: me, source: me },
      { resourceType: 'Communication', status: 'completed', subject: victim, sender: me },
    ];
    for (const resource of attempts) {
      expect([resource['resourceType'], (await asPatient('POST', String(resource['resourceType']), resource)).status]).toEqual([resource['resourceType'], 403]);
      const own = await asPatient('POST', String(resource['resourceType']), { ...resource, subject: me });
      expect([resource['resourceType'], own.status, own.text]).toEqual([resource['resourceType'], 201, expect.anything()]);
      const path = `${String(resource['resourceType'])}/${own.body['id']}`;
      expect((await asPatient('PUT', path, { ...resource, id: own.body['id'] })).status).toBe(403);
    }
    expect((await tsela().send('GET', 'Patient/victim/*')).body['entry'] ?? []).toHaveLength(1);
    // A message to the clinic, about nobody, is a patient's own.
    expect((await asPatient('POST', 'Communication', { resourceType: 'Communication', status: 'completed', sender: me })).status).toBe(201);
  });

  it('by a Provenance of one\'s own about what is hidden is told what one is told of what is not there', async () => {
    const send = await as(doctor('user/*.cruds'));
    const about = (...keys: string[]) => ({ resourceType: 'Provenance', target: keys.map(reference => ({ reference })), recorded: '2026-01-01T00:00:00Z', agent: [{ who: { display: 'x' } }] });
    const answers = [];
    for (const key of [`Observation/${closed.observation}`, `Observation/${absent.observation}`, `Patient/${closed.patient}`])
      answers.push((await send('POST', 'Provenance', about('Observation/obs-mi', key))).status);
    expect(answers).toEqual([400, 400, 400]);
    const own = await send('POST', 'Provenance', about('Observation/obs-mi', 'http://elsewhere.test/fhir/Observation/1'));
    expect(own.status).toBe(201);
    expect((await send('GET', `Provenance/${own.body['id']}`)).status).toBe(200);
    expect((await send('PUT', `Provenance/${own.body['id']}`, { ...about(`Observation/${closed.observation}`), id: own.body['id'] })).status).toBe(400);
    const header = { 'x-provenance': JSON.stringify({ resourceType: 'Provenance', recorded: '2026-01-01T00:00:00Z', agent: [{ who: { display: 'x' } }] }) };
    expect((await send('POST', 'Basic', { resourceType: 'Basic', code: { text: 'x' } }, header)).status).toBe(201);
  });

  it('by what only those who run the server may do is refused', async () => {
    const parameters = (...parameter: object[]) => ({ resourceType: 'Parameters', parameter });
    const url = parameters({ name: 'url', valueUri: 'urn:x' });
    const requests: [string, string, object?][] = [
      ['POST', '$reindex', url],
      ['POST', 'SearchParameter/$reindex', url],
      ['POST', 'ImplementationGuide/$install', parameters()],
      ['POST', 'Patient/mine/$move', parameters({ name: 'facility', valueCode: 'x' })],
      ['POST', 'Observation/obs-mi/$expunge', parameters({ name: 'expungeEverything', valueBoolean: true })],
      ['POST', 'SearchParameter', { resourceType: 'SearchParameter', url: 'urn:x', name: 'x', status: 'active', description: 'x', code: 'x', base: ['Patient'], type: 'token', expression: 'Patient.active' }],
      ['GET', 'AuditEvent/$broken-glass'],
      ['GET', 'AuditEvent'],
      ['POST', 'AuditEvent', { resourceType: 'AuditEvent', type: { code: 'x' }, recorded: '2026-01-01T00:00:00Z', agent: [{ requestor: true }], source: { observer: { display: 'x' } } }],
      ['POST', 'PractitionerRole', { resourceType: 'PractitionerRole', practitioner: { reference: 'Practitioner/doctor' }, organization: { reference: 'Organization/org' } }],
    ];
    for (const role of ['doctor', 'nurse', 'pharmacist', 'laboratory', 'reception', 'patient']) {
      const user = { account: role, fhirUser: role === 'patient' ? 'Patient/mine' : `Practitioner/${role}`, roles: [role], ...(role === 'patient' ? { patients: ['mine'] } : {}) };
      const send = await as({ ...doctor('user/*.cruds'), user });
      for (const [method, path, body] of requests)
        expect([role, path, (await send(method, path, body)).status]).toEqual([role, path, /\$(?:move|expunge)$/.test(path) ? expect.toBeOneOf([403, 404]) : 403]);
    }
    expect((await tsela().send('GET', 'Observation/obs-mi')).status).toBe(200);
  });

  it('by a token that may write and not read is told nothing of what is there', async () => {
    const patch = { 'content-type': 'application/json-patch+json', prefer: 'return=representation' };
    for (const scopes of ['user/Observation.u', 'user/Observation.cud']) {
      const send = await as(doctor(scopes));
      for (const id of ['obs-mi', 'obs-ab'])
        expect((await send('PATCH', `Observation/${id}`, [{ op: 'test', path: '/status', value: 'final' }], patch)).status).toBe(404);
      expect((await send('PATCH', 'Observation?_id=obs-mi', [], patch)).status).toBe(403);
    }
  });

  it('by a page that was just answered sees nothing of a record that is being closed', async () => {
    const grant = await tsela().system.compile(doctor('user/*.cruds'));
    const send = tsela().as(grant);
    await tsela().send('PUT', 'Patient/closing', { resourceType: 'Patient', id: 'closing' });
    const seen = async () => [(await send('GET', 'Patient?_id=closing')).body['entry']?.length ?? 0, (await send('GET', 'Patient/closing')).status];
    expect([await seen(), await seen()]).toEqual([[1, 200], [1, 200]]);
    await tsela().system.access.close('closing');
    expect(await seen()).toEqual([0, 404]);
  });
}); // prettier-ignore
