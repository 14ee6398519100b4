// Mail through an SMTP server. Except on this machine nothing crosses the network unencrypted: `smtps:` begins with TLS,
// `smtp:` has to become TLS by STARTTLS before anything is said. https://www.rfc-editor.org/rfc/rfc8314
import { readFileSync } from 'node:fs';
import { createTransport } from 'nodemailer';
import { NotSent, type Mail } from './mail.js';

export interface SmtpOptions {
  /** `smtp://user:password@mail.example.org:587`, or `smtps:` */
  readonly url: string;
  /** The address messages come from. */
  readonly from: string;
  /** File of certificates (PEM) that the server's is signed by, where no public authority did. */
  readonly ca: string | undefined;
}

const ownMachine = new Set(['127.0.0.1', '[::1]', 'localhost']);
/** ms */
const timeLimit = 15_000;

/** @throws where the file of certificates cannot be read */
export function smtpMail({ url, from, ca }: SmtpOptions): Mail {
  const { protocol, hostname, port, username, password } = new URL(url);
  const secure = protocol === 'smtps:';
  const authorities = ca === undefined ? undefined : readFileSync(ca);
  const transport = createTransport({
    host: hostname.replace(/^\[|\]$/g, ''),
    port: port === '' ? (secure ? 465 : 587) : Number(port),
    secure,
    requireTLS: !secure && !ownMachine.has(hostname),
    ...(username === ''
      ? {}
      : { auth: { user: decodeURIComponent(username), pass: decodeURIComponent(password) } }),
    tls: { minVersion: 'TLSv1.2', ...(authorities === undefined ? {} : { ca: authorities }) },
    connectionTimeout: timeLimit,
    greetingTimeout: timeLimit,
    socketTimeout: timeLimit,
    disableFileAccess: true,
    disableUrlAccess: true,
  });
  let close = (): void => undefined;
  const closed = new Promise<never>((_, reject) => {
    close = () => reject(new NotSent('the server is stopping', false));
  });
  closed.catch(() => undefined);
  const untilClosed = async (work: Promise<unknown>): Promise<void> => {
    await Promise.race([work.catch((error: unknown) => Promise.reject(reasonOf(error))), closed]);
  };
  return {
    send: ({ to, subject, text }) =>
      untilClosed(
        transport.sendMail({
          from,
          to: { name: '', address: to },
          subject,
          text,
          headers: { 'Auto-Submitted': 'auto-generated' },
        }),
      ),
    check: () => untilClosed(transport.verify()),
    close,
  };
}

/** What the library throws repeats addresses and what the server said; a code is enough. */
function reasonOf(error: unknown): NotSent {
  const { code, responseCode } = error as { code?: unknown; responseCode?: unknown };
  const words = [code, responseCode].filter(part => typeof part === 'string' || typeof part === 'number');
  // 5xx to the recipient or the text; to a login it may be mended meanwhile.
  const isFinal = typeof responseCode === 'number' && responseCode >= 500 && code !== 'EAUTH';
  return new NotSent(words.length === 0 ? 'unknown reason' : words.join(' '), isFinal);
}
