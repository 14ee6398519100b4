// Signing in: throttling that counts before it looks, the second factor, sessions, and the page where people manage it.
import { Secret, TOTP } from 'otpauth';
import { afterEach, expect, it, vi } from 'vitest';
import {
  Browser,
  authorizeParams,
  json,
  onEveryServer,
  password,
  pkce,
  refresh,
  signedIn,
  type SmartServer,
} from './smart-server.js';

afterEach(() => {
  vi.useRealTimers();
});

const manage = (server: SmartServer): string => `${server.origin}/auth/manage`;

/** Opens the management page as somebody. */
async function managing(server: SmartServer, name: string, code?: string) {
  const browser = new Browser();
  const form = await browser.follow(manage(server));
  let page = await browser.submit(form.url, { name, password });
  if (code !== undefined) page = await browser.submit(form.url, { code });
  return { browser, page };
}

const hidden = (page: string, doing: string, field: string): string => {
  const [form] = page.split('<form').filter(part => part.includes(`value="${doing}"`));
  const [tag] = [...form!.matchAll(/<input\s[^>]*>/g)].map(([each]) => each).filter(each => each.includes(`name="${field}"`)); // prettier-ignore
  return /value="([^"]*)"/.exec(tag!)![1]!;
};

async function attempt(server: SmartServer, name: string, guess: string, browser = new Browser()) {
  const app = await server.app();
  const query = authorizeParams(server, app, {}, pkce().challenge);
  const at = await browser.follow(`${server.origin}/auth/authorize?${query.toString()}`);
  return browser.submit(at.url, { name, password: guess });
}

const person = (server: SmartServer, name: string) =>
  server.authorization.accounts.add({ name, password, fhirUser: 'Practitioner/doctor', roles: ['doctor'] });

onEveryServer('signing in', server => {
  it('is refused alike for a wrong name and a wrong password, and names are without case', async () => {
    await person(server(), 'Thabo');
    const wrong = [await attempt(server(), 'nobody', 'x'), await attempt(server(), 'Thabo', 'x')];
    const texts = wrong.map(({ text }) =>
      text!.replace(/value="(?:nobody|Thabo)"|interaction\/[\w-]+|<strong>[^<]*/g, ''),
    );
    expect(wrong.map(({ response }) => response?.status)).toEqual([401, 401]);
    expect(texts[0]).toBe(texts[1]);
    expect((await attempt(server(), ' THABO ', password)).text).toContain('asks for access');
  });

  it('tries at most five of twenty guesses at once, and is locked then for the right password too, telling nothing', async () => {
    await person(server(), 'target');
    // It is locked for a while only: the clock stands still, however long twenty guesses take.
    vi.useFakeTimers({ toFake: ['Date'], now: Date.now() });
    const atOnce = (guesses: readonly string[]) =>
      Promise.all(guesses.map(async guess => (await attempt(server(), 'target', guess)).response?.status));
    const wrong = Array.from({ length: 10 }, (_, i) => `guess ${i}`);
    // Whoever comes first is tried: the right one is among those that come when five have been.
    for (const guesses of [wrong, [password, ...wrong.slice(1)]])
      expect(new Set(await atOnce(guesses))).toEqual(new Set([401]));
    const locked = await attempt(server(), 'target', password);
    expect(locked.response?.status).toBe(401);
    const unknown = await attempt(server(), 'nobody at all', password);
    expect(locked.text!.match(/role="alert">([^<]*)/)![1]).toBe(
      unknown.text!.match(/role="alert">([^<]*)/)![1],
    );
    expect((await attempt(server(), 'doctor', password)).text).toContain('asks for access');
  });

  it('is not possible for somebody who was disabled', async () => {
    const { id } = await person(server(), 'gone');
    await server().authorization.accounts.change(id, account => ({ ...account, disabled: true }));
    expect((await attempt(server(), 'gone', password)).response?.status).toBe(401);
  });

  it('starts a session under a new id, whatever the browser had before', async () => {
    const { browser } = await managing(server(), 'doctor');
    const planted = await browser.open(`${server().origin}/auth/sign-in`);
    expect(planted.headers.getSetCookie().join()).not.toContain('tsela_session=');
    const again = await browser.submit(`${server().origin}/auth/sign-in`, { name: 'patient', password });
    expect(again.text).toContain('Patient/mine');
  });
});

