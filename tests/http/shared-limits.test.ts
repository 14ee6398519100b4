// Several processes of one server count requests together where they have a Redis.
import { Redis } from 'ioredis';
import { afterEach, describe, expect, it } from 'vitest';
import { createLimiter } from '../../src/http/rate-limit.js';
import { channelOf } from '../../src/http/shared-limits.js';
import { rawExchange, serve, type Served } from './serve.js';

const redisUrl = process.env['REDIS_URL'];
const served: Served[] = [];
afterEach(async () => {
  for (const one of served.splice(0)) await one.close();
});

/** Another name each time: what is told to one server is not told to another. */
let servers = 0;
const host = (): string => `server-${process.pid}-${servers}.example.org`;
async function processOf(url: string): Promise<Served> {
  const limitAddress = { count: 4, per: 3_600_000 };
  const one = await serve(undefined, { redisUrl: url, baseUrl: `http://${host()}`, trustedProxies: ['127.0.0.1'], limitAddress, limitClient: undefined }); // prettier-ignore
  served.push(one);
  return one;
}
async function ask({ port }: Served, address: string): Promise<number> {
  const head = `Host: ${host()}\r\nX-Forwarded-For: ${address}\r\nConnection: close`;
  const answer = await rawExchange(port, `GET /fhir/Basic/1 HTTP/1.1\r\n${head}\r\n\r\n`);
  return Number(/^HTTP\/1\.1 (\d+)/.exec(answer)?.[1]);
}

/** Resolves when so many listen. */
async function listening(many: number): Promise<void> {
  const redis = new Redis(redisUrl!);
  await expect.poll(() => redis.publish(channelOf(`http://${host()}`), 'null')).toBe(many);
  redis.disconnect();
}

/** How many were taken, of all buckets, by what was told. */
const sumIn = (heard: readonly string[]): number =>
  heard
    .map(text => JSON.parse(text) as { took?: [bucket: string, count: number][] } | null)
    .flatMap(told => told?.took ?? [])
    .reduce((sum, [, count]) => sum + count, 0);

it('takes from a bucket what others took, and no more than there is', () => {
  let at = 0;
  const { take, spend } = createLimiter({ count: 3, per: 30_000 }, () => at);
  spend('a', 2);
  expect(take('a').remaining).toBe(0);
  expect(take('a')).toEqual({ limit: 3, remaining: 0, reset: 30, wait: 10 });
  spend('a', 1_000_000);
  expect(take('a')).toEqual({ limit: 3, remaining: 0, reset: 60, wait: 40 });
  at = 40_000;
  expect(take('a').wait).toBeUndefined();
});

describe.skipIf(redisUrl === undefined)('processes with a Redis (needs REDIS_URL)', () => {
  it('hold one limit together, and say nobody’s address', async () => {
    servers++;
    const heard: string[] = [];
    const ear = new Redis(redisUrl!);
    ear.on('message', (_, text: string) => heard.push(text));
    await ear.subscribe(channelOf(`http://${host()}`));
    try {
      const [first, second] = [await processOf(redisUrl!), await processOf(redisUrl!)];
      await listening(3); // with the ear
      for (let i = 0; i < 3; i++) expect(await ask(first, '192.0.2.1')).toBe(200);
      // Told at once or in pieces, as the moments of telling fall.
      await expect.poll(() => sumIn(heard)).toBe(3);
      await listening(3); // and what was told before has been sent to all of them
      expect(await ask(second, '192.0.2.1')).toBe(200);
      expect(await ask(second, '192.0.2.1')).toBe(429);
      await expect.poll(() => ask(first, '192.0.2.1')).toBe(429);
      expect(await ask(first, '192.0.2.2')).toBe(200);
      expect(heard.join('')).not.toContain('192.0.2');
    } finally {
      ear.disconnect();
    }
  });

  it('of another server with the same Redis count by themselves, and what is no word of theirs is not listened to', async () => {
    servers++;
    const one = await processOf(redisUrl!);
    await listening(1);
    const channel = channelOf(`http://${host()}`);
    const mouth = new Redis(redisUrl!);
    const words = ['', 'null', '{"took":1}', '{"took":[["constructor x",1]]}', '{"took":[["address x",-9]]}'];
    for (const text of words) expect(await mouth.publish(channel, text)).toBe(1);
    mouth.disconnect();
    for (let i = 0; i < 4; i++) expect(await ask(one, '192.0.2.3')).toBe(200);
    expect(await ask(one, '192.0.2.3')).toBe(429);
  });
});

it('count for themselves while Redis is away, and say so once', async () => {
  servers++;
  const one = await processOf('redis://127.0.0.1:1');
  for (let i = 0; i < 4; i++) expect(await ask(one, '192.0.2.4')).toBe(200);
  expect(await ask(one, '192.0.2.4')).toBe(429);
  await expect.poll(() => one.lines.filter(({ message }) => message.includes('Redis')).length).toBe(1);
});
