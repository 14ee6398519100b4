// What crosses between the main thread and the one for large Bundles (large-bundles.ts, bundle-thread.ts).
// https://nodejs.org/api/worker_threads.html#portpostmessagevalue-transferlist
import type { Admission } from '../storage/sqlite/writer-client.js';
import type { Identity } from '../auth/identity.js';
import type { Config } from '../config.js';
import { FhirError, type ErrorCode, type Issue } from '../errors.js';
import type { FhirRequest, FhirResponse } from '../interactions/exchange.js';
import type { Write } from '../storage/store.js';
import type { Held } from './owner.js';

/** What the thread starts with. */
export interface Beginning {
  readonly config: Config;
  readonly base: string;
  readonly origin: string;
  readonly isAudited: boolean;
  /** One number that says what became of the line the thread waits for; see `lines`. */
  readonly line: SharedArrayBuffer;
  /** Numbers of threads that are kept from the main one's processor, as this one is; absent where nothing is to be kept. */
  readonly behind: readonly number[] | undefined;
}

/** Values of `Beginning.line`. */
export const lines = { waiting: 0, written: 1, refused: 2 } as const;

/** Who asks: the thread compiles a grant of its own. */
export type Who = 'open' | Identity;

/** A facility's id; '' is the server's own system. */
export type Place = string;

export type ToThread =
  | { readonly what: 'carry'; readonly id: number; readonly request: FhirRequest; readonly who: Who }
  | { readonly what: 'changed'; readonly id: number; readonly place: Place; readonly held: Held }
  | { readonly what: 'look' }
  | { readonly what: 'reply'; readonly id: number; readonly result?: unknown; readonly failed?: Crossed }
  | { readonly what: 'close' };

/** What the thread asks of the main one. */
export interface Asked {
  admit(place: Place): Admission | undefined;
  synced(place: Place): Promise<void>;
  flush(place: Place): Promise<void>;
  defined(place: Place, writes: readonly Write[]): Promise<void>;
  closed(place: Place): Promise<void>;
  /** Resolves when it is the thread's turn, until it releases it. */
  turn(turn: number, keys: readonly string[]): Promise<void>;
  /** Answers as part of what is carried. */
  dispatch(carried: number, request: FhirRequest): Promise<FhirResponse>;
}

export type FromThread =
  /** `opened`: the facilities it can serve. */
  | { readonly what: 'ready'; readonly opened: readonly string[] }
  | { readonly what: 'answer'; readonly id: number; readonly response: FhirResponse }
  | { readonly what: 'failed'; readonly id: number; readonly failed: Crossed }
  | { readonly what: 'changed'; readonly id: number }
  | { readonly what: 'looked'; readonly opened: readonly string[] }
  | {
      readonly what: 'ask';
      readonly id: number;
      readonly name: keyof Asked;
      readonly args: readonly unknown[];
    }
  | { readonly what: 'append'; readonly place: Place; readonly json: string }
  | { readonly what: 'release'; readonly turn: number }
  | { readonly what: 'wake'; readonly place: Place }
  | {
      readonly what: 'notice';
      readonly message: string;
      readonly detail: Record<string, unknown> | undefined;
    }
  | { readonly what: 'failure'; readonly failed: Crossed; readonly requestId: string };

/** An error as it crosses: threads keep neither class nor code. */
export interface Crossed {
  readonly message: string;
  readonly name: string;
  readonly stack: string | undefined;
  readonly fhir?: {
    readonly code: ErrorCode;
    readonly expression: string | undefined;
    readonly issues: readonly Issue[];
    readonly headers: Readonly<Record<string, string>>;
  };
  readonly cause?: Crossed;
}

export function crossing(error: unknown): Crossed {
  if (!(error instanceof Error)) return { message: String(error), name: 'Error', stack: undefined };
  const { message, name, stack, cause } = error;
  return {
    message,
    name,
    stack,
    ...(error instanceof FhirError
      ? {
          fhir: {
            code: error.code,
            expression: error.expression,
            issues: error.issues,
            headers: error.headers,
          },
        }
      : {}),
    ...(cause === undefined ? {} : { cause: crossing(cause) }),
  };
}

export function crossed({ message, name, stack, fhir, cause }: Crossed): Error {
  const why = cause === undefined ? {} : { cause: crossed(cause) };
  const error =
    fhir === undefined
      ? Object.assign(new Error(message, why), { name })
      : new FhirError(fhir.code, message, { ...fhir, ...why });
  return stack === undefined ? error : Object.assign(error, { stack });
}

/** The bytes in memory of their own, which can be handed over instead of being copied. */
export function ownBytes(bytes: Uint8Array): Uint8Array<ArrayBuffer> {
  const { buffer } = bytes;
  return buffer instanceof ArrayBuffer && buffer.byteLength === bytes.length
    ? (bytes as Uint8Array<ArrayBuffer>)
    : new Uint8Array(bytes);
}
