// The suite of Inferno's SMART App Launch 2.2 kit: discovery, launches by every kind of client, OpenID, refresh, backend
// services, introspection. Ids are those of the kit. https://hl7.org/fhir/smart-app-launch/
import { createPublicKey, createVerify, randomUUID } from 'node:crypto';
import { assertion, assertionType, authorize, get, pkce, postAs } from './kit.mjs';

export function expect(condition, why) {
  if (!condition) throw new Error(why);
}
const isText = value => typeof value === 'string' && value.trim() !== '';
const contentType = ({ headers }) => headers.get('content-type') ?? '';
const page = 'https://inferno.example.org';
const allowsPage = ({ headers }) => ['*', page].includes(headers.get('access-control-allow-origin'));

export const wellKnown = async ({ base }) => (await get(`${base}/.well-known/smart-configuration`)).body;

export async function discoveryCases({ group, test }, about) {
  group('discovery');
  const url = `${about.base}/.well-known/smart-configuration`;
  await test('well_known_endpoint', async () => {
    for (const accept of ['application/json', 'application/fhir+json', '*/*']) {
      const answer = await get(url, { accept });
      expect(answer.status === 200, `status ${answer.status}`);
      expect(contentType(answer).startsWith('application/json'), `Content-Type ${contentType(answer)}`);
      expect(answer.body !== undefined, 'not JSON');
    }
  });
  await test('well_known_capabilities_stu2', async () => {
    const body = await wellKnown(about);
    for (const name of ['authorization_endpoint', 'token_endpoint'])
      expect(isText(body[name]), `${name} is missing`);
    for (const name of ['capabilities', 'grant_types_supported', 'code_challenge_methods_supported'])
      expect(Array.isArray(body[name]) && body[name].length > 0, `${name} is missing`);
    expect(body.grant_types_supported.includes('authorization_code'), 'no authorization_code');
    expect(body.code_challenge_methods_supported.includes('S256'), 'no S256');
    expect(!body.code_challenge_methods_supported.includes('plain'), 'plain is offered');
    expect(body.capabilities.every(isText), 'capabilities are not all text');
    if (body.capabilities.includes('sso-openid-connect'))
      expect(isText(body.issuer) && isText(body.jwks_uri), 'issuer or jwks_uri is missing');
    for (const name of ['authorization_endpoint', 'token_endpoint', 'jwks_uri', 'introspection_endpoint'])
      expect(URL.canParse(body[name]), `${name} is not absolute`);
  });
  await test('smart_cors_well_known_endpoint', async () =>
    expect(allowsPage(await get(url, { origin: page })), 'no CORS'));
  await test('smart_cors_metadata_request', async () =>
    expect(allowsPage(await get(`${about.base}/metadata`, { origin: page })), 'no CORS'));
}

/** A launch up to the token response; each step is a test of its own. */
export async function launchSteps(
  { test },
  about,
  client,
  { scope, launch, post = false, person, params = {} },
) {
  const { authorization_endpoint: endpoint, token_endpoint: tokens } = await wellKnown(about);
  const { verifier, challenge } = pkce();
  const state = randomUUID();
  let code;
  let token;
  await test(`smart_app_redirect_stu2 (${post ? 'POST' : 'GET'})`, async () => {
    const { back, page: at } = await authorize(
      endpoint,
      {
        response_type: 'code',
        client_id: client.id,
        redirect_uri: about.redirectUri,
        scope,
        state,
        aud: about.base,
        code_challenge: challenge,
        code_challenge_method: 'S256',
        ...(launch === undefined ? {} : { launch }),
        ...params,
      },
      { person, patient: about.patient, post },
    );
    expect(at.text === undefined, `stayed at a page (${at.status})`);
    expect(`${back.origin}${back.pathname}` === about.redirectUri, `came back to ${back.href}`);
    expect(back.searchParams.get('state') === state, 'another state');
    code = back.searchParams.get('code');
    expect(!back.searchParams.has('error'), back.searchParams.get('error_description'));
  });
  await test('smart_code_received', () => expect(isText(code), 'no code'));
  await test('smart_token_exchange_stu2_2', async () => {
    token = await postAs(client, tokens, {
      grant_type: 'authorization_code',
      code,
      redirect_uri: about.redirectUri,
      code_verifier: verifier,
    });
    expect(token.status === 200, `status ${token.status} ${token.text}`);
    expect(token.body !== undefined, 'not JSON');
  });
  await test('smart_token_response_body_stu2_2', () => checkTokenBody(token.body, scope));
  await test('smart_token_response_headers', () => checkTokenHeaders(token));
  if (client.kind === 'public')
    await test('smart_cors_token_exchange', () => expect(allowsPage(token), 'no CORS'));
  return token?.body;
}

