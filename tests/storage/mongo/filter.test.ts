// The filter compiler against the oracle: generated rows and generated plans must be answered as `matches` answers
// them, in the order `orderBy` gives, page by page.
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { matches, refersTo, type Indexed, type Resolve } from '../../../src/search/matches.js';
import type { Condition, Node, Position, SearchPlan, SortKey } from '../../../src/search/plan.js';
import type { Row } from '../../../src/search/rows.js';
import { orderBy } from '../../../src/search/sort.js';
import type { Store } from '../../../src/storage/store.js';
import { newFacility, title, unavailable, write, type Facility } from './facility.js';

const types = ['Patient', 'Observation', 'Group'];
const texts = [
  '',
  'a',
  'ab',
  'b',
  'a.c',
  'a\u0001b',
  'a\u0002',
  '\u0003',
  '\u0004A',
  '\u0005',
  'A',
  '^a$',
  'a|b',
  'x\ny',
  '(',
  '\\d',
  'é',
  '\uffee',
  '\u{1f600}',
];
const numbers = [-8.64e15, -2.5, -1, 0, 0.1, 1, 2, 1000, 8.64e15];
const params = ['p', 'q', 'p:x', 'n.lat'];
const ids = Array.from({ length: 12 }, (_, i) => `r${i}`);

const text = fc.constantFrom(...texts);
const number = fc.constantFrom(...numbers);
const range = fc.tuple(number, number).map(([a, b]) => ({ lo: Math.min(a, b), hi: Math.max(a, b) }));
const param = fc.constantFrom(...params);
const target = fc.oneof(
  fc.tuple(fc.constantFrom(...types), fc.constantFrom(...ids)).map(([type, id]) => `${type}/${id}`),
  text,
);

const tokenPart = fc.record({ kind: fc.constant('token' as const), system: text, code: text });
const datePart = range.map(ends => ({ kind: 'date' as const, ...ends }));
const numberPart = fc
  .tuple(range, text, text)
  .map(([ends, system, code]) => ({ kind: 'number' as const, ...ends, system, code }));
const row: fc.Arbitrary<Row> = fc.oneof(
  fc.tuple(param, tokenPart).map(([param, part]) => ({ param, ...part })),
  fc.record({ kind: fc.constant('string' as const), param, value: text, exact: text }),
  fc.record({ kind: fc.constant('reference' as const), param, target, version: fc.constantFrom('', '1') }),
  fc.record({ kind: fc.constant('uri' as const), param, value: text }),
  fc.tuple(param, datePart).map(([param, part]) => ({ param, ...part })),
  fc.tuple(param, numberPart).map(([param, part]) => ({ param, ...part })),
  fc
    .tuple(param, tokenPart, numberPart)
    .map(([param, one, other]) => ({ kind: 'composite' as const, param, parts: [one, other] })),
);

const condition = (column: string): fc.Arbitrary<Condition> =>
  fc.oneof(
    text.map(value => ({ column, is: 'eq' as const, value })),
    fc.array(text, { maxLength: 3 }).map(values => ({ column, is: 'in' as const, values })),
    text.map(value => ({ column, is: 'prefix' as const, value })),
    text.map(value => ({ column, is: 'contains' as const, value })),
  );
const between = (column: string): fc.Arbitrary<Condition> =>
  fc
    .record({ gt: number, ge: number, lt: number, le: number }, { requiredKeys: [] })
    .map(bounds => ({ column, is: 'range' as const, ...bounds }));
const columns = {
  token: ['system', 'code'],
  string: ['value', 'exact'],
  reference: ['target', 'version'],
  uri: ['value'],
  date: ['lo', 'hi'],
  number: ['lo', 'hi', 'system', 'code'],
  composite: ['0.system', '0.code', '1.lo', '1.hi', '1.system', '1.code'],
} as const;
const kinds = Object.keys(columns) as (keyof typeof columns)[];
const where = (names: readonly string[]): fc.Arbitrary<readonly Condition[]> =>
  fc.array(
    fc.constantFrom(...names).chain(name => (/(?:lo|hi)$/.test(name) ? between(name) : condition(name))),
    { maxLength: 3 },
  );
