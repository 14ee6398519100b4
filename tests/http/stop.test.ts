// A stop finishes what was accepted and accepts nothing more.
import { once } from 'node:events';
import { Agent, get } from 'node:http';
import { expect, it } from 'vitest';
import { deferred, rawSocket, serve, type Dispatch } from './serve.js';

const held = (): { dispatch: Dispatch; reached: Promise<void>; release: () => void } => {
  const reached = deferred<void>();
  const released = deferred<void>();
  return {
    async dispatch() {
      reached.resolve();
      await released.promise;
      return {
        status: 200,
        headers: { 'content-type': 'application/fhir+json' },
        body: '{"resourceType":"Basic"}',
      };
    },
    reached: reached.promise,
    release: () => released.resolve(),
  };
};

it('finishes an accepted request, closes its connection, and refuses new ones', async () => {
  const { dispatch, reached, release } = held();
  const server = await serve(dispatch);
  const answer = fetch(`${server.fhir}/Basic/1`);
  await reached;
  let isClosed = false;
  const closing = server.close().then(() => (isClosed = true));
  await expect(fetch(`${server.fhir}/Basic/1`)).rejects.toThrow();
  expect(isClosed).toBe(false);
  release();
  const response = await answer;
  expect(response.status).toBe(200);
  expect(response.headers.get('connection')).toBe('close');
  expect(await response.json()).toEqual({ resourceType: 'Basic' });
  await closing;
});

it('does not wait for connections that ask nothing', async () => {
  const server = await serve(undefined, { stopTimeout: 3_600_000 });
  const silent = await rawSocket(server.port);
  const agent = new Agent({ keepAlive: true });
  const [message] = (await once(get(`${server.fhir}/Basic/1`, { agent }), 'response')) as [
    NodeJS.ReadableStream,
  ];
  await once(message.resume(), 'end');
  const gone = once(silent.resume(), 'close');
  await server.close();
  await gone;
  agent.destroy();
});

it('waits for work whose client has gone', async () => {
  const { dispatch, reached, release } = held();
  const server = await serve(dispatch);
  const client = new AbortController();
  const answer = fetch(`${server.fhir}/Basic/1`, { signal: client.signal });
  await reached;
  client.abort();
  await expect(answer).rejects.toThrow();
  let isClosed = false;
  const closing = server.close().then(() => (isClosed = true));
  await new Promise(resolve => setImmediate(resolve));
  expect(isClosed).toBe(false);
  release();
  await closing;
});

it('cuts what has not finished when the stop time-out passes', async () => {
  const { dispatch, reached, release } = held();
  const server = await serve(dispatch, { stopTimeout: 50 });
  const answer = fetch(`${server.fhir}/Basic/1`);
  answer.catch(() => release());
  await reached;
  const closing = server.close();
  await expect(answer).rejects.toThrow();
  await closing;
  expect(server.lines.some(line => line.level === 'warn' && line.message.includes('stop time-out'))).toBe(
    true,
  );
});
