// Which custom search parameters are in use, as one document that every server on the store reads. This process holds
// its state for at most `lease` without having seen the document again: after that it refuses to answer by them, since
// another server may have given one up. docs/decisions/0040-custom-parameters.md
import { FhirError } from '../errors.js';
import { customParameters, type ParameterInUse } from '../search/custom-parameters.js';
import type { CustomParameters } from '../search/parameters.js';
import type { Documents } from '../storage/documents.js';
import type { Store } from '../storage/store.js';

/** A definition in use and the job that put it there. */
export interface Active extends ParameterInUse {
  readonly job: string;
}

interface State {
  readonly generation: number;
  readonly inUse: readonly Active[];
  /** The name of the parameters of the specification and of the extractor: rows of another release are other rows. */
  readonly core: string;
}

export interface ActiveParameters {
  /** As this process knows them; for `Settings.custom`. @throws FhirError `unavailable` under a newer release's index */
  current(): CustomParameters;
  inUse(): readonly Active[];
  /** Whether the index is of this release, or being made so. */
  isOurs(): boolean;
  /** Reads them again. */
  refresh(): Promise<void>;
  /**
   * Replaces them by what `next` makes of them, and their numbers by a higher generation; resolves when it is stored.
   * `next` may be asked again with what others have stored meanwhile; where it answers the same array nothing is done.
   */
  change(next: (inUse: readonly Active[], generation: number) => readonly Active[]): Promise<void>;
  /** From when it resolves no server stores rows that lack what is in use now, and none that should not be there. */
  fence(): Promise<void>;
  /** Parameters given up answer nowhere after so many milliseconds. */
  readonly grace: number;
  close(): void;
}

const collection = 'search-parameters';
const key = 'in-use';
/** How often the document is read, ms. */
const every = 1_000;
const lease = 5_000;

/** @param tell called before `change` resolves: other threads of the process are to know before anybody goes on */
export async function openActiveParameters(
  documents: Documents,
  store: Store,
  core: string,
  tell: () => Promise<void> = () => Promise.resolve(),
): Promise<ActiveParameters> {
  let state: State = { generation: 0, inUse: [], core };
  let custom = customParameters(0, []);
  let unconfirmed = custom;
  let confirmed = 0;
  let closed = false;

  const accept = (next: State, at: number): void => {
    confirmed = Math.max(confirmed, at);
    if (next.generation === state.generation && next.core === state.core) return;
    if (next.generation < state.generation) return; // an answer that was overtaken
    state = next;
    custom = customParameters(next.generation, next.inUse);
    // Rows are made as ever, and the fence judges them; only answers are not given.
    const held = next.inUse.map(one =>
      one.state === 'ready' ? { ...one, state: 'building' as const } : one,
    );
    unconfirmed = customParameters(next.generation, held);
  };
  const read = async (): Promise<{ state: State; revision: number }> => {
    const at = performance.now();
    const document = await documents.get(collection, key);
    const found = (document?.value as State | undefined) ?? { generation: 0, inUse: [], core };
    accept(found, at);
    return { state: found, revision: document?.revision ?? 0 };
  };

  await read();
  let reading: Promise<unknown> | undefined;
  const { shared } = store.capabilities;
  const timer = setInterval(() => {
    if (closed || !shared) return;
    // A failure shows itself: nothing is confirmed.
    reading ??= read().catch(() => undefined).finally(() => (reading = undefined)); // prettier-ignore
  }, every);
  timer.unref();

  return {
    current() {
      if (state.core !== core) {
        throw new FhirError(
          'unavailable',
          'Another release has made the index anew; this server must be updated or started again.',
        );
      }
      return shared && performance.now() - confirmed > lease ? unconfirmed : custom;
    },
    inUse: () => state.inUse,
    isOurs: () => state.core === core,
    async refresh() {
      await read();
    },
    async change(next) {
      for (;;) {
        const { state: found, revision } = await read();
        const generation = found.generation + 1;
        const inUse = next(found.inUse, generation);
        if (inUse === found.inUse) return;
        const changed: State = { generation, inUse, core };
        const at = performance.now();
        if ((await documents.put(collection, key, changed, { expected: revision })) === undefined) continue;
        accept(changed, at);
        await tell();
        return;
      }
    },
    fence: () => store.fenceIndex(state.generation),
    grace: shared ? lease + 2 * every : 0,
    close() {
      closed = true;
      clearInterval(timer);
    },
  };
}
