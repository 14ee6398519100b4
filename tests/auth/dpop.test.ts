// Tokens bound to a key: worth nothing without a proof for this very request. https://www.rfc-editor.org/rfc/rfc9449
import { createHash, generateKeyPairSync, randomUUID, type KeyObject } from 'node:crypto';
import { calculateJwkThumbprint, SignJWT } from 'jose';
import { beforeAll, describe, expect, it } from 'vitest';
import type { Json } from '../json.js';
import {
  exchange,
  json,
  launch,
  onEveryServer,
  openSmartServer,
  post,
  refresh,
  signedIn,
  tokenRequest,
  type App,
  type SmartServer,
} from './smart-server.js';

interface Pair {
  readonly privateKey: KeyObject;
  readonly publicKey: KeyObject;
}
const keyPair = (): Pair => generateKeyPairSync('ec', { namedCurve: 'P-256' });
const now = (): number => Math.floor(Date.now() / 1000);
const athOf = (token: string): string => createHash('sha256').update(token).digest('base64url');

interface Changes {
  readonly claims?: Record<string, unknown>;
  readonly header?: Record<string, unknown>;
  /** Signs in place of the key that the proof names. */
  readonly signer?: KeyObject;
}

async function proof(
  pair: Pair,
  htm: string,
  htu: string,
  token?: string,
  { claims = {}, header = {}, signer }: Changes = {},
): Promise<string> {
  // prettier-ignore
  const jwk = pair.publicKey.export({ format: 'jwk' });
  const payload: Record<string, unknown> = {
    htm,
    htu,
    iat: now(),
    jti: randomUUID(),
    ...(token === undefined ? {} : { ath: athOf(token) }),
    ...claims,
  };
  for (const name of Object.keys(payload)) if (payload[name] === undefined) delete payload[name];
  return new SignJWT(payload)
    .setProtectedHeader({ alg: 'ES256', typ: 'dpop+jwt', jwk, ...header })
    .sign(signer ?? pair.privateKey);
}

async function boundToken(
  server: SmartServer,
  app: App,
  pair: Pair,
  options: Parameters<typeof launch>[2] = {},
): Promise<Json> {
  // prettier-ignore
  const launched = await launch(server, app, options);
  const dpop = await proof(pair, 'POST', `${server.origin}/auth/token`);
  const response = await exchange(server, app, launched, {}, { dpop });
  const body = await json(response);
  if (response.status !== 200) throw new Error(JSON.stringify(body));
  return body;
}

