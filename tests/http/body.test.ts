// Request bodies: limits, encodings, media types, slowness. https://www.rfc-editor.org/rfc/rfc9110#section-8.4
import { brotliCompressSync, deflateRawSync, deflateSync, gzipSync } from 'node:zlib';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { everything, outcomeIn, rawExchange, rawSocket, serve, type Served } from './serve.js';

const limit = 10_000;
const text = JSON.stringify({ resourceType: 'Basic', text: 'ü'.repeat(1000) });

describe('a body', () => {
  let server: Served;
  beforeAll(async () => {
    server = await serve(undefined, { bodyLimit: limit });
  });
  afterAll(() => server.close());
  const post = (
    body: string | Uint8Array,
    headers: Record<string, string> = {},
    path = 'Basic',
    method = 'POST',
  ): Promise<Response> =>
    fetch(`${server.fhir}/${path}`, {
      method,
      body,
      headers: { 'content-type': 'application/fhir+json', ...headers },
    });
  const received = (): string => Buffer.from(server.requests.at(-1)!.body!).toString();

  it.each([
    ['identity', Buffer.from(text)],
    ['gzip', gzipSync(text)],
    ['x-gzip', gzipSync(text)],
    ['GZIP', gzipSync(text)],
    ['br', brotliCompressSync(text)],
    ['deflate', deflateSync(text)],
    ['deflate', deflateRawSync(text)],
  ])('is decompressed from %s', async (encoding, bytes) => {
    expect((await post(bytes, { 'content-encoding': encoding })).status).toBe(200);
    expect(received()).toBe(text);
  });

  it('in an unknown encoding is 415 and told what is read', async () => {
    const response = await post(text, { 'content-encoding': 'zstd' });
    expect(response.status).toBe(415);
    expect(response.headers.get('accept-encoding')).toBe('gzip, br, deflate');
  });

  it('that is not what its encoding says is 400', async () => {
    const response = await post(text, { 'content-encoding': 'gzip' });
    expect(response.status).toBe(400);
    expect((await post(gzipSync(text).subarray(0, 40), { 'content-encoding': 'gzip' })).status).toBe(400);
  });

  it('of megabytes arrives as it was sent, however it comes', async () => {
    const bytes = Buffer.alloc(3_000_001, 'abcdefghij');
    const server = await serve(async ({ body }) => ({
      status: 200,
      headers: { 'content-type': 'application/fhir+json' },
      body: JSON.stringify({ same: bytes.equals(body ?? bytes.subarray(0, 1)), length: body?.length }),
    }));
    const parts = async function* () {
      for (let at = 0; at < bytes.length; at += 70_001) yield bytes.subarray(at, at + 70_001);
    };
    const headers = { 'content-type': 'application/fhir+json' };
    for (const body of [bytes, ReadableStream.from(parts())]) {
      const init = { method: 'POST', headers, body, duplex: 'half' } as RequestInit;
      const answer = await fetch(`${server.fhir}/Binary`, init);
      expect(await answer.json()).toEqual({ same: true, length: 3_000_001 });
    }
    await server.close();
  });

  it('over the limit is 413: announced, chunked, or only after decompression', async () => {
    const large = Buffer.alloc(limit + 1, 32);
    expect((await post(large)).status).toBe(413);
    const chunks = new ReadableStream({
      start(controller) {
        for (let sent = 0; sent <= limit; sent += 1000) controller.enqueue(new Uint8Array(1000));
        controller.close();
      },
    });
    const chunked = await fetch(`${server.fhir}/Basic`, {
      method: 'POST',
      body: chunks,
      duplex: 'half',
    });
    expect(chunked.status).toBe(413);
    for (const [encoding, compress] of [
      ['gzip', gzipSync],
      ['br', brotliCompressSync],
      ['deflate', deflateSync],
    ] as const) {
      const bomb = await post(compress(Buffer.alloc(5_000_000)), { 'content-encoding': encoding });
      expect(bomb.status).toBe(413);
      expect((await outcomeIn(bomb)).issue[0]!.code).toBe('too-long');
    }
    expect((await post(Buffer.alloc(limit, 32))).status).toBe(200);
  });

  it('over the limit is refused before it is sent when the client asks', async () => {
    const socket = await rawSocket(server.port);
    socket.write(
      `POST /fhir/Basic HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nExpect: 100-continue\r\nContent-Length: ${limit + 1}\r\n\r\n`,
    );
    expect(await everything(socket)).toMatch(/^HTTP\/1\.1 413 /);
  });

  it('is asked for when the client waits to be asked', async () => {
    const socket = await rawSocket(server.port);
    const answer = everything(socket);
    socket.once('data', () => socket.write('{}'));
    socket.write(
      'POST /fhir/Basic HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nExpect: 100-continue\r\nContent-Length: 2\r\n\r\n',
    );
    expect(await answer).toMatch(/^HTTP\/1\.1 100 Continue\r\n\r\nHTTP\/1\.1 200 /);
    expect(received()).toBe('{}');
  });

  it('that does not arrive in time is 408', async () => {
    const impatient = await serve(undefined, { receiveTimeout: 500 });
    const answer = await rawExchange(
      impatient.port,
      'POST /fhir/Basic HTTP/1.1\r\nHost: localhost\r\nContent-Length: 20\r\n\r\n{',
    );
    expect(answer).toMatch(/^HTTP\/1\.1 408 .*OperationOutcome/s);
    await impatient.close();
  });

  it('that breaks off reaches nobody', async () => {
    const before = server.requests.length;
    const lines = server.lines.length;
    const socket = await rawSocket(server.port);
    socket.write('POST /fhir/Basic HTTP/1.1\r\nHost: localhost\r\nContent-Length: 20\r\n\r\n{');
    socket.end();
    await expect.poll(() => server.lines.length).toBeGreaterThan(lines);
    expect(server.requests.length).toBe(before);
  });

  it('is absent where nothing was sent', async () => {
    for (const method of ['POST', 'PUT', 'DELETE', 'GET']) {
      await fetch(`${server.fhir}/Basic/1`, { method });
      expect(server.requests.at(-1)!.body).toBeUndefined();
    }
  });

  it.each([
    'application/fhir+json',
    'application/json',
    'text/json',
    'application/fhir+json; charset=UTF-8',
    'application/json;charset="utf-8"',
    'application/fhir+json; fhirVersion=4.0',
  ])('of type %s is read', async type => {
    expect((await post(text, { 'content-type': type })).status).toBe(200);
  });

  it.each([
    ['text/plain', 'application/fhir+json'],
    ['application/x-www-form-urlencoded', 'application/fhir+json'],
    ['text/turtle', 'application/fhir+xml'],
    ['application/fhir+json; charset=iso-8859-1', 'UTF-8'],
    ['application/fhir+json; fhirVersion=3.0', '4.0'],
  ])('of type %s is 415', async (type, says) => {
    const response = await post(text, { 'content-type': type });
    expect(response.status).toBe(415);
    expect((await outcomeIn(response)).issue[0]!.details.text).toContain(says);
  });

  it('of a search is a form', async () => {
    expect(
      (await post('name=x', { 'content-type': 'application/x-www-form-urlencoded' }, 'Basic/_search')).status,
    ).toBe(200);
    expect((await post('{}', {}, 'Basic/_search')).status).toBe(415);
  });

  it('of a patch is for patch to judge', async () => {
    expect(
      (await post('[]', { 'content-type': 'application/json-patch+json' }, 'Basic/1', 'PATCH')).status,
    ).toBe(200);
  });

  it('in XML arrives as JSON', async () => {
    const xml = '<Basic xmlns="http://hl7.org/fhir"><id value="1"/></Basic>';
    for (const type of ['application/fhir+xml', 'application/xml', 'text/xml; charset=utf-8']) {
      expect((await post(xml, { 'content-type': type })).status).toBe(200);
      expect(received()).toBe('{"resourceType":"Basic","id":"1"}');
      expect(server.requests.at(-1)!.headers['content-type']).toContain('application/fhir+json');
    }
  });

  it('of Binary is raw unless it is FHIR', async () => {
    expect((await post('%PDF', { 'content-type': 'application/pdf' }, 'Binary')).status).toBe(200);
    expect(received()).toBe('%PDF');
    expect((await post('<a/>', { 'content-type': 'application/fhir+xml' }, 'Binary')).status).toBe(400);
  });
});
