// $meta, $meta-add, $meta-delete, $expunge, and raw Binary.
import { expect, it } from 'vitest';
import { onEveryStore } from '../system.js';

const meta = (value: object) => ({
  resourceType: 'Parameters',
  parameter: [{ name: 'meta', valueMeta: value }],
});
const tag = (code: string) => ({ system: 'urn:tags', code });

onEveryStore('$meta', {}, tsela => {
  it('adds, shows and removes profiles, tags and labels as sets', async () => {
    await tsela().send('PUT', 'Patient/m1', { resourceType: 'Patient', id: 'm1', meta: { tag: [tag('a')] } });
    const added = await tsela().send(
      'POST',
      'Patient/m1/$meta-add',
      meta({
        tag: [tag('a'), tag('b')],
        security: [{ system: 'urn:s', code: 'R' }],
        profile: ['http://e.x/p'],
      }),
    );
    expect(added.status).toBe(200);
    const shown = await tsela().send('GET', 'Patient/m1/$meta');
    expect(shown.body['parameter'][0].valueMeta).toMatchObject({
      versionId: '2',
      tag: [tag('a'), tag('b')],
      profile: ['http://e.x/p'],
    });
    expect((await tsela().send('GET', 'Patient?_tag=urn:tags|b')).body['entry']).toHaveLength(1);
    expect((await tsela().send('GET', 'Patient?_security=R')).body['entry']).toHaveLength(1);
    expect((await tsela().send('GET', 'Patient?_profile=http://e.x/p')).body['entry']).toHaveLength(1);
    await tsela().send(
      'POST',
      'Patient/m1/$meta-delete',
      meta({ tag: [tag('a')], security: [{ system: 'urn:s', code: 'R' }] }),
    );
    const left = (await tsela().send('GET', 'Patient/m1')).body['meta'];
    expect([left.tag, left.security, left.versionId]).toEqual([[tag('b')], undefined, '3']);
    const same = await tsela().send('POST', 'Patient/m1/$meta-add', meta({ tag: [tag('b')] }));
    expect(same.body['parameter'][0].valueMeta.versionId).toBe('3');
    expect((await tsela().send('POST', 'Patient/none/$meta-add', meta({ tag: [tag('a')] }))).status).toBe(
      404,
    );
    expect((await tsela().send('POST', 'Patient/m1/$meta-add', { resourceType: 'Parameters' })).status).toBe(
      400,
    );
  });
});

onEveryStore('$expunge', { expunge: true }, tsela => {
  const ask = (name: string) => ({ resourceType: 'Parameters', parameter: [{ name, valueBoolean: true }] });
  it('removes versions for good', async () => {
    for (const active of [true, false, true])
      await tsela().send('PUT', 'Patient/e1', { resourceType: 'Patient', id: 'e1', active });
    const history = await tsela().send('POST', 'Patient/e1/$expunge', ask('expungePreviousVersions'));
    expect(history.body['parameter'][0].valueInteger).toBe(2);
    expect((await tsela().send('GET', 'Patient/e1/_history/1')).status).toBe(404);
    expect((await tsela().send('GET', 'Patient/e1')).headers['etag']).toBe('W/"3"');
    expect((await tsela().send('POST', 'Patient/e1/$expunge', ask('expungeDeletedResources'))).status).toBe(
      409,
    );
    await tsela().send('POST', 'Patient/e1/$expunge', ask('expungeEverything'));
    expect((await tsela().send('GET', 'Patient/e1')).status).toBe(404);
    expect((await tsela().send('GET', '_history')).body['entry']).toBeUndefined();
    expect((await tsela().send('GET', 'Patient')).body['entry']).toBeUndefined();
  });
});

onEveryStore('$expunge switched off', {}, tsela => {
  it('is forbidden', async () => {
    await tsela().send('PUT', 'Patient/e2', { resourceType: 'Patient', id: 'e2' });
    expect((await tsela().send('POST', 'Patient/e2/$expunge', { resourceType: 'Parameters' })).status).toBe(
      403,
    );
  });
});

onEveryStore('Binary', {}, tsela => {
  const bytes = Buffer.from([0, 1, 2, 250, 251, 252, 13, 10]);
  it('takes and gives raw content with its security context', async () => {
    await tsela().send('PUT', 'Patient/owner', { resourceType: 'Patient', id: 'owner' });
    const created = await tsela().send('POST', 'Binary', bytes, {
      'content-type': 'image/png',
      'x-security-context': 'Patient/owner',
    });
    expect(created.status).toBe(201);
    const url = `Binary/${created.body['id']}`;
    const fhir = await tsela().send('GET', url, undefined, { accept: 'application/fhir+json' });
    expect(fhir.body).toMatchObject({
      contentType: 'image/png',
      securityContext: { reference: 'Patient/owner' },
      data: bytes.toString('base64'),
    });
    const raw = await tsela().system.dispatch(
      {
        method: 'GET',
        path: url.split('/'),
        query: [],
        headers: { accept: '*/*' },
        base: 'http://tsela.test/fhir',
        id: 't',
      },
      (await import('../../src/auth/grant.js')).OPEN,
    );
    expect(Buffer.from(raw.body as Uint8Array).equals(bytes)).toBe(true);
    expect(raw.headers).toMatchObject({
      'content-type': 'image/png',
      'x-security-context': 'Patient/owner',
      'x-content-type-options': 'nosniff',
    });
    const put = await tsela().send('PUT', url, Buffer.from('plain'), { 'content-type': 'text/plain' });
    expect([put.status, put.headers['etag']]).toEqual([200, 'W/"2"']);
  });

  it.each(['text/plain\nX-Bad: 1', 'text/\u2603', 'nonsense', 'a b'])(
    'gives content of type %j',
    async contentType => {
      const created = await tsela().send('POST', 'Binary', {
        resourceType: 'Binary',
        contentType,
        securityContext: { reference: 'Patient/\u2603' },
        data: 'bm8=',
      });
      expect(created.status).toBe(201);
      const raw = await tsela().send('GET', `Binary/${created.body['id']}`, undefined, { accept: '*/*' });
      expect([raw.text, raw.headers['content-type'], raw.headers['x-security-context']]).toEqual([
        'no',
        'application/octet-stream',
        undefined,
      ]);
    },
  );
});
