// Every way to write holds R4's invariants: 422 with the key and the expression, and nothing is stored.
import { expect, it } from 'vitest';
import { onEveryStore, type Answer } from '../system.js';

const good = { resourceType: 'Patient', active: true };
const bad = { resourceType: 'Patient', contact: [{ gender: 'male' }] };
const bundle = (type: string, ...entry: object[]) => ({ resourceType: 'Bundle', type, entry });
const put = (id: string, resource: object) => ({
  resource: { ...resource, id },
  request: { method: 'PUT', url: `Patient/${id}` },
});

const isRefusal = ({ status, body }: Answer, place: string): void => {
  expect(status).toBe(422);
  const [issue] = body['issue'];
  expect([issue.severity, issue.code, issue.expression]).toEqual(['error', 'invariant', [place]]);
  expect(issue.details.text).toContain('pat-1');
  expect(issue.details.text).toContain('name.exists() or telecom.exists()');
};

onEveryStore('invariants', {}, tsela => {
  it('hold for create and update', async () => {
    const { send } = tsela();
    isRefusal(await send('POST', 'Patient', bad), 'Patient.contact[0]');
    isRefusal(await send('PUT', 'Patient/i1', { ...bad, id: 'i1' }), 'Patient.contact[0]');
    expect((await send('GET', 'Patient/i1')).status).toBe(404);
  });
  it('hold for what a patch makes', async () => {
    const { send } = tsela();
    expect((await send('PUT', 'Patient/i2', { ...good, id: 'i2' })).status).toBe(201);
    const patch = [{ op: 'add', path: '/contact', value: [{ gender: 'male' }] }];
    const headers = { 'content-type': 'application/json-patch+json' };
    isRefusal(await send('PATCH', 'Patient/i2', patch, headers), 'Patient.contact[0]');
    expect((await send('GET', 'Patient/i2')).body['meta'].versionId).toBe('1');
  });
  it('hold for a transaction as a whole, and for each entry of a batch', async () => {
    const { send } = tsela();
    const refused = await send('POST', '', bundle('transaction', put('i3', good), put('i4', bad)));
    expect(refused.status).toBe(422);
    expect((await send('GET', 'Patient/i3')).status).toBe(404);
    const answered = await send('POST', '', bundle('batch', put('i5', good), put('i6', bad)));
    expect(answered.status).toBe(200);
    expect(
      answered.body['entry'].map((one: { response: { status: string } }) => one.response.status.slice(0, 3)),
    ).toEqual(['201', '422']);
  });
  it('hold for what is contained and within bundles that are stored', async () => {
    const { send } = tsela();
    const contained = {
      ...good,
      contained: [{ resourceType: 'Organization', id: 'o' }],
      managingOrganization: { reference: '#o' },
    };
    const one = await send('POST', 'Patient', contained);
    expect([one.status, one.body['issue'][0].expression]).toEqual([422, ['Patient.contained[0]']]);
    const stored = bundle('collection', {
      fullUrl: 'urn:uuid:00000000-0000-4000-8000-000000000001',
      resource: bad,
    });
    isRefusal(await send('POST', 'Bundle', stored), 'Bundle.entry[0].resource.contact[0]');
  });
});

onEveryStore('invariants where validation is off', { validation: 'off' }, tsela => {
  it('are not asked', async () => {
    expect((await tsela().send('POST', 'Patient', bad)).status).toBe(201);
  });
});
