// Consent that is remembered answers the same question again and no wider one, and never hides a choice.
import { expect, it } from 'vitest';
import {
  authorizeParams,
  Browser,
  exchange,
  json,
  onEveryServer,
  password,
  pkce,
  valuesOf,
  type App,
  type LaunchOptions,
  type SmartServer,
} from './smart-server.js';

/** A request up to the first page, or back at the app. */
async function ask(server: SmartServer, app: App, browser: Browser, as: string, options: LaunchOptions = {}) {
  const { verifier, challenge } = pkce();
  const query = authorizeParams(server, app, { scope: 'openid user/*.rs', ...options }, challenge);
  let at = await browser.follow(`${server.origin}/auth/authorize?${query.toString()}`);
  if (at.text?.includes('name="password"')) at = await browser.submit(at.url, { name: as, password });
  return { ...at, verifier };
}

type At = Awaited<ReturnType<typeof ask>>;
const isAsked = ({ text }: At): boolean => text?.includes('name="answer"') === true;
const allow = (browser: Browser, at: At, more: Record<string, string | readonly string[]> = {}) =>
  browser.submit(at.url, { answer: 'allow', scope: valuesOf(at.text!, 'scope'), remember: 'yes', ...more });
const scopeOf = async (server: SmartServer, app: App, { url, verifier }: At): Promise<string[]> => {
  const code = new URL(url).searchParams.get('code') ?? '';
  const { scope } = (await json(await exchange(server, app, { code, verifier }))) as { scope: string };
  return scope.split(' ').sort();
};

onEveryServer('consent that is remembered', server => {
  it('is asked for by the person, and answers the same question and narrower ones', async () => {
    const app = await server().app();
    const browser = new Browser();
    await allow(browser, await ask(server(), app, browser, 'doctor'), { remember: 'no' });
    const second = await ask(server(), app, browser, 'doctor');
    expect(isAsked(second)).toBe(true);
    await allow(browser, second);
    const third = await ask(server(), app, browser, 'doctor');
    expect(await scopeOf(server(), app, third)).toEqual(['openid', 'user/*.rs']);
    const narrower = await ask(server(), app, browser, 'doctor', { scope: 'user/Patient.r' });
    expect(await scopeOf(server(), app, narrower)).toEqual(['user/Patient.r']);
  });

  it('gives what was chosen, not what was asked', async () => {
    const app = await server().app();
    const browser = new Browser();
    const scope = 'openid user/Patient.rs user/Condition.rs';
    await allow(browser, await ask(server(), app, browser, 'doctor', { scope }), { scope: ['user/Patient.rs'] }); // prettier-ignore
    expect(await scopeOf(server(), app, await ask(server(), app, browser, 'doctor', { scope }))).toEqual([
      'user/Patient.rs',
    ]);
    // Nothing of this was allowed: that is a new question.
    expect(isAsked(await ask(server(), app, browser, 'doctor', { scope: 'user/Condition.rs' }))).toBe(true);
  });

  it('is of no use to a wider request, another person, another app, or one that wants to ask', async () => {
    const [app, other] = [await server().app(), await server().app()];
    const browser = new Browser();
    await allow(browser, await ask(server(), app, browser, 'doctor'));
    const asked = async (to: App, options: LaunchOptions = {}) =>
      isAsked(await ask(server(), to, browser, 'doctor', options));
    expect(await asked(app)).toBe(false);
    expect(await asked(app, { scope: 'openid user/*.cruds' })).toBe(true);
    expect(await asked(app, { scope: 'openid fhirUser user/*.rs' })).toBe(true);
    expect(await asked(app, { params: { prompt: 'consent' } })).toBe(true);
    expect(await asked(app, { params: { prompt: 'consent', implied_prompt: 'consent' } })).toBe(true);
    expect(await asked(other)).toBe(true);
    const patient = new Browser();
    expect(isAsked(await ask(server(), app, patient, 'patient'))).toBe(true);
  });

  it('holds for lasting access where that was allowed, and not for one that the app asks to be confirmed', async () => {
    const app = await server().app();
    const browser = new Browser();
    const scope = 'offline_access user/*.rs';
    await allow(browser, await ask(server(), app, browser, 'doctor', { scope }));
    const again = await ask(server(), app, browser, 'doctor', { scope });
    expect(await scopeOf(server(), app, again)).toEqual(['offline_access', 'user/*.rs']);
    const confirmed = { scope, params: { prompt: 'consent' } };
    expect(isAsked(await ask(server(), app, browser, 'doctor', confirmed))).toBe(true);
  });

  it('never chooses a patient', async () => {
    const app = await server().app();
    const scope = 'launch/patient patient/*.rs';
    const doctor = new Browser();
    await allow(doctor, await ask(server(), app, doctor, 'doctor', { scope }), { patient: 'mine' });
    const next = await ask(server(), app, doctor, 'doctor', { scope });
    expect(next.text).toContain('Which patient?');
    const mother = new Browser();
    await allow(mother, await ask(server(), app, mother, 'proxy', { scope }), { patient: 'mine' });
    expect((await ask(server(), app, mother, 'proxy', { scope })).text).toContain('Which patient?');
    const patient = new Browser();
    await allow(patient, await ask(server(), app, patient, 'patient', { scope }));
    expect(isAsked(await ask(server(), app, patient, 'patient', { scope }))).toBe(false);
  });

  it('is not kept for an app that any program on the machine can pretend to be', async () => {
    const params = { redirect_uri: 'http://127.0.0.1:8090/callback' };
    const app = await server().app({ redirectUris: [params.redirect_uri] });
    const browser = new Browser();
    const first = await ask(server(), app, browser, 'doctor', { params });
    expect(first.text).not.toContain('name="remember"');
    await allow(browser, first);
    expect(isAsked(await ask(server(), app, browser, 'doctor', { params }))).toBe(true);
  });

  it('is shown on the page for managing access and ends there, and with the access itself', async () => {
    const app = await server().app({ name: 'Growth chart' });
    const browser = new Browser();
    const fhirUser = 'Practitioner/doctor';
    await server().authorization.accounts.add({ name: 'keeper', password, fhirUser, roles: ['nurse'] });
    const page = `${server().origin}/auth/manage`;
    const act = async (doing: string) => {
      const { text = '' } = await browser.follow(page);
      const [form = ''] = text.split('<form').filter(part => part.includes(`value="${doing}"`));
      const field = (name: string): string => new RegExp(`name="${name}"\\s+value="([^"]*)"`).exec(form)![1]!;
      return browser.submit(page, { do: doing, seal: field('seal'), which: field('which') });
    };
    await allow(browser, await ask(server(), app, browser, 'keeper'));
    expect((await browser.follow(page)).text).toMatch(/Apps you are not asked about[\s\S]*Growth chart/);
    expect((await act('ask-again')).text).not.toContain('Apps you are not asked about');
    const asked = await ask(server(), app, browser, 'keeper');
    expect(isAsked(asked)).toBe(true);
    await allow(browser, asked);
    expect(isAsked(await ask(server(), app, browser, 'keeper'))).toBe(false);
    await act('revoke');
    expect(isAsked(await ask(server(), app, browser, 'keeper'))).toBe(true);
  });
});
