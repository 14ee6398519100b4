// Somebody who works here finds a patient, opens an app, and the app gets that patient.
import { expect, it } from 'vitest';
import {
  authorizeParams,
  Browser,
  exchange,
  facilityAt,
  json,
  onEveryServer,
  password,
  pkce,
  serviceToken,
  valuesOf,
  type SmartServer,
} from './smart-server.js';

const pageOf = (server: SmartServer): string => `${server.origin}/auth/apps`;

async function signedInAs(server: SmartServer, name: string): Promise<Browser> {
  const browser = new Browser();
  await browser.follow(`${server.origin}/auth/manage`);
  await browser.submit(`${server.origin}/auth/sign-in`, { name, password });
  return browser;
}

onEveryServer('the page that opens apps', server => {
  it('finds a patient, opens an app at a visit, and the app gets both', async () => {
    const app = await server().app({ name: 'Growth chart', launchUri: 'https://app.example.org/launch?x=1' });
    const browser = await signedInAs(server(), 'doctor');
    const found = await browser.follow(`${pageOf(server())}?q=nthako`);
    expect(found.text).toContain('Pule Nthako');
    expect(found.text).not.toContain('Neo Letsie');
    const [, link = ''] = /href="(\/auth\/apps\?patient=[^"]*)"/.exec(found.text!) ?? [];
    const chosen = await browser.follow(server().origin + link);
    expect(chosen.text).toContain('Growth chart');
    expect(chosen.response?.headers.get('content-security-policy')).toContain("form-action 'self' https://app.example.org"); // prettier-ignore
    const [seal = ''] = valuesOf(chosen.text!, 'seal');
    const opened = await browser.submit(pageOf(server()), { seal, patient: 'mine', app: app.id, encounter: 'visit' }); // prettier-ignore
    const at = new URL(opened.url);
    expect(at.origin + at.pathname).toBe('https://app.example.org/launch');
    expect([at.searchParams.get('x'), at.searchParams.get('iss')]).toEqual(['1', server().url]);

    const { verifier, challenge } = pkce();
    const query = authorizeParams(server(), app, { scope: 'launch patient/*.rs', params: { launch: at.searchParams.get('launch')! } }, challenge); // prettier-ignore
    const consent = await browser.follow(`${server().origin}/auth/authorize?${query.toString()}`);
    expect(consent.text).not.toContain('Which patient?');
    const back = await browser.submit(consent.url, { answer: 'allow', scope: valuesOf(consent.text!, 'scope') }); // prettier-ignore
    const code = new URL(back.url).searchParams.get('code')!;
    expect(await json(await exchange(server(), app, { code, verifier }))).toMatchObject({
      patient: 'mine',
      encounter: 'visit',
      need_patient_banner: true,
    });
  });

  it('offers apps that can be opened for a patient, and takes no other', async () => {
    const without = await server().app({ name: 'Without an address' });
    const unasked = await server().app({ name: 'Without the scope', launchUri: 'https://app.example.org/l', scopes: ['patient/*.rs'] }); // prettier-ignore
    await server().app({ name: 'Right one', launchUri: 'https://app.example.org/l' });
    const browser = await signedInAs(server(), 'doctor');
    const { text = '' } = await browser.follow(`${pageOf(server())}?patient=mine`);
    expect(text).toContain('Right one');
    expect(text).not.toMatch(/Without an address|Without the scope/);
    const [seal = ''] = valuesOf(text, 'seal');
    for (const app of [without.id, unasked.id, 'made-up', ''])
      expect((await browser.submit(pageOf(server()), { seal, patient: 'mine', app })).response?.status).toBe(400); // prettier-ignore
  });

  it('is for people who work here, by its own form, for whom they may see', async () => {
    const app = await server().app({ launchUri: 'https://app.example.org/launch' });
    const nobody = await new Browser().follow(`${pageOf(server())}?patient=mine`);
    expect(nobody.text).toContain('name="password"');
    for (const name of ['patient', 'proxy']) {
      const browser = await signedInAs(server(), name);
      const refused = await browser.follow(`${pageOf(server())}?patient=mine`);
      expect(refused.response?.status).toBe(403);
      expect(refused.text).not.toContain('Nthako');
    }
    const browser = await signedInAs(server(), 'doctor');
    const [seal = ''] = valuesOf((await browser.follow(`${pageOf(server())}?patient=mine`)).text!, 'seal');
    const status = async (fields: Record<string, string>) =>
      (await browser.submit(pageOf(server()), { seal, patient: 'mine', app: app.id, ...fields })).response?.status; // prettier-ignore
    expect(await status({ seal: 'forged' })).toBe(400);
    expect(await status({ patient: 'nobody' })).toBe(404);
    expect(await status({ encounter: 'nowhere' })).toBe(400);
    expect(await status({ patient: 'other', encounter: 'visit' })).toBe(400);
    const foreign = await browser.follow(pageOf(server()), {
      method: 'POST',
      headers: { origin: 'https://evil.example' },
      body: new URLSearchParams({ seal, patient: 'mine', app: app.id }),
    });
    expect(foreign.response?.status).toBe(400);
  });

  it('is at the address of the facility, for people who belong to one', async () => {
    const base = await facilityAt(server(), 'quthing');
    const token = await serviceToken(server(), 'system/*.cruds', { fields: { resource: base } });
    const put = await fetch(`${base}/Patient/there`, {
      method: 'PUT',
      headers: { authorization: `Bearer ${token}`, 'content-type': 'application/fhir+json' },
      body: JSON.stringify({ resourceType: 'Patient', id: 'there', name: [{ family: 'Ramaili' }] }),
    });
    expect(put.status).toBe(201);
    const app = await server().app({ launchUri: 'https://app.example.org/launch' });
    const fhirUser = 'Practitioner/doctor';
    await server().authorization.accounts.add({ name: 'local', password, fhirUser, roles: ['doctor'], facility: 'quthing' }); // prettier-ignore
    const browser = await signedInAs(server(), 'local');
    expect((await browser.follow(pageOf(server()))).text).toMatch(/Ramaili(?![\s\S]*Nthako)/);
    expect((await browser.follow(`${pageOf(server())}?patient=mine`)).response?.status).toBe(404);
    const [seal = ''] = valuesOf((await browser.follow(`${pageOf(server())}?patient=there`)).text!, 'seal');
    const opened = await browser.submit(pageOf(server()), { seal, patient: 'there', app: app.id });
    const at = new URL(opened.url);
    expect(at.searchParams.get('iss')).toBe(base);
    const { verifier, challenge } = pkce();
    const params = { launch: at.searchParams.get('launch')!, aud: base };
    const query = authorizeParams(server(), app, { scope: 'launch patient/*.rs', params }, challenge);
    const consent = await browser.follow(`${server().origin}/auth/authorize?${query.toString()}`);
    const back = await browser.submit(consent.url, { answer: 'allow', scope: valuesOf(consent.text!, 'scope') }); // prettier-ignore
    const code = new URL(back.url).searchParams.get('code')!;
    const { access_token: theirs, patient } = await json(await exchange(server(), app, { code, verifier }));
    expect(patient).toBe('there');
    const read = await fetch(`${base}/Patient/there`, { headers: { authorization: `Bearer ${theirs}` } });
    expect(read.status).toBe(200);
  });

  it('shows a role that sees no patients none', async () => {
    const fhirUser = 'Practitioner/doctor';
    await server().authorization.accounts.add({ name: 'nothing', password, fhirUser, roles: [] });
    const browser = await signedInAs(server(), 'nothing');
    expect((await browser.follow(pageOf(server()))).text).toContain('No patient was found.');
    expect((await browser.follow(`${pageOf(server())}?patient=mine`)).response?.status).toBe(404);
  });
});
