// Parameters of an operation as its OperationDefinition has them, from a URL or from a Parameters resource.
// https://hl7.org/fhir/R4/operations.html#request
import { FhirError } from '../errors.js';
import { operationDefinitions, type OperationParameter } from '../fhir/definitions.js';
import { isNumber, isObject, parseJson, type Json, type JsonObject } from '../fhir/json.js';
import type { Resource } from '../fhir/resource.js';
import type { Context } from '../interactions/context.js';
import { checked } from '../interactions/prepare.js';
import { didYouMean } from '../search/did-you-mean.js';

/** What was given: values by name, as many as there were. */
export interface Given {
  text(name: string): string | undefined;
  texts(name: string): readonly string[];
  flag(name: string): boolean | undefined;
  /** A whole number that is not negative. */
  count(name: string): number | undefined;
  object(name: string): JsonObject | undefined;
  objects(name: string): readonly JsonObject[];
  resource(name: string): Resource | undefined;
  /** Parameters with parts, each as its parts by name. */
  parts(name: string): readonly ReadonlyMap<string, Json>[];
  has(name: string): boolean;
  /** All of it as a Parameters resource, for another server. */
  asParameters(): Resource;
}

const definitions = new Map<string, ReadonlyMap<string, OperationParameter>>();

/** @param operation such as `ValueSet-expand` */
function parametersOf(operation: string): ReadonlyMap<string, OperationParameter> {
  let found = definitions.get(operation);
  if (found === undefined) {
    const definition = operationDefinitions().find(one => one.id === operation);
    if (definition === undefined) throw new Error(`no OperationDefinition ${operation}`);
    found = new Map((definition.parameter ?? []).filter(one => one.use === 'in').map(one => [one.name, one]));
    definitions.set(operation, found);
  }
  return found;
}

const complex = new Set(['Coding', 'CodeableConcept']);
const isResource = (type: string | undefined): boolean =>
  type !== undefined && /^(?:ValueSet|CodeSystem|ConceptMap)$/.test(type);

/**
 * @param operation such as `ValueSet-expand`
 * @param more parameters of later versions of the operation that are understood too
 * @throws FhirError naming the parameter and what is accepted
 */
export function givenTo(
  { request }: Context,
  operation: string,
  more: readonly OperationParameter[] = [],
): Given {
  const known = parametersOf(operation);
  const defined = (name: string): OperationParameter => {
    const found = known.get(name) ?? more.find(one => one.name === name);
    if (found !== undefined) return found;
    const names = new Set([...known.keys(), ...more.map(one => one.name)]);
    throw new FhirError(
      'value',
      `$${operation.split('-').slice(1).join('-')} has no parameter "${name.slice(0, 100)}".${didYouMean(name, names)} Accepted: ${[...names].join(', ')}.`,
    );
  };
  const values = new Map<string, Json[]>();
  const add = (name: string, value: Json): void => {
    const list = values.get(name);
    if (list === undefined) values.set(name, [value]);
    else if (defined(name).max === '1')
      throw new FhirError('value', `The parameter "${name}" is given twice.`);
    else list.push(value);
  };
  for (const [name, text] of request.query) {
    if (name.startsWith('_') || text === '') continue;
    add(name, fromUrl(defined(name), text));
  }
  if (request.method === 'POST' && request.body !== undefined && request.body.length > 0) {
    for (const [name, value] of inBody(request.body, known)) {
      const { type, part } = defined(name);
      add(name, part === undefined ? typed(name, type, value) : value);
    }
  }
  const one = (name: string): Json | undefined => values.get(name)?.[0];
  return {
    asParameters: () =>
      parametersOut([...values].flatMap(([name, list]) => list.map(value => sent(defined(name), value)))),
    has: name => values.has(name),
    text: name => {
      const value = one(name);
      return value === undefined ? undefined : String(value);
    },
    texts: name => (values.get(name) ?? []).map(value => String(value as string)),
    flag: name => {
      const value = one(name);
      return value === undefined ? undefined : value === true || value === 'true';
    },
    count: name => {
      const value = one(name);
      return value === undefined ? undefined : Number(value);
    },
    object: name => {
      const value = one(name);
      return isObject(value) ? value : undefined;
    },
    objects: name => (values.get(name) ?? []).filter(isObject),
    resource: name => one(name) as Resource | undefined,
    parts: name => (values.get(name) ?? []).map(value => new Map(Array.isArray(value) ? partsOf(value) : [])),
  };
}

