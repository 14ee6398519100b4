// XML read and written, on their own, against JSON.parse of the same resources. One core.
import { child } from '../children.mjs';
import { resourcesOf } from '../material.mjs';
import { medianOf, ratioOf } from '../rounds.mjs';

export async function measure(bench) {
  const alone = await child('xml-alone.mjs');
  await alone.call(
    'take',
    resourcesOf(bench.bundles).map(resource => JSON.stringify(resource)),
  );
  const all = [];
  for (let round = 0; round <= bench.rounds; round++) {
    const one = await alone.call('round');
    if (round > 0) all.push(one);
  }
  await alone.stop();
  const limit = medianOf(all, one => one.jsonParse);
  const row = (id, what) => ({
    id,
    what,
    unit: 'resources/s',
    ours: medianOf(all, one => one[id]),
    limit,
    ratio: ratioOf(
      all.map(one => one[id]),
      all.map(one => one.jsonParse),
      each => each,
    ),
  });
  return [
    {
      ...row('xml-to-json', 'bytes of XML to bytes of JSON; limit of these: JSON.parse'),
      target: { least: 6000, of: 'ours' },
    },
    row('json-to-xml', 'bytes of JSON to bytes of XML'),
    row('xml-read', 'XML read'),
    row('xml-write', 'XML written'),
    {
      id: 'xml-megabytes',
      what: 'XML read',
      unit: 'MB/s',
      ours: medianOf(all, one => one['xml-megabytes']),
    },
  ];
}
