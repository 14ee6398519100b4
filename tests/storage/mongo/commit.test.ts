// What only MongoDB can get wrong: runs of a transaction that meet each other, log numbers that come late, concerns.
import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { all } from '../../../src/search/plan.js';
import type { Row } from '../../../src/search/rows.js';
import { openMongoStore } from '../../../src/storage/mongo/store.js';
import type { Store, Write } from '../../../src/storage/store.js';
import { MongoClient } from 'mongodb';

const url = process.env['MONGODB_URL'];
const database = `tsela-commit-${randomUUID().slice(0, 8)}`;

const body = (text: string): Uint8Array => new TextEncoder().encode(text);
function write(id: string, more: Partial<Write> = {}): Write {
  return {
    ref: { type: 'Patient', id },
    expected: 0,
    method: 'PUT',
    lastUpdated: Date.now(),
    body: body(`{"resourceType":"Patient","id":"${id}"}`),
    rows: [],
    replaces: [],
    ...more,
  };
}
const token = (param: string, code: string, system = ''): Row => ({
  kind: 'token',
  param,
  system,
  code,
  end: 3,
});

describe.skipIf(!url)(`MongoDB commits${url ? '' : ' (skipped: MONGODB_URL is not set)'}`, () => {
  let client: MongoClient;
  let store: Store;
  beforeAll(async () => {
    client = await new MongoClient(url!).connect();
    store = await openMongoStore({ url: url!, database });
  });
  afterAll(async () => {
    await store.close();
    await client.db(database).dropDatabase();
    await client.close();
  });

  test('create, read, update, delete, search, history', async () => {
    const rows = [
      token('gender', 'male', 'http://x'),
      { kind: 'string', param: 'name', value: 'smith', exact: 'Smith', end: 3 } as const,
    ];
    await store.commit([write('a', { rows }), write('b', { rows: [token('gender', 'female', 'http://x')] })]);
    expect((await store.read({ type: 'Patient', id: 'a' }))?.version).toBe(1);
    const find = async (where: Parameters<Store['search']>[0]['where']): Promise<string[]> =>
      (
        await store.search({ types: ['Patient'], where, sort: [], count: 10, total: 'accurate' })
      ).versions.map(v => v.ref.id);
    expect(await find(all)).toEqual(['a', 'b']);
    expect(
      await find({
        op: 'row',
        kind: 'token',
        param: 'gender',
        where: [{ column: 'code', is: 'eq', value: 'male' }],
      }),
    ).toEqual(['a']);
    expect(
      await find({
        op: 'row',
        kind: 'string',
        param: 'name',
        where: [{ column: 'value', is: 'prefix', value: 'smi' }],
      }),
    ).toEqual(['a']);
    await store.commit([write('a', { expected: 1, rows: [], replaces: rows })]);
    expect(
      await find({
        op: 'row',
        kind: 'token',
        param: 'gender',
        where: [{ column: 'code', is: 'eq', value: 'male' }],
      }),
    ).toEqual([]);
    const { body: _, ...gone } = write('b', { expected: 1, method: 'DELETE' });
    await store.commit([gone]);
    expect(await find(all)).toEqual(['a']);
    const page = await store.history({ count: 10, total: true });
    expect(page.versions.map(v => `${v.ref.id}${v.version}${v.method}`)).toEqual([
      'b2DELETE',
      'a2PUT',
      'b1PUT',
      'a1PUT',
    ]);
    expect(page.total).toBe(4);
    const log = [];
    for await (const change of store.changes('')) log.push(`${change.ref.id}${change.version}`);
    expect(log).toEqual(['a1', 'b1', 'a2', 'b2']);
  });
});
