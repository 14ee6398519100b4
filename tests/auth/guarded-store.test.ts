// What a grant does not see does not exist: on every path that can read, count, name or change something.
import { expect, it } from 'vitest';
import type { Grant } from '../../src/auth/grant.js';
import type { Node } from '../../src/search/plan.js';
import { onEveryStore, type Answer, type Send, type Tsela } from '../system.js';

const token = (param: string, code: string): Node => ({
  op: 'row',
  kind: 'token',
  param,
  where: [{ column: 'code', is: 'eq', value: code }],
});
const refersTo = (param: string, target: string): Node => ({
  op: 'row',
  kind: 'reference',
  param,
  where: [{ column: 'target', is: 'eq', value: target }],
});
const grant = (visible: (type: string) => Node, more: Partial<Grant> = {}): Grant => ({
  id: 'somebody',
  principal: 'somebody',
  visible,
  permits: () => true,
  ...more,
});

/** One patient and what is about them; organizations for everyone; nothing else. */
const onlyMine = grant(type => {
  if (type === 'Patient') return token('_id', 'mine');
  if (type === 'Observation') return refersTo('subject', 'Patient/mine');
  return type === 'Organization' || type === 'Basic' ? { op: 'all' } : { op: 'none' };
});
const unlabelled = grant(() => ({ op: 'not', node: token('_security', 'R') }));

const label = { system: 'http://terminology.hl7.org/CodeSystem/v3-Confidentiality', code: 'R' };
const identifier = (value: string) => [{ system: 'urn:g', value }];
const observation = (subject: string, more: object = {}) => ({
  resourceType: 'Observation',
  status: 'final',
  code: { text: 'x' },
  subject: { reference: subject },
  ...more,
});
const bundle = (type: string, ...entry: object[]) => ({ resourceType: 'Bundle', type, entry });
const jsonPatch = { 'content-type': 'application/json-patch+json' };
const addActive = [{ op: 'add', path: '/active', value: true }];
const meta = {
  resourceType: 'Parameters',
  parameter: [{ name: 'meta', valueMeta: { tag: [{ code: 'a' }] } }],
};
const idsIn = (answer: Answer): string[] =>
  (answer.body['entry'] ?? [])
    .map((entry: { resource?: { id: string } }) => entry.resource?.id)
    .filter((id: string | undefined) => id !== undefined);

async function seed(send: Send): Promise<void> {
  const put = async (resource: { resourceType: string; id: string; [name: string]: unknown }) => {
    const { status } = await send('PUT', `${resource.resourceType}/${resource.id}`, resource);
    expect(status).toBeLessThan(300);
  };
  await put({ resourceType: 'Organization', id: 'org', name: 'Clinic' });
  await put({ resourceType: 'Practitioner', id: 'dr', name: [{ family: 'Secret' }] });
  const ours = { managingOrganization: { reference: 'Organization/org' } };
  await put({
    resourceType: 'Patient',
    id: 'mine',
    birthDate: '1990-01-01',
    identifier: identifier('mine'),
    ...ours,
  });
  await put({
    resourceType: 'Patient',
    id: 'hidden',
    birthDate: '1950-01-01',
    identifier: identifier('hidden'),
    ...ours,
  });
  await put({ resourceType: 'Patient', id: 'buried', birthDate: '1950-01-01' });
  await send('DELETE', 'Patient/buried');
  await put({ ...observation('Patient/mine'), id: 'om', identifier: identifier('om'), performer: [{ reference: 'Practitioner/dr' }, { reference: 'Patient/hidden' }] }); // prettier-ignore
  await put({ ...observation('Patient/hidden'), id: 'oh', identifier: identifier('oh') });
  for (const [id, member] of [['secret', 'mine'], ['both', 'hidden']] as const)
    await put({ resourceType: 'List', id, status: 'current', mode: 'working', entry: [{ item: { reference: `Patient/${member}` } }] }); // prettier-ignore
}

