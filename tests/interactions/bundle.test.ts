// batch and transaction. https://hl7.org/fhir/R4/http.html#transaction
import { expect, it } from 'vitest';
import { onEveryStore } from '../system.js';

const patient = (more: object = {}) => ({ resourceType: 'Patient', ...more });
const observation = (subject: string, more: object = {}) => ({
  resourceType: 'Observation',
  status: 'final',
  code: { text: 'x' },
  subject: { reference: subject },
  ...more,
});
const uuid = (n: number) => `urn:uuid:00000000-0000-4000-8000-${String(n).padStart(12, '0')}`;
const post = (n: number, resource: { resourceType: string }, more: object = {}) => ({
  fullUrl: uuid(n),
  resource,
  request: { method: 'POST', url: resource.resourceType, ...more },
});
const transaction = (...entry: object[]) => ({ resourceType: 'Bundle', type: 'transaction', entry });
const batch = (...entry: object[]) => ({ resourceType: 'Bundle', type: 'batch', entry });
const idOf = (entry: { response: { location: string } }) =>
  /\/([^/]+\/[^/]+)\/_history/.exec(entry.response.location)![1]!;

onEveryStore('transaction', {}, tsela => {
  it('rewrites references to entries, circular and to themselves, wherever they stand', async () => {
    const answer = await tsela().send(
      'POST',
      '',
      transaction(
        post(1, {
          resourceType: 'Patient',
          link: [{ other: { reference: uuid(1) }, type: 'seealso' }],
          managingOrganization: { reference: uuid(2) },
        } as never),
        post(2, { resourceType: 'Organization', name: 'Clinic', partOf: { reference: uuid(3) } } as never),
        post(3, { resourceType: 'Organization', name: 'District', partOf: { reference: uuid(2) } } as never),
        post(4, {
          resourceType: 'Basic',
          code: { text: 'x' },
          extension: [{ url: 'http://e.x/u', valueUri: uuid(1) }],
          text: {
            status: 'generated',
            div: `<div xmlns="http://www.w3.org/1999/xhtml"><a href="${uuid(1)}">x</a></div>`,
          },
        } as never),
      ),
    );
    expect(answer.status).toBe(200);
    expect(answer.body['type']).toBe('transaction-response');
    const [p, a, b, basic] = answer.body['entry'].map(idOf);
    expect(answer.body['entry'][0].response).toMatchObject({ status: '201 Created', etag: 'W/"1"' });
    expect(answer.body['entry'][0].response.lastModified).toMatch(/Z$/);
    const stored = (await tsela().send('GET', p)).body;
    expect(stored['link'][0].other.reference).toBe(p);
    expect(stored['managingOrganization'].reference).toBe(a);
    expect((await tsela().send('GET', a)).body['partOf'].reference).toBe(b);
    expect((await tsela().send('GET', b)).body['partOf'].reference).toBe(a);
    const text = (await tsela().send('GET', basic)).text;
    expect(text).toContain(`"valueUri":"${p}"`);
    expect(text).toContain(`href=\\"${p}\\"`);
  });

  it('stores all or nothing', async () => {
    const before = (await tsela().send('GET', '_history?_count=0')).body['total'];
    const refused = await tsela().send(
      'POST',
      '',
      transaction(post(1, patient({ active: true })), post(2, patient({ birthDate: 'never' }))),
    );
    expect(refused.status).toBe(400);
    expect(refused.body['issue'][0].expression).toEqual(['Bundle.entry[1].resource.birthDate']);
    const conflict = await tsela().send(
      'POST',
      '',
      transaction(post(1, patient()), {
        resource: patient({ id: 'tx-1' }),
        request: { method: 'PUT', url: 'Patient/tx-1', ifMatch: 'W/"4"' },
      }),
    );
    expect(conflict.status).toBe(412);
    expect((await tsela().send('GET', '_history?_count=0')).body['total']).toBe(before);
  });

  it('works in the order DELETE, POST, PUT and PATCH, GET and answers in the order of the entries', async () => {
    await tsela().send('PUT', 'Patient/o1', patient({ id: 'o1' }));
    await tsela().send('PUT', 'Patient/o2', patient({ id: 'o2' }));
    const answer = await tsela().send(
      'POST',
      '',
      transaction(
        { request: { method: 'GET', url: 'Patient?_id=o2,o3' } },
        { resource: patient({ id: 'o3' }), request: { method: 'PUT', url: 'Patient/o3' } },
        post(1, patient()),
        { request: { method: 'DELETE', url: 'Patient/o1' } },
        {
          resource: {
            resourceType: 'Binary',
            contentType: 'application/json-patch+json',
            data: Buffer.from('[{"op":"add","path":"/active","value":true}]').toString('base64'),
          },
          request: { method: 'PATCH', url: 'Patient/o2' },
        },
        { request: { method: 'GET', url: 'Patient/o2' } },
      ),
    );
    expect(
      answer.body['entry'].map((entry: { response: { status: string } }) =>
        entry.response.status.slice(0, 3),
      ),
    ).toEqual(['200', '201', '201', '204', '200', '200']);
    expect(answer.body['entry'][0].resource.entry).toHaveLength(2);
    expect(answer.body['entry'][5].resource.active).toBe(true);
  });

  it('refuses two entries about the same resource', async () => {
    const twice = await tsela().send(
      'POST',
      '',
      transaction(
        { resource: patient({ id: 'tw' }), request: { method: 'PUT', url: 'Patient/tw' } },
        { request: { method: 'DELETE', url: 'Patient/tw' } },
      ),
    );
    expect([
      twice.status >= 400 && twice.status < 500,
      (await tsela().send('GET', 'Patient/tw')).status,
    ]).toEqual([true, 404]);
    const sameFullUrl = await tsela().send('POST', '', transaction(post(1, patient()), post(1, patient())));
    expect(sameFullUrl.status).toBeGreaterThanOrEqual(400);
  });

  it('judges criteria and conditional references on the store with the bundle on top', async () => {
    const identified = (value: string) => patient({ identifier: [{ system: 'urn:b', value }] });
    await tsela().send('PUT', 'Patient/known', { ...identified('known'), id: 'known' });
    const answer = await tsela().send(
      'POST',
      '',
      transaction(
        post(1, identified('new'), { ifNoneExist: 'identifier=urn:b|new' }),
        post(2, identified('known'), { ifNoneExist: 'identifier=urn:b|known' }),
        post(3, observation('Patient?identifier=urn:b|known')),
        post(4, observation('Patient?identifier=urn:b|new')),
        post(5, observation(uuid(2))),
        {
          fullUrl: uuid(6),
          resource: identified('upsert'),
          request: { method: 'PUT', url: 'Patient?identifier=urn:b|upsert' },
        },
        post(7, observation(uuid(6))),
      ),
    );
    expect(answer.status).toBe(200);
    const entries = answer.body['entry'];
    expect(
      entries.map((entry: { response: { status: string } }) => entry.response.status.slice(0, 3)),
    ).toEqual(['201', '200', '201', '201', '201', '201', '201']);
    const subject = async (i: number) =>
      (await tsela().send('GET', idOf(entries[i]))).body['subject'].reference;
    expect(idOf(entries[1])).toBe('Patient/known');
    expect(await subject(2)).toBe('Patient/known');
    expect(await subject(3)).toBe(idOf(entries[0]));
    expect(await subject(4)).toBe('Patient/known');
    expect(await subject(6)).toBe(idOf(entries[5]));
    const again = await tsela().send(
      'POST',
      '',
      transaction(post(1, identified('new'), { ifNoneExist: 'identifier=urn:b|new' })),
    );
    expect(idOf(again.body['entry'][0])).toBe(idOf(entries[0]));
  });

  it('refuses criteria that find several, references that lead nowhere, and entries that overlap by criteria', async () => {
    const twin = patient({ identifier: [{ system: 'urn:b', value: 'twin' }] });
    await tsela().send('POST', 'Patient', twin);
    await tsela().send('POST', 'Patient', twin);
    const cases: [object[], number][] = [
      [[post(1, observation('Patient?identifier=urn:b|twin'))], 412],
      [[post(1, observation('Patient?identifier=urn:b|nobody'))], 400],
      [[post(1, observation(uuid(9)))], 400],
      [[post(1, twin, { ifNoneExist: 'identifier=urn:b|twin' })], 412],
      [[{ request: { method: 'GET', url: 'http://elsewhere.example/Patient/1' } }], 400],
      [[{ resource: patient(), request: { method: 'POST', url: 'Patent' } }], 404],
      [[{ resource: patient() }], 400],
    ];
    for (const [entries, status] of cases)
      expect((await tsela().send('POST', '', transaction(...entries))).status).toBe(status);
    await tsela().send(
      'PUT',
      'Patient/ov',
      patient({ id: 'ov', identifier: [{ system: 'urn:b', value: 'ov' }] }),
    );
    const overlap = await tsela().send(
      'POST',
      '',
      transaction(
        { resource: patient({ id: 'ov', active: true }), request: { method: 'PUT', url: 'Patient/ov' } },
        {
          resource: patient({ identifier: [{ system: 'urn:b', value: 'ov' }], active: false }),
          request: { method: 'PUT', url: 'Patient?identifier=urn:b|ov' },
        },
      ),
    );
    expect(overlap.status).toBeGreaterThanOrEqual(400);
    expect((await tsela().send('GET', 'Patient/ov')).headers['etag']).toBe('W/"1"');
  });

  it('makes one resource of racing bundles with the same criteria', async () => {
    const bundle = transaction(
      post(1, patient({ identifier: [{ system: 'urn:b', value: 'racer' }] }), {
        ifNoneExist: 'identifier=urn:b|racer',
      }),
      post(2, observation(uuid(1))),
    );
    const answers = await Promise.all(Array.from({ length: 20 }, () => tsela().send('POST', '', bundle)));
    expect(new Set(answers.map(answer => idOf(answer.body['entry'][0]))).size).toBe(1);
    const found = await tsela().send(
      'GET',
      `Observation?subject=${idOf(answers[0]!.body['entry'][0])}&_total=accurate`,
    );
    expect(found.body['total']).toBe(20);
  });

  it('is carried out once per Idempotency-Key', async () => {
    const bundle = transaction(post(1, patient()), post(2, observation(uuid(1))));
    const answers = await Promise.all(
      Array.from({ length: 5 }, () => tsela().send('POST', '', bundle, { 'idempotency-key': 'bundle-1' })),
    );
    expect(new Set(answers.map(answer => answer.text)).size).toBe(1);
  });

  it('resolves relative references among entries with REST fullUrls', async () => {
    const answer = await tsela().send(
      'POST',
      '',
      transaction(
        {
          fullUrl: 'http://sender.example/fhir/Patient/77',
          resource: patient(),
          request: { method: 'POST', url: 'Patient' },
        },
        {
          fullUrl: 'http://sender.example/fhir/Observation/78',
          resource: observation('Patient/77'),
          request: { method: 'POST', url: 'Observation' },
        },
        {
          fullUrl: 'http://sender.example/fhir/Observation/79',
          resource: observation('http://sender.example/fhir/Patient/77'),
          request: { method: 'POST', url: 'Observation' },
        },
      ),
    );
    const [p, o1, o2] = answer.body['entry'].map(idOf);
    expect((await tsela().send('GET', o1)).body['subject'].reference).toBe(p);
    expect((await tsela().send('GET', o2)).body['subject'].reference).toBe(p);
  });

  it('honours Prefer: return=representation', async () => {
    const answer = await tsela().send('POST', '', transaction(post(1, patient())), {
      prefer: 'return=representation',
    });
    expect(answer.body['entry'][0].resource.resourceType).toBe('Patient');
  });
});