function checkTokenBody(body, asked) {
  for (const name of ['access_token', 'token_type', 'scope'])
    expect(isText(body[name]), `${name} is missing`);
  expect(body.token_type.toLowerCase() === 'bearer', `token_type ${body.token_type}`);
  expect(typeof body.expires_in === 'number', 'expires_in is not a number');
  for (const name of [
    'patient',
    'encounter',
    'id_token',
    'refresh_token',
    'intent',
    'smart_style_url',
    'tenant',
  ])
    expect(body[name] === undefined || typeof body[name] === 'string', `${name} is not text`);
  const missing = asked.split(' ').filter(scope => !body.scope.split(' ').includes(scope));
  expect(missing.length === 0, `not granted: ${missing.join(' ')}`);
  for (const item of body.fhirContext ?? []) {
    expect(typeof item === 'object', 'fhirContext has something that is no object');
    expect(item.reference ?? item.canonical ?? item.identifier, 'fhirContext has an item about nothing');
  }
}

function checkTokenHeaders({ headers }) {
  expect((headers.get('cache-control') ?? '').includes('no-store'), 'Cache-Control lacks no-store');
  expect((headers.get('pragma') ?? '').includes('no-cache'), 'Pragma lacks no-cache');
}

/** A launch value from the EHR for the doctor and the patient. */
export async function fromEhr(about, client, context = {}) {
  const { clients, base, origin, people, patient } = about;
  const { verifier, challenge } = pkce();
  const { back } = await authorize(
    `${origin}/auth/authorize`,
    {
      response_type: 'code',
      client_id: clients.ehr.id,
      redirect_uri: about.redirectUri,
      scope: 'openid user/*.rs',
      state: 's',
      aud: base,
      code_challenge: challenge,
      code_challenge_method: 'S256',
    },
    { person: people.doctor, patient },
  );
  const { body } = await postAs(clients.ehr, `${origin}/auth/token`, {
    grant_type: 'authorization_code',
    code: back.searchParams.get('code'),
    redirect_uri: about.redirectUri,
    code_verifier: verifier,
  });
  const response = await fetch(`${origin}/auth/launch`, {
    method: 'POST',
    headers: { authorization: `Bearer ${body.access_token}`, 'content-type': 'application/json' },
    body: JSON.stringify({ client_id: client.id, patient, ...context }),
  });
  return response.json();
}

export async function launchCases(tests, about) {
  const { clients, people } = about;
  for (const name of ['public', 'symmetric', 'asymmetric']) {
    const client = clients[name];
    tests.group(`standalone launch, ${name}`);
    const standalone = await launchSteps(tests, about, client, {
      scope: 'launch/patient openid fhirUser offline_access patient/*.rs',
      person: people.doctor,
    });
    await openidCases(tests, about, client, standalone);
    await refreshCases(tests, about, client, standalone);

    tests.group(`EHR launch, ${name}`);
    let launch;
    await tests.test('smart_app_launch', async () => {
      launch = await fromEhr(about, client);
      expect(new URL(launch.launch_uri).searchParams.get('iss') === about.base, 'iss is not the FHIR base');
    });
    await tests.test('smart_launch_received', () =>
      expect(isText(new URL(launch.launch_uri).searchParams.get('launch')), 'no launch parameter'),
    );
    const ehr = await launchSteps(tests, about, client, {
      scope: 'launch openid fhirUser offline_access patient/*.rs',
      launch: launch.launch,
      post: true,
      person: people.doctor,
    });
    await tests.test('patient in context', () =>
      expect(ehr.patient === about.patient, `patient ${ehr.patient}`),
    );
    await openidCases(tests, about, client, ehr);
    await refreshCases(tests, about, client, ehr);
  }
}

