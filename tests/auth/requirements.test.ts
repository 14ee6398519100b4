// What SMART App Launch 2.2 and this server's own page ask of the authorization server, requirement by requirement: those
// that no other test names are held here; of the others a table says which tests hold them, and that these are there.
// https://hl7.org/fhir/smart-app-launch/
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { openDocuments } from '../../src/system.js';
import { attacks, capabilities, requirements, type Table } from './requirements-table.js';
import {
  authorizeParams,
  Browser,
  everyScope,
  exchange,
  json,
  launch,
  onEveryServer,
  password,
  pkce,
  post,
  redirectUri,
  refresh,
  signedIn,
  serviceToken,
  tokenRequest,
} from './smart-server.js';

const missingIn = (table: Table): string[] =>
  Object.values(table)
    .flat()
    .filter(named => {
      const [file = '', title = ''] = named.split(': ');
      const path = file.startsWith('leak/') ? `../${file}.test.ts` : `./${file}.test.ts`;
      return !readFileSync(fileURLToPath(new URL(path, import.meta.url)), 'utf8').includes(title);
    });

describe('every requirement, attack and capability', () => {
  it('has tests that are there', () => {
    expect([missingIn(requirements), missingIn(attacks), missingIn(capabilities)]).toEqual([[], [], []]);
    expect(Object.keys(requirements).map(key => key.split(' ')[0])).toEqual(Array.from({ length: 32 }, (_, i) => `R${i + 1}`)); // prettier-ignore
  });
});

onEveryServer('the configuration', server => {
  it('is JSON whatever is accepted, with absolute addresses and all that has to be in it', async () => {
    for (const accept of ['*/*', 'application/json', 'application/fhir+xml', 'text/html', 'nonsense', '']) {
      const response = await server().fhir('.well-known/smart-configuration', undefined, {
        headers: { accept },
      });
      expect([accept, response.status]).toEqual([accept, 200]);
      expect(response.headers.get('content-type')).toMatch(/^application\/json/);
    }
    const smart = await json(await server().fhir('.well-known/smart-configuration'));
    for (const name of [
      'issuer',
      'jwks_uri',
      'authorization_endpoint',
      'token_endpoint',
      'introspection_endpoint',
      'revocation_endpoint',
      'management_endpoint',
      'registration_endpoint',
    ])
      // prettier-ignore
      expect([name, new URL(smart[name]).origin]).toEqual([name, server().origin]);
    expect(smart.grant_types_supported).toEqual(expect.arrayContaining(['authorization_code', 'client_credentials'])); // prettier-ignore
    expect(smart.code_challenge_methods_supported).toEqual(['S256']);
    expect(smart.token_endpoint_auth_methods_supported).toContain('private_key_jwt');
    expect(smart.token_endpoint_auth_signing_alg_values_supported).toEqual(expect.arrayContaining(['RS384', 'ES384'])); // prettier-ignore
    expect(smart.scopes_supported).toEqual(expect.arrayContaining(['openid', 'fhirUser', 'launch', 'launch/patient', 'offline_access'])); // prettier-ignore
  });

  it('has capabilities that are each held by a test', async () => {
    const smart = await json(await server().fhir('.well-known/smart-configuration'));
    expect([...smart.capabilities].sort()).toEqual(Object.keys(capabilities).sort());
  });
});

onEveryServer('a request for authorization', server => {
  it('that is too long is refused, by POST and by GET', async () => {
    const query = authorizeParams(
      server(),
      await server().app(),
      { scope: 'x '.repeat(40_000) },
      pkce().challenge,
    );
    const posted = await new Browser().open(`${server().origin}/auth/authorize`, {
      method: 'POST',
      body: query,
    });
    expect(posted.status).toBe(413);
    const got = await new Browser().open(`${server().origin}/auth/authorize?${query.toString()}`);
    expect([414, 431]).toContain(got.status);
    expect((await server().fhir('metadata')).status).toBe(200);
  });

  it('for patient scopes alone has a patient', async () => {
    const app = await server().app();
    const browser = new Browser();
    const query = authorizeParams(server(), app, { scope: 'patient/Observation.rs' }, pkce().challenge);
    const at = await browser.follow(`${server().origin}/auth/authorize?${query.toString()}`);
    const consent = await browser.submit(at.url, { name: 'doctor', password });
    expect(consent.text).toContain('Which patient?');
    expect((await signedIn(server(), app, { scope: 'patient/Observation.rs' })).patient).toBe('mine');
  });

  it('comes back with its state as it was, and says who answers', async () => {
    const state = 'ä & = + %41 "\' / ? # 漢字'.repeat(3);
    const { back } = await launch(server(), await server().app(), { params: { state } });
    expect(back.searchParams.get('state')).toBe(state);
    expect(back.searchParams.get('iss')).toBe(`${server().origin}/auth`);
    expect(back.href.startsWith(redirectUri)).toBe(true);
  });
});

