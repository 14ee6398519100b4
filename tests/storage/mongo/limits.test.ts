// Sizes: bodies beyond a document's 16 MB, commits beyond the bundle limit, and commits that take too long.
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { Row } from '../../../src/search/rows.js';
import { inPlace } from '../../../src/storage/mongo/body.js';
import type { Store } from '../../../src/storage/store.js';
import { collect, newFacility, reference, title, unavailable, write, type Facility } from './facility.js';

describe.skipIf(unavailable)(title('MongoDB sizes'), () => {
  let facility: Facility;
  let store: Store;
  beforeAll(async () => {
    facility = await newFacility();
    store = await facility.open({ limits: { writes: 50, bytes: 40 * 1024 * 1024 } });
  });
  afterAll(() => facility.dispose());
  const ref = { type: 'Binary', id: 'big' };
  const body = (size: number, fill: string): Uint8Array => Buffer.alloc(size, fill);
  const same = async (version: number | undefined, expected: Uint8Array): Promise<boolean> =>
    Buffer.from((await store.read(ref, version))!.body!).equals(expected);

  test('a body around and beyond the limit of a document comes back exactly, now and from history', async () => {
    const versions = [body(inPlace, 'a'), body(inPlace + 1, 'b'), body(2 * inPlace + 5, 'c'), body(10, 'd')];
    for (const [expected, content] of versions.entries()) {
      await store.commit([{ ...write('Binary/big', { expected }), body: content }]);
    }
    for (const [i, content] of versions.entries()) expect(await same(i + 1, content)).toBe(true);
    const history = await store.history({ ...ref, count: 10 });
    expect(history.versions.map(version => version.body?.length)).toEqual(
      versions.map(content => content.length).reverse(),
    );
    expect(await store.expunge(ref, 'everything')).toBe(4);
    expect(await facility.db.collection('chunks').countDocuments({})).toBe(0);
  });

  test('a body of exactly the chunk size times n', async () => {
    const content = body(2 * inPlace, 'e');
    await store.commit([{ ...write('Binary/even'), body: content }]);
    const [found] = await store.readMany([{ type: 'Binary', id: 'even' }]);
    expect(Buffer.from(found!.body!).equals(content)).toBe(true);
    expect((await collect(store.scan(['Binary']))).map(version => version.body?.length)).toEqual([
      content.length,
    ]);
  });

  test('more writes or bytes than a transaction may have are refused as a whole', async () => {
    const many = Array.from({ length: 51 }, (_, i) => write(`Patient/many${i}`));
    await expect(store.commit(many)).rejects.toMatchObject({ code: 'too-large' });
    const heavy = [0, 1, 2].map(i => ({ ...write(`Patient/heavy${i}`), body: body(14 * 1024 * 1024, 'x') }));
    await expect(store.commit(heavy)).rejects.toMatchObject({ code: 'too-large' });
    expect((await store.counts()).get('Patient')).toBeUndefined();
    await store.commit(many.slice(1));
    expect((await store.counts()).get('Patient')).toBe(50);
  });

  test('a resource with too many index rows for a document is refused, one with very many is found', async () => {
    const members = (count: number): Row[] =>
      Array.from({ length: count }, (_, i) => reference('member', `Patient/${'x'.repeat(40)}${i}`));
    await expect(store.commit([write('Group/huge', { rows: members(100_000) })])).rejects.toMatchObject({
      code: 'too-large',
    });
    await store.commit([write('Group/large', { rows: members(5_000) })]);
    const where = {
      op: 'row',
      kind: 'reference',
      param: 'member',
      where: [{ column: 'target', is: 'eq', value: `Patient/${'x'.repeat(40)}4999` }],
    } as const;
    expect(await store.count({ types: ['Group'], where, sort: [], count: 0, total: 'none' })).toBe(1);
  });

  test('a search whose time is over is refused as too costly, and others go on', async () => {
    const wide = await facility.open({ limits: { writes: 20_000 }, searchBudgetMs: 5 });
    const text: Row = { kind: 'string', param: 'name', value: 'some text', exact: 'some text' };
    await wide.commit(Array.from({ length: 3_000 }, (_, i) => write(`Basic/t${i}`, { rows: [text] })));
    const where = {
      op: 'row',
      kind: 'string',
      param: 'name',
      where: [{ column: 'value', is: 'contains', value: 'e t' }],
    } as const;
    const plan = { types: ['Basic'], where, sort: [], count: 1, total: 'accurate' } as const;
    const searches = Array.from({ length: 20 }, () => wide.search(plan));
    const read = await wide.read({ type: 'Basic', id: 't5' });
    expect(read?.version).toBe(1);
    const ends = await Promise.allSettled(searches);
    const refused = ends.filter(end => end.status === 'rejected');
    expect(refused.length).toBeGreaterThan(0);
    for (const { reason } of refused)
      expect(reason).toMatchObject({ code: 'too-costly-search', status: 400 });
    expect(await store.count({ ...plan, total: 'none' })).toBe(3_000);
  });

  test('a chain over too many resources is refused, not cut short', async () => {
    const wide = await facility.open({ limits: { writes: 20_000 } });
    for (let from = 0; from < 10_002; from += 5_001) {
      await wide.commit(Array.from({ length: 5_001 }, (_, i) => write(`Location/l${from + i}`)));
    }
    const chain = { op: 'link', param: 'location', types: ['Location'], node: { op: 'all' } } as const;
    const search = wide.search({ types: ['Encounter'], where: chain, sort: [], count: 1, total: 'none' });
    await expect(search).rejects.toMatchObject({ code: 'too-costly-search' });
  });
});
