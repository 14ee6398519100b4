// What a client accepts: formats and compression. https://hl7.org/fhir/R4/http.html#mime-type
import { get, type IncomingMessage } from 'node:http';
import { brotliDecompressSync, gunzipSync } from 'node:zlib';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { outcomeIn, serve, type Served } from './serve.js';

const long = JSON.stringify({ resourceType: 'Basic', text: 'a'.repeat(3000) });
const short = '{"resourceType":"Basic"}';

let server: Served;
beforeAll(async () => {
  server = await serve(async request => ({
    status: request.path[1] === 'nothing' ? 204 : 200,
    headers: {
      'content-type': request.path[0] === 'Binary' ? 'image/png' : 'application/fhir+json; charset=utf-8',
    },
    ...(request.path[1] === 'nothing'
      ? {}
      : { body: request.path[1] === 'short' ? short : Buffer.from(long) }),
  }));
});
afterAll(() => server.close());

describe('Accept and _format', () => {
  const asked = (accept: string | undefined, query = '', path = 'Basic/1'): Promise<Response> =>
    fetch(`${server.fhir}/${path}${query}`, accept === undefined ? {} : { headers: { accept } });

  it.each([
    '*/*',
    'application/fhir+json',
    'application/json',
    'text/json',
    'json',
    'application/*',
    'Application/FHIR+JSON',
    'application/fhir+json; fhirVersion=4.0',
    'application/fhir+json, application/fhir+xml',
    'text/html, application/json;q=0.9, */*;q=0.8',
  ])('serves JSON to Accept: %s', async accept => {
    const response = await asked(accept);
    expect(response.status).toBe(200);
    expect(response.headers.get('content-type')).toBe('application/fhir+json; charset=utf-8');
    expect(response.headers.get('vary')).toBe('Accept, Accept-Encoding');
  });

  it.each([
    ['text/turtle', 'application/fhir+xml'],
    ['text/html', 'application/fhir+json'],
    ['image/png', 'application/fhir+json'],
    ['application/fhir+json;q=0', 'application/fhir+json'],
    ['application/fhir+json; fhirVersion=3.0', '4.0'],
  ])('answers 406 to Accept: %s', async (accept, says) => {
    const response = await asked(accept);
    expect(response.status).toBe(406);
    expect((await outcomeIn(response)).issue[0]!.details.text).toContain(says);
  });

  it.each([
    'json',
    'application/json',
    'application/fhir%2Bjson',
    'application/fhir+json',
    'text/json',
    'application/fhir%2Bjson;fhirVersion=4.0',
  ])('_format=%s wins over Accept', async format => {
    expect((await asked('application/fhir+xml', `?_format=${format}`)).status).toBe(200);
  });

  it.each(['ttl', 'text/turtle', 'html', '', 'application/fhir%2Bjson;fhirVersion=5.0'])(
    '_format=%s is 406 whatever Accept says',
    async format => {
      expect((await asked('application/fhir+json', `?_format=${format}`)).status).toBe(406);
    },
  );

  it('leaves raw content to Binary', async () => {
    expect((await asked('image/png', '', 'Binary/1')).status).toBe(200);
    expect((await asked('application/xml', '', 'Binary/1')).headers.get('content-type')).toBe('image/png');
  });
});

describe('compression', () => {
  /** Without the decompression fetch does by itself. */
  const raw = (path: string, encoding?: string): Promise<{ message: IncomingMessage; body: Buffer }> =>
    new Promise((resolve, reject) => {
      get(
        `${server.fhir}/${path}`,
        { headers: encoding === undefined ? {} : { 'accept-encoding': encoding } },
        message => {
          const chunks: Buffer[] = [];
          message
            .on('data', (chunk: Buffer) => chunks.push(chunk))
            .on('end', () => resolve({ message, body: Buffer.concat(chunks) }));
        },
      ).on('error', reject);
    });

  it.each([
    ['gzip', 'gzip'],
    ['gzip, deflate, br', 'br'],
    ['br;q=0, gzip;q=0.5', 'gzip'],
    ['*', 'br'],
    ['br;q=0, *', 'gzip'],
  ])('for Accept-Encoding: %s is %s', async (accepted, coding) => {
    const { message, body } = await raw('Basic/1', accepted);
    expect(message.headers['content-encoding']).toBe(coding);
    expect(Number(message.headers['content-length'])).toBe(body.length);
    expect(body.length).toBeLessThan(500);
    expect((coding === 'br' ? brotliDecompressSync(body) : gunzipSync(body)).toString()).toBe(long);
  });

  it.each([
    ['Basic/1', undefined],
    ['Basic/1', 'identity'],
    ['Basic/1', 'gzip;q=0'],
    ['Basic/short', 'gzip'],
    ['Binary/1', 'gzip'],
  ])('is not done for %s with Accept-Encoding: %s', async (path, accepted) => {
    const { message, body } = await raw(path, accepted);
    expect(message.headers['content-encoding']).toBeUndefined();
    expect(body.toString()).toBe(path.endsWith('short') ? short : long);
  });
});

describe('a response', () => {
  it('to HEAD has the headers of GET and no body', async () => {
    const response = await fetch(`${server.fhir}/Basic/1`, {
      method: 'HEAD',
      headers: { 'accept-encoding': 'identity' },
    });
    expect(response.status).toBe(200);
    expect(response.headers.get('content-length')).toBe(String(long.length));
    expect(await response.text()).toBe('');
  });

  it('without content is 204 and has no length', async () => {
    const response = await fetch(`${server.fhir}/Basic/nothing`);
    expect(response.status).toBe(204);
    expect(response.headers.get('content-length')).toBeNull();
  });

  it('stays out of caches and cannot act as a page', async () => {
    for (const path of ['/fhir/Basic/1', '/health/live', '/nowhere']) {
      const { headers } = await fetch(server.url + path);
      expect(headers.get('cache-control')).toBe('no-store');
      expect(headers.get('x-content-type-options')).toBe('nosniff');
      expect(headers.get('content-security-policy')).toContain("default-src 'none'");
    }
  });
});
