// Searches made by chance, compared with the same tree interpreted in memory (search/matches.ts) and the same order
// (search/sort.ts): a third opinion on every store.
import { expect } from 'vitest';
import type { Ref } from '../../../src/fhir/resource.js';
import { matches, refersTo, type Resolve } from '../../../src/search/matches.js';
import { and, not, or, type Condition, type Node, type SortKey } from '../../../src/search/plan.js';
import type { Part, Row } from '../../../src/search/rows.js';
import { compareText, orderBy, type Indexed } from '../../../src/search/sort.js';
import {
  composite,
  contains,
  date,
  eq,
  leaf,
  name,
  number,
  oneOf,
  prefix,
  random,
  range,
  reference,
  string,
  text,
  tick,
  token,
  uri,
  type Promises,
} from './suite.js';

type Chance = ReturnType<typeof random>;

const codes = ['a', 'b', 'B', 'ab', 'abc', 'é', ''];
const systems = ['', 'urn:one', 'urn:two'];
const words = ['Anna', 'anna', 'Ann', 'Bert', 'Šana', 'Zoë', 'ann marie'];
const terms = ['chest', 'pain', 'ches', 'zoë', '東京'];
const uris = ['http://x/a', 'http://x/a/b', 'http://x/b', 'urn:c'];
const instants = [-5_000, 0, 999, 1_000, 86_400_000, 86_400_999, 90_000_000, 500_000_000];
const figures = [-3, 0, 0.5, 5, 5.4, 7, 1000];
const types = ['Patient', 'Observation', 'Organization'];

/** `end` as index-rows.md wants it: bit 1 on the lowest row of a parameter, 2 on the highest. */
function withEnds(rows: readonly Row[]): Row[] {
  const unique = [...new Map(rows.map(row => [JSON.stringify({ ...row, end: 0 }), row])).values()];
  const value = (row: Row, high: boolean): [string, number, number] =>
    row.kind === 'date' || row.kind === 'number' ? (high ? ['', row.hi, row.lo] : ['', row.lo, row.hi]) : [row.kind === 'token' ? row.code : row.kind === 'string' || row.kind === 'uri' ? row.value : '', 0, 0]; // prettier-ignore
  const compare =
    (high: boolean) =>
    (a: Row, b: Row): number => {
      const [s, x, y] = value(a, high);
      const [t, u, v] = value(b, high);
      return compareText(s, t) || x - u || y - v;
    };
  return unique.map(row => {
    const { end: _, ...bare } = row;
    if (row.kind === 'reference' || row.kind === 'composite' || row.param.includes(':')) return bare;
    const group = unique.filter(other => other.kind === row.kind && other.param === row.param);
    const lowest = group.reduce((best, one) => (compare(false)(one, best) < 0 ? one : best));
    const highest = group.reduce((best, one) => (compare(true)(one, best) > 0 ? one : best));
    const end = (row === lowest ? 1 : 0) + (row === highest ? 2 : 0);
    return end === 0 ? bare : ({ ...bare, end } as Row);
  });
}

function someRows(chance: Chance, targets: readonly Ref[]): Row[] {
  const rows: Row[] = [];
  const some = (make: () => Row, most = 2): void => {
    for (let n = chance.below(most + 1); n > 0; n--) rows.push(make());
  };
  const span = (): [number, number] => {
    const lo = chance.pick(instants);
    return [lo, lo + chance.pick([0, 0, 999, 86_399_999, 100_000_000])];
  };
  const unit = (): { system: string; code: string } =>
    chance.pick([
      { system: '', code: '' },
      { system: 'urn:u', code: 'mg' },
      { system: '', code: 'mg' },
    ]);
  some(() => token('code', chance.pick(codes), chance.pick(systems)), 3);
  some(() => token('flag', chance.pick(['on', 'off'])), 1);
  some(() => string('name', chance.pick(words)), 3);
  some(() => string('code:text', chance.pick(words)));
  if (chance.chance(0.7))
    rows.push(text('_content', `${chance.pick(terms)} ${chance.pick(terms)}`, chance.pick(terms)));
  some(() => uri('url', chance.pick(uris)));
  some(() => date('date', ...span()));
  some(() => date('period', ...span()), 1);
  some(() => {
    const lo = chance.pick(figures);
    return number('value', lo, lo + chance.pick([0, 0.1, 1, 3000]), unit());
  });
  some(() =>
    reference(
      'subject',
      chance.chance(0.3) ? targets[0]! : chance.chance(0.7) ? chance.pick(targets) : 'http://else/1',
      chance.pick(['', '', '2']),
    ),
  );
  some(() => {
    const lo = chance.pick(figures);
    const second: Part = { kind: 'number', lo, hi: lo + chance.pick([0, 0, 0.1, 4]), ...unit() };
    return composite(
      'pair',
      { kind: 'token', system: chance.pick(systems), code: chance.pick(codes) },
      second,
    );
  });
  return withEnds(rows);
}

