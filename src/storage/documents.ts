// The documents port: small named documents beside the FHIR data, such as settings, sessions, tokens, job state.
// tests/contract/documents.ts holds every adapter to it.

export interface Document {
  readonly key: string;
  /** Any JSON. */
  readonly value: unknown;
  /** Changes with every put; for compare-and-set. */
  readonly revision: number;
  /** Milliseconds since 1970 UTC; from then on the document does not exist. */
  readonly expires?: number;
}

export interface PutOptions {
  readonly expires?: number;
  /** Only if the stored revision is this; 0: only if there is none (unique insert). An expired document counts as none. */
  readonly expected?: number;
}

export interface Documents {
  get(collection: string, key: string): Promise<Document | undefined>;
  /** Durable before it resolves. The new revision, or undefined where `expected` did not hold. */
  put(collection: string, key: string, value: unknown, options?: PutOptions): Promise<number | undefined>;
  /** Removes and answers it: of several callers exactly one gets the document. */
  take(collection: string, key: string): Promise<Document | undefined>;
  /** Whether there was one; with `expected`, only that revision. */
  delete(collection: string, key: string, expected?: number): Promise<boolean>;
  /** Unexpired documents of a collection whose key starts with the prefix, by key, at most `limit` after `after`. */
  list(
    collection: string,
    options?: { prefix?: string; after?: string; limit?: number },
  ): Promise<readonly Document[]>;
  /** Removes what has expired; answers how many. */
  sweep(): Promise<number>;
  close(): Promise<void>;
}
