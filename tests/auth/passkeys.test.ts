// Passkeys on the level of HTTP: making and using them, and every attack that an authenticator, a page of others or another
// person could try. tests/browser/passkeys.test.ts has them in a real browser.
import { generateKeyPairSync } from 'node:crypto';
import { afterEach, expect, it, vi } from 'vitest';
import { freePort } from '../free-port.js';
import { authenticator, questionIn, type Authenticator, type Lies } from './authenticator.js';
import { administrator, enter, inputOf } from './people-setup.js';
import { Browser, authorizeParams, onEveryServer, password, pkce, type SmartServer } from './smart-server.js';

afterEach(() => {
  vi.useRealTimers();
});

/** Passkeys belong to a name, so that the server needs one. */
const port = await freePort();
const origin = `http://localhost:${port}`;
const named = { port, baseUrl: origin, limitLogin: undefined };

const person = (server: SmartServer, name: string, more: object = {}) =>
  server.authorization.accounts.add({ name, password, fhirUser: 'Practitioner/doctor', roles: ['doctor'], ...more }); // prettier-ignore

/** Adds a passkey at the management page. */
async function adding(page: string, browser: Browser, key: Authenticator, lies: Lies = {}) {
  return browser.submit(`${origin}/auth/manage`, {
    do: 'passkey',
    seal: inputOf(page, 'seal', 'passkey'),
    called: 'My phone',
    passkey: key.create(questionIn(page, 'create'), lies),
  });
}

async function owner(server: SmartServer, name: string) {
  await person(server, name);
  const { browser, page } = await enter(server, name);
  const key = authenticator(origin);
  const added = await adding(page.text!, browser, key);
  expect(added.text).toContain('The passkey was added');
  return { browser, key, page: added, added: page };
}

/** A page of sign-in with its question, in a browser of its own. */
async function asked(browser = new Browser()) {
  const page = await browser.follow(`${origin}/auth/manage`);
  return { browser, url: page.url, question: questionIn(page.text!, 'get') };
}

/** Signs in at the pages of the server. */
async function using(key: Authenticator, lies: Lies = {}) {
  const { browser, url, question } = await asked();
  const page = await browser.submit(url, { passkey: key.get(question, lies) });
  return { browser, page, status: page.response!.status };
}

