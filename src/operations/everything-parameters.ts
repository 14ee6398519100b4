// The parameters of $everything, from a URL or from Parameters, and those sealed in its page links.
// https://hl7.org/fhir/R4/patient-operation-everything.html
import { FhirError } from '../errors.js';
import { resourceTypes } from '../fhir/definitions.js';
import { isObject } from '../fhir/json.js';
import type { Context } from '../interactions/context.js';
import { resourceOf } from '../interactions/prepare.js';
import { didYouMean } from '../search/did-you-mean.js';
import { openCursor } from '../search/page.js';
import type { Position } from '../search/plan.js';
import { dateRange } from '../search/types/date.js';

type Params = readonly (readonly [name: string, value: string])[];

export interface Asked {
  /** Limits of the care's dates, ms. */
  readonly from: number | undefined;
  readonly to: number | undefined;
  /** Only what was changed at this instant or later, ms. */
  readonly since: number | undefined;
  /** Only these types. */
  readonly types: ReadonlySet<string> | undefined;
  readonly count: number;
  /** What was understood, for links. */
  readonly params: Params;
  /** Where the page starts; absent on the first. */
  readonly after: Position | undefined;
}

/** `path`: what a page link is bound to. @throws FhirError naming the parameter */
export function askedOf(context: Context, path: string): Asked {
  const { settings, grant } = context;
  const given = givenTo(context);
  const cursor = given.find(([name]) => name === '_cursor')?.[1];
  const opened =
    cursor === undefined ? undefined : openCursor(settings.cursorKey, cursor, { grant: grant.id, path });
  const once = new Map<string, string>();
  const types = new Set<string>();
  const params: (readonly [string, string])[] = [];
  for (const [name, value] of opened?.params ?? given) {
    if (name === '_format' || name === '_pretty' || value === '') continue;
    if (name === '_type') value.split(',').forEach(type => types.add(knownType(type)));
    else if (!['start', 'end', '_since', '_count'].includes(name))
      throw new FhirError(
        'invalid-search',
        `$everything takes start, end, _since, _type and _count, not "${name}".`,
      );
    else if (once.has(name)) throw new FhirError('invalid-search', `${name} is given twice.`);
    else once.set(name, value);
    params.push([name, value]);
  }
  const dateOf = (name: string) => {
    const value = once.get(name);
    return value === undefined ? undefined : dateRange(value, settings.zone);
  };
  return {
    from: dateOf('start')?.lo,
    to: dateOf('end')?.hi,
    since: dateOf('_since')?.lo,
    types: types.size === 0 ? undefined : types,
    count: countOf(once.get('_count'), settings.maxCount),
    params,
    after: opened?.position,
  };
}

function knownType(type: string): string {
  if (resourceTypes().has(type)) return type;
  throw new FhirError(
    'invalid-search',
    `_type names "${type}", which is no resource type.${didYouMean(type, resourceTypes())}`,
  );
}

/** As many as there may be, unless fewer are asked for: who asks for everything does not expect a page. */
function countOf(value: string | undefined, most: number): number {
  if (value === undefined) return most;
  if (!/^[1-9][0-9]{0,8}$/.test(value))
    throw new FhirError('invalid-search', `_count is "${value}"; expected a whole number from 1 to ${most}.`);
  return Math.min(Number(value), most);
}

/** Those of the URL, and those of the body as if they stood there. */
function givenTo({ request }: Context): Params {
  if (request.method !== 'POST' || request.body === undefined || request.body.length === 0)
    return request.query;
  const parameters = resourceOf(request.body, 'Parameters')['parameter'];
  const inBody = (Array.isArray(parameters) ? parameters : []).filter(isObject).map(parameter => {
    const name = String(parameter['name']);
    const value = Object.entries(parameter).find(([key]) => key.startsWith('value'))?.[1];
    if (typeof value !== 'string' && typeof value !== 'number')
      throw new FhirError(
        'invalid-search',
        `The parameter "${name}" of $everything needs a value of a simple type.`,
        {
          expression: 'Parameters.parameter',
        },
      );
    return [name, String(value)] as const;
  });
  return [...request.query, ...inBody];
}
