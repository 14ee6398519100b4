// What a write is judged on: the store, or within a transaction the store overlaid with the bundle's own writes.
// https://hl7.org/fhir/R4/http.html#trules
import type { GuardedStore } from '../auth/guarded-store.js';
import { refKey, type Ref } from '../fhir/resource.js';
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

/** A resource a transaction is about to write. */
export interface Pending {
  readonly ref: Ref;
  /** A patched resource counts as it is stored: what the patch makes of it is not known yet. */
  readonly becomes: 'written' | 'patched' | 'deleted';
  /** Of what is written, as far as they can be known before references are resolved. */
  readonly rows: readonly Row[];
}

/**
 * The store as it will be after the transaction, for criteria and conditional references in it. `pending` may grow.
 * Chains in criteria are followed in the store alone.
 */
export function overlay(store: GuardedStore, pending: ReadonlyMap<string, Pending>): Judge {
  const below = judgeBy(store);
  return {
    read: below.read,
    find: async (plan, locks) => {
      // Pending writes can hide as many matches as there are writes, so that many more are asked for.
      const wide = { ...plan, count: plan.count + pending.size };
      const stored = (await store.search(wide)).versions.map(version => version.ref);
      const condition = { plan: wide, locks, found: stored };
      const found = stored.filter(ref => (pending.get(refKey(ref))?.becomes ?? 'patched') === 'patched');
      const holds = store.holds(plan);
      for (const one of pending.values()) {
        if (one.becomes !== 'written' || !plan.types.includes(one.ref.type)) continue;
        if (await holds({ ref: one.ref, lastUpdated: Date.now(), rows: one.rows })) found.push(one.ref);
      }
      return { found, condition };
    },
  };
}
