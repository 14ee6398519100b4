// Mail against a real SMTP server in this process, with TLS and STARTTLS; and into a folder.
import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, readdirSync, rmSync, statSync } from 'node:fs';
import { createServer, type AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { SMTPServer, type SMTPServerOptions } from 'smtp-server';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { checkServing, defaultConfig, readConfig } from '../../src/config.js';
import { folderMail } from '../../src/notifications/folder.js';
import { isMailAddress, NotSent } from '../../src/notifications/mail.js';
import { smtpMail } from '../../src/notifications/smtp.js';
import { freePort } from '../free-port.js';
import { hasOpenssl } from '../openssl.js';

const folder = mkdtempSync(join(tmpdir(), 'tsela-mail-'));
const at = (name: string): string => join(folder, name);
const open: (() => Promise<void>)[] = [];
afterEach(async () => {
  for (const close of open.splice(0)) await close();
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

interface Received {
  readonly from: string;
  readonly to: readonly string[];
  readonly text: string;
  readonly isSecure: boolean;
}

async function smtpServer(
  options: SMTPServerOptions,
  host = '127.0.0.1',
): Promise<{ port: number; received: Received[] }> {
  const received: Received[] = [];
  const server = new SMTPServer({
    disableReverseLookup: true,
    authOptional: true,
    onAuth({ username, password }, _, done) {
      if (username === 'tsela' && password === 'p@ss word') done(null, { user: username });
      else done(new Error('wrong'));
    },
    onRcptTo({ address }, _, done) {
      if (address.startsWith('unknown'))
        done(Object.assign(new Error(`no ${address} here`), { responseCode: 550 }));
      else done();
    },
    onData(stream, { envelope, secure }, done) {
      const chunks: Buffer[] = [];
      stream.on('data', (chunk: Buffer) => chunks.push(chunk));
      stream.on('end', () => {
        const { mailFrom, rcptTo } = envelope;
        const from = mailFrom === false ? '' : mailFrom.address;
        const text = Buffer.concat(chunks).toString();
        received.push({ from, to: rcptTo.map(({ address }) => address), text, isSecure: secure });
        done();
      });
    },
    ...options,
  });
  server.on('error', () => undefined); // of clients that hang up
  await new Promise<void>(resolve => server.listen(0, host, resolve));
  open.push(() => new Promise(resolve => server.close(resolve)));
  return { port: (server.server.address() as AddressInfo).port, received };
}

const message = {
  to: 'mpho@example.org',
  subject: 'Ho joang?',
  text: 'Lumela,\n\nhttps://fhir.example.org/x',
};
const from = 'tsela@example.org';
const refusal = (sent: Promise<void>): Promise<NotSent> =>
  sent.then(
    () => Promise.reject(new Error('it was sent')),
    (error: unknown) => error as NotSent,
  );

describe('through a mail server on this machine', () => {
  it('a message is handed on as it is', async () => {
    const { port, received } = await smtpServer({ disabledCommands: ['STARTTLS', 'AUTH'] });
    await smtpMail({ url: `smtp://127.0.0.1:${port}`, from, ca: undefined }).send(message);
    expect(received).toMatchObject([{ from, to: [message.to], isSecure: false }]);
    expect(received[0]!.text).toContain('Subject: Ho joang?');
    expect(received[0]!.text).toContain('Auto-Submitted: auto-generated');
    expect(received[0]!.text).toContain(message.text.replaceAll('\n', '\r\n'));
  });

  it('a refusal says a code and nothing of the message; of a recipient it is final', async () => {
    const { port } = await smtpServer({ disabledCommands: ['STARTTLS', 'AUTH'] });
    const mail = smtpMail({ url: `smtp://127.0.0.1:${port}`, from, ca: undefined });
    const refused = await refusal(mail.send({ ...message, to: 'unknown@example.org' }));
    expect(refused).toBeInstanceOf(NotSent);
    expect([refused.isFinal, String(refused.stack)]).toEqual([
      true,
      expect.not.stringMatching(/unknown@|Lumela/),
    ]);
    expect(refused.cause).toBeUndefined();
  });

  it('a server that never answers is not waited for when Tsela stops', async () => {
    const deaf = createServer().listen(0, '127.0.0.1');
    open.push(() => new Promise(resolve => deaf.close(() => resolve())));
    const asked = new Promise<void>(resolve =>
      deaf.once('connection', socket => {
        open.unshift(async () => void socket.destroy());
        resolve();
      }),
    );
    await new Promise(resolve => deaf.once('listening', resolve));
    const mail = smtpMail({
      url: `smtp://127.0.0.1:${(deaf.address() as AddressInfo).port}`,
      from,
      ca: undefined,
    });
    const refused = refusal(mail.send(message));
    await asked;
    mail.close();
    expect([(await refused).message, (await refused).isFinal]).toEqual([
      expect.stringContaining('stopping'),
      false,
    ]);
  });

  it('a server that is not there is worth another try', async () => {
    const refused = await refusal(smtpMail({ url: `smtp://127.0.0.1:${await freePort()}`, from, ca: undefined }).send(message)); // prettier-ignore
    expect([refused.name, refused.isFinal]).toEqual(['NotSent', false]);
  });
});

describe.skipIf(!hasOpenssl)('with TLS (needs the command openssl)', () => {
  let key: Buffer;
  let cert: Buffer;
  beforeAll(() => {
    execFileSync(
      'openssl',
      // prettier-ignore
      ['req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes', '-days', '2', '-subj', '/CN=localhost', '-addext', 'subjectAltName=DNS:localhost,IP:127.0.0.1', '-keyout', at('mail.key'), '-out', at('mail.crt')],
      { stdio: 'ignore' },
    );
    [key, cert] = [readFileSync(at('mail.key')), readFileSync(at('mail.crt'))];
  });

  it('it signs in and sends after STARTTLS, with an authority of the house', async () => {
    const { port, received } = await smtpServer({ key, cert, authOptional: false });
    const url = `smtp://tsela:p%40ss%20word@127.0.0.1:${port}`;
    await smtpMail({ url, from, ca: at('mail.crt') }).check();
    expect(received).toEqual([]);
    await smtpMail({ url, from, ca: at('mail.crt') }).send(message);
    expect(received).toMatchObject([{ to: [message.to], isSecure: true }]);
    const wrong = await refusal(smtpMail({ url: url.replace('p%40ss', 'guess'), from, ca: at('mail.crt') }).send(message)); // prettier-ignore
    expect([wrong.isFinal, wrong.message]).toEqual([false, expect.stringContaining('EAUTH')]);
    expect(wrong.message).not.toContain('guess');
    const check = await refusal(smtpMail({ url: url.replace('p%40ss', 'guess'), from, ca: at('mail.crt') }).check()); // prettier-ignore
    expect(check.message).toContain('EAUTH');
  });

  it('it begins with TLS where the URL says smtps', async () => {
    const { port, received } = await smtpServer({ key, cert, secure: true });
    await smtpMail({ url: `smtps://localhost:${port}`, from, ca: at('mail.crt') }).send(message);
    expect(received).toMatchObject([{ isSecure: true }]);
  });

  it('a certificate nobody vouches for is not accepted', async () => {
    const { port, received } = await smtpServer({ key, cert });
    const refused = await refusal(smtpMail({ url: `smtp://localhost:${port}`, from, ca: undefined }).send(message)); // prettier-ignore
    expect([refused.name, received]).toEqual(['NotSent', []]);
  });

  it.runIf(process.platform === 'linux')(
    'to another machine nothing is said before STARTTLS, and nothing at all without it (127.0.0.2 needs Linux)',
    async () => {
      const url = 'smtp://tsela:p%40ss%20word@127.0.0.2';
      const deaf = await smtpServer({ disabledCommands: ['STARTTLS'] }, '127.0.0.2');
      const refused = await refusal(
        smtpMail({ url: `${url}:${deaf.port}`, from, ca: undefined }).send(message),
      );
      expect([refused.message, deaf.received]).toEqual([expect.stringContaining('ETLS'), []]);
    },
  );
});

it('a folder gets a file that nobody else may read', async () => {
  await folderMail(at('sent')).send(message);
  const [name] = readdirSync(at('sent'));
  expect(readFileSync(join(at('sent'), name!), 'utf8')).toBe(
    `To: mpho@example.org\nSubject: Ho joang?\n\n${message.text}\n`,
  );
  expect(statSync(join(at('sent'), name!)).mode & 0o777).toBe(0o600);
});

it('an address is one address', () => {
  for (const good of ['a@b', 'mpho.tau+x@mail.example.org', "o'neil@example.org"])
    expect([good, isMailAddress(good)]).toEqual([good, true]);
  for (const bad of [
    '',
    'a',
    '@b',
    'a@',
    'a b@c',
    'a@b,c@d',
    'A <a@b>',
    'a@b\r\nBcc: c@d',
    'a@-b',
    'a..b@c',
    '"a"@b',
    `${'a'.repeat(251)}@b.c`,
  ])
    // prettier-ignore
    expect([bad, isMailAddress(bad)]).toEqual([bad, false]);
});

it('settings that do not fit together are told', () => {
  const problems = (env: Record<string, string>): string => {
    try {
      checkServing(readConfig({}, env));
      return '';
    } catch (error) {
      return String(error);
    }
  };
  expect(problems({ TSELA_SMTP_URL: 'smtp://mail' })).toContain('TSELA_MAIL_FROM');
  expect(problems({ TSELA_SMTP_URL: 'http://mail' })).not.toContain('//mail');
  expect(problems({ TSELA_SMTP_URL: 'smtp://mail', TSELA_MAIL_FROM: 'a b' })).toContain('e-mail address');
  expect(problems({ TSELA_SMTP_URL: 'smtp://mail', TSELA_MAIL_FROM: from, TSELA_MAIL_FOLDER: 'x' })).toContain('TSELA_MAIL_FOLDER'); // prettier-ignore
  expect(problems({ NODE_ENV: 'production', TSELA_MAIL_FOLDER: 'x' })).toContain('development');
  expect(problems({ TSELA_SMTP_URL: 'smtp://mail', TSELA_MAIL_FROM: from })).toBe('');
  expect(defaultConfig.smtpUrl).toBeUndefined();
});
