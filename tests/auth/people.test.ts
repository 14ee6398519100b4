// Invitations and new passwords: links that are good once, second factors where a role demands one, and answers that tell
// nothing of who has an account.
import { afterAll, afterEach, beforeAll, expect, it, vi } from 'vitest';
import { openRoles, shipped } from '../../src/auth/roles.js';
import { openDocuments } from '../../src/system.js';
import { administrator, enter, inputOf, emptyFolder, linkIn, mailFolder, mailTo, mailed, removeFolder, totpOf } from './people-setup.js'; // prettier-ignore
import { Browser, onEveryServer, password, refresh, signedIn, type SmartServer } from './smart-server.js';

const folder = mailFolder();
afterAll(() => removeFolder(folder));
afterEach(() => {
  vi.useRealTimers();
});
const many = Array.from({ length: 50 }, (_, i) => i);
const fresh = 'another long password';

const invite = async (
  server: SmartServer,
  page: Pick<Awaited<ReturnType<typeof administrator>>, 'browser' | 'page'>,
  fields: Record<string, string | readonly string[]>,
) =>
  // prettier-ignore
  page.browser.submit(`${server.origin}/auth/people`, {
    do: 'invite',
    seal: inputOf(page.page.text!, 'seal', 'invite'),
    is: 'Practitioner/doctor',
    ...fields,
  });

/** Opens a link and sends its form. */
async function take(link: string, fields: Record<string, string>, browser = new Browser()) {
  const page = await browser.follow(link);
  if (page.response!.status !== 200) return page;
  const to = new URL(link);
  return browser.submit(to.origin + to.pathname, { link: inputOf(page.text!, 'link'), ...fields });
}

const ask = (server: SmartServer, name: string) =>
  new Browser().submit(`${server.origin}/auth/forgotten`, { name });

const person = (server: SmartServer, name: string, more: object = {}) =>
  server.authorization.accounts.add({
    name,
    password,
    fhirUser: 'Practitioner/doctor',
    roles: ['doctor'],
    ...more,
  });

