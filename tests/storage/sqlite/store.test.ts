// What only the SQLite store has: its lock, its file's troubles, copies, damage found by check, the time budget.
import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { mkdir, mkdtemp, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import Database from 'better-sqlite3';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { FhirError } from '../../../src/errors.js';
import { all, not, type Node } from '../../../src/search/plan.js';
import { openSqliteStore, type SqliteOptions } from '../../../src/storage/sqlite/store.js';
import type { Row } from '../../../src/search/rows.js';
import type { Store, Version } from '../../../src/storage/store.js';
import {
  composite,
  contains,
  date,
  eq,
  leaf,
  name,
  number,
  range,
  reference,
  rowsOf,
  string,
  text,
  token,
  uri,
  World,
} from '../../contract/store/suite.js';

let folder: string;
let path: string;
const opened: Store[] = [];
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'tsela-sqlite-'));
  path = join(folder, 'store.sqlite');
});
afterEach(async () => {
  for (const store of opened.splice(0)) await store.close();
  await rm(folder, { recursive: true });
});
async function open(more: Partial<SqliteOptions> = {}): Promise<Store> {
  const store = await openSqliteStore({ path, ...more });
  opened.push(store);
  return store;
}
async function failureOf(work: Promise<unknown>): Promise<FhirError> {
  const error: unknown = await work.then(
    () => undefined,
    (reason: unknown) => reason,
  );
  expect(error).toBeInstanceOf(FhirError);
  return error as FhirError;
}
const collect = async <T>(from: AsyncIterable<T>): Promise<T[]> => {
  const list: T[] = [];
  for await (const one of from) list.push(one);
  return list;
};

describe('opening', () => {
  test('is refused while another has the file, naming both; allowed when it is closed', async () => {
    const first = await open();
    const refused = await failureOf(openSqliteStore({ path }));
    expect(refused.code).toBe('unavailable');
    expect(refused.message).toContain(path);
    expect(refused.message).toContain(`process ${process.pid}`);
    await first.ping();
    await first.close();
    // Closed properly, the file is whole without its log.
    await expect(stat(`${path}-wal`)).rejects.toThrow('ENOENT');
    await (await open()).ping();
  });

  test('tells what is wrong with the file', async () => {
    await writeFile(
      path,
      'This is no database, but it is long enough to look like a damaged one. '.repeat(100),
    );
    expect(await failureOf(openSqliteStore({ path }))).toMatchObject({
      code: 'unavailable',
      message: expect.stringContaining('damaged') as string,
    });
    await rm(path);
    const later = new Database(path);
    later.pragma('user_version = 99');
    later.close();
    expect((await failureOf(openSqliteStore({ path }))).message).toMatch(/schema version is 99/);
    await writeFile(join(folder, 'file'), '');
    const below = await failureOf(openSqliteStore({ path: join(folder, 'file', 'store.sqlite') }));
    expect(below).toMatchObject({ code: 'unavailable' });
    expect(below.message).toContain(join(folder, 'file', 'store.sqlite'));
    await mkdir(join(folder, 'folder'));
    expect((await failureOf(openSqliteStore({ path: join(folder, 'folder') }))).code).toBe('unavailable');
  });
});

describe('a group of commits', () => {
  test('is stored without the one that cannot be, whatever the reason', async () => {
    const store = await open();
    const world = new World(store);
    const twice = world.ref();
    const refs = Array.from({ length: 30 }, () => world.ref());
    const bad = (i: number): boolean => i % 7 === 3;
    const commits = refs.map((ref, i) => {
      if (i % 14 === 3) return store.commit([world.write(ref), world.write(twice), world.write(twice)]);
      // A column that is null is found out when other rows of the resource are in their tables.
      const rows = [token('t', 'x'), date('date', bad(i) ? NaN : i)];
      return store.commit([world.write(ref, rows, i % 5 === 0 ? { claims: [`c${i}`] } : {})]);
    });
    const ends = await Promise.allSettled(commits);
    expect(ends.map(({ status }) => status)).toEqual(refs.map((_, i) => (bad(i) ? 'rejected' : 'fulfilled')));
    for (const [i, ref] of refs.entries()) expect((await store.read(ref)) === undefined).toBe(bad(i));
    expect(await store.read(twice)).toBeUndefined();
    expect(await store.counts()).toEqual(new Map([['Patient', refs.filter((_, i) => !bad(i)).length]]));
    const complaints: string[] = [];
    for await (const complaint of store.check(rowsOf)) complaints.push(complaint);
    expect(complaints).toEqual([]);
    await world.put(refs[3]!, [date('date', 5)]);
    expect(await store.count(world.plan(leaf('token', 't', eq('code', 'x'))))).toBe(
      refs.filter((_, i) => !bad(i)).length,
    );
  });
});

