// One Tsela per file. A second small database beside it is locked for as long as the store is open: the operating system
// releases the lock when the process dies, however it dies. https://www.sqlite.org/lockingv3.html
// Surprising: RESERVED, not EXCLUSIVE, so that who is turned away can still read who holds it.
import { hostname } from 'node:os';
import Database from 'better-sqlite3';
import { FhirError } from '../../errors.js';
import { makePrivate } from './private-file.js';

/** Takes the lock; the answer lets go of it. @throws FhirError `unavailable` naming the file and its holder. */
export function lock(path: string): () => void {
  makePrivate(`${path}-lock`);
  const db = new Database(`${path}-lock`, { timeout: 0 });
  try {
    db.pragma('journal_mode = MEMORY');
    db.exec('CREATE TABLE IF NOT EXISTS holder (who TEXT NOT NULL)');
    db.exec('BEGIN IMMEDIATE');
    db.exec('DELETE FROM holder');
    db.prepare('INSERT INTO holder VALUES (?)').run(
      `process ${process.pid} on ${hostname()} since ${new Date().toISOString()}`,
    );
    db.exec('COMMIT');
    db.exec('BEGIN IMMEDIATE');
  } catch (cause) {
    if (!(cause instanceof Database.SqliteError) || !cause.code.startsWith('SQLITE_BUSY')) {
      db.close();
      throw cause;
    }
    const holder = reading(db);
    db.close();
    throw new FhirError(
      'unavailable',
      `The store ${path} is in use by another Tsela${holder}. Stop it, or give this one another path.`,
      { cause },
    );
  }
  return () => {
    if (db.inTransaction) db.exec('ROLLBACK');
    db.close();
  };
}

function reading(db: Database.Database): string {
  try {
    const who = db.prepare('SELECT who FROM holder').pluck().get();
    return typeof who === 'string' ? ` (${who})` : '';
  } catch {
    return '';
  }
}
