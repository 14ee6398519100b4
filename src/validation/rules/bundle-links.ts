// References within a bundle: to one entry and no other, of the version they name; in documents and messages to entries
// that are there, from where every entry can be reached.
// https://hl7.org/fhir/R4/bundle.html#references, https://hl7.org/fhir/R4/documents.html#content, https://hl7.org/fhir/R4/messaging.html#bundle
import { isObject, type JsonObject } from '../../fhir/json.js';
import { eachObject, listIn, objectsIn, textIn } from './reading.js';

export interface Entry {
  readonly entry: JsonObject;
  readonly resource: JsonObject | undefined;
  readonly fullUrl: string | undefined;
  /** `Bundle.entry[0]` */
  readonly path: string;
}

export type SayOfBundle = (
  expression: string,
  rule: string,
  text: string,
  severity?: 'error' | 'warning',
) => void;

const restful = /^(https?:\/\/.+\/)[A-Z][A-Za-z]+\/[A-Za-z0-9\-.]{1,64}$/;
const relative = /^[A-Z][A-Za-z]+\/[A-Za-z0-9\-.]{1,64}$/;

/** What must be within a document, by the element of its Composition. */
const ofComposition = ['subject', 'encounter', 'author', 'custodian'];

type Index = ReadonlyMap<string, readonly Entry[]>;

interface Found {
  readonly entries: readonly Entry[];
  readonly version: string | undefined;
}

export function judgeLinks(
  bundle: JsonObject,
  type: string,
  entries: readonly Entry[],
  say: SayOfBundle,
): void {
  const index = new Map<string, Entry[]>();
  for (const entry of entries) {
    if (entry.fullUrl === undefined || entry.resource === undefined) continue;
    const same = index.get(entry.fullUrl);
    if (same) same.push(entry);
    else index.set(entry.fullUrl, [entry]);
  }
  judgeTypes(entries, index, say);
  // In a history the same resource is there many times, and means all of them.
  if (type !== 'history') judgeAmbiguity(entries, index, say);
  if (type !== 'document' && type !== 'message') return;
  const [first] = entries;
  if (first?.resource === undefined) return;
  judgeNeeded(first, first.resource, type, index, say);
  judgeReach(bundle, type, entries, index, say);
}

/** Entries a reference from `entry` may mean; undefined where it leads to what is contained or is no url. */
function find(reference: string, entry: Entry, index: Index): Found | undefined {
  if (reference === '' || reference.startsWith('#')) return undefined;
  const [plain = '', version] = reference.split('/_history/', 2);
  const base = restful.exec(entry.fullUrl ?? '')?.[1];
  const url = relative.test(plain) ? (base === undefined ? undefined : base + plain) : plain;
  const all = (url === undefined ? undefined : index.get(url)) ?? [];
  const entries =
    version === undefined
      ? all
      : all.filter(({ resource }) => versionOf(resource) === version || versionOf(resource) === undefined);
  return { entries, version };
}

const versionOf = (resource: JsonObject | undefined): unknown =>
  (resource?.['meta'] as JsonObject | undefined)?.['versionId'];

/** Each reference of an entry, by what stands in `reference`. */
function eachReference(entry: Entry, visit: (reference: string, path: string) => void): void {
  eachObject(entry.resource!, `${entry.path}.resource`, (object, path) => {
    const reference = textIn(object, 'reference');
    if (reference !== undefined) visit(reference, path);
  });
}

/** `Type/id` where an entry is urn:uuid:id means that entry to many a sender, and then says its type. */
function judgeTypes(entries: readonly Entry[], index: Index, say: SayOfBundle): void {
  if (![...index.keys()].some(url => url.startsWith('urn:uuid:'))) return;
  for (const entry of entries) {
    if (entry.resource === undefined) continue;
    eachReference(entry, (reference, path) => {
      const [type = '', id = '', more] = reference.split('/', 3);
      if (id.length !== 36 || more !== undefined) return;
      const found = index.get(`urn:uuid:${id}`)?.[0]?.resource?.['resourceType'];
      if (typeof found === 'string' && found !== type)
        say(path, 'type', `"${reference}" leads to the entry urn:uuid:${id}, which is a ${found}.`);
    });
  }
}

function judgeAmbiguity(entries: readonly Entry[], index: Index, say: SayOfBundle): void {
  if (![...index.values()].some(same => same.length > 1)) return;
  for (const entry of entries) {
    if (entry.resource === undefined) continue;
    eachReference(entry, (reference, path) => {
      const found = find(reference, entry, index);
      if (found !== undefined && found.entries.length > 1)
        say(
          path,
          'ambiguous',
          `The reference "${reference.slice(0, 200)}" may mean any of ${found.entries.length} entries; name the version.`,
        );
    });
  }
}

