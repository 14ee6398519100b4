// $validate: says everything there is to say about a resource, and stores nothing.
// https://hl7.org/fhir/R4/resource-operation-validate.html
// Surprising why: a resource that is wrong is a good answer, 200 with what is wrong; only what is no resource is an error.
import { FhirError } from '../errors.js';
import { isObject, objectsOf, parseJson, type Json, type JsonObject } from '../fhir/json.js';
import { operationOutcome } from '../fhir/outcome.js';
import { queryText } from '../fhir/query.js';
import { refKey, type Resource } from '../fhir/resource.js';
import { sendResource } from '../interactions/answer.js';
import type { Context, Handler } from '../interactions/context.js';
import { criteriaOf } from '../interactions/criteria.js';
import { resourceIn } from '../interactions/prepare.js';
import { escaped } from '../search/types/search-type.js';
import { canonicalParts, NotLoaded, settled } from '../terminology/catalog.js';
import type { Finding } from '../validation/finding.js';
import { issueOf, levels, type Level } from '../validation/validation.js';

const modes = ['create', 'update', 'delete', 'profile'] as const;
type Mode = (typeof modes)[number];

interface Asked {
  readonly resource: Json | undefined;
  readonly mode: Mode | undefined;
  readonly profiles: readonly string[];
  readonly level: Level;
}

export const validate: Handler = async context => {
  const { request, settings, type, id } = context;
  const asked = askedIn(context);
  if (asked.mode === 'delete') return sendResource({ status: 200 }, await deletable(context), request);
  const resource = asked.resource === undefined ? await stored(context) : judged(asked.resource, type);
  const { validation } = settings;
  const find = definitionsIn(context);
  const findings = await settled(() =>
    validation.validateAt(asked.level, resource, { profiles: asked.profiles, find }),
  );
  const about = aboutWrite(asked, resource, id);
  const outcome = operationOutcome([...about, ...findings].map(finding => issueOf(finding)));
  return sendResource({ status: 200 }, outcome, request);
};

/** Types that rules ask for and neither packages nor the terminology hold alone. */
const definitions: ReadonlySet<string> = new Set(['Questionnaire', 'Measure']);

/** What is stored by canonical, as far as the caller may search it: the questionnaire that a response answers. */
function definitionsIn(context: Context): (type: string, canonical: string) => JsonObject | undefined {
  const known = new Map<string, JsonObject | undefined>();
  return (type, canonical) => {
    if (!definitions.has(type) || !context.grant.permits('search', type)) return undefined;
    const key = `${type} ${canonical}`;
    if (!known.has(key))
      throw new NotLoaded(key, async () => {
        const { url, version } = canonicalParts(canonical);
        const criteria = Object.entries({ url, version }).flatMap(([name, value]) =>
          value === undefined ? [] : [[name, escaped(value)] as const],
        );
        const plan = criteriaOf(context, type, queryText(criteria), 1);
        const [found] = (await context.store.search(plan)).versions;
        known.set(key, found?.body === undefined ? undefined : resourceIn(found));
      });
    return known.get(key);
  };
}

/** What the query and the body ask for; the body is Parameters, or the resource itself. */
function askedIn({ request, type }: Context): Asked {
  const named = (name: string): string[] =>
    request.query.flatMap(([key, value]) => (key === name && value !== '' ? [value] : []));
  const body = request.body === undefined || request.body.length === 0 ? undefined : parseJson(request.body);
  const parameters =
    isObject(body) && body['resourceType'] === 'Parameters' ? objectsOf(body['parameter']) : [];
  const wrapped = parameters.filter(({ name }) => operationParameters.has(String(name)));
  const isWrapped =
    wrapped.length > 0 || (isObject(body) && body['resourceType'] === 'Parameters' && type !== 'Parameters');
  const valuesOf = (name: string): string[] => {
    const found = isWrapped ? parameters.filter(one => one['name'] === name) : [];
    return [
      ...named(name),
      ...found.flatMap(one => {
        const value =
          one['valueUri'] ??
          one['valueCanonical'] ??
          one['valueUrl'] ??
          one['valueCode'] ??
          one['valueString'];
        return typeof value === 'string' ? [value] : [];
      }),
    ];
  };
  const [mode] = valuesOf('mode');
  const [level = 'full'] = valuesOf('level');
  return {
    resource: isWrapped ? parameters.find(({ name }) => name === 'resource')?.['resource'] : body,
    mode: mode === undefined ? undefined : oneOf(modes, mode, 'mode'),
    profiles: valuesOf('profile'),
    level: oneOf(levels, level, 'level'),
  };
}

const operationParameters: ReadonlySet<string> = new Set(['resource', 'mode', 'profile', 'level']);

function oneOf<T extends string>(accepted: readonly T[], given: string, name: string): T {
  const found = accepted.find(one => one === given);
  if (found === undefined)
    throw new FhirError('value', `"${given.slice(0, 80)}" is no ${name}; expected ${accepted.join(', ')}.`, {
      expression: `Parameters.parameter.where(name = '${name}')`,
    });
  return found;
}

/** @throws FhirError where what was sent is no resource of the type. */
function judged(value: Json, type: string): Resource {
  if (!isObject(value) || typeof value['resourceType'] !== 'string')
    throw new FhirError('structure', 'Expected a resource, or Parameters with a parameter "resource".');
  if (type !== '' && value['resourceType'] !== type)
    throw new FhirError(
      'wrong-type',
      `The resource is a ${value['resourceType'].slice(0, 80)}; this URL takes a ${type}.`,
      { expression: 'resourceType' },
    );
  return value as Resource;
}

async function stored({ store, type, id }: Context): Promise<Resource> {
  if (id === '')
    throw new FhirError(
      'required',
      'The operation needs a resource: as the body, or in Parameters as "resource".',
    );
  const current = await store.read({ type, id });
  if (current === undefined) throw new FhirError('not-found', `There is no ${refKey({ type, id })}.`);
  if (current.body === undefined) throw new FhirError('gone', `${refKey({ type, id })} was deleted.`);
  return resourceIn(current);
}

/** What the write would be refused for besides the content. */
function aboutWrite({ mode }: Asked, resource: Resource, id: string): readonly Finding[] {
  if (mode !== 'update' || id === '' || resource['id'] === id) return [];
  return [
    {
      severity: 'error',
      code: 'invalid',
      expression: `${resource.resourceType}.id`,
      text: `An update of this resource must carry its id, "${id}".`,
      rule: 'id',
    },
  ];
}

async function deletable(context: Context): Promise<Resource> {
  await stored(context);
  const { refuseDeleteOfReferenced } = context.settings;
  const text = refuseDeleteOfReferenced
    ? 'It may be deleted unless other resources refer to it.'
    : 'It may be deleted.';
  return operationOutcome([{ severity: 'information', code: 'informational', text }]);
}
