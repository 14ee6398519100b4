// The gate and the extraction of index rows on their own, against JSON.parse of the same resources. One core.
import { child } from '../children.mjs';
import { resourcesOf } from '../material.mjs';
import { medianOf, ratioOf } from '../rounds.mjs';

export async function measure(bench) {
  const alone = await child('gate-alone.mjs');
  await alone.call(
    'take',
    resourcesOf(bench.bundles).map(resource => JSON.stringify(resource)),
    bench.bundles.map(({ bytes }) => bytes),
  );
  const all = [];
  for (let round = 0; round <= bench.rounds; round++) {
    const one = await alone.call('round');
    if (round > 0) all.push(one);
  }
  await alone.stop();
  const limit = medianOf(all, one => one.jsonParse);
  const row = (id, what, unit = 'resources/s') => ({
    id,
    what,
    unit,
    ours: medianOf(all, one => one[id]),
    ...(unit === 'resources/s'
      ? {
          limit,
          ratio: ratioOf(
            all.map(one => one[id]),
            all.map(one => one.jsonParse),
            each => each,
          ),
        }
      : {}),
  });
  return [
    row('gate', 'gate of a parsed resource; limit of these: JSON.parse'),
    row('invariants', 'gate and R4 invariants, as every write'),
    row('rules', 'rules of whole resources'),
    row('narrative', 'narratives checked', 'MB/s'),
    row('parse', 'parse of compact JSON: duplicate keys refused, lexemes kept'),
    row('parse-gate', 'parse and gate'),
    row('references', 'references found and checked'),
    row('stamp', 'stamp: the bytes to be stored'),
    row('extract', 'index rows of a parsed resource'),
    row('rows', 'index rows', 'rows/s'),
    row('parse-bundle', 'parse of bundles as posted, indented', 'MB/s'),
    row('jsonParse-bundle', 'JSON.parse of the same', 'MB/s'),
  ];
}
