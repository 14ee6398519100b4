// Read by id against a bare Koa server that sends the same bytes from memory, at 32 connections.
import { expectStatus, medianOf, ratioOf, rounds } from '../rounds.mjs';
import { latency } from '../statistics.mjs';
import { puts, resourcesOf } from '../material.mjs';

const concurrency = 32;

export async function measure(bench) {
  const server = await bench.tsela();
  const some = resourcesOf(bench.bundles.slice(0, 4)).slice(0, 1000);
  await bench.post(server, [...puts(some)]);
  const requests = some.map(({ resourceType, id }) => ({ url: `/fhir/${resourceType}/${id}` }));
  const rows = await againstKoa(bench, server, requests, { round: bench.seconds, concurrency });
  await server.stop();
  return [{ id: 'read', what: `read by id, ${concurrency} connections`, target: { least: 0.45 }, ...rows }];
}

/** Requests a second and CPU of the server and of Koa sending what the server sent. */
export async function againstKoa(bench, server, requests, { round, concurrency }) {
  const { loader, koa } = bench;
  const kept = expectStatus(
    await loader.call('closed', { port: server.port, concurrency: 4, requests, keep: true }),
    200,
  );
  await koa.call(
    'hold',
    requests.map(({ url }, i) => [url, kept.bodies[i]]),
  );
  const koaPort = await koa.call('port');
  const run = async (child, port) => {
    const { result, cpu } = await child.during(() =>
      loader.call('closed', { port, concurrency, requests, seconds: round }),
    );
    const { count, seconds, busy, milliseconds } = expectStatus(result, 200);
    return { rate: count / seconds, cpu: (cpu / count) * 1e6, busy, ...latency(milliseconds) };
  };
  const { ours, limit } = await rounds(bench.rounds, {
    ours: () => run(server, server.port),
    limit: () => run(koa, koaPort),
  });
  const bytes = kept.bodies.reduce((sum, each) => sum + each.length, 0) / kept.bodies.length;
  return {
    unit: 'requests/s',
    ours: medianOf(ours, one => one.rate),
    limit: medianOf(limit, one => one.rate),
    ratio: ratioOf(ours, limit, one => one.rate),
    detail: {
      'bytes per answer': bytes,
      'server CPU µs': medianOf(ours, one => one.cpu),
      'Koa CPU µs': medianOf(limit, one => one.cpu),
      'ratio by CPU': 1 / ratioOf(ours, limit, one => one.cpu),
      'p50 ms': medianOf(ours, one => one.p50),
      'p99 ms': medianOf(ours, one => one.p99),
      'loader busy, at Koa': medianOf(limit, one => one.busy),
    },
  };
}
