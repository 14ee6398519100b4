// Everything this server knows: R4's definitions, the resources stored here, and what was loaded in bulk; for one caller,
// who finds only what the grant shows. https://hl7.org/fhir/R4/terminology-service.html
import {
  codeSystemNames,
  type CodeSystemDefinition,
  type ConceptMapDefinition,
  type ValueSetDefinition,
} from '../fhir/definitions.js';
import { refKey, type Ref } from '../fhir/resource.js';
import { canonicalParts, codeSystemOf, coreCatalog, isVersion, NotLoaded, type Catalog } from './catalog.js';
import type { CodeSystem } from './code-system.js';
import type { Concepts } from './concepts.js';
import type { Remote } from './remote.js';
import { listSystems, readConcepts, type LoadedSystem, type Shelf } from './loaded.js';
import {
  storedCatalog,
  type DefinitionOf,
  type DefinitionStore,
  type Entry,
  type StoredVersion,
  type TerminologyType,
} from './stored.js';

const mostRemembered = 5000;

/** What of the stored definitions a caller may know of. */
export interface Sight {
  /** Nothing of a type that is not permitted, everything where nothing is hidden, else what `sees` says. */
  extent(type: TerminologyType): 'none' | 'all' | 'some';
  sees(ref: Ref): Promise<boolean>;
}

export interface Known {
  readonly url: string;
  readonly version: string | undefined;
  readonly content: string | undefined;
}

export interface ServerCatalog extends Catalog {
  /** A stored resource, if it is visible. @throws NotLoaded */
  definitionAt<T extends TerminologyType>(type: T, id: string): DefinitionOf[T] | undefined;
  /** Asked for what is not known here, where there is one. */
  readonly remote: Remote | undefined;
  /** For what terminology keeps. */
  readonly shelf: Shelf;
  /** Every code system, for TerminologyCapabilities. @throws NotLoaded */
  codeSystems(): readonly Known[];
}

export interface ServerTerminology {
  /** For the server's own judgements, and for callers who may see all. */
  readonly catalog: ServerCatalog;
  catalogFor(sight: Sight): ServerCatalog;
  /** A version was written by this process. */
  notice(version: StoredVersion): void;
  drop(ref: Ref): void;
  /** Looks at what other processes wrote or loaded. */
  refresh(): Promise<void>;
}

/** Bytes of loaded systems that stay in memory, if not said otherwise. */
const memoryForSystems = 512 * 1024 * 1024;

/** Definitions of installed packages; validation/installed.ts has them. */
export interface PackagedDefinitions {
  /** By `url` or `url|version`. */
  readonly find: (type: string, canonical: string) => object | undefined;
  readonly onChange: (listener: () => void) => void;
}

export interface TerminologyOptions {
  readonly room?: number;
  readonly remote?: Remote | undefined;
  readonly packages?: PackagedDefinitions;
}