onEveryStore('a grant of one patient', { expunge: true, conditionalDelete: 'multiple' }, tsela => {
  let mine: Send;
  it('is tried on real data', async () => {
    await seed(tsela().send);
    mine = tsela().as(onlyMine);
    expect((await mine('GET', 'Patient/mine')).status).toBe(200);
    expect((await tsela().send('GET', 'Patient/hidden')).status).toBe(200);
  });

  const put = (id: string) => ({ resourceType: 'Patient', id, active: true });
  const requests: [string, (send: Send, id: string) => Promise<Answer>][] = [
    ['read', (send, id) => send('GET', `Patient/${id}`)],
    ['HEAD', (send, id) => send('HEAD', `Patient/${id}`)],
    ['read with If-None-Match', (send, id) => send('GET', `Patient/${id}`, undefined, { 'if-none-match': 'W/"1"' })],
    ['vread', (send, id) => send('GET', `Patient/${id}/_history/1`)],
    ['history', (send, id) => send('GET', `Patient/${id}/_history`)],
    ['update', (send, id) => send('PUT', `Patient/${id}`, put(id))],
    ['update with If-Match', (send, id) => send('PUT', `Patient/${id}`, put(id), { 'if-match': 'W/"1"' })],
    ['update with If-None-Match', (send, id) => send('PUT', `Patient/${id}`, put(id), { 'if-none-match': '*' })],
    ['patch', (send, id) => send('PATCH', `Patient/${id}`, addActive, jsonPatch)],
    ['delete', (send, id) => send('DELETE', `Patient/${id}`)],
    ['delete with If-Match', (send, id) => send('DELETE', `Patient/${id}`, undefined, { 'if-match': 'W/"1"' })],
    ['$meta', (send, id) => send('GET', `Patient/${id}/$meta`)],
    ['$meta-add', (send, id) => send('POST', `Patient/${id}/$meta-add`, meta)],
    ['$meta-delete', (send, id) => send('POST', `Patient/${id}/$meta-delete`, meta)],
    [
      '$expunge',
      (send, id) =>
        send('POST', `Patient/${id}/$expunge`, {
          resourceType: 'Parameters',
          parameter: [{ name: 'expungeEverything', valueBoolean: true }],
        }),
    ],
    ['search in its compartment', (send, id) => send('GET', `Patient/${id}/Observation`)],
    ['search of all its compartment', (send, id) => send('GET', `Patient/${id}/*`)],
    ['$everything', (send, id) => send('GET', `Patient/${id}/$everything`)],
    ['conditional update', (send, id) => send('PUT', `Patient?_id=${id}`, put(id))],
    ['conditional patch', (send, id) => send('PATCH', `Patient?_id=${id}`, addActive, jsonPatch)],
    ['conditional delete', (send, id) => send('DELETE', `Patient?_id=${id}`)],
    ['search', (send, id) => send('GET', `Patient?_id=${id}&_total=accurate&_summary=true`)],
    ['count', (send, id) => send('GET', `Patient?_id=${id}&_summary=count`)],
    ...(['batch', 'transaction'] as const).flatMap((type): [string, (send: Send, id: string) => Promise<Answer>][] => [
      [`${type} of PUT`, (send, id) => send('POST', '', bundle(type, { resource: put(id), request: { method: 'PUT', url: `Patient/${id}` } }))],
      [`${type} of DELETE`, (send, id) => send('POST', '', bundle(type, { request: { method: 'DELETE', url: `Patient/${id}` } }))],
      [`${type} of GET`, (send, id) => send('POST', '', bundle(type, { request: { method: 'GET', url: `Patient/${id}` } }))],
      [`${type} of HEAD`, (send, id) => send('POST', '', bundle(type, { request: { method: 'HEAD', url: `Patient/${id}` } }))],
      [`${type} of DELETE by criteria`, (send, id) => send('POST', '', bundle(type, { request: { method: 'DELETE', url: `Patient?_id=${id}` } }))],
    ]),
    [
      'conditional reference',
      (send, id) =>
        send(
          'POST',
          '',
          bundle('transaction', {
            resource: { ...observation('Patient/mine'), performer: [{ reference: `Patient?_id=${id}` }] },
            request: { method: 'POST', url: 'Observation' },
          }),
        ),
    ],
  ]; // prettier-ignore

  it.each(requests)('answers a %s of what is hidden like one of what is not there', async (_, ask) => {
    const shape = async (id: string) => {
      const { status, headers, text } = await ask(mine, id);
      const plain = (value: string) =>
        value
          .replaceAll(id, '<id>')
          .replace(/"lastUpdated":"[^"]*"/, '')
          .replace(/_cursor=[\w-]*/, '');
      return { status, headers: plain(JSON.stringify(headers)), text: plain(text) };
    };
    const absent = await shape('absent');
    expect(await shape('hidden')).toEqual(absent);
    expect(await shape('buried')).toEqual(absent);
    // Nothing of it had an effect.
    expect((await tsela().send('GET', 'Patient/hidden')).headers['etag']).toBe('W/"1"');
    expect((await tsela().send('GET', 'Patient/buried/_history')).body['total']).toBe(2);
    expect((await tsela().send('GET', 'Patient/absent')).status).toBe(404);
  });

  it('neither finds nor counts what is hidden, nor leads there or back', async () => {
    expect(idsIn(await mine('GET', 'Patient?_sort=birthdate&_total=accurate'))).toEqual(['mine']);
    expect((await mine('GET', 'Patient?_total=accurate')).body['total']).toBe(1);
    expect((await mine('GET', 'Patient?_summary=count')).body['total']).toBe(1);
    expect((await mine('GET', 'Patient?birthdate=lt1980&_summary=count')).body['total']).toBe(0);
    expect(idsIn(await mine('GET', '?_type=Patient,Observation,Practitioner&_count=100'))).toEqual(
      expect.not.arrayContaining(['hidden', 'oh', 'dr']),
    );
    expect(idsIn(await mine('GET', 'Observation?performer:Practitioner.name=Secret'))).toEqual([]);
    expect(idsIn(await mine('GET', 'Observation?performer:Patient.birthdate=1950-01-01'))).toEqual([]);
    expect(idsIn(await mine('GET', 'Observation?subject:Patient.birthdate=1990-01-01'))).toEqual(['om']);
    expect(idsIn(await mine('GET', 'Organization?_has:Patient:organization:birthdate=1950-01-01'))).toEqual(
      [],
    );
    expect(idsIn(await mine('GET', 'Organization?_has:Patient:organization:birthdate=1990-01-01'))).toEqual([
      'org',
    ]);
    expect(idsIn(await mine('GET', 'Observation?_id=om&_include=Observation:performer&_include=Observation:subject'))).toEqual(['om', 'mine']); // prettier-ignore
    expect(idsIn(await mine('GET', 'Organization?_revinclude=Patient:organization'))).toEqual([
      'org',
      'mine',
    ]);
  });

  it('gathers nothing that is hidden', async () => {
    const gathered = async (url: string) => idsIn(await mine('GET', url)).sort();
    expect(await gathered('Patient/mine/Observation')).toEqual(['om']);
    expect(await gathered('Patient/mine/*')).toEqual(['mine', 'om']);
    expect(await gathered('Patient/mine/$everything')).toEqual(['mine', 'om', 'org']);
    expect(await gathered('Patient/$everything')).toEqual(['mine', 'om', 'org']);
  });

  it('has a history without the hidden', async () => {
    const ids = async (url: string) => [...new Set(idsIn(await mine('GET', url)))].sort();
    expect(await ids('_history?_count=100')).toEqual(['mine', 'om', 'org']);
    expect(await ids('Patient/_history')).toEqual(['mine']);
    expect(await ids('Practitioner/_history')).toEqual([]);
    const seen: string[] = [];
    for (let url: string | undefined = '_history?_count=1'; url !== undefined;) {
      const page: Answer = await mine('GET', url);
      expect(page.body['total']).toBeUndefined();
      seen.push(...idsIn(page));
      url = page.body['link']
        .find((link: { relation: string }) => link.relation === 'next')
        ?.url.split('/fhir/')[1];
    }
    expect(seen.sort()).toEqual(['mine', 'om', 'org']);
  });

  it('creates where only something hidden matches the criteria', async () => {
    const once = { 'if-none-exist': 'identifier=urn:g|oh' };
    const body = observation('Patient/mine', { identifier: identifier('oh') });
    const created = await mine('POST', 'Observation', body, once);
    expect(created.status).toBe(201);
    expect((await mine('POST', 'Observation', body, once)).body['id']).toBe(created.body['id']);
    const updated = await mine('PUT', 'Observation?identifier=urn:g|oh', { ...body, status: 'amended' });
    expect([updated.status, updated.body['id']]).toEqual([200, created.body['id']]);
    const deleted = await mine('DELETE', 'Observation?identifier=urn:g|oh');
    expect(deleted.status).toBe(204);
    expect((await tsela().send('GET', 'Observation/oh')).headers['etag']).toBe('W/"1"');
  });

  it('cannot move a record out of sight or into it', async () => {
    const moved = await mine('PUT', 'Observation/om', { ...observation('Patient/hidden'), id: 'om' });
    expect(moved.status).toBe(403);
    const patched = await mine('PATCH', 'Observation/om', [{ op: 'replace', path: '/subject/reference', value: 'Patient/hidden' }], jsonPatch); // prettier-ignore
    expect(patched.status).toBe(403);
    expect((await mine('POST', 'Observation', observation('Patient/hidden'))).status).toBe(403);
    const taken = await mine('PUT', 'Observation/oh', { ...observation('Patient/mine'), id: 'oh' });
    expect(taken.status).toBe(405);
    const free = await mine('PUT', 'Observation/free', { ...observation('Patient/mine'), id: 'free' });
    expect(free.text.replaceAll('free', 'oh')).toBe(taken.text);
    const both = await mine(
      'POST',
      '',
      bundle(
        'transaction',
        { resource: observation('Patient/mine'), request: { method: 'POST', url: 'Observation' } },
        { resource: observation('Patient/hidden'), request: { method: 'POST', url: 'Observation' } },
      ),
    );
    expect(both.status).toBe(403);
    expect((await tsela().send('GET', 'Observation/om')).headers['etag']).toBe('W/"1"');
    expect((await tsela().send('GET', 'Observation?_summary=count')).body['total']).toBe(2);
  });

  it('follows no chain to the hidden from what a transaction is about to write', async () => {
    const probe = await mine(
      'POST',
      '',
      bundle(
        'transaction',
        {
          resource: observation('Patient/mine', { performer: [{ reference: 'Patient/hidden' }] }),
          request: { method: 'POST', url: 'Observation' },
        },
        {
          resource: { resourceType: 'Basic', code: { text: 'x' }, subject: { reference: 'Observation?performer:Patient.birthdate=1950-01-01' } }, // prettier-ignore
          request: { method: 'POST', url: 'Basic' },
        },
      ),
    );
    expect([probe.status, probe.body['issue'][0].details.text]).toEqual([
      400,
      expect.stringContaining('finds no Observation'),
    ]);
  });

  it('keeps receipts to whoever got them', async () => {
    const key = { 'idempotency-key': 'shared' };
    const theirs = await tsela().send('POST', 'Patient', { resourceType: 'Patient' }, key);
    const own = await mine('POST', 'Observation', observation('Patient/mine'), key);
    expect([theirs.status, own.status]).toEqual([201, 201]);
    expect(own.body['resourceType']).toBe('Observation');
  });

  it('opens no page link of another', async () => {
    const page = await tsela().send('GET', 'Patient?_count=1');
    const next: string = page.body['link'][1].url.split('/fhir/')[1];
    expect((await mine('GET', next)).status).toBe(400);
  });
});

