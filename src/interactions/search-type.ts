// search on one type, on several, on the system, or in a compartment, by GET and POST.
// https://hl7.org/fhir/R4/http.html#search, https://hl7.org/fhir/R4/http.html#vsearch
import { FhirError, type Issue } from '../errors.js';
import { pickElements, summarize } from '../fhir/elements.js';
import { operationOutcome } from '../fhir/outcome.js';
import { queryOf, queryText } from '../fhir/query.js';
import { idPattern, refKey, type Resource } from '../fhir/resource.js';
import { inCompartment, typesInCompartment } from '../search/compartment.js';
import { include } from '../search/include.js';
import { openCursor, sealCursor } from '../search/page.js';
import { parseSearch, type SearchRequest } from '../search/parse.js';
import { all, and, type Position, type SearchPlan } from '../search/plan.js';
import type { Page, Version } from '../storage/store.js';
import { formOfAnswer, preference, sendBytes } from './answer.js';
import { bundleBytes, type Entry } from './bundle.js';
import type { Context, Handler } from './context.js';
import { explain } from './explain.js';
import type { FhirResponse } from './exchange.js';
import { resourceIn } from './prepare.js';

type Params = readonly (readonly [string, string])[];

/** GET or POST of `[type]`, of the base with `_type`, and of `[compartment]/[id]/[type]` and `/*`. */
export const searchType: Handler = context => {
  const { request, store, settings, grant } = context;
  const stored = store.generation?.();
  // What a search means depends on the search parameters in use too, and what it shows on patients' records being closed.
  const generation =
    stored === undefined
      ? undefined
      : `${stored} ${settings.custom?.generation ?? 0} ${grant.generation?.() ?? 0}`;
  return settings.pages.page(request, grant, generation, () => searchAnew(context));
};

async function searchAnew(context: Context): Promise<FhirResponse> {
  const { request, store, settings, type, grant } = context;
  const { params, start, before } = startOf(context);
  const among = await typesAmong(context, params);
  const search = parseSearch({
    types: type === '' ? [] : [type],
    ...(among === undefined ? {} : { among }),
    params,
    bases: settings.bases,
    handling: preference(request, 'handling') === 'lenient' ? 'lenient' : 'strict',
    zone: settings.zone,
    defaultCount: settings.defaultCount,
    maxCount: settings.maxCount,
    queries: settings.queries,
    custom: settings.custom,
    catalog: context.catalog,
  });
  const plan = planOf(context, search.plan, start);
  for (const each of plan.types) {
    if (!grant.permits('search', each)) throw new FhirError('forbidden', `You may not search ${each}.`);
  }
  if (search.explain) return explain(context, plan);
  const counting = search.summary === 'count' || plan.count === 0;
  const page: Page = counting ? { versions: [], total: await store.count(plan) } : await store.search(plan);
  const included =
    page.versions.length === 0 ? [] : await include(store, page.versions, search.includes, settings);

  const entries: Entry[] = [
    ...page.versions.map(version => entryOf(request.base, version, 'match', search)),
    ...included.map(version => entryOf(request.base, version, 'include', search)),
  ];
  const told = [...(counting ? [] : search.ignored), ...(store.absent?.() ?? []).map(incomplete)];
  if (told.length > 0) entries.push({ resource: outcome(told), search: 'outcome' });
  const total = page.total;
  const bytes = bundleBytes(
    {
      type: 'searchset',
      lastUpdated: Date.now(),
      links: linksOf(context, search, { start, before, next: page.next }),
      ...(total === undefined ? {} : { total }),
    },
    entries,
  );
  const disclosed = [...page.versions, ...included].map(
    ({ ref, version }) => `${refKey(ref)}/_history/${version}`,
  );
  return { ...sendBytes({ status: 200, headers: {} }, bytes, request), disclosed };
}

/**
 * What a search in a compartment may find: the type, or for `*` all types the caller may search, if it names none.
 * undefined elsewhere.
 * @throws FhirError `not-found` where the caller does not see the resource the compartment is about
 */
