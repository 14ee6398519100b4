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
  /** Asked once to warm up and, with another count so that no page is sent again, once to measure. */
  const asked = size => ({
    port: server.port,
    concurrency: 1,
    requests: [
      ...new Set(searches.map(({ patient, code }) => `patient=${patient}&code=${encodeURIComponent(code)}`)),
    ].map(criteria => ({ url: `/fhir/Observation?${criteria}&_sort=-date&_count=${size}` })),
  });
  await bench.loader.call('closed', asked(21));
  const { milliseconds } = expectStatus(await bench.loader.call('closed', asked(20)), 200);
  const { p50, p99 } = latency(milliseconds);

  const full = ids.filter(id => patients.get(id).length >= 20);
  const pageOf = (id, size) => ({ url: `/fhir/Observation?patient=${id}&_sort=-date&_count=${size}` });
  const load = { round: bench.seconds, concurrency: 16 };
  const page = await againstKoa(bench, server, full.slice(0, 400).map(id => pageOf(id, 20)), load); // prettier-ignore
  // More pages in turn than are kept (16 MB): each is forgotten before it is asked for again.
  const around = Math.ceil(600 / full.length); // sizes from 20 - around to 20 + around
  const sizes = Array.from({ length: 2 * around + 1 }, (_, i) => 20 - around + i);
  const many = sizes.flatMap(size => full.slice(0, 400).map(id => pageOf(id, size)));
  const anew = await againstKoa(bench, server, many, load);
  await server.stop();
  const http = { 'over HTTP p50 ms': p50, 'over HTTP p99 ms': p99 };
  const rows = [
    {
      id: 'page',
      what: 'page of 20 observations, 400 pages asked again and again, 16 connections',
      target: { least: 0.2, hope: 0.3 },
      ...page,
    },
    { id: 'page-anew', what: 'page of 20 observations, every page searched anew, 16 connections', ...anew },
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
