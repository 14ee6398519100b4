// tsela backup and tsela restore: a copy of the embedded store of a stopped server, encrypted where a key is given, and the
// way back.
import { randomUUID } from 'node:crypto';
import { constants, existsSync } from 'node:fs';
import { chmod, copyFile, mkdir, readFile, rm } from 'node:fs/promises';
import { dirname } from 'node:path';
import { decryptFile, encryptFile, isEncrypted } from './encrypted-file.js';
import { Problem, sentenceOf } from './problem.js';
import { configOf, openSystem, storeOf, type DataOptions } from './target.js';

export interface BackupOptions extends DataOptions {
  /** A file that holds the secret. */
  readonly keyFile?: string;
}

/** A consistent copy of the embedded store in a new file. */
export async function backup(path: string, options: BackupOptions): Promise<number> {
  if (existsSync(path))
    throw new Problem(`${path} exists already.`, 'A backup never overwrites: give a new name.');
  const secret = await secretIn(options.keyFile);
  const { system } = await openSystem(options, { mustExist: true });
  try {
    const { capabilities } = system.store;
    if (!capabilities.onlineBackup) {
      throw new Problem(
        `The ${capabilities.name} store is not backed up this way.`,
        'For MongoDB use mongodump or a snapshot of the replica set.',
      );
    }
    if (secret === undefined) await writing(path, system.store.backup(path));
    else {
      // What is not encrypted yet stays beside the store, which is not either; it never reaches the disk of the backup.
      const plain = `${storeOf(await configOf(options))}-backup-${randomUUID()}`;
      try {
        await writing(plain, system.store.backup(plain));
        await writing(path, encryptFile(plain, path, secret));
      } finally {
        await rm(plain, { force: true });
      }
    }
    process.stdout.write(`Wrote ${path}${secret === undefined ? '' : ', encrypted'}.\n`);
    return 0;
  } finally {
    await system.close();
  }
}

/** Puts a backup in the place of the embedded store, where there is none. */
export async function restore(path: string, options: BackupOptions): Promise<number> {
  const config = await configOf(options);
  if (config.mongoUrl !== undefined)
    throw new Problem('A backup of the embedded store is not restored to MongoDB.', 'Leave MONGODB_URL out.');
  const to = storeOf(config);
  if (!existsSync(path)) throw new Problem(`There is no file ${path}.`);
  if (existsSync(to)) {
    throw new Problem(
      `There is a store in ${config.data} already.`,
      'Give the folder of a new one by --data, or move away what is there.',
    );
  }
  const secret = await secretIn(options.keyFile);
  const encrypted = await isEncrypted(path);
  if (encrypted && secret === undefined)
    throw new Problem(`${path} is encrypted.`, 'Give the key it was made with: --key-file FILE.');
  await mkdir(dirname(to), { recursive: true, mode: 0o700 });
  if (encrypted) await writing(to, decryptFile(path, to, secret!));
  else
    await writing(
      to,
      copyFile(path, to, constants.COPYFILE_EXCL).then(() => chmod(to, 0o600)),
    );
  process.stdout.write(`Restored ${to}.\n`);
  return 0;
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

const writing = (path: string, work: Promise<unknown>): Promise<unknown> =>
  work.catch((cause: unknown) => {
    if (cause instanceof Problem) throw cause;
    throw new Problem(`${path} cannot be written: ${sentenceOf(cause)}`, undefined, { cause });
  });