onEveryStore('a grant by labels', {}, tsela => {
  it('hides what is labelled, its past without the label too, and its deletion', async () => {
    const ours = tsela().as(unlabelled);
    const patient = { resourceType: 'Patient', id: 'l', active: true };
    await tsela().send('PUT', 'Patient/l', patient);
    expect((await ours('GET', 'Patient/l')).status).toBe(200);
    await tsela().send('PUT', 'Patient/l', { ...patient, meta: { security: [label] } });
    const gone = async () => {
      for (const url of ['Patient/l', 'Patient/l/_history/1', 'Patient/l/_history/2', 'Patient/l/_history'])
        expect([url, (await ours('GET', url)).status]).toEqual([url, 404]);
      expect(idsIn(await ours('GET', 'Patient/_history'))).toEqual([]);
      expect((await ours('GET', 'Patient?_summary=count')).body['total']).toBe(0);
    };
    await gone();
    await tsela().send('DELETE', 'Patient/l');
    await gone();
  });

  it('may not label what it could then not see', async () => {
    const ours = tsela().as(unlabelled);
    const created = await tsela().send('POST', 'Patient', { resourceType: 'Patient' });
    const labelled = await ours('POST', `Patient/${created.body['id']}/$meta-add`, {
      resourceType: 'Parameters',
      parameter: [{ name: 'meta', valueMeta: { security: [label] } }],
    });
    expect(labelled.status).toBe(403);
  });
});

