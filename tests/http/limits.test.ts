// How often one may ask, by address and by client; whose word about the address is believed; how long headers may be.
import { afterEach, describe, expect, it } from 'vitest';
import { createLimiter } from '../../src/http/rate-limit.js';
import { senderOf } from '../../src/http/sender.js';
import { networks, rate } from '../../src/setting-kinds.js';
import { everything, outcomeIn, rawExchange, rawSocket, serve, type Served } from './serve.js';

let server: Served | undefined;
afterEach(async () => {
  await server?.close();
  server = undefined;
});

const proxied = { trustedProxies: ['127.0.0.1'] };
const from = (address: string, path = '/fhir/Basic/1', init: RequestInit = {}): Promise<Response> =>
  fetch(server!.url + path, { ...init, headers: { 'x-forwarded-for': address } });

describe('a bucket', () => {
  it('gives its count at once, then as many in each period', () => {
    let at = 0;
    const { take } = createLimiter({ count: 3, per: 30_000 }, () => at);
    expect([take('a'), take('a'), take('a')].map(({ remaining }) => remaining)).toEqual([2, 1, 0]);
    expect(take('a')).toEqual({ limit: 3, remaining: 0, reset: 30, wait: 10 });
    expect(take('b').wait).toBeUndefined();
    at = 9_999;
    expect(take('a').wait).toBe(1);
    at = 10_000;
    expect(take('a').wait).toBeUndefined();
    expect(take('a').wait).toBe(10);
    at = 500_000;
    expect(take('a').remaining).toBe(2);
  });

  it('is remembered for as long as it is not full, whatever others do', () => {
    let at = 0;
    const { take } = createLimiter({ count: 2, per: 10_000 }, () => at);
    at = 9_000;
    take('a');
    take('a');
    at = 10_500; // another period has begun
    expect(take('b').wait).toBeUndefined();
    expect(take('a').wait).toBeDefined();
  });
});

describe('requests', () => {
  it('of an address are limited whatever they ask, each address by itself', async () => {
    server = await serve(undefined, { ...proxied, limitAddress: { count: 3, per: 3_600_000 } });
    const began = performance.now();
    // A third of an hour after the first, less what has passed since.
    const isRight = (seconds: string | null): boolean =>
      Number(seconds) <= 1200 && Number(seconds) >= Math.ceil(1200 - (performance.now() - began) / 1000);
    for (const path of ['/fhir/Basic/1', '/', '/nowhere'])
      expect((await from('192.0.2.1', path)).status).not.toBe(429);
    const refused = await from('192.0.2.1');
    expect(refused.status).toBe(429);
    expect(refused.headers.get('retry-after')).toSatisfy(isRight);
    expect(refused.headers.get('x-ratelimit-limit')).toBe('3');
    expect((await outcomeIn(refused)).issue[0]).toMatchObject({ code: 'throttled' });
    const beside = await from('192.0.2.1', '/');
    expect(beside.status).toBe(429);
    expect(beside.headers.get('retry-after')).toSatisfy(isRight);
    expect((await from('192.0.2.2')).status).toBe(200);
    expect(server.requests).toHaveLength(2);
    expect((await from('192.0.2.1', '/health/live')).status).toBe(200);
  });

  it('from one network of IPv6 count as one', async () => {
    server = await serve(undefined, { ...proxied, limitAddress: { count: 1, per: 3_600_000 } });
    expect((await from('2001:db8::1')).status).toBe(200);
    expect((await from('2001:db8:0:0:ffff::2')).status).toBe(429);
    expect((await from('2001:db8:0:1::1')).status).toBe(200);
  });

  it('of a client are limited from whatever address, and told how many are left', async () => {
    const limits = { limitAddress: undefined, limitClient: { count: 2, per: 3_600_000 } };
    server = await serve(undefined, { ...proxied, ...limits });
    const first = await from('192.0.2.1');
    expect(first.headers.get('x-ratelimit-remaining')).toBe('1');
    expect((await from('192.0.2.2')).status).toBe(200);
    expect((await from('192.0.2.3')).status).toBe(429);
    expect((await from('192.0.2.3', '/fhir/metadata')).status).toBe(200); // nobody's
  });

  it('of who is over the limit are refused before their body is read', async () => {
    server = await serve(undefined, { ...proxied, limitAddress: { count: 1, per: 3_600_000 } });
    await from('192.0.2.1');
    const head =
      'POST /fhir/Basic HTTP/1.1\r\nHost: localhost\r\nX-Forwarded-For: 192.0.2.1\r\nConnection: close\r\n';
    expect(await rawExchange(server.port, `${head}Content-Length: 1000000\r\n\r\n`)).toMatch(
      /^HTTP\/1\.1 429 /,
    );
  });

  it('of nobody are answered without their body', async () => {
    server = await serve();
    const head =
      'POST /fhir/metadata HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nContent-Length: 1000000\r\n\r\n';
    expect(await rawExchange(server.port, head)).toMatch(/^HTTP\/1\.1 200 /); // as this dispatch answers anything
    expect(server.requests.at(-1)).not.toHaveProperty('body');
  });

  it('have no limit in open mode and from this machine, but behind a proxy nobody trusts they have', async () => {
    const limitAddress = { count: 1, per: 3_600_000 };
    for (const open of [true, false]) {
      server = await serve(undefined, { open, limitAddress });
      for (let i = 0; i < 3; i++) expect((await fetch(`${server.fhir}/Basic/1`)).status).toBe(200);
      if (!open) {
        expect((await from('192.0.2.1')).status).toBe(200);
        expect((await from('192.0.2.2')).status).toBe(429); // what it says of itself is not believed
        expect(server.lines.filter(({ message }) => message.includes('TSELA_TRUSTED_PROXIES'))).toHaveLength(
          1,
        );
      }
      await server.close();
    }
    server = undefined;
  });
});

