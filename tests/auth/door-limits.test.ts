// The doors under /auth: how often one address may knock, what it is told then, and that the audit trail knows it.
import { afterAll, beforeAll, expect, it } from 'vitest';
import {
  authorizeParams,
  json,
  openSmartServer,
  pkce,
  tokenRequest,
  type SmartServer,
} from './smart-server.js';

const hour = 3_600_000;
let server: SmartServer;
beforeAll(async () => {
  const limits = { limitLogin: { count: 3, per: hour }, limitToken: { count: 2, per: hour } };
  server = await openSmartServer('SQLite', { trustedProxies: ['127.0.0.1'], ...limits });
});
afterAll(async () => server?.stop());

const from = (address: string): Record<string, string> => ({ 'x-forwarded-for': address });

it('the token endpoint answers 429 after so many, to this address alone', async () => {
  const app = await server.app({ kind: 'secret', redirectUris: [], scopes: ['system/*.rs'] });
  const ask = (address: string, grantType = 'client_credentials') =>
    tokenRequest(server, app, { grant_type: grantType, scope: 'system/*.rs' }, from(address));
  expect((await ask('192.0.2.1')).status).toBe(200);
  expect((await ask('192.0.2.1', 'nonsense')).status).toBe(400); // failures count too
  const refused = await ask('192.0.2.1');
  expect(refused.status).toBe(429);
  expect(Number(refused.headers.get('retry-after'))).toBeGreaterThan(1700);
  expect(await json(refused)).toMatchObject({
    resourceType: 'OperationOutcome',
    issue: [{ code: 'throttled' }],
  });
  expect((await ask('192.0.2.2')).status).toBe(200);
});

it.each(['token', 'introspect', 'revoke', 'register', 'par', 'launch'])(
  'programs that ask at /%s are told so as programs are, and are not counted with the forms of people',
  async endpoint => {
    const ask = () =>
      fetch(`${server.origin}/auth/${endpoint}`, {
        method: 'POST',
        body: new URLSearchParams({ token: 'x' }),
        headers: from(`192.0.2.${endpoint.length * 10 + endpoint.charCodeAt(0)}`),
      });
    const statuses = [(await ask()).status, (await ask()).status];
    expect(statuses).not.toContain(429);
    const refused = await ask();
    expect(refused.status).toBe(429);
    expect(refused.headers.get('content-type')).toContain('json');
  },
);

it('forms answer with a page, before the password is looked at', async () => {
  const app = await server.app();
  const query = authorizeParams(server, app, {}, pkce().challenge).toString();
  const begun = await fetch(`${server.origin}/auth/authorize?${query}`, { redirect: 'manual' });
  const action = new URL(begun.headers.get('location')!, server.origin).href;
  const cookie = begun.headers.getSetCookie().map(each => each.split(';')[0]!).join('; '); // prettier-ignore
  const guess = (address: string): Promise<Response> =>
    fetch(action, {
      method: 'POST',
      body: new URLSearchParams({ name: 'nobody', password: 'a wrong password' }),
      headers: { cookie, origin: server.origin, ...from(address) },
    });
  for (let i = 0; i < 3; i++) expect((await guess('192.0.2.9')).status).toBe(401);
  const refused = await guess('192.0.2.9');
  expect(refused.status).toBe(429);
  expect(refused.headers.get('retry-after')).toMatch(/^\d+$/);
  expect(refused.headers.get('content-type')).toContain('text/html');
  expect(refused.headers.get('content-security-policy')).toContain("default-src 'none'");
  expect(await refused.text()).toContain('try again');
  expect((await guess('192.0.2.10')).status).toBe(401);
});

it('what happens there is in the audit trail with the address it came from', async () => {
  const reader = await server.app({ kind: 'secret', redirectUris: [], scopes: ['system/*.rs'] });
  const { access_token: token } = await json(
    await tokenRequest(
      server,
      reader,
      { grant_type: 'client_credentials', scope: 'system/*.rs' },
      from('192.0.2.55'),
    ),
  );
  const found = await json(await server.fhir('AuditEvent?address=192.0.2.55', token));
  expect(found.entry?.length).toBeGreaterThan(0);
  expect(found.entry[0].resource.agent[0].network).toEqual({ address: '192.0.2.55', type: '2' });
});
