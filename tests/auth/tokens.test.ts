// Tokens over the network: codes, refresh, introspection, revocation, and what every wrong request gets.
import { expect, it } from 'vitest';
import {
  Browser,
  exchange,
  json,
  launch,
  onEveryServer,
  post,
  redirectUri,
  refresh,
  signedIn,
  tokenRequest,
} from './smart-server.js';

const scope = 'launch/patient openid fhirUser offline_access patient/*.rs';

onEveryServer('an authorization request', server => {
  const errorOf = async (params: Record<string, string | undefined>, more: object = {}) => {
    const { back } = await launch(server(), await server().app(), { params, ...more });
    expect(back.searchParams.has('code')).toBe(false);
    return back.searchParams.get('error') ?? new URLSearchParams(back.hash.slice(1)).get('error');
  };

  it.each([
    ['for another server', { aud: 'https://other.example.org/fhir' }],
    ['for no server', { aud: undefined }],
    ['for this server and another', { resource: 'https://other.example.org/fhir' }],
    ['without a challenge', { code_challenge: undefined }],
    ['with a plain challenge', { code_challenge_method: 'plain' }],
    ['without a challenge method', { code_challenge_method: undefined }],
    ['for a token without a code', { response_type: 'token' }],
  ])('%s gives no code', async (_, params) => {
    expect(await errorOf(params)).not.toBeNull();
  });

  it('tolerates a slash at the end of aud, and resource in its place', async () => {
    const app = await server().app();
    expect((await signedIn(server(), app, { params: { aud: `${server().url}/` } })).patient).toBe('mine');
    const params = { aud: undefined, resource: server().url };
    expect((await signedIn(server(), app, { params })).patient).toBe('mine');
  });

  it.each([
    'https://app.example.org/after/more',
    'https://app.example.org/',
    'https://app.example.org:8443/after',
    'https://user@app.example.org/after',
    'https://APP.example.org/After',
    'https://evil.example/after',
    'http://app.example.org/after',
  ])('never leads to %s, which is not registered', async uri => {
    const query = new URLSearchParams({
      response_type: 'code',
      client_id: (await server().app()).id,
      redirect_uri: uri,
      scope,
      aud: server().url,
      code_challenge: 'x'.repeat(43),
      code_challenge_method: 'S256',
    });
    const at = await new Browser().follow(`${server().origin}/auth/authorize?${query.toString()}`);
    expect(at.response?.status).toBe(400);
  });

  it('for nothing that is allowed is refused', async () => {
    expect(await errorOf({}, { scope: 'system/*.rs' })).toBe('invalid_scope');
    expect(await errorOf({}, { scope: 'patient/Unheard.rs patient/Observation.sr' })).toBe('invalid_scope');
  });
});

onEveryServer('a code', server => {
  it.each([
    ['without a verifier', { code_verifier: undefined }],
    ['with an empty verifier', { code_verifier: '' }],
    ['with a wrong verifier', { code_verifier: 'wrong'.repeat(10) }],
    ['with the challenge as verifier', { code_verifier: 'x'.repeat(43) }],
    ['with another redirect URI', { redirect_uri: 'https://app.example.org/' }],
    ['without a redirect URI', { redirect_uri: undefined }],
    ['that is none', { code: 'made-up' }],
  ])('%s is refused', async (_, changes) => {
    const app = await server().app();
    const response = await exchange(server(), app, await launch(server(), app), changes);
    expect(response.status).toBe(400);
    expect(await json(response)).not.toHaveProperty('access_token');
  });

  it('of another client is refused', async () => {
    const launched = await launch(server(), await server().app());
    expect((await exchange(server(), await server().app(), launched)).status).toBe(400);
  });

  it('of an unknown client is refused', async () => {
    const launched = await launch(server(), await server().app());
    const response = await exchange(server(), { id: 'nobody', kind: 'public' }, launched);
    expect(response.status).toBe(401);
  });

  it('used twice ends what was issued for it', async () => {
    const app = await server().app();
    const launched = await launch(server(), app);
    const { access_token: token, refresh_token } = await json(await exchange(server(), app, launched));
    expect((await server().fhir('Patient/mine', token)).status).toBe(200);
    expect((await exchange(server(), app, launched)).status).toBe(400);
    expect((await server().fhir('Patient/mine', token)).status).toBe(401);
    expect((await refresh(server(), app, refresh_token)).status).toBe(400);
  });
});

