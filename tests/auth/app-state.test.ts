// Every sentence of the specification about app state that binds the server, in its order.
// https://hl7.org/fhir/smart-app-launch/app-state.html
import { beforeAll, describe, expect, it } from 'vitest';
import type { Json } from '../json.js';
import { administrator } from './people-setup.js';
import { json, onEveryServer, signedIn, serviceToken, type App } from './smart-server.js';

const system = 'https://app.example.org';
const url = `${system}/display-preferences-v2`;

onEveryServer('the state of apps', server => {
  let app: App;
  let doctor: string;
  const scope = 'user/Basic.cuds user/Patient.rs';
  const tokenOf = async (of: App, options: Parameters<typeof signedIn>[2] = {}): Promise<string> =>
    ((await signedIn(server(), of, { scope, ...options })) as { access_token: string }).access_token;
  beforeAll(async () => {
    app = await server().app({ state: [`${system}|preferences`, `${system}|keys`] });
    doctor = await tokenOf(app);
  });

  const about = (subject: string | undefined, code = 'preferences', value = 'dark') => ({
    resourceType: 'Basic',
    code: { coding: [{ system, code }] },
    ...(subject === undefined ? {} : { subject: { reference: `${server().url}/${subject}` } }),
    extension: [{ url, valueString: value }],
  });
  const send = (
    method: string,
    path: string,
    token: string | undefined,
    body?: unknown,
    headers: Record<string, string> = {},
  ) =>
    // prettier-ignore
    server().fhir(`app-state/${path}`, token, {
      method,
      headers: { 'content-type': 'application/fhir+json', ...headers },
      ...(body === undefined ? {} : { body: typeof body === 'string' ? body : JSON.stringify(body) }),
    });
  const create = (token: string, body: unknown) => send('POST', 'Basic', token, body);
  const search = (token: string, subject: string | undefined, code = `${system}|preferences`) => {
    const who = subject === undefined ? { 'subject:missing': 'true' } : { subject: `${server().url}/${subject}` }; // prettier-ignore
    return send('GET', `Basic?${new URLSearchParams({ code, ...who }).toString()}`, token);
  };
  const found = async (...of: Parameters<typeof search>): Promise<Json[]> =>
    ((await json(await search(...of))).entry ?? []).map(({ resource }: Json) => resource);

  it('is announced with the address it is kept at', async () => {
    const { associated_endpoints } = await json(await server().fhir('.well-known/smart-configuration'));
    expect(associated_endpoints).toEqual([
      { url: `${server().url}/app-state`, capabilities: ['smart-app-state'] },
    ]);
  });

  it('is created with an id and a version, persisted as it came, changed, found and deleted', async () => {
    const sent = about('Practitioner/doctor');
    const created = await create(doctor, sent);
    const body = await json(created);
    expect(created.status).toBe(201);
    expect(body).toMatchObject(sent);
    expect(created.headers.get('etag')).toBe(`W/"${body.meta.versionId}"`);
    expect(created.headers.get('location')).toContain(`${server().url}/app-state/Basic/${body.id}`);
    expect(await found(doctor, 'Practitioner/doctor')).toEqual([body]);

    const next = { ...about('Practitioner/doctor', 'preferences', 'light'), id: body.id };
    const etag = created.headers.get('etag')!;
    const updated = await send('PUT', `Basic/${body.id}`, doctor, next, { 'if-match': etag });
    const after = await json(updated);
    expect(updated.status).toBe(200);
    expect(after).toMatchObject(next);
    expect(after.meta.versionId).not.toBe(body.meta.versionId);
    expect(updated.headers.get('etag')).toBe(`W/"${after.meta.versionId}"`);
    // What was read can be sent back as it was read.
    const same = await send('PUT', `Basic/${body.id}`, doctor, after, { 'if-match': updated.headers.get('etag')! }); // prettier-ignore
    expect(same.status).toBe(200);

    const deleted = (tag: string) =>
      send('DELETE', `Basic/${body.id}`, doctor, undefined, { 'if-match': tag });
    expect((await deleted(etag)).status).toBe(412);
    expect((await deleted(same.headers.get('etag')!)).status).toBe(204);
    expect(await found(doctor, 'Practitioner/doctor')).toEqual([]);
    expect((await deleted(same.headers.get('etag')!)).status).toBe(412);
    expect((await send('PUT', `Basic/${body.id}`, doctor, next, { 'if-match': etag })).status).toBe(412);
  });

  it('is not among the records', async () => {
    const { id } = await json(await create(doctor, about('Patient/mine')));
    const all = await serviceToken(server(), 'system/*.rs');
    expect((await json(await server().fhir('Basic?_total=accurate', all))).total).toBe(0);
    expect((await server().fhir(`Basic/${id}`, all)).status).toBe(404);
  });

  it('needs If-Match, and of fifty changes of one version takes one', async () => {
    const { id } = await json(await create(doctor, about('Patient/other')));
    const next = { ...about('Patient/other'), id };
    expect((await send('PUT', `Basic/${id}`, doctor, next)).status).toBe(400);
    expect((await send('DELETE', `Basic/${id}`, doctor)).status).toBe(400);
    expect((await send('PUT', `Basic/${id}`, doctor, next, { 'if-match': '*' })).status).toBe(400);
    const [now] = await found(doctor, 'Patient/other');
    const tag = `W/"${now!.meta.versionId}"`;
    const raced = await Promise.all(
      Array.from(
        { length: 50 },
        (_, i) =>
        send('PUT', `Basic/${id}`, doctor, { ...about('Patient/other', 'preferences', `${i}`), id }, { 'if-match': tag }), // prettier-ignore
      ),
    );
    const statuses = raced.map(({ status }) => status);
    expect(statuses.filter(status => status === 200)).toHaveLength(1);
    expect(statuses.filter(status => status === 412)).toHaveLength(49);
  });

  it('keeps its code and its subject', async () => {
    const made = await create(doctor, about('Practitioner/doctor', 'keys'));
    const { id } = await json(made);
    const etag = made.headers.get('etag')!;
    for (const other of [about('Practitioner/doctor'), about('Patient/mine', 'keys'), about(undefined, 'keys')])
      expect((await send('PUT', `Basic/${id}`, doctor, { ...other, id }, { 'if-match': etag })).status).toBe(412); // prettier-ignore
  });

  it('is refused where it is not what the specification says', async () => {
    const right = about('Patient/mine');
    const wrong: readonly (readonly [number, unknown])[] = [
      [400, { ...right, id: 'mine' }],
      [400, { ...right, meta: { versionId: '7' } }],
      [400, { ...right, subject: { reference: 'Patient/mine' } }],
      [400, { ...right, subject: { reference: 'https://elsewhere.example/fhir/Patient/mine' } }],
      [400, { ...right, subject: { reference: `${server().url}/Observation/lab` } }],
      [400, { ...right, subject: { display: 'somebody' } }],
      [400, { ...right, code: { coding: [...right.code.coding, { system, code: 'keys' }] } }],
      [400, { ...right, code: { coding: [{ code: 'preferences' }] } }],
      [400, { ...right, code: { text: 'preferences' } }],
      [400, { ...right, extension: [{ url, valueInteger: 1 }] }],
      [400, { ...right, extension: [{ url, extension: [{ url, valueString: 'deep' }] }] }],
      [400, { ...right, author: { reference: 'Practitioner/doctor' } }],
      [400, { ...right, resourceType: 'Patient' }],
      [413, { ...right, extension: [{ url, valueString: 'x'.repeat(256 * 1024) }] }],
    ];
    for (const [status, body] of wrong) expect((await create(doctor, body)).status).toBe(status);
    const largest = { ...right, extension: [{ url, valueString: '' }] };
    const room = 256 * 1024 - JSON.stringify(largest).length;
    largest.extension[0]!.valueString = 'x'.repeat(room);
    const made = await create(doctor, largest);
    expect(made.status).toBe(201);
    expect((await json(made)).extension[0].valueString).toHaveLength(room);
  });

  it('is found by code and subject, and by nothing else', async () => {
    const asked = (query: string) => send('GET', `Basic?${query}`, doctor).then(({ status }) => status);
    const code = encodeURIComponent(`${system}|preferences`);
    const subject = encodeURIComponent(`${server().url}/Practitioner/doctor`);
    expect(await asked(`code=${code}&subject=${subject}`)).toBe(200);
    for (const query of [
      '',
      `code=${code}`,
      `subject=${subject}`,
      `code=preferences&subject=${subject}`,
      `code=${code}&subject=${subject}&subject:missing=true`,
      `code=${code}&code=${code}&subject=${subject}`,
      `code=${code}&subject:missing=false`,
      `code=${code}&subject=${subject}&_lastUpdated=gt2020`,
    ])
      expect([query, await asked(query)]).toEqual([query, 400]);
  });

  describe('is held to', () => {
    it('a token, and a client that was registered for the code', async () => {
      expect((await send('POST', 'Basic', undefined, about('Patient/mine'))).status).toBe(401);
      const unregistered = await tokenOf(await server().app());
      expect((await create(unregistered, about('Practitioner/doctor'))).status).toBe(403);
      expect((await search(unregistered, 'Practitioner/doctor')).status).toBe(403);
      expect((await create(doctor, about('Practitioner/doctor', 'other'))).status).toBe(403);
      const whole = await server().app({ state: [`${system}|`] });
      expect((await create(await tokenOf(whole), about('Practitioner/doctor', 'other'))).status).toBe(201);
      await expect(server().app({ state: ['preferences'] })).rejects.toThrow(/no code for state/);
    });

    it('the scopes of the token, with their codes', async () => {
      const reader = await tokenOf(app, { scope: 'user/Basic.s' });
      expect((await search(reader, 'Practitioner/doctor')).status).toBe(200);
      const made = await create(doctor, about('Practitioner/doctor'));
      const { id } = await json(made);
      expect((await create(reader, about('Practitioner/doctor'))).status).toBe(403);
      const match = { 'if-match': made.headers.get('etag')! };
      expect((await send('DELETE', `Basic/${id}`, reader, undefined, match)).status).toBe(403);
      const one = await tokenOf(app, { scope: `user/Basic.cuds?code=${system}|keys` });
      expect((await create(one, about('Practitioner/doctor', 'keys'))).status).toBe(201);
      expect((await create(one, about('Practitioner/doctor'))).status).toBe(403);
      const tagged = await tokenOf(app, { scope: 'user/Basic.cuds?_tag=x|y' });
      expect((await create(tagged, about('Practitioner/doctor'))).status).toBe(403);
      const none = await tokenOf(app, { scope: 'user/Patient.rs' });
      expect((await search(none, 'Practitioner/doctor')).status).toBe(403);
    });

    it('the patient in context, the person, and whom the token shows', async () => {
      const patient = { as: 'patient', scope: 'launch/patient patient/Basic.cuds' };
      const mine = await tokenOf(app, patient);
      expect((await create(mine, about('Patient/mine'))).status).toBe(201);
      expect((await create(mine, about('Patient/other'))).status).toBe(403);
      expect((await search(mine, 'Patient/other')).status).toBe(403);
      expect((await search(mine, undefined)).status).toBe(403);
      const mother = await tokenOf(app, { as: 'proxy', scope: 'user/Basic.cuds' });
      expect((await create(mother, about('RelatedPerson/mother'))).status).toBe(201);
      expect((await create(mother, about('Practitioner/doctor'))).status).toBe(403);
      // The doctor's token shows patients; one that does not is no use for them.
      expect((await create(doctor, about('Patient/other'))).status).toBe(201);
      const blind = await tokenOf(app, { scope: 'user/Basic.cuds' });
      expect((await create(blind, about('Patient/other'))).status).toBe(403);
      expect((await create(doctor, about('Patient/nobody'))).status).toBe(403);
    });

    it('administrators and services, where it is about the whole place', async () => {
      const { browser } = await administrator(server(), 'admin');
      const admin = await tokenOf(app, { browser });
      expect((await create(doctor, about(undefined))).status).toBe(403);
      const made = await create(admin, about(undefined));
      expect(made.status).toBe(201);
      expect((await found(doctor, undefined)).map(({ id }) => id)).toEqual([(await json(made)).id]);
      const client = { scopes: ['system/*.cruds'], state: [`${system}|`] };
      const token = await serviceToken(server(), 'system/Basic.cuds system/Person.r', { client });
      expect((await create(token, about(undefined, 'service'))).status).toBe(201);
      expect((await create(token, about('Person/nobody'))).status).toBe(403);
    });
  });

  it('has room for several of one kind, and an end', async () => {
    const statuses: number[] = [];
    const sent = about('PractitionerRole/none', 'room');
    const client = { state: [`${system}|room`] };
    const token = await serviceToken(server(), 'system/*.cruds', { client });
    const role = { resourceType: 'PractitionerRole', id: 'none' };
    await server().fhir('PractitionerRole/none', token, { method: 'PUT', headers: { 'content-type': 'application/fhir+json' }, body: JSON.stringify(role) }); // prettier-ignore
    for (let i = 0; i < 17; i++) statuses.push((await create(token, sent)).status);
    expect(statuses).toEqual([...Array<number>(16).fill(201), 422]);
  });
});
