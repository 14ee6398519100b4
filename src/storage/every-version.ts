// All that a plan finds, page by page, for work that goes through every one of them.
import type { SearchPlan } from '../search/plan.js';
import type { ServedStore, Version } from './store.js';

/** Keeps the promise of `search`: what does not change meanwhile comes exactly once. `plan.count` is the size of a page. */
export async function* everyVersion(
  store: Pick<ServedStore, 'search'>,
  plan: SearchPlan,
): AsyncGenerator<Version> {
  let page = await store.search(plan);
  yield* page.versions;
  while (page.next !== undefined) {
    page = await store.search({ ...plan, after: page.next });
    yield* page.versions;
  }
}
