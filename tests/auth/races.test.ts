// Fifty at once with the same secret: exactly one wins, on every store.
import { expect, it } from 'vitest';
import {
  assertion,
  authorizeParams,
  Browser,
  exchange,
  json,
  launch,
  onEveryServer,
  pkce,
  refresh,
  signedIn,
  tokenRequest,
} from './smart-server.js';

const many = Array.from({ length: 50 }, (_, i) => i);
const winners = async (responses: readonly Promise<Response>[]): Promise<Response[]> =>
  (await Promise.all(responses)).filter(({ status }) => status === 200);

onEveryServer('fifty at once', server => {
  it('with one code: one gets a token, and it ends with what it was issued under', async () => {
    const app = await server().app();
    const launched = await launch(server(), app);
    const won = await winners(many.map(() => exchange(server(), app, launched)));
    expect(won).toHaveLength(1);
    const { access_token: token, refresh_token } = await json(won[0]!);
    expect((await server().fhir('Patient/mine', token)).status).toBe(401);
    expect((await refresh(server(), app, refresh_token)).status).toBe(400);
  });

  it('with one refresh token: one gets the next, and the family ends', async () => {
    const app = await server().app();
    const { refresh_token: first } = await signedIn(server(), app);
    const won = await winners(many.map(() => refresh(server(), app, first)));
    expect(won).toHaveLength(1);
    const { refresh_token: next } = await json(won[0]!);
    expect((await refresh(server(), app, next)).status).toBe(400);
  });

  it('with one assertion: one gets a token', async () => {
    const app = await server().app({ kind: 'key', redirectUris: [], scopes: ['system/*.rs'] });
    const fields = {
      grant_type: 'client_credentials',
      scope: 'system/*.rs',
      client_assertion_type: 'urn:ietf:params:oauth:client-assertion-type:jwt-bearer',
      client_assertion: await assertion(server(), app),
    };
    expect(await winners(many.map(() => tokenRequest(server(), app, fields)))).toHaveLength(1);
  });

  it('with one launch of an EHR: one gets a code', async () => {
    const app = await server().app({ trusted: true, launchUri: 'https://app.example.org/launch' });
    const ehr = await server().app({ launches: true, trusted: true, scopes: ['user/*.rs'] });
    const browser = new Browser();
    const { access_token: token } = await signedIn(server(), ehr, { scope: 'user/*.rs', browser });
    const started = await fetch(`${server().origin}/auth/launch`, {
      method: 'POST',
      headers: { authorization: `Bearer ${token}` },
      body: JSON.stringify({ client_id: app.id, patient: 'mine' }),
    });
    const { launch: value } = (await json(started)) as { launch: string };
    const options = { scope: 'launch patient/*.rs', params: { launch: value } };
    const query = authorizeParams(server(), app, options, pkce().challenge).toString();
    const ends = await Promise.all(
      many.map(() => browser.follow(`${server().origin}/auth/authorize?${query}`)),
    );
    // The others are told so, or, where the session's cookie was being changed, asked to sign in.
    expect(ends.filter(({ url }) => new URL(url).searchParams.has('code'))).toHaveLength(1);
    expect((await launch(server(), app, { ...options, browser })).back.searchParams.get('error')).toBe('invalid_request'); // prettier-ignore
  });
});
