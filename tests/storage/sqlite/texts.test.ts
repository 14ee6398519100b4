// Texts found by their parts, whatever happens to the resources that have them: as `matches` finds them, at once.
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import Database from 'better-sqlite3';
import fc from 'fast-check';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import type { Ref } from '../../../src/fhir/resource.js';
import type { Condition } from '../../../src/search/plan.js';
import { openSqliteStore } from '../../../src/storage/sqlite/store.js';
import type { Store } from '../../../src/storage/store.js';
import {
  conflictOf,
  contains,
  leaf,
  name,
  rowsOf,
  sorted,
  string,
  token,
  World,
} from '../../contract/store/suite.js';

let folder: string;
let path: string;
let store: Store;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'tsela-texts-'));
  path = join(folder, 'store.sqlite');
  store = await openSqliteStore({ path });
});
afterEach(async () => {
  await store.close();
  await rm(folder, { recursive: true });
});

const ends = (value: string): Condition => ({ column: 'value', is: 'suffix', value });
const checked = async (): Promise<string[]> => {
  const complaints: string[] = [];
  for await (const one of store.check(rowsOf)) complaints.push(one);
  return complaints;
};
const finds = (world: World, condition: Condition): Promise<string[]> =>
  world.find(leaf('string', 's', condition));
const kept = (): readonly string[] => {
  const db = new Database(path, { readonly: true });
  const texts = db.prepare<[], string>('SELECT v FROM txt ORDER BY v').pluck().all();
  db.close();
  return texts;
};

test('are found in the commit after which they are there, and gone with the last that had them', async () => {
  const world = new World(store);
  const [first, second] = [world.ref(), world.ref()];
  await world.put(first, [string('s', 'Makhethe')]);
  await world.put(second, [string('s', 'makhethe'), string('s', 'Other', 0)]);
  expect(await finds(world, contains('value', 'khet'))).toEqual([first.id, second.id]);
  expect(await finds(world, ends('ethe'))).toEqual([first.id, second.id]);
  expect(await finds(world, ends('khet'))).toEqual([]);
  await world.put(first, [string('s', 'Mokhele')]);
  expect(await finds(world, contains('value', 'khet'))).toEqual([second.id]);
  expect(kept()).toEqual(['makhethe', 'mokhele', 'other']);
  await world.delete(second);
  expect(kept()).toEqual(['mokhele']);
  await world.put(second, [string('s', 'makhethe')]);
  expect(await finds(world, contains('value', 'makhethe'))).toEqual([second.id]);
  await store.expunge(first, 'everything');
  expect(kept()).toEqual(['makhethe']);
  expect(await checked()).toEqual([]);
});

test('of a commit are seen by the condition of the next one in its group', async () => {
  const world = new World(store);
  const condition = {
    plan: world.plan(leaf('string', 's', contains('value', 'unth'))),
    found: [],
    locks: [],
  };
  const [one, two, ...others] = Array.from({ length: 6 }, (_, i) =>
    store.commit([world.write(world.ref(), [string('s', `Munthali ${i}`)], i === 0 ? {} : { condition })]),
  );
  await one;
  expect((await conflictOf(two!)).reason).toBe('condition');
  for (const other of others) expect((await conflictOf(other)).reason).toBe('condition');
  // What a refused commit brought is not kept.
  expect(kept()).toEqual(['munthali 0']);
  expect(await checked()).toEqual([]);
});

test('are there after an index made anew, a copy, and parameters that come and go', async () => {
  const world = new World(store);
  const [first, second] = [world.ref(), world.ref()];
  await world.put(first, [string('s', 'Nkosi-Dube'), string('later', 'Sibanda')]);
  await world.put(second, [string('s', 'Nkosinathi')]);
  const all = { types: [], after: '0', count: 100 };
  await store.clearIndex();
  expect(await finds(world, contains('value', 'kosi'))).toEqual([]);
  await store.indexSome(all, rowsOf);
  expect(await finds(world, contains('value', 'kosi'))).toEqual([first.id, second.id]);
  await store.forgetRows(['later']);
  expect(kept()).not.toContain('sibanda');
  await store.indexSome({ ...all, params: ['later'] }, rowsOf);
  expect(await world.find(leaf('string', 'later', contains('value', 'iband')))).toEqual([first.id]);
  expect(await checked()).toEqual([]);
  await store.backup(join(folder, 'copy.sqlite'));
  const copy = await openSqliteStore({ path: join(folder, 'copy.sqlite') });
  const again = await copy.search(world.plan(leaf('string', 's', contains('value', 'nathi'))));
  expect(again.versions.map(version => name(version.ref))).toEqual([name(second)]);
  await copy.close();
});

