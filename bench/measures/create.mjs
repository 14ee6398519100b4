// Creates at 32 connections, gate on, against a bare better-sqlite3 insert of the very rows they made, with as many
// resources to a commit as Tsela's writer had on average.
import { resourcesOf } from '../material.mjs';
import { expectStatus, medianOf, ratioOf, rounds } from '../rounds.mjs';
import { median, pick, randomFrom, latency } from '../statistics.mjs';
import { commits, fileOf, greatestNumber } from '../store-file.mjs';

const concurrency = 32;

export async function measure(bench) {
  const server = await bench.tsela();
  const random = randomFrom(2);
  const resources = resourcesOf(bench.bundles);
  // What the references lead to comes first, as it would in life.
  const people = resources.filter(({ resourceType }) =>
    /^(Patient|Practitioner|Organization)$/.test(resourceType),
  );
  await bench.put(server, people);
  const others = resources.filter(resource => !people.includes(resource));
  const perRound = bench.quick ? 2000 : 6000;
  const sample = () =>
    Array.from({ length: perRound }, () => {
      const resource = { ...pick(random, others), id: undefined };
      return {
        method: 'POST',
        url: `/fhir/${resource.resourceType}`,
        body: Buffer.from(JSON.stringify(resource)),
      };
    });
  const file = bench.mongo ? undefined : fileOf(server.folder);

  const ours = async () => {
    const requests = sample();
    const before = file === undefined ? undefined : { commits: commits(file), number: greatestNumber(file) };
    const { result, cpu } = await server.during(() =>
      bench.loader.call('closed', { port: server.port, concurrency, requests }),
    );
    const { count, seconds, milliseconds, busy } = expectStatus(result, 201);
    const made =
      file === undefined ? {} : { after: before.number, perCommit: count / (commits(file) - before.commits) };
    return { rate: count / seconds, cpu: (cpu / count) * 1e6, busy, ...made, ...latency(milliseconds) };
  };
  const row = { id: 'create', what: `create, ${concurrency} connections`, unit: 'resources/s' };
  const detail = results => ({
    'p50 ms': medianOf(results, one => one.p50),
    'p99 ms': medianOf(results, one => one.p99),
    'loader busy': medianOf(results, one => one.busy),
  });
  if (file === undefined) {
    const results = (await rounds(bench.rounds, { ours })).ours;
    await server.stop();
    return [
      {
        ...row,
        ours: medianOf(results, one => one.rate),
        detail: { 'server CPU µs': medianOf(results, one => one.cpu), ...detail(results) },
      },
    ];
  }

  const bare = await bench.bareStore(file);
  // The bare insert needs the rows of its round, so here it always comes second.
  const results = [];
  const limits = [];
  for (let round = 0; round <= bench.rounds; round++) {
    const one = await ours();
    const copied = await bare.call('copy', { model: file, after: one.after, perCommit: one.perCommit });
    if (round === 0) continue;
    results.push(one);
    limits.push({
      rate: copied.resources / copied.seconds,
      cpu: (copied.cpu / copied.resources) * 1e6,
      rows: copied.rows / copied.resources,
    });
  }
  await bare.stop();
  await server.stop();
  const cpu = medianOf(results, one => one.cpu);
  return [
    {
      id: 'create-cpu',
      what: `CPU of the server for a create, ${concurrency} connections`,
      unit: 'µs',
      ours: cpu,
      target: { most: 450, of: 'ours' },
    },
    {
      ...row,
      ours: medianOf(results, one => one.rate),
      limit: medianOf(limits, one => one.rate),
      ratio: ratioOf(results, limits, one => one.rate),
      target: { least: 0.4 },
      detail: {
        'resources to a commit': median(results.map(one => one.perCommit)),
        'rows per resource': medianOf(limits, one => one.rows),
        'bare insert CPU µs': medianOf(limits, one => one.cpu),
        ...detail(results),
      },
    },
  ];
}
