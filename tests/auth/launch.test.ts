// Launches over the network, standalone and from the EHR, by every kind of client, on every store.
import { createRemoteJWKSet, decodeProtectedHeader, jwtVerify } from 'jose';
import { describe, expect, it } from 'vitest';
import {
  Browser,
  everyScope,
  exchange,
  json,
  launch,
  onEveryServer,
  pkce,
  redirectUri,
  refresh,
  signedIn,
  valuesOf,
  authorizeParams,
  type App,
  type SmartServer,
} from './smart-server.js';

/** An EHR of the doctor asks for a launch of an app. */
async function ehrLaunch(
  server: SmartServer,
  app: App,
  context: object,
): Promise<{ status: number; body: { launch: string; launch_uri: string } }> {
  const ehr = await server.app({ launches: true, trusted: true, scopes: ['openid', 'user/*.rs'] });
  const { access_token: token } = await signedIn(server, ehr, { scope: 'openid user/*.rs' });
  const response = await fetch(`${server.origin}/auth/launch`, {
    method: 'POST',
    headers: { authorization: `Bearer ${token}`, 'content-type': 'application/json' },
    body: JSON.stringify({ client_id: app.id, ...context }),
  });
  return { status: response.status, body: await json(response) };
}

onEveryServer('a standalone launch', server => {
  it('gives a public app a token for the chosen patient', async () => {
    const app = await server().app();
    const launched = await launch(server(), app);
    expect(launched.back.href).toMatch(new RegExp(`^${redirectUri}\\?`));
    expect(launched.back.searchParams.get('state')).toBe('state-1');
    expect(launched.back.searchParams.get('iss')).toBe(`${server().origin}/auth`);
    const response = await exchange(server(), app, launched);
    expect(response.status).toBe(200);
    expect(response.headers.get('cache-control')).toContain('no-store');
    expect(response.headers.get('pragma')).toContain('no-cache');
    const body = await json(response);
    expect(body).toMatchObject({
      token_type: 'Bearer',
      expires_in: 3600,
      scope: 'patient/*.rs launch/patient openid fhirUser offline_access',
      patient: 'mine',
      need_patient_banner: true,
      refresh_token: expect.any(String),
      id_token: expect.any(String),
    });
    expect(body).not.toHaveProperty('fhirUser');
    expect((await server().fhir('Patient/mine', body.access_token)).status).toBe(200);
    expect((await server().fhir('Patient/other', body.access_token)).status).toBe(404);
    expect((await server().fhir('Observation/lab', body.access_token)).status).toBe(200);
    expect((await server().fhir('Observation/foreign', body.access_token)).status).toBe(404);
  });

  it.each(['secret', 'key'] as const)('works for a client that proves itself by a %s', async kind => {
    const app = await server().app({ kind });
    const launched = await launch(server(), app);
    const body = await json(await exchange(server(), app, launched));
    expect(body).toMatchObject({ patient: 'mine', token_type: 'Bearer' });
    expect((await server().fhir('Patient/mine', body.access_token)).status).toBe(200);
    const next = await json(await refresh(server(), app, body.refresh_token));
    expect(next).toMatchObject({ patient: 'mine', scope: body.scope });
  });

  it('names the person in a signed id_token, whose record the token reads', async () => {
    const app = await server().app();
    const body = await signedIn(server(), app, {
      scope: 'openid fhirUser user/*.rs',
      params: { nonce: 'n1' },
    });
    const { origin, url } = server();
    const configuration = await json(await fetch(`${origin}/auth/.well-known/openid-configuration`));
    const { payload } = await jwtVerify(body.id_token, createRemoteJWKSet(new URL(configuration.jwks_uri)), {
      issuer: `${origin}/auth`,
      audience: app.id,
    });
    expect(decodeProtectedHeader(body.id_token).alg).toBe('RS256');
    expect(payload).toMatchObject({ fhirUser: `${url}/Practitioner/doctor`, nonce: 'n1' });
    expect(payload.sub).toBe(server().accounts.doctor.id);
    expect((await server().fhir('Practitioner/doctor', body.access_token)).status).toBe(200);
  });

  it('gives a patient their own record without a choice, and no other', async () => {
    const app = await server().app();
    const body = await signedIn(server(), app, { as: 'patient', patient: 'other' });
    expect(body.patient).toBe('mine');
    expect((await server().fhir('Observation/foreign', body.access_token)).status).toBe(404);
  });

  it('lets somebody who stands for several choose among them, and nobody else', async () => {
    const app = await server().app();
    expect((await signedIn(server(), app, { as: 'proxy', patient: 'other' })).patient).toBe('other');
    await expect(signedIn(server(), app, { as: 'proxy', patient: 'doctor' })).rejects.toThrow(
      'Choose a patient',
    );
  });

  it('gives the chosen visit', async () => {
    const app = await server().app();
    const scope = 'launch/patient launch/encounter patient/*.rs';
    const body = await signedIn(server(), app, { scope, encounter: 'visit' });
    expect(body).toMatchObject({ patient: 'mine', encounter: 'visit' });
  });

  it('finds patients by name for staff', async () => {
    const app = await server().app();
    const browser = new Browser();
    const { challenge } = pkce();
    const query = authorizeParams(server(), app, {}, challenge);
    const signIn = await browser.follow(`${server().origin}/auth/authorize?${query.toString()}`);
    const consent = await browser.submit(signIn.url, { name: 'doctor', password: 'a long enough password' });
    const found = await browser.follow(`${consent.url}?q=letsie`);
    expect(found.text).toContain('Neo Letsie');
    expect(found.text).not.toContain('Pule Nthako');
  });

  it('asks by POST as by GET, with hundreds of scopes', async () => {
    const app = await server().app();
    expect((await signedIn(server(), app, { post: true })).patient).toBe('mine');
    const scopes = Array.from({ length: 300 }, (_, i) => `patient/Observation.rs?code=http://loinc.org|${10_000 + i}-0&_tag=number-${'x'.repeat(40)}`); // prettier-ignore
    const body = await signedIn(server(), app, { post: true, scope: `launch/patient ${scopes.join(' ')}` });
    expect(body.scope.split(' ')).toHaveLength(301);
  });

  it('is pushed first (PAR)', async () => {
    const app = await server().app({ kind: 'secret' });
    const { challenge, verifier } = pkce();
    const query = authorizeParams(server(), app, {}, challenge);
    const pushed = await fetch(`${server().origin}/auth/par`, {
      method: 'POST',
      body: query,
      headers: { authorization: `Basic ${Buffer.from(`${app.id}:${app.secret!}`).toString('base64')}` },
    });
    expect(pushed.status).toBe(201);
    const { request_uri } = await json(pushed);
    const browser = new Browser();
    const at = await browser.follow(
      `${server().origin}/auth/authorize?${new URLSearchParams({ client_id: app.id, request_uri }).toString()}`,
    );
    const consent = await browser.submit(at.url, { name: 'doctor', password: 'a long enough password' });
    const back = await browser.submit(consent.url, {
      answer: 'allow',
      patient: 'mine',
      scope: valuesOf(consent.text!, 'scope'),
    });
    const code = new URL(back.url).searchParams.get('code')!;
    expect((await json(await exchange(server(), app, { code, verifier }))).refresh_token).toBeDefined();
  });

  it('goes on without signing in again, with a context of its own', async () => {
    const [one, two] = [await server().app(), await server().app()];
    const browser = new Browser();
    const first = await signedIn(server(), one, { browser, patient: 'mine' });
    const second = await signedIn(server(), one, { browser, patient: 'other' });
    const third = await signedIn(server(), two, { browser, patient: 'other' });
    expect([first.patient, second.patient, third.patient]).toEqual(['mine', 'other', 'other']);
    expect((await json(await refresh(server(), one, first.refresh_token))).patient).toBe('mine');
    expect((await json(await refresh(server(), one, second.refresh_token))).patient).toBe('other');
  });

  it('asks a trusted app’s user nothing that has one answer', async () => {
    const app = await server().app({ trusted: true });
    const browser = new Browser();
    const { challenge } = pkce();
    const query = authorizeParams(server(), app, { scope: 'openid user/*.rs' }, challenge);
    const at = await browser.follow(`${server().origin}/auth/authorize?${query.toString()}`);
    const back = await browser.submit(at.url, { name: 'doctor', password: 'a long enough password' });
    expect(back.url).toContain(`${redirectUri}?code=`);
  });
});

