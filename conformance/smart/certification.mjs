// What the ONC (g)(10) kit adds to the SMART suite: wrong requests, revocation by the patient, limited grants, version 1
// and 2 scopes, and the choice of granular scopes with what they then show.
import { randomUUID } from 'node:crypto';
import { expect, fromEhr, launchSteps, wellKnown } from './cases.mjs';
import { authorize, Browser, get, pkce, postAs } from './kit.mjs';

export async function certificationCases(tests, about) {
  const { clients, people } = about;
  const client = clients.symmetric;
  const { authorization_endpoint: endpoint, token_endpoint: tokens } = await wellKnown(about);
  const params = (challenge, more = {}) => ({
    response_type: 'code',
    client_id: client.id,
    redirect_uri: about.redirectUri,
    scope: 'launch/patient openid fhirUser offline_access patient/*.rs',
    state: 's',
    aud: about.base,
    code_challenge: challenge,
    code_challenge_method: 'S256',
    ...more,
  });
  const ask = (more, choices = {}) => {
    const { verifier, challenge } = pkce();
    return authorize(endpoint, params(challenge, more), {
      person: people.doctor,
      patient: about.patient,
      ...choices,
    }).then(result => ({ ...result, verifier, code: result.back.searchParams.get('code') }));
  };
  const exchange = ({ code, verifier }, more = {}, as = client) =>
    postAs(as, tokens, {
      grant_type: 'authorization_code',
      code,
      redirect_uri: about.redirectUri,
      code_verifier: verifier,
      ...more,
    });
  const read = (path, token) => get(`${about.base}/${path}`, { token, accept: 'application/fhir+json' });
  const idsIn = async (path, token) => {
    const { status, body } = await read(path, token);
    expect(status === 200, `${path}: status ${status}`);
    return (body.entry ?? []).map(({ resource }) => resource.id).sort();
  };

  tests.group('g10 wrong requests');
  await tests.test('invalid aud', async () => {
    const { code } = await ask({ aud: 'https://inferno.example.org/invalid_aud' });
    expect(code === null, 'a code was given');
  });
  await tests.test('invalid launch', async () => {
    const { code } = await ask({ scope: 'launch patient/*.rs', launch: randomUUID() });
    expect(code === null, 'a code was given');
  });
  const wrong = {
    'wrong code_verifier': { code_verifier: 'invalid'.repeat(8) },
    'blank code_verifier': { code_verifier: '' },
    'plain code_verifier': undefined,
  };
  for (const [name, fields] of Object.entries(wrong)) {
    await tests.test(name, async () => {
      const asked = await ask({});
      const { challenge } = pkce();
      const { status } = await exchange(asked, fields ?? { code_verifier: challenge });
      expect(status === 400, `status ${status}`);
    });
  }
  await tests.test('missing code_verifier', async () => {
    const { code } = await ask({});
    const { status } = await postAs(client, tokens, {
      grant_type: 'authorization_code',
      code,
      redirect_uri: about.redirectUri,
    });
    expect(status === 400, `status ${status}`);
  });
  await tests.test('missing code_challenge', async () => {
    const query = params('');
    delete query.code_challenge;
    delete query.code_challenge_method;
    const { back } = await authorize(endpoint, query, { person: people.doctor, patient: about.patient });
    expect(!back.searchParams.has('code'), 'a code was given');
  });
  await tests.test('invalid code', async () => {
    const { status } = await exchange({ code: 'invalid_code', verifier: pkce().verifier });
    expect([400, 401].includes(status), `status ${status}`);
  });
  await tests.test('invalid client', async () => {
    const { status } = await exchange(await ask({}), {}, { ...client, id: 'invalid_client_id' });
    expect([400, 401].includes(status), `status ${status}`);
  });
  await tests.test('invalid refresh token', async () => {
    const { status } = await postAs(client, tokens, {
      grant_type: 'refresh_token',
      refresh_token: randomUUID(),
    });
    expect([400, 401].includes(status), `status ${status}`);
  });

  for (const [version, scope] of [
    ['v1', 'launch/patient openid fhirUser offline_access patient/*.read'],
    ['v2', 'launch/patient openid fhirUser offline_access patient/*.rs'],
  ]) {
    // prettier-ignore
    tests.group(`g10 scopes ${version}`);
    const token = await launchSteps(tests, about, client, { scope, person: people.doctor });
    await tests.test('patient in context', () =>
      expect(token.patient === about.patient, `patient ${token.patient}`),
    );
    await tests.test('reads and searches the record of the patient', async () => {
      expect((await read(`Patient/${about.patient}`, token.access_token)).status === 200, 'the patient');
      expect(
        (await idsIn('Observation', token.access_token)).every(id => id.startsWith('o-')),
        'others are found',
      );
    });
    await tests.test('no token, no answer', async () => {
      const { status } = await read(`Patient/${about.patient}`);
      expect(status === 401, `status ${status}`);
    });
    await tests.test('writes nothing', async () => {
      const response = await fetch(`${about.base}/Observation`, {
        method: 'POST',
        headers: { authorization: `Bearer ${token.access_token}`, 'content-type': 'application/fhir+json' },
        body: JSON.stringify({ resourceType: 'Observation', status: 'final', code: { text: 'x' } }),
      });
      expect(response.status === 403, `status ${response.status}`);
    });
  }

  tests.group('g10 limited access');
  await tests.test('types that were not approved are refused', async () => {
    const chosen = ['launch/patient', 'patient/Patient.rs', 'patient/Condition.rs', 'patient/Observation.rs'];
    const asked = await ask(
      {
        scope: `launch/patient offline_access patient/Patient.rs patient/Condition.rs patient/Observation.rs patient/AllergyIntolerance.rs`,
      },
      { choose: chosen },
    );
    const { body } = await exchange(asked);
    expect(!body.scope.includes('AllergyIntolerance'), `scope ${body.scope}`);
    for (const [path, status] of [
      [`Patient/${about.patient}`, 200],
      ['Condition', 200],
      ['Observation', 200],
      ['AllergyIntolerance', 403],
      ['AllergyIntolerance/a1', 403],
      ['Procedure', 403],
    ])
      // prettier-ignore
      expect((await read(path, body.access_token)).status === status, `${path} is not ${status}`);
  });

  tests.group('g10 granular scope selection');
  const category = 'http://terminology.hl7.org/CodeSystem/observation-category|';
  const problem = 'http://terminology.hl7.org/CodeSystem/condition-category|problem-list-item';
  const granular = [
    `patient/Condition.rs?category=${problem}`,
    `patient/Observation.rs?category=${category}laboratory`,
    `patient/Observation.rs?category=${category}social-history`,
  ];
  const rest = ['launch/patient', 'openid', 'fhirUser', 'offline_access', 'patient/Patient.rs'];
  let token;
  await tests.test('the choice is offered for Condition and Observation', async () => {
    const browser = new Browser();
    const query = params(pkce().challenge, {
      scope: `${rest.join(' ')} patient/Condition.rs patient/Observation.rs`,
    });
    const signIn = await browser.follow(`${endpoint}?${new URLSearchParams(query)}`);
    const { name, password } = people.doctor;
    const { text } = await browser.submit(signIn.url, { name, password });
    for (const scope of granular) expect(text.includes(`value="${scope}"`), `${scope} is not offered`);
  });
  await tests.test('what was chosen is granted and nothing wider', async () => {
    const asked = await ask(
      { scope: `${rest.join(' ')} patient/Condition.rs patient/Observation.rs` },
      { choose: [...rest, ...granular] },
    );
    ({ body: token } = await exchange(asked));
    const scopes = token.scope.split(' ');
    for (const scope of granular) expect(scopes.includes(scope), `${scope} is not granted`);
    expect(
      !scopes.includes('patient/Observation.rs') && !scopes.includes('patient/Condition.rs'),
      token.scope,
    );
  });
  await tests.test('searches find exactly what matches one of them', async () => {
    const found = JSON.stringify([
      await idsIn('Observation', token.access_token),
      await idsIn('Condition', token.access_token),
    ]);
    expect(found === JSON.stringify([['o-laboratory', 'o-social-history'], ['c-problem']]), found);
    const narrowed = await idsIn(
      `Observation?patient=${about.patient}&category=${category}laboratory`,
      token.access_token,
    );
    expect(JSON.stringify(narrowed) === '["o-laboratory"]', JSON.stringify(narrowed));
  });
  await tests.test('reads show what matches and not what does not', async () => {
    for (const [path, isShown] of [
      ['Observation/o-laboratory', true],
      ['Observation/o-vital-signs', false],
      ['Condition/c-problem', true],
      ['Condition/c-visit', false],
    ])
      // prettier-ignore
      expect(((await read(path, token.access_token)).status === 200) === isShown, path);
  });
  await tests.test('a refreshed token shows the same', async () => {
    const { body } = await postAs(client, tokens, {
      grant_type: 'refresh_token',
      refresh_token: token.refresh_token,
    });
    const found = JSON.stringify(await idsIn('Observation', body.access_token));
    expect(found === '["o-laboratory","o-social-history"]', found);
  });

  tests.group('g10 EHR launch with context');
  await tests.test('banner and style are told', async () => {
    const context = { need_patient_banner: true, smart_style_url: 'https://ehr.example.org/style.json' };
    const { launch } = await fromEhr(about, client, context);
    const { body } = await exchange(await ask({ scope: 'launch openid fhirUser patient/*.rs', launch }));
    for (const [name, value] of Object.entries(context))
      expect(body[name] === value, `${name} ${body[name]}`);
  });

  tests.group('g10 revocation by the patient');
  let revoked;
  await tests.test('the patient takes the access back on the management page', async () => {
    const asked = await ask({}, { person: people.patient });
    ({ body: revoked } = await exchange(asked));
    expect(
      (await read(`Patient/${about.patient}`, revoked.access_token)).status === 200,
      'not readable before',
    );
    const { management_endpoint: manage } = await wellKnown(about);
    const browser = new Browser();
    const signIn = await browser.follow(manage);
    const { name, password } = people.patient;
    const { text } = await browser.submit(signIn.url, { name, password });
    const form = text.split('<form').find(part => part.includes('value="revoke"'));
    const value = field => new RegExp(`name="${field}"\\s+value="([^"]*)"`).exec(form)[1];
    await browser.submit(manage, { do: 'revoke', seal: value('seal'), which: value('which') });
  });
  await tests.test('the access token reads nothing any more', async () => {
    const { status } = await read(`Patient/${about.patient}`, revoked.access_token);
    expect([401, 403, 404].includes(status), `status ${status}`);
  });
  await tests.test('the refresh token gives nothing any more', async () => {
    const { status } = await postAs(client, tokens, {
      grant_type: 'refresh_token',
      refresh_token: revoked.refresh_token,
    });
    expect([400, 401].includes(status), `status ${status}`);
  });
}
