// Reads tests/search/cases/*.yaml: resources, queries and what they find, by section of the specification.
// A case: `query` ([base]-relative), then one of
//   finds: ids, in any order unless the query sorts (`Type/id` where several types are searched)
//   refused: a part of the message        ignored: a part of the warning (with handling=lenient)
//   includes: `Type/id` of what is included besides    total: the accurate total
import { readdirSync, readFileSync } from 'node:fs';
import { parse } from 'yaml';
import { queries } from '../../src/clinic/queries.js';
import { indexRows } from '../../src/search/index-rows.js';
import type { CustomParameters } from '../../src/search/parameter.js';
import { parseSearch, type SearchRequest } from '../../src/search/parse.js';
import { refKey, type Resource } from '../../src/fhir/resource.js';
import { writeJson } from '../../src/fhir/json.js';
import type { Write } from '../../src/storage/store.js';

export interface Case {
  readonly query: string;
  readonly finds?: readonly string[];
  readonly refused?: string;
  readonly ignored?: string;
  readonly includes?: readonly string[];
  readonly total?: number;
  readonly because?: string;
}

export interface CaseFile {
  readonly name: string;
  readonly section: string;
  readonly zone: string;
  readonly given: readonly Resource[];
  readonly cases: readonly Case[];
  /** Parameters beside those of the specification. */
  readonly custom?: CustomParameters;
}

export const bases = ['https://tsela.example/fhir'];
/** The present, for `ap`. */
export const now = Date.parse('2024-06-01T00:00:00Z');

const folder = new URL('./cases/', import.meta.url);

export const caseFiles: readonly CaseFile[] = readdirSync(folder)
  .filter(name => name.endsWith('.yaml'))
  .sort()
  .map(name => {
    const file = parse(readFileSync(new URL(name, folder), 'utf8'), { merge: true }) as Omit<
      CaseFile,
      'name' | 'zone'
    > & {
      zone?: string;
    };
    return { ...file, zone: file.zone ?? 'UTC', name: name.replace('.yaml', '') };
  });

/** The case's query as the server parses it: `[base]/Type?…` or `[base]?_type=…`. */
export function requestOf({ query, ignored }: Case, { zone, custom }: CaseFile): SearchRequest {
  const [path = '', search = ''] = query.split(/\?(.*)/s);
  return parseSearch({
    types: path === '' ? [] : [path],
    // A plus is left as it is here, so that cases can be read; `%20` and the like are decoded.
    params: search
      .split('&')
      .filter(Boolean)
      .map(pair => {
        const at = pair.indexOf('=');
        return [decodeURIComponent(pair.slice(0, at)), decodeURIComponent(pair.slice(at + 1))] as const;
      }),
    bases,
    zone,
    custom,
    now,
    handling: ignored === undefined ? 'strict' : 'lenient',
    defaultCount: 100,
    maxCount: 1000,
    queries,
  });
}

/** When the i-th resource of a file was stored, unless it says so itself. */
const storedAt = (resource: Resource, i: number): number => {
  const { lastUpdated } = (resource['meta'] ?? {}) as { lastUpdated?: string };
  return lastUpdated === undefined ? Date.parse('2024-01-01T00:00:00Z') + i * 1000 : Date.parse(lastUpdated);
};

/** The first version of each of the file's resources, in order. */
export const writesOf = ({ given, zone, custom }: CaseFile): readonly Write[] =>
  given.map((resource, i) => ({
    ref: { type: resource.resourceType, id: resource['id'] as string },
    expected: 0,
    method: 'PUT',
    lastUpdated: storedAt(resource, i),
    body: Buffer.from(writeJson(resource)),
    rows: indexRows(resource, { bases, zone, custom }),
    replaces: [],
  }));

/** `a` or `Type/a`, as the case names its finds. */
export const named = (ref: { type: string; id: string }, types: readonly string[]): string =>
  types.length === 1 ? ref.id : refKey(ref);
