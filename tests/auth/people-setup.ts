// People for the tests of invitations, resets and passkeys: their mail, and forms of the pages they see.
import { mkdirSync, mkdtempSync, readFileSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Secret, TOTP } from 'otpauth';
import { expect, vi } from 'vitest';
import { Browser, password, type SmartServer } from './smart-server.js';

/** A folder for mail. */
export const mailFolder = (): string => mkdtempSync(join(tmpdir(), 'tsela-mail-'));
export const removeFolder = (folder: string): void => rmSync(folder, { recursive: true, force: true });

export function emptyFolder(folder: string): void {
  removeFolder(folder);
  mkdirSync(folder);
}

export interface Sent {
  readonly to: string;
  readonly subject: string;
  readonly text: string;
}

export function mailTo(folder: string, address: string): readonly Sent[] {
  return readdirSync(folder)
    .sort()
    .map(name => /^To: (.*)\nSubject: (.*)\n\n([^]*)$/.exec(readFileSync(join(folder, name), 'utf8')))
    .filter(found => found !== null)
    .map(([, to, subject, text]) => ({ to: to!, subject: subject!, text: text! }))
    .filter(({ to }) => to === address);
}

/** The n-th message to the address, once it is there. */
export const mailed = (folder: string, address: string, n = 1): Promise<Sent> =>
  vi.waitFor(
    () => {
      const all = mailTo(folder, address);
      expect(all.length).toBeGreaterThanOrEqual(n);
      return all[n - 1]!;
    },
    { timeout: 120_000, interval: 50 },
  );

/** The link that a text holds. */
export const linkIn = (text: string): string => /https?:\/\/\S+\/password\?link=[\w-]+/.exec(text)![0];

export const inputOf = (page: string, name: string, doing?: string): string => {
  const [form] = page.split('<form').filter(part => doing === undefined || part.includes(`value="${doing}"`)).filter(part => part.includes(`name="${name}"`)); // prettier-ignore
  const [tag] = [...form!.matchAll(/<input\s[^>]*>/g)].map(([each]) => each).filter(each => each.includes(`name="${name}"`)); // prettier-ignore
  return /value="([^"]*)"/.exec(tag!)![1]!;
};

export const totpOf = (secret: string, after = 0): string =>
  new TOTP({ secret: Secret.fromBase32(secret) }).generate({ timestamp: Date.now() + after });

/** Signs in at the pages of the server. */
export async function enter(server: SmartServer, name: string, secret = password, browser = new Browser()) {
  const form = await browser.follow(`${server.origin}/auth/manage`);
  const page = await browser.submit(form.url, { name, password: secret });
  return { browser, page };
}

/** An administrator with the second factor their role demands, signed in at a page. */
export async function administrator(server: SmartServer, name: string, more: object = {}, at = 'people') {
  await server.authorization.accounts.add({ name, password, fhirUser: 'Practitioner/admin', roles: ['administrator'], ...more }); // prettier-ignore
  const browser = new Browser();
  const form = await browser.follow(`${server.origin}/auth/${at}`);
  const set = await browser.submit(form.url, { name, password });
  const secret = inputOf(set.text!, 'secret');
  const codes = await browser.submit(form.url, { secret, code: totpOf(secret) });
  const page = await browser.submit(form.url, { seen: 'yes' });
  return { browser, page, secret, set, codes };
}
