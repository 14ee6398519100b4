// read, vread, history, capabilities, and what they have in common. https://hl7.org/fhir/R4/http.html
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { nextMillisecond, onEveryStore, openTsela, type Answer } from '../system.js';

const patient = (more: object = {}) => ({ resourceType: 'Patient', ...more });
const next = (answer: Answer): string | undefined =>
  answer.body['link']
    .find((link: { relation: string }) => link.relation === 'next')
    ?.url.replace('http://tsela.test/fhir/', '');

onEveryStore('read', {}, tsela => {
  it('answers 304 to If-None-Match and If-Modified-Since', async () => {
    const created = await tsela().send('PUT', 'Patient/r1', patient({ id: 'r1' }));
    const get = (headers: Record<string, string>) => tsela().send('GET', 'Patient/r1', undefined, headers);
    expect((await get({ 'if-none-match': 'W/"1"' })).status).toBe(304);
    expect((await get({ 'if-none-match': 'W/"2", W/"1"' })).status).toBe(304);
    expect((await get({ 'if-none-match': 'W/"2"' })).status).toBe(200);
    expect((await get({ 'if-modified-since': created.headers['last-modified']! })).status).toBe(304);
    expect((await get({ 'if-modified-since': new Date(0).toUTCString() })).status).toBe(200);
    expect(
      (await get({ 'if-none-match': 'W/"2"', 'if-modified-since': created.headers['last-modified']! }))
        .status,
    ).toBe(200);
  });

  it('summarizes, picks elements and indents', async () => {
    await tsela().send(
      'PUT',
      'Patient/r2',
      patient({ id: 'r2', active: true, photo: [{ title: 'me' }], birthDate: '1990-01-01' }),
    );
    const summary = await tsela().send('GET', 'Patient/r2?_summary=true');
    expect(summary.body['photo']).toBeUndefined();
    expect(summary.body['birthDate']).toBe('1990-01-01');
    expect(JSON.stringify(summary.body['meta'].tag)).toContain('SUBSETTED');
    const picked = await tsela().send('GET', 'Patient/r2?_elements=birthDate');
    expect([picked.body['birthDate'], picked.body['active']]).toEqual(['1990-01-01', undefined]);
    expect((await tsela().send('GET', 'Patient/r2?_pretty=true')).text).toContain('\n  "id": "r2"');
  });

  it.each([
    ['GET', 'Patent/1', 404],
    ['GET', 'Patient/none', 404],
    ['GET', 'Patient/none/_history/1', 404],
    ['GET', 'Patient/none/_history', 404],
    ['GET', 'Patient/r1/_history/x', 404],
    ['GET', 'Patient/r1/_history/9', 404],
    ['GET', 'Patient/bad_id', 400],
    ['GET', 'Patient/r1/$nothing', 404],
    ['DELETE', 'metadata', 405],
    ['PUT', '', 405],
    ['GET', 'Patient/1/2/3/4/5', 404],
  ])('%s %s answers %i with an OperationOutcome', async (method, url, status) => {
    const answer = await tsela().send(method, url);
    expect([answer.status, answer.body['resourceType']]).toEqual([status, 'OperationOutcome']);
    if (status === 405) expect(answer.headers['allow']).toMatch(/GET|POST/);
  });
});

