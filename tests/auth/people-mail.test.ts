// Letters by a real mail server: one that is away when a new password is asked for, and comes later; what of it all is in
// the audit trail; and that a letter that waits holds no name, no address and no link.
import { SMTPServer } from 'smtp-server';
import { afterAll, beforeAll, expect, it, vi } from 'vitest';
import { createLog } from '../../src/audit/log.js';
import { mkdtempSync, readFileSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { freePort } from '../free-port.js';
import { inputOf, linkIn } from './people-setup.js';
import { Browser, json, openSmartServer, password, serviceToken, type SmartServer } from './smart-server.js';

const folder = mkdtempSync(join(tmpdir(), 'tsela-letters-'));
let server: SmartServer;
let smtp: SMTPServer | undefined;
let port: number;
const received: string[] = [];
const limit = { timeout: 120_000 };

beforeAll(async () => {
  port = await freePort();
  const log = createLog({ logLevel: 'debug' }, join(folder, 'log'));
  const mail = { smtpUrl: `smtp://127.0.0.1:${port}`, mailFrom: 'tsela@example.org' };
  server = await openSmartServer('SQLite', { data: join(folder, 'data'), ...mail }, log);
  await server.authorization.accounts.add({ name: 'Mathabo', password, fhirUser: 'Practitioner/doctor', roles: ['doctor'], mail: 'mathabo@example.org' }); // prettier-ignore
});
afterAll(async () => {
  await server?.stop();
  smtp?.close();
  rmSync(folder, { recursive: true, force: true });
});

function openMail(): void {
  smtp = new SMTPServer({
    disabledCommands: ['AUTH', 'STARTTLS'],
    disableReverseLookup: true,
    onData(stream, { envelope }, done) {
      let text = envelope.rcptTo.map(({ address }) => address).join();
      stream.on('data', (chunk: Buffer) => (text += chunk.toString()));
      stream.on('end', () => {
        // A link may be broken into lines.
        received.push(text.replace(/=\r\n/g, '').replace(/=3D/g, '='));
        done();
      });
    },
  });
  smtp.listen(port, '127.0.0.1');
}

const everythingIn = (path: string): string =>
  readdirSync(path, { recursive: true, withFileTypes: true })
    .filter(entry => entry.isFile())
    .map(entry => readFileSync(join(entry.parentPath, entry.name), 'latin1'))
    .join();

it('waits for a mail server that is away, while the answer is what it always is', async () => {
  const ask = (name: string) => new Browser().submit(`${server.origin}/auth/forgotten`, { name });
  const [known, unknown] = [await ask('mathabo@example.org'), await ask('nobody-knows@example.org')];
  expect([known.response!.status, unknown.response!.status]).toEqual([200, 200]);
  expect(known.text).toBe(unknown.text);
  const logged = (): string => readFileSync(join(folder, 'log'), 'utf8');
  await vi.waitFor(() => expect(logged()).toContain('A message could not be sent'), limit);
  const kept = everythingIn(join(folder, 'data'));
  for (const text of ['nobody-knows@example.org', '/password?link='])
    expect([text, kept.includes(text), logged().includes(text)]).toEqual([text, false, false]);
  expect(logged()).not.toContain('mathabo');

  openMail();
  await vi.waitFor(() => expect(received).toHaveLength(1), limit);
  const [message] = received;
  expect(message).toContain('mathabo@example.org');
  const link = linkIn(message!);
  const page = await new Browser().follow(link);
  const fresh = 'another long password';
  const done = await new Browser().submit(`${server.origin}/auth/password`, { link: inputOf(page.text!, 'link'), fresh }); // prettier-ignore
  expect(done.text).toContain('The password is set');
  await vi.waitFor(() => expect(received).toHaveLength(2), limit);
  expect(received[1]).toContain('Your account has changed');
  expect(received[1]).not.toContain('/password?link=');
  const after = everythingIn(folder);
  expect([after.includes(link.split('=')[1]!), after.includes(fresh)]).toEqual([false, false]);
});

it('is in the audit trail: who, and what was changed', async () => {
  const { id } = (await server.authorization.accounts.byName('mathabo'))!;
  const token = await serviceToken(server, 'system/*.cruds');
  const found = async (subtype: string) =>
    ((await json(await server.fhir(`AuditEvent?subtype=${subtype}`, token))).entry ?? []) as {
      resource: Record<string, unknown>;
    }[];
  expect(await found('account-reset-asked')).toHaveLength(2);
  const [reset] = await found('account-reset');
  expect(JSON.stringify(reset)).toContain(`user:${id}`);
  expect(reset!.resource).toMatchObject({ type: { code: '110113' }, action: 'E', outcome: '0' });
  const made = await new Browser().submit(`${server.origin}/auth/password`, { link: 'made up', fresh: 'x' });
  expect(made.response!.status).toBe(400);
  const [refused] = await found('account-link');
  expect(refused!.resource).toMatchObject({ outcome: '4' });
});