async function openidCases({ test }, about, client, token) {
  let header;
  let payload;
  let configuration;
  let keys;
  await test('smart_openid_decode_id_token', () => {
    [header, payload] = token.id_token
      .split('.')
      .slice(0, 2)
      .map(part => JSON.parse(Buffer.from(part, 'base64url').toString()));
  });
  await test('smart_openid_retrieve_configuration', async () => {
    const answer = await get(`${payload.iss}/.well-known/openid-configuration`);
    expect(
      answer.status === 200 && contentType(answer).startsWith('application/json'),
      `status ${answer.status}`,
    );
    configuration = answer.body;
  });
  await test('smart_openid_required_configuration_fields', () => {
    for (const name of [
      'issuer',
      'authorization_endpoint',
      'token_endpoint',
      'jwks_uri',
      'response_types_supported',
      'subject_types_supported',
      'id_token_signing_alg_values_supported',
    ])
      // prettier-ignore
      expect(configuration[name] !== undefined, `${name} is missing`);
    expect(configuration.id_token_signing_alg_values_supported.includes('RS256'), 'no RS256');
  });
  await test('smart_openid_retrieve_jwks', async () => {
    const answer = await get(configuration.jwks_uri);
    keys = answer.body?.keys;
    expect(answer.status === 200 && Array.isArray(keys), `status ${answer.status}`);
    const rsa = keys.filter(({ kty }) => kty === 'RSA');
    expect(rsa.length > 0, 'no RSA key');
    for (const key of rsa) createPublicKey({ key, format: 'jwk' });
  });
  await test('smart_openid_token_header', () => {
    expect(header.alg === 'RS256', `alg ${header.alg}`);
    expect(
      keys.some(({ kid }) => kid === header.kid),
      `kid ${header.kid} is not published`,
    );
  });
  await test('smart_openid_token_payload', () => {
    const key = keys.find(({ kid }) => kid === header.kid);
    const [head, body, signature] = token.id_token.split('.');
    const verified = createVerify('SHA256')
      .update(`${head}.${body}`)
      .verify(createPublicKey({ key, format: 'jwk' }), Buffer.from(signature, 'base64url'));
    expect(verified, 'the signature is wrong');
    expect(payload.iss === configuration.issuer, `iss ${payload.iss}`);
    expect(payload.aud === client.id, `aud ${payload.aud}`);
    expect(payload.exp > Date.now() / 1000 && typeof payload.iat === 'number', 'exp or iat is wrong');
    expect(isText(payload.sub) && payload.sub.length < 256, `sub ${payload.sub}`);
  });
  await test('smart_openid_fhir_user_claim', async () => {
    const [, type] =
      /\/(Patient|Practitioner|RelatedPerson|Person)\/[^/]+$/.exec(payload.fhirUser ?? '') ?? [];
    expect(type !== undefined, `fhirUser ${payload.fhirUser}`);
    const answer = await get(payload.fhirUser, {
      token: token.access_token,
      accept: 'application/fhir+json',
    });
    expect(answer.status === 200 && answer.body.resourceType === type, `status ${answer.status}`);
  });
  await test('smart_cors_openid_fhir_user_claim', async () => {
    const answer = await get(payload.fhirUser, { token: token.access_token, origin: page });
    expect(allowsPage(answer), 'no CORS');
  });
}

async function refreshCases({ test }, about, client, token) {
  const { token_endpoint: endpoint } = await wellKnown(about);
  let current = token.refresh_token;
  for (const scope of [undefined, token.scope]) {
    const how = scope === undefined ? 'without scope' : 'with scope';
    let answer;
    await test(`smart_token_refresh_stu2 (${how})`, async () => {
      answer = await postAs(client, endpoint, {
        grant_type: 'refresh_token',
        refresh_token: current,
        ...(scope === undefined ? {} : { scope }),
      });
      expect(answer.status === 200, `status ${answer.status} ${answer.text}`);
      current = answer.body.refresh_token ?? current;
    });
    await test(`smart_token_refresh_body (${how})`, () => {
      for (const name of ['access_token', 'token_type', 'expires_in', 'scope'])
        expect(answer.body[name] !== undefined, `${name} is missing`);
      const earlier = new Set(token.scope.split(' '));
      expect(
        answer.body.scope.split(' ').every(each => earlier.has(each)),
        'more scopes than before',
      );
      expect(answer.body.patient === token.patient, 'another context');
    });
    await test(`smart_token_response_headers (${how})`, () => checkTokenHeaders(answer));
  }
}

