// Open mode's guard. Listening on the loopback address is not enough: a web page can make its own host name resolve to
// 127.0.0.1, and a browser sends simple requests across origins. So Host, and Origin where there is one, must be local.
import type { IncomingHttpHeaders } from 'node:http';
import { FhirError } from '../errors.js';

const localHost = /^(?:localhost|127\.0\.0\.1|\[::1\])(?::\d{1,5})?$/i;
const localOrigin = /^https?:\/\/(?:localhost|127\.0\.0\.1|\[::1\])(?::\d{1,5})?$/i;

/** @throws FhirError `forbidden` */
export function checkLocal(headers: IncomingHttpHeaders): void {
  if (!localHost.test(headers.host ?? '')) {
    throw new FhirError(
      'forbidden',
      'This server is in open mode and answers only to localhost: call it as http://localhost or http://127.0.0.1.',
    );
  }
  const { origin } = headers;
  if (origin !== undefined && !localOrigin.test(origin)) {
    throw new FhirError('forbidden', 'This server is in open mode and answers no pages of other origins.');
  }
}
