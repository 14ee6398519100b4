// Where a transaction is easily wrong: identities, references, reads, and what its response says.
// https://hl7.org/fhir/R4/http.html#trules
import { expect, it } from 'vitest';
import { onEveryStore, onEveryStoreAndThread, type Answer } from '../system.js';

type Entry = Record<string, any>; // eslint-disable-line @typescript-eslint/no-explicit-any -- what a response holds
const patient = (more: object = {}) => ({ resourceType: 'Patient', ...more });
const identified = (value: string, more: object = {}) =>
  patient({ identifier: [{ system: 'urn:x', value }], ...more });
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
const put = (url: string, resource: object, more: object = {}) => ({
  resource,
  request: { method: 'PUT', url, ...more },
});
const remove = (url: string) => ({ request: { method: 'DELETE', url } });
const get = (url: string, more: object = {}) => ({ request: { method: 'GET', url, ...more } });
const jsonPatch = (url: string, ...operations: object[]) => ({
  resource: {
    resourceType: 'Binary',
    contentType: 'application/json-patch+json',
    data: Buffer.from(JSON.stringify(operations)).toString('base64'),
  },
  request: { method: 'PATCH', url },
});
const bundle = (type: string, ...entry: object[]) => ({ resourceType: 'Bundle', type, entry });
const entries = (answer: Answer): Entry[] => answer.body['entry'] as Entry[];
const statuses = (answer: Answer) => entries(answer).map(entry => entry['response'].status.slice(0, 3));
const place = (entry: Entry) => /\/([^/]+\/[^/]+)\/_history/.exec(entry['response'].location)![1]!;

