// $validate-code over HTTP against a plain read of the same server; and a code system of 400,000 concepts on its own.
import { child } from '../children.mjs';
import { expectStatus, medianOf, ratioOf, rounds } from '../rounds.mjs';
import { latency } from '../statistics.mjs';

const concurrency = 32;
const system = 'http://example.org/bench';
const concepts = Array.from({ length: 1000 }, (_, i) => ({ code: `c${i}`, display: `Concept ${i}` }));

export async function measure(bench) {
  return [await overHttp(bench), ...(bench.mongo ? [] : await alone(bench))];
}

async function overHttp(bench) {
  const server = await bench.tsela();
  const status = 'active';
  const people = concepts.map(({ code }) => ({
    resourceType: 'Patient',
    id: code,
    name: [{ family: code }],
  }));
  await bench.put(server, [
    { resourceType: 'CodeSystem', id: 'bench', url: system, status, content: 'complete', concept: concepts },
    {
      resourceType: 'ValueSet',
      id: 'bench',
      url: `${system}/vs`,
      status,
      compose: { include: [{ system }] },
    },
    ...people,
  ]);
  const asked = {
    ours: concepts.map(({ code }) => ({
      url: `/fhir/ValueSet/$validate-code?url=${system}/vs&system=${system}&code=${code}`,
    })),
    limit: people.map(({ id }) => ({ url: `/fhir/Patient/${id}` })),
  };
  const run = async requests => {
    const { result, cpu } = await server.during(() =>
      bench.loader.call('closed', { port: server.port, concurrency, requests, seconds: bench.seconds }),
    );
    const { count, seconds, milliseconds } = expectStatus(result, 200);
    return { rate: count / seconds, cpu: (cpu / count) * 1e6, ...latency(milliseconds) };
  };
  const { ours, limit } = await rounds(bench.rounds, {
    ours: () => run(asked.ours),
    limit: () => run(asked.limit),
  });
  await server.stop();
  return {
    id: 'validate-code',
    what: `$validate-code, ${concurrency} connections; limit: read by id of the same server`,
    target: { least: 0.5 },
    unit: 'requests/s',
    ours: medianOf(ours, one => one.rate),
    limit: medianOf(limit, one => one.rate),
    ratio: ratioOf(ours, limit, one => one.rate),
    detail: {
      'server CPU µs': medianOf(ours, one => one.cpu),
      'read CPU µs': medianOf(limit, one => one.cpu),
      'p99 ms': medianOf(ours, one => one.p99),
    },
  };
}

async function alone(bench) {
  const one = await child('terminology-alone.mjs');
  const made = await one.call('make');
  const all = [];
  for (let round = 0; round <= bench.rounds; round++) {
    const result = await one.call('round');
    if (round > 0) all.push(result);
  }
  await one.stop();
  const figure = name => medianOf(all, each => each[name]);
  const row = (id, what, name, unit) => ({ id, what, unit, ours: figure(name) });
  return [
    {
      ...row('large-lookup', 'codes found among 400,000 loaded concepts', 'lookups', 'codes/s'),
      detail: { ...made, 'read ms': figure('read ms'), 'memory MB': figure('memory MB') },
    },
    row('large-validate', 'codes of them judged', 'validate', 'codes/s'),
    {
      ...row('large-subsumes', 'subsumption between two of them', 'subsumes', 'pairs/s'),
      detail: { 'all descendants ms': figure('descendants ms'), 'text filter ms': figure('filter ms') },
    },
  ];
}
