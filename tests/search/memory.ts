// The oracle: a store of nothing but `matches`, for the part of the port that searching needs.
import { matches, refersTo, type Indexed, type Resolve } from '../../src/search/matches.js';
import { orderBy } from '../../src/search/sort.js';
import { refKey, type Ref } from '../../src/fhir/resource.js';
import type { SearchPlan } from '../../src/search/plan.js';
import type { Page, Version, Write } from '../../src/storage/store.js';

/** What a search engine must be to run the cases. */
export interface Engine {
  commit(writes: readonly Write[]): Promise<void>;
  search(plan: SearchPlan): Promise<Page>;
  count(plan: SearchPlan): Promise<number>;
  readMany(refs: readonly Ref[]): Promise<readonly Version[]>;
  close(): Promise<void>;
}

export function openMemory(): Promise<Engine> {
  const stored = new Map<string, Indexed & { version: Version }>();
  const resolve: Resolve = {
    target: ref => stored.get(refKey(ref)),
    referrers: (type, param, ref) =>
      [...stored.values()].filter(one => one.ref.type === type && refersTo(one, param, ref)),
  };
  const find = async (plan: SearchPlan): Promise<Version[]> => {
    const found = [];
    for (const one of stored.values())
      if (plan.types.includes(one.ref.type) && (await matches(plan.where, one, resolve))) found.push(one);
    return found.sort(orderBy(plan.sort)).map(one => one.version);
  };
  return Promise.resolve({
    commit(writes) {
      for (const { ref, lastUpdated, rows, body, method } of writes) {
        stored.set(refKey(ref), {
          ref,
          lastUpdated,
          rows,
          version: { ref, version: 1, lastUpdated, method, body: body! },
        });
      }
      return Promise.resolve();
    },
    async search(plan) {
      const found = await find(plan);
      const start = plan.after === undefined ? 0 : Number(plan.after[0]);
      const end = start + plan.count;
      return {
        versions: found.slice(start, end),
        ...(end < found.length ? { next: [end] } : {}),
        ...(plan.total === 'none' ? {} : { total: found.length }),
      };
    },
    count: async plan => (await find(plan)).length,
    readMany: refs => Promise.resolve(refs.flatMap(ref => stored.get(refKey(ref))?.version ?? [])),
    close: () => Promise.resolve(),
  });
}
