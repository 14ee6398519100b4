// What a write is judged on: the store, or within a transaction the store overlaid with the bundle's own writes.
// https://hl7.org/fhir/R4/http.html#trules
import type { GuardedStore } from '../auth/guarded-store.js';
import { refKey, type Ref, type Resource } from '../fhir/resource.js';
import { matches } from '../search/matches.js';
import type { SearchPlan } from '../search/plan.js';
import type { Row } from '../search/rows.js';
import type { Version, WriteCondition } from '../storage/store.js';

export interface Judge {
  /** The current version, a tombstone if deleted. */
  readonly read: (ref: Ref) => Promise<Version | undefined>;
  /** What the criteria find now, and the condition under which that is still so at commit. */
  readonly find: (
    plan: SearchPlan,
    locks: readonly string[],
  ) => Promise<{ found: readonly Ref[]; condition: WriteCondition }>;
}

/** Enough to tell none, one and several apart. */
export const severalIsTwo = 2;

export const judgeBy = (store: GuardedStore): Judge => ({
  read: ref => store.read(ref),
  find: async (plan, locks) => {
    const found = (await store.search(plan)).versions.map(version => version.ref);
    return { found, condition: { plan, locks, found } };
  },
});

/** A resource a transaction is about to write: `rows` as far as they can be known before references are resolved. */
export interface Pending {
  readonly ref: Ref;
  readonly resource: Resource | undefined;
  readonly rows: readonly Row[];
}

/** The store as it will be after the transaction, for criteria and conditional references in it. */
export function overlay(store: GuardedStore, pending: ReadonlyMap<string, Pending>): Judge {
  const below = judgeBy(store);
  return {
    read: below.read,
    find: async (plan, locks) => {
      // Pending writes can hide as many matches as there are writes, so that many more are asked for.
      const wide = { ...plan, count: plan.count + pending.size };
      const stored = (await store.search(wide)).versions.map(version => version.ref);
      const condition = { plan: wide, locks, found: stored };
      const found = stored.filter(ref => !pending.has(refKey(ref)));
      for (const { ref, resource, rows } of pending.values()) {
        if (resource === undefined || !plan.types.includes(ref.type)) continue;
        if (await matches(plan.where, { ref, lastUpdated: Date.now(), rows }, store.resolve)) found.push(ref);
      }
      return { found, condition };
    },
  };
}