/** `room`: bytes of loaded systems kept in memory; the one in use is kept whatever it takes. */
export function serverTerminology(
  store: DefinitionStore,
  shelf: Shelf,
  { room = memoryForSystems, remote, packages }: TerminologyOptions = {},
): ServerTerminology {
  const memory = new Map<string, unknown>();
  const changed = (): void => memory.clear();
  const stored = storedCatalog(store, changed);
  packages?.onChange(changed);

  let heads: readonly LoadedSystem[] | undefined;
  const concepts = new Map<string, Concepts>();
  const reading = new Map<string, Promise<void>>();
  const lookAtShelf = async (): Promise<void> => {
    const now = await listSystems(shelf);
    const ids = (systems: readonly LoadedSystem[]): string => systems.map(one => one.id).join();
    if (heads !== undefined && ids(heads) === ids(now)) return;
    heads = now;
    const present = new Set(now.map(one => one.id));
    for (const id of concepts.keys()) if (!present.has(id)) concepts.delete(id);
    changed();
  };
  const loadedHeads = (): readonly LoadedSystem[] => {
    if (heads === undefined) throw new NotLoaded('the list of loaded code systems', lookAtShelf);
    return heads;
  };
  const read = async (head: LoadedSystem): Promise<void> => {
    try {
      const found = await readConcepts(shelf, head);
      let bytes = found.bytes;
      for (const one of concepts.values()) bytes += one.bytes;
      for (const [id, one] of concepts) {
        if (bytes <= room) break;
        concepts.delete(id);
        bytes -= one.bytes;
        changed();
      }
      concepts.set(head.id, found);
    } catch (error) {
      await lookAtShelf();
      if (heads?.some(one => one.id === head.id)) throw error;
    }
  };
  const conceptsOfLoaded = (head: LoadedSystem): Concepts => {
    const found = concepts.get(head.id);
    if (found === undefined)
      throw new NotLoaded(`the code system ${head.url}`, () => {
        const known = reading.get(head.id);
        if (known !== undefined) return known;
        const promise = read(head).finally(() => reading.delete(head.id));
        reading.set(head.id, promise);
        return promise;
      });
    concepts.delete(head.id); // as the one used last
    concepts.set(head.id, found);
    return found;
  };

  const sources: Sources = { remote, packages, shelf, stored, loadedHeads, conceptsOfLoaded };
  const everything: Sight = { extent: () => 'all', sees: () => Promise.resolve(true) };
  const catalog = catalogOf(sources, everything, memory);
  return {
    catalog,
    catalogFor(sight) {
      const isAll = (['CodeSystem', 'ValueSet', 'ConceptMap'] as const).every(
        type => sight.extent(type) === 'all',
      );
      return isAll ? catalog : catalogOf(sources, sight, new Map());
    },
    notice: version => stored.notice(version),
    drop: ref => stored.drop(ref),
    async refresh() {
      await Promise.all([stored.refresh(), lookAtShelf()]);
    },
  };
}

interface Sources {
  readonly packages: PackagedDefinitions | undefined;
  readonly shelf: Shelf;
  readonly remote: Remote | undefined;
  readonly stored: ReturnType<typeof storedCatalog>;
  readonly loadedHeads: () => readonly LoadedSystem[];
  readonly conceptsOfLoaded: (head: LoadedSystem) => Concepts;
}

/** A code system from whichever source, before it is read. */
type Candidate =
  | { readonly from: 'stored'; readonly entry: Entry; readonly version: string | undefined; readonly content: string }
  | { readonly from: 'loaded'; readonly head: LoadedSystem; readonly version: string | undefined; readonly content: string }; // prettier-ignore

