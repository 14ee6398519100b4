// Transaction bundles as they are posted, gate on, against a bare batched insert of the very rows they made; then what
// lies in the file.
import { expectStatus, medianOf, ratioOf } from '../rounds.mjs';
import { anatomy, commits, fileOf, greatestNumber } from '../store-file.mjs';

const concurrency = 4;

export async function measure(bench) {
  const server = await bench.tsela();
  const requests = bench.bundles.map(({ bytes }) => ({ method: 'POST', url: '/fhir', body: bytes }));
  const entries = bench.bundles.reduce((sum, { bundle }) => sum + bundle.entry.length, 0);
  const file = bench.mongo ? undefined : fileOf(server.folder);
  const bare = file === undefined ? undefined : await bench.bareStore(file);

  const results = [];
  const limits = [];
  for (let round = 0; round <= bench.rounds; round++) {
    const before = file === undefined ? undefined : { commits: commits(file), number: greatestNumber(file) };
    const { result, cpu } = await server.during(() =>
      bench.loader.call('closed', { port: server.port, concurrency, requests }),
    );
    const { seconds } = expectStatus(result, 200);
    const one = { rate: entries / seconds, cpu: (cpu / entries) * 1e6 };
    if (file !== undefined) {
      if (greatestNumber(file) - before.number !== entries)
        throw new Error('not every entry is in the store');
      const perCommit = entries / (commits(file) - before.commits);
      const copied = await bare.call('copy', { model: file, after: before.number, perCommit });
      if (round > 0)
        limits.push({
          rate: copied.resources / copied.seconds,
          cpu: (copied.cpu / copied.resources) * 1e6,
          perCommit,
        });
    }
    if (round > 0) results.push(one);
  }
  await bare?.stop();
  await server.stop();

  const row = {
    id: 'ingest',
    what: `transactions, ${requests.length} bundles of ${entries} resources, ${concurrency} connections`,
    unit: 'resources/s',
    ours: medianOf(results, one => one.rate),
    detail: { 'server CPU µs per resource': medianOf(results, one => one.cpu) },
  };
  if (file === undefined) return [row];
  const { indexRows, body, bytes, rows, tables, resources } = anatomy(file);
  const per = Object.fromEntries(
    Object.entries(rows).map(([table, many]) => [`${table} rows`, many / resources]),
  );
  const sizes = Object.fromEntries(
    tables.slice(0, 10).map(({ name, bytes: all }) => [`${name} bytes`, all / resources]),
  );
  return [
    {
      ...row,
      limit: medianOf(limits, one => one.rate),
      ratio: ratioOf(results, limits, one => one.rate),
      target: { least: 0.4 },
      detail: {
        ...row.detail,
        'bare insert CPU µs': medianOf(limits, one => one.cpu),
        'resources to a commit': medianOf(limits, one => one.perCommit),
      },
    },
    {
      id: 'disk',
      what: 'the store on disk, per resource',
      unit: 'bytes',
      ours: bytes,
      target: { most: 2200, of: 'ours' },
      detail: { 'body as stored, bytes': body, ...sizes },
    },
    { id: 'index-rows', what: 'index rows per resource', unit: 'rows', ours: indexRows, detail: per },
  ];
}