onEveryServer(
  'an invitation',
  server => {
    beforeAll(() => emptyFolder(folder)); // both stores' people have the same addresses
    it('is sent by an administrator, good once, and ends in an account that signs in', async () => {
      const admin = await administrator(server(), 'inviter');
      expect(admin.page.text).toContain('Invite somebody');
      const sent = await invite(server(), admin, { name: 'Lineo', role: 'nurse', mail: 'lineo@example.org' });
      expect(sent.text).toContain('on its way to lineo@example.org');
      expect((await enter(server(), 'Lineo', '')).page.response!.status).toBe(401);
      const message = await mailed(folder, 'lineo@example.org');
      expect(message.text).toContain('under the name Lineo');
      const link = linkIn(message.text);
      expect((await take(link, { fresh: 'short' })).text).toContain('at least 10 characters');
      const done = await take(link, { fresh });
      expect([done.response!.status, done.text]).toEqual([200, expect.stringContaining('sign in as')]);
      expect((await take(link, { fresh: 'yet another password' })).response!.status).toBe(400);
      expect((await enter(server(), 'Lineo', fresh)).page.text).toContain('Your access');
      const account = await server().authorization.accounts.byName('lineo');
      expect(account).toMatchObject({ roles: ['nurse'], fhirUser: 'Practitioner/doctor' });
      expect(account).not.toHaveProperty('invitation');
    });

    it('shows its link where there is no address, and an invitation anew voids the one before', async () => {
      const admin = await administrator(server(), 'again');
      const first = linkIn((await invite(server(), admin, { name: 'Neo', role: 'doctor' })).text!);
      const other = await invite(server(), admin, { name: 'Neo', role: 'nurse' });
      expect((await take(first, { fresh })).response!.status).toBe(400);
      const which = (await server().authorization.accounts.byName('Neo'))!.id;
      const third = await admin.browser.submit(`${server().origin}/auth/people`, {
        do: 'invite-again',
        seal: inputOf(admin.page.text!, 'seal', 'invite'),
        which,
      });
      expect((await take(linkIn(other.text!), { fresh })).response!.status).toBe(400);
      expect((await take(linkIn(third.text!), { fresh })).response!.status).toBe(200);
      expect((await server().authorization.accounts.byName('Neo'))!.roles).toEqual(['nurse']);
      const taken = await invite(server(), admin, { name: 'Neo', role: 'doctor' });
      expect(taken.text).toContain('There is an account');
    });

    it('of a role that demands a second factor is not taken up without one', async () => {
      const admin = await administrator(server(), 'strict');
      const link = linkIn((await invite(server(), admin, { name: 'Chief', role: 'administrator' })).text!);
      const browser = new Browser();
      const page = await browser.follow(link);
      const secret = inputOf(page.text!, 'secret');
      expect((await take(link, { fresh })).response!.status).toBe(400);
      const wrong = await take(link, { fresh, secret, code: '000000' });
      expect([wrong.response!.status, inputOf(wrong.text!, 'secret')]).toEqual([400, secret]);
      const done = await take(link, { fresh, secret, code: totpOf(secret) });
      expect(done.text!.match(/<code>[a-z0-9]{4}-[a-z0-9]{4}-[a-z0-9]{4}<\/code>/g)).toHaveLength(10);
      const at = await browser.follow(`${server().origin}/auth/manage`);
      expect((await browser.submit(at.url, { name: 'Chief', password: fresh })).text).toContain(
        'name="code"',
      );
      const inside = await browser.submit(at.url, { code: totpOf(secret, 30_000) });
      expect(inside.text).toContain('People who can sign in');
      const off = await browser.submit(`${server().origin}/auth/manage`, {
        do: 'no-second-factor',
        seal: inputOf(inside.text!, 'seal', 'no-second-factor'),
        password: fresh,
      });
      expect(off.text).toContain('Your role asks for a second factor');
    });

    it('or a role given later asks for the second factor at the next sign-in, and of nobody who does not know the password', async () => {
      const { id } = await person(server(), 'promoted');
      await server().authorization.accounts.change(id, account => ({ ...account, roles: ['administrator'] }));
      const { browser, page } = await enter(server(), 'promoted');
      expect(page.text).toContain('Your role asks for a second factor');
      const secret = inputOf(page.text!, 'secret');
      const signIn = `${server().origin}/auth/sign-in`;
      const thief = new Browser();
      await thief.follow(signIn);
      for (const fields of [{ secret, code: totpOf(secret) }, { seen: 'yes' }, { code: totpOf(secret) }])
        expect((await thief.submit(signIn, fields)).response!.status).toBe(401);
      expect((await browser.submit(signIn, { seen: 'yes' })).response!.status).toBe(401);
      expect((await browser.submit(signIn, { secret: 'A', code: '000000' })).response!.status).toBe(401);
      // Whoever knew the password of before goes no further.
      const before = await server().authorization.accounts.find(id);
      await server().authorization.accounts.change(id, account => ({
        ...account,
        password: `${account.password}x`,
      }));
      expect((await browser.submit(signIn, { secret, code: totpOf(secret) })).text).toContain(
        'took too long',
      );
      await server().authorization.accounts.change(id, () => before!);
      const on = await browser.submit(signIn, { secret, code: totpOf(secret) });
      expect(on.text).toContain('recovery codes are shown once');
      expect((await browser.submit(signIn, { secret, code: totpOf(secret) })).response!.status).toBe(401);
      expect((await browser.submit(signIn, { seen: 'yes' })).text).toContain('Your access');
      const other = inputOf((await enter(server(), 'doctor')).page.text!, 'secret', 'second-factor');
      const seal = inputOf(
        (await browser.follow(`${server().origin}/auth/manage`)).text!,
        'seal',
        'password',
      );
      const kept = (await server().authorization.accounts.find(id))!.totp;
      await browser.submit(`${server().origin}/auth/manage`, { do: 'second-factor', seal, secret: other, code: totpOf(other) }); // prettier-ignore
      expect((await server().authorization.accounts.find(id))!.totp).toBe(kept);
    });

    it('is void when it is taken back, and is not for others to send', async () => {
      const admin = await administrator(server(), 'taker');
      const link = linkIn((await invite(server(), admin, { name: 'Unwanted', role: 'doctor' })).text!);
      const { id } = (await server().authorization.accounts.byName('Unwanted'))!;
      const form = { seal: inputOf(admin.page.text!, 'seal', 'invite'), which: id };
      await admin.browser.submit(`${server().origin}/auth/people`, { ...form, do: 'disable' });
      expect((await take(link, { fresh })).response!.status).toBe(400);
      const forged = await admin.browser.submit(`${server().origin}/auth/people`, { ...form, do: 'enable', seal: 'x' }); // prettier-ignore
      expect([forged.response!.status, (await server().authorization.accounts.find(id))!.disabled]).toEqual([400, true]); // prettier-ignore
      await person(server(), 'only a doctor');
      const { browser } = await enter(server(), 'only a doctor');
      expect((await browser.follow(`${server().origin}/auth/people`)).response!.status).toBe(403);
      expect((await browser.submit(`${server().origin}/auth/people`, { ...form, do: 'enable' })).response!.status).toBe(403); // prettier-ignore
      expect((await new Browser().submit(`${server().origin}/auth/people`, form)).text).toContain('Sign in');
    });

    it("of a facility's administrator is for that facility, who sees nobody else", async () => {
      await person(server(), 'elsewhere', { facility: 'maseru' });
      await person(server(), 'everywhere');
      const admin = await administrator(server(), 'local', { facility: 'quthing' });
      expect(admin.page.text).not.toContain('elsewhere');
      expect(admin.page.text).not.toContain('everywhere');
      await invite(server(), admin, { name: 'Ours', role: 'doctor', facility: 'maseru' });
      expect((await server().authorization.accounts.byName('Ours'))!.facility).toBe('quthing');
      const { id } = (await server().authorization.accounts.byName('elsewhere'))!;
      await admin.browser.submit(`${server().origin}/auth/people`, { do: 'disable', which: id, seal: inputOf(admin.page.text!, 'seal', 'invite') }); // prettier-ignore
      expect(await server().authorization.accounts.find(id)).not.toHaveProperty('disabled');
    });

    it('gives no more than its sender has, where that is no administrator', async () => {
      const documents = await openDocuments(server().config);
      try {
        const reception = { ...shipped.get('reception')!, abilities: ['people'] };
        await openRoles(documents).set('reception', reception);
        await person(server(), 'front desk', { roles: ['reception'] });
        const { browser } = await enter(server(), 'front desk');
        const page = await browser.follow(`${server().origin}/auth/people`);
        expect([...page.text!.matchAll(/name="role" value="(\w+)"/g)].map(([, role]) => role)).toEqual(['reception', 'patient', 'proxy']); // prettier-ignore
        expect(page.text).not.toContain('>inviter<');
        const as = { browser, page };
        for (const role of ['administrator', 'doctor', 'nobody'])
          expect((await invite(server(), as, { name: `climber ${role}`, role })).text).toContain(role === 'nobody' ? 'nobody' : 'You may not give'); // prettier-ignore
        expect(await server().authorization.accounts.byName('climber doctor')).toBeUndefined();
        const patient = await invite(server(), as, { name: 'a patient', is: 'Patient/mine' });
        expect(patient.text).toContain('Give a patient this link');
        const { id } = (await server().authorization.accounts.byName('doctor'))!;
        await browser.submit(`${server().origin}/auth/people`, { do: 'disable', which: id, seal: inputOf(page.text!, 'seal', 'invite') }); // prettier-ignore
        expect(await server().authorization.accounts.find(id)).not.toHaveProperty('disabled');
      } finally {
        await documents.close();
      }
    });

    it('is good for a week', async () => {
      const admin = await administrator(server(), 'slow');
      const link = linkIn((await invite(server(), admin, { name: 'Late', role: 'doctor' })).text!);
      vi.useFakeTimers({ toFake: ['Date'], now: Date.now() + 7 * 24 * 3_600_000 + 60_000 });
      expect((await take(link, { fresh })).response!.status).toBe(400);
      vi.useRealTimers();
      expect((await take(link, { fresh })).response!.status).toBe(200);
    });

    it('fifty times at once makes one password', async () => {
      const admin = await administrator(server(), 'racer');
      const link = linkIn((await invite(server(), admin, { name: 'Raced', role: 'doctor' })).text!);
      const pages = await Promise.all(many.map(i => take(link, { fresh: `password number ${i}` })));
      const won = many.filter(i => pages[i]!.response!.status === 200);
      expect(won).toHaveLength(1);
      expect((await enter(server(), 'Raced', `password number ${won[0]}`)).page.text).toContain(
        'Your access',
      );
    });
  },
  { mailFolder: folder, limitLogin: undefined },
);

