// $reindex: brings search in line with SearchParameters as they are stored now. Active ones are indexed and then used,
// those that are retired or gone are given up. Not of the specification: docs/search-parameters.md. It answers at once,
// https://hl7.org/fhir/R4/async.html, and the work goes on in jobs/reindex.ts.
import { FhirError, type Issue } from '../errors.js';
import type { SearchParameterDefinition } from '../fhir/definitions.js';
import { isObject } from '../fhir/json.js';
import { operationOutcome } from '../fhir/outcome.js';
import { queryText } from '../fhir/query.js';
import type { Resource } from '../fhir/resource.js';
import { sendResource } from '../interactions/answer.js';
import type { Context, Handler } from '../interactions/context.js';
import type { FhirResponse } from '../interactions/exchange.js';
import { resourceIn, resourceOf } from '../interactions/prepare.js';
import type { ReindexInput } from '../jobs/reindex.js';
import { isOver } from '../jobs/queue.js';
import { definitionIn, judgeParameter } from '../search/custom-parameters.js';
import { parseCriteria } from '../search/parse.js';
import { escaped } from '../search/types/search-type.js';
import { jobUrl } from './job.js';

/** POST SearchParameter/[id]/$reindex */
export const reindexOne: Handler = async context => {
  const { store, id } = context;
  const [found] = await store.readMany([{ type: 'SearchParameter', id }]);
  if (found === undefined) throw new FhirError('not-found', `There is no SearchParameter/${id}.`);
  const { url } = resourceIn(found);
  return reindexUrls(context, [url as string]);
};

/** POST $reindex and SearchParameter/$reindex with the canonical urls as `url`. */
export const reindex: Handler = context => {
  if (!context.grant.permits('update', 'SearchParameter'))
    throw new FhirError('forbidden', 'You may not update SearchParameter.');
  return reindexUrls(context, urlsIn(resourceOf(context.request.body, 'Parameters')));
};

const mostUrls = 500;

function urlsIn(parameters: Resource): readonly string[] {
  const urls = new Set<string>();
  for (const parameter of Array.isArray(parameters['parameter']) ? parameters['parameter'] : []) {
    if (!isObject(parameter)) continue;
    const value = ['valueCanonical', 'valueUri', 'valueUrl', 'valueString']
      .map(name => parameter[name])
      .find(one => typeof one === 'string');
    if (parameter['name'] !== 'url' || value === undefined) {
      throw new FhirError(
        'value',
        `$reindex takes url as a valueCanonical, not "${String(parameter['name'])}".`,
        { expression: 'Parameters.parameter' },
      );
    }
    urls.add(value.split('|', 1)[0]!);
  }
  if (urls.size > mostUrls)
    throw new FhirError('too-large', `At most ${mostUrls} search parameters can be named at once.`);
  if (urls.size === 0) {
    throw new FhirError('required', 'Name at least one SearchParameter by its canonical url, as url.', {
      expression: 'Parameters.parameter',
    });
  }
  return [...urls];
}

async function reindexUrls(context: Context, urls: readonly string[]): Promise<FhirResponse> {
  const { request, jobs, grant } = context;
  await jobs.parameters.refresh();
  const inUse = jobs.parameters.inUse().filter(one => one.state !== 'retiring');
  const staying = inUse.filter(one => !urls.includes(one.definition.url)).map(one => one.definition);
  const deactivate: string[] = [];
  const wanted: { resource: Resource; definition: SearchParameterDefinition }[] = [];
  for (const url of urls) {
    const stored = await storedUnder(context, url);
    const active = stored.filter(resource => resource['status'] === 'active');
    const isUsed = inUse.some(one => one.definition.url === url);
    if (active.length > 1) {
      const ids = active.map(resource => `SearchParameter/${String(resource['id'])}`).join(', ');
      throw new FhirError(
        'multiple-matches',
        `Several active search parameters have the url ${url}: ${ids}.`,
      );
    }
    const [resource = isUsed ? undefined : stored[0]] = active;
    if (resource !== undefined) wanted.push({ resource, definition: definitionIn(resource) });
    else if (isUsed) deactivate.push(url);
    else throw new FhirError('not-found', `There is no SearchParameter with the url ${url}.`);
  }
  const issues: Issue[] = [];
  const activate = wanted.flatMap(({ resource, definition }) => {
    const others = wanted.flatMap(other => (other.definition === definition ? [] : other.definition));
    try {
      judgeParameter(resource, [...staying, ...others]);
    } catch (error) {
      if (!(error instanceof FhirError)) throw error;
      issues.push(...error.issues);
    }
    const now = inUse.find(one => one.state === 'ready' && one.definition.url === definition.url);
    return now !== undefined && isSame(now.definition, definition) ? [] : [definition];
  });
  if (issues.length > 0) throw new FhirError('business-rule', 'Not all of these can be used.', { issues });
  if (activate.length === 0 && deactivate.length === 0) {
    return sendResource(
      { status: 200 },
      operationOutcome([
        { severity: 'information', code: 'informational', text: 'Search is in line with what is stored.' },
      ]),
      request,
    );
  }
  const input: ReindexInput = { activate, deactivate };
  const text = JSON.stringify(input);
  const same = (await jobs.queue.list()).find(
    job => job.kind === 'reindex' && !isOver(job) && !job.cancelling && JSON.stringify(job.input) === text,
  );
  const job = same ?? (await jobs.queue.add('reindex', input, grant.principal));
  jobs.wake();
  const response = sendResource(
    { status: 202 },
    operationOutcome([
      {
        severity: 'information',
        code: 'informational',
        text: 'The index is being made; Content-Location tells how far.',
      },
    ]),
    request,
  );
  return { ...response, headers: { ...response.headers, 'content-location': jobUrl(request.base, job.id) } };
}

/** The stored SearchParameters with this url that the caller sees. */
async function storedUnder({ store, settings }: Context, url: string): Promise<readonly Resource[]> {
  const plan = parseCriteria('SearchParameter', queryText([['url', escaped(url)]]), settings);
  const { versions } = await store.search({ ...plan, count: 50 });
  return versions.map(resourceIn);
}

/** Whether two definitions make the same rows. */
const isSame = (a: SearchParameterDefinition, b: SearchParameterDefinition): boolean =>
  partsOf(a) === partsOf(b);

const partsOf = ({ code, base, type, expression, target, component }: SearchParameterDefinition): string =>
  JSON.stringify([code, base, type, expression, target, component]);
