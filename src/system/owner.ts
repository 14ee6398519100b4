// A system may be opened a second time by another thread of the process, for work that would keep the first from
// answering. What there must be one of (the writer, the journal, turns, what is filled in later) stays with the first,
// its owner; the second reaches it by this port.
import type { Admission } from '../storage/sqlite/writer-client.js';
import type { Lines } from '../audit/audit.js';
import type { Dispatch } from '../dispatch.js';
import type { Settings } from '../interactions/context.js';
import { terminologyTypes } from '../terminology/stored.js';
import type { Store, Write } from '../storage/store.js';
import { definitionTypes } from './stored-definitions.js';

/** The first system, as the second one sees it. */
export interface Owner {
  /** Of the store's writer; undefined where anybody may open the store. */
  readonly writer: Admission | undefined;
  readonly journal: Lines;
  /** Resolves when everything in the journal can be found. */
  readonly flush: () => Promise<void>;
  /** Tells of definitions that were written. */
  defined(writes: readonly Write[]): Promise<void>;
  /** A patient's record was closed: resolves when the owner's grants know. */
  closed(): Promise<void>;
  /** There is something to fill in. */
  wake(): void;
  readonly inTurn: NonNullable<Settings['inTurn']>;
  readonly elsewhere: Dispatch;
}

/** What both hold in memory. */
export type Held = 'definitions' | 'packages' | 'parameters' | 'access';

/** What an owner does for the other thread. */
export interface Owned {
  /** A port for `Owner.writer`. */
  readonly admit: () => Admission | undefined;
  defined(writes: readonly Write[]): Promise<void>;
  wake(): void;
  /** `changed` is awaited where nothing may go on before the other thread knows. Answers how to end it. */
  follow(changed: (what: Held) => Promise<void>): () => void;
}

const isDefinition = ({ ref }: Write): boolean =>
  terminologyTypes.includes(ref.type) || definitionTypes.includes(ref.type);

/** The store, telling its owner of definitions written through it. */
export const tellingOwner = (store: Store, owner: Owner): Store => ({
  ...store,
  async commit(writes, receipt) {
    await store.commit(writes, receipt);
    const definitions = writes.filter(isDefinition);
    if (definitions.length > 0) await owner.defined(definitions);
  },
});

/** A store that only hears of commits. */
export const hearing = (store: Store): Store => ({ ...store, commit: () => Promise.resolve() });