onEveryStore('batch', {}, tsela => {
  it('answers every entry on its own', async () => {
    await tsela().send('PUT', 'Patient/b1', patient({ id: 'b1' }));
    const answer = await tsela().send(
      'POST',
      '',
      batch(
        { request: { method: 'GET', url: 'Patient/b1' } },
        { request: { method: 'GET', url: 'Patient/none' } },
        { resource: patient({ birthDate: 'x' }), request: { method: 'POST', url: 'Patient' } },
        { resource: patient(), request: { method: 'POST', url: 'Patient' } },
        { request: { method: 'GET', url: 'Patient?_id=b1' } },
        { request: { method: 'DELETE', url: 'Patient/b2' } },
        { request: { method: 'GET', url: '/Patient?nonsense=1' } },
        { request: { method: 'GET', url: 'http://tsela.test/fhir/metadata' } },
      ),
    );
    expect(answer.status).toBe(200);
    expect(answer.body['type']).toBe('batch-response');
    expect(
      answer.body['entry'].map((entry: { response: { status: string } }) =>
        entry.response.status.slice(0, 3),
      ),
    ).toEqual(['200', '404', '400', '201', '200', '204', '400', '200']);
    expect(answer.body['entry'][2].response.outcome.issue[0].expression).toEqual(['Patient.birthDate']);
    expect(answer.body['entry'][3].response.location).toMatch(/_history\/1$/);
  });

  it('refuses Bundles of other types', async () => {
    for (const type of ['collection', 'searchset', 'history']) {
      expect((await tsela().send('POST', '', { resourceType: 'Bundle', type })).status).toBe(400);
    }
    expect((await tsela().send('POST', '', patient())).status).toBe(400);
  });
});
