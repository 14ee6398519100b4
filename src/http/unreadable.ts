// The answer to what never became a request: bytes that are not HTTP, headers too long, a request that did not arrive in
// time. There is no response object for these, so it is written to the socket. https://nodejs.org/api/http.html#event-clienterror
import type { Duplex } from 'node:stream';
import type { Log } from '../audit/log.js';
import { errorTable, type ErrorCode } from '../errors.js';
import { fhirJson } from '../interactions/answer.js';

export function refuseUnreadable(error: NodeJS.ErrnoException, socket: Duplex, log: Log): void {
  // Without a secure connection nothing can be said.
  const isUnsaid = error.code === 'ECONNRESET' || error.code?.startsWith('ERR_SSL') === true;
  if (isUnsaid || !socket.writable) {
    socket.destroy();
    return;
  }
  const [status, reason, code, text]: [number, string, ErrorCode, string] =
    error.code === 'ERR_HTTP_REQUEST_TIMEOUT'
      ? [408, 'Request Timeout', 'timeout', 'The request did not arrive in time.']
      : error.code === 'HPE_HEADER_OVERFLOW'
        ? [
            431,
            'Request Header Fields Too Large',
            'too-large',
            'The URL and the headers together are too long.',
          ]
        : [400, 'Bad Request', 'value', 'This is not a readable HTTP request.'];
  log.info({ status, code: error.code }, 'unreadable request');
  const outcome = {
    resourceType: 'OperationOutcome',
    issue: [{ severity: 'error', code: errorTable[code].issue, details: { text } }],
  };
  const body = JSON.stringify(outcome);
  socket.end(
    `HTTP/1.1 ${status} ${reason}\r\nContent-Type: ${fhirJson}\r\nContent-Length: ${Buffer.byteLength(body)}\r\nCache-Control: no-store\r\nX-Content-Type-Options: nosniff\r\nConnection: close\r\n\r\n${body}`,
  );
}