onEveryStore('history', {}, tsela => {
  it('shows every version and deletion of an instance, a type and the system, newest first', async () => {
    await tsela().send('PUT', 'Patient/h1', patient({ id: 'h1' }));
    await nextMillisecond();
    const second = await tsela().send('PUT', 'Patient/h1', patient({ id: 'h1', active: true }));
    await tsela().send('PUT', 'Basic/h2', { resourceType: 'Basic', id: 'h2', code: { text: 'x' } });
    await tsela().send('DELETE', 'Patient/h1');
    const instance = await tsela().send('GET', 'Patient/h1/_history');
    expect([instance.body['type'], instance.body['total']]).toEqual(['history', 3]);
    expect(instance.body['entry'].map((entry: { response: unknown }) => entry.response)).toMatchObject([
      { status: '204 No Content', etag: 'W/"3"' },
      { status: '200 OK', etag: 'W/"2"' },
      { status: '201 Created', etag: 'W/"1"' },
    ]);
    expect(instance.body['entry'][0].resource).toBeUndefined();
    expect((await tsela().send('GET', 'Patient/_history')).body['total']).toBe(3);
    expect((await tsela().send('GET', '_history')).body['total']).toBe(4);
    const ascending = await tsela().send('GET', 'Patient/h1/_history?_sort=_lastUpdated');
    expect(
      ascending.body['entry'].map((entry: { response: { etag: string } }) => entry.response.etag),
    ).toEqual(['W/"1"', 'W/"2"', 'W/"3"']);
    const since = await tsela().send(
      'GET',
      `Patient/h1/_history?_since=${encodeURIComponent(second.body['meta'].lastUpdated)}`,
    );
    expect(since.body['total']).toBe(2);
    expect(
      (await tsela().send('GET', 'Patient/h1/_history?_since=2000-01-01T02:00:00+02:00')).body['total'],
    ).toBe(3);
    const at = await tsela().send(
      'GET',
      `Patient/h1/_history?_at=${encodeURIComponent(second.body['meta'].lastUpdated)}`,
    );
    expect(at.body['entry'].map((entry: { response: { etag: string } }) => entry.response.etag)).toContain(
      'W/"2"',
    );
  });

  it('pages without losing or repeating a version while others are written', async () => {
    for (let i = 0; i < 25; i++)
      await tsela().send('PUT', 'Patient/h3', patient({ id: 'h3', language: `l-${i}` }));
    const seen: string[] = [];
    let url: string | undefined = 'Patient/h3/_history?_count=4';
    while (url !== undefined) {
      const page: Answer = await tsela().send('GET', url);
      seen.push(...page.body['entry'].map((entry: { response: { etag: string } }) => entry.response.etag));
      await tsela().send('PUT', 'Patient/h3', patient({ id: 'h3', language: `m-${seen.length}` }));
      url = next(page);
    }
    expect(seen).toEqual(Array.from({ length: 25 }, (_, i) => `W/"${25 - i}"`));
  });

  it.each(['_count=x', '_since=yesterday', '_at=yesterday', '_sort=name', 'name=x', '_cursor=forged'])(
    'refuses ?%s',
    async query => {
      expect((await tsela().send('GET', `Patient/_history?${query}`)).status).toBe(400);
    },
  );
});