function someBounds(
  chance: Chance,
  from: readonly number[],
): { gt?: number; ge?: number; lt?: number; le?: number } {
  const [x, y] = [chance.pick(from), chance.pick(from)];
  return chance.pick([
    { gt: x },
    { ge: x },
    { lt: x },
    { le: x },
    { ge: Math.min(x, y), le: Math.max(x, y) },
    { gt: x, lt: y },
  ]);
}
function someText(chance: Chance, column: string, from: readonly string[]): Condition {
  const text = chance.pick(from);
  return chance.pick([
    eq(column, text),
    eq(column, text),
    oneOf(column, text, chance.pick(from)),
    prefix(column, text.slice(0, 2)),
    contains(column, text.slice(1)),
  ]);
}

function someLeaf(chance: Chance, targets: readonly Ref[]): Node {
  const maybe = (...conditions: Condition[]): Condition[] => conditions.filter(() => chance.chance(0.6));
  const folded = words.map(word => word.toLowerCase());
  switch (chance.below(13)) {
    case 0:
    case 1:
      return leaf(
        'token',
        'code',
        ...maybe(someText(chance, 'code', codes), someText(chance, 'system', systems)),
      );
    case 2:
      return leaf('token', 'flag', eq('code', chance.pick(['on', 'off'])));
    case 3:
      return leaf(
        'string',
        'name',
        ...maybe(someText(chance, 'value', folded), someText(chance, 'exact', words)),
      );
    case 4:
      return leaf('string', 'code:text', someText(chance, 'value', folded));
    case 5:
      return leaf('uri', 'url', ...maybe(someText(chance, 'value', uris)));
    case 6:
    case 7:
      return leaf(
        'date',
        chance.pick(['date', 'period']),
        ...maybe(range('lo', someBounds(chance, instants)), range('hi', someBounds(chance, instants))),
      );
    case 8:
      return leaf('number', 'value', ...maybe(range('lo', someBounds(chance, figures)), range('hi', someBounds(chance, figures)), eq('code', 'mg'), eq('system', chance.pick(['', 'urn:u'])))); // prettier-ignore
    case 9:
      return leaf(
        'reference',
        'subject',
        ...maybe(
          someText(chance, 'target', [name(chance.pick(targets)), 'http://else/1', 'Patient/']),
          eq('version', chance.pick(['', '2'])),
        ),
      );
    case 11: {
      const value = ` ${chance.pick(terms)}${chance.pick(['', ` ${chance.pick(terms)}`])}${chance.pick(['', ' '])}`;
      return leaf('words', '_content', contains('text', value));
    }
    case 10:
      return leaf(
        'composite',
        'pair',
        ...maybe(
          someText(chance, '0.code', codes),
          eq('0.system', chance.pick(systems)),
          range('1.lo', someBounds(chance, figures)),
          range('1.hi', someBounds(chance, figures)),
          eq('1.code', 'mg'),
        ),
      );
    default:
      return chance.pick<Node>([
        leaf('token', '_id', oneOf('code', chance.pick(targets).id, chance.pick(targets).id)),
        leaf('token', '_type', eq('code', chance.pick(types))),
        leaf('date', '_lastUpdated', range('lo', { ge: 0 })),
      ]);
  }
}

function someNode(chance: Chance, targets: readonly Ref[], depth: number): Node {
  const deeper = (): Node => someNode(chance, targets, depth - 1);
  if (depth === 0 || chance.chance(0.35)) return someLeaf(chance, targets);
  switch (chance.below(5)) {
    case 0:
      return and(deeper(), deeper());
    case 1:
      return or(deeper(), deeper());
    case 2:
      return not(deeper());
    case 3:
      return {
        op: 'link',
        param: 'subject',
        types: chance.pick([['Patient'], ['Patient', 'Organization'], types]),
        node: deeper(),
      };
    default:
      return { op: 'backlink', type: chance.pick(types), param: 'subject', node: deeper() };
  }
}