onEveryServer('the second factor', server => {
  it('is asked for once it was confirmed; each code and recovery code is good once', async () => {
    await person(server(), 'careful');
    const { browser, page } = await managing(server(), 'careful');
    const secret = hidden(page.text!, 'second-factor', 'secret');
    const totp = new TOTP({ secret: Secret.fromBase32(secret) });
    const seal = hidden(page.text!, 'second-factor', 'seal');
    const wrong = await browser.submit(manage(server()), {
      do: 'second-factor',
      seal,
      secret,
      code: '000000',
    });
    expect(wrong.text).toContain('The code is not right');
    const code = totp.generate();
    const on = await browser.submit(manage(server()), { do: 'second-factor', seal, secret, code });
    const codes = [...on.text!.matchAll(/<code>([a-z0-9]{4}-[a-z0-9]{4}-[a-z0-9]{4})<\/code>/g)].map(
      ([, each]) => each!,
    );
    expect(codes).toHaveLength(10);
    expect((await managing(server(), 'careful')).page.text).toContain('name="code"');
    expect((await managing(server(), 'careful', code)).page.response?.status).toBe(401);
    expect((await managing(server(), 'careful', codes[0])).page.text).toContain('Your access');
    expect((await managing(server(), 'careful', codes[0])).page.response?.status).toBe(401);
    const later = totp.generate({ timestamp: Date.now() + 30_000 });
    expect((await managing(server(), 'careful', later)).page.text).toContain('Your access');
    expect((await managing(server(), 'careful', later)).page.response?.status).toBe(401);
  });

  it('is tried at most five times at once', async () => {
    const { id } = await person(server(), 'guessed');
    const { browser, page } = await managing(server(), 'guessed');
    const secret = hidden(page.text!, 'second-factor', 'secret');
    const totp = new TOTP({ secret: Secret.fromBase32(secret) });
    const seal = hidden(page.text!, 'second-factor', 'seal');
    await browser.submit(manage(server()), { do: 'second-factor', seal, secret, code: totp.generate() });
    for (let i = 0; i < 5; i++)
      expect((await managing(server(), 'guessed', `00000${i}`)).page.response?.status).toBe(401);
    const right = totp.generate({ timestamp: Date.now() + 30_000 });
    expect((await managing(server(), 'guessed', right)).page.response?.status).toBe(401);
    expect((await server().authorization.accounts.find(id))?.totp).not.toContain(secret);
  });
});

onEveryServer('the page for managing access', server => {
  it('lists what was approved and takes it back', async () => {
    const app = await server().app({ name: 'Growth chart' });
    const body = await signedIn(server(), app, { as: 'patient' });
    expect((await server().fhir('Patient/mine', body.access_token)).status).toBe(200);
    const { browser, page } = await managing(server(), 'patient');
    expect(page.text).toContain('Growth chart');
    const fields = {
      do: 'revoke',
      seal: hidden(page.text!, 'revoke', 'seal'),
      which: hidden(page.text!, 'revoke', 'which'),
    };
    const forged = await browser.submit(manage(server()), { ...fields, seal: 'forged' });
    expect(forged.response?.status).toBe(400);
    expect((await server().fhir('Patient/mine', body.access_token)).status).toBe(200);
    const after = await browser.submit(manage(server()), fields);
    expect(after.text).not.toContain('Growth chart');
    expect((await server().fhir('Patient/mine', body.access_token)).status).toBe(401);
    expect((await refresh(server(), app, body.refresh_token)).status).toBe(400);
  });

  it('ends sessions, and all others with a new password', async () => {
    await person(server(), 'moving');
    const [here, there] = [await managing(server(), 'moving'), await managing(server(), 'moving')];
    const seal = hidden(here.page.text!, 'password', 'seal');
    const change = (present: string) =>
      here.browser.submit(manage(server()), {
        do: 'password',
        seal,
        password: present,
        fresh: 'another long password',
      });
    expect((await change('wrong')).text).toContain('not right');
    expect((await change(password)).text).toContain('was changed');
    expect((await there.browser.follow(manage(server()))).text).toContain('name="password"');
    expect((await here.browser.follow(manage(server()))).text).toContain('Your access');
    const page = await here.browser.follow(manage(server()));
    await here.browser.submit(manage(server()), {
      do: 'end-session',
      seal,
      which: hidden(page.text!, 'end-session', 'which'),
    });
    expect((await here.browser.follow(manage(server()))).text).toContain('<h1>Sign in</h1>');
  });
});