onEveryServer(
  'a new password by mail',
  server => {
    beforeAll(() => emptyFolder(folder));
    it('is asked for by name or address, ends all that was signed in, and leaves the second factor on', async () => {
      const { id } = await person(server(), 'thabo', { mail: 'thabo@example.org' });
      const app = await server().app();
      const tokens = await signedIn(server(), app, { as: 'thabo' });
      const inside = await enter(server(), 'thabo');
      const seal = inputOf(inside.page.text!, 'seal', 'second-factor');
      const secret = inputOf(inside.page.text!, 'secret', 'second-factor');
      await inside.browser.submit(`${server().origin}/auth/manage`, { do: 'second-factor', seal, secret, code: totpOf(secret) }); // prettier-ignore
      expect((await mailed(folder, 'thabo@example.org')).text).toContain('second factor was turned on');
      const before = (await server().authorization.accounts.find(id))!.password;

      expect((await ask(server(), 'THABO@example.org')).text).toContain('If there is such an account');
      const message = await mailed(folder, 'thabo@example.org', 2);
      const link = linkIn(message.text);
      expect((await new Browser().follow(link)).text).toContain('For the account');
      expect((await server().authorization.accounts.find(id))!.password).toBe(before);
      expect((await take(link, { fresh })).response!.status).toBe(200);
      expect((await take(link, { fresh })).response!.status).toBe(400);

      expect((await inside.browser.follow(`${server().origin}/auth/manage`)).text).toContain(
        '<h1>Sign in</h1>',
      );
      expect((await server().fhir('Patient/mine', tokens.access_token)).status).toBe(401);
      expect((await refresh(server(), app, tokens.refresh_token)).status).toBe(400);
      expect((await enter(server(), 'thabo')).page.response!.status).toBe(401);
      const again = await enter(server(), 'thabo', fresh);
      expect(again.page.text).toContain('name="code"');
      expect((await mailed(folder, 'thabo@example.org', 3)).text).toContain('A new password was set');
    });

    it('voids every other link, and so does any other change of the password', async () => {
      await person(server(), 'two', { mail: 'two@example.org' });
      await ask(server(), 'two');
      await ask(server(), 'two@example.org');
      const links = [linkIn((await mailed(folder, 'two@example.org')).text), linkIn((await mailed(folder, 'two@example.org', 2)).text)]; // prettier-ignore
      const pages = await Promise.all(many.map(i => take(links[i % 2]!, { fresh: `password number ${i}` })));
      const won = many.filter(i => pages[i]!.response!.status === 200);
      expect(won).toHaveLength(1);
      expect((await enter(server(), 'two', `password number ${won[0]}`)).page.text).toContain('Your access');
    });

    it('frees a name that was locked by guesses, and tells of passkeys that still sign in', async () => {
      const { id } = await person(server(), 'locked', { mail: 'locked@example.org' });
      const passkeys = [{ id: 'x', name: 'Old phone', publicKey: 'x', counter: 0, created: 0 }];
      await server().authorization.accounts.change(id, account => ({ ...account, passkeys }));
      for (let i = 0; i < 6; i++) await enter(server(), 'locked', `guess ${i}`);
      expect((await enter(server(), 'locked')).page.response!.status).toBe(401);
      await ask(server(), 'locked');
      const done = await take(linkIn((await mailed(folder, 'locked@example.org')).text), { fresh });
      expect(done.text).toContain('Old phone');
      expect((await enter(server(), 'locked', fresh)).page.text).toContain('Your access');
    });

    it('says the same whoever is asked about, and sends nothing to who has no address or may not sign in', async () => {
      await person(server(), 'no address');
      await person(server(), 'locked out', { mail: 'out@example.org' });
      const { id } = (await server().authorization.accounts.byName('locked out'))!;
      await server().authorization.accounts.change(id, account => ({ ...account, disabled: true }));
      const { accounts } = server().authorization;
      await accounts.add({
        name: 'not yet',
        fhirUser: 'Patient/mine',
        roles: ['patient'],
        mail: 'not-yet@example.org',
      });
      await person(server(), 'last', { mail: 'last@example.org' });
      const answers: string[] = [];
      for (const name of ['nobody', 'no address', 'locked out', 'not yet', 'x@y', 'last'])
        answers.push((await ask(server(), name)).text!);
      expect(new Set(answers).size).toBe(1);
      await mailed(folder, 'last@example.org'); // posted after the others
      expect([...mailTo(folder, 'out@example.org'), ...mailTo(folder, 'not-yet@example.org')]).toEqual([]);
    });

    it('is good for half an hour', async () => {
      await person(server(), 'dawdler', { mail: 'dawdler@example.org' });
      await ask(server(), 'dawdler');
      const link = linkIn((await mailed(folder, 'dawdler@example.org')).text);
      vi.useFakeTimers({ toFake: ['Date'], now: Date.now() + 31 * 60_000 });
      expect((await take(link, { fresh })).response!.status).toBe(400);
      vi.useRealTimers();
      expect((await take(link, { fresh })).response!.status).toBe(200);
    });

    it('is sent three times an hour, whatever is typed', async () => {
      await person(server(), 'pestered', { mail: 'pestered@example.org' });
      for (const name of ['pestered', 'pestered', 'pestered@example.org', 'Pestered ', 'pestered'])
        expect((await ask(server(), name)).response!.status).toBe(200);
      await person(server(), 'waiting', { mail: 'waiting@example.org' });
      await ask(server(), 'waiting');
      await mailed(folder, 'waiting@example.org');
      expect(mailTo(folder, 'pestered@example.org')).toHaveLength(3);
    });

    it('comes by no form of another origin, and by no link that was made up', async () => {
      const form = { method: 'POST', body: new URLSearchParams({ name: 'doctor' }) };
      const foreign = await fetch(`${server().origin}/auth/forgotten`, { ...form, headers: { origin: 'https://evil.example' } }); // prettier-ignore
      expect(foreign.status).toBe(400);
      for (const link of ['', 'x', 'x'.repeat(5000)])
        expect((await new Browser().submit(`${server().origin}/auth/password`, { link, fresh })).response!.status).toBe(400); // prettier-ignore
    });

    it('is refused to an address that asks too often, whoever it asks about', async () => {
      const statuses: number[] = [];
      for (let i = 0; i < 31; i++) statuses.push((await ask(server(), `somebody ${i}`)).response!.status);
      expect([statuses.at(-1), statuses[0]]).toEqual([429, 200]);
    });
  },
  { mailFolder: folder, limitLogin: undefined },
);

