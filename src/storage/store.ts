// The storage port: what Tsela asks of a database. tests/contract/store.ts has a test for every promise below and
// runs against each adapter; what adapters differ in is in `capabilities`, never in a test of their name.
import type { Ref } from '../fhir/resource.js';
import type { Position, SearchPlan } from '../search/plan.js';
import type { Row } from '../search/rows.js';

export type Method = 'POST' | 'PUT' | 'PATCH' | 'DELETE';

/** One version of a resource. `body` is the exact UTF-8 JSON to be sent; a deletion has none. */
export interface Version {
  readonly ref: Ref;
  /** 1, 2, 3 … per resource, going on after a deletion. */
  readonly version: number;
  /** Milliseconds since 1970 UTC; equal to meta.lastUpdated in the body. */
  readonly lastUpdated: number;
  /** The interaction that made it; a DELETE is a tombstone. */
  readonly method: Method;
  readonly body?: Uint8Array;
}

/** A checked change to one resource, judged against `expected`. It makes version `expected + 1`. */
export interface Write {
  readonly ref: Ref;
  /** The version this was judged against (a tombstone counts); 0: the resource has never existed. */
  readonly expected: number;
  readonly method: Method;
  readonly lastUpdated: number;
  /** Absent: the resource is deleted. */
  readonly body?: Uint8Array;
  /** Index rows of the new state; empty for a deletion. */
  readonly rows: readonly Row[];
  /** Index rows of the state that `expected` names, made by the same extractors; empty if there was none. */
  readonly replaces: readonly Row[];
  /** The generation of the search parameters that `rows` and `replaces` were made with, judged against `fenceIndex`. */
  readonly index?: number;
  /** Unique keys owned by the new state. Keys owned by the replaced state and not named here are released. */
  readonly claims?: readonly string[];
  /** Conditional interactions: criteria and what they found when this was judged. */
  readonly condition?: WriteCondition;
  /** These must exist, not deleted, when the commit is done. */
  readonly requires?: readonly Ref[];
  /** Deletions only: refuse if a current resource outside this commit refers to it. */
  readonly unreferenced?: boolean;
}

export interface WriteCondition {
  /** Its `count` bounds how many matches matter: 2 tells none, one and several apart. */
  readonly plan: SearchPlan;
  /** `Type|system|value` where the criteria hold an identifier, else `Type`: writers with a common lock queue. */
  readonly locks: readonly string[];
  /** The matches at the time of judging, in the plan's order. */
  readonly found: readonly Ref[];
}

/** Kept with the commit it belongs to and answered when the same key comes again (settled: idempotency). */
export interface Receipt {
  readonly key: string;
  readonly body: Uint8Array;
}

/** Why a commit was refused as a whole. Nothing of it is stored. */
export type ConflictReason =
  /** `expected` is not the current version. */
  | 'version'
  /** The condition's criteria now find something else. */
  | 'condition'
  /** A claim is owned by another resource (`owner`), or twice within the commit. */
  | 'claim'
  /** A required resource is missing. */
  | 'required'
  /** Deletion of something that is referred to (`owner` is one that refers). */
  | 'referenced'
  /** A receipt with this key exists: read it with `receipt`. */
  | 'receipt'
  /** The rows were made with search parameters that have been replaced since (`fenceIndex`): make them again. */
  | 'index';

export class WriteConflict extends Error {
  constructor(
    readonly reason: ConflictReason,
    /** Index into the writes of the commit; -1 for 'receipt'. */
    readonly index: number,
    /** What conflicts: a claim, a reference `Type/id`, a receipt key. */
    readonly what: string,
    readonly owner?: Ref,
  ) {
    super(`${reason} conflict on ${what}`);
    this.name = 'WriteConflict';
  }
}

export interface Page {
  readonly versions: readonly Version[];
  /** Where the next page starts; absent on the last. */
  readonly next?: Position;
  /** Present where the plan asked for one; an estimate may be a lower bound. */
  readonly total?: number;
  readonly totalIsEstimate?: boolean;
}

/** How a search is answered. */
export interface Explanation {
  /** How many resources the first page has. */
  readonly found: number;
  readonly milliseconds: number;
  /** What the database was asked, in the order of the first asking. */
  readonly steps: readonly ExplainedStep[];
}
export interface ExplainedStep {
  /** SQL, or a command of MongoDB as JSON. */
  readonly asked: string;
  /** How often, with other bounds. */
  readonly times: number;
  /** The database's own plan, a line for each part; empty where it does not tell. */
  readonly plan: readonly string[];
  /** Indexes by their names in the database. */
  readonly indexes: readonly string[];
  /** Rows or keys looked at, measured; absent where the database does not tell. */
  readonly examined?: number;
  readonly returned: number;
  readonly milliseconds: number;
}

/** `type` absent: the whole system; `id` only with `type`. Newest first unless `ascending`. */
export interface HistoryScope {
  readonly type?: string;
  readonly id?: string;
  /** Only versions made at or after this instant (ms). */
  readonly since?: number;
  /** Only versions that were current at some time in [from, to] (ms, inclusive). */
  readonly at?: { readonly from: number; readonly to: number };
  readonly count: number;
  readonly after?: Position;
  readonly ascending?: boolean;
  /** Count the scope's versions too. */
  readonly total?: boolean;
}

/** A point in the change log. '' is before the first change. Compare only for equality. */
export type Cursor = string;

export interface Change {
  readonly cursor: Cursor;
  readonly ref: Ref;
  readonly version: number;
  readonly method: Method;
  readonly lastUpdated: number;
}

/** Recomputes a version's index rows; given by whoever knows the search parameters. */
export type RowsOf = (version: Version) => readonly Row[];

