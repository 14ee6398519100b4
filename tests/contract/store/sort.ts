// Promises about order: keys, ties, several values, none.
import { expect } from 'vitest';
import { all, and, not } from '../../../src/search/plan.js';
import {
  asc,
  date,
  desc,
  eq,
  ids,
  leaf,
  number,
  reference,
  string,
  tick,
  token,
  uri,
  type Promises,
} from './suite.js';
import type { Row } from '../../../src/search/rows.js';
import type { Node, SortKey } from '../../../src/search/plan.js';

export function sortPromises(promise: Promises): void {
  promise('goes in order of creation without sort keys, whatever is updated', async world => {
    const refs = Array.from({ length: 6 }, () => world.ref());
    for (const ref of refs) await world.put(ref);
    await world.put(refs[1]!);
    await world.delete(refs[3]!);
    expect(await world.find(all)).toEqual(ids(...refs.filter((_, i) => i !== 3)));
    expect(await world.find(all, { count: 2 })).toEqual(ids(...refs.filter((_, i) => i !== 3)));
  });

  const kinds: [SortKey['kind'], (n: number) => Row][] = [
    ['token', n => token('by', `c${n}`)],
    ['string', n => string('by', `S${n}`)],
    ['uri', n => uri('by', `urn:${n}`)],
    ['date', n => date('by', n * 1000, n * 1000 + 999)],
    ['number', n => number('by', n - 0.5, n + 0.5)],
  ];
  for (const [kind, row] of kinds) {
    promise(
      `sorts by ${kind}, ties by creation, those without a value last in both directions`,
      async world => {
        const values = [3, undefined, 1, 2, 3, undefined, 1, 5, 4, 3];
        const refs = values.map(() => world.ref());
        for (const [i, ref] of refs.entries())
          await world.put(ref, [
            token('odd', String(i % 2)),
            ...(values[i] === undefined ? [] : [row(values[i])]),
          ]);
        const at = (...places: number[]): string[] => places.map(place => refs[place]!.id);
        for (const count of [100, 1, 3]) {
          expect(await world.find(all, { sort: [asc('by', kind)], count })).toEqual(
            at(2, 6, 3, 0, 4, 9, 8, 7, 1, 5),
          );
          expect(await world.find(all, { sort: [desc('by', kind)], count })).toEqual(
            at(7, 8, 0, 4, 9, 3, 2, 6, 1, 5),
          );
        }
        expect(
          await world.find(leaf('token', 'odd', eq('code', '1')), { sort: [desc('by', kind)], count: 2 }),
        ).toEqual(at(7, 9, 3, 1, 5));
      },
    );
  }

  promise('sorts a resource with several values once, by its lowest or its highest', async world => {
    const [a, b, c] = [world.ref(), world.ref(), world.ref()];
    await world.put(a, [
      string('name', 'b', 1),
      string('name', 'm', 0),
      string('name', 'y', 2),
      date('date', 10, 20, 1),
      date('date', 5000, 90_000_000_000, 2),
    ]);
    await world.put(b, [string('name', 'c', 1), string('name', 'z', 2), date('date', 15, 16)]);
    await world.put(c, [string('name', 'n'), date('date', 3000, 3999)]);
    for (const count of [100, 1]) {
      expect(await world.find(all, { sort: [asc('name', 'string')], count })).toEqual(ids(a, b, c));
      expect(await world.find(all, { sort: [desc('name', 'string')], count })).toEqual(ids(b, a, c));
      expect(await world.find(all, { sort: [asc('date', 'date')], count })).toEqual(ids(a, b, c));
      expect(await world.find(all, { sort: [desc('date', 'date')], count })).toEqual(ids(a, c, b));
    }
  });

  promise('sorts dates of every length by their beginning or their end', async world => {
    const day = 86_400_000;
    const spans: [number, number][] = [[5, 5], [4, 3 * day], [3, 3 + 999], [6, 6 + day - 1], [2, 40 * day], [7, 7 + 999], [1, 1], [1, 8.64e15], [5, 5 + 999], [-8.64e15, 4]]; // prettier-ignore
    const refs = spans.map(() => world.ref('Observation'));
    for (const [i, ref] of refs.entries())
      await world.put(ref, [date('date', ...spans[i]!), reference('subject', 'Patient/one')]);
    const order = (by: (i: number) => number): string[] => spans.map((_, i) => i).sort((x, y) => by(x) - by(y) || x - y).map(i => refs[i]!.id); // prettier-ignore
    const types = ['Observation'];
    for (const where of [all, leaf('reference', 'subject', eq('target', 'Patient/one'))]) {
      for (const count of [100, 1, 4]) {
        expect(await world.find(where, { types, sort: [asc('date', 'date')], count })).toEqual(
          order(i => spans[i]![0]),
        );
        expect(await world.find(where, { types, sort: [desc('date', 'date')], count })).toEqual(
          order(i => -spans[i]![1]),
        );
      }
    }
  });

  promise(
    'judges what refers to one target, latest first, by what it has and by what it has not',
    async world => {
      const types = ['Appointment'];
      const refs = Array.from({ length: 6 }, () => world.ref('Appointment'));
      for (const [i, ref] of refs.entries())
        await world.put(ref, [
          date('date', 1000 * i),
          reference('actor', 'Patient/one'),
          token('status', i % 2 ? 'x' : 'y', 'urn:1'),
        ]);
      const latest = [...refs].reverse();
      const one = leaf('reference', 'actor', eq('target', 'Patient/one'));
      const x = leaf('token', 'status', eq('system', 'urn:1'), eq('code', 'x'));
      for (const count of [100, 1, 2]) {
        const find = (where: Node): Promise<string[]> =>
          world.find(and(one, where), { types, sort: [desc('date', 'date')], count });
        expect(await find(x)).toEqual(ids(...latest.filter((_, i) => i % 2 === 0)));
        expect(await find(not(x))).toEqual(ids(...latest.filter((_, i) => i % 2)));
      }
    },
  );

  promise('sorts by several keys', async world => {
    const rows: [string, number | undefined][] = [
      ['b', 1],
      ['a', 2],
      ['b', undefined],
      ['a', 1],
      ['b', 2],
      ['a', 2],
    ];
    const refs = rows.map(() => world.ref());
    for (const [i, ref] of refs.entries())
      await world.put(ref, [
        string('name', rows[i]![0]),
        ...(rows[i]![1] === undefined ? [] : [date('date', rows[i]![1])]),
      ]);
    const bare = await world.put(world.ref(), [date('date', 9)]);
    const at = (...places: number[]): string[] => [...places.map(place => refs[place]!.id), bare.id];
    for (const count of [100, 1, 2, 3]) {
      expect(await world.find(all, { sort: [asc('name', 'string'), desc('date', 'date')], count })).toEqual(
        at(1, 5, 3, 4, 0, 2),
      );
      expect(await world.find(all, { sort: [desc('name', 'string'), asc('date', 'date')], count })).toEqual(
        at(0, 4, 2, 3, 1, 5),
      );
    }
  });

  promise('sorts by _id and by _lastUpdated', async world => {
    const refs = ['m', 'a', 'Z', 'zz', '9'].map(text => ({ type: 'Patient', id: `${world.tag}-${text}` }));
    for (const ref of refs) await world.put(ref);
    await world.put(refs[0]!);
    const tied = tick();
    const pair = [world.ref(), world.ref()];
    await world.commit(...pair.map(ref => world.write(ref, [], { lastUpdated: tied })));
    const byId = (await world.find(all, { sort: [asc('_id', 'token')], count: 2 })).filter(
      id => !pair.some(ref => ref.id === id),
    );
    expect(byId.map(id => id.slice(world.tag.length + 1))).toEqual(['9', 'Z', 'a', 'm', 'zz']);
    expect(
      (await world.find(all, { sort: [desc('_id', 'token')], count: 3 })).filter(id => byId.includes(id)),
    ).toEqual([...byId].reverse());
    const [m, a, z, e, nine] = ids(...refs);
    for (const count of [100, 2]) {
      expect(await world.find(all, { sort: [asc('_lastUpdated', 'date')], count })).toEqual([
        a,
        z,
        e,
        nine,
        m,
        ...ids(...pair),
      ]);
      expect(await world.find(all, { sort: [desc('_lastUpdated', 'date')], count })).toEqual([
        ...ids(...pair),
        m,
        nine,
        e,
        z,
        a,
      ]);
    }
  });

  promise('sorts text by code point', async world => {
    const codes = ['\u{1f600}', '\uffee', 'z', 'Z', 'a', 'é', 'aa', '', '0'];
    const refs = codes.map(() => world.ref());
    for (const [i, ref] of refs.entries()) await world.put(ref, [token('t', codes[i]!)]);
    const sorted = ['', '0', 'Z', 'a', 'aa', 'z', 'é', '\uffee', '\u{1f600}'].map(
      code => refs[codes.indexOf(code)]!.id,
    );
    expect(await world.find(all, { sort: [asc('t', 'token')], count: 4 })).toEqual(sorted);
    expect(await world.find(all, { sort: [desc('t', 'token')], count: 4 })).toEqual([...sorted].reverse());
  });

  promise('merges several types by the sort keys', async world => {
    const refs = Array.from({ length: 9 }, (_, i) =>
      world.ref(['Patient', 'Observation', 'Organization'][i % 3]),
    );
    for (const [i, ref] of refs.entries()) await world.put(ref, i === 4 ? [] : [date('date', (i * 7) % 9)]);
    const types = ['Patient', 'Observation', 'Organization'];
    const order = [...refs.keys()].filter(i => i !== 4).sort((x, y) => ((x * 7) % 9) - ((y * 7) % 9)); // prettier-ignore
    for (const count of [100, 2]) {
      expect(await world.find(all, { types, sort: [asc('date', 'date')], count })).toEqual(
        [...order, 4].map(i => refs[i]!.id),
      );
      expect(await world.find(all, { types, sort: [desc('date', 'date')], count })).toEqual(
        [...order.toReversed(), 4].map(i => refs[i]!.id),
      );
    }
  });

  promise('sorts by a parameter that no resource has', async world => {
    const refs = [await world.put(world.ref()), await world.put(world.ref())];
    expect(await world.find(all, { sort: [desc('nowhere', 'date')], count: 1 })).toEqual(ids(...refs));
  });
}
