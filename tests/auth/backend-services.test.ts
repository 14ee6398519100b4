// Backend services over the network: signed assertions, what they give, and every way they can be wrong.
// https://hl7.org/fhir/smart-app-launch/backend-services.html
import { generateKeyPairSync } from 'node:crypto';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { expect, it } from 'vitest';
import {
  assertion,
  json,
  onEveryServer,
  tokenRequest,
  type App,
  type AssertionChanges,
} from './smart-server.js';

onEveryServer('a backend service', server => {
  const service = (more = {}): Promise<App> =>
    server().app({ kind: 'key', redirectUris: [], scopes: ['system/*.rs', 'user/*.rs'], ...more });
  const ask = (app: App, fields: Record<string, string | undefined> = {}) =>
    tokenRequest(server(), app, { grant_type: 'client_credentials', scope: 'system/*.rs', ...fields });
  const askWith = async (app: App, changes: AssertionChanges) =>
    ask(app, {
      client_assertion_type: 'urn:ietf:params:oauth:client-assertion-type:jwt-bearer',
      client_assertion: await assertion(server(), app, changes),
    });

  it('gets a short token for what it may, by ES384', async () => {
    const response = await ask(await service());
    expect(response.status).toBe(200);
    const body = await json(response);
    expect(body).toMatchObject({ token_type: 'Bearer', expires_in: 300, scope: 'system/*.rs' });
    expect(body).not.toHaveProperty('refresh_token');
    expect((await server().fhir('Patient/other', body.access_token)).status).toBe(200);
  });

  it('gets one by RS384', async () => {
    const { publicKey, privateKey } = generateKeyPairSync('rsa', { modulusLength: 2048 });
    const jwks = { keys: [{ ...publicKey.export({ format: 'jwk' }), kid: 'r1' }] };
    const app = await service({ jwks });
    const changes = { key: privateKey, header: { alg: 'RS384', kid: 'r1' } };
    expect((await askWith(app, changes)).status).toBe(200);
  });

  it('gets what both say, and system scopes alone', async () => {
    const app = await service({ scopes: ['system/Patient.rs', 'system/Observation.r', 'user/*.rs'] });
    expect((await json(await ask(app, { scope: 'system/*.rs' }))).scope.split(' ').sort()).toEqual([
      'system/Observation.r',
      'system/Patient.rs',
    ]);
    expect((await json(await ask(app, { scope: 'system/Patient.r user/Patient.rs' }))).scope).toBe(
      'system/Patient.r',
    );
    for (const nothing of ['user/Patient.rs', 'system/Condition.rs', 'openid', 'patient/*.rs']) {
      const response = await ask(app, { scope: nothing });
      expect([response.status, (await json(response)).error]).toEqual([400, 'invalid_scope']);
    }
  });

  it('is told exactly 400 for another grant type, and 400 or 401 for another kind of assertion', async () => {
    const app = await service();
    expect((await ask(app, { grant_type: 'not_a_grant_type' })).status).toBe(400);
    const response = await ask(app, {
      client_assertion_type: 'not_an_assertion_type',
      client_assertion: await assertion(server(), app),
    });
    expect([400, 401]).toContain(response.status);
  });

  const now = () => Math.floor(Date.now() / 1000);
  const foreign = generateKeyPairSync('ec', { namedCurve: 'P-384' }).privateKey;
  it.each<[string, () => AssertionChanges]>([
    ['for another audience', () => ({ payload: { aud: 'https://other.example.org/token' } })],
    [
      'for several audiences',
      () => ({ payload: { aud: [`${server().origin}/auth/token`, 'https://other.example.org'] } }),
    ],
    ['without an audience', () => ({ payload: { aud: undefined } })],
    ['by another issuer', () => ({ payload: { iss: 'other' } })],
    ['without an expiry', () => ({ payload: { exp: undefined } })],
    ['that has expired', () => ({ payload: { exp: now() - 60 } })],
    ['that is good for an hour', () => ({ payload: { exp: now() + 3600 } })],
    ['without a jti', () => ({ payload: { jti: undefined } })],
    ['without a kid', () => ({ header: { kid: undefined } })],
    ['of an unknown kid', () => ({ header: { kid: 'k2' } })],
    ['of another typ', () => ({ header: { typ: 'at+jwt' } })],
    ['with a foreign jku', () => ({ header: { jku: 'https://evil.example/jwks' } })],
    ['signed by another key', () => ({ key: foreign })],
  ])('is refused with an assertion %s', async (_, changes) => {
    const response = await askWith(await service(), changes());
    expect(response.status).toBe(401);
    expect((await json(response)).error).toBe('invalid_client');
  });

  it('is refused without a signature, and with its public key as a secret', async () => {
    const app = await service();
    const part = (value: object) => Buffer.from(JSON.stringify(value)).toString('base64url');
    const claims = {
      iss: app.id,
      sub: app.id,
      aud: `${server().origin}/auth/token`,
      exp: now() + 60,
      jti: 'j',
    };
    for (const alg of ['none', 'HS256']) {
      const client_assertion = `${part({ alg, kid: 'k1', typ: 'JWT' })}.${part(claims)}.${alg === 'none' ? '' : 'AAAA'}`;
      const response = await ask(app, {
        client_assertion_type: 'urn:ietf:params:oauth:client-assertion-type:jwt-bearer',
        client_assertion,
      });
      expect([400, 401]).toContain(response.status);
    }
  });

  it('is refused an assertion a second time', async () => {
    const app = await service();
    const used = await assertion(server(), app);
    const again = () =>
      ask(app, {
        client_assertion_type: 'urn:ietf:params:oauth:client-assertion-type:jwt-bearer',
        client_assertion: used,
      });
    expect((await again()).status).toBe(200);
    expect((await again()).status).toBe(401);
  });

  it('is not deceived by another Host: what was made for it is good nowhere', async () => {
    const app = await service();
    const forged = await assertion(server(), app, { payload: { aud: 'http://evil.example/auth/token' } });
    const body = new URLSearchParams({
      grant_type: 'client_credentials',
      scope: 'system/*.rs',
      client_assertion_type: 'urn:ietf:params:oauth:client-assertion-type:jwt-bearer',
      client_assertion: forged,
    }).toString();
    const { request } = await import('node:http');
    const statusWith = (headers: Record<string, string>): Promise<number> =>
      new Promise((resolve, reject) => {
        const sent = request(`${server().origin}/auth/token`, {
          method: 'POST',
          headers: { 'content-type': 'application/x-www-form-urlencoded', ...headers },
        });
        sent.on('response', response => resolve(response.resume().statusCode!)).on('error', reject);
        sent.end(body);
      });
    expect(await statusWith({ host: 'evil.example' })).toBe(421);
    expect(await statusWith({ 'x-forwarded-host': 'evil.example' })).toBe(401);
    expect(await statusWith({ 'x-forwarded-host': 'evil.example', 'x-forwarded-proto': 'http' })).toBe(401);
  });
});