onEveryServer(
  'a passkey',
  server => {
    it('is added, signs in as both factors at once, is listed, and is removed', async () => {
      await administrator(server(), 'chief', {}, 'manage');
      const { browser, page, secret } = await administrator(server(), 'keyed', {}, 'manage');
      expect(secret).not.toBe('');
      const key = authenticator(origin);
      const added = await adding(page.text!, browser, key);
      expect(added.text).toContain('My phone');
      const inside = await using(key);
      expect([inside.status, inside.page.text]).toEqual([
        200,
        expect.stringContaining('<strong>keyed</strong>'),
      ]);
      const app = await server().app();
      const query = authorizeParams(server(), app, {}, pkce().challenge);
      const other = new Browser();
      const at = await other.follow(`${origin}/auth/authorize?${query.toString()}`);
      const consent = await other.submit(at.url, { passkey: key.get(questionIn(at.text!, 'get')) });
      expect(consent.text).toContain('asks for access');
      const removed = await browser.submit(`${origin}/auth/manage`, {
        do: 'no-passkey',
        seal: inputOf(added.text!, 'seal', 'no-passkey'),
        which: key.id,
      });
      expect(removed.text).not.toContain('My phone');
      expect((await using(key)).status).toBe(401);
    });

    it('is one of several, each with a name; the same credential is nobody’s second', async () => {
      const mine = await owner(server(), 'several');
      const second = authenticator(origin);
      const both = await adding(mine.page.text!, mine.browser, second);
      expect(both.text!.match(/My phone/g)).toHaveLength(2);
      expect([(await using(mine.key)).status, (await using(second)).status]).toEqual([200, 200]);
      const again = await adding(both.text!, mine.browser, second);
      expect(again.text).toContain('not accepted');
      await person(server(), 'borrower');
      const { browser, page } = await enter(server(), 'borrower');
      const theirs = await adding(page.text!, browser, second);
      expect(theirs.text).toContain('not accepted');
    });

    it('is added and removed only by who signed in a moment ago', async () => {
      const { browser, page, key } = await owner(server(), 'left open');
      vi.useFakeTimers({ toFake: ['Date'], now: Date.now() + 16 * 60_000 });
      const stale = await adding(page.text!, browser, authenticator(origin));
      expect(stale.text).not.toContain('added');
      expect(stale.text).toContain('to add or remove one');
      await browser.submit(`${origin}/auth/manage`, { do: 'no-passkey', seal: inputOf(page.text!, 'seal', 'passkey'), which: key.id }); // prettier-ignore
      vi.useRealTimers();
      expect((await server().authorization.accounts.byName('left open'))!.passkeys).toHaveLength(1);
    });

    it('is not made by an answer to another question', async () => {
      await person(server(), 'maker');
      const { browser, page } = await enter(server(), 'maker');
      const elsewhere = await enter(server(), 'maker');
      const cases: readonly (readonly [what: string, lies: Lies])[] = [
        ['another session’s challenge', { challenge: questionIn(elsewhere.page.text!, 'create').challenge }],
        ['a challenge for signing in', { challenge: (await asked()).question.challenge }],
        ['a made-up challenge', { challenge: Buffer.from('anything').toString('base64url') }],
        ['another origin', { origin: 'https://evil.example' }],
        ['another server', { rpId: 'evil.example' }],
        ['no user verification', { isVerified: false }],
        ['the other ceremony', { type: 'webauthn.get' }],
        ['certificates, which would be fetched', { attestation: new Map<string, unknown>([['alg', -7], ['sig', Buffer.alloc(64)], ['x5c', [Buffer.alloc(100)]]]) }], // prettier-ignore
      ];
      for (const [what, lies] of cases) {
        const at = await browser.follow(`${origin}/auth/manage`);
        const answer = await adding(at.text!, browser, authenticator(origin), lies);
        expect([what, /passkey was added/.test(answer.text!)]).toEqual([what, false]);
      }
      const fine = await adding(page.text!, browser, authenticator(origin));
      expect(fine.text).toContain('was added');
      const twice = await adding(page.text!, browser, authenticator(origin));
      expect(twice.text).toContain('not accepted'); // the same challenge
      for (const nonsense of [
        '',
        '{}',
        '[]',
        'null',
        '{"id":"x","response":{}}',
        '{"id":1,"response":null}',
      ]) {
        const seal = inputOf(page.text!, 'seal', 'passkey');
        const answer = await browser.submit(`${origin}/auth/manage`, { do: 'passkey', seal, passkey: nonsense }); // prettier-ignore
        expect([nonsense, answer.text!.includes('not accepted')]).toEqual([nonsense, true]);
      }
      expect((await server().authorization.accounts.byName('maker'))!.passkeys).toHaveLength(1);
    });

    it('does not sign in by a lie', async () => {
      const { key } = await owner(server(), 'honest');
      const other = await owner(server(), 'other');
      const elsewhere = await asked();
      const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
      const cases: readonly (readonly [what: string, lies: Lies])[] = [
        ['another origin', { origin: 'https://evil.example' }],
        ['another port', { origin: `http://localhost:${port + 1}` }],
        ['another server', { rpId: 'evil.example' }],
        ['another form’s challenge', { challenge: elsewhere.question.challenge }],
        ['a challenge for making one', { challenge: questionIn(other.page.text!, 'create').challenge }],
        ['a made-up challenge', { challenge: Buffer.from('anything').toString('base64url') }],
        ['no user verification', { isVerified: false }],
        ['the other ceremony', { type: 'webauthn.create' }],
        ["another account's name on one's own credential", { userHandle: other.key.userHandle() }],
        ["another account's credential", { id: other.key.id }],
        ["another account's name and credential", { id: other.key.id, userHandle: other.key.userHandle() }],
        ['a key that is not the one', { key: privateKey }],
        ['no such account', { userHandle: Buffer.from('nobody').toString('base64url') }],
      ];
      for (const [what, lies] of cases) expect([what, (await using(key, lies)).status]).toEqual([what, 401]);
      expect((await using(key)).status).toBe(200);
      for (const nonsense of ['', '{}', 'null', '{"id":"x","response":{"clientDataJSON":"e30"}}']) {
        const { browser, url } = await asked();
        expect([nonsense, (await browser.submit(url, { passkey: nonsense })).response!.status]).toEqual([nonsense, 401]); // prettier-ignore
      }
    });

    it('whose counter goes back is not believed: there are two of it', async () => {
      const { key } = await owner(server(), 'cloned');
      expect((await using(key, { counter: 41 })).status).toBe(200);
      expect((await using(key, { counter: 41 })).status).toBe(401);
      expect((await using(key, { counter: 40 })).status).toBe(401);
      expect((await using(key, { counter: 0 })).status).toBe(401);
      expect((await using(key, { counter: 42 })).status).toBe(200);
      const [kept] = (await server().authorization.accounts.byName('cloned'))!.passkeys!;
      expect(kept!.counter).toBe(42);
    });

    it('does not sign in who was disabled, and its answer not twice, not in fifty forms at once', async () => {
      const { key } = await owner(server(), 'watched');
      const { browser, url, question } = await asked();
      const answer = key.get(question, { counter: 0 });
      const pages = await Promise.all(Array.from({ length: 50 }, () => browser.open(url, { method: 'POST', body: new URLSearchParams({ passkey: answer }) }))); // prettier-ignore
      expect(pages.filter(({ status }) => status === 303)).toHaveLength(1);
      expect(pages.filter(({ status }) => status === 401)).toHaveLength(49);
      const thief = await asked();
      expect((await thief.browser.submit(thief.url, { passkey: answer })).response!.status).toBe(401);
      const { id } = (await server().authorization.accounts.byName('watched'))!;
      await server().authorization.accounts.change(id, account => ({ ...account, disabled: true }));
      expect((await using(key, { counter: 0 })).status).toBe(401);
    });

    it('is what a role demands: the password alone sets up no other second factor', async () => {
      const { key } = await owner(server(), 'raised');
      const { id } = (await server().authorization.accounts.byName('raised'))!;
      await server().authorization.accounts.change(id, account => ({ ...account, roles: ['administrator'] }));
      const { page } = await enter(server(), 'raised');
      expect([page.response!.status, page.text]).toEqual([401, expect.stringContaining('sign in with your passkey')]); // prettier-ignore
      expect(page.text).not.toContain('name="secret"');
      expect((await using(key)).page.text).toContain('People who can sign in');
    });

    it('answers within ten minutes', async () => {
      const { key } = await owner(server(), 'asleep');
      const { browser, url, question } = await asked();
      vi.useFakeTimers({ toFake: ['Date'], now: Date.now() + 11 * 60_000 });
      expect((await browser.submit(url, { passkey: key.get(question) })).response!.status).toBe(401);
      vi.useRealTimers();
      const again = await browser.submit(url, { passkey: key.get(question) });
      expect(again.text).toContain('Your access');
    });

    it('comes with a script of this server and no other', async () => {
      const page = await new Browser().follow(`${origin}/auth/manage`);
      const policy = page.response!.headers.get('content-security-policy');
      expect(policy).toMatch(/^default-src 'none'; style-src 'self'; script-src 'self'; form-action 'self';/);
      expect(page.text!.match(/<script[^>]*>/g)).toEqual(['<script src="/auth/passkey.js" defer>']);
      const script = await fetch(`${origin}/auth/passkey.js`);
      expect(script.headers.get('content-type')).toContain('text/javascript');
    });
  },
  named,
);

onEveryServer('a server without a name', server => {
  it('offers no passkeys', async () => {
    const { page } = await enter(server(), 'doctor');
    expect(page.text).not.toContain('Passkeys');
    const form = await new Browser().follow(`${server().origin}/auth/manage`);
    expect(form.text).not.toContain('data-passkey');
    const refused = await new Browser().submit(`${server().origin}/auth/sign-in`, { passkey: '{}' });
    expect(refused.text).not.toContain('Your access');
  });
});
