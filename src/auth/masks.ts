// Elements that a role does not see: taken out of every body on its way out, together with the narrative, which could
// tell them; and the search parameters that would ask for them. https://hl7.org/fhir/R4/security.html#accesscontrol
import { FhirError } from '../errors.js';
import { isObject, parseJson, writeJson, type Json, type JsonObject } from '../fhir/json.js';
import { definitionOf, parametersOf, type CustomParameters, type Parameter } from '../search/parameters.js';
import type { Node, SearchPlan } from '../search/plan.js';
import type { TypedPath, TypedTest } from '../search/extract/typed-path.js';

/** Elements by type: `telecom`, `contact.telecom`, `value[x]`. */
export type Masks = ReadonlyMap<string, readonly string[]>;

export const noMasks: Masks = new Map();

const subsetted = { system: 'http://terminology.hl7.org/CodeSystem/v3-ObservationValue', code: 'SUBSETTED' };

/** The body without what is masked, wherever in it a resource of such a type stands; the same where there is nothing. */
export function maskedBody(body: Uint8Array, masks: Masks): Uint8Array {
  if (masks.size === 0) return body;
  const bytes = Buffer.from(body.buffer, body.byteOffset, body.byteLength);
  if (![...masks.keys()].some(type => bytes.includes(`"${type}"`))) return body;
  const resource = parseJson(body) as JsonObject;
  const left = without(resource, masks) as JsonObject;
  if (left === resource) return body;
  return Buffer.from(writeJson(tagged(left)));
}

function tagged(resource: JsonObject): JsonObject {
  const meta = isObject(resource['meta']) ? resource['meta'] : {};
  const tags = Array.isArray(meta['tag']) ? meta['tag'] : [];
  return { ...resource, meta: { ...meta, tag: [...tags, { ...subsetted }] } };
}

/** The same value where nothing in it is masked. */
function without(value: Json, masks: Masks): Json {
  if (Array.isArray(value)) {
    const items = value.map(item => without(item, masks));
    return items.some((item, i) => item !== value[i]) ? items : value;
  }
  if (!isObject(value)) return value;
  const type = value['resourceType'];
  const elements = typeof type === 'string' ? masks.get(type) : undefined;
  let left: JsonObject = value;
  if (elements !== undefined)
    for (const element of [...elements, 'text']) left = taken(left, element.split('.'));
  for (const name of Object.keys(left)) {
    const inner = without(left[name]!, masks);
    if (inner !== left[name]) left = { ...left, [name]: inner };
  }
  return left;
}

/** The object without the element at the path, its primitive sibling and, for `value[x]`, any of its types. */
function taken(value: JsonObject, [first = '', ...rest]: readonly string[]): JsonObject {
  let left = value;
  for (const name of Object.keys(value)) {
    if (!isNamed(name.replace(/^_/, ''), first)) continue;
    const { [name]: inner, ...others } = left;
    if (rest.length === 0) left = others;
    else if (Array.isArray(inner))
      left = { ...left, [name]: inner.map(item => (isObject(item) ? taken(item, rest) : item)) };
    else if (isObject(inner)) left = { ...left, [name]: taken(inner, rest) };
  }
  return left;
}

const isNamed = (name: string, element: string): boolean =>
  element.endsWith('[x]')
    ? name.startsWith(element.slice(0, -3)) && /^(?:$|[A-Z])/.test(name.slice(element.length - 3))
    : name === element;

/**
 * @throws FhirError `forbidden` where the plan asks for what is masked: by a criterion, a chain, the other way round, a
 * sort, or the words of a whole resource
 */
export function checkMasks(plan: SearchPlan, masks: Masks, custom: CustomParameters | undefined): void {
  if (masks.size === 0) return;
  const check = (types: readonly string[], param: string): void => {
    const [code = ''] = param.split(/[:#]/);
    const type = types.find(one => isMasked(one, code, masks.get(one), custom));
    if (type !== undefined)
      throw new FhirError('forbidden', `You may not search or sort ${type} by "${code}".`);
  };
  const walk = (node: Node, types: readonly string[]): void => {
    switch (node.op) {
      case 'and':
      case 'or':
        for (const one of node.nodes) walk(one, types);
        return;
      case 'not':
        return walk(node.node, types);
      case 'row':
        return check(types, node.param);
      case 'link':
        check(types, node.param);
        return walk(node.node, node.types);
      case 'backlink':
        check([node.type], node.param);
        return walk(node.node, [node.type]);
      case 'all':
      case 'none':
    }
  };
  walk(plan.where, plan.types);
  for (const { param } of plan.sort) check(plan.types, param);
}

const openParameters = new Set(['_id', '_type', '_lastUpdated', '_tag', '_security', '_profile', '_source']);

/** Whether rows of this code could tell of a masked element of the type. What is not understood is masked. */
function isMasked(
  type: string,
  code: string,
  elements: readonly string[] | undefined,
  custom: CustomParameters | undefined,
): boolean {
  if (elements === undefined || openParameters.has(code)) return false;
  const parameter =
    custom?.of(type).find(({ rows }) => rows.code === code)?.rows ?? parametersOf(type, custom).get(code);
  if (parameter === undefined) return code.startsWith('_'); // the words of a whole resource; else the type has no such rows
  const names = elementsOf(parameter);
  if (names === undefined) {
    const expression = definitionOf(parameter.url)?.expression;
    return expression === undefined || elements.some(one => expression.includes(one.split('.')[0]!.replace('[x]', ''))); // prettier-ignore
  }
  return elements.some(element => names.some(path => meets(element.split('.'), path)));
}

/** One is within the other. */
const meets = (element: readonly string[], path: readonly string[]): boolean =>
  element.every((name, i) => path[i] === undefined || isNamed(path[i], name));

/** JSON paths that the parameter looks at; undefined where they cannot be told. */
function elementsOf(parameter: Parameter): readonly (readonly string[])[] | undefined {
  if (parameter.evaluate !== undefined) return undefined;
  const paths: (readonly string[])[] = [];
  const add = (path: TypedPath, before: readonly string[]): void => {
    let at = [...before];
    for (const move of path.moves) {
      if (move.move === 'resource') at = [];
      else if (move.move === 'get') at.push(move.property);
      else addTest(move.test, at);
    }
    paths.push(at);
  };
  const addTest = (test: TypedTest, before: readonly string[]): void => {
    if ('of' in test) for (const one of test.of) addTest(one, before);
    else if ('paths' in test) for (const path of test.paths) add(path, before);
  };
  for (const path of parameter.paths) add(path, []);
  if (parameter.test !== undefined) addTest(parameter.test, []);
  for (const { base, components } of parameter.tuples) {
    add(base, []);
    const at = base.moves.flatMap(move => (move.move === 'get' ? [move.property] : []));
    for (const path of components.flat()) add(path, at);
  }
  return paths;
}
