// The data folder of a server as a list of files, all as they are at one moment: the district's store and those of the
// facilities, the documents with accounts, apps, roles and keys, and the audit journals. And whether a folder is whole.
import { existsSync } from 'node:fs';
import { mkdir, readdir } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { FhirError } from '../errors.js';
import { copySqliteDocuments } from '../storage/sqlite/documents.js';
import { openSqliteStore } from '../storage/sqlite/store.js';
import type { Store } from '../storage/store.js';
import { journalFolder } from './audit-trail.js';

export interface CopiedFile {
  /** Below the data folder, with `/`. */
  readonly name: string;
  /** Where its content is. */
  readonly path: string;
}

/** Beside what it is put in the place of, as long as a restore is under way. */
export const unrestored = 'restore.part';

/** What a data folder consists of; none of it may be there where a backup is restored. */
export const kept = ['tsela.sqlite', 'documents.sqlite', 'facilities', 'audit'] as const;

/** @throws FhirError `unavailable` where a restore was interrupted: what is there is half of it */
export function checkRestored(data: string): void {
  if (existsSync(join(data, unrestored)))
    throw new FhirError('unavailable', `A restore of ${data} was interrupted; run it again.`);
}

/**
 * Copies into the folder. Every store is held until all are copied, so that none is later than another.
 * @throws FhirError where a server has one of them
 */
export async function copyEmbedded(data: string, folder: string): Promise<readonly CopiedFile[]> {
  checkRestored(data);
  const homes = ['', ...(await namesIn(join(data, 'facilities'))).map(id => `facilities/${id}/`)];
  const files: CopiedFile[] = [];
  const held: { readonly name: string; readonly store: Store }[] = [];
  try {
    for (const home of homes) {
      const name = `${home}tsela.sqlite`;
      if (existsSync(join(data, name)))
        held.push({ name, store: await openSqliteStore({ path: join(data, name) }) });
    }
    const into = async (name: string): Promise<string> => {
      const path = join(folder, name);
      await mkdir(dirname(path), { recursive: true, mode: 0o700 });
      files.push({ name, path });
      return path;
    };
    for (const { name, store } of held) await store.backup(await into(name));
    for (const home of homes) {
      const documents = `${home}documents.sqlite`;
      if (existsSync(join(data, documents)))
        copySqliteDocuments(join(data, documents), await into(documents));
      // Only appended to, and by a server alone.
      for (const one of await namesIn(journalFolder(join(data, home))))
        files.push({ name: `${home}audit/${one}`, path: join(journalFolder(join(data, home)), one) });
    }
    return files;
  } finally {
    for (const { store } of held) await store.close();
  }
}

const namesIn = async (folder: string): Promise<readonly string[]> =>
  existsSync(folder) ? (await readdir(folder)).sort() : [];
