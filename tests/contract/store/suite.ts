// What the parts of the store contract share: a world of its own per test, rows written by hand, writes and paging.
// One store serves all tests of a run (a database is slow to make), so each test's ids, claims and parameters are its own.
import { expect } from 'vitest';
import type { Ref } from '../../../src/fhir/resource.js';
import { fold } from '../../../src/search/fold.js';
import {
  and,
  type Condition,
  type Leaf,
  type Node,
  type SearchPlan,
  type SortKey,
} from '../../../src/search/plan.js';
import type { Part, Row, RowKind } from '../../../src/search/rows.js';
import { WriteConflict, type Store, type Version, type Write } from '../../../src/storage/store.js';

export interface StoreUnderTest {
  /** Opens the same stored data, as the next process would. */
  readonly open: () => Promise<Store>;
  readonly dispose: () => Promise<void>;
}

/** Rows by hand. `end` is 3 where not given: the only value of its parameter. */
export const token = (param: string, code: string, system = '', end: 0 | 1 | 2 | 3 = 3): Row =>
  ends({ kind: 'token', param, system, code }, end);
export const string = (param: string, exact: string, end: 0 | 1 | 2 | 3 = 3): Row =>
  ends({ kind: 'string', param, value: fold(exact), exact }, end);
export const uri = (param: string, value: string, end: 0 | 1 | 2 | 3 = 3): Row =>
  ends({ kind: 'uri', param, value }, end);
export const date = (param: string, lo: number, hi = lo, end: 0 | 1 | 2 | 3 = 3): Row =>
  ends({ kind: 'date', param, lo, hi }, end);
export const number = (
  param: string,
  lo: number,
  hi = lo,
  unit: { system?: string; code?: string } = {},
  end: 0 | 1 | 2 | 3 = 3,
): Row => ends({ kind: 'number', param, lo, hi, system: unit.system ?? '', code: unit.code ?? '' }, end);
/** Texts of the row, each of words. */
export const text = (param: string, ...texts: string[]): Row => ({
  kind: 'words',
  param,
  text: ` ${texts.join(' \n ')} `,
});
export const reference = (param: string, target: string | Ref, version = ''): Row => ({
  kind: 'reference',
  param,
  target: typeof target === 'string' ? target : name(target),
  version,
});
export const composite = (param: string, ...parts: Part[]): Row => ({ kind: 'composite', param, parts });
const ends = <R extends Row>(row: R, end: 0 | 1 | 2 | 3): R => (end === 0 ? row : { ...row, end });

export const name = (ref: Ref): string => `${ref.type}/${ref.id}`;

/** Leaves by hand. */
export const leaf = (kind: RowKind, param: string, ...where: Condition[]): Leaf => ({
  op: 'row',
  kind,
  param,
  where,
});
export const eq = (column: string, value: string): Condition => ({ column, is: 'eq', value });
export const oneOf = (column: string, ...values: string[]): Condition => ({ column, is: 'in', values });
export const prefix = (column: string, value: string): Condition => ({ column, is: 'prefix', value });
export const contains = (column: string, value: string): Condition => ({ column, is: 'contains', value });
export const range = (
  column: string,
  bounds: { gt?: number; ge?: number; lt?: number; le?: number },
): Condition => ({ column, is: 'range', ...bounds });
export const asc = (param: string, kind: SortKey['kind']): SortKey => ({ param, kind, descending: false });
export const desc = (param: string, kind: SortKey['kind']): SortKey => ({ param, kind, descending: true });

let clock = Date.parse('2027-03-01T08:00:00Z');
/** Instants that only grow, as those of a server do. */
export const tick = (ms = 1000): number => (clock += ms);

export type WriteMore = Partial<Omit<Write, 'ref' | 'rows'>>;

let worlds = 0;
const run = Math.random().toString(36).slice(2, 7);

/** A test's own resources: every row set carries a token by which searches find only these. */
export class World {
  readonly tag = `w${run}${worlds++}`;
  private ids = 0;
  /** What the store should hold: the current rows and versions of every resource written through here. */
  readonly rows = new Map<string, readonly Row[]>();
  readonly versions = new Map<string, number>();

  constructor(readonly store: Store) {}

