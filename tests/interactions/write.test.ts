// create, update, patch and delete. https://hl7.org/fhir/R4/http.html
import { expect, it } from 'vitest';
import { onEveryStore, type Answer } from '../system.js';

const patient = (more: object = {}) => ({
  resourceType: 'Patient',
  name: [{ family: 'Mokoena', given: ['Thabo'] }],
  ...more,
});
const issueOf = (answer: Answer) => answer.body['issue'][0];

onEveryStore('create', {}, tsela => {
  it('answers 201 with Location, ETag, Last-Modified and the representation', async () => {
    const created = await tsela().send(
      'POST',
      'Patient',
      patient({ id: 'mine', meta: { versionId: '7', lastUpdated: '2000-01-01T00:00:00Z' } }),
    );
    expect(created.status).toBe(201);
    expect(created.body['id']).not.toBe('mine');
    expect(created.headers['location']).toBe(
      `http://tsela.test/fhir/Patient/${created.body['id']}/_history/1`,
    );
    expect(created.headers['etag']).toBe('W/"1"');
    expect(new Date(created.headers['last-modified']!).getTime()).toBe(
      Math.floor(Date.parse(created.body['meta'].lastUpdated) / 1000) * 1000,
    );
    expect(created.body['meta'].versionId).toBe('1');
    const read = await tsela().send('GET', `Patient/${created.body['id']}`);
    expect(read.text).toBe(created.text);
  });

  it('keeps decimals as they were written', async () => {
    const text =
      '{"resourceType":"Observation","status":"final","code":{"text":"x"},"valueQuantity":{"value":1.00},"component":[{"code":{"text":"y"},"valueQuantity":{"value":1.10e-22}}]}';
    const created = await tsela().send('POST', 'Observation', text);
    expect(created.status).toBe(201);
    const read = await tsela().send('GET', `Observation/${created.body['id']}`);
    expect(read.text).toContain('"value":1.00}');
    expect(read.text).toContain('"value":1.10e-22}');
  });

  it('honours Prefer', async () => {
    const minimal = await tsela().send('POST', 'Patient', patient(), { prefer: 'return=minimal' });
    expect([minimal.status, minimal.text]).toEqual([201, '']);
    const outcome = await tsela().send('POST', 'Patient', patient(), { prefer: 'return=OperationOutcome' });
    expect([outcome.status, outcome.body['resourceType']]).toEqual([201, 'OperationOutcome']);
  });

  it.each([
    ['no body', 'Patient', undefined, 'Patient'],
    ['broken JSON', 'Patient', '{"resourceType":"Patient",', 'line 1'],
    ['a repeated key', 'Patient', '{"resourceType":"Patient","active":true,"active":false}', 'active'],
    ['no resourceType', 'Patient', { active: true }, 'resourceType is missing'],
    ['an unknown resourceType', 'Patient', { resourceType: 'Patent' }, 'Patent'],
    ['another resourceType', 'Patient', { resourceType: 'Observation' }, 'this URL takes a Patient'],
    ['an array', 'Patient', [], 'JSON object'],
    ['a bad date', 'Patient', patient({ birthDate: '1990-02-30' }), 'date'],
    ['an unknown property', 'Patient', patient({ brithDate: '1990' }), 'brithDate'],
  ])('refuses %s with 400', async (_, url, body, text) => {
    const refused = await tsela().send('POST', url, body);
    expect(refused.status).toBe(400);
    expect(refused.body['resourceType']).toBe('OperationOutcome');
    expect(JSON.stringify(refused.body)).toContain(text);
  });

  it('names the element that is wrong', async () => {
    const refused = await tsela().send('POST', 'Patient', patient({ birthDate: 'yesterday' }));
    expect(issueOf(refused).expression).toEqual(['Patient.birthDate']);
    expect(issueOf(refused).details.text).toContain('YYYY-MM-DD');
  });

  it('creates once for If-None-Exist, answers 200 with the match, and 412 for several', async () => {
    const body = patient({ identifier: [{ system: 'urn:t', value: 'cond-1' }] });
    const headers = { 'if-none-exist': 'identifier=urn:t|cond-1' };
    const first = await tsela().send('POST', 'Patient', body, headers);
    const second = await tsela().send('POST', 'Patient', body, headers);
    expect([first.status, second.status]).toEqual([201, 200]);
    expect(second.body['id']).toBe(first.body['id']);
    await tsela().send('POST', 'Patient', body);
    const third = await tsela().send('POST', 'Patient', body, headers);
    expect(third.status).toBe(412);
    expect(issueOf(third).code).toBe('multiple-matches');
  });

  it('makes exactly one resource of 50 parallel conditional creates, and all name it', async () => {
    const body = patient({ identifier: [{ system: 'urn:t', value: 'race' }] });
    const answers = await Promise.all(
      Array.from({ length: 50 }, () =>
        tsela().send('POST', 'Patient', body, { 'if-none-exist': 'identifier=urn:t|race' }),
      ),
    );
    expect(answers.filter(answer => answer.status === 201)).toHaveLength(1);
    expect(answers.filter(answer => answer.status === 200)).toHaveLength(49);
    expect(new Set(answers.map(answer => answer.body['id'])).size).toBe(1);
    const found = await tsela().send('GET', 'Patient?identifier=urn:t|race&_total=accurate');
    expect(found.body['total']).toBe(1);
  });

  it('answers an Idempotency-Key again with the first answer', async () => {
    const first = await tsela().send('POST', 'Patient', patient(), { 'idempotency-key': 'k1' });
    const again = await tsela().send('POST', 'Patient', patient(), { 'idempotency-key': 'k1' });
    expect(again.status).toBe(201);
    expect(again.body['id']).toBe(first.body['id']);
    const racers = await Promise.all(
      Array.from({ length: 20 }, () =>
        tsela().send('POST', 'Patient', patient(), { 'idempotency-key': 'k2' }),
      ),
    );
    expect(new Set(racers.map(answer => answer.body['id'])).size).toBe(1);
  });
});

