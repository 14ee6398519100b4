// A FHIR request and a grant become a response: the row is found, the permission judged, the store guarded, the handler
// run; whatever is thrown becomes an OperationOutcome. Batch entries come through here like requests of their own.
// https://hl7.org/fhir/R4/http.html
import type { Asked, Audit, Trail } from './audit/audit.js';
import type { Grant } from './auth/grant.js';
import { guarded } from './auth/guarded-store.js';
import { FhirError } from './errors.js';
import { isCompartment, type CompartmentType } from './fhir/compartments.js';
import { resourceTypes } from './fhir/definitions.js';
import { writeJson } from './fhir/json.js';
import { outcomeOf } from './fhir/outcome.js';
import { queryText } from './fhir/query.js';
import { fhirJson } from './interactions/answer.js';
import type { Context, Jobs, Route, Settings } from './interactions/context.js';
import type { FhirRequest, FhirResponse } from './interactions/exchange.js';
import { labelled, resourceIn, rowsIn, rowsOf } from './interactions/prepare.js';
import { asStrict, leveled } from './interactions/validation-level.js';
import { routes } from './routes.js';
import type { ServedStore } from './storage/store.js';
import { sightOf } from './interactions/definition-store.js';
import { NotLoaded } from './terminology/catalog.js';
import type { ServerCatalog, ServerTerminology } from './terminology/server-catalog.js';

export interface DispatchOptions {
  /** A function makes one for each request. */
  readonly store: ServedStore | (() => ServedStore);
  readonly settings: Settings;
  readonly jobs: Jobs;
  readonly terminology: ServerTerminology;
  /** Told of every failure that is the server's own, with the request's id. */
  readonly onFailure: (error: unknown, requestId: string) => void;
  /** Absent: nothing is audited. */
  readonly audit?: Audit | undefined;
  /** Answers what is not of records but of the server, where this is a thread beside the one that has it. */
  readonly elsewhere?: Dispatch | undefined;
}

/** The response and what was asked for, for logs and metrics. */
export type Dispatch = (request: FhirRequest, grant: Grant) => Promise<FhirResponse>;

export function createDispatch(options: DispatchOptions): Dispatch {
  const { store, settings, jobs, terminology, onFailure, audit, elsewhere } = options;
  const dispatch: Dispatch = async (request, grant) => {
    if (elsewhere !== undefined && isOfServer(request)) return elsewhere(request, grant);
    const trail = audit?.begin(asked(request, grant));
    try {
      const response = await answer(request, grant, trail);
      const { interaction = 'none', status, disclosed } = response;
      if (!unaudited.has(interaction)) trail?.end(interaction, status, disclosed);
      return response;
    } catch (error) {
      return failed(error, request);
    }
  };

  const answer = async (
    request: FhirRequest,
    grant: Grant,
    trail: Trail | undefined,
  ): Promise<FhirResponse> => {
    let interaction = 'none';
    try {
      const { route, type, id, versionId, compartment } = routeOf(request);
      interaction = route.interaction;
      if (route.permission !== undefined && !grant.permits(route.permission, type)) {
        throw new FhirError('forbidden', `You may not ${route.permission} ${type}.`);
      }
      if (type === 'AuditEvent') await audit?.flush();
      const served = typeof store === 'function' ? store() : store;
      const visible = guarded(
        served,
        grant,
        version => rowsIn(version, settings),
        settings.custom,
        async version => rowsOf(await labelled(settings, resourceIn(version), version.ref.id), settings),
      );
      const parts: Omit<Context, 'catalog'> = {
        request,
        grant,
        store: trail?.witness(visible) ?? visible,
        settings: leveled(settings, request),
        jobs,
        type,
        id,
        versionId,
        compartment,
        dispatch: inner => dispatch(asStrict(inner, request), grant),
      };
      const context = new OfRequest(parts, () => terminology.catalogFor(sightOf(grant, visible)));
      return Object.assign(await run(route, context), { interaction });
    } catch (error) {
      return { ...failed(error, request), interaction };
    }
  };

  const failed = (error: unknown, request: FhirRequest): FhirResponse => {
    if (!(error instanceof FhirError) || error.status >= 500) onFailure(error, request.id);
    const { status, headers, outcome } = outcomeOf(error, request.id);
    return { status, headers: { ...headers, 'content-type': fhirJson }, body: writeJson(outcome) };
  };
  return dispatch;
}

/**
 * A context whose catalog is made when it is asked for. A class, because an accessor in a literal would make a hidden
 * class of its own for every request, which only a full garbage collection takes away.
 */
class OfRequest implements Context {
  readonly request: Context['request'];
  readonly grant: Context['grant'];
  readonly store: Context['store'];
  readonly settings: Context['settings'];
  readonly jobs: Context['jobs'];
  readonly type: string;
  readonly id: string;
  readonly versionId: string;
  readonly compartment: Context['compartment'];
  readonly dispatch: Context['dispatch'];
  private known: ServerCatalog | undefined = undefined;

