// Searches as the store grows: p50 and p95 of each shape at every size, how p50 grows with it, whether ingest keeps its
// rate, and what reads suffer while the heaviest searches run. Takes minutes, so it is a run of its own: --only=scale.
import { statSync } from 'node:fs';
import { join } from 'node:path';
import { child, tsela } from '../children.mjs';
import { dropDatabase } from '../mongo.mjs';
import { population, suffixOf, transactions } from '../population.mjs';
import { expectStatus } from '../rounds.mjs';
import { shapesOf } from '../shapes.mjs';
import { latency, median, pick, randomFrom, short } from '../statistics.mjs';
import { fileOf } from '../store-file.mjs';

const many = number => number.toLocaleString('en');

export async function measure(bench) {
  const people = population(bench.bundles);
  const most = bench.quick ? 30_000 : bench.mongo ? 100_000 : Infinity;
  const sizes = (bench.sizes ?? (bench.quick ? [10_000, 30_000] : [10_000, 100_000, 1_000_000])).filter(
    size => size <= most,
  );

  const folder = bench.folder();
  const mongo = bench.mongo ? `tsela_bench_scale_${process.pid}` : undefined;
  const ingest = [];
  const measured = new Map();
  let copies = 0;
  let calm;
  try {
    for (const size of sizes) {
      const server = await tsela(folder, { mongo });
      while (copies * people.size < size) {
        const requests = [...transactions(people.copy(copies++))].map(body => ({
          method: 'POST',
          url: '/fhir',
          body,
        }));
        const { result, cpu } = await server.during(() =>
          bench.loader.call('closed', { port: server.port, concurrency: 2, requests }),
        );
        ingest.push({
          rate: people.size / expectStatus(result, 200).seconds,
          cpu: (cpu / people.size) * 1e6,
        });
      }
      if (size === sizes.at(-1) && !bench.mongo) calm = await calmness(bench, server, people, copies);
      await server.stop();
      process.stderr.write(`  ${many(copies * people.size)} resources …\n`);
      await searches({ file: mongo ? undefined : fileOf(folder), mongo, people, copies }, measured);
    }
  } finally {
    if (mongo !== undefined) await dropDatabase(mongo);
  }
  const rows = figures(measured, sizes);
  if (bench.mongo) return rows;
  const bytes = statSync(fileOf(folder)).size / (copies * people.size);
  return [...rows, ...ingested(ingest), ...calm, { id: 'scale-disk', what: `the store on disk at ${many(sizes.at(-1))}, per resource`, unit: 'bytes', ours: bytes, target: { most: 2200, of: 'ours' } }]; // prettier-ignore
}

/** Every shape once more, at the size the store has now. */
async function searches({ file, mongo, people, copies }, measured) {
  const store = await child('scale-search.mjs', { output: join('/dev', 'null') });
  await store.call('open', { file, mongo });
  // In pages of a thousand: half of the observations, which are half of all.
  const deep = mongo ? 10 : Math.floor((copies * people.size) / 2 / 2 / 1000);
  for (const shape of shapesOf(people.resources, copies, randomFrom(5), 100)) {
    const { milliseconds, found } = await store.call(
      'measure',
      { ...shape, deep: shape.deep && deep },
      { milliseconds: 500, least: 3 },
    );
    const name = `${shape.type}: ${shape.what}`;
    if (!measured.has(name)) measured.set(name, { selective: shape.selective === true, at: [] });
    measured.get(name).at.push({ n: copies * people.size, found, ...latency(milliseconds) });
  }
  await store.call('close');
  await store.stop();
}

/** Least squares of ln p50 = a + b ln N. */
function exponent(at) {
  const points = at.map(({ n, p50 }) => [Math.log(n), Math.log(p50)]);
  const mean = i => points.reduce((sum, point) => sum + point[i], 0) / points.length;
  const [x, y] = [mean(0), mean(1)];
  const over = points.reduce((sum, [a, b]) => sum + (a - x) * (b - y), 0);
  return over / points.reduce((sum, [a]) => sum + (a - x) ** 2, 0);
}

