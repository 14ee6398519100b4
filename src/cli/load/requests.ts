// A source as requests: transactions and batches as they are, everything else as PUT under its id, many to a
// transaction. Each request has an Idempotency-Key made of content and position, so that what was answered once is
// answered again and never done twice. https://hl7.org/fhir/R4/http.html#transaction
import { createHash } from 'node:crypto';
import { isObject, parseJson, writeJson, type Json, type JsonObject } from '../../fhir/json.js';
import { idPattern } from '../../fhir/resource.js';
import { sentenceOf } from '../problem.js';
import { documents, type Document } from './documents.js';
import type { Source } from './sources.js';

/** One resource, or one entry of somebody else's bundle. */
export interface Item {
  /** Where it came from, for people: `line 7`, `entry 3`, or '' for a whole file. */
  readonly place: string;
  /** `Type/id` or `Type`. */
  readonly what: string;
}

/** An item the loader sends itself. */
export interface OwnItem extends Item {
  /** The resource's JSON. */
  readonly text: string;
  readonly type: string;
  readonly id: string | undefined;
  readonly fullUrl: string | undefined;
}

export interface LoadRequest {
  readonly source: Source;
  readonly method: 'POST' | 'PUT';
  /** Below the FHIR base; '' is the base itself. */
  readonly path: string;
  readonly body: Buffer | string;
  readonly key: string;
  readonly items: readonly Item[];
  /** Whose refusal can be narrowed down: a transaction the loader made of resources that do not need each other. */
  readonly divisible: readonly OwnItem[] | undefined;
  /** `Type/id` of what it writes, as far as the loader knows: two requests about the same one are never under way together. */
  readonly about: readonly string[];
  /** Bytes of the source it stands for. */
  readonly weight: number;
}

/** Something that cannot even be sent. */
export interface Unsendable {
  readonly source: Source;
  readonly place: string;
  readonly message: string;
  readonly weight: number;
}

export interface RequestOptions {
  /** Whether bundles other than transaction and batch are stored whole or as their entries; auto: documents and messages whole. */
  readonly as: 'auto' | 'bundle' | 'entries';
  /** Most resources in a transaction the loader makes. */
  readonly group: number;
  /** Mixed into the keys: another name loads the same files once more. */
  readonly run: string;
}

/** A transaction the loader makes stays below so many bytes, unless a single resource is larger. */
const groupBytes = 4 * 1024 * 1024;

/** Makes requests, remembering how often each key was used: equal content twice in one place is meant twice. */
export class Requests {
  private readonly used = new Map<string, number>();

  constructor(private readonly options: RequestOptions) {}

  async *of(source: Source): AsyncGenerator<LoadRequest | Unsendable> {
    let group: OwnItem[] = [];
    let bytes = 0;
    let weight = 0;
    const flush = (): LoadRequest[] => {
      if (group.length === 0) return [];
      const made = this.putAll(source, group, weight);
      [group, bytes, weight] = [[], 0, 0];
      return [made];
    };
    try {
      for await (const document of documents(source)) {
        weight += document.weight;
        const read = this.read(source, document, weight);
        if ('items' in read) {
          const inGroup = new Set(group.map(item => item.what));
          for (const item of read.items) {
            if (item.id === undefined) {
              yield this.single(source, item, 0);
              continue;
            }
            if (
              group.length >= this.options.group ||
              bytes + item.text.length > groupBytes ||
              inGroup.has(item.what)
            ) {
              yield* flush();
              inGroup.clear();
            }
            group.push(item);
            inGroup.add(item.what);
            bytes += item.text.length;
          }
          continue;
        }
        weight = 0;
        yield read.sent;
      }
    } catch (error) {
      yield* flush();
      yield { source, place: '', message: sentenceOf(error), weight: 0 };
    }
    yield* flush();
  }

  /** The halves of a divisible request, or nothing where there is one item left. */
  divide(request: LoadRequest): LoadRequest[] {
    const items = request.divisible;
    if (!items || items.length < 2) return [];
    const middle = items.length >> 1;
    return [items.slice(0, middle), items.slice(middle)].map(half => this.putAll(request.source, half, 0));
  }

  private read(
    source: Source,
    { text, line }: Document,
    weight: number,
  ): { items: OwnItem[] } | { sent: LoadRequest | Unsendable } {
    const at = line === undefined ? '' : `line ${line}`;
    const unsendable = (message: string, place = at): { sent: Unsendable } => ({
      sent: { source, place, message, weight },
    });
    if (text.toString('latin1', 0, 64).trimStart().startsWith('<'))
      return unsendable('This is XML; only JSON is read.');
    let value: Json;
    try {
      value = JSON.parse(text.toString()) as Json;
    } catch {
      try {
        value = parseJson(text.toString().trimEnd()); // says where it breaks
      } catch (error) {
        const sentence = sentenceOf(error);
        return unsendable(line === undefined ? sentence : sentence.replace('at line 1, column', 'at column'));
      }
    }
    if (!isObject(value) || typeof value['resourceType'] !== 'string') {
      return unsendable('This is no FHIR resource: it has no resourceType.');
    }
    const { resourceType, type } = value;
    if (resourceType === 'Bundle' && (type === 'transaction' || type === 'batch')) {
      const items = entriesOf(value).map((entry, i) => ({
        place: placed(at, i),
        what: whatOf(entry['resource'] ?? entry['request']),
      }));
      const request = this.request(source, 'POST', '', text, { items, weight, place: at });
      return { sent: request };
    }
    const whole =
      resourceType !== 'Bundle' ||
      this.options.as === 'bundle' ||
      (this.options.as === 'auto' && (type === 'document' || type === 'message'));
    if (whole) {
      const item = ownItem(value, text.toString(), at);
      return line === undefined || resourceType === 'Bundle'
        ? { sent: this.single(source, item, weight) }
        : { items: [item] };
    }
    return this.unpack(source, text, at, weight);
  }

