// What terminology is told of the store: definitions written here at once, those of other processes within seconds.
// Surprising why: other processes are told by one small document that is looked at every second. The change log would
// have to be read past every record, and the store alone cannot say that nothing has happened.
import type { Grant } from '../auth/grant.js';
import type { GuardedStore } from '../auth/guarded-store.js';
import { all } from '../search/plan.js';
import type { Documents } from '../storage/documents.js';
import { everyVersion } from '../storage/every-version.js';
import type { Store } from '../storage/store.js';
import type { ServerTerminology, Sight } from '../terminology/server-catalog.js';
import { terminologyTypes, type DefinitionStore, type StoredVersion } from '../terminology/stored.js';

const pageSize = 100;

export const definitionStore = (store: Store): DefinitionStore => ({
  read: ref => store.read(ref),
  newest: () =>
    everyVersion(store, {
      types: terminologyTypes,
      where: all,
      sort: [{ param: '_lastUpdated', kind: 'date', descending: true }],
      count: pageSize,
      total: 'none',
    }),
  count: () => store.count({ types: terminologyTypes, where: all, sort: [], count: 0, total: 'none' }),
});

const isTerminology = ({ ref }: Pick<StoredVersion, 'ref'>): boolean => terminologyTypes.includes(ref.type);

/** The store, telling terminology, `told` and other processes of definitions that are written through it. */
export function noticed(
  store: Store,
  terminology: ServerTerminology,
  documents: Documents,
  told: () => void,
): Store {
  return {
    ...store,
    async commit(writes, receipt) {
      await store.commit(writes, receipt);
      const definitions = writes.filter(isTerminology);
      if (definitions.length === 0) return;
      for (const { ref, expected, lastUpdated, body } of definitions)
        terminology.notice({
          ref,
          version: expected + 1,
          lastUpdated,
          ...(body === undefined ? {} : { body }),
        });
      told();
      await announce(documents);
    },
    async expunge(ref, what) {
      const removed = await store.expunge(ref, what);
      if (isTerminology({ ref }) && what === 'everything') {
        terminology.drop(ref);
        told();
        await announce(documents);
      }
      return removed;
    },
  };
}

/** Tells every process that definitions have changed. The document's revision is the news. */
export const announce = async (documents: Documents): Promise<void> => {
  await documents.put('terminology', 'changed', new Date().toISOString());
};

const everyMs = 1000;
/** So often the store is looked at anyway: a process may die between a write and its announcement. */
const anyway = 30;

/** Follows what other processes announce, until the answer is called. */
export function watch(
  terminology: ServerTerminology,
  documents: Documents,
  failed: (error: unknown) => void,
): () => void {
  let seen: number | undefined;
  let turns = 0;
  let isBusy = false;
  let isOver = false;
  const look = async (): Promise<void> => {
    const now = (await documents.get('terminology', 'changed'))?.revision ?? 0;
    if (now === seen && ++turns < anyway) return;
    turns = 0;
    await terminology.refresh();
    seen = now;
  };
  const timer = setInterval(() => {
    if (isBusy) return;
    isBusy = true;
    look()
      .catch((error: unknown) => {
        if (!isOver) failed(error);
      })
      .finally(() => (isBusy = false));
  }, everyMs).unref();
  return () => {
    isOver = true;
    clearInterval(timer);
  };
}

/** What the grant lets its holder know of stored definitions: nothing where it may not both search and read the type. */
export const sightOf = (grant: Grant, store: GuardedStore): Sight => ({
  extent(type) {
    if (!grant.permits('read', type) || !grant.permits('search', type)) return 'none';
    const isAll = grant.visible(type, 'read').op === 'all' && grant.visible(type, 'search').op === 'all';
    return isAll ? 'all' : 'some';
  },
  sees: async ref => (await store.read(ref))?.body !== undefined,
});
