// The files port on a folder. A file is written beside its place, synced, and renamed into it, so that a name leads to
// the whole content or to none; the folder is synced too, because a rename lives in the folder.
import { randomUUID } from 'node:crypto';
import { constants, type Dirent } from 'node:fs';
import { mkdir, open, readdir, rename, rm, stat, unlink, writeFile, type FileHandle } from 'node:fs/promises';
import { dirname, join, resolve } from 'node:path';
import { Readable } from 'node:stream';
import { FhirError } from '../../errors.js';
import type { Files } from '../files.js';

/** Where files are while they are written; no name begins with a dot, so none leads here. */
const unfinished = '.unfinished';
/** What is older than this was left behind by a process that is gone, ms. */
const abandoned = 24 * 3_600_000;

/** One or more segments separated by `/`. None begins with a dot: no `..`, nothing hidden. */
const namePattern = /^[A-Za-z0-9_][A-Za-z0-9._-]{0,199}(?:\/[A-Za-z0-9_][A-Za-z0-9._-]{0,199})*$/;

/** `folder` is made where it is missing and belongs to this store alone. */
export async function openLocalFiles(options: { readonly folder: string }): Promise<Files> {
  const folder = resolve(options.folder);
  await makeFolder(join(folder, unfinished));
  await removeAbandoned(join(folder, unfinished));

  const placeOf = (name: string): string => {
    if (!namePattern.test(name)) {
      throw new FhirError(
        'value',
        "A file's name is made of letters, digits, '.', '_', '-' and '/', and no part begins with '.'.",
      );
    }
    return join(folder, name);
  };

  return {
    write: async (name, content) => {
      const place = placeOf(name);
      const part = join(folder, unfinished, randomUUID());
      try {
        const size = await writeSynced(part, content);
        await makeFolder(dirname(place));
        await rename(part, place);
        await syncFolder(dirname(place));
        return size;
      } catch (error) {
        await rm(part, { force: true });
        throw error;
      }
    },
    read: async (name, range) => {
      const file = await openIfThere(placeOf(name));
      if (file === undefined) return undefined;
      const { size } = await file.stat();
      const start = range?.start ?? 0;
      const end = Math.min(range?.end ?? size - 1, size - 1);
      if (start <= end) return file.createReadStream({ start, end });
      await file.close();
      return Readable.from([]);
    },
    size: async name => {
      const found = await ifThere(stat(placeOf(name)));
      return found?.isFile() ? found.size : undefined;
    },
    delete: async name => {
      const place = placeOf(name);
      if ((await ifThere(unlink(place).then(() => true))) === undefined) return false;
      await syncFolder(dirname(place));
      return true;
    },
    list: prefix => names(folder, '', prefix),
    close: async () => undefined,
  };
}

async function writeSynced(path: string, content: Readable | Uint8Array): Promise<number> {
  const file = await open(path, 'wx', 0o600);
  try {
    await writeFile(file, content);
    await file.sync();
    return (await file.stat()).size;
  } finally {
    await file.close();
  }
}

/** Symbolic links are not followed: none is ever made here. */
async function openIfThere(path: string): Promise<FileHandle | undefined> {
  const file = await ifThere(open(path, constants.O_RDONLY | constants.O_NOFOLLOW));
  if (file === undefined || (await file.stat()).isFile()) return file;
  await file.close();
  return undefined;
}

const absent = new Set(['ENOENT', 'ENOTDIR', 'EISDIR', 'ELOOP']);
async function ifThere<T>(work: Promise<T>): Promise<T | undefined> {
  try {
    return await work;
  } catch (error) {
    if (absent.has((error as NodeJS.ErrnoException).code ?? '')) return undefined;
    throw error;
  }
}

async function makeFolder(path: string): Promise<void> {
  const first = await mkdir(path, { recursive: true, mode: 0o700 });
  if (first === undefined) return;
  // Every folder that got a new entry, up to the parent of the topmost one made.
  for (let at = path; at !== dirname(first); at = dirname(at)) await syncFolder(dirname(at));
}

async function syncFolder(path: string): Promise<void> {
  const folder = await open(path, constants.O_RDONLY);
  try {
    await folder.sync();
  } finally {
    await folder.close();
  }
}

async function removeAbandoned(folder: string): Promise<void> {
  for (const name of await readdir(folder)) {
    const path = join(folder, name);
    const found = await ifThere(stat(path));
    if (found && Date.now() - found.mtimeMs > abandoned) await rm(path, { force: true });
  }
}

/** Names in order, folder by folder; folders that cannot hold the prefix are not entered. */
async function* names(folder: string, below: string, prefix: string): AsyncGenerator<string> {
  const entries = (await ifThere(readdir(join(folder, below), { withFileTypes: true }))) ?? [];
  const key = (entry: Dirent): string => below + entry.name + (entry.isDirectory() ? '/' : '');
  for (const entry of entries.sort((one, other) => (key(one) < key(other) ? -1 : 1))) {
    const name = key(entry);
    if (entry.name.startsWith('.')) continue;
    if (entry.isDirectory()) {
      if (name.startsWith(prefix) || prefix.startsWith(name)) yield* names(folder, name, prefix);
    } else if (entry.isFile() && name.startsWith(prefix)) yield name;
  }
}