onEveryServer('what is issued', server => {
  it('lives no longer than it should: codes a minute, launches and services five, access an hour', async () => {
    const app = await server().app({ launchUri: 'https://app.example.org/launch' });
    const launched = await launch(server(), app);
    const documents = await openDocuments(server().config);
    try {
      const ages = async (collection: string): Promise<number[]> =>
        (await documents.list(collection)).map(({ value, expires }) => {
          const { iat } = value as { iat?: number };
          return expires! / 1000 - (iat ?? Date.now() / 1000);
        });
      for (const age of await ages('oidc-AuthorizationCode')) expect(age).toBeLessThanOrEqual(61);
      const body = await json(await exchange(server(), app, launched));
      expect(body.expires_in).toBeLessThanOrEqual(3600);
      for (const age of await ages('oidc-AccessToken')) expect(age).toBeLessThanOrEqual(3601);
      const service = await server().app({ kind: 'secret', redirectUris: [], scopes: ['system/*.rs'] });
      const asked = { grant_type: 'client_credentials', scope: 'system/*.rs' };
      expect((await json(await tokenRequest(server(), service, asked))).expires_in).toBeLessThanOrEqual(300);
      const ehr = await server().app({ launches: true, trusted: true, scopes: ['user/*.rs'] });
      const { access_token: token } = await signedIn(server(), ehr, { scope: 'user/*.rs' });
      const started = await fetch(`${server().origin}/auth/launch`, {
        method: 'POST',
        headers: { authorization: `Bearer ${token}` },
        body: JSON.stringify({ client_id: app.id, patient: 'mine' }),
      });
      expect(started.status).toBe(201);
      const launches = await ages('launches');
      expect(launches).toHaveLength(1);
      for (const age of launches) expect(age).toBeLessThanOrEqual(300);
    } finally {
      await documents.close();
    }
  });

  it('is kept by nobody, and read by pages of the app', async () => {
    const app = await server().app();
    const origin = new URL(redirectUri).origin;
    const response = await exchange(server(), app, await launch(server(), app), {}, { origin });
    expect(response.status).toBe(200);
    expect(response.headers.get('cache-control')).toContain('no-store');
    expect(response.headers.get('pragma')).toBe('no-cache');
    expect(response.headers.get('access-control-allow-origin')).toBe(origin);
    const body = await json(response);
    expect([body.token_type, typeof body.expires_in]).toEqual(['Bearer', 'number']);
    const foreign = await exchange(server(), app, await launch(server(), app), {}, { origin: 'https://evil.example' }); // prettier-ignore
    expect(foreign.headers.get('access-control-allow-origin')).toBeNull();
  });

  it('says who somebody is only where that was granted', async () => {
    const app = await server().app();
    const claimsOf = ({ id_token }: { id_token: string }) =>
      JSON.parse(Buffer.from(id_token.split('.')[1]!, 'base64url').toString()) as Record<string, unknown>;
    const named = claimsOf(await signedIn(server(), app, { scope: 'openid fhirUser user/*.rs' }));
    const unnamed = claimsOf(await signedIn(server(), app, { scope: 'openid user/*.rs' }));
    expect(named['fhirUser']).toBe(`${server().url}/Practitioner/doctor`);
    expect(unnamed).not.toHaveProperty('fhirUser');
    expect(String(named['sub']).length).toBeLessThan(256);
    expect(await signedIn(server(), app, { scope: 'fhirUser user/*.rs' })).not.toHaveProperty('id_token');
  });

  it('made up as a JWT is worth nothing, signed or not', async () => {
    const app = await server().app();
    const { id_token } = await signedIn(server(), app, { scope: 'openid user/*.rs' });
    const part = (value: object): string => Buffer.from(JSON.stringify(value)).toString('base64url');
    const [, payload] = (id_token as string).split('.');
    for (const header of [
      { alg: 'none' },
      { alg: 'HS256', kid: '../../settings' },
      { alg: 'RS256', crit: ['x'], x: 1 },
    ])
      // prettier-ignore
      for (const signature of ['', (id_token as string).split('.')[2]!])
        expect((await server().fhir('Patient/mine', `${part(header)}.${payload!}.${signature}`)).status).toBe(401);
  });
});