onEveryServer('consent', server => {
  const laboratory = 'http://terminology.hl7.org/CodeSystem/observation-category|laboratory';

  it('narrows to kinds of record', async () => {
    const app = await server().app();
    const granular = `patient/Observation.rs?category=${laboratory}`;
    const body = await signedIn(server(), app, {
      scope: 'launch/patient patient/Observation.rs patient/Patient.rs',
      choose: ['launch/patient', granular, 'patient/Patient.rs'],
    });
    expect(body.scope.split(' ')).toContain(granular);
    expect(body.scope.split(' ')).not.toContain('patient/Observation.rs');
    expect((await server().fhir('Observation/lab', body.access_token)).status).toBe(200);
    expect((await server().fhir('Observation/vital', body.access_token)).status).toBe(404);
    expect((await server().fhir('Condition', body.access_token)).status).toBe(403);
  });

  it('never widens what was asked, whatever the form says', async () => {
    const app = await server().app();
    const body = await signedIn(server(), app, {
      scope: 'launch/patient patient/Observation.rs',
      choose: [
        'launch/patient',
        'patient/Observation.rs',
        'patient/*.cruds',
        'system/*.rs',
        'offline_access',
      ],
    });
    expect(body.scope).toBe('launch/patient patient/Observation.rs');
    expect(body.refresh_token).toBeUndefined();
  });

  it('is never for more than the app is registered for', async () => {
    const app = await server().app({ scopes: ['launch/patient', 'patient/Observation.rs'] });
    const body = await signedIn(server(), app, {
      scope: 'launch/patient openid offline_access patient/*.cruds',
    });
    expect(body.scope.split(' ').sort()).toEqual(['launch/patient', 'patient/Observation.rs']);
    expect(body).not.toHaveProperty('id_token');
  });

  it('can be refused', async () => {
    const app = await server().app();
    const browser = new Browser();
    const query = authorizeParams(server(), app, {}, pkce().challenge);
    const at = await browser.follow(`${server().origin}/auth/authorize?${query.toString()}`);
    const consent = await browser.submit(at.url, { name: 'doctor', password: 'a long enough password' });
    const back = new URL((await browser.submit(consent.url, { answer: 'refuse' })).url);
    expect(back.searchParams.get('error')).toBe('access_denied');
    expect(back.searchParams.get('state')).toBe('state-1');
    expect(back.searchParams.has('code')).toBe(false);
  });

  it('is asked on pages that no other site can frame, fill in or run script on', async () => {
    const app = await server().app();
    const browser = new Browser();
    const query = authorizeParams(server(), app, {}, pkce().challenge);
    const at = await browser.follow(`${server().origin}/auth/authorize?${query.toString()}`);
    const policy = at.response!.headers.get('content-security-policy')!;
    expect(policy).toContain("default-src 'none'");
    expect(policy).toContain("frame-ancestors 'none'");
    expect(policy).toContain(`form-action 'self' ${new URL(redirectUri).origin}`);
    expect(at.text).not.toContain('<script');
    const foreign = await browser.follow(at.url, {
      method: 'POST',
      headers: { origin: 'https://evil.example' },
      body: new URLSearchParams({ name: 'doctor', password: 'a long enough password' }),
    });
    expect(foreign.response?.status).toBe(400);
    const another = await new Browser().follow(at.url);
    expect(another.response?.status).toBe(400);
  });
});