onEveryStore('conditions', {}, tsela => {
  const jsonPatch = { 'content-type': 'application/json-patch+json' };
  const addActive = [{ op: 'add', path: '/active', value: true }];

  it('names the match of a conditional create, also where its body is not wanted', async () => {
    const body = patient({ identifier: [{ system: 'urn:t', value: 'loc' }] });
    const headers = { 'if-none-exist': 'identifier=urn:t|loc', prefer: 'return=minimal' };
    const first = await tsela().send('POST', 'Patient', body, headers);
    const second = await tsela().send('POST', 'Patient', body, headers);
    expect([second.status, second.text, second.headers['location']]).toEqual([
      200,
      '',
      first.headers['location'],
    ]);
    const put = await tsela().send('PUT', 'Patient/loc', patient({ id: 'loc' }), {
      prefer: 'return=minimal',
    });
    expect([put.status, put.headers['location']]).toEqual([
      201,
      'http://tsela.test/fhir/Patient/loc/_history/1',
    ]);
  });

  it.each([
    'Observation?status=final',
    'Patient',
    '?',
    '',
    '_sort=name',
    'nonsense=1',
    'identifier=urn:t|1&_count=1',
  ])('refuses If-None-Exist: %s', async criteria => {
    expect((await tsela().send('POST', 'Patient', patient(), { 'if-none-exist': criteria })).status).toBe(
      400,
    );
  });

  it('hold for patch and delete too', async () => {
    await tsela().send('PUT', 'Patient/c1', patient({ id: 'c1' }));
    const old = new Date(0).toUTCString();
    const refused: [string, unknown, Record<string, string>][] = [
      ['PATCH', addActive, { ...jsonPatch, 'if-none-match': '*' }],
      ['PATCH', addActive, { ...jsonPatch, 'if-match': 'W/"2"' }],
      ['PATCH', addActive, { ...jsonPatch, 'if-unmodified-since': old }],
      ['DELETE', undefined, { 'if-match': 'W/"2"' }],
      ['DELETE', undefined, { 'if-none-match': 'W/"1"' }],
      ['DELETE', undefined, { 'if-unmodified-since': old }],
      ['PUT', patient({ id: 'c1', active: true }), { 'if-unmodified-since': old }],
    ];
    for (const [method, body, headers] of refused) {
      const answer = await tsela().send(method, 'Patient/c1', body, headers);
      expect([method, headers, answer.status, answer.headers['etag']]).toEqual([
        method,
        headers,
        412,
        'W/"1"',
      ]);
    }
    const unchanged = { 'if-unmodified-since': new Date(Date.now() + 1000).toUTCString() };
    expect(
      (await tsela().send('PATCH', 'Patient/c1', addActive, { ...jsonPatch, ...unchanged })).status,
    ).toBe(200);
    expect((await tsela().send('DELETE', 'Patient/c1', undefined, { 'if-match': 'W/"2"' })).status).toBe(204);
    expect((await tsela().send('DELETE', 'Patient/c1', undefined, { 'if-match': 'W/"3"' })).status).toBe(412);
    expect((await tsela().send('DELETE', 'Patient/bad_id')).status).toBe(400);
  });

  it('hold for a conditional delete', async () => {
    await tsela().send('PUT', 'Patient/c2', patient({ id: 'c2' }));
    const remove = (headers: Record<string, string>) =>
      tsela().send('DELETE', 'Patient?_id=c2', undefined, headers);
    expect((await remove({ 'if-match': 'W/"2"' })).status).toBe(412);
    const removed = await remove({ 'if-match': 'W/"1"' });
    expect([removed.status, removed.headers['etag']]).toEqual([204, 'W/"2"']);
    expect((await remove({ 'if-match': 'W/"2"' })).status).toBe(412);
    const told = await tsela().send('DELETE', 'Patient?_id=c2', undefined, {
      prefer: 'return=OperationOutcome',
    });
    expect([told.status, told.body['resourceType']]).toEqual([200, 'OperationOutcome']);
  });

  it('refuses a conditional reference outside of a transaction', async () => {
    const refused = await tsela().send('POST', 'Observation', {
      resourceType: 'Observation',
      status: 'final',
      code: { text: 'Why?' },
      subject: { reference: 'Patient?identifier=urn:t|1' },
    });
    expect([refused.status, issueOf(refused).expression]).toEqual([400, ['Observation.subject']]);
    const fine = await tsela().send('POST', 'Basic', { resourceType: 'Basic', code: { text: 'Why?' } });
    expect(fine.status).toBe(201);
  });
});

