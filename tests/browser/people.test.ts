// The pages by which somebody comes to an account, in a real Chromium without script: an administrator invites, the link is
// opened, a password is chosen and with it the second factor that the role demands.
import type { Browser, Page } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { mailFolder, mailed, linkIn, removeFolder, totpOf } from '../auth/people-setup.js';
import { openSmartServer, password, type SmartServer } from '../auth/smart-server.js';
import { lackingChromium, startChromium } from './chromium.js';

describe.skipIf(lackingChromium !== undefined)(
  `people in Chromium${lackingChromium === undefined ? '' : ` (skipped: without ${lackingChromium})`}`,
  () => {
    const folder = mailFolder();
    let server: SmartServer;
    let browser: Browser;
    beforeAll(async () => {
      server = await openSmartServer('SQLite', { mailFolder: folder });
      await server.authorization.accounts.add({ name: 'chief', password, fhirUser: 'Practitioner/chief', roles: ['administrator'] }); // prettier-ignore
      browser = await startChromium();
    });
    afterAll(async () => {
      await browser?.close();
      await server?.stop();
      removeFolder(folder);
    });

    const open = async (url: string): Promise<Page> => {
      const page = await (await browser.newContext({ javaScriptEnabled: false })).newPage();
      await page.goto(url);
      return page;
    };
    const signIn = async (page: Page, name: string, secret: string): Promise<void> => {
      await page.getByLabel('Name').fill(name);
      await page.getByLabel('Password').fill(secret);
      await page.getByRole('button', { name: 'Sign in' }).click();
    };
    /** The secret that the page shows, confirmed by a code of it. */
    const turnOn = async (page: Page): Promise<string> => {
      const secret = (await page.locator('p code').first().textContent())!;
      await page.getByLabel('Code').fill(totpOf(secret));
      return secret;
    };

    it('are invited, choose a password with a second factor, and ask for a new one', async () => {
      const page = await open(`${server.origin}/auth/people`);
      await signIn(page, 'chief', password);
      await turnOn(page);
      await page.getByRole('button', { name: 'Turn on' }).click();
      await page.getByRole('button', { name: 'I have kept them' }).click();
      await page.getByRole('heading', { name: 'People' }).waitFor();
      await page.getByLabel('Name to sign in with').fill('deputy');
      await page.getByLabel('Who that is in the records').fill('Practitioner/deputy');
      await page.getByLabel('administrator').check();
      await page.getByLabel('E-mail address').fill('deputy@example.org');
      await page.getByRole('button', { name: 'Invite', exact: true }).click();
      await page.getByText('on its way to deputy@example.org').waitFor();
      expect(await page.getByRole('row', { name: /deputy/ }).textContent()).toContain('invited');

      const welcome = await open(linkIn((await mailed(folder, 'deputy@example.org')).text));
      await welcome.getByRole('heading', { name: 'Welcome' }).waitFor();
      await welcome.getByLabel('New password').fill('a password of the deputy');
      const secret = await turnOn(welcome);
      await welcome.getByRole('button', { name: 'Set the password' }).click();
      await welcome.getByRole('link', { name: 'Sign in' }).click();
      await signIn(welcome, 'deputy', 'a password of the deputy');
      await welcome.getByLabel('Code').fill(totpOf(secret, 30_000));
      await welcome.getByRole('button', { name: 'Go on' }).click();
      await welcome.getByRole('heading', { name: 'Your access' }).waitFor();

      const forgotten = await open(`${server.origin}/auth/manage`);
      await forgotten.getByRole('link', { name: 'Forgot the password?' }).click();
      await forgotten.getByLabel('Name, or e-mail address').fill('deputy');
      await forgotten.getByRole('button', { name: 'Send a link' }).click();
      await forgotten.getByRole('heading', { name: 'Look at your mail' }).waitFor();
      await forgotten.goto(linkIn((await mailed(folder, 'deputy@example.org', 2)).text));
      await forgotten.getByLabel('New password').fill('another of the deputy');
      await forgotten.getByRole('button', { name: 'Set the password' }).click();
      await forgotten.getByRole('heading', { name: 'The password is set' }).waitFor();
      await welcome.reload();
      await welcome.getByRole('heading', { name: 'Sign in' }).waitFor();
    });
  },
);