onEveryStore('search', {}, tsela => {
  it('pages exactly once through what does not change', async () => {
    for (let i = 0; i < 23; i++)
      await tsela().send(
        'PUT',
        `Patient/s${i}`,
        patient({ id: `s${i}`, birthDate: `19${50 + (i % 7)}-01-01` }),
      );
    for (const sort of ['', '&_sort=birthdate', '&_sort=-birthdate,_id']) {
      const seen: string[] = [];
      let url: string | undefined = `Patient?birthdate=gt1900${sort}&_count=5`;
      while (url !== undefined) {
        const page: Answer = await tsela().send('GET', url);
        seen.push(...page.body['entry'].map((entry: { resource: { id: string } }) => entry.resource.id));
        url = next(page);
        if (url !== undefined) expect(url).not.toContain('1900');
      }
      expect([...seen].sort()).toEqual(Array.from({ length: 23 }, (_, i) => `s${i}`).sort());
    }
  });

  it('shows what it understood, refuses what it does not, and ignores it where asked to', async () => {
    const found = await tsela().send('GET', 'Patient?birthdate=1950-01-01&_total=accurate&_format=json');
    expect(found.body['link'][0]).toEqual({
      relation: 'self',
      url: 'http://tsela.test/fhir/Patient?birthdate=1950-01-01&_total=accurate',
    });
    expect([found.body['total'], found.body['entry'][0].search.mode, found.body['entry'][0].fullUrl]).toEqual(
      [4, 'match', 'http://tsela.test/fhir/Patient/s0'],
    );
    const refused = await tsela().send('GET', 'Patient?brithdate=1950-01-01');
    expect(refused.status).toBe(400);
    expect(refused.text).toContain('birthdate');
    const lenient = await tsela().send('GET', 'Patient?brithdate=1950-01-01', undefined, {
      prefer: 'respond-async, Handling="Lenient"; return=minimal',
    });
    expect(lenient.status).toBe(200);
    expect(lenient.body['entry'].at(-1).search.mode).toBe('outcome');
    expect((await tsela().send('GET', 'Patient?_cursor=AAAA')).status).toBe(400);
  });

  it('takes parameters from the form and the URL of POST _search', async () => {
    const found = await tsela().send('POST', 'Patient/_search?_count=50', 'birthdate=1950-01-01&_sort=_id', {
      'content-type': 'application/x-www-form-urlencoded',
    });
    expect(found.body['entry'].map((entry: { resource: { id: string } }) => entry.resource.id)).toEqual([
      's0',
      's14',
      's21',
      's7',
    ]);
  });

  it('includes, follows chains and reverse chains', async () => {
    await tsela().send('PUT', 'Observation/so1', {
      resourceType: 'Observation',
      id: 'so1',
      status: 'final',
      code: { coding: [{ system: 'urn:c', code: 'bp' }] },
      subject: { reference: 'Patient/s3' },
    });
    const ids = (answer: Answer) =>
      (answer.body['entry'] ?? []).map(
        (entry: { resource: { id: string }; search: { mode: string } }) =>
          `${entry.resource.id} ${entry.search.mode}`,
      );
    expect(ids(await tsela().send('GET', 'Observation?code=urn:c|bp&_include=Observation:subject'))).toEqual([
      'so1 match',
      's3 include',
    ]);
    expect(ids(await tsela().send('GET', 'Patient?_id=s3&_revinclude=Observation:subject'))).toEqual([
      's3 match',
      'so1 include',
    ]);
    expect(ids(await tsela().send('GET', 'Observation?subject:Patient.birthdate=1953-01-01'))).toEqual([
      'so1 match',
    ]);
    expect(ids(await tsela().send('GET', 'Observation?patient.birthdate=1954-01-01'))).toEqual([]);
    expect(ids(await tsela().send('GET', 'Patient?_has:Observation:patient:code=bp'))).toEqual(['s3 match']);
    expect(ids(await tsela().send('GET', '?_type=Patient,Observation&_id=s3,so1'))).toHaveLength(2);
  });
});

onEveryStore('capabilities', {}, tsela => {
  it('tells what the routes and search parameters are', async () => {
    const full = await tsela().send('GET', 'metadata');
    expect([full.status, full.body['resourceType'], full.body['fhirVersion']]).toEqual([
      200,
      'CapabilityStatement',
      '4.0.1',
    ]);
    const observation = full.body['rest'][0].resource.find(
      (each: { type: string }) => each.type === 'Observation',
    );
    expect(observation.interaction.map((each: { code: string }) => each.code)).toEqual(
      expect.arrayContaining([
        'read',
        'vread',
        'update',
        'patch',
        'delete',
        'create',
        'search-type',
        'history-instance',
        'history-type',
      ]),
    );
    expect(observation.searchParam.map((each: { name: string }) => each.name)).toEqual(
      expect.arrayContaining(['code', 'patient', 'date', 'value-quantity', '_id', '_lastUpdated']),
    );
    expect(full.body['rest'][0].interaction.map((each: { code: string }) => each.code)).toEqual(
      expect.arrayContaining(['transaction', 'batch', 'search-system', 'history-system']),
    );
    expect(
      (await tsela().send('GET', 'metadata', undefined, { 'if-none-match': full.headers['etag']! })).status,
    ).toBe(304);
    expect((await tsela().send('GET', 'metadata?mode=terminology')).body['resourceType']).toBe(
      'TerminologyCapabilities',
    );
    // What it says of itself must be what it takes from others.
    expect((await tsela().send('POST', 'CapabilityStatement', full.body)).status).toBe(201);
    const terminology = await tsela().send('GET', 'metadata?mode=terminology');
    expect((await tsela().send('POST', 'TerminologyCapabilities', terminology.body)).status).toBe(201);
  });
});

