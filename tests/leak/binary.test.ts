// Whose a Binary is: that of its securityContext, else that of whatever visible refers to it, else of who stored it. By
// every way of reading, as a resource and raw; and nobody comes to see one by making a record refer to it.
import { beforeAll, expect, it } from 'vitest';
import type { Identity } from '../../src/auth/identity.js';
import { binaryRows } from '../../src/search/binary-rows.js';
import { onEveryStore, type Send } from '../system.js';

const person = (role: string, fhirUser: string, scopes: string, more: Partial<Identity> = {}): Identity => ({
  sub: fhirUser,
  clientId: 'app',
  user: { account: fhirUser, fhirUser, roles: [role], ...(role === 'patient' ? { patients: [fhirUser.slice(8)] } : {}) },
  scopes: scopes.split(' '),
  grantId: 'g',
  ...more,
}); // prettier-ignore
const patient = (id: string, scopes = 'patient/*.cruds'): Identity => person('patient', `Patient/${id}`, scopes, { patient: id }); // prettier-ignore
const doctor = (id = 'doctor', scopes = 'user/*.cruds'): Identity => person('doctor', `Practitioner/${id}`, scopes); // prettier-ignore

const binary = (id: string, context?: string) => ({
  resourceType: 'Binary',
  id,
  contentType: 'text/plain',
  data: Buffer.from(`content of ${id}`).toString('base64'),
  ...(context === undefined ? {} : { securityContext: { reference: context } }),
});
const document = (subject: string, url: string, more: object = {}) => ({
  resourceType: 'DocumentReference',
  status: 'current',
  subject: { reference: `Patient/${subject}` },
  content: [{ attachment: { contentType: 'text/plain', url } }],
  ...more,
});
const plain = { accept: 'text/plain' };
const raw = { 'content-type': 'text/plain' };

it('rows tell of every reference to a Binary, and of nothing else', () => {
  const url = 'http://tsela.test/fhir/Binary/e/_history/2';
  const resource = {
    resourceType: 'Media',
    content: { url: 'Binary/a' },
    contained: [{ resourceType: 'DocumentReference', content: [{ attachment: { url: 'Binary/b' } }] }],
    extension: [{ url: 'urn:x', valueAttachment: { url } }, { url: 'urn:y', valueReference: { reference: 'Binary/c' } }, { url: 'urn:z', valueString: 'Binary/f' }],
    note: [{ text: 'Binary/d' }, { url: 'http://elsewhere.test/fhir/Binary/g' }, { url: 'Binary/a' }],
    entry: [{ resource: { resourceType: 'Media', content: { url: 'Binary/h' } } }],
  }; // prettier-ignore
  const rows = binaryRows(resource, ['http://tsela.test/fhir']);
  expect(rows.map(({ target }) => target).sort()).toEqual(['Binary/a', 'Binary/b', 'Binary/c', 'Binary/e']);
  expect(
    binaryRows({ resourceType: 'AuditEvent', entity: [{ what: { reference: 'Binary/a' } }] }, []),
  ).toEqual([]);
  const own = { resourceType: 'Binary', securityContext: { reference: 'Patient/p' } };
  expect(binaryRows(own, [])).toEqual([{ kind: 'reference', param: '_context', target: 'Patient/p', version: '' }]); // prettier-ignore
});