function catalogOf(sources: Sources, sight: Sight, memory: Map<string, unknown>): ServerCatalog {
  const { remote, packages, shelf, stored, loadedHeads, conceptsOfLoaded } = sources;
  const seen = new Map<string, boolean>();
  const sees = ({ ref, type }: Entry): boolean => {
    const extent = sight.extent(type);
    if (extent !== 'some') return extent === 'all';
    const known = seen.get(refKey(ref));
    if (known !== undefined) return known;
    throw new NotLoaded(`whether ${refKey(ref)} is visible`, async () => {
      seen.set(refKey(ref), await sight.sees(ref));
    });
  };
  const visible = (type: TerminologyType, url: string): readonly Entry[] => {
    const all = sight.extent(type) === 'none' ? [] : stored.entries(type, url);
    return all.length === 0 || sight.extent(type) === 'all' ? all : all.filter(sees);
  };
  const mayLoaded = (): readonly LoadedSystem[] => (sight.extent('CodeSystem') === 'none' ? [] : loadedHeads()); // prettier-ignore
  /** What was found; what was not may be anything that clients send, and is not kept. */
  const remembered = <T extends object>(key: string, make: () => T | undefined): T | undefined => {
    const known = memory.get(key);
    if (known !== undefined) return known as T;
    const found = make();
    if (found === undefined) return undefined;
    if (memory.size >= mostRemembered) memory.clear();
    memory.set(key, found);
    return found;
  };

  const supplementsOf = (url: string, version: string | undefined): readonly Concepts[] => {
    const isOf = (canonical: string | undefined): boolean => {
      if (canonical === undefined) return false;
      const target = canonicalParts(canonical);
      return target.url === url && (version === undefined || isVersion(target.version, version));
    };
    const found: Concepts[] = [];
    if (sight.extent('CodeSystem') === 'none') return found;
    for (const entry of stored.all('CodeSystem'))
      if (entry.content === 'supplement' && !entry.isRetired && isOf(entry.supplements) && sees(entry))
        found.push(codeSystemOf(stored.definition('CodeSystem', entry)).concepts);
    for (const head of mayLoaded())
      if (head.content === 'supplement' && isOf(head.supplements)) found.push(conceptsOfLoaded(head));
    return found;
  };
  const withSupplements = (system: CodeSystem): CodeSystem => {
    if (system.content === 'supplement') return system;
    const supplements = supplementsOf(system.url, system.version);
    return supplements.length === 0 ? system : { ...system, supplements };
  };
  const packaged = (type: TerminologyType, url: string, version: string | undefined): object | undefined =>
    packages?.find(type, version === undefined ? url : `${url}|${version}`);
  const candidates = (url: string): Candidate[] => [
    ...visible('CodeSystem', url).map((entry): Candidate => ({ from: 'stored', entry, version: entry.named, content: entry.content ?? 'complete' })), // prettier-ignore
    ...mayLoaded()
      .filter(head => head.url === url)
      .map((head): Candidate => ({ from: 'loaded', head, version: head.version, content: head.content })),
  ];
  const open = (candidate: Candidate): CodeSystem =>
    withSupplements(
      candidate.from === 'stored'
        ? codeSystemOf(stored.definition('CodeSystem', candidate.entry))
        : { ...candidate.head, supplements: [], concepts: conceptsOfLoaded(candidate.head) },
    );
  const findSystem = (url: string, version: string | undefined): CodeSystem | undefined => {
    const core = coreCatalog.codeSystem(url, version);
    if (core !== undefined && version === undefined && isOfFhir(core)) return withSupplements(core);
    const best = candidates(url)
      .filter(one => isVersion(version, one.version))
      .reduce<Candidate | undefined>((a, b) => (a === undefined || isBetter(b, a) ? b : a), undefined);
    const packed = packaged('CodeSystem', url, version) as CodeSystemDefinition | undefined;
    // What the operator stored or loaded, R4's own, then packages; but one with all codes before one with some.
    const [first] = [best?.content, core?.content, packed?.content]
      .map((content, order) => ({ rank: content === undefined ? -1 : contents.indexOf(content), order }))
      .sort((a, b) => b.rank - a.rank || a.order - b.order);
    if (first!.rank < 0) return undefined;
    if (first!.order === 0) return open(best!);
    return withSupplements(first!.order === 1 ? core! : codeSystemOf(packed!));
  };
  /** The value set that a code system says is all of it, where no resource has its url. */
  const allOf = (url: string, version: string | undefined): ValueSetDefinition | undefined => {
    const isIt = (canonical: string | undefined): boolean => {
      const named = canonicalParts(canonical ?? '');
      return named.url === url && isVersion(version, named.version);
    };
    if (sight.extent('CodeSystem') === 'none') return undefined;
    const system =
      [...stored.all('CodeSystem')].find(one => isIt(one.valueSet) && sees(one))?.url ??
      mayLoaded().find(one => isIt(one.valueSet))?.url;
    if (system === undefined) return undefined;
    return { resourceType: 'ValueSet', id: 'implicit', url, compose: { include: [{ system }] } };
  };
  const latest = (entries: readonly Entry[], version: string | undefined): Entry | undefined =>
    entries
      .filter(one => isVersion(version, one.named))
      .reduce<Entry | undefined>((a, b) => (a === undefined || isNewer(b, a) ? b : a), undefined);

  return {
    memory,
    remote,
    shelf,
    codeSystem: (url, version) =>
      remembered(`system ${version ?? ''} ${url}`, () => findSystem(url, version)),
    valueSet: (url, version) =>
      remembered(`set ${version ?? ''} ${url}`, () => {
        const core = coreCatalog.valueSet(url, version);
        if (core !== undefined && url.startsWith('http://hl7.org/fhir/')) return core;
        const best = latest(visible('ValueSet', url), version);
        if (best !== undefined) return stored.definition('ValueSet', best);
        return core ?? (packaged('ValueSet', url, version) as ValueSetDefinition | undefined) ?? allOf(url, version); // prettier-ignore
      }),
    valueSetWithId(id) {
      const entry = stored.at({ type: 'ValueSet', id });
      return entry !== undefined && sees(entry)
        ? stored.definition('ValueSet', entry)
        : coreCatalog.valueSetWithId(id);
    },
    conceptMaps(url, version) {
      const packedMap = url === undefined ? undefined : packaged('ConceptMap', url, version);
      const own =
        sight.extent('ConceptMap') === 'none'
          ? []
          : url === undefined
            ? [...stored.all('ConceptMap')]
            : stored.entries('ConceptMap', url);
      return [
        ...own
          .filter(one => isVersion(version, one.named) && sees(one))
          .sort((a, b) => (isNewer(a, b) ? -1 : 1))
          .map(one => stored.definition('ConceptMap', one)),
        ...(packedMap === undefined ? [] : [packedMap as ConceptMapDefinition]),
        ...coreCatalog.conceptMaps(url, version),
      ];
    },
    definitionAt(type, id) {
      const entry = stored.at({ type, id });
      return entry !== undefined && sees(entry) ? stored.definition(type, entry) : undefined;
    },
    codeSystems: () => [
      ...codeSystemNames().map(({ url, version, content }) => ({ url, version, content })),
      ...(sight.extent('CodeSystem') === 'all' ? [...stored.all('CodeSystem')] : []).map(one => ({ url: one.url, version: one.named, content: one.content })), // prettier-ignore
      ...mayLoaded().map(({ url, version, content }) => ({ url, version, content })),
    ],
  };
}