/** Some of the current resources, whose rows are to be made. */
export interface Portion {
  /** All where empty. */
  readonly types: readonly string[];
  /** What the portion before answered as `next`; '' is the beginning. */
  readonly after: string;
  /** At most so many resources. */
  readonly count: number;
  /** Only rows of these parameters (and of their modifiers) may be lacking, the others are right. Absent: any may be. */
  readonly params?: readonly string[];
}

export interface Store {
  readonly capabilities: {
    /** For messages and metrics only: 'sqlite' or 'mongodb'. */
    readonly name: string;
    /** `backup` works. */
    readonly onlineBackup: boolean;
    /** Other processes may have the same data open. */
    readonly shared: boolean;
  };

  /** The current version (a tombstone if deleted), or the given one; undefined where there never was one. */
  read(ref: Ref, version?: number): Promise<Version | undefined>;
  /** Current versions that are not deleted, in no particular order; unknown refs are left out. */
  readMany(refs: readonly Ref[]): Promise<readonly Version[]>;

  /**
   * Current, undeleted resources that satisfy the plan, in its order. Following `next` from page to page, a resource
   * that does not change meanwhile appears exactly once, whatever else is written.
   */
  search(plan: SearchPlan): Promise<Page>;
  /**
   * A number that every commit changes, whoever made it, from before the commit resolves; read in microseconds. What a
   * search finds is the same as long as it is. Absent where the store cannot tell so cheaply.
   */
  generation?(): number;
  /**
   * What tells whether searches for resources of the type alone may find others than before: it changes with every
   * commit that writes one, from before the commit resolves, and is '' while there is none. Read in microseconds; absent,
   * or undefined, where the store cannot tell so cheaply.
   */
  stateOf?(type: string): string | undefined;
  /** How many satisfy the plan; its sort, count, after and total do not matter. */
  count(plan: SearchPlan): Promise<number>;
  /** Runs the search and tells how. */
  explain(plan: SearchPlan): Promise<Explanation>;
  /** Versions, deletions among them, in commit order. Paging keeps the promise of `search`. */
  history(scope: HistoryScope): Promise<Page>;

  /**
   * All or nothing, durable before it resolves, isolated as if commits ran one after another. Judges every `expected`,
   * `condition`, claim, `requires` and `unreferenced`, and throws WriteConflict for the first that does not hold.
   * A commit that throws anything else may be asked about with its receipt. No ref may appear twice.
   */
  commit(writes: readonly Write[], receipt?: Receipt): Promise<void>;
  /** The body kept under this key, if a commit carried it. */
  receipt(key: string): Promise<Uint8Array | undefined>;
  /** The resource whose current version owns the claim. */
  claimOwner(claim: string): Promise<Ref | undefined>;

  /** The change log after the cursor, in commit order, each change exactly once; ends at the present. Never skips a commit that becomes visible late. */
  changes(after: Cursor): AsyncIterable<Change>;
  /** Every current, undeleted resource of the types (all where empty), in order of creation, in bounded memory; not a snapshot. */
  scan(types: readonly string[]): AsyncIterable<Version>;

  /** Removes versions for good. 'history': all but the current one; 'everything': the resource with its claims. The change log forgets them. */
  expunge(ref: Ref, what: 'history' | 'everything'): Promise<number>;

  /**
   * Refuses, from when it resolves, commits that hold a write of a lower `index`; what such commits stored before is
   * seen by every read after. A generation lower than an earlier one changes nothing. Another process may be the writer.
   */
  fenceIndex(generation: number): Promise<void>;
  /**
   * Makes the rows of the next resources and stores those that lack, beside traffic: a resource that is written
   * meanwhile ends with the rows of its last state. Rows that should not be there stay where the store keeps rows apart
   * from resources (`forgetRows`, `clearIndex`). Answers how many resources, and where to go on; no `next`: that was all.
   * To do a portion again does no harm.
   */
  indexSome(portion: Portion, rowsOf: RowsOf): Promise<{ readonly done: number; readonly next?: string }>;
  /** Takes away the rows of these parameters and of their modifiers, which no write makes and no search asks for any more; a store that keeps rows with their resource leaves that to the next `indexSome`. */
  forgetRows(params: readonly string[]): Promise<void>;
  /** Takes away all rows, and the name of the index; searches find nothing until `indexSome` went through. A store that keeps rows with their resource takes away the name alone. */
  clearIndex(): Promise<void>;
  /** Compares stored index rows with recomputed ones and checks the store's own invariants; yields a sentence per discrepancy. */
  check(rowsOf: RowsOf): AsyncIterable<string>;
  /** A name for the search parameters the rows were made with; '' in a new store. */
  indexVersion(): Promise<string>;
  setIndexVersion(name: string): Promise<void>;

  /** Current, undeleted resources per type. */
  counts(): Promise<ReadonlyMap<string, number>>;
  /** A consistent copy while writes go on; only where capabilities.onlineBackup. */
  backup(path: string): Promise<void>;
  /** Resolves when the database answers; throws where it does not. */
  ping(): Promise<void>;
  /** Waits for commits under way, then lets go of everything. */
  close(): Promise<void>;
}

/** What serving a request takes; the rest of a store is for its keeper. */
export type ServedStore = Pick<
  Store,
  | 'capabilities'
  | 'read'
  | 'readMany'
  | 'search'
  | 'count'
  | 'explain'
  | 'history'
  | 'commit'
  | 'receipt'
  | 'claimOwner'
  | 'expunge'
> & {
  readonly generation?: () => number;
  readonly stateOf?: (type: string) => string | undefined;
  /** Sentences about what could not be asked while this request was served; a federation has them. */
  readonly absent?: () => readonly string[];
};