onEveryServer('a refresh token', server => {
  it('gives the same again, or less', async () => {
    const app = await server().app();
    const first = await signedIn(server(), app, { scope });
    const second = await json(await refresh(server(), app, first.refresh_token));
    expect(second).toMatchObject({ scope: first.scope, patient: 'mine', expires_in: 3600 });
    const third = await json(await refresh(server(), app, second.refresh_token, { scope: 'patient/*.rs' }));
    expect(third.scope).toBe('patient/*.rs');
    const fourth = await json(await refresh(server(), app, third.refresh_token));
    expect(fourth.scope).toBe(first.scope);
  });

  it('never gives more', async () => {
    const app = await server().app();
    const { refresh_token } = await signedIn(server(), app, {
      scope: 'launch/patient offline_access patient/Patient.rs',
    });
    const response = await refresh(server(), app, refresh_token, {
      scope: 'patient/Patient.rs patient/*.cruds',
    });
    expect(response.status).toBe(400);
    expect((await json(response)).error).toBe('invalid_scope');
  });

  it('used again ends the whole family', async () => {
    const app = await server().app();
    const first = await signedIn(server(), app, { scope });
    const second = await json(await refresh(server(), app, first.refresh_token));
    expect((await refresh(server(), app, first.refresh_token)).status).toBe(400);
    expect((await refresh(server(), app, second.refresh_token)).status).toBe(400);
    expect((await server().fhir('Patient/mine', second.access_token)).status).toBe(401);
  });

  it('of a public app is taken without its name; a confidential one has to prove itself', async () => {
    const app = await server().app();
    const { refresh_token } = await signedIn(server(), app, { scope });
    const anonymous = { grant_type: 'refresh_token', refresh_token };
    expect((await post(server(), 'token', undefined, anonymous)).status).toBe(200);
    const confidential = await server().app({ kind: 'secret' });
    const its = await signedIn(server(), confidential, { scope });
    for (const fields of [{}, { client_id: confidential.id }]) {
      const asked = { grant_type: 'refresh_token', refresh_token: its.refresh_token, ...fields };
      expect((await post(server(), 'token', undefined, asked)).status).toBeGreaterThanOrEqual(400);
    }
    expect((await refresh(server(), await server().app({ kind: 'secret' }), its.refresh_token)).status).toBe(
      400,
    );
    expect((await refresh(server(), confidential, its.refresh_token)).status).toBe(200);
  });

  it('is not given without being asked for', async () => {
    const body = await signedIn(server(), await server().app(), { scope: 'launch/patient patient/*.rs' });
    expect(body).not.toHaveProperty('refresh_token');
  });

  it('of online access ends with the session', async () => {
    const app = await server().app();
    const browser = new Browser();
    const body = await signedIn(server(), app, {
      browser,
      scope: 'launch/patient online_access patient/*.rs',
    });
    const lasting = await signedIn(server(), app, { browser, scope });
    const next = await json(await refresh(server(), app, body.refresh_token));
    expect((await server().fhir('Patient/mine', next.access_token)).status).toBe(200);
    const page = await browser.follow(`${server().origin}/auth/logout`);
    const xsrf = /name="xsrf" value="([^"]+)"/.exec(page.text!)![1]!;
    await browser.submit(`${server().origin}/auth/logout/confirm`, { xsrf, logout: 'yes' });
    expect((await refresh(server(), app, next.refresh_token)).status).toBe(400);
    expect((await refresh(server(), app, lasting.refresh_token)).status).toBe(200);
  });

  it('gives what the app is still registered for', async () => {
    const app = await server().app();
    const { refresh_token } = await signedIn(server(), app, { scope });
    await server().authorization.clients.remove(app.id);
    expect((await refresh(server(), app, refresh_token)).status).toBe(401);
  });

  it('of a client that was removed is not that of another under the same id', async () => {
    const app = await server().app();
    const body = await signedIn(server(), app, { scope });
    await server().authorization.clients.remove(app.id);
    await server().app({ id: app.id });
    expect((await refresh(server(), app, body.refresh_token)).status).toBe(400);
    expect((await server().fhir('Patient/mine', body.access_token)).status).toBe(401);
  });
});