async function typesAmong(
  { compartment, store, grant, type, id }: Context,
  params: Params,
): Promise<readonly string[] | undefined> {
  if (compartment === undefined) return undefined;
  const found = idPattern.test(id) ? await store.readMany([{ type: compartment, id }]) : [];
  if (found.length === 0) throw new FhirError('not-found', `There is no ${compartment}/${id}.`);
  const possible = typesInCompartment(compartment);
  if (type === '') {
    if (params.some(([name]) => name === '_type')) return possible;
    const permitted = possible.filter(each => grant.permits('search', each));
    if (permitted.length === 0) throw new FhirError('forbidden', `You may not search ${compartment}/${id}.`);
    return permitted;
  }
  if (!possible.includes(type))
    throw new FhirError('not-found', `${type} is never in the compartment of a ${compartment}.`);
  return [type];
}

function planOf(context: Context, plan: SearchPlan, start: Position): SearchPlan {
  const { compartment, id } = context;
  const within = compartment === undefined ? all : inCompartment(compartment, id, plan.types);
  return { ...plan, where: and(plan.where, within), ...(start.length === 0 ? {} : { after: start }) };
}

/** What is searched, as the path says it. */
const pathOf = ({ compartment, id, type }: Context): string =>
  compartment === undefined ? type : `${compartment}/${id}/${type === '' ? '*' : type}`;

const outcome = (issues: readonly Issue[]): Resource => operationOutcome(issues);

const incomplete = (text: string): Issue => ({ severity: 'warning', code: 'incomplete', text });

/** Where the first page starts. */
const beginning: Position = [];

/** The parameters of the URL and the form, or those sealed in a page link; where its page starts, and those before it. */
function startOf(context: Context): { params: Params; start: Position; before: readonly Position[] } {
  const { request, settings, grant } = context;
  const given = request.method === 'POST' ? [...request.query, ...formOf(context)] : request.query;
  const cursor = given.find(([name]) => name === '_cursor')?.[1];
  if (cursor === undefined) return { params: given, start: beginning, before: [] };
  const opened = openCursor(settings.cursorKey, cursor, { grant: grant.id, path: pathOf(context) });
  return { params: opened.params, start: opened.position, before: opened.before ?? [] };
}

const formOf = ({ request }: Context): Params =>
  request.body === undefined ? [] : queryOf(Buffer.from(request.body).toString());

interface Place {
  readonly start: Position;
  readonly before: readonly Position[];
  readonly next: Position | undefined;
}

/** So many characters of earlier starts go into a link; who pages further back is left with the first page. */
const mostTrail = 3000;

/**
 * `previous` leads to the start of the page before, as it was when it was passed, and on from there: nothing that
 * stayed the same is skipped going forward again, whatever has come in between.
 */
function linksOf(
  context: Context,
  search: SearchRequest,
  { start, before, next }: Place,
): { relation: string; url: string }[] {
  const { request, settings, grant } = context;
  const base = `${request.base}/${pathOf(context)}`;
  const url = (params: Params): string => {
    const query = queryText(params);
    return query === '' ? base : `${base}?${query}`;
  };
  const sealed = (relation: string, position: Position, trail: readonly Position[]) => {
    const cursor = sealCursor(settings.cursorKey, {
      position,
      before: trail,
      params: search.understood,
      grant: grant.id,
      path: pathOf(context),
    });
    return { relation, url: url([['_cursor', cursor], ...formOfAnswer(request)]) };
  };
  const links = [{ relation: 'self', url: url(search.understood) }];
  if (start.length > 0) links.push(sealed('first', beginning, []));
  const previous = before.at(-1);
  if (previous !== undefined) links.push(sealed('previous', previous, before.slice(0, -1)));
  if (next !== undefined) {
    const trail = [...before, start];
    while (JSON.stringify(trail).length > mostTrail) trail.shift();
    links.push(sealed('next', next, trail));
  }
  return links;
}

function entryOf(base: string, version: Version, mode: 'match' | 'include', search: SearchRequest): Entry {
  return { fullUrl: `${base}/${refKey(version.ref)}`, resource: viewOf(version, search), search: mode };
}

/** Stored bytes, or what _summary and _elements leave of them. */
function viewOf(version: Version, { summary, elements }: SearchRequest): Uint8Array | Resource {
  if (summary === 'true' || summary === 'text' || summary === 'data')
    return summarize(resourceIn(version), summary);
  if (elements !== undefined) return pickElements(resourceIn(version), elements);
  return version.body!;
}
