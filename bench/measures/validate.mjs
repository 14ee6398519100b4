// $validate without a transport: by type, by a US Core profile, as writes are judged; and how soon it is ready.
import { child } from '../children.mjs';
import { resourcesOf } from '../material.mjs';
import { medianOf } from '../rounds.mjs';

export async function measure(bench) {
  const alone = await child('validate-alone.mjs');
  const ready = await alone.call('ready');
  const hasGuide = await alone.call(
    'take',
    resourcesOf(bench.bundles).map(resource => JSON.stringify(resource)),
  );
  const all = [];
  for (let round = 0; round <= bench.rounds; round++) {
    const one = await alone.call('round');
    if (round > 0) all.push(one);
  }
  await alone.stop();
  const row = (id, what, least) => ({
    id: `validate-${id}`,
    what,
    unit: 'resources/s',
    ours: medianOf(all, one => one[id]),
    target: { of: 'ours', least },
  });
  return [
    row('base', 'validated by their type, parsed and past the gate', 6000),
    ...(hasGuide ? [row('profile', 'validated by their type and a US Core profile', 3000)] : []),
    row('write', 'judged as a write without a profile is', 20_000),
    {
      id: 'validate-ready',
      what: 'from nothing to all validators and element trees loaded and one resource validated',
      unit: 'ms',
      ours: ready.ms,
      target: { of: 'ours', most: 1000 },
      detail: { 'heap MB': ready.megabytes },
    },
  ];
}