describe('copies', () => {
  test('hold what was committed when the copy began, and can be opened', async () => {
    const store = await open();
    const world = new World(store);
    const refs = Array.from({ length: 40 }, () => world.ref());
    await world.commit(...refs.map(ref => world.write(ref, [token('t', ref.id)])));
    await world.put(refs[0]!);
    const copy = join(folder, 'copy.sqlite');
    await Promise.all([
      store.backup(copy),
      ...Array.from({ length: 20 }, () => store.commit([world.write(world.ref())])),
    ]);
    const second = await open({ path: copy });
    expect(await second.read(refs[0]!)).toMatchObject({ version: 2 });
    expect(await second.readMany(refs)).toHaveLength(40);
    expect(await collect(second.check(rowsOf))).toEqual([]);
    expect((await failureOf(store.backup(copy))).message).toContain(copy);
  });
});

describe('check', () => {
  const damages: [string, string, RegExp][] = [
    ['a posting that is missing', "DELETE FROM tok WHERE v = 'gone'", /lacks an index row of t \(tok\)/],
    [
      'a posting too many',
      "INSERT INTO tok SELECT p, 'more', r, 0, 3 FROM tok LIMIT 1",
      /1 index rows of .* \(tok\) more/,
    ],
    ['a posting with the wrong end', 'UPDATE str SET e = 1', /other ends/],
    ['a missing string', 'DELETE FROM str', /lacks an index row of s \(str\)/],
    [
      'a text without its parts',
      "INSERT INTO parts (rowid, tokens) VALUES (1, 'more')",
      /Text number 1 of s is found by other parts/,
    ],
    ['a text that is not kept', 'DELETE FROM txt', /A text is not found by its parts: one of s/],
    [
      'a text that nobody has',
      "INSERT INTO txt (p, v) SELECT p, 'nobody' FROM str",
      /A text is kept that no resource has/,
    ],
    ['a missing date', 'DELETE FROM dat', /lacks an index row of d \(dat\)/],
    ['a missing number', 'DELETE FROM num', /lacks an index row of n \(num\)/],
    ['a missing composite', 'DELETE FROM cmp', /lacks an index row of c \(cmp\)/],
    ['a missing reference', 'DELETE FROM ref', /lacks an index row of r \(ref\)/],
    ['a reference without its reverse', 'DELETE FROM rref', /A reference without its reverse/],
    ['a current resource that is not listed', 'DELETE FROM cur WHERE r = 1', /not in the list of current/],
    ['a wrong primary date', 'UPDATE cur SET d = 7 WHERE r = 1', /another primary date/],
    ['wrong packed values', "UPDATE cur SET b = x'00' WHERE r = 1", /other packed values/],
    [
      'a body that went missing',
      'UPDATE res SET body = NULL WHERE rid = 3',
      /A body where there should be none/,
    ],
    ['a superseded version that went missing', 'DELETE FROM hist WHERE ver = 2', /A gap in the versions/],
    [
      'a superseded version of nothing',
      'UPDATE hist SET rid = 999 WHERE ver = 1',
      /A superseded version without a resource/,
    ],
    ['a change that is not in the log', 'DELETE FROM log WHERE rid = 1 AND ver = 3', /not in the change log/],
    ['a log row of nothing', 'UPDATE log SET rid = 999 WHERE seq = 1', /names what is not there/],
    ['words that are missing', 'DELETE FROM words WHERE rowid = 1', /has other words in the full-text index/],
    [
      'words too many',
      "INSERT INTO words (rowid, tokens) VALUES (2, '1_more')",
      /has words in the full-text index/,
    ],
    ['a wrong count', 'UPDATE kind SET n = n + 1', /A wrong count/],
    ['a claim of nobody', 'UPDATE claim SET r = 999', /A claim whose owner is not current/],
    [
      'a reference that was not re-pointed',
      "UPDATE tgt SET t = 'Patient/' || (SELECT id FROM res WHERE rid = 1) WHERE t LIKE 'http%'",
      /kept by name although/,
    ],
  ];
  test.each(damages)('finds %s', async (_, damage, complaint) => {
    const store = await open();
    const world = new World(store);
    const rows = [
      token('t', 'gone'),
      string('s', 'Some text'),
      text('_content', 'some words'),
      date('date', 5),
      date('d', 5),
      number('n', 5),
      uri('u', 'urn:u'),
      reference('r', 'http://else/1'),
      composite(
        'c',
        { kind: 'token', system: 'urn:s', code: 'x' },
        { kind: 'number', lo: 1, hi: 2, system: '', code: 'mg' },
      ),
    ];
    const first = world.ref();
    await world.put(first, rows, { claims: [world.claim('c')] });
    await world.put(first, rows, { claims: [world.claim('c')] });
    await world.put(first, rows, { claims: [world.claim('c')] });
    await world.put(world.ref(), [reference('r', first)]);
    await world.put(world.ref('Observation'));
    expect(await collect(store.check(rowsOf))).toEqual([]);
    await store.close();
    const db = new Database(path);
    expect(db.prepare(damage).run().changes).toBeGreaterThan(0);
    db.close();
    const again = await open();
    const rowsAnyway = (version: Parameters<typeof rowsOf>[0]): ReturnType<typeof rowsOf> =>
      version.body ? rowsOf(version) : [];
    expect((await collect(again.check(rowsAnyway))).join('\n')).toMatch(complaint);
  });
});

