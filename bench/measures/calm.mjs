// Reads at a steady rate while a 3 MB transaction is taken in: their p99 against the p99 of the same reads in peace.
import { puts, resourcesOf } from '../material.mjs';
import { medianOf, ratioOf, expectStatus } from '../rounds.mjs';
import { latency } from '../statistics.mjs';
import { child } from '../children.mjs';

const rate = 400;
/** A round has some 600 reads beside a Bundle, so its p99 is the sixth slowest: fewer rounds tell of chance. */
const leastRounds = 5;

export async function measure(bench) {
  const server = await bench.tsela();
  const some = resourcesOf(bench.bundles.slice(0, 4)).slice(0, 500);
  await bench.post(server, [...puts(some)]);
  const reads = some.map(({ resourceType, id }) => ({ url: `/fhir/${resourceType}/${id}` }));
  const largest = bench.bundles.toSorted((a, b) => b.bytes.length - a.bytes.length)[0];
  const bundle = [{ method: 'POST', url: '/fhir', body: largest.bytes }];
  await bench.loader.call('hold', { requests: bundle });
  const reader = await child('loader.mjs');
  const ingests = bench.quick ? 4 : 10;
  const rounds = bench.quick ? bench.rounds : Math.max(bench.rounds, leastRounds);

  const peace = [];
  const during = [];
  const took = [];
  for (let round = 0; round <= rounds; round++) {
    await reader.call('open', { port: server.port, rate, requests: reads });
    const start = Date.now();
    await new Promise(resolve => setTimeout(resolve, bench.seconds * 1000));
    const spans = [];
    for (let i = 0; i < ingests; i++) {
      const ingest = await bench.loader.call('closed', { port: server.port, concurrency: 1 });
      expectStatus(ingest, 200);
      spans.push([ingest.began, ingest.began + ingest.seconds * 1000]);
      await new Promise(resolve => setTimeout(resolve, 200));
    }
    const latencies = await reader.call('stop');
    if (round === 0) continue;
    const within = (from, to) => latencies.filter(([sent]) => sent >= from && sent <= to).map(([, ms]) => ms);
    peace.push(latency(within(start, spans[0][0] - 5)));
    during.push(latency(spans.flatMap(([from, to]) => within(from, to))));
    took.push(...spans.map(([from, to]) => to - from));
  }
  await reader.stop();
  await server.stop();
  return [
    {
      id: 'calm',
      what: `reads at ${rate}/s while a bundle of ${(largest.bytes.length / 1e6).toFixed(1)} MB (${largest.bundle.entry.length} entries) is taken in, p99; limit: in peace`,
      unit: 'ms',
      ours: medianOf(during, one => one.p99),
      limit: medianOf(peace, one => one.p99),
      ratio: ratioOf(during, peace, one => one.p99),
      target: { most: 3 },
      detail: {
        'p50 ms': medianOf(during, one => one.p50),
        'p50 in peace ms': medianOf(peace, one => one.p50),
        'max ms': medianOf(during, one => one.max),
        'ingest ms': medianOf(took, ms => ms),
      },
    },
  ];
}
