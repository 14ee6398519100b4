// The process itself: SIGTERM lets an accepted request finish, closes the store and ends with 0.
import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { everything, rawSocket } from './serve.js';

const root = fileURLToPath(new URL('../..', import.meta.url));
let data: string;
beforeAll(() => {
  data = mkdtempSync(join(tmpdir(), 'tsela-signal-'));
});
afterAll(() => rmSync(data, { recursive: true, force: true }));

interface Started {
  readonly child: ChildProcess;
  readonly port: number;
  readonly exit: Promise<unknown[]>;
}

async function started(): Promise<Started> {
  const env: NodeJS.ProcessEnv = { ...process.env, TSELA_LOG_LEVEL: 'info', NODE_ENV: 'test' };
  delete env['MONGODB_URL'];
  const child = spawn(process.execPath, ['dist/cli.js', 'start', '--open', '--port', '0', '--data', data], {
    cwd: root,
    env,
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const exit = once(child, 'exit');
  let text = '';
  const port = await new Promise<number>((resolve, reject) => {
    child.stdout.setEncoding('utf8').on('data', (chunk: string) => {
      text += chunk;
      const found = /FHIR base\s+http:\/\/127\.0\.0\.1:(\d+)\/fhir/.exec(text);
      if (found) resolve(Number(found[1]));
    });
    exit.then(() => reject(new Error(`the server ended:\n${text}`)), reject);
  });
  return { child, port, exit };
}

const body = '{"resourceType":"Basic","id":"signal","code":{"text":"x"}}';
const head = (port: number): string =>
  `PUT /fhir/Basic/signal HTTP/1.1\r\nHost: localhost:${port}\r\nContent-Type: application/fhir+json\r\nContent-Length: ${body.length}\r\n\r\n`;

it('finishes an accepted request on SIGTERM, and what it answered is there afterwards', async () => {
  const first = await started();
  const socket = await rawSocket(first.port);
  const answer = everything(socket);
  socket.write(head(first.port) + body.slice(0, 10));
  await fetch(`http://127.0.0.1:${first.port}/health/live`); // by now the server has read the head
  first.child.kill('SIGTERM');
  await expect
    .poll(() =>
      fetch(`http://127.0.0.1:${first.port}/health/live`).then(
        () => 'up',
        () => 'down',
      ),
    )
    .toBe('down');
  socket.write(body.slice(10));
  expect(await answer).toMatch(/^HTTP\/1\.1 201 [^]*connection: close/i);
  expect(await first.exit).toEqual([0, null]);

  const second = await started();
  const response = await fetch(`http://127.0.0.1:${second.port}/fhir/Basic/signal`);
  expect(await response.json()).toMatchObject({ id: 'signal', code: { text: 'x' } });
  second.child.kill('SIGINT');
  expect(await second.exit).toEqual([0, null]);
});

it('ends at once on a second signal', async () => {
  const { child, port, exit } = await started();
  const socket = await rawSocket(port);
  socket.on('error', () => {});
  socket.write(head(port));
  await fetch(`http://127.0.0.1:${port}/health/live`);
  child.kill('SIGTERM');
  await expect
    .poll(() =>
      fetch(`http://127.0.0.1:${port}/health/live`).then(
        () => 'up',
        () => 'down',
      ),
    )
    .toBe('down');
  child.kill('SIGTERM');
  expect(await exit).toEqual([1, null]);
  socket.destroy();
});