onEveryStore('update', {}, tsela => {
  it('creates under the id of the client, then makes new versions', async () => {
    const created = await tsela().send('PUT', 'Patient/u1', patient({ id: 'u1' }));
    expect([created.status, created.headers['etag']]).toEqual([201, 'W/"1"']);
    const updated = await tsela().send('PUT', 'Patient/u1', patient({ id: 'u1', active: true }));
    expect([updated.status, updated.headers['etag'], updated.body['meta'].versionId]).toEqual([
      200,
      'W/"2"',
      '2',
    ]);
    const old = await tsela().send('GET', 'Patient/u1/_history/1');
    expect(old.body['active']).toBeUndefined();
  });

  it('makes no version where nothing changes', async () => {
    await tsela().send('PUT', 'Patient/u2', patient({ id: 'u2' }));
    const again = await tsela().send('PUT', 'Patient/u2', patient({ id: 'u2' }));
    expect([again.status, again.headers['etag']]).toEqual([200, 'W/"1"']);
  });

  it('wants the id of the URL', async () => {
    for (const body of [patient(), patient({ id: 'other' })]) {
      const refused = await tsela().send('PUT', 'Patient/u3', body);
      expect([refused.status, issueOf(refused).expression]).toEqual([400, ['Patient.id']]);
    }
    expect((await tsela().send('PUT', 'Patient/not_an_id', patient({ id: 'not_an_id' }))).status).toBe(400);
  });

  it('lets one of 50 parallel updates with the same If-Match win', async () => {
    await tsela().send('PUT', 'Patient/u4', patient({ id: 'u4' }));
    const answers = await Promise.all(
      Array.from({ length: 50 }, (_, i) =>
        tsela().send('PUT', 'Patient/u4', patient({ id: 'u4', language: `x-${i}` }), { 'if-match': 'W/"1"' }),
      ),
    );
    expect(answers.filter(answer => answer.status === 200)).toHaveLength(1);
    expect(answers.filter(answer => answer.status === 412)).toHaveLength(49);
  });

  it('loses none of 50 parallel updates without If-Match', async () => {
    await tsela().send('PUT', 'Patient/u5', patient({ id: 'u5' }));
    const answers = await Promise.all(
      Array.from({ length: 50 }, (_, i) =>
        tsela().send('PUT', 'Patient/u5', patient({ id: 'u5', language: `y-${i}` })),
      ),
    );
    expect(new Set(answers.map(answer => answer.headers['etag'])).size).toBe(50);
    const history = await tsela().send('GET', 'Patient/u5/_history?_count=100');
    expect(history.body['total']).toBe(51);
  });

  it('judges If-Match and If-None-Match', async () => {
    expect(
      (await tsela().send('PUT', 'Patient/u6', patient({ id: 'u6' }), { 'if-match': 'W/"1"' })).status,
    ).toBe(412);
    expect(
      (await tsela().send('PUT', 'Patient/u6', patient({ id: 'u6' }), { 'if-none-match': '*' })).status,
    ).toBe(201);
    const exists = await tsela().send('PUT', 'Patient/u6', patient({ id: 'u6', active: true }), {
      'if-none-match': '*',
    });
    expect([exists.status, exists.headers['etag']]).toEqual([412, 'W/"1"']);
    expect(
      (
        await tsela().send('PUT', 'Patient/u6', patient({ id: 'u6', active: true }), {
          'if-match': 'nonsense etag',
        })
      ).status,
    ).toBe(400);
  });

  it('goes on counting versions after a deletion', async () => {
    await tsela().send('PUT', 'Patient/u7', patient({ id: 'u7' }));
    await tsela().send('DELETE', 'Patient/u7');
    const back = await tsela().send('PUT', 'Patient/u7', patient({ id: 'u7' }));
    expect([back.status, back.headers['etag']]).toEqual([201, 'W/"3"']);
  });

  it('keeps security labels an update does not name', async () => {
    const label = { system: 'http://terminology.hl7.org/CodeSystem/v3-Confidentiality', code: 'R' };
    await tsela().send(
      'PUT',
      'Patient/u8',
      patient({ id: 'u8', meta: { security: [label], tag: [{ code: 'a' }] } }),
    );
    const updated = await tsela().send('PUT', 'Patient/u8', patient({ id: 'u8', active: true }));
    expect(updated.body['meta'].security).toEqual([label]);
    expect(updated.body['meta'].tag).toBeUndefined();
  });

  it('updates, creates or refuses by criteria', async () => {
    const body = (more: object = {}) => patient({ identifier: [{ system: 'urn:t', value: 'cu' }], ...more });
    const created = await tsela().send('PUT', 'Patient?identifier=urn:t|cu', body());
    expect(created.status).toBe(201);
    const updated = await tsela().send('PUT', 'Patient?identifier=urn:t|cu', body({ active: true }));
    expect([updated.status, updated.body['id'], updated.headers['etag']]).toEqual([
      200,
      created.body['id'],
      'W/"2"',
    ]);
    const wrong = await tsela().send('PUT', 'Patient?identifier=urn:t|cu', body({ id: 'different' }));
    expect(wrong.status).toBe(400);
    await tsela().send('POST', 'Patient', body());
    expect((await tsela().send('PUT', 'Patient?identifier=urn:t|cu', body({ active: false }))).status).toBe(
      412,
    );
    expect((await tsela().send('PUT', 'Patient', body())).status).toBe(400);
  });

  it('makes one resource of parallel conditional updates', async () => {
    const body = (i: number) =>
      patient({ identifier: [{ system: 'urn:t', value: 'cur' }], language: `z-${i}` });
    const answers = await Promise.all(
      Array.from({ length: 20 }, (_, i) => tsela().send('PUT', 'Patient?identifier=urn:t|cur', body(i))),
    );
    expect(answers.filter(answer => answer.status === 201)).toHaveLength(1);
    expect(new Set(answers.map(answer => answer.body['id'])).size).toBe(1);
  });
});