  constructor(
    parts: Omit<Context, 'catalog'>,
    private readonly makeCatalog: () => ServerCatalog,
  ) {
    this.request = parts.request;
    this.grant = parts.grant;
    this.store = parts.store;
    this.settings = parts.settings;
    this.jobs = parts.jobs;
    this.type = parts.type;
    this.id = parts.id;
    this.versionId = parts.versionId;
    this.compartment = parts.compartment;
    this.dispatch = parts.dispatch;
  }

  get catalog(): ServerCatalog {
    return (this.known ??= this.makeCatalog());
  }
}

/** Operations keep what they need in memory, and so does what the server says of itself. */
const isOfServer = ({ path }: FhirRequest): boolean =>
  path.some(segment => segment.startsWith('$')) || path[0] === 'metadata';

/** What tells of no record. */
const unaudited = new Set(['capabilities']);

function asked({ id, method, path, query, body, address }: FhirRequest, grant: Grant): Asked {
  const { principal, agent } = grant;
  const given = query.length === 0 ? [] : [queryText(query)];
  if (method === 'POST' && path.at(-1) === '_search' && body !== undefined)
    given.push(Buffer.from(body).toString());
  return {
    id,
    agent: { principal, ...agent, ...(address === undefined ? {} : { address }) },
    path: path.join('/'),
    ...(given.length === 0 ? {} : { query: given.join('&') }),
  };
}

/** More than any request names code systems and value sets. */
const mostLoads = 1000;

/** What a search asks of terminology may have to be read first: then the request, which has done nothing yet, begins again. */
async function run(route: Route, context: Context): Promise<FhirResponse> {
  for (let loads = 0; ; loads++) {
    try {
      return await route.handler(context);
    } catch (error) {
      if (!(error instanceof NotLoaded) || loads === mostLoads) throw error;
      await error.load();
    }
  }
}

/** Rows by number of segments, with their patterns split once. */
const bySize = new Map<number, { readonly route: Route; readonly pattern: readonly string[] }[]>();
for (const route of routes) {
  const pattern = route.path === '' ? [] : route.path.split('/');
  const rows = bySize.get(pattern.length) ?? [];
  rows.push({ route, pattern });
  bySize.set(pattern.length, rows);
}

interface Match {
  readonly route: Route;
  readonly type: string;
  readonly id: string;
  readonly versionId: string;
  readonly compartment: CompartmentType | undefined;
}

/** The row a request means. @throws FhirError `not-found` or `method-not-allowed`. */
export function routeOf({ method, path }: Pick<FhirRequest, 'method' | 'path'>): Match {
  const wanted = method === 'HEAD' ? 'GET' : method;
  const allowed = new Set<string>();
  for (const { route, pattern } of bySize.get(path.length) ?? []) {
    const match = matchRow(route, pattern, path);
    if (match === undefined) continue;
    if (route.method === wanted) return match;
    allowed.add(route.method);
  }
  if (allowed.size === 0) throw notFound(path);
  const allow = [...allowed, ...(allowed.has('GET') ? ['HEAD'] : [])].join(', ');
  throw new FhirError(
    'method-not-allowed',
    `${method} is not possible here; ${allow} ${allowed.size === 1 ? 'is' : 'are'}.`,
    { headers: { allow } },
  );
}

function matchRow(route: Route, pattern: readonly string[], path: readonly string[]): Match | undefined {
  let type = '';
  let id = '';
  let versionId = '';
  let compartment: CompartmentType | undefined;
  for (let i = 0; i < pattern.length; i++) {
    const segment = path[i]!;
    switch (pattern[i]) {
      case '[type]':
        if (!(route.types?.includes(segment) ?? resourceTypes().has(segment))) return undefined;
        type = segment;
        break;
      case '[compartment]':
        if (!isCompartment(segment)) return undefined;
        compartment = segment;
        break;
      case '[id]':
        if (segment.startsWith('$') || segment.startsWith('_')) return undefined;
        id = segment;
        break;
      case '[vid]':
        versionId = segment;
        break;
      default:
        if (pattern[i] !== segment) return undefined;
    }
  }
  return { route, type, id, versionId, compartment };
}

function notFound(path: readonly string[]): FhirError {
  const [type = '', ...rest] = path;
  if (/^[A-Z][A-Za-z]*$/.test(type) && !resourceTypes().has(type)) {
    return new FhirError('not-found', `"${type}" is not a resource type of FHIR R4.`);
  }
  const operation =
    rest.find(segment => segment.startsWith('$')) ?? (type.startsWith('$') ? type : undefined);
  return new FhirError(
    'not-found',
    operation === undefined ? 'There is nothing at this address.' : `The operation ${operation} is not here.`,
  );
}
