// Attacks on the doors, each by its name: requests that contradict themselves, what is replayed or taken from another,
// keys and redirects that lead elsewhere, and what a thief of the store would find.
import { createHash, generateKeyPairSync } from 'node:crypto';
import { createServer, type RequestListener } from 'node:http';
import type { AddressInfo } from 'node:net';
import { describe, expect, it, vi } from 'vitest';
import { openDocuments } from '../../src/system.js';
import type { Documents } from '../../src/storage/documents.js';
import {
  assertion,
  authorizeParams,
  Browser,
  exchange,
  json,
  launch,
  onEveryServer,
  openSmartServer,
  password,
  pkce,
  refresh,
  signedIn,
  tokenRequest,
  valuesOf,
  type App,
  type SmartServer,
} from './smart-server.js';

const assertionType = 'urn:ietf:params:oauth:client-assertion-type:jwt-bearer';

onEveryServer('an attacker', server => {
  const authorize = (query: string) => new Browser().follow(`${server().origin}/auth/authorize?${query}`);

  it.each(['client_id', 'redirect_uri', 'scope', 'state', 'aud', 'code_challenge', 'launch'])(
    'who repeats %s is refused',
    async name => {
      const query = authorizeParams(server(), await server().app(), {}, pkce().challenge);
      query.append(name, query.get(name) ?? 'x');
      query.append(name, 'https://evil.example/');
      const at = await authorize(query.toString());
      expect(at.text ?? at.url).not.toContain('name="password"');
      expect(at.url).not.toContain('code=');
      expect(new URL(at.url).hostname).not.toBe('evil.example');
    },
  );

  it('who mixes a body and a query at the authorization endpoint has the body alone', async () => {
    const app = await server().app();
    const query = authorizeParams(server(), app, {}, pkce().challenge);
    const at = await new Browser().follow(
      `${server().origin}/auth/authorize?redirect_uri=https://evil.example/&client_id=other`,
      { method: 'POST', body: query },
    );
    expect(at.text).toContain('name="password"');
    expect(at.response?.headers.get('content-security-policy')).toContain('https://app.example.org');
  });

  it('who sends a request elsewhere by its Origin header is answered here', async () => {
    const query = authorizeParams(server(), await server().app(), {}, pkce().challenge);
    const response = await fetch(`${server().origin}/auth/authorize`, {
      method: 'POST',
      body: query,
      headers: { origin: 'https://evil.example' },
      redirect: 'manual',
    });
    expect(new URL(response.headers.get('location')!, server().origin).origin).toBe(server().origin);
  });

  it('who asks for ten thousand scopes is told no, and the server goes on', async () => {
    const scope = Array.from({ length: 10_000 }, (_, i) => `patient/Observation.rs?code=${i}`).join(' ');
    const query = authorizeParams(server(), await server().app(), { scope }, pkce().challenge);
    const response = await fetch(`${server().origin}/auth/authorize`, { method: 'POST', body: query });
    expect(response.status).toBe(413);
    expect((await server().fhir('metadata')).status).toBe(200);
  });

  it('who goes back in the browser of the victim finds nothing to use again', async () => {
    const app = await server().app();
    const browser = new Browser();
    const { challenge } = pkce();
    const query = authorizeParams(server(), app, {}, challenge);
    const signIn = await browser.follow(`${server().origin}/auth/authorize?${query.toString()}`);
    const consent = await browser.submit(signIn.url, { name: 'doctor', password });
    const fields = { answer: 'allow', patient: 'mine', scope: valuesOf(consent.text!, 'scope') };
    const back = await browser.submit(consent.url, fields);
    expect(back.url).toContain('code=');
    for (const again of [signIn.url, consent.url]) {
      expect((await browser.submit(again, fields)).response?.status).toBe(400);
      const resume = again.replace('/interaction/', '/authorize/');
      expect((await browser.follow(resume)).response?.status).toBe(400);
    }
  });

  it('who has a code and guesses verifiers neither gets a token nor spoils it for the app', async () => {
    const app = await server().app();
    const launched = await launch(server(), app);
    for (let i = 0; i < 20; i++) {
      const guess = await exchange(server(), app, launched, { code_verifier: pkce().verifier });
      expect(guess.status).toBe(400);
    }
    expect((await exchange(server(), app, launched)).status).toBe(200);
  });

  it('who uses an access token as a refresh token, or the other way round, gets nothing', async () => {
    const app = await server().app();
    const body = await signedIn(server(), app);
    expect((await refresh(server(), app, body.access_token)).status).toBe(400);
    expect((await server().fhir('Patient/mine', body.refresh_token)).status).toBe(401);
  });

  it('who takes a refresh token of another client gets nothing, and does not end it', async () => {
    const app = await server().app();
    const { refresh_token } = await signedIn(server(), app);
    expect((await refresh(server(), await server().app(), refresh_token)).status).toBe(400);
    expect((await refresh(server(), app, refresh_token)).status).toBe(200);
  });

  it('who puts a colon, a null or a thousand characters where a token is expected is told to sign in', async () => {
    for (const token of ['a:b', 'x'.repeat(3000), '../../settings', '%00', 'a b'])
      expect((await server().fhir('Patient/mine', encodeURI(token))).status).toBe(401);
  });

  it('who signs with the key of one client as another is refused', async () => {
    const service = () => server().app({ kind: 'key', redirectUris: [], scopes: ['system/*.rs'] });
    const [one, two] = [await service(), await service()];
    const client_assertion = await assertion(server(), { ...two, key: one.key! });
    const fields = {
      grant_type: 'client_credentials',
      client_assertion_type: assertionType,
      client_assertion,
    };
    expect((await tokenRequest(server(), two, fields)).status).toBe(401);
  });

  it('who registers two keys under one kid cannot use it', async () => {
    const pair = () => generateKeyPairSync('ec', { namedCurve: 'P-384' });
    const [a, b] = [pair(), pair()];
    const keys = [a, b].map(({ publicKey }) => ({ ...publicKey.export({ format: 'jwk' }), kid: 'k1' }));
    const app = await server().app({
      kind: 'key',
      redirectUris: [],
      scopes: ['system/*.rs'],
      jwks: { keys },
    });
    const client_assertion = await assertion(server(), app, { key: a.privateKey });
    const fields = {
      grant_type: 'client_credentials',
      client_assertion_type: assertionType,
      client_assertion,
    };
    expect((await tokenRequest(server(), app, fields)).status).toBe(401);
  });

  it('who publishes keys on this machine or in a private network makes the server fetch nothing', async () => {
    let fetched = 0;
    const site = await listening((_, response) => {
      fetched++;
      response.end('{"keys":[]}');
    });
    for (const jwksUri of [site.url, 'https://169.254.169.254/jwks', 'https://127.0.0.1/jwks'])
      expect(await statusWithKeysAt(server(), jwksUri)).toBe(401);
    site.close();
    expect(fetched).toBe(0);
  });

  it('who logs out the victim by a link only asks them', async () => {
    const app = await server().app();
    const browser = new Browser();
    await signedIn(server(), app, { browser });
    await browser.follow(`${server().origin}/auth/logout`);
    await browser.submit(`${server().origin}/auth/logout/confirm`, { xsrf: 'guessed', logout: 'yes' });
    const query = authorizeParams(server(), app, {}, pkce().challenge);
    const at = await browser.follow(`${server().origin}/auth/authorize?${query.toString()}`);
    expect(at.text).toContain('asks for access');
  });

  it('who names an app with HTML shows it as text', async () => {
    const app = await server().app({ name: '<img src=x onerror=alert(1)>"\'&' });
    const query = authorizeParams(server(), app, { params: { login_hint: '"><script>' } }, pkce().challenge);
    const at = await authorize(query.toString());
    expect(at.text).not.toContain('<img');
    expect(at.text).not.toContain('<script');
    expect(at.text).toContain('&lt;img');
  });

  it('who asks without cookies across origins is never answered with credentials allowed', async () => {
    for (const path of [
      '/auth/token',
      '/auth/jwks',
      '/auth/.well-known/openid-configuration',
      '/fhir/metadata',
    ]) {
      const response = await fetch(server().origin + path, {
        method: 'OPTIONS',
        headers: { origin: 'https://evil.example', 'access-control-request-method': 'GET' },
      });
      expect(response.headers.get('access-control-allow-credentials')).toBeNull();
    }
  });
});