onEveryServer('a token bound to a key', server => {
  const pair = keyPair();
  let app: App;
  let token: string;
  let body: Json;
  beforeAll(async () => {
    app = await server().app();
    body = await boundToken(server(), app, pair);
    token = body['access_token'];
  });
  const address = (path = 'Patient/mine'): string => `${server().url}/${path}`;
  const ask = (dpop: string | undefined, path?: string, init: RequestInit = {}, scheme = 'DPoP') =>
    fetch(address(path), {
      ...init,
      headers: { authorization: `${scheme} ${token}`, ...(dpop === undefined ? {} : { dpop }), ...init.headers }, // prettier-ignore
    });
  const right = (changes?: Changes, of: Pair = pair) => proof(of, 'GET', address(), token, changes);

  it('is announced, and said to be one', async () => {
    expect(body['token_type']).toBe('DPoP');
    const smart = await json(await server().fhir('.well-known/smart-configuration'));
    expect(smart.dpop_signing_alg_values_supported).toContain('ES256');
  });

  it('is good with a proof, whatever the query is and however the address is written', async () => {
    expect((await ask(await right())).status).toBe(200);
    const search = await proof(pair, 'GET', address('Observation'), token);
    expect((await ask(search, 'Observation?category=laboratory')).status).toBe(200);
    const written = await proof(pair, 'GET', `${address().replace('http://', 'HTTP://').replace('Patient', '%50atient')}?x=1#y`, token); // prettier-ignore
    expect((await ask(written)).status).toBe(200);
    const posted = await proof(pair, 'POST', address('Observation/_search'), token);
    const form = { method: 'POST', body: new URLSearchParams({ category: 'laboratory' }) };
    expect((await ask(posted, 'Observation/_search', form)).status).toBe(200);
  });

  it('sent as a bearer token is refused, and the answer says how it should be sent', async () => {
    for (const dpop of [undefined, await right()]) {
      const refused = await ask(dpop, undefined, {}, 'Bearer');
      expect(refused.status).toBe(401);
      expect(refused.headers.get('www-authenticate')).toMatch(/^DPoP .*error="invalid_token".*algs="ES256 /);
    }
    const unbound = await signedIn(server(), app);
    const mixed = await fetch(address(), {
      headers: { authorization: `DPoP ${unbound.access_token}`, dpop: await proof(pair, 'GET', address(), unbound.access_token) }, // prettier-ignore
    });
    expect(mixed.status).toBe(401);
  });

  describe('is refused where the proof', () => {
    const wrong: Readonly<Record<string, () => Promise<string | undefined>>> = {
      'is missing': async () => undefined,
      'is not a token': async () => 'made up',
      'is sent twice': async () => `${await right()}, ${await right()}`,
      'is for another method': () => proof(pair, 'POST', address(), token),
      'is for another path': () => proof(pair, 'GET', address('Patient/other'), token),
      'is for another host': () => proof(pair, 'GET', 'https://evil.example/fhir/Patient/mine', token),
      'is for another scheme': () => proof(pair, 'GET', address().replace('http:', 'https:'), token),
      'has an address with a user': () => proof(pair, 'GET', address().replace('//', '//x@'), token),
      'is old': () => right({ claims: { iat: now() - 120 } }),
      'is from the future': () => right({ claims: { iat: now() + 120 } }),
      'has no time': () => right({ claims: { iat: undefined } }),
      'has no jti': () => right({ claims: { jti: undefined } }),
      'has an endless jti': () => right({ claims: { jti: 'x'.repeat(501) } }),
      'is for no token': () => right({ claims: { ath: undefined } }),
      'is for another token': () => right({ claims: { ath: athOf('another') } }),
      'is by another key': () => right({}, keyPair()),
      'is signed by another key than it names': () => right({ signer: keyPair().privateKey }),
      'has another type': () => right({ header: { typ: 'JWT' } }),
      'names its private key': () => right({ header: { jwk: pair.privateKey.export({ format: 'jwk' }) } }),
      'is not signed': async () => {
        const [, payload] = (await right()).split('.');
        const jwk = pair.publicKey.export({ format: 'jwk' });
        const header = Buffer.from(JSON.stringify({ alg: 'none', typ: 'dpop+jwt', jwk })).toString('base64url'); // prettier-ignore
        return `${header}.${payload!}.`;
      },
      'is signed with its public key as a secret': async () => {
        const jwk = pair.publicKey.export({ format: 'jwk' });
        return new SignJWT({ htm: 'GET', htu: address(), ath: athOf(token), jti: randomUUID(), iat: now() })
          .setProtectedHeader({ alg: 'HS256', typ: 'dpop+jwt', jwk })
          .sign(Buffer.from(JSON.stringify(jwk)));
      },
    };
    for (const [what, made] of Object.entries(wrong)) {
      it(what, async () => {
        const refused = await ask(await made());
        expect(refused.status).toBe(401);
        expect(refused.headers.get('www-authenticate')).toMatch(/^DPoP .*error="invalid_dpop_proof"/);
      });
    }
  });

  it('takes of fifty requests with one proof exactly one', async () => {
    const dpop = await right();
    const statuses = await Promise.all(Array.from({ length: 50 }, async () => (await ask(dpop)).status));
    expect(statuses.filter(status => status === 200)).toHaveLength(1);
    expect(statuses.filter(status => status === 401)).toHaveLength(49);
  });

  it('of fifty exchanges with one proof gives at most one token, and with one refresh token to the key alone', async () => {
    const tokens = `${server().origin}/auth/token`;
    const service = await server().app({ kind: 'secret', redirectUris: [], scopes: ['system/*.rs'] });
    const asked = { grant_type: 'client_credentials', scope: 'system/*.rs' };
    const one = await proof(pair, 'POST', tokens);
    const raced = await Promise.all(Array.from({ length: 50 }, () => tokenRequest(server(), service, asked, { dpop: one }))); // prettier-ignore
    expect(raced.filter(({ status }) => status === 200)).toHaveLength(1);

    const withProof = async (of: Pair | undefined) => {
      const headers = of === undefined ? {} : { dpop: await proof(of, 'POST', tokens) };
      const fields = { grant_type: 'refresh_token', refresh_token: body['refresh_token'] };
      return tokenRequest(server(), app, fields, headers);
    };
    expect((await withProof(undefined)).status).toBe(400);
    expect((await withProof(keyPair())).status).toBe(400);
    const next = await json(await withProof(pair));
    expect(next).toMatchObject({ token_type: 'DPoP', patient: 'mine' });
    body = next;
    token = next.access_token;
    expect((await ask(await right())).status).toBe(200);
  });

  it('is known to be bound by who asks about it', async () => {
    const cnf = { jkt: await calculateJwkThumbprint(pair.publicKey.export({ format: 'jwk' })) };
    const watcher = await server().app({ kind: 'secret', redirectUris: [], scopes: ['system/*.rs'], introspect: true }); // prettier-ignore
    const answer = await json(await post(server(), 'introspect', watcher, { token }));
    expect(answer).toMatchObject({ active: true, token_type: 'DPoP', cnf });
    const asked = { grant_type: 'client_credentials', scope: 'system/*.rs' };
    const { access_token: bearer } = await json(await tokenRequest(server(), watcher, asked));
    const byBearer = await post(server(), 'introspect', undefined, { token }, { authorization: `Bearer ${bearer}` }); // prettier-ignore
    expect(await json(byBearer)).toMatchObject({ active: true, token_type: 'DPoP', cnf });
  });

  it('asks about tokens itself only with a proof', async () => {
    const watcher = await server().app({ kind: 'secret', redirectUris: [], scopes: ['system/*.rs'], introspect: true }); // prettier-ignore
    const dpop = await proof(pair, 'POST', `${server().origin}/auth/token`);
    const asked = { grant_type: 'client_credentials', scope: 'system/*.rs' };
    const { access_token: own } = await json(await tokenRequest(server(), watcher, asked, { dpop }));
    const endpoint = `${server().origin}/auth/introspect`;
    const statusOf = async (headers: Record<string, string>) =>
      (await post(server(), 'introspect', undefined, { token }, headers)).status;
    expect(await statusOf({ authorization: `Bearer ${own}` })).toBe(401);
    expect(await statusOf({ authorization: `DPoP ${own}` })).toBe(401);
    const made = await proof(pair, 'POST', endpoint, own);
    expect(await statusOf({ authorization: `DPoP ${own}`, dpop: made })).toBe(200);
    expect(await statusOf({ authorization: `DPoP ${own}`, dpop: made })).toBe(401);
  });

  it('is the only kind for an app that is registered so', async () => {
    const strict = await server().app({ dpop: true });
    expect((await exchange(server(), strict, await launch(server(), strict))).status).toBe(400);
    expect((await boundToken(server(), strict, pair)).token_type).toBe('DPoP');
  });

  it('can be bound from the request on: the code is good with that key alone', async () => {
    const jkt = await calculateJwkThumbprint(pair.publicKey.export({ format: 'jwk' }));
    const options = { params: { dpop_jkt: jkt } };
    const launched = await launch(server(), app, options);
    const dpop = await proof(keyPair(), 'POST', `${server().origin}/auth/token`);
    expect((await exchange(server(), app, launched, {}, { dpop })).status).toBe(400);
    expect((await boundToken(server(), app, pair, options)).token_type).toBe('DPoP');
  });

  it('is sent by pages: a preflight allows the header', async () => {
    const preflight = await fetch(address(), {
      method: 'OPTIONS',
      headers: { origin: 'https://app.example.org', 'access-control-request-method': 'GET', 'access-control-request-headers': 'authorization, dpop' }, // prettier-ignore
    });
    expect(preflight.status).toBe(204);
    expect(preflight.headers.get('access-control-allow-headers')).toContain('DPoP');
  });

  it('refreshed without having been bound stays a bearer token', async () => {
    const plain = await signedIn(server(), app);
    const next = await json(await refresh(server(), app, plain.refresh_token));
    expect(next.token_type).toBe('Bearer');
  });
});

// Behind a proxy the address of a proof is the one that clients know, whatever the request claims.
it('a token bound to a key is proven for the public address, behind a proxy', async () => {
  const server = await openSmartServer('SQLite', { baseUrl: 'https://fhir.example.org', seeded: false });
  try {
    const pair = keyPair();
    const known = new URL(server.url);
    const local = `http://127.0.0.1:${server.port}`;
    const { request } = await import('node:http');
    const send = (path: string, headers: Record<string, string>, body?: string, method = 'GET') =>
      new Promise<{ status: number; text: string }>((resolve, reject) => {
        const sent = request(
          local + path,
          { method, headers: { host: known.host, ...headers } },
          response => {
            let text = '';
            response.on('data', chunk => (text += chunk)).on('end', () => resolve({ status: response.statusCode!, text })); // prettier-ignore
          },
        );
        sent.on('error', reject).end(body);
      });
    const service = await server.app({ kind: 'secret', redirectUris: [], scopes: ['system/*.rs'] });
    const basic = `Basic ${Buffer.from(`${service.id}:${service.secret!}`).toString('base64')}`;
    const granted = await send('/auth/token', { authorization: basic, 'content-type': 'application/x-www-form-urlencoded', dpop: await proof(pair, 'POST', `${known.origin}/auth/token`) }, 'grant_type=client_credentials&scope=system/*.rs', 'POST'); // prettier-ignore
    expect(granted.status).toBe(200);
    const { access_token: token } = JSON.parse(granted.text) as { access_token: string };
    const ask = async (htu: string, more: Record<string, string> = {}) =>
        (await send('/fhir/Practitioner', { authorization: `DPoP ${token}`, dpop: await proof(pair, 'GET', htu, token), ...more })).status; // prettier-ignore
    expect(await ask(`${known.origin}/fhir/Practitioner`)).toBe(200);
    expect(await ask(`${local}/fhir/Practitioner`)).toBe(401);
    const lies = { 'x-forwarded-host': 'evil.example', 'x-forwarded-proto': 'https', forwarded: 'host=evil.example' }; // prettier-ignore
    expect(await ask('https://evil.example/fhir/Practitioner', lies)).toBe(401);
    expect(await ask(`${known.origin}/fhir/Practitioner`, lies)).toBe(200);
  } finally {
    await server.stop();
  }
});
