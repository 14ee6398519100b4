// The thread for what takes long and nobody waits for: moving the log of recent writes (WAL) into the file, copies,
// the check of the file's pages. https://www.sqlite.org/wal.html#ckpt, https://www.sqlite.org/lang_vacuum.html#vacuuminto
import { closeSync, existsSync, fsyncSync, openSync, renameSync, rmSync } from 'node:fs';
import { parentPort, workerData, type MessagePort } from 'node:worker_threads';
import { FhirError } from '../../errors.js';
import { connect, type ConnectionOptions } from './connection.js';
import { tell, type Told } from './failure.js';
import { makePrivate } from './private-file.js';

export type ToBackground =
  | { readonly id: number; readonly what: 'checkpoint' }
  | { readonly id: number; readonly what: 'backup'; readonly path: string }
  | { readonly id: number; readonly what: 'checkPages' }
  | { readonly id: number; readonly what: 'close' };
export interface FromBackground {
  readonly id: number;
  readonly result?: unknown;
  readonly failed?: Told;
}

const port = parentPort as MessagePort;
const connection = connect({ ...(workerData as ConnectionOptions), write: true });

function work(message: ToBackground): unknown {
  switch (message.what) {
    case 'checkpoint': {
      const [row] = connection.db.pragma('wal_checkpoint(PASSIVE)') as { log: number }[];
      return row?.log ?? 0;
    }
    case 'backup':
      return backup(message.path);
    case 'checkPages':
      return checkPages();
    case 'close':
      connection.db.close();
      return undefined;
  }
}

/** On a connection of its own: what FTS5 knew of its tables at a check before would be held against what they are now. */
function checkPages(): string[] {
  const fresh = connect({ ...(workerData as ConnectionOptions), write: true });
  try {
    return (fresh.db.pragma('quick_check(20)') as { quick_check: string }[])
      .map(row => row.quick_check)
      .filter(line => line !== 'ok');
  } finally {
    fresh.db.close();
  }
}

/** A copy has its name only when it is whole and on disk. */
function backup(path: string): void {
  if (existsSync(path))
    throw new FhirError('conflict', `There is a file ${path} already; a copy is not written over it.`);
  const part = `${path}.part`;
  rmSync(part, { force: true });
  makePrivate(part); // an empty file is written into
  connection.db.prepare('VACUUM INTO ?').run(part);
  const file = openSync(part, 'r+');
  fsyncSync(file);
  closeSync(file);
  renameSync(part, path);
}

port.on('message', (message: ToBackground) => {
  const { id, what } = message;
  try {
    port.postMessage({ id, result: work(message) } satisfies FromBackground);
  } catch (error) {
    port.postMessage({ id, failed: tell(error) } satisfies FromBackground);
  }
  if (what === 'close') port.close();
});
