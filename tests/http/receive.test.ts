// Paths, queries and request ids. https://hl7.org/fhir/R4/http.html#general
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { queryOf } from '../../src/fhir/query.js';
import { receive } from '../../src/http/receive.js';
import { deferred, everything, outcomeIn, rawExchange, rawSocket, serve, type Served } from './serve.js';

describe('receive', () => {
  it.each([
    ['', [], []],
    ['/', [], []],
    ['/Basic', ['Basic'], []],
    ['/Basic/', ['Basic'], []],
    ['/Basic/a.b-c/_history/2?', ['Basic', 'a.b-c', '_history', '2'], []],
    ['/Basic/a%2Fb', ['Basic', 'a/b'], []],
    ['/?a=1', [], [['a', '1']]],
    [
      '?a=1&b=2&a=3',
      [],
      [
        ['a', '1'],
        ['b', '2'],
        ['a', '3'],
      ],
    ],
    [
      '/Basic?a=x+y%2Bz&b&=c&&d==',
      ['Basic'],
      [
        ['a', 'x y+z'],
        ['b', ''],
        ['', 'c'],
        ['d', '='],
      ],
    ],
    ['/Basic?name=M%C3%BCller', ['Basic'], [['name', 'Müller']]],
    [Buffer.from('/Basic?name=Müller').toString('latin1'), ['Basic'], [['name', 'Müller']]],
  ])('reads %s', (url, path, query) => {
    expect(receive(url)).toEqual({ path, query });
  });

  it.each([
    ['/Basic/%', 'The path'],
    ['/Basic/%zz', 'The path'],
    ['/Basic/%C3', 'The path'],
    ['/Basic/%00', 'NUL'],
    ['/Basic?a=%E0%A4%A', '"a"'],
    ['/Basic?a=b%00', 'NUL'],
    ['/Basic?%=b', 'parameter name'],
    ['/Basic?a=\u00ff', 'UTF-8'],
  ])('refuses %s', (url, says) => {
    expect(() => receive(url)).toThrow(says);
  });

  it('reads back whatever URLSearchParams writes', () => {
    fc.assert(
      fc.property(
        fc.array(fc.tuple(fc.string({ unit: 'grapheme' }), fc.string({ unit: 'grapheme' }))),
        pairs => {
          const clean = pairs.filter(pair => !pair.join('').includes('\0'));
          expect(queryOf(new URLSearchParams(clean).toString())).toEqual(clean);
        },
      ),
    );
  });
});

describe('a request', () => {
  let server: Served;
  beforeAll(async () => {
    server = await serve();
  });
  afterAll(() => server.close());

  it('arrives decoded, with its base and lower-case headers', async () => {
    await fetch(`${server.fhir}/Basic/1?_summary=true`, { headers: { 'If-None-Match': 'W/"1"' } });
    const request = server.requests.at(-1)!;
    expect(request).toMatchObject({
      method: 'GET',
      path: ['Basic', '1'],
      query: [['_summary', 'true']],
      base: server.fhir,
    });
    expect(request.headers['if-none-match']).toBe('W/"1"');
    expect(request.body).toBeUndefined();
  });

  it('is answered 400 with an outcome when its encoding is bad', async () => {
    const response = await fetch(`${server.fhir}/Basic?a=%C3`);
    expect(response.status).toBe(400);
    expect(response.headers.get('content-type')).toBe('application/fhir+json; charset=utf-8');
    expect((await outcomeIn(response)).issue[0]).toMatchObject({
      code: 'value',
      details: { text: expect.stringContaining('"a"') as string },
    });
  });

  it('is answered 414 when its URL is too long, and 431 when its headers are', async () => {
    const long = await fetch(`${server.fhir}/Basic?a=${'x'.repeat(17_000)}`);
    expect(long.status).toBe(414);
    expect((await outcomeIn(long)).issue[0]!.details.text).toContain('_search');
    const answer = await rawExchange(
      server.port,
      `GET /fhir HTTP/1.1\r\nHost: localhost\r\nX-Long: ${'x'.repeat(40_000)}\r\n\r\n`,
    );
    expect(answer).toMatch(/^HTTP\/1\.1 431 /);
    expect(answer).toContain('OperationOutcome');
  });

  it('is answered 400 when it is not HTTP', async () => {
    expect(await rawExchange(server.port, 'HELLO\r\n\r\n')).toMatch(/^HTTP\/1\.1 400 .*OperationOutcome/s);
  });

  it('keeps a valid X-Request-Id and replaces any other', async () => {
    const kept = await fetch(`${server.fhir}/Basic/1`, { headers: { 'X-Request-Id': 'abc.DEF-1_2' } });
    expect(kept.headers.get('x-request-id')).toBe('abc.DEF-1_2');
    expect(server.requests.at(-1)!.id).toBe('abc.DEF-1_2');
    const fields = { id: 'abc.DEF-1_2', method: 'GET', interaction: 'read', status: 200 };
    await expect.poll(() => server.lines).toContainEqual(expect.objectContaining({ fields: expect.objectContaining(fields) as unknown })); // prettier-ignore
    for (const bad of ['a b', 'x'.repeat(65), 'a"b']) {
      const made = await fetch(`${server.fhir}/Basic/1`, { headers: { 'X-Request-Id': bad } });
      expect(made.headers.get('x-request-id')).toMatch(/^[0-9a-f-]{36}$/);
    }
  });

  it('is logged without its path, query or body', async () => {
    await fetch(`${server.fhir}/Basic?name=Secretname`, {
      method: 'POST',
      body: '{"resourceType":"Basic","id":"Secretid"}',
      headers: { 'content-type': 'application/json', 'x-request-id': 'secretive' },
    });
    const line = () => JSON.stringify(server.lines.filter(({ fields }) => fields['id'] === 'secretive'));
    await expect.poll(line).toContain('POST');
    expect(line()).not.toContain('Secret');
  });

  it('to /fhirish is not for FHIR', async () => {
    const before = server.requests.length;
    expect((await fetch(`${server.url}/fhirish`)).status).toBe(404);
    expect(server.requests.length).toBe(before);
    expect((await fetch(`${server.fhir}?_format=json`)).status).toBe(200);
  });
});

it('takes pipelined requests one after another', async () => {
  const order: string[] = [];
  const first = deferred<void>();
  const server = await serve(async request => {
    order.push(`${request.method} begins`);
    if (request.method === 'PUT') await first.promise;
    order.push(`${request.method} ends`);
    return { status: 200, headers: {} };
  });
  const socket = await rawSocket(server.port);
  const head = (method: string, more = '') =>
    `${method} /fhir/Patient/1 HTTP/1.1\r\nHost: localhost\r\n${more}\r\n`;
  socket.write(
    `${head('PUT', 'Content-Length: 2\r\n')}{}${head('GET')}${head('DELETE', 'Connection: close\r\n')}`,
  );
  await expect.poll(() => order).toEqual(['PUT begins']);
  first.resolve();
  await everything(socket);
  expect(order).toEqual(['PUT', 'GET', 'DELETE'].flatMap(method => [`${method} begins`, `${method} ends`]));
  await server.close();
});
