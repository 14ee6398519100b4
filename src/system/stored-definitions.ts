// Profiles, questionnaires and measures that are stored as resources, for validation: which canonical is which resource, and
// those lately used in memory. https://hl7.org/fhir/R4/resource.html#canonical
// Surprising why: validation is synchronous. What is known and not in memory throws NotLoaded, and whoever asked tries again.
import { isObject, parseJson, type JsonObject } from '../fhir/json.js';
import { refKey, type Ref } from '../fhir/resource.js';
import { all } from '../search/plan.js';
import { everyVersion } from '../storage/every-version.js';
import type { Store, Version, Write } from '../storage/store.js';
import { NotLoaded } from '../terminology/catalog.js';

export const definitionTypes: readonly string[] = ['StructureDefinition', 'Questionnaire', 'Measure'];
const pageSize = 100;
/** Definitions in memory. */
const kept = 300;
/** So often it is looked at whether another process has written any (ms). */
const freshFor = 30_000;

export interface StoredDefinitions {
  /** By `url` or `url|version`; of several the one written last. @throws NotLoaded */
  readonly find: (type: string, canonical: string) => JsonObject | undefined;
  /** The store, noticing what is written through it. */
  readonly noticing: (store: Store) => Store;
  /** Another thread has written some, or may have. */
  readonly forget: () => void;
  /** Told when definitions have changed. */
  readonly onChange: (listener: () => void) => void;
}

export function storedDefinitions(store: Store): StoredDefinitions {
  const listeners: (() => void)[] = [];
  let index: ReadonlyMap<string, Ref> | undefined;
  const bodies = new Map<string, JsonObject>();
  /** How many there are, and when the last was written. */
  let state = '';
  let looked = 0;

  const forget = (): void => {
    index = undefined;
    bodies.clear();
    for (const listener of listeners) listener();
  };

  const stateNow = async (): Promise<string> => {
    const plan = { types: definitionTypes, where: all, sort: [], count: 1, total: 'none' } as const;
    const sort = [{ param: '_lastUpdated', kind: 'date', descending: true }] as const;
    const [newest] = (await store.search({ ...plan, sort })).versions;
    return `${await store.count(plan)} ${newest?.lastUpdated ?? 0}`;
  };

  const load = async (): Promise<void> => {
    const at = await stateNow();
    const found = new Map<string, Ref>();
    for await (const version of everyOne(store)) {
      const definition = definitionOf(version);
      if (typeof definition?.['url'] !== 'string') continue;
      const key = `${version.ref.type} ${definition['url']}`;
      const named = typeof definition['version'] === 'string' ? `${key}|${definition['version']}` : key;
      for (const one of [key, named]) if (!found.has(one)) found.set(one, version.ref);
    }
    [state, looked, index] = [at, Date.now(), found];
  };

  const read = async (ref: Ref): Promise<void> => {
    const version = await store.read(ref);
    const definition = version && definitionOf(version);
    // Deleted meanwhile by another process.
    if (!definition) return forget();
    if (bodies.size >= kept) bodies.delete(bodies.keys().next().value!);
    bodies.set(refKey(ref), definition);
  };

  const look = async (): Promise<void> => {
    if ((await stateNow()) !== state) forget();
  };

  return {
    find(type, canonical) {
      if (!definitionTypes.includes(type)) return undefined;
      if (index === undefined) throw new NotLoaded('the stored definitions', load);
      if (Date.now() - looked > freshFor) {
        looked = Date.now();
        // Should the store not answer, whoever asked finds out in its own request.
        look().catch(() => undefined);
      }
      const ref = index.get(`${type} ${canonical}`);
      if (ref === undefined) return undefined;
      const body = bodies.get(refKey(ref));
      if (body === undefined) throw new NotLoaded(refKey(ref), () => read(ref));
      return body;
    },
    forget,
    noticing: below => ({
      ...below,
      async commit(writes, receipt) {
        await below.commit(writes, receipt);
        if (writes.some(isOfDefinition)) forget();
      },
    }),
    onChange: listener => void listeners.push(listener),
  };
}

const isOfDefinition = ({ ref }: Write): boolean => definitionTypes.includes(ref.type);

const everyOne = (store: Store): AsyncIterable<Version> =>
  everyVersion(store, {
    types: definitionTypes,
    where: all,
    sort: [{ param: '_lastUpdated', kind: 'date', descending: true }],
    count: pageSize,
    total: 'none',
  });

function definitionOf({ body }: Version): JsonObject | undefined {
  const definition = body === undefined ? undefined : parseJson(body);
  return isObject(definition) ? definition : undefined;
}
