// An app with the field's own library, fhirclient, in a real Chromium: launched standalone and from the EHR, it reads its
// patient across origins and refreshes. What no HTTP client shows: cookies, CORS, and the policies of the pages.
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { Browser, Page } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import {
  json,
  openSmartServer,
  password,
  signedIn,
  type App,
  type SmartServer,
} from '../auth/smart-server.js';
import { lackingChromium, startChromium } from './chromium.js';
import { fhirclient } from './fhirclient.js';

const library = fhirclient();
const lacking = [
  ...(lackingChromium === undefined ? [] : [lackingChromium]),
  ...(library === undefined ? ['fhirclient, which the registry did not give'] : []),
].join(' and ');

/** The app: one page that launches, one that the browser comes back to. */
const pages = (clientId: string, scope: string): Readonly<Record<string, string>> => ({
  '/launch.html': `<!doctype html><script src="/fhir-client.js"></script><script>
    FHIR.oauth2.authorize({ clientId: ${JSON.stringify(clientId)}, scope: ${JSON.stringify(scope)}, redirectUri: '/index.html', pkceMode: 'required' })
      .catch(error => (document.title = 'failed: ' + error.message));
  </script>`,
  '/index.html': `<!doctype html><script src="/fhir-client.js"></script><script>
    (async () => {
      const client = await FHIR.oauth2.ready();
      const patient = await client.patient.read();
      const user = await client.user.read();
      const labs = await client.request('Observation?category=laboratory&patient=' + client.patient.id);
      const before = client.state.tokenResponse.access_token;
      if (client.state.tokenResponse.refresh_token) await client.refresh();
      const again = await client.patient.read();
      window.result = {
        patient: patient.id, user: user.resourceType + '/' + user.id, labs: (labs.entry || []).map(each => each.resource.id),
        intent: client.state.tokenResponse.intent, isNew: before !== client.state.tokenResponse.access_token, again: again.id,
      };
      document.title = 'ready';
    })().catch(error => (document.title = 'failed: ' + error.message));
  </script>`,
});

describe.skipIf(lacking !== '')(
  `fhirclient in Chromium${lacking === '' ? '' : ` (skipped: without ${lacking})`}`,
  () => {
    const scope = 'openid fhirUser offline_access patient/*.rs user/Practitioner.r';
    let server: SmartServer;
    let browser: Browser;
    let site: Server;
    let app: App;
    let home = '';
    let problems: string[] = [];
    let served: Readonly<Record<string, string>> = {};

    beforeAll(async () => {
      server = await openSmartServer('SQLite');
      site = createServer(({ url = '/' }, response) => {
        const { pathname } = new URL(url, 'http://app');
        if (pathname === '/fhir-client.js')
          return response.setHeader('content-type', 'text/javascript').end(library);
        return response.setHeader('content-type', 'text/html').end(served[pathname] ?? '');
      });
      await new Promise<void>(done => site.listen(0, 'localhost', done));
      home = `http://localhost:${(site.address() as AddressInfo).port}`;
      app = await server.app({ redirectUris: [`${home}/index.html`], launchUri: `${home}/launch.html` });
      browser = await startChromium();
    });
    afterAll(async () => {
      await browser?.close();
      site?.close();
      await server?.stop();
    });

    const open = async (url: string): Promise<Page> => {
      problems = [];
      const page = await (await browser.newContext()).newPage();
      page.on('console', message => message.type() === 'error' && problems.push(message.text()));
      await page.goto(url);
      return page;
    };

    async function signIn(page: Page): Promise<void> {
      await page.getByLabel('Name').fill('doctor');
      await page.getByLabel('Password').fill(password);
      await page.getByRole('button', { name: 'Sign in' }).click();
    }

    async function resultOf(page: Page): Promise<Record<string, unknown>> {
      await page.waitForFunction('/^(?:ready|failed)/.test(document.title)', undefined, {
        timeout: 20_000,
      });
      expect([await page.title(), problems]).toEqual(['ready', []]);
      return page.evaluate<Record<string, unknown>>('window.result');
    }

    it('is launched standalone for a patient who is looked for and chosen', async () => {
      served = pages(app.id, `launch/patient ${scope}`);
      const page = await open(`${home}/launch.html?iss=${encodeURIComponent(server.url)}`);
      await signIn(page);
      await page.getByRole('searchbox').fill('nthako');
      await page.getByRole('button', { name: 'Find' }).click();
      await page.getByRole('radio', { name: /Pule Nthako/ }).check();
      await page.getByRole('button', { name: 'Allow' }).click();
      expect(await resultOf(page)).toMatchObject({
        patient: 'mine',
        user: 'Practitioner/doctor',
        labs: ['lab'],
        isNew: true,
        again: 'mine',
      });
    });

    it('is launched from the EHR with its context', async () => {
      served = pages(app.id, `launch ${scope}`);
      const ehr = await server.app({ launches: true, trusted: true, scopes: ['user/*.rs'] });
      const { access_token: token } = await signedIn(server, ehr, { scope: 'user/*.rs' });
      const response = await fetch(`${server.origin}/auth/launch`, {
        method: 'POST',
        headers: { authorization: `Bearer ${token}` },
        body: JSON.stringify({ client_id: app.id, patient: 'mine', intent: 'review' }),
      });
      const page = await open(((await json(response)) as { launch_uri: string }).launch_uri);
      await signIn(page);
      await page.getByRole('button', { name: 'Allow' }).click();
      expect(await resultOf(page)).toMatchObject({
        patient: 'mine',
        intent: 'review',
        again: 'mine',
        isNew: true,
      });
    });

    it('shows a management page that works without script and with the keyboard', async () => {
      const page = await open(`${server.origin}/auth/manage`);
      await page.getByLabel('Name').fill('doctor');
      await page.getByLabel('Password').fill(password);
      await page.keyboard.press('Enter');
      await page.getByRole('heading', { name: 'Your access' }).waitFor();
      await page.getByRole('button', { name: 'Take back' }).first().click();
      await page.getByRole('heading', { name: 'Your access' }).waitFor();
      expect(problems).toEqual([]);
    });
  },
);