  /** The entries of a collection, searchset or history bundle. */
  private unpack(
    source: Source,
    text: Buffer,
    at: string,
    weight: number,
  ): { items: OwnItem[] } | { sent: LoadRequest | Unsendable } {
    // Read again with the parser that keeps every number as it was written.
    const bundle = parseJson(text) as JsonObject;
    const items: OwnItem[] = [];
    const seen = new Set<string>();
    for (const [i, entry] of entriesOf(bundle).entries()) {
      const { resource } = entry;
      // A searchset may hold outcomes about the search; a history names its newest version first and has deletions.
      const isOutcome = isObject(entry['search']) && entry['search']['mode'] === 'outcome';
      if (isOutcome || !isObject(resource)) continue;
      const item = ownItem(resource, writeJson(resource), placed(at, i), entry['fullUrl']);
      if (bundle['type'] === 'history' && seen.has(item.what)) continue;
      seen.add(item.what);
      items.push(item);
    }
    if (items.length === 0)
      return { sent: { source, place: at, message: 'The Bundle has no entry with a resource.', weight } };
    const linked = items.some(item => item.fullUrl?.startsWith('urn:'));
    if (!linked) return { items };
    // Entries that refer to each other by urn have to go in one transaction.
    const place = at === '' ? 'all entries' : at;
    return { sent: this.request(source, 'POST', '', transactionOf(items), { items, weight, place }) };
  }

  private single(source: Source, item: OwnItem, weight: number): LoadRequest {
    const { type, id, text, place, what } = item;
    const path = id === undefined ? encodeURIComponent(type) : `${encodeURIComponent(type)}/${id}`;
    const about = id === undefined ? [] : [what];
    return this.request(source, id === undefined ? 'POST' : 'PUT', path, text, {
      items: [item],
      weight,
      place,
      about,
    });
  }

  private putAll(source: Source, items: readonly OwnItem[], weight: number): LoadRequest {
    const [only] = items;
    if (items.length === 1 && only) return this.single(source, only, weight);
    const about = items.map(item => item.what);
    const place = only?.place ?? '';
    return {
      ...this.request(source, 'POST', '', transactionOf(items), { items, weight, place, about }),
      divisible: items,
    };
  }

  private request(
    source: Source,
    method: 'POST' | 'PUT',
    path: string,
    body: Buffer | string,
    more: { items: readonly Item[]; weight: number; place: string; about?: readonly string[] },
  ): LoadRequest {
    const { items, weight, place, about = [] } = more;
    return {
      source,
      method,
      path,
      body,
      key: this.key(source, place, body),
      items,
      divisible: undefined,
      about,
      weight,
    };
  }

  private key(source: Source, place: string, body: Buffer | string): string {
    const content = createHash('sha256').update(body).digest('base64url');
    const position = JSON.stringify([this.options.run, source.name, place, content]);
    const times = this.used.get(position) ?? 0;
    this.used.set(position, times + 1);
    return `load-${createHash('sha256').update(`${position}${times}`).digest('base64url')}`;
  }
}

const entriesOf = (bundle: JsonObject): JsonObject[] =>
  Array.isArray(bundle['entry']) ? bundle['entry'].filter(isObject) : [];

const placed = (at: string, entry: number): string =>
  at === '' ? `entry ${entry}` : `${at}, entry ${entry}`;

function whatOf(value: Json | undefined): string {
  if (!isObject(value)) return '';
  const { resourceType, id, url } = value;
  if (typeof resourceType !== 'string') return typeof url === 'string' ? url : '';
  return typeof id === 'string' ? `${resourceType}/${id}` : resourceType;
}

function ownItem(resource: JsonObject, text: string, place: string, fullUrl?: Json): OwnItem {
  const { resourceType, id } = resource;
  return {
    place,
    what: whatOf(resource),
    text,
    type: typeof resourceType === 'string' ? resourceType : '',
    // Any other id goes by POST, whose answer says what is wrong with it.
    id: typeof id === 'string' && idPattern.test(id) ? id : undefined,
    fullUrl: typeof fullUrl === 'string' ? fullUrl : undefined,
  };
}

/** Absolute addresses of another server are left out: what refers to them goes on doing so. */
function transactionOf(items: readonly OwnItem[]): string {
  const entries = items.map(({ text, type, id, fullUrl }) => {
    const link = fullUrl?.startsWith('urn:') ? `"fullUrl":${JSON.stringify(fullUrl)},` : '';
    const request =
      id === undefined ? { method: 'POST', url: type } : { method: 'PUT', url: `${type}/${id}` };
    return `{${link}"resource":${text.trim()},"request":${JSON.stringify(request)}}`;
  });
  return `{"resourceType":"Bundle","type":"transaction","entry":[${entries.join(',')}]}`;
}