  ref(type = 'Patient'): Ref {
    return { type, id: `${this.tag}-${this.ids++}` };
  }
  claim(text: string): string {
    return `${this.tag}|${text}`;
  }
  /** A write judged on what this world has written so far. */
  write(ref: Ref, rows: readonly Row[] = [], more: WriteMore = {}): Write {
    const key = name(ref);
    const expected = more.expected ?? this.versions.get(key) ?? 0;
    const lastUpdated = more.lastUpdated ?? tick();
    const kept = [...rows, token('case', this.tag)];
    const body = Buffer.from(JSON.stringify({ resourceType: ref.type, id: ref.id, rows: kept }));
    return {
      ref,
      expected,
      method: expected === 0 ? 'POST' : 'PUT',
      lastUpdated,
      body,
      rows: kept,
      replaces: this.rows.get(key) ?? [],
      ...more,
    };
  }
  deletion(ref: Ref, more: WriteMore = {}): Write {
    const { body: _, ...write } = this.write(ref, [], { ...more, method: 'DELETE' });
    return { ...write, rows: [] };
  }
  /** Commits and remembers what is now current. */
  async commit(...writes: Write[]): Promise<void> {
    await this.store.commit(writes);
    this.remember(writes);
  }
  remember(writes: readonly Write[]): void {
    for (const write of writes) {
      this.versions.set(name(write.ref), write.expected + 1);
      this.rows.set(name(write.ref), write.rows);
    }
  }
  async put(ref: Ref, rows: readonly Row[] = [], more: WriteMore = {}): Promise<Ref> {
    await this.commit(this.write(ref, rows, more));
    return ref;
  }
  async delete(ref: Ref, more: WriteMore = {}): Promise<void> {
    await this.commit(this.deletion(ref, more));
  }

  plan(where: Node, more: Partial<SearchPlan> = {}): SearchPlan {
    return {
      types: ['Patient'],
      where: and(leaf('token', 'case', eq('code', this.tag)), where),
      sort: [],
      count: 100,
      total: 'none',
      ...more,
    };
  }
  /** Ids of all results, page by page. */
  async find(where: Node, more: Partial<SearchPlan> = {}): Promise<string[]> {
    return (await this.pages(this.plan(where, more))).map(version => version.ref.id);
  }
  async pages(plan: SearchPlan): Promise<Version[]> {
    const found: Version[] = [];
    let after = plan.after;
    for (;;) {
      const page = await this.store.search(after === undefined ? plan : { ...plan, after });
      expect(page.versions.length).toBeLessThanOrEqual(plan.count);
      found.push(...page.versions);
      if (page.next === undefined) return found;
      expect(page.versions).toHaveLength(plan.count);
      // A place travels in links: it must survive as JSON.
      after = JSON.parse(JSON.stringify(page.next)) as typeof page.next;
    }
  }
}

/** Ids of all results; counting must agree with finding. */
export async function found(world: World, where: Node, types = ['Patient']): Promise<string[]> {
  const list = await world.find(where, { types });
  expect(await world.store.count(world.plan(where, { types }))).toBe(list.length);
  return list;
}

/** The rows of a version, as an extractor would make them from its body: `World.write` keeps them there. */
export const rowsOf = (version: Version): readonly Row[] =>
  (JSON.parse(Buffer.from(version.body!).toString()) as { rows?: readonly Row[] }).rows ?? [];

export const ids = (...refs: Ref[]): string[] => refs.map(ref => ref.id);
export const sorted = (texts: readonly string[]): string[] => [...texts].sort();

/** The conflict a commit ends in; fails where it does not. */
export async function conflictOf(commit: Promise<unknown>): Promise<WriteConflict> {
  const error: unknown = await commit.then(
    () => undefined,
    (reason: unknown) => reason,
  );
  expect(error).toBeInstanceOf(WriteConflict);
  return error as WriteConflict;
}

/** Repeatable chance. */
export function random(seed: number): {
  below: (n: number) => number;
  pick: <T>(from: readonly T[]) => T;
  chance: (of: number) => boolean;
} {
  let state = seed >>> 0;
  const next = (): number => {
    state = (state + 0x6d2b79f5) >>> 0;
    let t = state;
    t = Math.imul(t ^ (t >>> 15), t | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return ((t ^ (t >>> 14)) >>> 0) / 4294967296;
  };
  const below = (n: number): number => Math.floor(next() * n);
  return { below, pick: from => from[below(from.length)]!, chance: of => next() < of };
}

export type Promises = (title: string, test: (world: World) => Promise<void>) => void;