/** FHIR's own complete code systems are what its elements are bound to: a stored copy does not change them. */
const isOfFhir = ({ url, content }: CodeSystem): boolean =>
  content === 'complete' && url.startsWith('http://hl7.org/fhir/');

const contents = ['supplement', 'not-present', 'example', 'fragment', 'complete'];

function isBetter(a: Candidate, b: Candidate): boolean {
  const [left, right] = [contents.indexOf(a.content), contents.indexOf(b.content)];
  if (left !== right) return left > right;
  if (a.from === 'stored' && b.from === 'stored') return isNewer(a.entry, b.entry);
  return compareVersions(a.version, b.version) > 0;
}

const isNewer = (a: Entry, b: Entry): boolean =>
  a.isRetired !== b.isRetired
    ? b.isRetired
    : (compareVersions(a.named, b.named) || a.lastUpdated - b.lastUpdated) > 0;

/** By their numbers, then as text. */
export function compareVersions(a = '', b = ''): number {
  const parts = (version: string): string[] => version.match(/\d+|[^\d.]+/g) ?? [];
  const [left, right] = [parts(a), parts(b)];
  for (let i = 0; i < Math.max(left.length, right.length); i++) {
    const [x = '', y = ''] = [left[i], right[i]];
    if (x === y) continue;
    if (/^\d/.test(x) && /^\d/.test(y) && Number(x) !== Number(y)) return Number(x) - Number(y);
    return x < y ? -1 : 1;
  }
  return 0;
}