describe('long searches', () => {
  test('leave reads, writes and short searches running, and end within a statement too', async () => {
    const store = await open({ searchBudgetMs: 2_000 });
    const world = new World(store);
    const people = Array.from({ length: 40 }, () => world.ref());
    const about = people.map(one => reference('subject', one));
    await world.commit(
      ...people.map(one => world.write(one)),
      ...Array.from({ length: 400 }, () =>
        world.write(world.ref('Observation'), [...about, string('s', 'S')]),
      ),
    );
    // For every person all observations, for each of these all persons, for each of them all observations again.
    const back = (node: Node): Node => ({ op: 'backlink', type: 'Observation', param: 'subject', node });
    const heavy = not(
      back({
        op: 'link',
        param: 'subject',
        types: ['Patient'],
        node: back(leaf('string', 's', contains('value', 'x'))),
      }),
    );
    let pending = 3;
    const searches = Array.from({ length: pending }, () =>
      failureOf(store.count(world.plan(heavy))).finally(() => pending--),
    );
    for (const one of people) expect(await store.read(one)).toBeDefined();
    await world.put(people[0]!, [string('s', 'Other')]);
    expect(await world.find(leaf('string', 's', eq('value', 'other')))).toEqual([people[0]!.id]);
    expect(pending).toBe(3);
    for (const refused of await Promise.all(searches))
      expect(refused).toMatchObject({ code: 'too-costly-search', status: 400 });
    expect(await store.count({ types: ['Patient'], where: all, sort: [], count: 0, total: 'none' })).toBe(40);
  });

  test('of more conditions than a statement may have are refused as too costly', async () => {
    const store = await open();
    const world = new World(store);
    await world.put(world.ref(), [number('n', 5), string('s', 'S')]);
    const deep = (levels: number): Node =>
      levels === 0
        ? leaf('string', 's', contains('value', 's'))
        : not({ op: 'and', nodes: [leaf('number', 'n', range('lo', { ge: levels })), deep(levels - 1)] });
    const refused = await failureOf(store.count(world.plan(deep(600))));
    expect(refused).toMatchObject({ code: 'too-costly-search', status: 400 });
  });

  test('end with too-costly-search when their time is over, and others go on', async () => {
    const store = await open({
      searchBudgetMs: 0,
      limits: { few: 1, many: 1, probe: 1, window: 4, stepMs: 0, patienceMs: 0 },
    });
    const world = new World(store);
    await world.commit(
      ...Array.from({ length: 300 }, (_, i) =>
        world.write(world.ref(), [string('s:text', `Text ${i}`, 0), date('d', i)]),
      ),
    );
    const refused = await failureOf(
      store.search({
        types: ['Patient'],
        where: not(leaf('string', 's:text', contains('value', 'ext'))),
        sort: [],
        count: 10,
        total: 'none',
      }),
    );
    expect(refused).toMatchObject({ code: 'too-costly-search', status: 400 });
    expect(await store.read(world.ref())).toBeUndefined();
    expect(
      (await store.search({ types: ['Patient'], where: all, sort: [], count: 3, total: 'none' })).versions,
    ).toHaveLength(3);
  });
});

test('moves the log of writes into the file while it is open', async () => {
  const store = await open();
  const world = new World(store);
  // The thread that does it may take its time to begin.
  do await world.commit(...Array.from({ length: 100 }, () => world.write(world.ref(), [token('t', 'x')])));
  while ((await stat(path)).size <= 100_000);
});

