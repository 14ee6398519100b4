// Fifty at once with the same secret: exactly one wins, on every store.
import { expect, it } from 'vitest';
import {
  assertion,
  exchange,
  json,
  launch,
  onEveryServer,
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
});
