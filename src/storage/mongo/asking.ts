// What a search asks of the database goes through here: all of its commands share one time limit, and it can be listened
// to (explain.ts). https://www.mongodb.com/docs/manual/reference/method/cursor.maxTimeMS/
import { MongoServerError, type ClientSession, type Document } from 'mongodb';
import { FhirError } from '../../errors.js';
import type { Layout } from './layout.js';

/** What a search may look at, in whose transaction, and until when. */
export interface Reach {
  readonly layout: Layout;
  readonly session?: ClientSession;
  readonly limit?: TimeLimit;
  readonly hear?: (asked: Asked) => void;
}

export interface TimeLimit {
  /** All of the time there is, ms. */
  readonly budgetMs: number;
  /** When it is over, by performance.now(). */
  readonly until: number;
}

/** A command that was answered. */
export interface Asked {
  readonly command: Document;
  readonly returned: number;
  readonly milliseconds: number;
}

export const defaultBudgetMs = 20_000;

export const limited = (budgetMs: number): TimeLimit => ({ budgetMs, until: performance.now() + budgetMs });

/** For a command's maxTimeMS. @throws FhirError `too-costly-search` where none is left */
export function timeLeft({ limit }: Reach): number {
  if (limit === undefined) return defaultBudgetMs;
  const left = Math.floor(limit.until - performance.now());
  if (left < 1) throw tooLong(limit);
  return left;
}

const tooLong = ({ budgetMs }: TimeLimit, cause?: unknown): FhirError =>
  new FhirError(
    'too-costly-search',
    `The search took longer than ${budgetMs / 1000} seconds; narrow it with a further parameter.`,
    { cause },
  );

const maxTimeExpired = 50;

/** @throws FhirError `too-costly-search` where a search's time was over */
export async function ask<T>(
  { limit, hear }: Reach,
  command: () => Document,
  run: () => Promise<T>,
  size: (result: T) => number,
): Promise<T> {
  const started = performance.now();
  try {
    const result = await run();
    hear?.({ command: command(), returned: size(result), milliseconds: performance.now() - started });
    return result;
  } catch (error) {
    if (limit !== undefined && error instanceof MongoServerError && error.code === maxTimeExpired)
      throw tooLong(limit, error);
    throw error;
  }
}
