// docs/people.md is true: its commands are run, and what they make signs in.
import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { readConfig } from '../../src/config.js';
import { settings } from '../../src/settings.js';
import { enter, inputOf, linkIn, mailed } from './people-setup.js';
import { Browser, openSmartServer, type SmartServer } from './smart-server.js';

const root = fileURLToPath(new URL('../..', import.meta.url));
const page = readFileSync(join(root, 'docs/people.md'), 'utf8');
const blocks = [...page.matchAll(/^```sh\n([\s\S]*?)^```$/gm)].map(match => match[1]!.trim().split('\n'));

const folder = mkdtempSync(join(tmpdir(), 'tsela-people-'));
const mail = join(folder, 'mail');
let server: SmartServer;
beforeAll(async () => {
  server = await openSmartServer('SQLite', { data: join(folder, 'data'), mailFolder: mail });
});
afterAll(async () => {
  await server?.stop();
  rmSync(folder, { recursive: true, force: true });
});

/** Runs a line of the page on the server's data; answers what it printed. */
function command(line: string): string {
  const { MONGODB_URL: _, ...env } = process.env;
  const args = [join(root, 'dist/cli.js'), ...line.split(' ').slice(1), '--data', join(folder, 'data')];
  return execFileSync(process.execPath, args, {
    cwd: folder,
    encoding: 'utf8',
    env: { ...env, TSELA_MAIL_FOLDER: mail, TSELA_BASE_URL: server.origin },
  });
}

async function chosen(link: string, fresh: string): Promise<string> {
  const browser = new Browser();
  const form = await browser.follow(link);
  const set = await browser.submit(`${server.origin}/auth/password`, { link: inputOf(form.text!, 'link'), fresh }); // prettier-ignore
  return set.text!;
}

it('invites by mail and by link, and adds with a password', async () => {
  const [mpho, pule, lineo] = blocks[0]!.map(command) as [string, string, string];
  expect(mpho).toContain('The server sends the invitation to mpho@example.org');
  const sent = await mailed(mail, 'mpho@example.org');
  expect(await chosen(linkIn(sent.text), 'a password of mpho')).toContain('sign in as');
  expect(await chosen(linkIn(pule), 'a password of pule')).toContain('sign in as');
  expect((await enter(server, 'pule', 'a password of pule')).page.text).toContain('Patient/pule');
  const again = command('tsela user invite lineo --is RelatedPerson/lineo --patient pule');
  expect(await chosen(linkIn(lineo), 'a password of lineo').catch(() => 'void')).toBe('void');
  expect(command('tsela user list')).toMatch(/^lineo\tRelatedPerson\/lineo\tproxy\tinvited$/m);
  expect(await chosen(linkIn(again), 'a password of lineo')).toContain('sign in as');

  const [add, mailTo, list] = blocks[1]!.map(command) as [string, string, string];
  const [, password] = /Password {2}(\S+)/.exec(add)!;
  expect((await enter(server, 'thabo', password)).page.text).toContain('Your access');
  expect(mailTo).toContain('thabo@example.org');
  expect(list).toMatch(/^thabo\tPractitioner\/thabo\tnurse$/m);

  await new Browser().submit(`${server.origin}/auth/forgotten`, { name: 'thabo@example.org' });
  const reset = await mailed(mail, 'thabo@example.org');
  expect(await chosen(linkIn(reset.text), 'another password of thabo')).toContain('The password is set');
  expect(command('tsela user mail thabo')).toContain('no mail');
});

it('names settings, pages and subtypes that there are', async () => {
  const env = Object.fromEntries(blocks[2]!.map(line => line.split(/=(.*)/s) as [string, string]));
  expect(readConfig({}, env)).toMatchObject({
    smtpUrl: env['TSELA_SMTP_URL'],
    mailFrom: env['TSELA_MAIL_FROM'],
  });
  const known = Object.values(settings).map(row => row.env);
  const named = [...page.matchAll(/TSELA_\w+/g)].map(([name]) => name.replace(/_FILE$/, ''));
  expect(named.filter(name => !known.includes(name))).toEqual([]);
  for (const [path] of page.matchAll(/(?<=`)\/auth\/\w+/g))
    expect([path, (await fetch(server.origin + path)).status]).toEqual([path, 200]);
});