onEveryStore('delete', {}, tsela => {
  it('leaves 410, a tombstone in history, and is no error twice', async () => {
    await tsela().send('PUT', 'Patient/d1', patient({ id: 'd1' }));
    expect((await tsela().send('DELETE', 'Patient/d1')).status).toBe(204);
    expect((await tsela().send('DELETE', 'Patient/d1')).status).toBe(204);
    expect((await tsela().send('DELETE', 'Patient/never')).status).toBe(204);
    const gone = await tsela().send('GET', 'Patient/d1');
    expect([gone.status, gone.headers['etag']]).toEqual([410, 'W/"2"']);
    expect((await tsela().send('GET', 'Patient/d1/_history/2')).status).toBe(410);
    expect((await tsela().send('GET', 'Patient/d1/_history/1')).status).toBe(200);
    expect((await tsela().send('GET', 'Patient/never')).status).toBe(404);
    const history = await tsela().send('GET', 'Patient/d1/_history');
    expect(history.body['entry'].map((entry: { request: unknown }) => entry.request)).toEqual([
      { method: 'DELETE', url: 'Patient/d1' },
      { method: 'PUT', url: 'Patient/d1' },
    ]);
    expect((await tsela().send('GET', 'Patient?_id=d1')).body['entry']).toBeUndefined();
  });

  it('deletes one by criteria and refuses several', async () => {
    const body = patient({ identifier: [{ system: 'urn:t', value: 'cd' }] });
    await tsela().send('POST', 'Patient', body);
    await tsela().send('POST', 'Patient', body);
    expect((await tsela().send('DELETE', 'Patient?identifier=urn:t|cd')).status).toBe(412);
    expect((await tsela().send('DELETE', 'Patient?identifier=urn:t|nobody')).status).toBe(204);
    expect((await tsela().send('DELETE', 'Patient')).status).toBe(400);
  });

  it('lets either an update or a deletion come last, never half of each', async () => {
    for (let round = 0; round < 10; round++) {
      const id = `r${round}`;
      await tsela().send('PUT', `Patient/${id}`, patient({ id }));
      const [updated, deleted] = await Promise.all([
        tsela().send('PUT', `Patient/${id}`, patient({ id, active: true }), { 'if-match': 'W/"1"' }),
        tsela().send('DELETE', `Patient/${id}`),
      ]);
      expect(deleted.status).toBe(204);
      expect([200, 412]).toContain(updated.status);
      expect((await tsela().send('GET', `Patient/${id}`)).status).toBe(410);
    }
  });
});