onEveryServer('a patient', server => {
  it('who was deleted is in no context, and a token about them shows no Patient', async () => {
    const all = await serviceToken(server(), 'system/*.cruds');
    const write = (method: string, body?: object) =>
      server().fhir('Patient/leaving', all, {
        method,
        headers: { 'content-type': 'application/fhir+json' },
        ...(body === undefined ? {} : { body: JSON.stringify(body) }),
      });
    await write('PUT', { resourceType: 'Patient', id: 'leaving', name: [{ family: 'Leaving' }] });
    const ehr = await server().app({ launches: true, trusted: true, scopes: ['user/*.rs'] });
    const { access_token: ehrToken } = await signedIn(server(), ehr, { scope: 'user/*.rs' });
    const app = await server().app({ launchUri: 'https://app.example.org/launch' });
    const start = () =>
      fetch(`${server().origin}/auth/launch`, {
        method: 'POST',
        headers: { authorization: `Bearer ${ehrToken}` },
        body: JSON.stringify({ client_id: app.id, patient: 'leaving' }),
      });
    const { launch: value } = await json(await start());
    const body = await signedIn(server(), app, { patient: 'leaving' });
    expect((await server().fhir('Patient/leaving', body.access_token)).status).toBe(200);
    expect((await write('DELETE')).status).toBe(204);

    expect([404, 410]).toContain((await server().fhir('Patient/leaving', body.access_token)).status);
    expect((await json(await server().fhir('Patient', body.access_token))).total ?? 0).toBe(0);
    expect((await start()).status).toBe(400);
    const { back } = await launch(server(), app, { scope: 'launch patient/*.rs', params: { launch: value } });
    expect(back.searchParams.get('error')).toBe('access_denied');
    await expect(launch(server(), app, { patient: 'leaving' })).rejects.toThrow(/Choose a patient/);
  });
});

onEveryServer('a session', server => {
  const authorize = async (browser: Browser) => {
    const query = authorizeParams(server(), await server().app(), {}, pkce().challenge);
    return browser.follow(`${server().origin}/auth/authorize?${query.toString()}`);
  };

  it('starts under another id when somebody signs in for an app', async () => {
    const browser = new Browser();
    const signIn = await authorize(browser);
    const before = browser.values();
    await browser.submit(signIn.url, { name: 'doctor', password });
    const { accounts } = server();
    const documents = await openDocuments(server().config);
    try {
      const { createHash } = await import('node:crypto');
      const keyOf = (value: string): string => createHash('sha256').update(value).digest('base64url');
      for (const value of before) {
        const session = (await documents.get('oidc-Session', keyOf(value)))?.value as { accountId?: string } | undefined; // prettier-ignore
        expect(session?.accountId).not.toBe(accounts.doctor.id);
      }
      const now = await Promise.all(browser.values().map(async value => (await documents.get('oidc-Session', keyOf(value)))?.value as { accountId?: string } | undefined)); // prettier-ignore
      expect(now.filter(session => session?.accountId === accounts.doctor.id)).toHaveLength(1);
    } finally {
      await documents.close();
    }
  });

  it('has a way back to the request that is good once, and in one browser', async () => {
    const browser = new Browser();
    const signIn = await authorize(browser);
    const answered = await browser.open(signIn.url, { method: 'POST', body: new URLSearchParams({ name: 'doctor', password }) }); // prettier-ignore
    const resume = new URL(answered.headers.get('location')!, server().origin).href;
    expect(resume).toContain('/auth/authorize/');
    expect((await new Browser().follow(resume)).response?.status).toBe(400);
    expect((await browser.follow(resume)).text).toContain('name="answer"');
    expect((await browser.follow(resume)).response?.status).toBe(400);
  });

  it('has a form that is filled in by nobody but its own browser', async () => {
    const form = new URLSearchParams({ name: 'doctor', password });
    const victim = new Browser();
    // Without having opened it: the cookie that binds it is not there.
    const forced = await victim.follow(`${server().origin}/auth/sign-in`, { method: 'POST', body: form });
    expect(forced.text).toContain('name="password"');
    expect((await victim.follow(`${server().origin}/auth/manage`)).text).not.toContain('You are signed in');
    for (const headers of [{ origin: 'https://evil.example' }, { 'sec-fetch-site': 'cross-site' }]) {
      const sent = await victim.follow(`${server().origin}/auth/sign-in`, {
        method: 'POST',
        body: form,
        headers,
      });
      expect(sent.response?.status).toBe(400);
    }
  });
});

