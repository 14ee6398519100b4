// Signing in through another OpenID provider, a real one on a port of its own.
import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { readLoginProviders } from '../../src/auth/login-providers.js';
import { stores } from '../system.js';
import { freePort } from '../free-port.js';
import {
  authorizeParams,
  Browser,
  exchange,
  json,
  openSmartServer,
  password,
  pkce,
  valuesOf,
  type App,
  type SmartServer,
} from './smart-server.js';
import { openUpstreamProvider, type UpstreamProvider } from './upstream-provider.js';

const cli = fileURLToPath(new URL('../../dist/cli.js', import.meta.url));
type At = Awaited<ReturnType<Browser['follow']>>;

for (const store of stores) {
  const absent = store === 'MongoDB' && process.env['MONGODB_URL'] === undefined;
  describe.skipIf(absent)(
    `another provider, on ${store}${absent ? ' (skipped: MONGODB_URL is not set)' : ''}`,
    () => {
      // prettier-ignore
      const folder = mkdtempSync(join(tmpdir(), 'tsela-upstream-'));
      const file = join(folder, 'providers.json');
      let server: SmartServer;
      let ministry: UpstreamProvider;
      let university: UpstreamProvider;
      let forger: UpstreamProvider;
      let app: App;
      beforeAll(async () => {
        const port = await freePort();
        const at = (id: string): string => `http://127.0.0.1:${port}/auth/upstream/${id}`;
        ministry = await openUpstreamProvider(at('ministry'));
        university = await openUpstreamProvider(at('university'));
        forger = await openUpstreamProvider(at('forger'), { foreignKeys: true });
        const entry = (id: string, name: string, { issuer }: { issuer: string }) => ({ id, name, issuer, client_id: 'tsela', client_secret: 'a secret of the two' }); // prettier-ignore
        const gone = { issuer: 'http://127.0.0.1:1' };
        writeFileSync(file, JSON.stringify([entry('ministry', 'Ministry of Health', ministry), entry('university', 'University', university), entry('forger', 'Forger', forger), entry('gone', 'Gone', gone)])); // prettier-ignore
        server = await openSmartServer(store, { port, loginProviders: file });
        app = await server.app();
      });
      afterAll(async () => {
        // What the providers did wrong was logged as failures: that is what is expected of these.
        await server?.stop().catch(() => undefined);
        for (const each of [ministry, university, forger]) await each?.stop();
        rmSync(folder, { recursive: true, force: true });
      });

      /** Begins a launch; answers the page for signing in. */
      const begin = async (browser: Browser, scope = 'openid user/*.rs') => {
        const { verifier, challenge } = pkce();
        const query = authorizeParams(server, app, { scope }, challenge);
        const page = await browser.follow(`${server.origin}/auth/authorize?${query.toString()}`);
        return { page, verifier };
      };
      /** Follows the link to a provider from a page, and back until a page or the app. */
      const through = async (browser: Browser, page: At, id: string): Promise<At> => {
        const [, path = ''] = new RegExp(`href="(/auth/[^"]*/upstream\\?to=${id})"`).exec(page.text!) ?? [];
        const out = await browser.follow(server.origin + path);
        return browser.follow((await browser.follow(out.url)).url);
      };
      const linked = async (name: string, provider: UpstreamProvider, sub: string): Promise<void> => {
        provider.person = { sub, amr: ['pwd'] };
        const browser = new Browser();
        await browser.follow(`${server.origin}/auth/manage`);
        const page = await browser.submit(`${server.origin}/auth/sign-in`, { name, password });
        const asked = await submitForm(
          browser,
          page,
          'link',
          provider === ministry ? 'ministry' : 'university',
        );
        const [, out = ''] = /<a href="([^"]*)">Go on to/.exec(asked.text!) ?? [];
        const back = await browser.follow(out.replaceAll('&amp;', '&'));
        const after = await browser.follow(back.url);
        if (!after.text!.includes(`<code>${sub}</code>`))
          throw new Error(after.text!.replace(/<[^>]*>|\s+/g, ' '));
      };
      const submitForm = (browser: Browser, page: At, doing: string, which?: string): Promise<At> => {
        const forms = page.text!.split('<form').filter(part => part.includes(`value="${doing}"`));
        const form = forms.find(part => which === undefined || part.includes(`value="${which}"`))!;
        const field = (name: string): string =>
          new RegExp(`name="${name}"\\s+value="([^"]*)"`).exec(form)![1]!;
        return browser.submit(`${server.origin}/auth/manage`, { do: doing, seal: field('seal'), which: field('which') }); // prettier-ignore
      };
      const person = async (name: string, more: object = {}) =>
      server.authorization.accounts.add({ name, password, fhirUser: 'Practitioner/doctor', roles: ['doctor'], ...more }); // prettier-ignore

      it('is offered, tells who came, and an app gets that person with how they signed in', async () => {
        await person('mpho');
        await linked('mpho', ministry, 'mpho-at-ministry');
        ministry.person = { sub: 'mpho-at-ministry', amr: ['pwd', 'hwk', 'mfa'] };
        const browser = new Browser();
        const { page, verifier } = await begin(browser);
        expect(page.text).toContain('Sign in with Ministry of Health');
        const consent = await through(browser, page, 'ministry');
        expect(consent.text).toContain('You are signed in as <strong>mpho</strong>');
        const back = await browser.submit(consent.url, {
          answer: 'allow',
          scope: valuesOf(consent.text!, 'scope'),
        });
        const code = new URL(back.url).searchParams.get('code')!;
        const { id_token, access_token } = await json(await exchange(server, app, { code, verifier }));
        const claims = JSON.parse(Buffer.from(id_token.split('.')[1], 'base64url').toString()) as Record<string, unknown>; // prettier-ignore
        expect(claims['sub']).toBe((await server.authorization.accounts.byName('mpho'))!.id);
        expect(claims['amr']).toEqual(['pwd', 'hwk', 'mfa']);
        expect((await server.fhir('Patient/mine', access_token)).status).toBe(200);
      });

      it('signs in to the pages of this server too', async () => {
        await person('thabo');
        await linked('thabo', ministry, 'thabo-at-ministry');
        ministry.person = { sub: 'thabo-at-ministry', amr: ['pwd'] };
        const browser = new Browser();
        const form = await browser.follow(`${server.origin}/auth/manage`);
        const at = await through(browser, form, 'ministry');
        expect(at.text).toContain('You are signed in as <strong>thabo</strong>');
      });

      it('names somebody who is linked to no account here: a clear page, and nobody is signed in', async () => {
        // The same words as an account here has, which is what must not be enough.
        ministry.person = { sub: 'doctor', amr: ['pwd'] };
        for (const start of [
          async (browser: Browser) => (await begin(browser)).page,
          (browser: Browser) => browser.follow(`${server.origin}/auth/manage`),
        ]) {
          // prettier-ignore
          const browser = new Browser();
          const refused = await through(browser, await start(browser), 'ministry');
          expect(refused.response?.status).toBe(403);
          expect(refused.text).toContain('no account here is linked');
          expect((await browser.follow(`${server.origin}/auth/manage`)).text).toContain('name="password"');
        }
      });

      it('knows the same name at another provider as somebody else', async () => {
        await person('lineo');
        await linked('lineo', ministry, 'same-name');
        university.person = { sub: 'same-name', amr: ['pwd'] };
        const browser = new Browser();
        const refused = await through(browser, (await begin(browser)).page, 'university');
        expect(refused.response?.status).toBe(403);
      });

      it('is of no use to who was disabled, and no longer after it was unlinked', async () => {
        const { id } = await person('pontso');
        await linked('pontso', university, 'pontso');
        const status = async (): Promise<number | undefined> => {
          const browser = new Browser();
          return (await through(browser, (await begin(browser)).page, 'university')).response?.status;
        };
        expect(await status()).toBe(200);
        await server.authorization.accounts.change(id, account => ({ ...account, disabled: true }));
        expect(await status()).toBe(403);
        await server.authorization.accounts.change(id, account => ({ ...account, disabled: false }));
        const browser = new Browser();
        await browser.follow(`${server.origin}/auth/manage`);
        const page = await browser.submit(`${server.origin}/auth/sign-in`, { name: 'pontso', password });
        expect((await submitForm(browser, page, 'unlink')).text).not.toContain('Linked:');
        expect(await status()).toBe(403);
      });

      it('does not take the place of the second factor, unless it asked for one', async () => {
        await person('tumelo');
        await linked('tumelo', university, 'tumelo');
        const { newSecondFactor, proposeSecondFactor } = await import('../../src/auth/second-factor.js');
        const { openSecrets } = await import('../../src/auth/secrets.js');
        const { openDocuments } = await import('../../src/system.js');
        const { totpOf } = await import('./people-setup.js');
        const { accounts } = server.authorization;
        const account = (await accounts.byName('tumelo'))!;
        const documents = await openDocuments(server.config);
        const secrets = await openSecrets(documents, undefined).finally(() => documents.close());
        const { secret } = proposeSecondFactor(account);
        const { kept } = newSecondFactor(secrets, secret, totpOf(secret))!;
        await accounts.change(account.id, each => ({ ...each, ...kept }));

        university.person = { sub: 'tumelo', amr: ['pwd'] };
        const browser = new Browser();
        const asked = await through(browser, (await begin(browser)).page, 'university');
        expect(asked.text).toContain('name="code"');
        const { uid } = { uid: new URL(asked.url).pathname.replace(/\/upstream$/, '') };
        expect((await browser.submit(server.origin + uid, { code: '000000' })).response?.status).toBe(401);
        const done = await browser.submit(server.origin + uid, { code: totpOf(secret, 30_000) });
        expect(done.text).toContain('You are signed in as <strong>tumelo</strong>');

        // The same at the pages of this server.
        const own = new Browser();
        const form = await own.follow(`${server.origin}/auth/manage`);
        const code = await through(own, form, 'university');
        expect(code.text).toContain('name="code"');
        const place = `${server.origin}/auth/sign-in/upstream`;
        expect((await own.submit(place, { code: '000000' })).response?.status).toBe(401);
        expect((await new Browser().submit(place, { code: totpOf(secret, 30_000) })).response?.status).toBe(
          400,
        );
        expect((await own.follow(`${server.origin}/auth/manage`)).text).not.toContain('You are signed in');

        university.person = { sub: 'tumelo', amr: ['otp', 'mfa'] };
        const trusted = new Browser();
        const at = await through(trusted, (await begin(trusted)).page, 'university');
        expect(at.text).toContain('You are signed in as <strong>tumelo</strong>');
      });

      it('can be linked anew when the account it was linked to is gone', async () => {
        const { id } = await person('gone');
        await linked('gone', university, 'comes-back');
        await server.authorization.accounts.remove(id);
        await person('back');
        await linked('back', university, 'comes-back');
        const browser = new Browser();
        const at = await through(browser, (await begin(browser)).page, 'university');
        expect(at.text).toContain('You are signed in as <strong>back</strong>');
      });

      it('keeps what belongs to a sign-in sealed', async () => {
        ministry.person = { sub: 'nobody', amr: [] };
        const browser = new Browser();
        const form = await browser.follow(`${server.origin}/auth/manage`);
        const [, path = ''] = /href="(\/auth\/[^"]*\/upstream\?to=ministry)"/.exec(form.text!) ?? [];
        const out = new URL((await browser.follow(server.origin + path)).url);
        const { openDocuments } = await import('../../src/system.js');
        const documents = await openDocuments(server.config);
        const kept = JSON.stringify(await documents.list('upstream-sign-ins'));
        await documents.close();
        expect(kept.length).toBeGreaterThan(100);
        for (const name of ['state', 'nonce']) expect(kept).not.toContain(out.searchParams.get(name));
        expect(kept).not.toContain('verifier');
      });

      it('is asked to sign them in anew where the app asks for that', async () => {
        const askedThere = async (params: Record<string, string>): Promise<string | null> => {
          const browser = new Browser();
          const query = authorizeParams(server, app, { scope: 'openid user/*.rs', params }, pkce().challenge);
          const page = await browser.follow(`${server.origin}/auth/authorize?${query.toString()}`);
          const [, path = ''] = /href="(\/auth\/[^"]*\/upstream\?to=ministry)"/.exec(page.text!) ?? [];
          return new URL((await browser.follow(server.origin + path)).url).searchParams.get('prompt');
        };
        expect([await askedThere({}), await askedThere({ prompt: 'login' })]).toEqual([null, 'login']);
      });

      it('that somebody leaves leads back to the form', async () => {
        ministry.person = undefined;
        const browser = new Browser();
        const back = await through(browser, (await begin(browser)).page, 'ministry');
        expect(back.text).toContain('name="password"');
      });

      describe('is not deceived', () => {
        /** The answer of the provider before it is followed: an address of this server. */
        const answer = async (browser: Browser, id: string): Promise<URL> => {
          const { page } = await begin(browser);
          const [, path = ''] = new RegExp(`href="(/auth/[^"]*/upstream\\?to=${id})"`).exec(page.text!) ?? [];
          const out = await browser.follow(server.origin + path);
          return new URL((await browser.follow(out.url)).url);
        };
        const isSignedIn = async (browser: Browser): Promise<boolean> =>
          (await browser.follow(`${server.origin}/auth/manage`)).text!.includes('You are signed in');
        beforeAll(async () => {
          await person('victim');
          await linked('victim', ministry, 'victim');
          await linked('victim', university, 'victim');
        });

        it('by an answer used twice', async () => {
          ministry.person = { sub: 'victim', amr: ['pwd'] };
          const browser = new Browser();
          const at = await answer(browser, 'ministry');
          const first = await browser.open(at.href);
          const onward = new URL(first.headers.get('location')!, server.origin).href;
          expect((await browser.open(onward)).headers.get('location')).toContain('/auth/authorize/');
          const again = await browser.follow(at.href);
          expect(again.response?.status).toBe(400);
        });

        it('by fifty uses of one answer at once: one signs in', async () => {
          ministry.person = { sub: 'victim', amr: ['pwd'] };
          const browser = new Browser();
          const form = await browser.follow(`${server.origin}/auth/manage`);
          const [, path = ''] = /href="(\/auth\/[^"]*\/upstream\?to=ministry)"/.exec(form.text!) ?? [];
          const out = await browser.follow(server.origin + path);
          const back = await browser.open((await browser.follow(out.url)).url);
          const at = new URL(back.headers.get('location')!, server.origin).href;
          const raced = await Promise.all(Array.from({ length: 50 }, () => browser.open(at)));
          expect(raced.filter(({ status }) => status === 303)).toHaveLength(1);
          expect(raced.filter(({ status }) => status === 400)).toHaveLength(49);
        });

        it('by the answer to another browser, or to another interaction of the same', async () => {
          ministry.person = { sub: 'victim', amr: ['pwd'] };
          const attacker = new Browser();
          const at = await answer(attacker, 'ministry');
          const victim = new Browser();
          expect((await victim.follow(at.href)).response?.status).toBe(400);
          expect(await isSignedIn(victim)).toBe(false);
          // Their own interaction with the state of the other.
          const { page } = await begin(victim);
          const forced = await victim.follow(`${page.url}/upstream${at.search}`);
          expect(forced.text).toContain('name="password"');
          expect(await isSignedIn(victim)).toBe(false);
          // The same for the pages of this server.
          expect((await victim.follow(`${server.origin}/auth/sign-in/upstream${at.search}`)).response?.status).toBe(400); // prettier-ignore
        });

        it('by an answer of one provider at the address of another, or with the wrong issuer', async () => {
          ministry.person = { sub: 'victim', amr: ['pwd'] };
          const browser = new Browser();
          const at = await answer(browser, 'ministry');
          const mixed = at.href.replace('/upstream/ministry', '/upstream/university');
          expect((await browser.follow(mixed)).response?.status).toBe(400);
          at.searchParams.set('iss', university.issuer);
          const wrong = await browser.follow(at.href);
          expect(wrong.text).toContain('name="password"');
          expect(await isSignedIn(browser)).toBe(false);
        });

        it('by an answer without an issuer, or with the code of another sign-in', async () => {
          ministry.person = { sub: 'victim', amr: ['pwd'] };
          const without = new Browser();
          const at = await answer(without, 'ministry');
          at.searchParams.delete('iss');
          expect((await without.follow(at.href)).text).toContain('name="password"');
          // The verifier is that of its own sign-in.
          const [one, two] = [new Browser(), new Browser()];
          const [stolen, own] = [await answer(one, 'ministry'), await answer(two, 'ministry')];
          own.searchParams.set('code', stolen.searchParams.get('code')!);
          expect((await two.follow(own.href)).text).toContain('name="password"');
          expect(await isSignedIn(two)).toBe(false);
        });

        it('by a provider whose keys did not sign the token', async () => {
          forger.person = { sub: 'victim', amr: ['pwd'] };
          const browser = new Browser();
          const at = await answer(browser, 'forger');
          expect((await browser.follow(at.href)).text).toContain('name="password"');
        });

        it('by made-up states and providers', async () => {
          const browser = new Browser();
          for (const path of [
            '/upstream/ministry',
            '/upstream/ministry?state=made-up&code=x',
            '/upstream/nobody?state=x',
            '/sign-in/upstream?state=x',
          ])
            // prettier-ignore
            expect((await browser.follow(`${server.origin}/auth${path}`)).response?.status).toBe(400);
          expect((await browser.follow(`${server.origin}/auth/sign-in/upstream?to=nobody`)).response?.status).toBe(404); // prettier-ignore
        });

        it('into linking somebody who is linked to another account, or from an old session', async () => {
          await person('thief');
          await expect(linked('thief', ministry, 'victim')).rejects.toThrow(/another account/);
          const { id } = await person('late');
          const browser = new Browser();
          await browser.follow(`${server.origin}/auth/manage`);
          const page = await browser.submit(`${server.origin}/auth/sign-in`, { name: 'late', password });
          const { openDocuments } = await import('../../src/system.js');
          const documents = await openDocuments(server.config);
          for (const { key, value } of await documents.list('oidc-Session')) {
            const session = value as { accountId?: string; loginTs: number };
            if (session.accountId === id) await documents.put('oidc-Session', key, { ...session, loginTs: session.loginTs - 3600 }); // prettier-ignore
          }
          await documents.close();
          const asked = await submitForm(browser, page, 'link', 'ministry');
          expect(asked.text).toContain('sign in again');
          expect(asked.text).not.toContain('Go on to');
        });
      });

      it('that does not answer is said not to, and the form stays', async () => {
        const browser = new Browser();
        const { page } = await begin(browser);
        const [, path = ''] = /href="(\/auth\/[^"]*\/upstream\?to=gone)"/.exec(page.text!) ?? [];
        const down = await browser.follow(server.origin + path);
        expect(down.response?.status).toBe(503);
        expect((await browser.follow(page.url)).text).toContain('name="password"');
      });

      it.runIf(store === 'SQLite')('is linked and unlinked by a command', async () => {
        await person('palesa');
        const { MONGODB_URL: _, ...env } = process.env;
        const command = (...args: string[]): string =>
        execFileSync(process.execPath, [cli, 'user', ...args, '--data', server.config.data], { encoding: 'utf8', env: { ...env, TSELA_LOGIN_PROVIDERS: file } }); // prettier-ignore
        expect(command('link', 'palesa', 'ministry', 'palesa-1')).toContain('Ministry of Health');
        ministry.person = { sub: 'palesa-1', amr: [] };
        const browser = new Browser();
        const at = await through(browser, (await begin(browser)).page, 'ministry');
        expect(at.text).toContain('You are signed in as <strong>palesa</strong>');
        expect(() => command('link', 'palesa', 'nobody', 'x')).toThrow(/no provider/);
        expect(command('unlink', 'palesa')).toContain('linked to 1');
        const other = new Browser();
        expect((await through(other, (await begin(other)).page, 'ministry')).response?.status).toBe(403);
      });
    },
  );
}