onEveryServer(
  'keys that a client publishes',
  server => {
    it('are fetched, and a new one is known at once', async () => {
      const pair = () => generateKeyPairSync('ec', { namedCurve: 'P-384' });
      const keys = [pair(), pair()];
      const published = [{ ...keys[0]!.publicKey.export({ format: 'jwk' }), kid: 'k0' }];
      let fetched = 0;
      const site = createServer((_, response) => {
        fetched++;
        response.setHeader('content-type', 'application/json').end(JSON.stringify({ keys: published }));
      });
      await new Promise<void>(done => site.listen(0, '127.0.0.1', done));
      try {
        const jwksUri = `http://127.0.0.1:${(site.address() as AddressInfo).port}/jwks`;
        const app = await server().app({ kind: 'key', redirectUris: [], scopes: ['system/*.rs'], jwksUri });
        const ask = async (i: number) =>
          tokenRequest(server(), app, {
            grant_type: 'client_credentials',
            scope: 'system/*.rs',
            client_assertion_type: 'urn:ietf:params:oauth:client-assertion-type:jwt-bearer',
            client_assertion: await assertion(server(), app, {
              key: keys[i]!.privateKey,
              header: { kid: `k${i}` },
            }),
          });
        expect((await ask(0)).status).toBe(200);
        expect((await ask(0)).status).toBe(200);
        expect(fetched).toBe(1);
        published.push({ ...keys[1]!.publicKey.export({ format: 'jwk' }), kid: 'k1' });
        expect((await ask(1)).status).toBe(200);
        expect(fetched).toBe(2);
        for (const kid of ['a', 'b']) {
          const header = { kid };
          const client_assertion = await assertion(server(), app, { key: keys[0]!.privateKey, header });
          const client_assertion_type = 'urn:ietf:params:oauth:client-assertion-type:jwt-bearer';
          const fields = { grant_type: 'client_credentials', client_assertion_type, client_assertion };
          expect((await tokenRequest(server(), app, fields)).status).toBe(401);
        }
        expect(fetched).toBe(2);
      } finally {
        site.close();
      }
    });
  },
  { privateJwks: true },
);
