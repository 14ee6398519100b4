// Observation?patient=X&code=Y&_sort=-date&_count=20 over many resources: the store's search against the same query
// written by hand on a prepared statement and the same file; and pages over HTTP against Koa sending the same bytes.
import { expectStatus, medianOf, ratioOf } from '../rounds.mjs';
import { resourcesOf } from '../material.mjs';
import { latency, pick, randomFrom } from '../statistics.mjs';
import { againstKoa } from './read.mjs';
import { child } from '../children.mjs';
import { fileOf } from '../store-file.mjs';

export async function measure(bench) {
  const server = await bench.tsela();
  const wanted = bench.mongo || bench.quick ? 10_000 : 100_000;
  let count = 0;
  /** Patients with the codes of their observations. */
  const patients = new Map();
  for (let copy = 0; count < wanted; copy++) {
    const resources = resourcesOf(bench.bundles, copy);
    await bench.put(server, resources);
    count += resources.length;
    for (const { resourceType, subject, code } of resources) {
      const coding = code?.coding?.[0];
      if (
        resourceType !== 'Observation' ||
        !subject?.reference?.startsWith('Patient/') ||
        coding?.system === undefined
      )
        continue;
      const id = subject.reference.slice('Patient/'.length);
      if (!patients.has(id)) patients.set(id, []);
      patients.get(id).push(`${coding.system}|${coding.code}`);
    }
  }
  const over = `over ${count.toLocaleString('en')} resources`;
  const random = randomFrom(5);
  const ids = [...patients.keys()];
  const searches = Array.from({ length: 500 }, () => {
    const patient = pick(random, ids);
    return { patient, code: pick(random, patients.get(patient)) };
  });
  const requests = searches.map(({ patient, code }) => ({
    url: `/fhir/Observation?patient=${patient}&code=${encodeURIComponent(code)}&_sort=-date&_count=20`,
  }));
  const one = { port: server.port, requests, concurrency: 1 };
  await bench.loader.call('closed', one);
  const { milliseconds } = expectStatus(await bench.loader.call('closed', one), 200);
  const { p50, p99 } = latency(milliseconds);

  const full = ids.filter(id => patients.get(id).length >= 20);
  const pages = full
    .slice(0, 400)
    .map(id => ({ url: `/fhir/Observation?patient=${id}&_sort=-date&_count=20` }));
  const page = await againstKoa(bench, server, pages, { round: bench.seconds, concurrency: 16 });
  await server.stop();
  const http = { 'over HTTP p50 ms': p50, 'over HTTP p99 ms': p99 };
  const rows = [
    {
      id: 'page',
      what: 'page of 20 observations, 16 connections',
      target: { least: 0.2, hope: 0.3 },
      ...page,
    },
  ];
  if (bench.mongo)
    return [
      {
        id: 'search',
        what: `patient, code, sort by date, ${over}, over HTTP`,
        unit: 'ms',
        ours: p50,
        detail: http,
      },
      ...rows,
    ];

  const store = await child('bare-search.mjs');
  const file = fileOf(server.folder);
  const ours = [];
  const limits = [];
  for (let round = 0; round <= bench.rounds; round++) {
    const { store: mine, bare } = await store.call('compare', { file, searches });
    if (round === 0) continue;
    ours.push({ ...latency(mine.search), parse: latency(mine.parse).p50 });
    limits.push(latency(bare));
  }
  await store.stop();
  return [
    {
      id: 'search',
      what: `patient, code, sort by date, first 20, ${over}, p50 in process`,
      unit: 'ms',
      ours: medianOf(ours, each => each.p50),
      limit: medianOf(limits, each => each.p50),
      ratio: ratioOf(ours, limits, each => each.p50),
      target: { most: 3 },
      detail: {
        'p99 ms': medianOf(ours, each => each.p99),
        'bare p99 ms': medianOf(limits, each => each.p99),
        'parsing the search p50 ms': medianOf(ours, each => each.parse),
        ...http,
      },
    },
    ...rows,
  ];
}
