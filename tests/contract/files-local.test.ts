// The files contract on a folder, and what only a folder can get wrong.
import { mkdtemp, readdir, rm, symlink, utimes, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { openLocalFiles } from '../../src/storage/local/files.js';
import { filesContract } from './files.js';

const newFolder = (): Promise<string> => mkdtemp(join(tmpdir(), 'tsela-files-'));

filesContract('a local folder', async () => {
  const parent = await newFolder();
  return {
    open: () => openLocalFiles({ folder: join(parent, 'a', 'b') }),
    dispose: () => rm(parent, { recursive: true }),
  };
});

test('a symbolic link is not followed', async () => {
  const folder = await newFolder();
  const files = await openLocalFiles({ folder });
  await writeFile(join(tmpdir(), 'tsela-outside'), 'secret');
  await symlink(join(tmpdir(), 'tsela-outside'), join(folder, 'link'));
  expect(await files.read('link')).toBeUndefined();
  await rm(folder, { recursive: true });
});

test('what a dead process left unfinished is removed when it is a day old', async () => {
  const folder = await newFolder();
  await (await openLocalFiles({ folder })).close();
  const [unfinished] = await readdir(folder);
  const left = join(folder, unfinished!);
  await writeFile(join(left, 'young'), 'x');
  await writeFile(join(left, 'old'), 'x');
  const twoDaysAgo = Date.now() / 1000 - 2 * 86_400;
  await utimes(join(left, 'old'), twoDaysAgo, twoDaysAgo);
  await (await openLocalFiles({ folder })).close();
  expect(await readdir(left)).toEqual(['young']);
  await rm(folder, { recursive: true });
});
