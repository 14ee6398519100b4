// Every access leaves an AuditEvent: who, what, on which version, of which patient, with which outcome; and nobody can
// take one back. https://profiles.ihe.net/ITI/BALP/
import { beforeAll, describe, expect, it } from 'vitest';
import type { Grant } from '../../src/auth/grant.js';
import type { Resource } from '../../src/fhir/resource.js';
import { removeOlder } from '../../src/system/audit-trail.js';
import { gate } from '../../src/validation/gate.js';
import { onEveryStore, type Answer } from '../system.js';
import type { Json } from '../json.js';

const doctor: Grant = {
  id: 'doctor',
  principal: 'user:account-1',
  agent: { client: 'desk', user: 'Practitioner/d1' },
  visible: () => ({ op: 'all' }),
  permits: () => true,
};
const reception: Grant = {
  ...doctor,
  id: 'reception',
  principal: 'user:account-2',
  agent: { client: 'desk', user: 'Practitioner/r1' },
  permits: (_, type) => type !== 'Observation',
};

onEveryStore('the audit trail', { audit: 'on' }, tsela => {
  const as = (grant: Grant) => tsela().as(grant);
  /** The newest events of a record or an act, each of the shape its definition gives. */
  const events = async (criteria: string): Promise<Json[]> => {
    const found = await tsela().send('GET', `AuditEvent?_sort=-date&_count=200&${criteria}`);
    expect(found.status, found.text).toBe(200);
    const all = ((found.body['entry'] ?? []) as Json[]).map(one => one['resource'] as Json);
    for (const one of all) expect(gate(one as Resource), JSON.stringify(one)).toEqual([]);
    return all;
  };
  const whats = (event: Json): string[] =>
    (event['entity'] as Json[]).flatMap(one => (one['what']?.reference as string | undefined) ?? []);
  const ok = (answer: Answer): Answer => {
    expect(answer.status, answer.text).toBeLessThan(300);
    return answer;
  };

  beforeAll(async () => {
    const patient = { resourceType: 'Patient', id: 'p1', name: [{ family: 'Mokoena' }] };
    ok(await as(doctor)('PUT', 'Patient/p1', patient));
    const observation = {
      resourceType: 'Observation',
      id: 'o1',
      status: 'final',
      code: { text: 'weight' },
      subject: { reference: 'Patient/p1' },
    };
    ok(await as(doctor)('PUT', 'Observation/o1', observation));
  });

  it('tells of a create, an update and a delete, with the version that was made', async () => {
    const made = ok(await as(doctor)('POST', 'Basic', { resourceType: 'Basic', code: { text: 'note' } }));
    const id = made.body['id'] as string;
    ok(await as(doctor)('PUT', `Basic/${id}`, { resourceType: 'Basic', id, code: { text: 'other' } }));
    ok(await as(doctor)('DELETE', `Basic/${id}`));
    // Events of one millisecond have no order among themselves: the versions say which act came first.
    const told = (await events(`entity=Basic/${id}`)).sort((a, b) => (whats(a)[0]! < whats(b)[0]! ? -1 : 1));
    expect(told.map(one => [one['action'], one['outcome'], ...whats(one)])).toEqual([
      ['C', '0', `Basic/${id}/_history/1`],
      ['U', '0', `Basic/${id}/_history/2`],
      ['D', '0', `Basic/${id}/_history/3`],
    ]);
    expect(told[0]!['agent'][0]).toMatchObject({
      who: { reference: 'Practitioner/d1', identifier: { value: 'user:account-1' } },
      requestor: true,
    });
    expect(told[0]!['agent'][1]).toMatchObject({ who: { identifier: { value: 'desk' } } });
  });

  it('tells of a read, with the patient whose record it is', async () => {
    ok(await as(doctor)('GET', 'Observation/o1'));
    const [event] = await events('subtype=read&patient=p1');
    expect(event).toMatchObject({ action: 'R', outcome: '0' });
    expect(whats(event!)).toEqual(['Patient/p1', 'Observation/o1/_history/1']);
  });

  it('tells of a search what was asked and what was shown, each time, also where the page was kept', async () => {
    const before = (await events('subtype=search-type&patient=p1&agent=Practitioner/d1')).length;
    for (let i = 0; i < 3; i++)
      ok(await as(doctor)('GET', 'Observation?patient=p1&_include=Observation:subject'));
    ok(await as(doctor)('POST', 'Observation/_search', Buffer.from('subject=Patient/p1'), { 'content-type': 'application/x-www-form-urlencoded' })); // prettier-ignore
    const told = await events('subtype=search-type&patient=p1&agent=Practitioner/d1');
    expect(told.length - before).toBe(4);
    const queries = told.slice(0, 4).map(event => {
      expect(whats(event)).toEqual(expect.arrayContaining(['Patient/p1', 'Observation/o1/_history/1']));
      const { query } = (event['entity'] as Json[]).find(one => one['query'] !== undefined)!;
      return Buffer.from(query as string, 'base64').toString();
    });
    expect(queries.filter(one => one.includes('subject=Patient/p1'))).toHaveLength(1);
    expect(queries.filter(one => one.includes('_include=Observation%3Asubject'))).toHaveLength(3);
  });

  it('tells of what was refused, and of what was not found', async () => {
    expect((await as(reception)('GET', 'Observation/o1')).status).toBe(403);
    expect((await as(doctor)('GET', 'Observation/nobody')).status).toBe(404);
    const [denied] = await events('entity=Observation/o1&outcome=4');
    expect(denied).toMatchObject({ action: 'R', outcomeDesc: 'HTTP 403' });
    expect(denied!['agent'][0].who.reference).toBe('Practitioner/r1');
    const [missing] = await events('entity=Observation/nobody');
    expect(missing).toMatchObject({ action: 'R', outcome: '4', outcomeDesc: 'HTTP 404' });
  });

  it('tells of every entry of a transaction and of a batch', async () => {
    const entry = (method: string, url: string, resource?: unknown) => ({
      resource,
      request: { method, url },
    });
    const two = ['t1', 't2'].map(id => entry('PUT', `Patient/${id}`, { resourceType: 'Patient', id }));
    ok(await as(doctor)('POST', '', { resourceType: 'Bundle', type: 'transaction', entry: [...two, entry('GET', 'Patient/p1')] })); // prettier-ignore
    const [one] = await events('entity=Patient/t1');
    expect(one!['action']).toBe('C');
    // prettier-ignore
    expect(whats(one!).sort()).toEqual(['Patient/t1', 'Patient/t2']);
    const reads = (await events('subtype=read&patient=p1')).length;
    ok(await as(doctor)('POST', '', { resourceType: 'Bundle', type: 'batch', entry: [entry('GET', 'Observation/o1'), entry('DELETE', 'Patient/t2')] })); // prettier-ignore
    expect((await events('subtype=read&patient=p1')).length).toBe(reads + 1);
    expect((await events('entity=Patient/t2'))[0]!['action']).toBe('D');
  });

  it('tells of nothing that was not done: a refused write has no version', async () => {
    const stale = await as(doctor)(
      'PUT',
      'Patient/p1',
      { resourceType: 'Patient', id: 'p1' },
      { 'if-match': 'W/"7"' },
    );
    expect(stale.status).toBe(412);
    const [event] = await events('subtype=update&outcome=4&entity=Patient/p1');
    expect(whats(event!)).toEqual(['Patient/p1']);
  });

  it('cannot be changed or deleted, and can be added to', async () => {
    const [event] = await events('subtype=read');
    const { id } = event!;
    for (const grant of [doctor, reception]) {
      expect((await as(grant)('PUT', `AuditEvent/${id}`, { ...event, outcome: '8' })).status).toBe(403);
      expect((await as(grant)('DELETE', `AuditEvent/${id}`)).status).toBe(403);
      const patch = [{ op: 'replace', path: '/outcome', value: '8' }];
      const type = { 'content-type': 'application/json-patch+json' };
      expect((await as(grant)('PATCH', `AuditEvent/${id}`, patch, type)).status).toBe(403);
    }
    const { id: _, meta: __, ...own } = event!;
    expect((await as(doctor)('POST', 'AuditEvent', own)).status).toBe(201);
  });
});