test('of a file of the release before are found when it is opened', async () => {
  const world = new World(store);
  const some = Array.from({ length: 50 }, () => world.ref());
  await world.commit(
    ...some.map((ref, i) => world.write(ref, [string('s', `Tšepo ${i % 5}`), token('t', 'x')])),
  );
  await store.close();
  const db = new Database(path);
  db.exec('DROP TABLE txt; DROP TABLE parts');
  db.pragma('user_version = 2');
  db.close();
  store = await openSqliteStore({ path });
  world.rows.clear();
  const found = await store.search(world.plan(leaf('string', 's', contains('value', 'epo 3'))));
  expect(found.versions).toHaveLength(10);
  expect(kept()).toEqual(['tsepo 0', 'tsepo 1', 'tsepo 2', 'tsepo 3', 'tsepo 4']);
  expect(await checked()).toEqual([]);
});

describe('many texts', () => {
  test('that contain the same are all found, as an order or a count asks for them', async () => {
    const world = new World(store);
    const some = Array.from({ length: 300 }, () => world.ref());
    await world.commit(...some.map((ref, i) => world.write(ref, [string('s', `Banda ${i}`)])));
    expect(await finds(world, contains('value', 'anda'))).toHaveLength(300);
    expect(await finds(world, contains('value', 'nda 2'))).toHaveLength(111);
    const where = leaf('string', 's', contains('value', 'anda'));
    expect(await store.count(world.plan(where))).toBe(300);
    const sort = [{ kind: 'string', param: 's', descending: true }] as const;
    expect((await world.find(where, { sort })).slice(0, 2)).toEqual([some[99]!.id, some[98]!.id]);
  });
});

test('agree with comparing each, over any writes', async () => {
  const texts = [
    'Abel',
    'ábelson',
    'Anne Lise',
    'anne  lise',
    '50%_off',
    '***',
    '😀😃😄😁',
    '𐐷𐐐𐐷𐐐',
    "O'Neill",
    'on',
  ];
  const world = new World(store);
  const refs = Array.from({ length: 6 }, () => world.ref());
  const having = new Map<string, readonly string[]>();
  const write = fc.record({
    at: fc.nat(refs.length - 1),
    texts: fc.array(fc.constantFrom(...texts), { maxLength: 3 }),
    deletes: fc.boolean(),
  });
  const asked = fc
    .tuple(fc.constantFrom(...texts), fc.nat(6), fc.integer({ min: 1, max: 8 }), fc.boolean())
    .map(([text, from, length, isEnd]) => {
      const { value } = string('s', text) as { value: string };
      const letters = [...value];
      const start = from % letters.length;
      return { part: letters.slice(start, start + length).join(''), isEnd };
    });
  const rowsFor = (some: readonly string[]): ReturnType<typeof string>[] =>
    [...new Set(some)].map(text => string('s', text, 0));
  await fc.assert(
    fc.asyncProperty(
      fc.array(write, { minLength: 1, maxLength: 6 }),
      asked,
      async (writes, { part, isEnd }) => {
        const last = new Map(writes.map(one => [one.at, one]));
        await world.commit(
          ...[...last.values()].map(({ at, texts: some, deletes }) => {
            const ref = refs[at] as Ref;
            having.set(ref.id, deletes ? [] : rowsFor(some).map(row => (row as { value: string }).value));
            return deletes ? world.deletion(ref) : world.write(ref, rowsFor(some));
          }),
        );
        const holds = (value: string): boolean => (isEnd ? value.endsWith(part) : value.includes(part));
        const expected = [...having].flatMap(([id, values]) => (values.some(holds) ? [id] : []));
        const found = await finds(world, isEnd ? ends(part) : contains('value', part));
        expect(sorted(found)).toEqual(sorted(expected));
      },
    ),
    { numRuns: 150 },
  );
  expect(await checked()).toEqual([]);
});
