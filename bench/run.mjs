// npm run bench: every measure of docs/performance.md, each with its physical limit in the same run. A full run writes
// bench/result.json and the tables of docs/performance.md; --quick and --only just print.
//   node bench/run.mjs [--quick] [--only=read,create] [--rounds=5]
//   node bench/run.mjs --only=scale     searches as a store grows to a million; minutes, a record of its own (--sizes=10000,100000)
// With MONGODB_URL set, what is measured over HTTP is measured on MongoDB too, labelled and without targets.
import { mkdtempSync, mkdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { child, tsela } from './children.mjs';
import { material, puts } from './material.mjs';
import { dropDatabase, engineOf } from './mongo.mjs';
import { isMet, machine, print, record } from './report.mjs';
import { expectStatus } from './rounds.mjs';

const measures = [
  'gate',
  'validate',
  'xml',
  'terminology',
  'cold-start',
  'read',
  'create',
  'ingest',
  'search',
  'access',
  'calm',
];
/** Takes so long that it is asked for by name, and recorded by itself. */
const apart = 'scale';
const onMongo = new Set(['terminology', 'read', 'create', 'ingest', 'search', apart]);

const { values } = parseArgs({
  options: {
    quick: { type: 'boolean', default: false },
    only: { type: 'string' },
    rounds: { type: 'string' },
    sizes: { type: 'string' },
  },
});
const { quick } = values;
const wanted = values.only?.split(',') ?? measures;
const known = [...measures, apart];
const unknown = wanted.filter(name => !known.includes(name));
if (unknown.length > 0)
  throw new Error(`no such measure: ${unknown.join(', ')}; there are ${known.join(', ')}`);

const work = mkdtempSync(join(tmpdir(), 'tsela-bench-'));
const { source, bundles } = await material();
let folders = 0;
const bench = {
  quick,
  mongo: false,
  rounds: Number(values.rounds ?? (quick ? 2 : 5)),
  /** Of one round of a measure that goes by time. */
  seconds: quick ? 1 : 4,
  /** How large a store grows, step by step, where a measure grows one. */
  sizes: values.sizes?.split(',').map(Number),
  bundles,
  loader: await child('loader.mjs'),
  koa: await child('bare-koa.mjs'),
  /** A new empty folder; all go at the end. */
  folder() {
    const folder = join(work, String(++folders));
    mkdirSync(folder);
    return folder;
  },
  /** A server on an empty store, in open mode unless told otherwise. */
  async tsela({ open, env } = {}) {
    const folder = bench.folder();
    const database = bench.mongo ? `tsela_bench_${process.pid}_${folders}` : undefined;
    const server = await tsela(folder, { mongo: database, open, env });
    const stop = async () => {
      await server.stop();
      if (database !== undefined) await dropDatabase(database);
    };
    return { ...server, folder, stop };
  },
  /** Posts transactions and expects each to be taken. */
  async post({ port }, bodies) {
    const requests = bodies.map(body => ({ method: 'POST', url: '/fhir', body }));
    expectStatus(await bench.loader.call('closed', { port, concurrency: 2, requests }), 200);
  },
  put: (server, resources) => bench.post(server, [...puts(resources)]),
  async bareStore(model) {
    const bare = await child('bare-store.mjs');
    await bare.call('make', { file: join(bench.folder(), 'bare.sqlite'), model });
    return bare;
  },
};

const at = machine();
const results = [];
const runs = [{ mongo: false, label: 'SQLite, synced before the answer' }];
if (process.env.MONGODB_URL) runs.push({ mongo: true, label: await engineOf() });
try {
  for (const { mongo, label } of runs) {
    bench.mongo = mongo;
    if (mongo) bench.rounds = Math.min(bench.rounds, 2);
    for (const name of wanted) {
      if (mongo && !onMongo.has(name)) continue;
      process.stderr.write(`${name} (${label}) …\n`);
      const { measure } = await import(`./measures/${name}.mjs`);
      for (const { target, ...row } of await measure(bench)) {
        const judged = mongo || target === undefined ? row : { ...row, target, met: isMet(target, row) };
        results.push({ store: label, ...judged });
      }
    }
  }
} finally {
  await bench.loader.stop();
  await bench.koa.stop();
  rmSync(work, { recursive: true, force: true });
}

const result = {
  date: new Date().toISOString().slice(0, 10),
  command: ['node bench/run.mjs', ...process.argv.slice(2)].join(' '),
  machine: at,
  source,
  results,
};
print(result);
if (!quick && (values.only === undefined || values.only === apart)) record(result, values.only);
if (results.some(({ met }) => met === false)) process.exitCode = 2;