onEveryStore('delete of several', { conditionalDelete: 'multiple' }, tsela => {
  it('deletes all that the criteria find', async () => {
    for (let i = 0; i < 5; i++)
      await tsela().send('POST', 'Patient', patient({ identifier: [{ system: 'urn:t', value: 'many' }] }));
    const deleted = await tsela().send('DELETE', 'Patient?identifier=urn:t|many');
    expect([deleted.status, issueOf(deleted).details.text.slice(0, 9)]).toEqual([200, 'Deleted 5']);
    expect((await tsela().send('GET', 'Patient?identifier=urn:t|many&_total=accurate')).body['total']).toBe(
      0,
    );
  });
});

onEveryStore(
  'integrity',
  { checkReferences: true, deleteReferenced: 'refuse', clientIds: 'none', ifMatch: 'required' },
  tsela => {
    it('refuses references to nothing, deletion of what is referred to, ids of clients and blind updates', async () => {
      const dangling = await tsela().send('POST', 'Observation', {
        resourceType: 'Observation',
        status: 'final',
        code: { text: 'x' },
        subject: { reference: 'Patient/nobody' },
      });
      expect(dangling.status).toBe(400);
      expect(issueOf(dangling).details.text).toContain('Patient/nobody');
      const subject = await tsela().send('POST', 'Patient', patient());
      const reference = `Patient/${subject.body['id']}`;
      const observation = await tsela().send('POST', 'Observation', {
        resourceType: 'Observation',
        status: 'final',
        code: { text: 'x' },
        subject: { reference },
      });
      expect(observation.status).toBe(201);
      expect((await tsela().send('DELETE', reference)).status).toBe(409);
      expect((await tsela().send('DELETE', `Observation/${observation.body['id']}`)).status).toBe(204);
      expect((await tsela().send('PUT', reference, { ...subject.body, active: true })).status).toBe(412);
      expect((await tsela().send('PUT', 'Patient/mine', patient({ id: 'mine' }))).status).toBe(405);
      expect((await tsela().send('DELETE', reference)).status).toBe(204);
    });
  },
);

