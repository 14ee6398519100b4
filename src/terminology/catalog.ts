// Where definitions are found by their canonical url: the port that everything in this room works on, and R4's own
// definitions behind it. What is stored or loaded on a server comes in by other catalogs (stored.ts, loaded.ts).
// Surprising why: all of it is synchronous, because validation is. What is known but not in memory throws NotLoaded;
// `settled` brings it in and asks again.
import {
  codeSystem,
  conceptMaps,
  valueSet,
  type CodeSystemDefinition,
  type ConceptMapDefinition,
  type ValueSetDefinition,
} from '../fhir/definitions.js';
import { conceptsIn, headOf, type CodeSystem } from './code-system.js';

export interface Catalog {
  /**
   * The code system of the url; without a version the one this server holds for current.
   * @throws NotLoaded
   */
  codeSystem(url: string, version?: string): CodeSystem | undefined;
  /** @throws NotLoaded */
  valueSet(url: string, version?: string): ValueSetDefinition | undefined;
  /** By url; without one, all. @throws NotLoaded */
  conceptMaps(url?: string, version?: string): readonly ConceptMapDefinition[];
  /** The value set with this id on the server. @throws NotLoaded */
  valueSetWithId(id: string): ValueSetDefinition | undefined;
  /** For what is made from definitions; forgotten when any of them changes. */
  readonly memory: Map<string, unknown>;
}

/** Something known here has to be read first. */
export class NotLoaded extends Error {
  constructor(
    /** What is to be read, for messages. */
    readonly what: string,
    readonly load: () => Promise<void>,
  ) {
    super(`${what} is not loaded`);
    this.name = 'NotLoaded';
  }
}

/** More definitions than any value set includes; beyond it something forgets as fast as it is read. */
const mostLoads = 1000;

/** Runs `ask` until all it needs is in memory. It must have no effects. */
export async function settled<T>(ask: () => T): Promise<T> {
  for (let loads = 0; ; loads++) {
    try {
      return ask();
    } catch (error) {
      if (!(error instanceof NotLoaded) || loads === mostLoads) throw error;
      await error.load();
    }
  }
}

/** `url|version` in its parts; no url holds a bar but some of old HL7 v2 tables, whose version is the last part too. */
export function canonicalParts(canonical: string): { url: string; version?: string } {
  const bar = canonical.lastIndexOf('|');
  return bar < 0 ? { url: canonical } : { url: canonical.slice(0, bar), version: canonical.slice(bar + 1) };
}

/** A version that is asked for must be the one there is; an edition of SNOMED CT stands for its versions. */
export const isVersion = (asked: string | undefined, there: string | undefined): boolean =>
  asked === undefined || asked === there || (there?.startsWith(`${asked}/version/`) ?? false);

/** A definition of R4; `url` may itself hold a bar. */
function ofCore<T extends { readonly url: string; readonly version?: string }>(
  find: (url: string) => T | undefined,
  url: string,
  version: string | undefined,
): T | undefined {
  const found = find(url);
  return found?.url === url && isVersion(version, found.version) ? found : undefined;
}

const made = new WeakMap<CodeSystemDefinition, CodeSystem>();

/** The code system of a definition, without supplements. */
export function codeSystemOf(definition: CodeSystemDefinition): CodeSystem {
  let system = made.get(definition);
  if (system === undefined) {
    system = { ...headOf(definition), concepts: conceptsIn(definition), supplements: [] };
    made.set(definition, system);
  }
  return system;
}

/** R4's own definitions. Its one supplement is an example and supplements nothing here. */
export const coreCatalog: Catalog = {
  codeSystem(url, version) {
    const definition = ofCore(codeSystem, url, version);
    return definition && codeSystemOf(definition);
  },
  valueSet: (url, version) => ofCore(valueSet, url, version),
  conceptMaps: (url, version) =>
    url === undefined
      ? conceptMaps()
      : conceptMaps().filter(map => map.url === url && isVersion(version, map.version)),
  valueSetWithId: id =>
    [`http://hl7.org/fhir/ValueSet/${id}`, `http://terminology.hl7.org/ValueSet/${id}`]
      .map(valueSet)
      .find(one => one?.id === id),
  memory: new Map(),
};