onEveryStoreAndThread('transaction', { conditionalDelete: 'multiple' }, tsela => {
  const send = (...entry: object[]) => tsela().send('POST', '', bundle('transaction', ...entry));
  const read = async (url: string) => (await tsela().send('GET', url)).body;
  const counted = async () => (await tsela().send('GET', '_history?_count=0')).body['total'] as number;

  it('takes none at all, and only reads', async () => {
    const empty = await tsela().send('POST', '', { resourceType: 'Bundle', type: 'transaction' });
    expect([empty.status, empty.body]).toEqual([
      200,
      { resourceType: 'Bundle', type: 'transaction-response' },
    ]);
    await tsela().send('PUT', 'Patient/g1', patient({ id: 'g1' }));
    const reads = await send(get('Patient/g1'), get('Patient?_id=g1'), {
      request: { method: 'HEAD', url: 'Patient/g1' },
    });
    expect(statuses(reads)).toEqual(['200', '200', '200']);
    expect(entries(reads).map(entry => entry['resource']?.resourceType)).toEqual([
      'Patient',
      'Bundle',
      undefined,
    ]);
  });

  it('fails as a whole where a read fails, and stores nothing', async () => {
    const before = await counted();
    for (const [url, status] of [
      ['Patient/nobody', 404],
      ['Patient?nonsense=1', 400],
      ['Patent/1', 404],
    ] as const) {
      const failed = await send(post(1, patient()), get(url));
      expect([url, failed.status]).toEqual([url, status]);
      expect(failed.body['issue'][0].expression).toEqual(['Bundle.entry[1]']);
    }
    expect(await counted()).toBe(before);
  });

  it('makes one resource of two entries with the same If-None-Exist, and both answers name it', async () => {
    const once = { ifNoneExist: 'identifier=urn:x|twice' };
    const answer = await send(
      post(1, identified('twice'), once),
      post(2, identified('twice'), once),
      post(3, observation(uuid(2))),
    );
    expect(statuses(answer)).toEqual(['201', '200', '201']);
    expect(place(entries(answer)[1]!)).toBe(place(entries(answer)[0]!));
    expect((await read(place(entries(answer)[2]!)))['subject'].reference).toBe(place(entries(answer)[0]!));
    expect((await read('Patient?identifier=urn:x|twice&_total=accurate'))['total']).toBe(1);
  });

  it('refuses entries about the same resource with 400, however they name it', async () => {
    await tsela().send('PUT', 'Patient/o1', identified('o', { id: 'o1' }));
    await tsela().send('PUT', 'Patient/o2', identified('o', { id: 'o2' }));
    await tsela().send('PUT', 'Patient/o3', identified('o3', { id: 'o3' }));
    const before = await counted();
    const cases: object[][] = [
      [put('Patient/o1', patient({ id: 'o1' })), remove('Patient/o1')],
      [put('Patient/o3', patient({ id: 'o3' })), put('Patient?identifier=urn:x|o3', patient())],
      [
        jsonPatch('Patient/o3', { op: 'add', path: '/active', value: true }),
        remove('Patient?identifier=urn:x|o3'),
      ],
      // The second of those a conditional delete finds.
      [remove('Patient?identifier=urn:x|o'), put('Patient/o2', patient({ id: 'o2' }))],
      [remove('Patient?identifier=urn:x|o'), remove('Patient/o2')],
      // Created under criteria, and updated by the same.
      [
        post(1, identified('fresh'), { ifNoneExist: 'identifier=urn:x|fresh' }),
        put('Patient?identifier=urn:x|fresh', identified('fresh')),
      ],
      [post(1, patient()), post(1, patient())],
    ];
    for (const [i, each] of cases.entries()) {
      const refused = await send(...each);
      expect([i, refused.status, refused.body['issue'][0].code]).toEqual([i, 400, 'duplicate']);
    }
    expect(await counted()).toBe(before);
  });

  it('deletes several by criteria and says which', async () => {
    for (const id of ['d1', 'd2', 'd3'])
      await tsela().send('PUT', `Patient/${id}`, identified('del', { id }));
    const answer = await send(remove('Patient?identifier=urn:x|del'), post(1, patient()));
    expect(statuses(answer)).toEqual(['204', '201']);
    expect(entries(answer)[0]!['response'].outcome.issue[0].details.text).toMatch(/^Deleted 3: Patient\/d1/);
    expect((await read('Patient?identifier=urn:x|del&_total=accurate'))['total']).toBe(0);
  });

  it('lets an identity be taken again in the order of the interactions', async () => {
    await tsela().send('PUT', 'Patient/again', identified('again', { id: 'again' }));
    const answer = await send(
      post(1, identified('again'), { ifNoneExist: 'identifier=urn:x|again' }),
      remove('Patient/again'),
      post(2, observation('Patient?identifier=urn:x|again')),
    );
    expect(statuses(answer)).toEqual(['201', '204', '201']);
    expect((await read(place(entries(answer)[2]!)))['subject'].reference).toBe(place(entries(answer)[0]!));
  });

  it('finds what it patches by conditional references', async () => {
    await tsela().send('PUT', 'Patient/pat', identified('pat', { id: 'pat' }));
    const answer = await send(
      jsonPatch('Patient/pat', { op: 'add', path: '/active', value: true }),
      post(1, observation('Patient?identifier=urn:x|pat')),
    );
    expect(statuses(answer)).toEqual(['200', '201']);
    expect((await read(place(entries(answer)[1]!)))['subject'].reference).toBe('Patient/pat');
  });

  it('judges a conditional reference once, however many entries have it', async () => {
    await tsela().send('PUT', 'Patient/often', identified('often', { id: 'often' }));
    const answer = await send(
      ...Array.from({ length: 300 }, (_, i) => post(i, observation('Patient?identifier=urn:x|often'))),
    );
    const subjects = await Promise.all(
      entries(answer)
        .slice(0, 5)
        .map(entry => read(place(entry))),
    );
    expect(subjects.map(one => one['subject'].reference)).toEqual(Array(5).fill('Patient/often'));
  });

  it('exchanges references that name a version, stand in what is contained or are added by a patch', async () => {
    await tsela().send('PUT', 'Patient/linked', patient({ id: 'linked' }));
    const answer = await send(
      { ...put('Patient/named', patient({ id: 'named' })), fullUrl: 'http://sender.example/fhir/Patient/named' },
      { ...post(0, patient()), fullUrl: 'http://sender.example/fhir/Patient/8' },
      {
        ...post(0, observation('Patient/8/_history/3', {
          contained: [{ resourceType: 'Specimen', id: 's', subject: { reference: 'Patient/8' } }],
          specimen: { reference: '#s' },
          focus: [{ reference: 'Patient/named' }, { reference: 'http://sender.example/fhir/Patient/8/_history/1' }],
        })),
        fullUrl: 'http://sender.example/fhir/Observation/9',
      },
      post(1, patient()),
      jsonPatch('Patient/linked', {
        op: 'add',
        path: '/link',
        value: [{ type: 'seealso', other: { reference: uuid(1) } }],
      }),
    ); // prettier-ignore
    expect(answer.status).toBe(200);
    const subject = place(entries(answer)[1]!);
    const stored = await read(place(entries(answer)[2]!));
    expect(stored['subject'].reference).toBe(subject);
    expect(stored['contained'][0].subject.reference).toBe(subject);
    expect(stored['specimen'].reference).toBe('#s');
    expect(stored['focus'].map((focus: Entry) => focus['reference'])).toEqual(['Patient/named', subject]);
    expect((await read('Patient/linked'))['link'][0].other.reference).toBe(place(entries(answer)[3]!));
  });

  it('leaves the references within a Bundle that is a resource alone', async () => {
    const inner = bundle('transaction', post(1, observation(uuid(2))), post(2, patient()));
    const answer = await send(post(1, patient()), post(3, inner));
    const stored = await read(place(entries(answer)[1]!));
    expect(stored['entry'][0].resource.subject.reference).toBe(uuid(2));
    const alone = await tsela().send('POST', 'Bundle', inner);
    expect([alone.status, alone.body['entry'][1].fullUrl]).toEqual([201, uuid(2)]);
  });

  it.each([
    [post(1, observation(`${uuid(1)}/_history/1`)), 400],
    [
      { resource: { resourceType: 'Parameters' }, request: { method: 'POST', url: 'Patient/x/$meta-add' } },
      400,
    ],
    [{ request: { method: 'POST', url: 'Patient/_search' } }, 400],
    [{ request: { method: 'DELETE', url: 'Patient' } }, 400],
    [put('Patient/a/_history/1', patient({ id: 'a' })), 400],
    [{ resource: patient(), request: { method: 'POST', url: '/' } }, 400],
    [post(1, patient(), { ifNoneExist: '' }), 400],
    [post(1, patient(), { ifNoneExist: 'Observation?status=final' }), 400],
    [put('Patient/other', patient({ id: 'this' })), 400],
    [put('Patient/bad_id', patient({ id: 'bad_id' })), 400],
    [put('Patient/%E0%A4%A', patient({ id: 'x' })), 400],
    [put('Patient/never', patient({ id: 'never' }), { ifMatch: 'W/"1"' }), 412],
  ])('refuses %j', async (entry, status) => {
    const before = await counted();
    const refused = await send(entry);
    expect([refused.status, refused.body['resourceType']]).toEqual([status, 'OperationOutcome']);
    expect(refused.body['issue'][0].expression?.[0]).toMatch(/^Bundle\.entry\[0\]/);
    expect(await counted()).toBe(before);
  });

  it('counts entries before anything else', async () => {
    const many = Array.from({ length: 20_001 }, () => get('Patient/x'));
    for (const type of ['batch', 'transaction'])
      expect((await tsela().send('POST', '', bundle(type, ...many))).status).toBe(413);
  });

  it('keeps thousands of conditional entries apart', async () => {
    const names = Array.from({ length: 1500 }, (_, i) => `many-${i}`);
    const all = names.map((name, i) =>
      post(i, identified(name), { ifNoneExist: `identifier=urn:x|${name}` }),
    );
    const answer = await send(...all, ...names.map((_, i) => post(10_000 + i, observation(uuid(i)))));
    expect(statuses(answer).every(status => status === '201')).toBe(true);
    expect(new Set(entries(answer).slice(0, 1500).map(place)).size).toBe(1500);
  });
});