onEveryStore('patch', {}, tsela => {
  const jsonPatch = { 'content-type': 'application/json-patch+json' };
  it('applies JSON Patch and FHIRPath Patch', async () => {
    await tsela().send('PUT', 'Patient/p1', patient({ id: 'p1' }));
    const first = await tsela().send(
      'PATCH',
      'Patient/p1',
      [{ op: 'add', path: '/active', value: true }],
      jsonPatch,
    );
    expect([first.status, first.body['active'], first.headers['etag']]).toEqual([200, true, 'W/"2"']);
    const second = await tsela().send('PATCH', 'Patient/p1', {
      resourceType: 'Parameters',
      parameter: [
        {
          name: 'operation',
          part: [
            { name: 'type', valueCode: 'replace' },
            { name: 'path', valueString: 'Patient.active' },
            { name: 'value', valueBoolean: false },
          ],
        },
      ],
    });
    expect([second.status, second.body['active'], second.headers['etag']]).toEqual([200, false, 'W/"3"']);
    const history = await tsela().send('GET', 'Patient/p1/_history');
    expect(history.body['entry'][0].request.method).toBe('PATCH');
  });

  it('refuses what cannot be applied, or would make the resource invalid, and changes nothing', async () => {
    await tsela().send('PUT', 'Patient/p2', patient({ id: 'p2' }));
    const bad: [unknown, number, Record<string, string>][] = [
      [[{ op: 'add', path: '/birthDate', value: 'tomorrow' }], 400, jsonPatch],
      [[{ op: 'test', path: '/active', value: true }], 422, jsonPatch],
      [[{ op: 'replace', path: '/id', value: 'other' }], 422, jsonPatch],
      [{ resourceType: 'Patient' }, 400, {}],
      ['<diff/>', 400, { 'content-type': 'application/xml-patch+xml' }],
      ['x', 415, { 'content-type': 'text/plain' }],
      [[{ op: 'add', path: '/active', value: true }], 412, { ...jsonPatch, 'if-match': 'W/"9"' }],
    ];
    for (const [body, status, headers] of bad)
      expect((await tsela().send('PATCH', 'Patient/p2', body, headers)).status).toBe(status);
    expect((await tsela().send('GET', 'Patient/p2')).headers['etag']).toBe('W/"1"');
    expect((await tsela().send('PATCH', 'Patient/absent', [], jsonPatch)).status).toBe(404);
  });

  it('patches by criteria', async () => {
    await tsela().send(
      'PUT',
      'Patient/p3',
      patient({ id: 'p3', identifier: [{ system: 'urn:t', value: 'cp' }] }),
    );
    const patched = await tsela().send(
      'PATCH',
      'Patient?identifier=urn:t|cp',
      [{ op: 'add', path: '/active', value: true }],
      jsonPatch,
    );
    expect([patched.status, patched.body['id'], patched.body['active']]).toEqual([200, 'p3', true]);
  });
});