onEveryStore('a Binary', { expunge: true }, tsela => {
  const as = async (identity: Identity): Promise<Send> => tsela().as(await tsela().system.compile(identity));
  const put = async (resource: {
    resourceType: string;
    id: string;
    [name: string]: unknown;
  }): Promise<void> => {
    const { status, text } = await tsela().send('PUT', `${resource.resourceType}/${resource.id}`, resource);
    expect([status < 300, text]).toEqual([true, expect.anything()]);
  };
  /** What each way of reading answers. */
  const ways = async (send: Send, id: string): Promise<readonly number[]> => {
    const found: number[] = [];
    for (const [method, url, headers] of [['GET', '', {}], ['GET', '', plain], ['HEAD', '', {}], ['GET', '/_history/1', {}], ['GET', '/_history/1', plain], ['GET', '/_history', {}]] as const)
      found.push((await send(method, `Binary/${id}${url}`, undefined, headers)).status);
    const { body } = await send('POST', '', { resourceType: 'Bundle', type: 'batch', entry: [{ request: { method: 'GET', url: `Binary/${id}` } }] });
    return [...found, Number(body['entry'][0].response.status.slice(0, 3))];
  }; // prettier-ignore
  const seen = [200, 200, 200, 200, 200, 200, 200];
  const unseen = [404, 404, 404, 404, 404, 404, 404];

  beforeAll(async () => {
    for (const id of ['mine', 'other']) await put({ resourceType: 'Patient', id });
    await put(binary('b-mine'));
    await put({ ...document('mine', 'Binary/b-mine'), id: 'd-mine' });
    await put(binary('b-other'));
    await put({ ...document('other', 'http://tsela.test/fhir/Binary/b-other'), id: 'd-other' });
    await put(binary('b-context', 'Patient/other'));
    await put({ ...document('mine', 'Binary/b-context'), id: 'd-context' });
    await put(binary('b-orphan'));
    await put(binary('b-report'));
    await put({ resourceType: 'DiagnosticReport', id: 'r', status: 'final', code: { text: 'x' }, subject: { reference: 'Patient/mine' }, presentedForm: [{ url: 'Binary/b-report' }] });
    await put(binary('b-media'));
    await put({ resourceType: 'Media', id: 'm', status: 'completed', subject: { reference: 'Patient/mine' }, content: { url: 'Binary/b-media' } });
    await put(binary('b-photo'));
    await put({ resourceType: 'Patient', id: 'pictured', photo: [{ url: 'Binary/b-photo' }] });
    await put(binary('b-hidden'));
    await put({ ...document('mine', 'Binary/b-hidden'), id: 'd-hidden' });
    await put({
      resourceType: 'Consent',
      id: 'c',
      status: 'active',
      scope: { coding: [{ code: 'patient-privacy' }] },
      category: [{ coding: [{ code: '59284-0' }] }],
      patient: { reference: 'Patient/mine' },
      policyRule: { coding: [{ code: 'OPTIN' }] },
      provision: { type: 'deny', data: [{ meaning: 'instance', reference: { reference: 'DocumentReference/d-hidden' } }] },
    });
  }); // prettier-ignore

  it.each([
    ['a document', 'b-mine', seen],
    ['a report', 'b-report', seen],
    ['a picture', 'b-media', seen],
    ['a document hidden from staff', 'b-hidden', seen],
    ['the document of another', 'b-other', unseen],
    ['the securityContext of another, whatever refers to it', 'b-context', unseen],
    ['nothing', 'b-orphan', unseen],
    ['what is not there', 'b-absent', unseen],
  ])('of %s is to its patient as that is', async (_, id, expected) => {
    expect(await ways(await as(patient('mine')), id)).toEqual(expected);
  });

  it.each([
    ['a document', 'b-mine', seen],
    ['the document of another', 'b-other', seen],
    ['a securityContext', 'b-context', seen],
    ['a document hidden from staff', 'b-hidden', unseen],
    ['nothing', 'b-orphan', unseen],
  ])('of %s is to a doctor as that is', async (_, id, expected) => {
    expect(await ways(await as(doctor()), id)).toEqual(expected);
  });

  it('is not seen by an app that has no scope for it, nor beyond the scopes for what refers to it', async () => {
    expect((await (await as(patient('mine', 'patient/DocumentReference.rs')))('GET', 'Binary/b-mine')).status).toBe(403); // prettier-ignore
    const granular = await as(patient('mine', 'patient/Media.rs patient/Binary.rs'));
    expect(await ways(granular, 'b-media')).toEqual(seen);
    expect(await ways(granular, 'b-mine')).toEqual(unseen);
  });

  it('is not seen by a masked element', async () => {
    const laboratory = await as(person('laboratory', 'Practitioner/l', 'user/*.cruds'));
    expect((await laboratory('GET', 'Patient/pictured')).body['photo']).toBeUndefined();
    expect(await ways(laboratory, 'b-photo')).toEqual(unseen);
    expect(await ways(laboratory, 'b-report')).toEqual(unseen); // its report is no laboratory report
  });

  it('is opened by nothing that only tells of it', async () => {
    const about = { reference: 'Binary/b-other' };
    await put({ resourceType: 'Provenance', id: 'tells', target: [about], recorded: '2026-01-01T00:00:00Z', agent: [{ who: { display: 'x' } }] });
    await put({ resourceType: 'List', id: 'tells', status: 'current', mode: 'working', subject: { reference: 'Patient/mine' }, entry: [{ item: about }] });
    await put({ resourceType: 'AuditEvent', id: 'tells', type: { code: 'x' }, recorded: '2026-01-01T00:00:00Z', agent: [{ requestor: true }], source: { observer: { display: 'x' } }, entity: [{ what: about }] });
    await put({ resourceType: 'Consent', id: 'c-other', status: 'active', scope: { coding: [{ code: 'patient-privacy' }] }, category: [{ text: 'x' }], patient: { reference: 'Patient/other' }, policyRule: { coding: [{ code: 'OPTOUT' }] }, provision: { type: 'deny' } });
    for (const identity of [patient('mine'), doctor(), person('administrator', 'Practitioner/a', 'user/*.cruds')])
      expect(await ways(await as(identity), 'b-other')).toEqual(unseen);
    await tsela().send('DELETE', 'Consent/c-other');
  }); // prettier-ignore

  it('is found by no search, chain or include, whoever does not see everything', async () => {
    await put({ resourceType: 'List', id: 'l', status: 'current', mode: 'working', subject: { reference: 'Patient/mine' }, entry: [{ item: { reference: 'Binary/b-context' } }] }); // prettier-ignore
    for (const identity of [patient('mine'), doctor()]) {
      const send = await as(identity);
      for (const url of ['Binary', 'Binary?_id=b-mine', '?_type=Binary', 'List?item:Binary._id=b-context'])
        expect([url, (await send('GET', url)).body['entry']]).toEqual([url, undefined]);
    }
    const { text } = await (await as(patient('mine')))('GET', 'List?_include=*');
    expect(text).not.toContain(Buffer.from('content of').toString('base64'));
  });

  it.each([['hidden', 'b-other'], ['with a hidden securityContext', 'b-context'], ['nobody\'s', 'b-orphan'], ['not there', 'b-absent']])(
    'that is %s is not come by by referring to it',
    async (_, id) => {
      const send = await as(patient('mine'));
      const refused = async (method: string, url: string, body: unknown, headers = {}): Promise<string> => {
        const { status, text } = await send(method, url, body, headers);
        expect(status).toBe(400);
        return text.replaceAll(id, '*').replaceAll(/DocumentReference\/[\w-]+/g, 'DocumentReference/*');
      };
      const told = await refused('POST', 'DocumentReference', document('mine', `Binary/${id}`));
      expect(told).toContain('DocumentReference/* refers to Binary/*, which does not exist here.');
      await refused('POST', 'DocumentReference', document('mine', `http://tsela.test/fhir/Binary/${id}/_history/1`));
      await refused('POST', 'DocumentReference', document('mine', 'http://x.test/', { extension: [{ url: 'urn:x', valueReference: { reference: `Binary/${id}` } }] }));
      await refused('PUT', 'DocumentReference/d-mine', { ...document('mine', `Binary/${id}`), id: 'd-mine' });
      await refused('PATCH', 'DocumentReference/d-mine', [{ op: 'replace', path: '/content/0/attachment/url', value: `Binary/${id}` }], { 'content-type': 'application/json-patch+json' });
      await refused('POST', '', { resourceType: 'Bundle', type: 'transaction', entry: [{ request: { method: 'POST', url: 'DocumentReference' }, resource: document('mine', `Binary/${id}`) }] });
      expect(await ways(send, id)).toEqual(unseen);
    },
  ); // prettier-ignore

  it('that was stored first is seen and referred to by who stored it, then by who sees the record', async () => {
    const send = await as(patient('mine'));
    const { headers, status } = await send('POST', 'Binary', Buffer.from('a letter'), raw);
    expect(status).toBe(201);
    const [, id = ''] = /Binary\/([^/]+)/.exec(headers['location']!) ?? [];
    expect((await send('GET', `Binary/${id}`, undefined, plain)).text).toBe('a letter');
    expect(await ways(await as(patient('other')), id)).toEqual(unseen);
    expect(await ways(await as(doctor()), id)).toEqual(unseen);
    expect((await (await as(patient('other')))('POST', 'DocumentReference', document('other', `Binary/${id}`))).status).toBe(400);
    expect((await send('POST', 'DocumentReference', document('mine', `Binary/${id}`))).status).toBe(201);
    expect(await ways(await as(doctor()), id)).toEqual(seen);
    expect(await ways(await as(patient('other')), id)).toEqual(unseen);
    expect((await send('PUT', `Binary/${id}`, { ...binary(id), id })).status).toBe(403);
  }); // prettier-ignore

  it('that is stored together with its document is seen with it', async () => {
    const send = await as(patient('mine'));
    const uuid = 'urn:uuid:7d0e1a9c-3c0f-4a57-8a6d-0d6a5d1d7f01';
    const { resourceType, contentType, data } = binary('x');
    const { body, text } = await send('POST', '', { resourceType: 'Bundle', type: 'transaction', entry: [
      { fullUrl: uuid, request: { method: 'POST', url: 'Binary' }, resource: { resourceType, contentType, data } },
      { request: { method: 'POST', url: 'DocumentReference' }, resource: document('mine', uuid) },
    ] });
    expect([body['type'], text]).toEqual(['transaction-response', expect.anything()]);
    const [, id = ''] = /Binary\/([^/]+)/.exec(body['entry'][0].response.location) ?? [];
    for (const identity of [patient('mine'), doctor()]) expect(await ways(await as(identity), id)).toEqual(seen);
    expect(await ways(await as(patient('other')), id)).toEqual(unseen);
  }); // prettier-ignore

  it.each(['Patient/other', 'Patient/absent', 'DocumentReference/d-other', 'Binary/b-mine'])(
    'is not stored for %s by who does not see it',
    async context => {
      const send = await as(patient('mine'));
      const answers = [
        await send('POST', 'Binary', Buffer.from('x'), { ...raw, 'x-security-context': context }),
        await send('POST', 'Binary', { resourceType: 'Binary', contentType: 'text/plain', securityContext: { reference: context } }), // prettier-ignore
      ];
      for (const { status, text } of answers)
        expect([status, text]).toEqual([
          403,
          expect.stringContaining('whose securityContext is not a record'),
        ]);
    },
  );

  it('of a securityContext is stored, read, and loses it by nobody who is bound', async () => {
    const send = await as(doctor());
    const { headers } = await send('POST', 'Binary', Buffer.from('x'), { ...raw, 'x-security-context': 'Patient/mine' }); // prettier-ignore
    const [, id = ''] = /Binary\/([^/]+)/.exec(headers['location']!) ?? [];
    expect((await (await as(patient('mine')))('GET', `Binary/${id}`)).status).toBe(200);
    expect((await send('PUT', `Binary/${id}`, binary(id))).status).toBe(403);
    expect((await send('PUT', `Binary/${id}`, Buffer.from('y'), raw)).status).toBe(403);
    expect((await send('PUT', `Binary/${id}`, binary(id, 'Patient/other'))).status).toBe(200);
    expect(await ways(await as(patient('mine')), id)).toEqual(unseen);
  });

  it('whose document goes, or is hidden, goes with it', async () => {
    await put(binary('b-going'));
    await put({ ...document('mine', 'Binary/b-going'), id: 'd-going' });
    expect(await ways(await as(patient('mine')), 'b-going')).toEqual(seen);
    await put({ ...document('other', 'Binary/b-going'), id: 'd-going' });
    expect(await ways(await as(patient('mine')), 'b-going')).toEqual(unseen);
    expect(await ways(await as(patient('other')), 'b-going')).toEqual(seen);
    await tsela().send('DELETE', 'DocumentReference/d-going');
    for (const identity of [patient('other'), doctor()])
      expect(await ways(await as(identity), 'b-going')).toEqual(unseen);
    await tsela().send('DELETE', 'Binary/b-mine');
    expect((await (await as(patient('mine')))('GET', 'Binary/b-mine')).status).toBe(410);
    expect((await (await as(patient('other')))('GET', 'Binary/b-mine')).status).toBe(404);
  });
});