onEveryStore('capabilities with other settings', { conditionalDelete: 'off', clientIds: 'none' }, tsela => {
  it('tells those', async () => {
    const { body } = await tsela().send('GET', 'metadata');
    expect(body['rest'][0].resource[0]).toMatchObject({
      conditionalDelete: 'not-supported',
      updateCreate: false,
    });
    expect((await tsela().send('DELETE', 'Patient?_id=x')).status).toBe(400);
    expect((await tsela().send('PUT', 'Patient/x', { resourceType: 'Patient', id: 'x' })).status).toBe(405);
  });
});

it('makes the index anew where the zone of dates has changed', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'tsela-zone-'));
  const found = async (zone: string) => {
    const tsela = await openTsela('SQLite', { data: folder, zone });
    await tsela.send('PUT', 'Patient/z', { resourceType: 'Patient', id: 'z', birthDate: '2000-01-01' });
    const answer = await tsela.send('GET', 'Patient?birthdate=lt2000-01-01T00:00:00Z');
    await tsela.system.close();
    return (answer.body['entry'] ?? []).length as number;
  };
  expect(await found('UTC')).toBe(0);
  expect(await found('Pacific/Auckland')).toBe(1);
  rmSync(folder, { recursive: true });
});

onEveryStore('searches that ask for too much', {}, tsela => {
  const form = { 'content-type': 'application/x-www-form-urlencoded' };
  const many = (count: number, name: (i: number) => string) =>
    Array.from({ length: count }, (_, i) => name(i));
  const search = (body: string) => tsela().send('POST', 'Patient/_search', body, form);

  it.each([
    ['values', `identifier=${many(2001, i => `urn:x|${i}`).join(',')}`],
    ['repeats', many(2001, i => `identifier=${i}`).join('&')],
    ['prefixes', `name=${many(401, i => `n${i}`).join(',')}`],
    ['parts', `name:contains=${many(401, i => `n${i}`).join(',')}`],
    ['ranges', many(401, i => `birthdate=ge${1900 + (i % 100)}`).join('&')],
    ['chained prefixes', `organization.name=${many(401, i => `n${i}`).join(',')}`],
  ])('by their %s are refused', async (_, body) => {
    const refused = await search(body);
    expect([refused.status, refused.body['issue'][0].code]).toEqual([400, 'too-costly']);
    const criteria = await tsela().send('DELETE', `Patient?${body}`);
    expect(criteria.status).toBe(400);
  });

  it.each([
    ['values', `identifier=${many(2000, i => `urn:x|${i}`).join(',')}`],
    ['ids', `_id=${many(2000, i => `x${i}`).join(',')}`],
    ['prefixes', `name=${many(400, i => `n${i}`).join(',')}`],
    ['parts', `name:contains=${many(400, i => `n${i}`).join(',')}`],
    ['ranges', many(200, i => `birthdate=ge${1900 + (i % 100)}`).join('&')],
    ['alternative ranges', `birthdate=${many(400, i => `ge${1900 + (i % 100)}`).join(',')}`],
    ['negations', many(300, i => `identifier:not=${i}`).join('&')],
    ['chains', `organization.name=${many(300, i => `n${i}`).join(',')}`],
    ['reverse chains', many(200, i => `_has:Observation:patient:code=c${i}`).join('&')],
    ['includes', many(1000, () => '_include=Patient:organization').join('&')],
  ])('by their %s are refused only above the limit', async (_, body) => {
    await tsela().send('PUT', 'Patient/cost', {
      resourceType: 'Patient',
      id: 'cost',
      name: [{ family: 'n1' }],
    });
    expect((await search(body)).status).toBe(200);
  });

  it.each(['name=%00', 'name:contains=a%00', '%00=a', 'name=%E0%A4%A'])('refuses the form %s', async body => {
    expect((await search(body)).status).toBe(400);
    const entry = { request: { method: 'GET', url: `Patient?${body}` } };
    const batch = await tsela().send('POST', '', { resourceType: 'Bundle', type: 'batch', entry: [entry] });
    expect(batch.body['entry'][0].response.status).toBe('400 Bad Request');
    const headers = { 'if-none-exist': body };
    expect((await tsela().send('POST', 'Patient', { resourceType: 'Patient' }, headers)).status).toBe(400);
  });
});