const sortKeys: readonly Omit<SortKey, 'descending'>[] = [
  { param: 'code', kind: 'token' },
  { param: 'name', kind: 'string' },
  { param: 'url', kind: 'uri' },
  { param: 'date', kind: 'date' },
  { param: 'period', kind: 'date' },
  { param: 'value', kind: 'number' },
  { param: '_lastUpdated', kind: 'date' },
  { param: '_id', kind: 'token' },
];

/** More for a long run: TSELA_TEST_SEEDS. */
const seeds = Number(process.env['TSELA_TEST_SEEDS'] ?? 3);

export function oraclePromises(promise: Promises): void {
  for (let seed = 1; seed <= seeds; seed++) {
    promise(`finds, orders and counts as the interpreter does (seed ${seed})`, async world => {
      const chance = random(seed * 7919);
      const refs = Array.from({ length: 90 }, () => world.ref(chance.pick(types)));
      for (let at = 0; at < refs.length; at += 10) {
        await world.commit(...refs.slice(at, at + 10).map(ref => world.write(ref, someRows(chance, refs))));
      }
      const current = new Map<string, Indexed>();
      /** Some change, some go, some come back. */
      const change = async (much: number): Promise<void> => {
        for (const ref of refs.filter(() => chance.chance(much * 0.4)))
          await world.put(ref, someRows(chance, refs), { lastUpdated: tick(1 + chance.below(3)) });
        for (const ref of refs.filter(
          ref => world.rows.get(name(ref))!.length > 0 && chance.chance(much * 0.15),
        ))
          await world.delete(ref);
        for (const ref of refs.filter(ref => world.rows.get(name(ref))!.length === 0).slice(0, 3))
          await world.put(ref, someRows(chance, refs));
        current.clear();
        for (const version of await world.store.readMany(refs)) {
          current.set(name(version.ref), {
            ref: version.ref,
            lastUpdated: version.lastUpdated,
            rows: world.rows.get(name(version.ref))!,
          });
        }
      };
      await change(1);
      const resolve: Resolve = {
        target: ref => current.get(name(ref)),
        referrers: (type, param, ref) =>
          [...current.values()].filter(one => one.ref.type === type && refersTo(one, param, ref)),
      };
      const asked: Node[] = [];
      for (let round = 0; round < 120; round++) {
        // What a store remembers of a search must not outlive a change.
        if (round % 6 === 5) await change(0.2);
        const inCreation = refs.flatMap(ref => current.get(name(ref)) ?? []);
        const any = chance.chance(0.4) && asked.length > 0 ? chance.pick(asked) : someNode(chance, refs, 3);
        if (asked.length < 12) asked.push(any);
        // What is asked most: what refers to one and has a code or has it not, the latest first.
        const isUsual = chance.chance(0.3);
        const code = leaf(
          'token',
          'code',
          eq('code', chance.pick(codes)),
          eq('system', chance.pick(systems)),
        );
        const where = isUsual
          ? and(
              leaf('reference', 'subject', eq('target', name(refs[0]!))),
              chance.pick([code, not(code), any]),
            )
          : any;
        const searched = chance.chance(0.7) ? [chance.pick(types)] : types;
        const sort = isUsual
          ? [{ param: chance.pick(['date', 'date', 'period']), kind: 'date' as const, descending: true }]
          : chance.chance(0.5)
            ? []
            : Array.from({ length: 1 + chance.below(2) }, () => ({
                ...chance.pick(sortKeys),
                descending: chance.chance(0.5),
              }));
        const expected: Indexed[] = [];
        for (const one of inCreation)
          if (searched.includes(one.ref.type) && (await matches(where, one, resolve))) expected.push(one);
        const ordered = expected.sort(orderBy(sort)).map(one => one.ref.id);
        const told = JSON.stringify({ where, sort, searched });
        expect(await world.find(where, { types: searched, sort, count: 1 + chance.below(40) }), told).toEqual(
          ordered,
        );
        if (round % 3 === 0)
          expect(await world.store.count(world.plan(where, { types: searched })), told).toBe(ordered.length);
      }
    });
  }
}