describe('the sender', () => {
  const ask = (proxies: readonly string[], peer: string, headers: Record<string, string>) =>
    senderOf(proxies)({ headers, socket: { remoteAddress: peer } } as unknown as Parameters<
      ReturnType<typeof senderOf>
    >[0]);

  it.each([
    ['no proxy is trusted', [], '10.0.0.1', '192.0.2.9', '10.0.0.1'],
    ['another one is', ['10.0.0.2'], '10.0.0.1', '192.0.2.9', '10.0.0.1'],
    ['the proxy is', ['10.0.0.0/8'], '10.0.0.1', '192.0.2.9', '192.0.2.9'],
    ['the client made something up', ['10.0.0.0/8'], '10.0.0.1', '198.51.100.1, 192.0.2.9', '192.0.2.9'],
    ['there are two proxies', ['10.0.0.0/8'], '10.0.0.1', '192.0.2.9, 10.2.2.2', '192.0.2.9'],
    ['the header holds nonsense', ['10.0.0.0/8'], '10.0.0.1', '192.0.2.9, <script>', '10.0.0.1'],
    ['the connection is gone', ['10.0.0.0/8'], '', '192.0.2.9', ''],
    ['the header is empty', ['10.0.0.0/8'], '10.0.0.1', '', '10.0.0.1'],
    ['ports are given', ['10.0.0.0/8'], '10.0.0.1', '192.0.2.9:4711', '192.0.2.9'],
    ['it is IPv6', ['::1', 'fc00::/7'], '::1', '[2001:db8::9]:4711', '2001:db8::9'],
    ['IPv4 comes in IPv6', ['10.0.0.0/8'], '::ffff:10.0.0.1', '::ffff:192.0.2.9', '192.0.2.9'],
  ])('is right where %s', (_, proxies, peer, said, address) => {
    expect(ask(proxies, peer, { 'x-forwarded-for': said }).address).toBe(address);
  });

  it('is this machine only where no proxy speaks', () => {
    expect(ask([], '127.0.0.1', {}).isHere).toBe(true);
    expect(ask([], '::ffff:127.0.0.1', {}).isHere).toBe(true);
    expect(ask([], '127.0.0.1', { 'x-forwarded-for': '127.0.0.1' }).isHere).toBe(false);
    expect(ask([], '127.0.0.1', { forwarded: 'for=127.0.0.1' }).isHere).toBe(false);
    expect(ask(['127.0.0.1'], '127.0.0.1', { 'x-forwarded-for': '127.0.0.1' }).isHere).toBe(false);
    expect(ask([], '10.0.0.1', {}).isHere).toBe(false);
  });

  it('is what the audit trail is told', async () => {
    server = await serve(undefined, proxied);
    await from('192.0.2.77');
    expect(server.requests.at(-1)!.address).toBe('192.0.2.77');
  });

  it('that came to a proxy without TLS is refused where clients know the server by https', async () => {
    server = await serve(undefined, { ...proxied, baseUrl: 'https://fhir.example.org' });
    const ask = (protocol: string): Promise<string> =>
      rawExchange(server!.port, `GET /fhir/Basic/1 HTTP/1.1\r\nHost: fhir.example.org\r\nX-Forwarded-For: 192.0.2.1\r\nX-Forwarded-Proto: ${protocol}\r\nConnection: close\r\n\r\n`); // prettier-ignore
    expect(await ask('http')).toMatch(/^HTTP\/1\.1 403 .*OperationOutcome/s);
    const secure = await ask('https');
    expect(secure).toMatch(/^HTTP\/1\.1 200 /);
    expect(secure.toLowerCase()).toContain('strict-transport-security: max-age=31536000');
  });
});

