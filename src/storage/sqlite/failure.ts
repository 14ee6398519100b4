// What a failing SQLite is to a client: the store is not available, and nothing was acknowledged.
// https://www.sqlite.org/rescode.html
import Database from 'better-sqlite3';
import { FhirError } from '../../errors.js';

const reasons: readonly (readonly [RegExp, string])[] = [
  [/^SQLITE_FULL/, 'The disk of the store is full; nothing was stored.'],
  [/^SQLITE_(CORRUPT|NOTADB)/, 'The file of the store is damaged; restore it from a backup.'],
  [/^SQLITE_(READONLY|CANTOPEN|PERM|AUTH)/, 'The file of the store cannot be written.'],
  [/^SQLITE_IOERR/, 'The disk of the store failed.'],
  [/^SQLITE_(BUSY|LOCKED)/, 'The store is locked by another program.'],
];

/** What a statement of a search may grow beyond. https://www.sqlite.org/limits.html */
const tooLarge =
  /expression tree is too large|too many terms in|too many SQL variables|at most \d+ tables in a join|parser stack overflow|too many FROM clause terms/i;

/** SQLite's own errors as `unavailable`; others as they are. */
export function failure(error: unknown): unknown {
  if (!(error instanceof Database.SqliteError)) return error;
  if (tooLarge.test(error.message))
    return new FhirError('too-costly-search', 'The search has too many conditions; ask for some at a time.', {
      cause: error,
    });
  const reason = reasons.find(([code]) => code.test(error.code));
  return reason === undefined ? error : new FhirError('unavailable', reason[1], { cause: error });
}

/** An error as it crosses between threads, which keep neither class nor code. */
export interface Told {
  readonly code?: string;
  readonly message: string;
  readonly stack?: string | undefined;
}
export const tell = (error: unknown): Told => {
  const failed = failure(error);
  if (failed instanceof FhirError) {
    const cause = failed.cause;
    return {
      code: failed.code,
      message: failed.message,
      stack: cause instanceof Error ? cause.stack : failed.stack,
    };
  }
  return failed instanceof Error
    ? { message: failed.message, stack: failed.stack }
    : { message: String(failed) };
};
export function told({ code, message, stack }: Told): Error {
  const cause = Object.assign(new Error(message), stack === undefined ? {} : { stack });
  return code === undefined ? cause : new FhirError(code as 'unavailable', message, { cause });
}
