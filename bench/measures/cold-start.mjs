// From spawning `tsela start --open` on an empty store to its first answered read, beside a bare Koa server's start.
// The read is of a resource that is not there: the 404 has gone through router, guard and store.
import { get } from 'node:http';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { command, project } from '../children.mjs';
import { medianOf, ratioOf, rounds } from '../rounds.mjs';

const freePort = () =>
  new Promise(resolve => {
    const server = createServer().listen(0, '127.0.0.1', () => {
      const { port } = server.address();
      server.close(() => resolve(port));
    });
  });

const status = url =>
  new Promise(resolve => {
    get(url, { agent: false }, response => resolve(response.resume().statusCode)).on('error', () =>
      resolve(0),
    );
  });

/** Asks until the expected answer comes; 0 while nobody listens, 503 while the store opens. */
const firstAnswer = (url, expected) => async started => {
  for (;;) {
    const answer = await status(url);
    if (answer === expected) return { seconds: (performance.now() - started) / 1000 };
    if (answer !== 0 && answer !== 503) throw new Error(`${url} answered ${answer}`);
    await new Promise(resolve => setTimeout(resolve, 2));
  }
};

export async function measure(bench) {
  const { ours, limit } = await rounds(bench.rounds, {
    async ours() {
      const port = await freePort();
      const args = [
        join(project, 'dist/cli.js'),
        'start',
        '--open',
        '--port',
        String(port),
        '--data',
        bench.folder(),
      ];
      return command(
        process.execPath,
        args,
        {},
        firstAnswer(`http://127.0.0.1:${port}/fhir/Patient/none`, 404),
      );
    },
    async limit() {
      const port = await freePort();
      const code = `import Koa from 'koa'; new Koa().use(ctx => { ctx.body = '{}'; }).listen(${port}, '127.0.0.1')`;
      const args = ['--input-type=module', '--eval', code];
      return command(process.execPath, args, {}, firstAnswer(`http://127.0.0.1:${port}/`, 200));
    },
  });
  return [
    {
      id: 'cold-start',
      what: 'spawn to first answered read, empty store; limit: bare Koa',
      unit: 's',
      ours: medianOf(ours, one => one.seconds),
      limit: medianOf(limit, one => one.seconds),
      ratio: ratioOf(ours, limit, one => one.seconds),
      target: { most: 1.5, of: 'ours' },
    },
    {
      id: 'memory',
      what: 'resident after it',
      unit: 'MB',
      ours: medianOf(ours, one => one.rss),
      limit: medianOf(limit, one => one.rss),
      target: { most: 200, of: 'ours' },
      detail: { 'peak MB': medianOf(ours, one => one.peak) },
    },
  ];
}
