// The paging promise: following `next`, a resource that does not change meanwhile appears exactly once, whatever else
// is written between the pages.
import { expect } from 'vitest';
import type { Ref } from '../../../src/fhir/resource.js';
import { all, not, type Node, type SortKey } from '../../../src/search/plan.js';
import type { Row } from '../../../src/search/rows.js';
import {
  asc,
  date,
  desc,
  eq,
  leaf,
  name,
  random,
  reference,
  string,
  tick,
  token,
  type Promises,
} from './suite.js';

export function pagingPromises(promise: Promises): void {
  const sorts: [string, readonly SortKey[]][] = [
    ['no sort', []],
    ['-date', [desc('date', 'date')]],
    ['date', [asc('date', 'date')]],
    ['name,-date', [asc('name', 'string'), desc('date', 'date')]],
    ['-status', [desc('status', 'token')]],
    ['-_lastUpdated', [desc('_lastUpdated', 'date')]],
    ['_id', [asc('_id', 'token')]],
  ];
  const filters: [string, Node][] = [
    ['everything', all],
    ['a token', leaf('token', 'status', eq('code', 's1'))],
    ['a reference', leaf('reference', 'subject', eq('target', 'Patient/p1'))],
    ['a negation', not(leaf('token', 'status', eq('code', 's2')))],
  ];
  for (const [sortName, sort] of sorts) {
    promise(
      `shows what does not change exactly once while others come, change and go (${sortName})`,
      async world => {
        const chance = random(sortName.length * 97 + 5);
        const rows = (): Row[] => [
          token('status', `s${chance.below(3)}`),
          reference('subject', `Patient/p${chance.below(2)}`),
          ...(chance.chance(0.8)
            ? [date('date', 1000 * chance.below(12), 1000 * chance.below(12) + 20_000)]
            : []),
          ...(chance.chance(0.8) ? [string('name', 'abc'.charAt(chance.below(3)))] : []),
        ];
        const [still, moving]: [Ref[], Ref[]] = [[], []];
        const writes = Array.from({ length: 60 }, () => {
          const ref = world.ref('Observation');
          (chance.chance(0.5) ? still : moving).push(ref);
          return world.write(ref, rows());
        });
        await world.commit(...writes);
        for (const [filterName, where] of filters) {
          const plan = world.plan(where, { types: ['Observation'], sort, count: 1 + chance.below(4) });
          const expected = (await world.pages({ ...plan, count: 1000 }))
            .map(version => name(version.ref))
            .filter(key => still.some(ref => name(ref) === key));
          const seen: string[] = [];
          let page = await world.store.search(plan);
          for (let round = 0; ; round++) {
            seen.push(...page.versions.map(version => name(version.ref)));
            if (page.next === undefined) break;
            expect(round).toBeLessThan(500);
            await disturb();
            page = await world.store.search({ ...plan, after: page.next });
          }
          const unchanged = seen.filter(key => still.some(ref => name(ref) === key));
          expect(unchanged, `${sortName} by ${filterName}`).toEqual(expected);
          // A version is never shown twice even of those that change.
        }
        async function disturb(): Promise<void> {
          const ref = chance.pick(moving);
          const gone = (await world.store.read(ref))!.body === undefined;
          const kind = chance.below(4);
          if (kind === 0) {
            const created = world.ref('Observation');
            moving.push(created);
            await world.put(created, rows());
          } else if (kind === 1 && !gone) await world.delete(ref);
          else await world.put(ref, rows(), { lastUpdated: tick() });
        }
      },
    );
  }

  promise('goes through a long list in small pages and in one large page alike', async world => {
    const writes = Array.from({ length: 400 }, (_, i) =>
      world.write(world.ref('Observation'), [
        token('code', i % 3 ? 'common' : 'rare'),
        date('date', (i % 20) * 1000),
        reference('subject', `Patient/${i % 2}`),
      ]),
    );
    await world.commit(...writes);
    const types = ['Observation'];
    const wheres: Node[] = [
      all,
      leaf('token', 'code', eq('code', 'common')),
      leaf('reference', 'subject', eq('target', 'Patient/1')),
    ];
    for (const where of wheres) {
      for (const sort of [
        [],
        [desc('date', 'date')],
        [asc('date', 'date')],
        [asc('code', 'token'), desc('date', 'date')],
      ]) {
        const whole = await world.find(where, { types, sort, count: 1000 });
        expect(new Set(whole).size).toBe(whole.length);
        expect(await world.find(where, { types, sort, count: 33 })).toEqual(whole);
      }
    }
  });
}