onEveryStore('responses within Bundles', {}, tsela => {
  const both = async (headers: Record<string, string>, ...entry: object[]) =>
    [
      await tsela().send('POST', '', bundle('batch', ...entry), headers),
      await tsela().send('POST', '', bundle('transaction', ...entry), headers),
    ] as const;

  it('name the resource, its version and its exact time, and hold it only on request', async () => {
    await tsela().send('PUT', 'Patient/e1', identified('e1', { id: 'e1' }));
    for (const prefer of ['', 'return=minimal', 'return=representation', 'return=OperationOutcome']) {
      const answers = await both(
        prefer === '' ? {} : { prefer },
        put('Patient/e1', identified('e1', { id: 'e1' })),
        post(1, patient()),
        post(2, identified('e1'), { ifNoneExist: 'identifier=urn:x|e1' }),
      );
      for (const answer of answers) {
        expect(statuses(answer)).toEqual(['200', '201', '200']);
        for (const entry of entries(answer)) {
          const stored = (await tsela().send('GET', place(entry))).body;
          expect(entry['response']).toMatchObject({
            etag: `W/"${stored['meta'].versionId}"`,
            lastModified: stored['meta'].lastUpdated,
          });
          expect(entry['resource']).toEqual(prefer === 'return=representation' ? stored : undefined);
          expect(entry['response'].outcome?.resourceType).toBe(
            prefer === 'return=OperationOutcome' ? 'OperationOutcome' : undefined,
          );
        }
        expect(place(entries(answer)[2]!)).toBe('Patient/e1');
      }
    }
  });

  it('judge ifNoneMatch and ifModifiedSince, and leave the body of HEAD out', async () => {
    const stored = (await tsela().send('PUT', 'Patient/e2', patient({ id: 'e2' }))).body;
    const at = Date.parse(stored['meta'].lastUpdated);
    const answers = await both(
      {},
      get('Patient/e2', { ifNoneMatch: 'W/"1"' }),
      get('Patient/e2', { ifModifiedSince: stored['meta'].lastUpdated }),
      get('Patient/e2', { ifModifiedSince: new Date(at - 1).toISOString() }),
      { request: { method: 'HEAD', url: 'Patient/e2' } },
      get('?_type=Patient&_id=e2'),
    );
    for (const answer of answers) {
      expect(statuses(answer)).toEqual(['304', '304', '200', '200', '200']);
      const [same, , changed, head, system] = entries(answer);
      expect([same!['resource'], head!['resource']]).toEqual([undefined, undefined]);
      expect([changed!['resource'].id, changed!['response'].lastModified]).toEqual([
        'e2',
        stored['meta'].lastUpdated,
      ]);
      expect(head!['response'].etag).toBe('W/"1"');
      expect(system!['resource'].entry[0].resource.id).toBe('e2');
    }
    for (const answer of await both({}, get('Patient/e2', { ifModifiedSince: 'yesterday' })))
      expect(answer.status).toBe(400);
  });

  it('hold operations and patches in a batch, and no Bundle in it', async () => {
    await tsela().send('PUT', 'Patient/e3', patient({ id: 'e3' }));
    const answer = await tsela().send(
      'POST',
      '',
      bundle(
        'batch',
        get('Patient/e3/$meta'),
        { resource: { resourceType: 'Parameters' }, request: { method: 'POST', url: 'Patient/e3/$meta' } },
        jsonPatch('Patient/e3', { op: 'add', path: '/active', value: true }),
        { resource: { resourceType: 'Bundle', type: 'batch' }, request: { method: 'POST', url: '/' } },
        { request: { method: 'POST', url: 'Patient/_search?_id=e3' } },
        { resource: { resourceType: 'Binary', contentType: 'x/y', data: 'bm8=' }, request: { method: 'PATCH', url: 'Patient/e3' } }, // prettier-ignore
        {
          resource: { resourceType: 'Bundle', type: 'collection' },
          request: { method: 'POST', url: 'Bundle' },
        },
      ),
    );
    expect(statuses(answer)).toEqual(['200', '200', '200', '400', '200', '400', '201']);
    expect(entries(answer)[4]!['resource'].entry).toHaveLength(1);
  });
});