function figures(measured, sizes) {
  const shapes = [...measured].map(([name, { selective, at }]) => ({
    name,
    selective,
    at,
    growth: exponent(at),
  }));
  const worst = (list, of) => list.reduce((most, one) => (of(one) > of(most) ? one : most));
  const selective = shapes.filter(one => one.selective);
  const most = worst(selective, one => one.growth);
  const last = one => one.at.at(-1);
  const slowest = worst(shapes, one => last(one).p50);
  const slowSelective = worst(selective, one => last(one).p95);
  const label = sizes.map(size => many(size)).join(', ');
  return [
    {
      id: 'scale-growth',
      what: `growth exponent of p50 over ${label} resources, the worst of ${selective.length} selective searches (${most.name})`,
      unit: '',
      ours: most.growth,
      target: { most: 0.1, of: 'ours' },
      detail: {
        'median of them': median(selective.map(one => one.growth)),
        'over 0.1': selective.filter(one => one.growth > 0.1).length,
        'worst p95 of a selective search, ms': last(slowSelective).p95,
      },
    },
    {
      id: 'scale-worst',
      what: `the slowest of ${shapes.length} shapes, p50 (${slowest.name})`,
      unit: 'ms',
      ours: last(slowest).p50,
    },
    {
      id: 'scale-shapes',
      table: {
        title: `p50 and p95 in ms, in process, at ${label} resources; b: growth exponent of p50; found: results and included, or the count`,
        columns: ['shape', ...sizes.flatMap(size => [`p50 ${many(size)}`, 'p95']), 'found', 'b', 'selective'],
        rows: shapes.map(({ name, at, growth, selective: is }) => [
          name,
          ...at.flatMap(({ p50, p95 }) => [short(p50), short(p95)]),
          short(at.at(-1).found),
          growth.toFixed(2),
          is ? 'yes' : '',
        ]),
      },
    },
  ];
}

function ingested(ingest) {
  const tenth = Math.max(1, Math.round(ingest.length / 10));
  // Harmonic: so many resources in so much time.
  const rate = some => some.length / some.reduce((sum, { rate: one }) => sum + 1 / one, 0);
  const cpu = some => some.reduce((sum, one) => sum + one.cpu, 0) / some.length;
  // Without the first copy, in which the server is still being compiled.
  const [early, late] = [ingest.slice(1, 1 + tenth), ingest.slice(-tenth)];
  return [
    {
      id: 'scale-ingest',
      what: 'ingest of the last tenth; limit: of the first',
      unit: 'resources/s',
      ours: rate(late),
      limit: rate(early),
      ratio: rate(late) / rate(early),
      target: { least: 0.85 },
      detail: { 'server CPU µs per resource, last': cpu(late), first: cpu(early) },
    },
  ];
}

/** What nobody can answer from an index: each reads most of what there is. No two alike, for pages and sets are kept. */
const heavy = Array.from({ length: 200 }, (_, i) => [
  `Observation?code:text=nothing-like-it-${i}`,
  `Observation?date=ge1990&value-quantity=lt-5.${i}&_sort=-date`,
  `Observation?patient.family:contains=nothing-like-it-${i}`,
  `Observation?code-value-quantity=8302-2$gt1000.${i}`,
  `Observation?date=ge${1700 + i}&_summary=count`,
]).flat();
const rate = 200;

async function calmness(bench, server, people, copies) {
  const random = randomFrom(7);
  const reads = Array.from({ length: 500 }, () => {
    const { resourceType, id } = pick(random, people.resources);
    return { url: `/fhir/${resourceType}/${id}${suffixOf(Math.floor(random() * copies))}` };
  });
  const reader = await child('loader.mjs');
  const during = async work => {
    await reader.call('open', { port: server.port, rate, requests: reads });
    const answered = await work();
    const latencies = await reader.call('stop');
    return { answered, ...latency(latencies.slice(rate / 2).map(([, ms]) => ms)) };
  };
  const seconds = bench.quick ? 2 : 8;
  const peace = await during(() => new Promise(resolve => setTimeout(resolve, seconds * 1000)));
  const requests = heavy.map(search => ({ url: `/fhir/${search}` }));
  const loaded = await during(() =>
    bench.loader.call('closed', { port: server.port, concurrency: 2, requests, seconds }),
  );
  await reader.stop();
  expectStatus(loaded.answered, 200);
  return [
    {
      id: 'scale-guard',
      what: `reads at ${rate}/s while two heavy searches run at a time, p99; limit: in peace`,
      unit: 'ms',
      ours: loaded.p99,
      limit: peace.p99,
      ratio: loaded.p99 / peace.p99,
      detail: {
        'p50 ms': loaded.p50,
        'p50 in peace ms': peace.p50,
        'heavy searches answered': loaded.answered.count,
        'their p50 ms': latency(loaded.answered.milliseconds).p50,
      },
    },
  ];
}