onEveryStore(
  'a grant that sees nothing of a type, where references must exist',
  { checkReferences: true },
  tsela => {
    it('is told of a hidden target what it is told of none', async () => {
      await seedTargets(tsela());
      const ours = tsela().as(grant(type => (type === 'Patient' ? token('_id', 'mine') : { op: 'all' })));
      const refer = async (id: string) => {
        const { status, text } = await ours('POST', 'Observation', observation(`Patient/${id}`));
        return { status, text: text.replaceAll(id, '<id>').replace(/[0-9a-f-]{36}/g, '<new>') };
      };
      expect((await refer('mine')).status).toBe(201);
      const absent = await refer('absent');
      expect(absent.status).toBe(400);
      expect(await refer('hidden')).toEqual(absent);
    });
  },
);

async function seedTargets({ send }: Tsela): Promise<void> {
  for (const id of ['mine', 'hidden']) await send('PUT', `Patient/${id}`, { resourceType: 'Patient', id });
}

onEveryStore('permissions', {}, tsela => {
  const without = (...refused: string[]) =>
    grant(() => ({ op: 'all' }), {
      permits: (permission, type) => !refused.includes(`${permission} ${type}`),
    });

  it('are judged for every route, and for what a search leads to', async () => {
    await seed(tsela().send);
    const blind = tsela().as(without('read Patient', 'search Patient'));
    for (const [method, url] of [
      ['GET', 'Patient/mine'],
      ['GET', 'Patient/mine/_history'],
      ['GET', 'Patient/mine/_history/1'],
      ['GET', 'Patient/mine/$meta'],
      ['GET', 'Patient'],
      ['POST', 'Patient/_search'],
      ['GET', 'Patient/_history'],
      ['GET', '?_type=Patient,Observation'],
    ] as const)
      expect([url, (await blind(method, url)).status]).toEqual([url, 403]);
    expect(idsIn(await blind('GET', '_history?_count=100'))).not.toContain('mine');
    expect(idsIn(await blind('GET', 'Observation?_include=Observation:subject')).sort()).toEqual([
      'oh',
      'om',
    ]);
    expect(idsIn(await blind('GET', 'Organization?_revinclude=Patient:organization'))).toEqual(['org']);
    expect(idsIn(await blind('GET', 'Organization?_has:Patient:organization:birthdate=1950-01-01'))).toEqual(
      [],
    );
    expect(idsIn(await blind('GET', 'Observation?subject:Patient.birthdate=1950-01-01'))).toEqual([]);
  });

  it('of a write do not include those of reading or searching', async () => {
    const writer = tsela().as(without('read Patient', 'search Patient'));
    const created = await writer('POST', 'Patient', { resourceType: 'Patient' });
    expect([created.status, created.text]).toEqual([201, '']);
    const patched = await writer('PATCH', 'Patient/mine', addActive, jsonPatch);
    expect([patched.status, patched.text]).toEqual([200, '']);
    const once = { 'if-none-exist': 'identifier=urn:g|mine' };
    expect((await writer('POST', 'Patient', { resourceType: 'Patient' }, once)).status).toBe(403);
    for (const method of ['PUT', 'DELETE'])
      expect((await writer(method, 'Patient?identifier=urn:g|mine', method === 'PUT' ? { resourceType: 'Patient' } : undefined)).status).toBe(403); // prettier-ignore
    const reference = await writer(
      'POST',
      '',
      bundle('transaction', {
        resource: observation('Patient?identifier=urn:g|mine'),
        request: { method: 'POST', url: 'Observation' },
      }),
    );
    expect(reference.status).toBe(403);
    const shown = await writer(
      'POST',
      '',
      bundle('transaction', {
        resource: { resourceType: 'Patient' },
        request: { method: 'POST', url: 'Patient' },
      }),
      { prefer: 'return=representation' },
    );
    expect([shown.status, shown.body['entry'][0].resource]).toEqual([200, undefined]);
  });

  it('are judged entry by entry', async () => {
    const reader = tsela().as(without('create Patient', 'update Patient', 'delete Patient'));
    const entries = [
      { resource: { resourceType: 'Patient' }, request: { method: 'POST', url: 'Patient' } },
      { resource: { resourceType: 'Patient', id: 'mine' }, request: { method: 'PUT', url: 'Patient/mine' } },
      { request: { method: 'DELETE', url: 'Patient/mine' } },
      { request: { method: 'GET', url: 'Patient/mine' } },
    ];
    const statuses = (await reader('POST', '', bundle('batch', ...entries))).body['entry'].map(
      (entry: { response: { status: string } }) => entry.response.status.slice(0, 3),
    );
    expect(statuses).toEqual(['403', '403', '403', '200']);
    for (const entry of entries.slice(0, 3))
      expect((await reader('POST', '', bundle('transaction', entry))).status).toBe(403);
  });
});