describe('headers', () => {
  const many = (n: number): string => Array.from({ length: n }, (_, i) => `X-${i}: 1\r\n`).join('');

  it('may be many, but not any number', async () => {
    server = await serve();
    const ask = (n: number): Promise<string> =>
      rawExchange(
        server!.port,
        `GET /fhir/Basic/1 HTTP/1.1\r\nHost: localhost\r\n${many(n)}Connection: close\r\n\r\n`,
      );
    expect(await ask(190)).toMatch(/^HTTP\/1\.1 200 /);
    for (const n of [199, 2500]) expect(await ask(n)).toMatch(/^HTTP\/1\.1 431 .*OperationOutcome/s);
    expect(server.requests).toHaveLength(1);
  });

  it('and bodies that come drop by drop are cut off', async () => {
    server = await serve(undefined, { receiveTimeout: 300 });
    for (const start of [
      'GET /fhir/Basic/1 HTTP/1.1\r\nHost: loc',
      'POST /fhir/Basic HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: 20\r\n\r\n{',
    ]) {
      const socket = await rawSocket(server.port);
      socket.write(start);
      const drops = setInterval(() => socket.write('a'), 50);
      expect(await everything(socket).finally(() => clearInterval(drops))).toMatch(/^HTTP\/1\.1 408 /);
    }
    expect(server.requests).toHaveLength(0);
  });
});

it('closes connections above their number at once', async () => {
  server = await serve(undefined, { maxConnections: 2 });
  const held = [await rawSocket(server.port), await rawSocket(server.port)];
  const third = await rawSocket(server.port);
  expect(await everything(third).catch(() => '')).toBe('');
  for (const socket of held) socket.destroy();
});

describe('settings', () => {
  it('of rates', () => {
    expect([rate.parse('600/m'), rate.parse('5/s'), rate.parse('off')]).toEqual([
      { count: 600, per: 60_000 },
      { count: 5, per: 1000 },
      undefined,
    ]);
    for (const bad of ['0/m', '600', '1/d', '-1/s', '1.5/s', ''])
      expect(() => rate.parse(bad)).toThrow(/600\/m/);
  });

  it('of proxies', () => {
    expect(networks.parse('loopback, 10.1.2.3,fc00::/7')).toEqual([
      '127.0.0.0/8',
      '::1',
      '10.1.2.3',
      'fc00::/7',
    ]);
    for (const bad of ['proxy.example', '10.0.0.0/33', '10.0.0.0/', '::/129', '10.0.0.0/8/8', ''])
      expect(() => networks.parse(bad)).toThrow(/is not an address/);
  });
});
