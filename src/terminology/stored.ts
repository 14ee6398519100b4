// The code systems, value sets and concept maps stored on this server as resources: where each url is, and those lately used
// in memory. https://hl7.org/fhir/R4/terminology-module.html
import type { CodeSystemDefinition, ConceptMapDefinition, ValueSetDefinition } from '../fhir/definitions.js';
import { parseJson } from '../fhir/json.js';
import { refKey, type Ref } from '../fhir/resource.js';
import { NotLoaded } from './catalog.js';

export type TerminologyType = 'CodeSystem' | 'ValueSet' | 'ConceptMap';
export const terminologyTypes: readonly string[] = ['CodeSystem', 'ValueSet', 'ConceptMap'];

/** A version of a resource; without a body it is deleted. storage/store.ts has more of it. */
export interface StoredVersion {
  readonly ref: Ref;
  readonly version: number;
  readonly lastUpdated: number;
  readonly body?: Uint8Array;
}

/** What is needed of a store. */
export interface DefinitionStore {
  read(ref: Ref): Promise<StoredVersion | undefined>;
  /** All current ones of the types, newest first. */
  newest(): AsyncIterable<StoredVersion>;
  count(): Promise<number>;
}

export interface DefinitionOf {
  readonly CodeSystem: CodeSystemDefinition;
  readonly ValueSet: ValueSetDefinition;
  readonly ConceptMap: ConceptMapDefinition;
}

/** What is known of a stored definition without its content. */
export interface Entry {
  readonly ref: Ref;
  readonly type: TerminologyType;
  readonly version: number;
  readonly lastUpdated: number;
  readonly url: string;
  /** Business version. */
  readonly named: string | undefined;
  readonly isRetired: boolean;
  /** Of a code system. */
  readonly content?: CodeSystemDefinition['content'];
  readonly supplements?: string | undefined;
  /** Canonical of the value set that is all of it. */
  readonly valueSet?: string | undefined;
}

export interface StoredCatalog {
  /** In no order. @throws NotLoaded before the first look at the store */
  entries(type: TerminologyType, url: string): readonly Entry[];
  all(type: TerminologyType): Iterable<Entry>;
  at(ref: Ref): Entry | undefined;
  /** @throws NotLoaded */
  definition<T extends TerminologyType>(type: T, entry: Entry): DefinitionOf[T];
  /** A version has been written here, or seen elsewhere. */
  notice(version: StoredVersion): void;
  /** A resource is gone for good. */
  drop(ref: Ref): void;
  /** Looks for what other processes wrote. */
  refresh(): Promise<void>;
}

/** Definitions in memory take about five times their text. */
const roomForBodies = 24 * 1024 * 1024;
/** Commits may be seen so much later than their time (ms): clocks differ, transactions take time. */
const lateness = 60_000;

/** `changed` is called after every change. */
export function storedCatalog(store: DefinitionStore, changed: () => void): StoredCatalog {
  const entries = new Map<string, Entry>();
  const byUrl = new Map<string, Entry[]>();
  const kept = new Map<Entry, { readonly definition: unknown; readonly size: number }>();
  /** Versions that deleted something, so that what was read before does not bring it back. */
  const deletions = new Map<string, number>();
  let keptSize = 0;
  let isComplete = false;
  let newestSeen = 0;

  const urlKey = (type: string, url: string): string => `${type} ${url}`;
  const forget = (entry: Entry): void => {
    keptSize -= kept.get(entry)?.size ?? 0;
    kept.delete(entry);
  };
  const drop = (ref: Ref): boolean => {
    const entry = entries.get(refKey(ref));
    if (entry === undefined) return false;
    entries.delete(refKey(ref));
    const key = urlKey(entry.type, entry.url);
    const others = byUrl.get(key)!.filter(one => one !== entry);
    if (others.length === 0) byUrl.delete(key);
    else byUrl.set(key, others);
    forget(entry);
    return true;
  };
  const keep = (entry: Entry, definition: unknown, size: number): void => {
    forget(entry);
    kept.set(entry, { definition, size });
    keptSize += size;
    for (const oldest of kept.keys()) {
      if (keptSize <= roomForBodies || oldest === entry) break;
      forget(oldest);
    }
  };
  /** Whether anything is other than before. */
  const take = ({ ref, version, lastUpdated, body }: StoredVersion): boolean => {
    newestSeen = Math.max(newestSeen, lastUpdated);
    const known = entries.get(refKey(ref));
    if (known !== undefined && known.version >= version) return false;
    if ((deletions.get(refKey(ref)) ?? 0) >= version) return false;
    const wasThere = drop(ref);
    if (body === undefined) {
      deletions.set(refKey(ref), version);
      return wasThere;
    }
    deletions.delete(refKey(ref));
    const definition = parseJson(body) as unknown as CodeSystemDefinition & { readonly status?: string };
    const entry: Entry = {
      ref,
      type: ref.type as TerminologyType,
      version,
      lastUpdated,
      url: definition.url ?? `urn:resource:${refKey(ref)}`, // a nameless one is found by its id only
      named: definition.version,
      isRetired: definition.status === 'retired',
      ...(ref.type === 'CodeSystem' ? { content: definition.content, supplements: definition.supplements, valueSet: definition.valueSet } : {}), // prettier-ignore
    };
    entries.set(refKey(ref), entry);
    const key = urlKey(entry.type, entry.url);
    byUrl.set(key, [...(byUrl.get(key) ?? []), entry]);
    keep(entry, definition, body.length);
    return true;
  };

  const look = async (): Promise<void> => {
    let isChanged = false;
    const until = newestSeen - lateness;
    for await (const version of store.newest()) {
      if (isComplete && version.lastUpdated < until) break;
      isChanged = take(version) || isChanged;
    }
    if (isComplete && (await store.count()) !== entries.size) {
      // Something was deleted elsewhere.
      const before = [...entries];
      const present = new Set<string>();
      for await (const version of store.newest()) {
        present.add(refKey(version.ref));
        isChanged = take(version) || isChanged;
      }
      for (const [key, entry] of before)
        if (!present.has(key) && entries.get(key) === entry) isChanged = drop(entry.ref) || isChanged;
    }
    isComplete = true;
    if (isChanged) changed();
  };
  let looking: Promise<void> | undefined;
  const refresh = (): Promise<void> => (looking ??= look().finally(() => (looking = undefined)));
  const complete = (): void => {
    if (!isComplete) throw new NotLoaded('the list of stored definitions', refresh);
  };

  return {
    entries(type, url) {
      complete();
      return byUrl.get(urlKey(type, url)) ?? [];
    },
    *all(type) {
      complete();
      for (const entry of entries.values()) if (entry.type === type) yield entry;
    },
    at(ref) {
      complete();
      return entries.get(refKey(ref));
    },
    definition<T extends TerminologyType>(_type: T, entry: Entry): DefinitionOf[T] {
      const found = kept.get(entry);
      if (found !== undefined) {
        kept.delete(entry); // as the one used last
        kept.set(entry, found);
        return found.definition as DefinitionOf[T];
      }
      throw new NotLoaded(refKey(entry.ref), async () => {
        const version = await store.read(entry.ref);
        if (version === undefined || version.body === undefined) {
          if (drop(entry.ref)) changed();
        } else if (version.version === entry.version)
          keep(entry, parseJson(version.body), version.body.length);
        else if (take(version)) changed();
      });
    },
    notice(version) {
      if (take(version)) changed();
    },
    drop(ref) {
      if (drop(ref)) changed();
    },
    refresh,
  };
}
