// From a FhirResponse to bytes on the socket: they pass through as they are, compressed where that pays. This writes to
// Node's response and not through Koa's body, which would inspect and copy what is already final.
// https://hl7.org/fhir/R4/http.html#return
import type { IncomingMessage, ServerResponse } from 'node:http';
import { promisify } from 'node:util';
import { brotliCompress, constants, gzip } from 'node:zlib';
import type { FhirResponse } from '../interactions/exchange.js';

/** Patient data must not stay in caches, and nothing that is sent may act as a page of this server. */
export const securityHeaders: readonly (readonly [name: string, value: string])[] = [
  ['cache-control', 'no-store'],
  ['content-security-policy', "default-src 'none'; frame-ancestors 'none'; sandbox"],
  ['cross-origin-resource-policy', 'same-origin'],
  ['referrer-policy', 'no-referrer'],
  ['x-content-type-options', 'nosniff'],
];

const worthCompressing = 1024;
const compressible = /^(?:application\/(?:fhir\+)?(?:json|xml|ndjson)|text\/)/;

/**
 * @param extra flat list of names and values that every response has
 * @returns the bytes of the body as sent
 */
export async function send(
  req: IncomingMessage,
  res: ServerResponse,
  response: FhirResponse,
  extra: readonly string[],
): Promise<number> {
  const { status, headers } = response;
  const flat = [...extra];
  for (const [name, value] of securityHeaders) if (headers[name] === undefined) flat.push(name, value);
  for (const name in headers) flat.push(name, headers[name]!);
  if (response.body === undefined || status === 204 || status === 304) {
    if (status !== 204 && status !== 304) flat.push('content-length', '0');
    write(res, status, flat);
    res.end();
    return 0;
  }
  let body = typeof response.body === 'string' ? Buffer.from(response.body) : response.body;
  const coding = body.length < worthCompressing ? undefined : codingOf(req.headers['accept-encoding']);
  if (
    coding !== undefined &&
    compressible.test(headers['content-type'] ?? '') &&
    headers['content-encoding'] === undefined
  ) {
    body = await compress[coding](body);
    flat.push('content-encoding', coding);
  }
  flat.push('content-length', String(body.length));
  write(res, status, flat);
  if (req.method === 'HEAD') {
    res.end();
    return 0;
  }
  res.end(body);
  return body.length;
}

function write(res: ServerResponse, status: number, flat: string[]): void {
  if (!res.headersSent) res.writeHead(status, flat);
}

type Coding = 'br' | 'gzip';
const gzipped = promisify(gzip);
const brotlied = promisify(brotliCompress);
// The cheapest levels: a link faster than a few MB/s gains nothing from better ones.
const compress: Readonly<Record<Coding, (body: Uint8Array) => Promise<Buffer>>> = {
  gzip: body => gzipped(body, { level: 1 }),
  br: body =>
    brotlied(body, {
      params: { [constants.BROTLI_PARAM_QUALITY]: 1, [constants.BROTLI_PARAM_SIZE_HINT]: body.length },
    }),
};

// Clients repeat themselves: the choice per Accept-Encoding header is kept.
const choices = new Map<string, Coding | undefined>();

/** The coding to use, of those the client accepts. https://www.rfc-editor.org/rfc/rfc9110#section-12.5.3 */
function codingOf(header: string | string[] | undefined): Coding | undefined {
  if (typeof header !== 'string') return undefined;
  if (choices.has(header)) return choices.get(header);
  const accepted = new Map<string, boolean>();
  for (const part of header.toLowerCase().split(',')) {
    const [coding, ...parameters] = part.split(';').map(each => each.trim());
    accepted.set(coding!, !parameters.some(each => /^q=0(\.0*)?$/.test(each)));
  }
  const coding = (['br', 'gzip'] as const).find(each => accepted.get(each) ?? accepted.get('*') ?? false);
  if (choices.size < 1000) choices.set(header, coding);
  return coding;
}