onEveryServer(
  'a server behind a proxy',
  server => {
    it('counts what is asked by the address of who asks; of IPv6 a /64 is one', async () => {
      const from = async (address: string): Promise<number> => {
        const body = new URLSearchParams({ name: `somebody ${Math.random()}` });
        const headers = { origin: server().origin, 'x-forwarded-for': address, 'x-forwarded-proto': 'http' };
        return (await fetch(`${server().origin}/auth/forgotten`, { method: 'POST', body, headers })).status;
      };
      const statuses = await Promise.all(Array.from({ length: 31 }, (_, i) => from(`2001:db8:0:1::${i}`)));
      expect(statuses.filter(status => status === 429)).toHaveLength(1);
      expect([await from('2001:db8:0:1:ffff::1'), await from('2001:db8:0:2::1')]).toEqual([429, 200]);
    });
  },
  { mailFolder: folder, limitLogin: undefined, trustedProxies: ['127.0.0.0/8', '::1'] },
);

onEveryServer('a server without mail', server => {
  it('says so, and offers no new password', async () => {
    const page = await new Browser().follow(`${server().origin}/auth/forgotten`);
    expect(page.text).toContain('This server sends no mail');
    expect((await ask(server(), 'doctor')).response!.status).toBe(501);
    expect((await new Browser().follow(`${server().origin}/auth/manage`)).text).not.toContain('Forgot');
  });
});