const leaf: fc.Arbitrary<Node> = fc.oneof(
  {
    weight: 8,
    arbitrary: fc.constantFrom(...kinds).chain(kind =>
      fc.record({
        op: fc.constant('row' as const),
        kind: fc.constant(kind),
        param,
        where: where(columns[kind]),
      }),
    ),
  },
  fc.record({
    op: fc.constant('row' as const),
    kind: fc.constant('token' as const),
    param: fc.constantFrom('_id', '_type'),
    where: fc.array(
      fc
        .constantFrom(...ids, ...types, '')
        .map(value => ({ column: value === '' ? 'system' : 'code', is: 'eq' as const, value })),
      { maxLength: 2 },
    ),
  }),
  fc.record({
    op: fc.constant('row' as const),
    kind: fc.constant('date' as const),
    param: fc.constant('_lastUpdated'),
    where: where(['lo', 'hi']),
  }),
);
const { node } = fc.letrec<{ node: Node }>(tie => ({
  node: fc.oneof(
    { maxDepth: 3, withCrossShrink: true },
    leaf,
    fc.constantFrom<Node>({ op: 'all' }, { op: 'none' }),
    fc.record({
      op: fc.constantFrom('and' as const, 'or' as const),
      nodes: fc.array(tie('node'), { minLength: 1, maxLength: 3 }),
    }),
    tie('node').map((inner): Node => ({ op: 'not', node: inner })),
    fc.record({
      op: fc.constant('link' as const),
      param,
      types: fc.subarray(types, { minLength: 1 }),
      node: tie('node'),
    }),
    fc.record({
      op: fc.constant('backlink' as const),
      type: fc.constantFrom(...types, 'Unknown'),
      param,
      node: tie('node'),
    }),
  ),
}));
const sortKey: fc.Arbitrary<SortKey> = fc.oneof(
  fc.record({
    param: fc.constantFrom('p', 'q', 'n.lat'),
    kind: fc.constantFrom('token', 'string', 'uri', 'date', 'number'),
    descending: fc.boolean(),
  }),
  fc.record({ param: fc.constant('_id'), kind: fc.constant('token'), descending: fc.boolean() }),
  fc.record({ param: fc.constant('_lastUpdated'), kind: fc.constant('date'), descending: fc.boolean() }),
);

/** Gives rows their `end` as the extractors do: lowest and highest by the order the oracle compares with. */
function withEnds(rows: readonly Row[]): Row[] {
  return rows.map((one): Row => {
    if (
      one.kind === 'reference' ||
      one.kind === 'composite' ||
      one.kind === 'words' ||
      one.param.includes(':')
    )
      return one;
    const peers = rows.filter(other => other.kind === one.kind && other.param === one.param);
    const asked = (descending: boolean): Row | undefined => {
      const order = orderBy([{ param: one.param, kind: one.kind, descending }]);
      const at = (peer: Row): Indexed => ({
        ref: { type: 'Group', id: 'x' },
        lastUpdated: 0,
        rows: [{ ...peer, end: 3 }],
      });
      return [...peers].sort((a, b) => order(at(a), at(b)))[0];
    };
    const end = ((asked(false) === one ? 1 : 0) | (asked(true) === one ? 2 : 0)) as 0 | 1 | 2 | 3;
    return end === 0 ? one : { ...one, end };
  });
}

describe.skipIf(unavailable)(title('MongoDB filters against matches'), () => {
  let facility: Facility;
  let store: Store;
  const resources: Indexed[] = [];
  beforeAll(async () => {
    facility = await newFacility();
    store = await facility.open();
    const generated = fc.sample(fc.array(row, { maxLength: 10 }), {
      numRuns: types.length * ids.length,
      seed: 20260101,
    });
    for (const [i, rows] of generated.entries()) {
      const ref = { type: types[i % types.length]!, id: ids[Math.floor(i / types.length)]! };
      resources.push({ ref, lastUpdated: numbers[i % numbers.length]! || 5, rows: withEnds(rows) });
    }
    await store.commit(
      resources.map(({ ref, lastUpdated, rows }) => write(`${ref.type}/${ref.id}`, { lastUpdated, rows })),
    );
    // What was deleted or superseded must not be found.
    await store.commit([write('Patient/gone', { rows: resources[0]!.rows })]);
    await store.commit([write('Patient/gone', { expected: 1, content: null })]);
  });
  afterAll(() => facility.dispose());

  const resolve: Resolve = {
    target: ref => resources.find(({ ref: { type, id } }) => type === ref.type && id === ref.id),
    referrers: (type, param, ref) => resources.filter(of => of.ref.type === type && refersTo(of, param, ref)),
  };
  async function expected(plan: SearchPlan): Promise<string[]> {
    const found: Indexed[] = [];
    for (const one of resources)
      if (plan.types.includes(one.ref.type) && (await matches(plan.where, one, resolve))) found.push(one);
    return found.sort(orderBy(plan.sort)).map(({ ref }) => `${ref.type}/${ref.id}`);
  }
  async function paged(plan: SearchPlan): Promise<string[]> {
    const found: string[] = [];
    let after: Position | undefined;
    do {
      const page = await store.search({ ...plan, ...(after ? { after } : {}) });
      found.push(...page.versions.map(({ ref }) => `${ref.type}/${ref.id}`));
      expect(page.versions.length).toBeLessThanOrEqual(plan.count);
      after = page.next && (JSON.parse(JSON.stringify(page.next)) as Position);
    } while (after);
    return found;
  }

  test('300 generated plans', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.record({
          types: fc.subarray(types, { minLength: 1 }),
          where: node,
          sort: fc.array(sortKey, { maxLength: 3 }),
          count: fc.constantFrom(1, 3, 50),
          total: fc.constant('accurate' as const),
        }),
        async plan => {
          const oracle = await expected(plan);
          expect(await paged(plan)).toEqual(oracle);
          expect(await store.count(plan)).toBe(oracle.length);
        },
      ),
      { numRuns: 300 },
    );
  });
});
