// Health, metrics, and what is nowhere.
import { afterAll, beforeAll, expect, it } from 'vitest';
import { outcomeIn, serve, type Served } from './serve.js';

let server: Served;
let isUp = true;
const metricsToken = 'the token that measures, long enough';
beforeAll(async () => {
  server = await serve(undefined, {
    metricsToken,
    async ready() {
      if (!isUp) throw new Error('no store');
    },
  });
});
afterAll(() => server.close());

it('tells where to go', async () => {
  expect(await (await fetch(server.url)).json()).toMatchObject({ name: 'Tsela', fhir: server.fhir });
});

it('is live, and ready while the store answers', async () => {
  expect((await fetch(`${server.url}/health/live`)).status).toBe(200);
  expect((await fetch(`${server.url}/health/ready`)).status).toBe(200);
  isUp = false;
  const response = await fetch(`${server.url}/health/ready`);
  expect(response.status).toBe(503);
  expect(await response.json()).toEqual({ status: 'unavailable' });
  expect((await fetch(`${server.url}/health/live`)).status).toBe(200);
  isUp = true;
});

it('counts requests by interaction and status', async () => {
  await fetch(`${server.fhir}/Basic/1`);
  await fetch(`${server.fhir}/Basic/1`, { headers: { accept: 'text/turtle' } });
  for (const authorization of ['', 'Bearer x', `Basic ${metricsToken}`])
    expect((await fetch(`${server.url}/metrics`, { headers: { authorization } })).status).toBe(401);
  const headers = { authorization: `Bearer ${metricsToken}` };
  const response = await fetch(`${server.url}/metrics`, { headers });
  expect(response.headers.get('content-type')).toMatch(/^text\/plain; version=0\.0\.4/);
  const text = await response.text();
  expect(text).toMatch(/tsela_request_duration_seconds_count\{interaction="read",status="200"\} 1\n/);
  expect(text).toMatch(/tsela_request_duration_seconds_count\{interaction="refused",status="406"\} 1\n/);
  expect(text).toContain('nodejs_eventloop_lag_p99_seconds');
});

it('answers 404 with an outcome anywhere else', async () => {
  for (const path of ['/nowhere', '/fhirish', '/health', '/metrics/x']) {
    const response = await fetch(server.url + path, { method: path === '/health' ? 'POST' : 'GET' });
    expect(response.status).toBe(404);
    expect((await outcomeIn(response)).issue[0]!.code).toBe('not-found');
  }
});

it('tells nothing of an unexpected failure but the id under which it is logged', async () => {
  const failing = await serve(async () => {
    throw new Error('the password is 1234');
  });
  const response = await fetch(`${failing.fhir}/Basic/1`, { headers: { 'x-request-id': 'seen-1' } });
  expect(response.status).toBe(500);
  const text = await response.text();
  expect(text).toContain('seen-1');
  expect(text).not.toContain('1234');
  expect(failing.lines.find(line => line.level === 'error')?.fields).toMatchObject({
    id: 'seen-1',
    err: { message: 'the password is 1234' },
  });
  await failing.close();
});

it('answers 500, not a broken response, when a header cannot be sent', async () => {
  const failing = await serve(async () => ({
    status: 200,
    headers: { 'content-type': 'text/plain\r\nx-injected: 1' },
    body: 'x',
  }));
  const response = await fetch(`${failing.fhir}/Binary/1`);
  expect(response.status).toBe(500);
  expect(response.headers.get('x-injected')).toBeNull();
  await failing.close();
});

it('warns of slow requests', async () => {
  const slow = await serve(undefined, { slowRequest: 0 });
  await fetch(`${slow.fhir}/Basic/1`);
  await expect.poll(() => slow.lines.at(-1)).toMatchObject({ level: 'warn', message: 'slow request' });
  await slow.close();
});