onEveryStore('a grant that follows references', {}, tsela => {
  it('sees by what it may not see itself, and leads no client there', async () => {
    const byDoctor = grant(type =>
      type === 'Observation'
        ? {
            op: 'link',
            param: 'subject',
            types: ['Patient'],
            node: refersTo('general-practitioner', 'Practitioner/dr'),
          }
        : { op: 'none' },
    );
    const patient = (id: string, doctor: string) =>
      tsela().send('PUT', `Patient/${id}`, {
        resourceType: 'Patient',
        id,
        birthDate: '1980-01-01',
        generalPractitioner: [{ reference: `Practitioner/${doctor}` }],
      });
    await patient('p1', 'dr');
    await patient('p2', 'other');
    for (const [id, subject] of [
      ['o1', 'p1'],
      ['o2', 'p2'],
    ] as const)
      await tsela().send('PUT', `Observation/${id}`, { ...observation(`Patient/${subject}`), id });
    const ours = tsela().as(byDoctor);
    expect(idsIn(await ours('GET', 'Observation?_total=accurate'))).toEqual(['o1']);
    expect(idsIn(await ours('GET', 'Observation/_history'))).toEqual(['o1']);
    expect([
      (await ours('GET', 'Observation/o1')).status,
      (await ours('GET', 'Observation/o2')).status,
    ]).toEqual([200, 404]);
    expect(idsIn(await ours('GET', 'Observation?subject:Patient.birthdate=1980-01-01'))).toEqual([]);
    // What a link leads to could change before the commit: such a grant does not write.
    expect((await ours('POST', 'Observation', observation('Patient/p1'))).status).toBe(403);
    expect((await ours('POST', 'Observation', observation('Patient/p2'))).status).toBe(403);
    await patient('p1', 'other');
    expect((await ours('GET', 'Observation/o1')).status).toBe(404);
    expect(idsIn(await ours('GET', 'Observation'))).toEqual([]);
  });
});