onEveryServer('an EHR launch', server => {
  const scope = 'launch openid fhirUser offline_access patient/*.rs';

  it('brings the context of the EHR, beside the token and after every refresh', async () => {
    const app = await server().app({ launchUri: 'https://app.example.org/launch' });
    const context = {
      patient: 'mine',
      encounter: 'visit',
      need_patient_banner: false,
      intent: 'reconcile-medications',
      smart_style_url: 'https://ehr.example.org/style-1.json',
      tenant: 'clinic',
      fhirContext: [
        { reference: 'ImagingStudy/1' },
        { reference: 'Patient/other', role: 'https://example.org/role' },
      ],
    };
    const { status, body: started } = await ehrLaunch(server(), app, context);
    expect(status).toBe(201);
    const opened = new URL(started.launch_uri);
    expect(opened.searchParams.get('iss')).toBe(server().url);
    const body = await signedIn(server(), app, { scope, params: { launch: started.launch } });
    expect(body).toMatchObject(context);
    const next = await json(await refresh(server(), app, body.refresh_token));
    expect(next).toMatchObject(context);
  });

  it('is for one app, one user and one time', async () => {
    const [app, other] = [await server().app(), await server().app()];
    const { body: started } = await ehrLaunch(server(), app, { patient: 'mine' });
    const params = { launch: started.launch };
    const errorOf = async (...of: Parameters<typeof launch>) =>
      (await launch(...of)).back.searchParams.get('error');
    expect(await errorOf(server(), other, { scope, params })).toBe('invalid_request');
    expect(await errorOf(server(), app, { scope, params, as: 'patient' })).toBe('invalid_request');
    expect((await signedIn(server(), app, { scope, params })).patient).toBe('mine');
    expect(await errorOf(server(), app, { scope, params })).toBe('invalid_request');
    expect(await errorOf(server(), app, { scope, params: { launch: 'made-up' } })).toBe('invalid_request');
  });

  it('needs the scope with the parameter, and the parameter with the scope', async () => {
    const app = await server().app();
    const { body: started } = await ehrLaunch(server(), app, { patient: 'mine' });
    const { back } = await launch(server(), app, {
      scope: 'patient/*.rs',
      params: { launch: started.launch },
    });
    expect(back.searchParams.get('error')).toBe('invalid_request');
    expect((await launch(server(), app, { scope })).back.searchParams.get('error')).toBe('invalid_request');
  });

  it('is started by software that may, for what its user may see', async () => {
    const app = await server().app();
    const plain = await signedIn(server(), await server().app(), { scope: 'user/*.rs' });
    const start = (token: string | undefined, body: object) =>
      fetch(`${server().origin}/auth/launch`, {
        method: 'POST',
        headers: token === undefined ? {} : { authorization: `Bearer ${token}` },
        body: JSON.stringify(body),
      });
    expect((await start(undefined, { client_id: app.id })).status).toBe(401);
    expect((await start(plain.access_token, { client_id: app.id })).status).toBe(403);
    expect((await ehrLaunch(server(), app, { patient: 'nobody' })).status).toBe(400);
    expect((await ehrLaunch(server(), app, { patient: 'mine', encounter: 'nowhere' })).status).toBe(400);
    expect((await ehrLaunch(server(), app, { unheard: 1 })).status).toBe(400);
    expect((await ehrLaunch(server(), app, { fhirContext: [{ reference: 'Patient/other' }] })).status).toBe(
      400,
    );
    expect((await ehrLaunch(server(), { ...app, id: 'nobody' }, {})).status).toBe(400);
  });
});

describe('the scopes of these apps', () => {
  it('are those of the server', () => expect(everyScope.split(' ')).toContain('launch'));
});