onEveryServer('introspection', server => {
  it('tells a client of its own tokens what the token response said', async () => {
    const app = await server().app({ kind: 'secret' });
    const body = await signedIn(server(), app, { scope });
    const about = await json(await post(server(), 'introspect', app, { token: body.access_token }));
    expect(about).toMatchObject({
      active: true,
      scope: body.scope,
      client_id: app.id,
      patient: 'mine',
      iss: `${server().origin}/auth`,
      sub: server().accounts.doctor.id,
      fhirUser: `${server().url}/Practitioner/doctor`,
      exp: expect.any(Number),
    });
  });

  it('says only that it is not active of what is unknown, foreign or ended', async () => {
    const [app, other] = [await server().app({ kind: 'secret' }), await server().app({ kind: 'secret' })];
    const { access_token: token } = await signedIn(server(), app, { scope });
    const inactive = { active: false };
    expect(await json(await post(server(), 'introspect', app, { token: 'made-up' }))).toEqual(inactive);
    expect(await json(await post(server(), 'introspect', other, { token }))).toEqual(inactive);
    await post(server(), 'revoke', app, { token });
    expect(await json(await post(server(), 'introspect', app, { token }))).toEqual(inactive);
  });

  it('answers a bearer token of a client that may, about tokens of any', async () => {
    const resource = await server().app({
      kind: 'secret',
      redirectUris: [],
      scopes: ['system/*.rs'],
      introspect: true,
    });
    const { access_token: own } = await json(
      await tokenRequest(server(), resource, { grant_type: 'client_credentials', scope: 'system/*.rs' }),
    );
    const app = await server().app();
    const body = await signedIn(server(), app, { scope });
    const bearer = { authorization: `Bearer ${own}` };
    const ask = async (token: string, headers: Record<string, string> = bearer) =>
      post(server(), 'introspect', undefined, { token }, headers);
    const byBearer = await json(await ask(body.access_token));
    const byClient = await json(await post(server(), 'introspect', resource, { token: body.access_token }));
    expect(byBearer).toMatchObject({ active: true, client_id: app.id, patient: 'mine', scope: body.scope });
    expect(byBearer).toMatchObject(byClient);
    expect(await json(await ask('made-up'))).toEqual({ active: false });
    expect((await ask(body.access_token, { authorization: 'Bearer made-up' })).status).toBe(401);
    const plain = { authorization: `Bearer ${body.access_token}` };
    expect(await json(await ask(own, plain))).toEqual({ active: false });
    expect((await json(await ask(body.access_token, plain))).active).toBe(true);
  });
});

onEveryServer('revocation', server => {
  it.each(['access_token', 'refresh_token'])('of the %s ends access at once', async which => {
    const app = await server().app();
    const body = await signedIn(server(), app, { scope });
    expect((await server().fhir('Patient/mine', body.access_token)).status).toBe(200);
    expect((await post(server(), 'revoke', app, { token: body[which] })).status).toBe(200);
    expect((await server().fhir('Patient/mine', body.access_token)).status).toBe(401);
    expect((await refresh(server(), app, body.refresh_token)).status).toBe(400);
  });

  it('is for the own tokens', async () => {
    const app = await server().app();
    const body = await signedIn(server(), app, { scope });
    await post(server(), 'revoke', await server().app(), { token: body.access_token });
    expect((await server().fhir('Patient/mine', body.access_token)).status).toBe(200);
  });

  it('of a person ends all their tokens', async () => {
    const app = await server().app();
    const body = await signedIn(server(), app, { scope, as: 'proxy' });
    expect((await server().fhir('Patient/mine', body.access_token)).status).toBe(200);
    const { accounts } = server().authorization;
    await accounts.change(server().accounts.proxy.id, account => ({ ...account, disabled: true }));
    expect((await server().fhir('Patient/mine', body.access_token)).status).toBe(401);
    expect((await refresh(server(), app, body.refresh_token)).status).toBe(400);
    await accounts.change(server().accounts.proxy.id, ({ disabled: _, ...account }) => account);
  });
});