onEveryServer('a server', server => {
  it('signs with new keys after a rotation, and what was signed or issued before stays good', async () => {
    const app = await server().app();
    const before = await signedIn(server(), app);
    const jwks = async () =>
      (await json(await fetch(`${server().origin}/auth/jwks`))).keys as { kid: string; d?: string }[];
    const old = await jwks();
    await server().authorization.rotateKeys();
    const all = await jwks();
    expect(all).toHaveLength(old.length + 2);
    expect(all.map(({ kid }) => kid)).toEqual(expect.arrayContaining(old.map(({ kid }) => kid)));
    expect(all.every(key => key.d === undefined)).toBe(true);
    expect((await server().fhir('Patient/mine', before.access_token)).status).toBe(200);
    expect((await refresh(server(), app, before.refresh_token)).status).toBe(200);
    const { id_token } = await signedIn(server(), app);
    const { kid } = JSON.parse(Buffer.from(id_token.split('.')[0], 'base64url').toString()) as {
      kid: string;
    };
    expect(old.map(each => each.kid)).not.toContain(kid);
  });

  it('describes itself as its provider does, and truly', async () => {
    const smart = await json(
      await server().fhir('.well-known/smart-configuration', undefined, {
        headers: { accept: 'application/fhir+json' },
      }),
    );
    const paths = ['/auth/.well-known/openid-configuration', '/.well-known/oauth-authorization-server/auth'];
    for (const path of paths) {
      const provider = await json(await fetch(server().origin + path));
      for (const [name, value] of Object.entries(smart)) {
        if (name === 'scopes_supported') expect(value).toEqual(expect.arrayContaining(provider[name]));
        else if (!['capabilities', 'management_endpoint', 'associated_endpoints'].includes(name))
          expect([name, value]).toEqual([name, provider[name]]);
      }
    }
    expect(smart.code_challenge_methods_supported).toEqual(['S256']);
    const { rest } = await json(await server().fhir('metadata'));
    const [uris] = rest[0].security.extension;
    expect(uris.extension).toContainEqual({ url: 'token', valueUri: smart.token_endpoint });
  });

  it('lets an app register itself once with a token, for what the token allows', async () => {
    const token = await server().authorization.registrationToken([
      'openid',
      'launch/patient',
      'patient/*.rs',
    ]);
    const register = (bearer: string, more: object = {}) =>
      fetch(`${server().origin}/auth/register`, {
        method: 'POST',
        headers: { 'content-type': 'application/json', authorization: `Bearer ${bearer}` },
        body: JSON.stringify({
          client_name: 'Registered',
          redirect_uris: ['https://app.example.org/after'],
          token_endpoint_auth_method: 'client_secret_basic',
          scope: 'openid launch/patient patient/*.cruds system/*.cruds',
          allowed_scopes: 'system/*.cruds',
          introspect: true,
          launches: true,
          trusted: true,
          ...more,
        }),
      });
    expect((await register('made-up')).status).toBe(401);
    const response = await register(token);
    const client = await json(response);
    expect([response.status, client.allowed_scopes, client.introspect]).toEqual([
      201,
      'openid launch/patient patient/*.rs',
      false,
    ]);
    const kept = await server().authorization.clients.find(client.client_id);
    expect(kept?.secret).not.toBe(client.client_secret);
    expect(kept).not.toHaveProperty('trusted');
    expect((await register(token)).status).toBe(401);
    const app = {
      id: client.client_id as string,
      secret: client.client_secret as string,
      kind: 'secret' as const,
    };
    const body = await signedIn(server(), app, { scope: 'openid launch/patient patient/*.cruds' });
    expect(body.scope.split(' ').sort()).toEqual(['launch/patient', 'openid', 'patient/*.rs']);
  });
});