describe('without it', () => {
  onEveryStore('nothing is written', { audit: 'off' }, tsela => {
    it('by a read', async () => {
      await tsela().send('PUT', 'Patient/p1', { resourceType: 'Patient', id: 'p1' });
      await tsela().send('GET', 'Patient/p1');
      expect((await tsela().send('GET', 'AuditEvent?_summary=count')).body['total']).toBe(0);
    });
  });
});

onEveryStore('an audit trail that is kept for some time', { audit: 'on' }, tsela => {
  it('loses what is older, for good, and nothing else', async () => {
    const event = (recorded: string) => ({
      resourceType: 'AuditEvent',
      type: { code: 'rest' },
      recorded,
      agent: [{ requestor: true }],
      source: { observer: { display: 'somebody' } },
    });
    const { send, system } = tsela();
    const old = await send('POST', 'AuditEvent', event('2020-05-01T10:00:00Z'));
    const young = await send('POST', 'AuditEvent', event('2026-05-01T10:00:00Z'));
    await removeOlder(system.store, Date.parse('2025-01-01T00:00:00Z'));
    expect((await send('GET', `AuditEvent/${old.body['id']}`)).status).toBe(404);
    expect((await send('GET', `AuditEvent/${young.body['id']}`)).status).toBe(200);
  });
});