onEveryServer('a token', server => {
  it('that has expired is worth nothing, remembered or not', async () => {
    const { config } = server();
    const { access_token: token } = await signedIn(server(), await server().app());
    const documents = await openDocuments(config);
    try {
      const key = createHash('sha256').update(token).digest('base64url');
      const kept = await documents.get('oidc-AccessToken', key);
      const expire = (seconds: number) =>
        documents.put('oidc-AccessToken', key, {
          ...(kept!.value as object),
          exp: Date.now() / 1000 + seconds,
        });
      // Within what is remembered, by a clock that stands still until it is put forward.
      vi.useFakeTimers({ toFake: ['Date'], now: Date.now() });
      await expire(4);
      const status = async () => (await server().fhir('Patient/mine', token)).status;
      expect(await status()).toBe(200);
      vi.setSystemTime(Date.now() + 3999);
      expect(await status()).toBe(200);
      vi.setSystemTime(Date.now() + 1);
      expect(await status()).toBe(401);
    } finally {
      vi.useRealTimers();
      await documents.close();
    }
  });
});

onEveryServer(
  'keys of a client',
  server => {
    it.each<[string, RequestListener]>([
      [
        'are not followed through a redirect',
        (_, response) => response.writeHead(302, { location: '/keys' }).end(),
      ],
      [
        'are not read beyond their limit',
        (_, response) => response.end(`{"keys":[],"x":"${'x'.repeat(2 ** 20)}"}`),
      ],
      ['are refused where they are none', (_, response) => response.end('not json')],
      ['are refused where they are private', (_, response) => response.end(privateKeys())],
    ])('%s', async (_, listener) => {
      const site = await listening(listener);
      expect(await statusWithKeysAt(server(), site.url)).toBe(401);
      site.close();
    });
  },
  { privateJwks: true },
);

