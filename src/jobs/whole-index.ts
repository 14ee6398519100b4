// Makes the whole index anew, where the search parameters of the specification, the extractor or the zone have changed,
// or where it is asked for. A kill in the middle loses nothing: the next start goes on.
import type { Documents } from '../storage/documents.js';
import type { RowsOf, Store } from '../storage/store.js';
import type { Active, ActiveParameters } from './active-parameters.js';

export interface WholeIndexReach {
  readonly store: Store;
  readonly documents: Documents;
  readonly parameters: ActiveParameters;
  readonly rowsOf: RowsOf;
  /** The name of what the rows are to be made with. */
  readonly wanted: string;
}

/**
 * Keeps in the store itself what its index is whole for: `<core>+<number>+<number>`. A store that was put back from a
 * backup lacks the rows of parameters that came into use later, and tells by this name.
 */
export const nameIndex = (store: Store, core: string, whole: readonly Active[]): Promise<void> =>
  store.setIndexVersion([core, ...whole.map(one => one.number)].join('+'));

interface State {
  readonly to: string;
  readonly after: string;
  readonly done: number;
}

const collection = 'jobs';
const key = 'whole-index';
const portion = 500;

/**
 * Rows made by other search parameters would answer wrongly in silence, so they are made anew before serving.
 * `begun` hears that there is something to do, and from where it goes on.
 */
export async function keepIndexCurrent(
  reach: WholeIndexReach,
  begun: (from: string, done: number) => void,
): Promise<number | undefined> {
  const { store, documents, parameters, wanted } = reach;
  const [stored = '', ...numbers] = (await store.indexVersion()).split('+');
  const left = (await documents.get(collection, key))?.value as State | undefined;
  const isWhole = parameters
    .inUse()
    .every(one => one.state === 'building' || numbers.includes(String(one.number)));
  if (stored === wanted && isWhole && parameters.isOurs() && left === undefined) return undefined;
  if (stored === '' && isWhole && left === undefined && (await store.counts()).size === 0) {
    if (!parameters.isOurs()) await takeOver(parameters);
    await store.setIndexVersion(wanted);
    return undefined;
  }
  begun(stored, left?.to === wanted ? left.done : 0);
  return makeWholeIndex(reach);
}

/** Makes it anew, or goes on where an earlier run was interrupted; answers how many resources. */
export async function makeWholeIndex(
  { store, documents, parameters, rowsOf, wanted }: WholeIndexReach,
  progress?: (done: number) => void,
): Promise<number> {
  let state = (await documents.get(collection, key))?.value as State | undefined;
  if (state?.to !== wanted || !parameters.isOurs()) {
    await takeOver(parameters);
    await parameters.fence();
    // First the note that the index is not whole, then what makes it so.
    await documents.put(collection, key, { to: wanted, after: '', done: -1 } satisfies State);
    state = undefined;
  }
  if (state === undefined || state.done < 0) {
    await store.clearIndex();
    state = { to: wanted, after: '', done: 0 };
    await documents.put(collection, key, state);
  }
  for (;;) {
    const { done, next }: { done: number; next?: string } = await store.indexSome(
      { types: [], after: state.after, count: portion },
      rowsOf,
    );
    state = { ...state, after: next ?? '', done: state.done + done };
    progress?.(state.done);
    if (next === undefined) break;
    await documents.put(collection, key, state);
  }
  await nameIndex(store, wanted, parameters.inUse());
  await documents.delete(collection, key);
  return state.done;
}

/** Servers of another release on the same data stop: their rows would be others. */
const takeOver = (parameters: ActiveParameters): Promise<void> => parameters.change(inUse => [...inUse]);