onEveryServer('a FHIR request', server => {
  it.each([
    ['without a token', undefined],
    ['with a made-up token', 'Bearer made-up'],
    ['with a password', `Basic ${Buffer.from('doctor:x').toString('base64')}`],
    ['with another scheme', 'DPoP abc'],
    ['with nothing in it', 'Bearer '],
  ])('%s is told to sign in', async (_, authorization) => {
    const response = await server().fhir('Patient', undefined, authorization === undefined ? {} : { headers: { authorization } }); // prettier-ignore
    expect(response.status).toBe(401);
    expect(response.headers.get('www-authenticate')).toMatch(/^Bearer /);
    expect((await json(response)).resourceType).toBe('OperationOutcome');
  });

  it('with a refresh token, an id_token or a token in the URL is told so too', async () => {
    const body = await signedIn(server(), await server().app(), { scope });
    expect((await server().fhir('Patient/mine', body.refresh_token)).status).toBe(401);
    expect((await server().fhir('Patient/mine', body.id_token)).status).toBe(401);
    expect((await server().fhir(`Patient/mine?access_token=${body.access_token}`)).status).toBe(401);
  });

  it('for what the scopes do not have is forbidden, for what they do not reach there is nothing', async () => {
    const body = await signedIn(server(), await server().app(), {
      scope: 'launch/patient patient/Patient.rs',
    });
    expect((await server().fhir('Observation/lab', body.access_token)).status).toBe(403);
    const [hidden, absent] = await Promise.all(
      ['other', 'nobody'].map(async id => {
        const response = await server().fhir(`Patient/${id}`, body.access_token, {
          headers: { 'x-request-id': 'same' },
        });
        return [response.status, (await response.text()).replaceAll(id, '…')];
      }),
    );
    expect(hidden).toEqual(absent);
    expect(hidden![0]).toBe(404);
  });

  it('needs no token for what is public, from any page', async () => {
    const headers = { origin: 'https://anywhere.example' };
    for (const path of ['metadata', '.well-known/smart-configuration']) {
      const response = await server().fhir(path, undefined, { headers });
      expect([response.status, response.headers.get('access-control-allow-origin')]).toEqual([200, '*']);
    }
  });

  it('from the page of a registered app is answered, with a preflight, and from another page is not', async () => {
    const app = await server().app({ redirectUris: [redirectUri, 'https://browser.example/back'] });
    const { access_token: token } = await signedIn(server(), app, { scope });
    const preflight = (origin: string) =>
      server().fhir('Patient/mine', undefined, {
        method: 'OPTIONS',
        headers: {
          origin,
          'access-control-request-method': 'GET',
          'access-control-request-headers': 'authorization',
        },
      });
    await expect.poll(async () => (await preflight('https://browser.example')).status).toBe(204);
    expect((await preflight('https://anywhere.example')).status).not.toBe(204);
    const get = (origin: string) => server().fhir('Patient/mine', token, { headers: { origin } });
    const allowed = await get('https://browser.example');
    expect(allowed.headers.get('access-control-allow-origin')).toBe('https://browser.example');
    expect(allowed.headers.get('access-control-allow-credentials')).toBeNull();
    expect((await get('https://anywhere.example')).headers.get('access-control-allow-origin')).toBeNull();
    const tokens = await tokenRequest(server(), app, { grant_type: 'authorization_code', code: 'x', redirect_uri: redirectUri }, { origin: 'https://browser.example' }); // prettier-ignore
    expect(tokens.headers.get('access-control-allow-origin')).toBe('https://browser.example');
  });
});