onEveryServer('registration', server => {
  it('keeps what an app says of itself from granting anything', async () => {
    const token = await server().authorization.registrationToken([
      'openid',
      'user/Basic.cuds',
      'user/Patient.rs',
    ]);
    const response = await fetch(`${server().origin}/auth/register`, {
      method: 'POST',
      headers: { 'content-type': 'application/json', authorization: `Bearer ${token}` },
      body: JSON.stringify({
        client_name: 'Greedy',
        redirect_uris: [redirectUri],
        token_endpoint_auth_method: 'none',
        scope: everyScope,
        allowed_scopes: everyScope,
        trusted: true,
        launches: true,
        introspect: true,
        state: ['https://app.example.org|'],
        grant_types: ['authorization_code', 'client_credentials'],
        dpop_bound_access_tokens: true,
      }),
    });
    const client = await json(response);
    expect(response.status).toBe(201);
    const kept = (await server().authorization.clients.find(client.client_id))!;
    // Of what it says only what binds it counts.
    expect(kept.dpop).toBe(true);
    expect([...kept.scopes].sort()).toEqual(['openid', 'user/Basic.cuds', 'user/Patient.rs']);
    for (const name of ['trusted', 'launches', 'introspect', 'state']) expect(kept).not.toHaveProperty(name);
    const asked = { grant_type: 'client_credentials', scope: 'system/*.rs', client_id: kept.id };
    expect([400, 401]).toContain((await post(server(), 'token', undefined, asked)).status);
  });
});

onEveryServer('the acts at the doors', server => {
  it('are in the audit trail: login, refusal, consent, launch, token, revocation', async () => {
    const app = await server().app({ kind: 'secret' });
    const body = await signedIn(server(), app);
    await refresh(server(), app, 'made-up');
    await post(server(), 'revoke', app, { token: body.refresh_token });
    const browser = new Browser();
    const query = authorizeParams(server(), app, {}, pkce().challenge);
    const at = await browser.follow(`${server().origin}/auth/authorize?${query.toString()}`);
    await browser.submit(at.url, { name: 'doctor', password: 'wrong' });
    const consent = await browser.submit(at.url, { name: 'doctor', password });
    await browser.submit(consent.url, { answer: 'refuse' });
    const ehr = await server().app({ launches: true, trusted: true, scopes: ['user/*.rs'] });
    const { access_token: ehrToken } = await signedIn(server(), ehr, { scope: 'user/*.rs' });
    await fetch(`${server().origin}/auth/launch`, {
      method: 'POST',
      headers: { authorization: `Bearer ${ehrToken}` },
      body: JSON.stringify({ client_id: app.id, patient: 'mine' }),
    });
    const token = await serviceToken(server(), 'system/*.rs');
    const found = await json(await server().fhir('AuditEvent?_count=200&_sort=-date', token));
    const seen = new Set<string>(
      found.entry.map(({ resource }: { resource: { outcome?: string; subtype?: { code: string }[] } }) =>
        `${resource.subtype?.[0]?.code ?? '?'} ${resource.outcome ?? '0'}`), // prettier-ignore
    );
    // 110122 is DICOM's code for a login; the outcome 4 is a refusal.
    for (const act of [
      '110122 0',
      '110122 4',
      'consent 0',
      'consent 4',
      'launch 0',
      'token 0',
      'token 4',
      'revocation 0',
    ])
      // prettier-ignore
      expect([...seen]).toContain(act);
  });
});