const privateKeys = (): string => {
  const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-384' });
  return JSON.stringify({ keys: [{ ...privateKey.export({ format: 'jwk' }), kid: 'k1' }] });
};

async function listening(listener: RequestListener): Promise<{ url: string; close: () => void }> {
  const site = createServer(listener);
  await new Promise<void>(done => site.listen(0, '127.0.0.1', done));
  const url = `http://127.0.0.1:${(site.address() as AddressInfo).port}/jwks`;
  return { url, close: () => site.close() };
}

async function statusWithKeysAt(server: SmartServer, jwksUri: string): Promise<number> {
  const app: App = await server.app({ kind: 'key', redirectUris: [], scopes: ['system/*.rs'], jwksUri });
  const client_assertion = await assertion(server, app);
  const fields = { grant_type: 'client_credentials', client_assertion_type: assertionType, client_assertion };
  return (await tokenRequest(server, app, fields)).status;
}

describe('a copy of the store', () => {
  it('has no token, code, cookie, password, secret or launch in it', async () => {
    const folderServer = await openSmartServer('SQLite');
    try {
      const app = await folderServer.app({ kind: 'secret' });
      const seen: string[] = [app.secret!, password];
      const browser = new Browser();
      const launched = await launch(folderServer, app, { browser });
      const body = await json(await exchange(folderServer, app, launched));
      seen.push(launched.code, body.access_token, body.refresh_token);
      seen.push(...browser.values());
      const open = await browser.follow(
        `${folderServer.origin}/auth/authorize?${authorizeParams(folderServer, app, {}, pkce().challenge).toString()}`,
      );
      seen.push(new URL(open.url).pathname.split('/').at(-1)!);
      seen.push(await folderServer.authorization.registrationToken(['openid']));
      const kept = await everythingIn(folderServer);
      expect(kept.length).toBeGreaterThan(2000);
      for (const secret of seen) {
        expect(secret.length).toBeGreaterThan(8);
        expect(kept.includes(secret)).toBe(false);
      }
    } finally {
      await folderServer.stop();
    }
  });
});

const collections = ['settings', 'accounts', 'account-names', 'clients', 'approvals', 'launches', 'login-steps', 'login-attempts', 'registration-tokens', 'oidc-session-uid', 'oidc-sessions-of', ...['AccessToken', 'AuthorizationCode', 'RefreshToken', 'ClientCredentials', 'Grant', 'Session', 'Interaction', 'ReplayDetection', 'InitialAccessToken', 'PushedAuthorizationRequest'].map(model => `oidc-${model}`)]; // prettier-ignore

async function everythingIn({ config }: SmartServer): Promise<string> {
  const documents: Documents = await openDocuments(config);
  try {
    const parts: string[] = [];
    for (const collection of collections)
      for (const { key, value } of await documents.list(collection)) parts.push(key, JSON.stringify(value));
    return parts.join('\n');
  } finally {
    await documents.close();
  }
}

describe('a server behind a proxy', () => {
  it('answers for its own host alone, and speaks of itself by the address clients know', async () => {
    const baseUrl = 'https://fhir.example.org';
    const server = await openSmartServer('SQLite', { baseUrl, seeded: false });
    try {
      const { request } = await import('node:http');
      const ask = (
        path: string,
        host: string,
      ): Promise<{ status: number; headers: NodeJS.Dict<string | string[]>; body: string }> =>
        // prettier-ignore
        new Promise((resolve, reject) => {
          const sent = request({ port: server.port, path, headers: { host } }, response => {
            let body = '';
            response.setEncoding('utf8').on('data', (chunk: string) => (body += chunk));
            response.on('end', () => resolve({ status: response.statusCode!, headers: response.headers, body }));
          });
          sent.on('error', reject).end();
        });
      for (const path of ['/fhir/metadata', '/fhir/Patient/1', '/auth/jwks', '/auth/manage'])
        expect((await ask(path, `127.0.0.1:${server.port}`)).status).toBe(421);
      expect((await ask('/health/live', '10.0.0.1')).status).toBe(200);
      const smart = JSON.parse((await ask('/fhir/.well-known/smart-configuration', 'fhir.example.org')).body) as Record<string, string>; // prettier-ignore
      expect(smart['token_endpoint']).toBe(`${baseUrl}/auth/token`);
      const provider = await ask('/auth/.well-known/openid-configuration', 'fhir.example.org');
      expect((JSON.parse(provider.body) as Record<string, string>)['token_endpoint']).toBe(
        `${baseUrl}/auth/token`,
      );
      const page = await ask('/auth/sign-in', 'fhir.example.org');
      expect(page.headers['strict-transport-security']).toContain('max-age=');
      expect(page.headers['x-frame-options']).toBe('DENY');
      expect(String(page.headers['set-cookie'])).toMatch(/; secure/i);
    } finally {
      await server.stop();
    }
  });
});