/** References of a Composition or MessageHeader that must lead to an entry. */
function judgeNeeded(first: Entry, resource: JsonObject, type: string, index: Index, say: SayOfBundle): void {
  const need = (value: unknown, path: string): void => {
    const list = Array.isArray(value) ? value : [value];
    list.forEach((one: unknown, i) => {
      const reference =
        typeof one === 'object' && one !== null ? textIn(one as JsonObject, 'reference') : undefined;
      const found = reference === undefined ? undefined : find(reference, first, index);
      if (found?.entries.length === 0)
        say(
          Array.isArray(value) ? `${path}[${i}]` : path,
          'missing',
          `"${reference!.slice(0, 200)}" is no entry of the ${type}. ${hint(reference!, index)}`.trimEnd(),
        );
    });
  };
  const path = `${first.path}.resource`;
  if (type === 'message') {
    need(resource['focus'], `${path}.focus`);
    return;
  }
  for (const name of ofComposition) need(resource[name], `${path}.${name}`);
  listIn(resource, 'attester').forEach((attester, i) => {
    if (isObject(attester)) need(attester['party'], `${path}.attester[${i}].party`);
  });
  const sections = (holder: JsonObject, at: string): void => {
    objectsIn(holder, 'section').forEach((section, i) => {
      const place = `${at}.section[${i}]`;
      for (const name of ['author', 'focus', 'entry']) need(section[name], `${place}.${name}`);
      sections(section, place);
    });
  };
  sections(resource, path);
}

/** The usual mistake: the same type and id under another base. */
function hint(reference: string, index: Index): string {
  if (index.size > 1000) return ''; // a courtesy, not worth a search per reference
  const end = /[A-Z][A-Za-z]+\/[A-Za-z0-9\-.]{1,64}/.exec(reference)?.[0];
  const near = [...index].find(
    ([url, [entry]]) => end !== undefined && (url.endsWith(`/${end}`) || refOf(entry?.resource) === end),
  )?.[0];
  return near === undefined
    ? ''
    : `The entry ${near.slice(0, 200)} has that type and id, but references go by fullUrl.`;
}
const refOf = (resource: JsonObject | undefined): string =>
  `${String(resource?.['resourceType'])}/${String(resource?.['id'])}`;

/** Entries that no chain of references, forward or backward, connects with the first. */
function judgeReach(
  bundle: JsonObject,
  type: string,
  entries: readonly Entry[],
  index: Index,
  say: SayOfBundle,
): void {
  const links = new Map<Entry, Set<Entry>>(entries.map(entry => [entry, new Set<Entry>()]));
  const connect = (a: Entry, b: Entry): void => {
    links.get(a)!.add(b);
    links.get(b)!.add(a);
  };
  for (const entry of entries) {
    if (entry.resource === undefined) continue;
    eachObject(entry.resource, '', object => {
      for (const name in object) {
        const value = object[name];
        const found =
          typeof value === 'string' && value.length < 2000 ? find(value, entry, index) : undefined;
        for (const target of found?.entries ?? []) connect(entry, target);
      }
    });
    for (const { entries: linked } of narrativeLinks(entry, index))
      for (const target of linked) connect(entry, target);
  }
  const first = entries[0]!;
  objectsIn(bundle, 'link').forEach((link, i) => {
    if (link['relation'] !== 'stylesheet') return;
    const found = find(textIn(link, 'url') ?? '', first, index);
    if (found === undefined || found.entries.length === 0)
      say(`Bundle.link[${i}]`, 'stylesheet', 'The stylesheet is no entry of the bundle.');
    else connect(first, found.entries[0]!);
  });
  const reached = new Set([first]);
  for (const entry of reached) for (const next of links.get(entry)!) reached.add(next);
  for (const entry of entries)
    if (!reached.has(entry) && entry.resource !== undefined)
      say(
        entry.path,
        'reach',
        `No reference leads from the ${type === 'document' ? 'Composition' : 'MessageHeader'} to this entry, or from it to what is reached.`,
        type === 'document' ? 'error' : 'warning',
      );
}

/** Pictures and links of narratives count as references. */
function narrativeLinks(entry: Entry, index: Index): readonly Found[] {
  const found: Found[] = [];
  eachObject(entry.resource!, '', object => {
    const div = textIn(object, 'div');
    for (const [, url = ''] of div?.matchAll(/(?:src|href)\s*=\s*["']([^"'#]+)["']/g) ?? []) {
      const one = find(url, entry, index);
      if (one !== undefined) found.push(one);
    }
  });
  return found;
}
