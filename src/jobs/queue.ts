// The queue port: long work that outlives a request and a process. A job's state is a document, so that whoever opens
// the store next goes on from its checkpoint. https://hl7.org/fhir/R4/async.html is how clients see it.
import type { ErrorCode } from '../errors.js';

export interface Progress {
  /** What is being done, for people: `indexing`. */
  readonly step: string;
  readonly done: number;
  readonly total?: number;
}

/** Plain JSON. */
export interface Job {
  readonly id: string;
  readonly kind: string;
  /** Who asked for it. */
  readonly principal: string;
  readonly input: unknown;
  readonly state: 'waiting' | 'running' | 'done' | 'failed' | 'cancelled';
  /** Somebody wants it undone; the worker leaves it `cancelled` when it is. */
  readonly cancelling?: true;
  /** Where to go on; absent before the first. */
  readonly checkpoint?: unknown;
  readonly progress: Progress;
  /** What it came to, once done. */
  readonly result?: unknown;
  readonly failure?: { readonly code: ErrorCode; readonly message: string };
  /** Who works on it, and until when nobody else may, ms since 1970 UTC. */
  readonly owner?: string;
  readonly leased?: number;
  /** Failures in a row; the next try is not before `notBefore`. */
  readonly failures: number;
  readonly notBefore?: number;
  readonly created: number;
}

/** The job is no longer this worker's: taken over, or changed by somebody else. */
export class JobLost extends Error {
  constructor(id: string) {
    super(`The job ${id} is somebody else's now.`);
    this.name = 'JobLost';
  }
}

/** A job that this process works on. */
export interface Held {
  readonly job: Job;
  /** Durable when it resolves; the lease begins anew. @throws JobLost */
  save(change: Partial<Job>): Promise<void>;
}

export interface Queue {
  add(kind: string, input: unknown, principal: string): Promise<Job>;
  get(id: string): Promise<Job | undefined>;
  /** Oldest first. */
  list(): Promise<readonly Job[]>;
  /** The oldest job of these kinds that waits or was abandoned; of several callers one gets it. */
  claim(kinds: readonly string[]): Promise<Held | undefined>;
  /** Asks for a job to be undone; false where it is over. */
  cancel(id: string): Promise<boolean>;
}

export const isOver = ({ state }: Job): boolean =>
  state === 'done' || state === 'failed' || state === 'cancelled';