export async function backendCases({ group, test }, about) {
  group('backend services');
  const { token_endpoint: endpoint } = await wellKnown(about);
  const { backend } = about.clients;
  const ask = (fields, alg) =>
    postAs(undefined, endpoint, {
      grant_type: 'client_credentials',
      scope: 'system/*.rs',
      client_assertion_type: assertionType,
      client_assertion: assertion(backend, endpoint, { alg }),
      ...fields,
    });
  await test('smart_backend_services_invalid_grant_type', async () => {
    const { status } = await ask({ grant_type: 'not_a_grant_type' });
    expect(status === 400, `status ${status}`);
  });
  await test('smart_backend_services_invalid_client_assertion', async () => {
    const { status } = await ask({ client_assertion_type: 'not_an_assertion_type' });
    expect([400, 401].includes(status), `status ${status}`);
  });
  await test('smart_backend_services_invalid_jwt', async () => {
    const wrong = [
      'not a jwt',
      assertion(backend, 'https://other.example.org/token'),
      assertion(backend, endpoint, { payload: { exp: 1 } }),
      assertion(backend, endpoint, { payload: { iss: 'other' } }),
      `${assertion(backend, endpoint).slice(0, -8)}AAAAAAAA`,
    ];
    for (const client_assertion of wrong) {
      const { status } = await ask({ client_assertion });
      expect([400, 401].includes(status), `status ${status}`);
    }
  });
  for (const alg of ['RS384', 'ES384']) {
    let answer;
    await test(`smart_backend_services_auth_request_success (${alg})`, async () => {
      answer = await ask({}, alg);
      expect([200, 201].includes(answer.status), `status ${answer.status} ${answer.text}`);
    });
    await test(`smart_backend_services_auth_response_body (${alg})`, () => {
      const { access_token, token_type, expires_in, scope } = answer.body;
      expect(isText(access_token) && isText(scope), 'access_token or scope is missing');
      expect(token_type.toLowerCase() === 'bearer', `token_type ${token_type}`);
      expect(typeof expires_in === 'number' && expires_in <= 300, `expires_in ${expires_in}`);
    });
    await test(`the token reads (${alg})`, async () => {
      const { status } = await get(`${about.base}/Patient/${about.patient}`, {
        token: answer.body.access_token,
      });
      expect(status === 200, `status ${status}`);
    });
  }
}

export async function introspectionCases(tests, about) {
  tests.group('token introspection');
  const { introspection_endpoint: endpoint, token_endpoint: tokens } = await wellKnown(about);
  const { clients, people } = about;
  const token = await launchSteps(tests, about, clients.public, {
    scope: 'launch/patient openid fhirUser offline_access patient/*.rs',
    person: people.doctor,
  });
  const { body: own } = await postAs(clients.resourceServer, tokens, {
    grant_type: 'client_credentials',
    scope: 'system/*.rs',
  });
  const basic = `Basic ${Buffer.from(`${clients.resourceServer.id}:${clients.resourceServer.secret}`).toString('base64')}`;
  for (const [how, authorization] of Object.entries({ basic, bearer: `Bearer ${own.access_token}` })) {
    const ask = asked => postAs(undefined, endpoint, { token: asked }, { authorization });
    let active;
    let invalid;
    await tests.test(`active token request (${how})`, async () => {
      active = await ask(token.access_token);
      expect(active.status === 200, `status ${active.status}`);
    });
    await tests.test(`invalid token request (${how})`, async () => {
      invalid = await ask('invalid_token_value');
      expect(invalid.status === 200, `status ${invalid.status}`);
    });
    await tests.test(`active response (${how})`, () => {
      const { body } = active;
      const claims = JSON.parse(Buffer.from(token.id_token.split('.')[1], 'base64url').toString());
      expect(body.active === true && body.client_id === clients.public.id, 'active or client_id is wrong');
      const sorted = text => text.split(' ').sort().join(' ');
      expect(sorted(body.scope) === sorted(token.scope), `scope ${body.scope}`);
      expect(body.exp >= Date.now() / 1000 - 600, `exp ${body.exp}`);
      expect(body.patient === token.patient && body.encounter === token.encounter, 'another context');
      expect(body.iss === claims.iss && body.sub === claims.sub, 'iss or sub is wrong');
      expect(body.fhirUser === claims.fhirUser, `fhirUser ${body.fhirUser}`);
    });
    await tests.test(`invalid response (${how})`, () =>
      expect(JSON.stringify(invalid.body) === '{"active":false}', invalid.text),
    );
  }
}
