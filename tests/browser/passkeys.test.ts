// Passkeys in a real Chromium with its virtual authenticator: added at the management page, used there and on the way to an
// app, under the pages' own policy. https://www.w3.org/TR/webauthn-3/#sctn-automation
import type { Browser, CDPSession, Page } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { authorizeParams, openSmartServer, password, pkce, type SmartServer } from '../auth/smart-server.js';
import { freePort } from '../free-port.js';
import { lackingChromium, startChromium } from './chromium.js';

describe.skipIf(lackingChromium !== undefined)(
  `passkeys in Chromium${lackingChromium === undefined ? '' : ` (skipped: without ${lackingChromium})`}`,
  () => {
    let server: SmartServer;
    let browser: Browser;
    let problems: string[] = [];

    beforeAll(async () => {
      const port = await freePort();
      server = await openSmartServer('SQLite', { port, baseUrl: `http://localhost:${port}` });
      browser = await startChromium();
    });
    afterAll(async () => {
      await browser?.close();
      await server?.stop();
    });

    /** A page with a device of its own that has a fingerprint reader. */
    async function device(isUserVerified = true): Promise<{ page: Page; cdp: CDPSession; id: string }> {
      problems = [];
      const page = await (await browser.newContext()).newPage();
      // A refusal is a 401, which the browser tells of too.
      page.on('console', message => message.type() === 'error' && !/401/.test(message.text()) && problems.push(message.text())); // prettier-ignore
      page.on('pageerror', error => problems.push(error.message));
      const cdp = await page.context().newCDPSession(page);
      await cdp.send('WebAuthn.enable');
      const { authenticatorId: id } = await cdp.send('WebAuthn.addVirtualAuthenticator', {
        options: { protocol: 'ctap2', transport: 'internal', hasResidentKey: true, hasUserVerification: true, isUserVerified, automaticPresenceSimulation: true }, // prettier-ignore
      });
      return { page, cdp, id };
    }

    async function signIn(page: Page, name: string): Promise<void> {
      await page.goto(`${server.origin}/auth/manage`);
      await page.getByLabel('Name').fill(name);
      await page.getByLabel('Password').fill(password);
      await page.getByRole('button', { name: 'Sign in', exact: true }).click();
      await page.getByRole('heading', { name: 'Your access' }).waitFor();
    }

    const add = async (page: Page, name: string): Promise<void> => {
      await page.getByLabel('What to call it').fill(name);
      await page.getByRole('button', { name: 'Add a passkey' }).click();
      await page.getByText('The passkey was added').waitFor();
    };

    it('is added, signs in to an app without name, password and code, and is removed', async () => {
      const { page, cdp, id } = await device();
      await signIn(page, 'doctor');
      await add(page, 'My laptop');
      const { credentials } = await cdp.send('WebAuthn.getCredentials', { authenticatorId: id });
      expect(credentials).toMatchObject([{ isResidentCredential: true, rpId: 'localhost' }]);

      await page.context().clearCookies();
      await page.goto(`${server.origin}/auth/manage`);
      await page.getByRole('button', { name: 'Sign in with a passkey' }).click();
      await page.getByRole('heading', { name: 'Your access' }).waitFor();
      expect(await page.getByText('doctor', { exact: true }).count()).toBe(1);

      await page.context().clearCookies();
      const app = await server.app();
      const query = authorizeParams(server, app, {}, pkce().challenge);
      await page.goto(`${server.origin}/auth/authorize?${query.toString()}`);
      await page.getByRole('button', { name: 'Sign in with a passkey' }).click();
      await page.getByRole('heading', { name: 'Allow An app?' }).waitFor();

      await page.goto(`${server.origin}/auth/manage`);
      await page.context().clearCookies();
      await signIn(page, 'doctor');
      await page
        .getByRole('row', { name: /My laptop/ })
        .getByRole('button', { name: 'Remove' })
        .click();
      await page.getByText('My laptop').waitFor({ state: 'detached' });
      await page.context().clearCookies();
      await page.goto(`${server.origin}/auth/manage`);
      await page.getByRole('button', { name: 'Sign in with a passkey' }).click();
      await page.getByText('The passkey was not accepted').waitFor();
      expect(problems).toEqual([]);
    });

    it('is not to be had without user verification; the page says so and works on', async () => {
      const { page, cdp, id } = await device();
      await signIn(page, 'patient');
      await add(page, 'Phone');
      await page.context().clearCookies();
      await cdp.send('WebAuthn.setUserVerified', { authenticatorId: id, isUserVerified: false });
      await page.goto(`${server.origin}/auth/manage`);
      await page.getByRole('button', { name: 'Sign in with a passkey' }).click();
      await page.getByText('The passkey did not answer').waitFor();
      await signIn(page, 'patient');
      expect(problems).toEqual([]);
    });

    it('leaves the pages as they were where there is no script', async () => {
      const context = await browser.newContext({ javaScriptEnabled: false });
      const page = await context.newPage();
      await signIn(page, 'proxy');
      expect(await page.getByRole('button', { name: 'Add a passkey' }).isVisible()).toBe(false);
      await page.getByRole('button', { name: 'End' }).first().click();
      expect(await page.getByRole('button', { name: 'Sign in with a passkey' }).isVisible()).toBe(false);
    });
  },
);