test('goes on writing where the last process left off, several thousand resources on', async () => {
  const world = new World(await open());
  const refs = Array.from({ length: 2500 }, () => world.ref('Observation'));
  for (let at = 0; at < refs.length; at += 500)
    await world.commit(...refs.slice(at, at + 500).map((ref, i) => world.write(ref, [date('date', i)])));
  await world.store.close();
  const again = await open();
  expect(await again.count(world.plan(all, { types: ['Observation'] }))).toBe(2500);
  expect((await again.counts()).get('Observation')).toBe(2500);
  const next = new World(again);
  await next.put(next.ref('Observation'));
  expect(name((await collect(again.scan(['Observation']))).at(-1)!.ref)).toMatch(next.tag);
});

const probe = mkdtempSync(join(tmpdir(), 'tsela-mount-'));
const canMount = spawnSync('mount', ['-t', 'tmpfs', '-o', 'size=1m', 'tmpfs', probe]).status === 0;
if (canMount) spawnSync('umount', [probe]);
rmSync(probe, { recursive: true });

describe.skipIf(!canMount)('a full disk (skipped where this process may not mount a small one)', () => {
  test('refuses writes clearly, loses nothing, and goes on when there is room again', async () => {
    const disk = join(folder, 'disk');
    await mkdir(disk);
    expect(spawnSync('mount', ['-t', 'tmpfs', '-o', 'size=3m', 'tmpfs', disk]).status).toBe(0);
    try {
      await writeFile(join(disk, 'filling'), Buffer.alloc(1_000_000));
      const store = await openSqliteStore({ path: join(disk, 'store.sqlite') });
      const world = new World(store);
      const stored: ReturnType<World['ref']>[] = [];
      let failed: FhirError | undefined;
      while (failed === undefined) {
        const batch = Array.from({ length: 5 }, () => world.ref());
        const ends = await Promise.allSettled(batch.map(ref => store.commit([world.write(ref, [token('t', ref.id)], { body: Buffer.from(JSON.stringify({ rows: [token('t', ref.id), token('case', world.tag)], filling: 'x'.repeat(5000) })) })]))); // prettier-ignore
        for (const [i, end] of ends.entries()) {
          if (end.status === 'fulfilled') stored.push(batch[i]!);
          else failed = end.reason as FhirError;
        }
      }
      expect(failed).toBeInstanceOf(FhirError);
      expect(failed).toMatchObject({
        code: 'unavailable',
        message: expect.stringContaining('disk') as string,
      });
      expect(failed.cause).toBeInstanceOf(Error);
      expect(await store.readMany(stored)).toHaveLength(stored.length);
      await rm(join(disk, 'filling'));
      await world.put(world.ref());
      expect(await store.count(world.plan(all))).toBe(stored.length + 1);
      expect(await collect(store.check(rowsOf))).toEqual([]);
      await store.close();
    } finally {
      spawnSync('umount', [disk]);
    }
  });
});

describe('what searches remember', () => {
  test('is right after changes, deletions, removals for good and new index rows', async () => {
    const store = await open({
      limits: { few: 1, many: 1, probe: 1, chain: 1, window: 4, stepMs: 0, patienceMs: 0 },
    });
    const world = new World(store);
    const refs = Array.from({ length: 40 }, () => world.ref());
    const rows = (i: number): Row[] => [
      token('flag', i % 2 === 0 ? 'on' : 'off'),
      string('s:text', `Text ${i}`, 0),
      number('value', i),
      ...(i % 4 === 0 ? [date('d', i)] : []),
    ];
    for (const [i, ref] of refs.entries()) await world.put(ref, rows(i));
    const nodes = [
      leaf('token', 'flag', eq('code', 'off')),
      leaf('date', 'd'),
      leaf('string', 's:text', contains('value', 'ext 1')),
      leaf('number', 'value', range('hi', { gt: 20 })),
    ];
    const counts = async (): Promise<number[]> => {
      const found: number[] = [];
      for (const node of nodes) {
        found.push(await store.count(world.plan(node)), await store.count(world.plan(not(node))));
        expect(await world.find(not(node), { count: 7 })).toHaveLength(found.at(-1)!);
      }
      return found;
    };
    expect(await counts()).toEqual([20, 20, 10, 30, 11, 29, 19, 21]);
    await world.put(refs[1]!, rows(100));
    expect(await counts()).toEqual([19, 21, 11, 29, 11, 29, 20, 20]);
    await world.delete(refs[39]!);
    expect(await counts()).toEqual([18, 21, 11, 28, 11, 28, 19, 20]);
    await store.expunge(refs[38]!, 'everything');
    expect(await counts()).toEqual([18, 20, 11, 27, 11, 27, 18, 20]);
    await store.clearIndex();
    const withoutDate = (version: Version): Row[] => rowsOf(version).filter(row => row.param !== 'd');
    await store.indexSome({ types: [], after: '', count: 100 }, withoutDate);
    expect(await counts()).toEqual([18, 20, 0, 38, 11, 27, 18, 20]);
  });
});