/** As it stands in a body. */
function sent({ name, type, part }: OperationParameter, value: Json): Answered {
  if (part !== undefined) return { name, part: value };
  if (isResource(type)) return { name, resource: value };
  const element = type === undefined || type === 'Element' ? 'string' : type;
  return { name, [`value${element[0]!.toUpperCase()}${element.slice(1)}`]: value };
}

const booleans = ['true', 'false'];

function fromUrl({ name, type, part }: OperationParameter, text: string): Json {
  if (part !== undefined || type === 'CodeableConcept' || isResource(type) || type === 'Element')
    throw new FhirError('value', `The parameter "${name}" cannot be in a URL: send Parameters by POST.`);
  if (type === 'Coding') {
    // As search has it: system|code, and system|version|code where there is one.
    const [code = '', ...rest] = text.split('|').reverse();
    const [version, system] = rest.length > 1 ? rest : [undefined, rest[0]];
    return { ...(system ? { system } : {}), ...(version ? { version } : {}), code };
  }
  return typed(name, type, text);
}

/** The value in the form its type has. */
function typed(name: string, type: string | undefined, value: Json): Json {
  const refuse = (expected: string): never => {
    throw new FhirError('value', `The parameter "${name}" needs ${expected}.`, {
      expression: `Parameters.parameter.where(name = '${name}')`,
    });
  };
  if (type === undefined || type === 'Element') return value;
  if (complex.has(type) || isResource(type)) return isObject(value) ? value : refuse(`a ${type}`);
  if (type === 'boolean')
    return typeof value === 'boolean' || (typeof value === 'string' && booleans.includes(value))
      ? String(value) === 'true'
      : refuse('true or false');
  if (type === 'integer') {
    const number = isNumber(value) ? Number(value) : typeof value === 'string' && /^\d{1,9}$/.test(value) ? Number(value) : -1; // prettier-ignore
    return Number.isSafeInteger(number) && number >= 0 ? number : refuse('a whole number, 0 or more');
  }
  return typeof value === 'string' ? value : refuse(`a ${type}`);
}

/** Names and values of a body: of Parameters, or of a resource that is itself the one parameter of its type. */
function inBody(
  body: Uint8Array,
  known: ReadonlyMap<string, OperationParameter>,
): readonly (readonly [string, Json])[] {
  const given = parseJson(body);
  const type = isObject(given) ? given['resourceType'] : undefined;
  const direct = [...known.values()].find(one => isResource(one.type) && one.type === type);
  if (direct !== undefined) return [[direct.name, checked(given, direct.type!)]];
  const { parameter } = checked(given, 'Parameters');
  return partsOf(Array.isArray(parameter) ? parameter : []);
}

/** A parameter with parts has them for a value. */
const partsOf = (list: readonly Json[]): (readonly [string, Json])[] =>
  list.filter(isObject).map(parameter => {
    const name = String(parameter['name']);
    const key = Object.keys(parameter).find(one => one.startsWith('value'));
    const value =
      key !== undefined ? parameter[key] : (parameter['resource'] ?? parameter['part'] ?? undefined);
    if (value === undefined) throw new FhirError('value', `The parameter "${name}" has no value.`);
    return [name, value] as const;
  });

/** One parameter of an answer. */
export type Answered = JsonObject & { name: string };

/** Parameters without those that have no value. */
export const parametersOut = (parameters: readonly (Answered | undefined)[]): Resource => ({
  resourceType: 'Parameters',
  parameter: parameters.filter(one => one !== undefined),
});

export const valued = (name: string, type: string, value: Json | undefined): Answered | undefined =>
  value === undefined ? undefined : { name, [`value${type}`]: value };
