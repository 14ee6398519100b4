// Bundles as wholes: what fullUrl says, what each type of bundle holds, and how its links are.
// https://hl7.org/fhir/R4/bundle.html
import { resourceTypes } from '../../fhir/definitions.js';
import { isObject, type JsonObject } from '../../fhir/json.js';
import type { Report, ResourceRule } from '../finding.js';
import { judgeLinks, type Entry, type SayOfBundle } from './bundle-links.js';
import { problemOf } from './canonicals.js';
import { objectsIn, listIn, textIn } from './reading.js';

export const bundle: ResourceRule = (resource, path, report) => {
  const say = sayTo(report);
  const type = textIn(resource, 'type') ?? '';
  const entries: Entry[] = listIn(resource, 'entry').flatMap((entry, i) => {
    if (!isObject(entry)) return [];
    const within = entry['resource'];
    return [
      {
        entry,
        resource: isObject(within) ? within : undefined,
        fullUrl: textIn(entry, 'fullUrl'),
        path: `${path}.entry[${i}]`,
      },
    ];
  });
  for (const entry of entries) judgeFullUrl(entry, type, say);
  judgeRelations(resource, path, say);
  if (type === 'searchset') judgeSearch(resource, entries, say);
  judgeLinks(resource, type, entries, say);
};

const sayTo =
  (report: Report): SayOfBundle =>
  (expression, rule, text, severity = 'error') =>
    report({ severity, code: 'business-rule', expression, text, rule: `bundle-${rule}` });

/** What is asked for, and the answer to it, may have no identity yet; everything else has one. */
const unidentified = new Set(['transaction', 'transaction-response', 'batch', 'batch-response']);

function judgeFullUrl({ entry, resource, fullUrl, path }: Entry, type: string, say: SayOfBundle): void {
  if (fullUrl === undefined) {
    if (!unidentified.has(type) && resource !== undefined)
      say(path, 'full-url', `Every entry of a ${type} needs a fullUrl.`);
    return;
  }
  const problem = problemOf(fullUrl);
  if (problem !== undefined) return say(path, 'full-url', `The fullUrl ${problem}`);
  const rest = /^https?:\/\/.+\/([A-Z][A-Za-z]+)\/([A-Za-z0-9\-.]{1,64})$/.exec(fullUrl);
  const [, named = '', id] = rest ?? [];
  // Only where the segment is a type is the url that of a server.
  if (resource === undefined || !resourceTypes().has(named)) return;
  const request = entry['request'];
  const isNew = isObject(request ?? null) && (request as JsonObject)['method'] === 'POST';
  const own = textIn(resource, 'id');
  const found = textIn(resource, 'resourceType') ?? '';
  if (own === undefined && !isNew)
    say(path, 'full-url', `The fullUrl ends with ${named}/${id ?? ''}, but the resource has no id.`);
  else if (found !== named || (own !== undefined && own !== id))
    say(
      path,
      'full-url',
      `The fullUrl ends with ${named}/${id ?? ''}; the resource is ${found}/${own ?? ''}.`,
    );
}

/** One link of each relation: two would contradict each other. */
function judgeRelations(resource: JsonObject, path: string, say: SayOfBundle): void {
  const seen = new Set<string>();
  listIn(resource, 'link').forEach((link, i) => {
    const relation = isObject(link) ? textIn(link, 'relation') : undefined;
    if (relation === undefined || relation === 'stylesheet') return;
    if (seen.has(relation))
      say(`${path}.link[${i}]`, 'link', `There is another link of the relation "${relation.slice(0, 50)}".`);
    seen.add(relation);
  });
}

/** The types a search asks for, by the url it was made with; undefined for all. */
function typesAskedBy(url: string): ReadonlySet<string> | undefined {
  const [way = '', query = ''] = url.split('?', 2);
  const last =
    way
      .replace(/\/_search$/, '')
      .split('/')
      .pop() ?? '';
  if (resourceTypes().has(last)) return new Set([last]);
  const types = new URLSearchParams(query).get('_type');
  return types === null || types === '' ? undefined : new Set(types.split(','));
}

function judgeSearch(resource: JsonObject, entries: readonly Entry[], say: SayOfBundle): void {
  const self = objectsIn(resource, 'link').find(link => link['relation'] === 'self');
  const asked = self === undefined ? undefined : typesAskedBy(textIn(self, 'url') ?? '');
  for (const { entry, resource: found, path } of entries) {
    if (found === undefined) continue;
    const { search } = entry;
    const mode = isObject(search ?? null) ? textIn(search as JsonObject, 'mode') : undefined;
    const type = textIn(found, 'resourceType') ?? '';
    const place = `${path}.resource`;
    if (mode === 'outcome') {
      if (type !== 'OperationOutcome')
        say(place, 'search-outcome', `An entry of mode outcome is an OperationOutcome, not a ${type}.`);
      continue;
    }
    // What a server says about its search needs no identity, marked or not.
    if (mode === undefined && type === 'OperationOutcome') continue;
    if (textIn(found, 'id') === undefined) say(place, 'search-id', 'What a search finds has an id.');
    if (mode === 'match' && asked?.has(type) === false)
      say(place, 'search-type', `A ${type} matches no search for ${[...asked].join(', ').slice(0, 200)}.`);
  }
}
