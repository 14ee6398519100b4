// Which host a request may name. A page can make its own host name resolve to this machine, and a token or password must
// not be made for an address that is not the server's: whatever names another host is refused.
// https://www.rfc-editor.org/rfc/rfc9110#section-7.4
// Surprising why: in open mode listening on the loopback address is not enough, since a browser sends simple requests
// across origins; so Origin, where there is one, must be local too.
import type { IncomingHttpHeaders } from 'node:http';
import type { Config } from '../config.js';
import { FhirError } from '../errors.js';

const localHost = /^(?:localhost|127\.0\.0\.1|\[::1\])(?::\d{1,5})?$/i;
const localOrigin = /^https?:\/\/(?:localhost|127\.0\.0\.1|\[::1\])(?::\d{1,5})?$/i;

/** Refuses what is for another host. @throws FhirError `misdirected`, in open mode `forbidden` */
export type CheckHost = (headers: IncomingHttpHeaders) => void;

/** Open mode: this machine. Else the address that is configured; without one the server is for this machine alone. */
export function hostCheck({ open, baseUrl }: Pick<Config, 'open' | 'baseUrl'>): CheckHost {
  if (open) return checkLocal;
  if (baseUrl === undefined) {
    return ({ host }) => {
      if (!localHost.test(host ?? '')) throw misdirected('localhost');
    };
  }
  const known = new URL(baseUrl);
  return ({ host }) => checkHost(host, known);
}

/** @throws FhirError `misdirected` where the request was meant for another host */
export function checkHost(host: string | undefined, { host: known }: Pick<URL, 'host'>): void {
  if (host !== known && host?.toLowerCase() !== known) throw misdirected(known);
}

const misdirected = (known: string): FhirError =>
  new FhirError('misdirected', `This server is ${known}: it does not answer for another host.`);

function checkLocal({ host, origin }: IncomingHttpHeaders): void {
  if (!localHost.test(host ?? '')) {
    throw new FhirError(
      'forbidden',
      'This server is in open mode and answers only to localhost: call it as http://localhost or http://127.0.0.1.',
    );
  }
  if (origin !== undefined && !localOrigin.test(origin))
    throw new FhirError('forbidden', 'This server is in open mode and answers no pages of other origins.');
}
