// tsela backup and tsela restore: everything in the data folder of a stopped server as one file, encrypted where a key is
// given, and the way back, whole or not at all.
import { randomUUID } from 'node:crypto';
import { createReadStream, existsSync } from 'node:fs';
import { mkdir, open, readFile, rename, rm, rmdir } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { archived, archiveMark, unpack } from './archive.js';
import { decrypted, encrypted, isEncrypted, writeWhole } from './encrypted-file.js';
import { Problem, sentenceOf } from './problem.js';
import { checkStore, configOf, type DataOptions } from './target.js';

export interface BackupOptions extends DataOptions {
  /** A file that holds the secret. */
  readonly keyFile?: string;
}

/** A consistent copy of the data folder in a new file. */
export async function backup(path: string, options: BackupOptions): Promise<number> {
  if (existsSync(path))
    throw new Problem(`${path} exists already.`, 'A backup never overwrites: give a new name.');
  const config = await configOf(options);
  if (config.mongoUrl !== undefined) {
    throw new Problem(
      'MongoDB is not backed up this way.',
      `Use mongodump or a snapshot of the replica set: of ${config.mongoDatabase} and, of facilities, ${config.mongoDatabase}_*; and copy ${config.data}, which has the audit journal.`,
    );
  }
  checkStore(config);
  const secret = await secretIn(options.keyFile);
  const { copyEmbedded } = await import('../system/embedded-copy.js');
  // What is not encrypted yet stays beside the store, which is not either; it never reaches the disk of the backup.
  const folder = join(config.data, `backup-${randomUUID()}`);
  try {
    const files = await copyEmbedded(config.data, folder);
    const content = archived(files);
    await writing(path, writeWhole(path, secret === undefined ? content : encrypted(content, secret)));
    const facilities = files.filter(({ name }) => /^facilities\/[^/]+\/tsela\.sqlite$/.test(name)).length;
    process.stdout.write(
      `Wrote ${path}${secret === undefined ? '' : ', encrypted'}: the store${facilities === 0 ? '' : `, ${facilities} of facilities`}, accounts, apps, roles and keys, the audit journal.\n`,
    );
    return 0;
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

/** Puts a backup in the place of the data of a server, where there is none. */
export async function restore(path: string, options: BackupOptions): Promise<number> {
  const config = await configOf(options);
  if (config.mongoUrl !== undefined)
    throw new Problem('A backup of the embedded store is not restored to MongoDB.', 'Leave MONGODB_URL out.');
  if (!existsSync(path)) throw new Problem(`There is no file ${path}.`);
  const secret = await secretIn(options.keyFile);
  const isSealed = await isEncrypted(path);
  if (isSealed && secret === undefined)
    throw new Problem(`${path} is encrypted.`, 'Give the key it was made with: --key-file FILE.');
  const { kept, unrestored } = await import('../system/embedded-copy.js');
  const { data } = config;
  const part = join(data, unrestored);
  if (existsSync(part)) await undo(data, part);
  const [there] = kept.filter(name => existsSync(join(data, name)));
  if (there !== undefined) {
    throw new Problem(
      `There is a store in ${data} already: ${there}.`,
      'Give the folder of a new one by --data, or move away what is there.',
    );
  }
  await mkdir(part, { recursive: true, mode: 0o700 });
  try {
    const content = isSealed ? decrypted(path, secret!) : createReadStream(path);
    const names = await writing(data, contentOf(content as AsyncIterable<Buffer>, part));
    // From here on it is known what may stand in its place already.
    await writeWhole(join(part, list), only(JSON.stringify(names)));
    // The store comes last.
    for (const name of [...names].sort((a, b) => Number(isStore(a)) - Number(isStore(b)))) {
      await mkdir(dirname(join(data, name)), { recursive: true, mode: 0o700 });
      await rename(join(part, name), join(data, name));
    }
    for (const folder of new Set([data, ...names.map(name => dirname(join(data, name)))])) await sync(folder);
    await rm(part, { recursive: true });
    process.stdout.write(`Restored ${data}: ${names.join(', ')}.\n`);
    return 0;
  } catch (error) {
    await undo(data, part);
    throw error;
  }
}

const list = 'files.json';
const isStore = (name: string): boolean => name === 'tsela.sqlite';
const sqliteMark = Buffer.from('SQLite format 3\0');

/** Of an archive its files; of a backup made before there were archives the one store. */
async function contentOf(content: AsyncIterable<Buffer>, folder: string): Promise<readonly string[]> {
  const chunks = content[Symbol.asyncIterator]();
  let first = Buffer.alloc(0);
  while (first.length < Math.max(archiveMark.length, sqliteMark.length)) {
    const next = await chunks.next();
    if (next.done === true) break;
    first = Buffer.concat([first, next.value]);
  }
  async function* all(): AsyncGenerator<Buffer> {
    yield first;
    for (let next = await chunks.next(); next.done !== true; next = await chunks.next()) yield next.value;
  }
  if (!first.subarray(0, sqliteMark.length).equals(sqliteMark)) return unpack(all(), folder);
  await writeWhole(join(folder, 'tsela.sqlite'), all());
  return ['tsela.sqlite'];
}

/** Takes away what a restore has left that did not come to its end. */
async function undo(data: string, part: string): Promise<void> {
  const listed = await readFile(join(part, list), 'utf8').catch(() => '[]');
  const names = JSON.parse(listed) as string[];
  for (const name of names) if (!existsSync(join(part, name))) await rm(join(data, name), { force: true });
  // Folders that it made are empty now; the innermost go first.
  const folders = new Set(names.flatMap(name => [dirname(name), dirname(dirname(name))]));
  for (const folder of [...folders].sort((a, b) => b.length - a.length))
    if (folder !== '.') await rmdir(join(data, folder)).catch(() => undefined);
  await rm(part, { recursive: true, force: true });
}

async function* only(text: string): AsyncGenerator<Buffer> {
  yield await Promise.resolve(Buffer.from(text));
}

/** A new name is lasting when its folder is on disk. */
async function sync(folder: string): Promise<void> {
  const handle = await open(folder, 'r');
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}

/** As for settings that are secrets. */
const shortestSecret = 32;

async function secretIn(file: string | undefined): Promise<Buffer | undefined> {
  if (file === undefined) return undefined;
  const text = await readFile(file, 'utf8').catch((cause: unknown) => {
    throw new Problem(`${file} cannot be read: ${sentenceOf(cause)}`, undefined, { cause });
  });
  const secret = text.trim();
  if (secret.length < shortestSecret) {
    throw new Problem(
      `${file} holds no key: expected at least ${shortestSecret} characters.`,
      'Make one with: openssl rand -base64 32.',
    );
  }
  return Buffer.from(secret);
}

const writing = <T>(path: string, work: Promise<T>): Promise<T> =>
  work.catch((cause: unknown) => {
    if (cause instanceof Problem) throw cause;
    throw new Problem(`${path} cannot be written: ${sentenceOf(cause)}`, undefined, { cause });
  });