it('providers are read from their file, and refused with what is wrong', () => {
  const folder = mkdtempSync(join(tmpdir(), 'tsela-providers-'));
  const file = join(folder, 'providers.json');
  const right = { id: 'ministry', name: 'Ministry', issuer: 'https://login.example.org', client_id: 'tsela' };
  const read = (given: unknown) => {
    writeFileSync(file, typeof given === 'string' ? given : JSON.stringify(given));
    return readLoginProviders(file);
  };
  try {
    expect(read([right])).toEqual([
      { id: 'ministry', name: 'Ministry', issuer: right.issuer, clientId: 'tsela', scope: 'openid' },
    ]);
    expect(readLoginProviders(undefined)).toEqual([]);
    for (const [given, why] of [
      ['no json', /no JSON/],
      [{}, /no list/],
      [[right, right], /twice/],
      [[{ ...right, id: 'Ministry!' }], /provider 1: id/],
      [[{ ...right, issuer: 'http://login.example.org' }], /issuer/],
      [[{ ...right, issuer: 'ministry' }], /issuer/],
      [[{ ...right, scope: 'profile' }], /scope/],
      [[{ ...right, secret: 'x' }], /"secret" is not known/],
      [[{ ...right, client_id: undefined }], /client_id/],
    ] as const)
      expect(() => read(given)).toThrow(why);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
});
