// Idempotency-Key: carried out once, answered alike, bound to its request, and no memory of failures.
import { expect, it } from 'vitest';
import { onEveryStore, type Answer } from '../system.js';

const patient = (more: object = {}) => ({ resourceType: 'Patient', ...more });
const key = (name: string) => ({ 'idempotency-key': name });
const transaction = (...entry: object[]) => ({ resourceType: 'Bundle', type: 'transaction', entry });
const batch = (...entry: object[]) => ({ resourceType: 'Bundle', type: 'batch', entry });
const post = (resource: object) => ({ resource, request: { method: 'POST', url: 'Patient' } });

onEveryStore('Idempotency-Key', { expunge: true }, tsela => {
  const total = async () => (await tsela().send('GET', 'Patient?_summary=count')).body['total'] as number;

  it('does not remember a failure', async () => {
    const bad = await tsela().send('POST', 'Patient', patient({ birthDate: 'x' }), key('f1'));
    expect(bad.status).toBe(400);
    expect((await tsela().send('POST', 'Patient', patient(), key('f1'))).status).toBe(201);
    const conflict = await tsela().send('PUT', 'Patient/f2', patient({ id: 'f2' }), {
      ...key('f2'),
      'if-match': 'W/"1"',
    });
    expect(conflict.status).toBe(412);
    const again = await tsela().send('PUT', 'Patient/f2', patient({ id: 'f2' }), key('f2'));
    expect(again.status).toBe(201);
  });

  it('refuses another request with a key that was used', async () => {
    const first = await tsela().send('POST', 'Patient', patient(), key('r1'));
    const others: [string, string, unknown, Record<string, string>][] = [
      ['POST', 'Patient', patient({ active: true }), {}],
      ['POST', 'Basic', { resourceType: 'Basic', code: { text: 'x' } }, {}],
      ['POST', 'Patient', patient(), { 'if-none-exist': 'active=true' }],
      ['PUT', 'Patient/r1', patient({ id: 'r1' }), {}],
      ['DELETE', `Patient/${first.body['id']}`, undefined, {}],
      ['POST', '', transaction(post(patient())), {}],
    ];
    for (const [method, url, body, headers] of others) {
      const refused = await tsela().send(method, url, body, { ...key('r1'), ...headers });
      expect([method, url, refused.status]).toEqual([method, url, 422]);
      expect(refused.text).not.toContain(first.body['id']);
    }
    expect((await tsela().send('POST', 'Patient', patient(), key('r1'))).body['id']).toBe(first.body['id']);
  });

  it('answers again where nothing had to be written, whatever happened since', async () => {
    const once = { ...key('n1'), 'if-none-exist': 'identifier=urn:r|n1' };
    const body = patient({ identifier: [{ system: 'urn:r', value: 'n1' }] });
    const { id } = (await tsela().send('POST', 'Patient', body)).body;
    expect((await tsela().send('POST', 'Patient', body, once)).status).toBe(200);
    await tsela().send('DELETE', `Patient/${id}`);
    const again = await tsela().send('POST', 'Patient', body, once);
    expect([again.status, again.body['id']]).toEqual([200, id]);
    const gone = await tsela().send('DELETE', 'Patient/n2', undefined, key('n2'));
    await tsela().send('PUT', 'Patient/n2', patient({ id: 'n2' }));
    expect((await tsela().send('DELETE', 'Patient/n2', undefined, key('n2'))).status).toBe(gone.status);
    expect((await tsela().send('GET', 'Patient/n2')).status).toBe(200);
  });

  it('gives racers the answer of the one that was served, also where the others would fail', async () => {
    await tsela().send('PUT', 'Patient/c1', patient({ id: 'c1' }));
    const racers = await Promise.all(
      Array.from({ length: 20 }, () =>
        tsela().send('PUT', 'Patient/c1', patient({ id: 'c1', active: true }), {
          ...key('c1'),
          'if-match': 'W/"1"',
        }),
      ),
    );
    expect(new Set(racers.map(answer => `${answer.status} ${answer.headers['etag']}`))).toEqual(
      new Set(['200 W/"2"']),
    );
    const creations = await Promise.all(
      Array.from({ length: 20 }, () => tsela().send('PUT', 'Patient/c2', patient({ id: 'c2' }), key('c2'))),
    );
    expect(new Set(creations.map(answer => answer.status))).toEqual(new Set([201]));
  });

  it('of a batch holds for each of its entries, and none of them is a key of its own', async () => {
    const before = await total();
    const bundle = batch(post(patient()), post(patient({ birthDate: 'x' })), post(patient({ active: true })));
    const locations = (answer: Answer) =>
      answer.body['entry'].map((entry: { response: { location?: string } }) => entry.response.location);
    const first = await tsela().send('POST', '', bundle, key('b'.repeat(255)));
    const again = await tsela().send('POST', '', bundle, key('b'.repeat(255)));
    expect(locations(again)).toEqual(locations(first));
    expect(locations(first)[1]).toBeUndefined();
    const changed = batch(
      post(patient({ gender: 'other' })),
      post(patient()),
      post(patient({ active: true })),
    );
    const third = await tsela().send('POST', '', changed, key('b'.repeat(255)));
    expect(
      third.body['entry'].map((entry: { response: { status: string } }) => entry.response.status.slice(0, 3)),
    ).toEqual(['422', '201', '201']);
    expect(locations(third)[2]).toBe(locations(first)[2]);
    expect(await total()).toBe(before + 3);
  });

  it('of a transaction with reads keeps what was written and reads anew', async () => {
    const bundle = transaction(
      { resource: patient({ id: 't1' }), request: { method: 'PUT', url: 'Patient/t1' } },
      { request: { method: 'GET', url: 'Patient/t1' } },
    );
    const first = await tsela().send('POST', '', bundle, key('t1'));
    expect(first.body['entry'][1].resource.meta.versionId).toBe('1');
    await tsela().send('PUT', 'Patient/t1', patient({ id: 't1', active: true }));
    const again = await tsela().send('POST', '', bundle, key('t1'));
    expect(again.body['entry'][0]).toEqual(first.body['entry'][0]);
    expect(again.body['entry'][1].resource.active).toBe(true);
  });

  it('keeps no copy of what was written: expunged, it is nowhere', async () => {
    const named = patient({ name: [{ family: 'Nthako' }] });
    const first = await tsela().send('POST', 'Patient', named, key('e1'));
    const headers = { ...key('e2'), prefer: 'return=representation' };
    const bundle = transaction(post(named), post(named));
    const both = await tsela().send('POST', '', bundle, headers);
    expect((await tsela().send('POST', '', bundle, headers)).body).toEqual(both.body);
    const paths = [`Patient/${first.body['id']}`, `Patient/${both.body['entry'][0].resource.id}`];
    for (const path of paths) {
      await tsela().send('DELETE', path);
      const everything = [{ name: 'expungeDeletedResources', valueBoolean: true }];
      const expunged = await tsela().send('POST', `${path}/$expunge`, { resourceType: 'Parameters', parameter: everything }); // prettier-ignore
      expect(expunged.status).toBe(200);
    }
    const again = await tsela().send('POST', 'Patient', named, key('e1'));
    expect([again.status, again.headers['location'], again.text]).toEqual([
      first.status,
      first.headers['location'],
      '',
    ]);
    const [gone, kept] = (await tsela().send('POST', '', bundle, headers)).body['entry'];
    const { resource: _, ...rest } = both.body['entry'][0];
    expect(gone).toEqual(rest);
    expect(kept).toEqual(both.body['entry'][1]);
    expect(await total()).toBeGreaterThan(0);
  });

  it.each(['', 'x'.repeat(256)])('refuses a key of no or too many characters', async name => {
    expect((await tsela().send('POST', 'Patient', patient(), key(name))).status).toBe(400);
  });

  it('holds for operations that write', async () => {
    await tsela().send('PUT', 'Patient/m1', patient({ id: 'm1' }));
    const meta = {
      resourceType: 'Parameters',
      parameter: [{ name: 'meta', valueMeta: { tag: [{ code: 'a' }] } }],
    };
    const first = await tsela().send('POST', 'Patient/m1/$meta-add', meta, key('m1'));
    await tsela().send('POST', 'Patient/m1/$meta-delete', meta);
    const again = await tsela().send('POST', 'Patient/m1/$meta-add', meta, key('m1'));
    expect(again.text).toBe(first.text);
    expect((await tsela().send('GET', 'Patient/m1')).headers['etag']).toBe('W/"3"');
  });
});
