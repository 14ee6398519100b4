// What another process changes reaches tokens that are in use here: within ten seconds, over the network, although what a
// token means is remembered. The documents are opened a second time, as another process or a command opens them. The clock
// stands still until it is put forward, however long the machine takes.
import { afterAll, afterEach, beforeAll, expect, it, vi } from 'vitest';
import { openAccounts } from '../../src/auth/accounts.js';
import { openApprovals } from '../../src/auth/approvals.js';
import { openClients } from '../../src/auth/clients.js';
import { endSession, liveSessions } from '../../src/auth/oidc-adapter.js';
import { openRoles, shipped } from '../../src/auth/roles.js';
import type { Documents } from '../../src/storage/documents.js';
import { openDocuments } from '../../src/system.js';
import { json, onEveryServer, password, post, signedIn, type SmartServer } from './smart-server.js';

const tenSecondsPass = (): void => void vi.setSystemTime(Date.now() + 10_000);
const nothing = (): void => undefined;

onEveryServer('a token in use here', server => {
  let elsewhere: Documents;
  beforeAll(async () => {
    elsewhere = await openDocuments(server().config);
  });
  afterAll(async () => elsewhere?.close());
  afterEach(() => {
    vi.useRealTimers();
  });
  const stopClock = (): void => void vi.useFakeTimers({ toFake: ['Date'], now: Date.now() });
  const inUse = async (name: string, scope = 'openid offline_access user/*.rs') => {
    const fhirUser = 'Practitioner/doctor';
    const account = await server().authorization.accounts.add({ name, password, fhirUser, roles: ['nurse'] });
    const app = await server().app();
    const body = (await signedIn(server(), app, { as: name, scope })) as { access_token: string; refresh_token: string }; // prettier-ignore
    const status = async () => (await server().fhir('Observation/lab', body.access_token)).status;
    expect(await status()).toBe(200);
    return { account, app, body, status };
  };
  const refreshed = async (app: Awaited<ReturnType<SmartServer['app']>>, token: string) =>
    (await post(server(), 'token', app, { grant_type: 'refresh_token', refresh_token: token })).status;

  it('means less within ten seconds of a role change elsewhere', async () => {
    stopClock();
    const { status, body } = await inUse('of-a-role');
    const nurse = shipped.get('nurse')!;
    await openRoles(elsewhere).set('nurse', { ...nurse, permissions: [{ types: ['Patient'], may: 'rs' }] });
    tenSecondsPass();
    expect(await status()).toBe(403);
    expect((await server().fhir('Patient/mine', body.access_token)).status).toBe(200);
    await openRoles(elsewhere).reset('nurse');
    tenSecondsPass();
    expect(await status()).toBe(200);
  });

  it('ends within ten seconds when elsewhere its account is disabled, its approval taken back, its client removed, its session ended, or it is revoked', async () => {
    stopClock();
    const [disabled, takenBack, removed, session, revoked] = await Promise.all([
      inUse('to-be-disabled'),
      inUse('to-be-taken-back'),
      inUse('to-be-removed'),
      inUse('to-be-ended', 'openid online_access user/*.rs'),
      inUse('to-be-revoked'),
    ]);
    const accounts = openAccounts(elsewhere, nothing);
    await accounts.change(disabled.account.id, account => ({ ...account, disabled: true }));
    const approvals = openApprovals(elsewhere, nothing);
    for (const approval of await approvals.of(takenBack.account.id)) await approvals.end(approval);
    await openClients(elsewhere, nothing).remove(removed.app.id);
    for (const { uid } of await liveSessions(elsewhere, session.account.id))
      await endSession(elsewhere, uid, nothing);
    const { createHash } = await import('node:crypto');
    const key = createHash('sha256').update(revoked.body.access_token).digest('base64url');
    expect(await elsewhere.delete('oidc-AccessToken', key)).toBe(true);
    const all = [disabled, takenBack, removed, session, revoked];
    tenSecondsPass();
    expect(await Promise.all(all.map(({ status }) => status()))).toEqual([401, 401, 401, 401, 401]);
    expect(await refreshed(disabled.app, disabled.body.refresh_token)).toBe(400);
    expect(await refreshed(takenBack.app, takenBack.body.refresh_token)).toBe(400);
    expect(await refreshed(removed.app, removed.body.refresh_token)).toBe(401);
    expect(await refreshed(session.app, session.body.refresh_token)).toBe(400);
    // The access token alone was revoked there.
    expect(await refreshed(revoked.app, revoked.body.refresh_token)).toBe(200);
    const introspecting = await server().app({ kind: 'secret', redirectUris: [], scopes: ['system/*.rs'], introspect: true }); // prettier-ignore
    for (const { body } of all)
      expect(await json(await post(server(), 'introspect', introspecting, { token: body.access_token }))).toEqual({ active: false }); // prettier-ignore
  });
});
