// The files of the embedded store are their owner's alone, also those an older release left open to others; and looking
// after their rights does not let go of locks.
import { chmodSync, mkdtempSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { openSqliteDocuments } from '../../../src/storage/sqlite/documents.js';
import { makePrivate } from '../../../src/storage/sqlite/private-file.js';
import { openSqliteStore } from '../../../src/storage/sqlite/store.js';

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'tsela-private-'));
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

const modeOf = (path: string): string => (statSync(path).mode & 0o777).toString(8);

it('makes the file, and its folders, for the owner alone', () => {
  const path = join(folder, 'a', 'b', 'file');
  makePrivate(path);
  expect([modeOf(path), modeOf(join(folder, 'a')), modeOf(join(folder, 'a', 'b'))]).toEqual([
    '600',
    '700',
    '700',
  ]);
});

it('takes what is there away from others, and leaves its content', () => {
  const path = join(folder, 'file');
  for (const each of [path, `${path}-wal`, `${path}-shm`]) {
    writeFileSync(each, 'content');
    chmodSync(each, 0o664);
  }
  makePrivate(path);
  for (const each of [path, `${path}-wal`, `${path}-shm`])
    expect([each, modeOf(each), statSync(each).size]).toEqual([each, '600', 7]);
});

it('a copy of the store is private too', async () => {
  const store = await openSqliteStore({ path: join(folder, 'tsela.sqlite') });
  await store.backup(join(folder, 'copy'));
  await store.close();
  expect(modeOf(join(folder, 'copy'))).toBe('600');
});

it('a store that is open stays locked when it is opened again by the same process, and again', async () => {
  const path = join(folder, 'tsela.sqlite');
  const store = await openSqliteStore({ path });
  for (let i = 0; i < 2; i++)
    await expect(openSqliteStore({ path })).rejects.toThrow(/in use by another Tsela/);
  await store.close();
  const documents = join(folder, 'documents.sqlite');
  const [first, second] = [
    await openSqliteDocuments({ path: documents }),
    await openSqliteDocuments({ path: documents }),
  ];
  await first.put('things', 'a', 1);
  expect((await second.get('things', 'a'))?.value).toBe(1);
  await first.close();
  await second.close();
});
