// FHIRPath for patches and search parameters: the engine (fhirpath/) behind two functions that answer JSON, its type and
// its place, and fail as FhirError. https://hl7.org/fhir/R4/fhirpath.html
import { FhirError } from '../errors.js';
import { FhirPathError } from './fhirpath/fhirpath-error.js';
import type { Ast } from './fhirpath/ast.js';
import { compileExpression, type Compiled } from './fhirpath/engine.js';
import { Fixed } from './fhirpath/fixed.js';
import { Node } from './fhirpath/node.js';
import { typeInfoOf, type Item } from './fhirpath/values.js';
import { isObject, type Json, type JsonObject } from './json.js';

/** Names and places that lead from a resource to a value in its JSON: `['name', 0, 'given', 1]`. */
export type JsonPath = readonly (string | number)[];

export interface FhirPathNode {
  /** JSON of the resource as it is there, or what the expression computed. */
  readonly value: Json;
  /** FHIR's name of the type: `Quantity`, `dateTime`, `string`. */
  readonly type: string;
  /** Where the value is in the resource; absent for what was computed. */
  readonly path?: JsonPath;
}

/** What a patch or another expression of a client may do: go to elements, and choose among them. */
const navigation: ReadonlySet<string> = new Set(
  (
    'where exists empty not all any first last tail single skip take as ofType is extension hasValue count ' +
    'startsWith endsWith contains upper lower length'
  ).split(' '),
);

/** Characters a client's expression may have; no real one comes near. */
const longest = 500;

/**
 * @param base what the expression is relative to where that is not a resource: `Observation.component`.
 * @returns a function that answers the JSON values the expression selects or computes.
 * @throws FhirError `value` for what is not FHIRPath; so does the function where it cannot be evaluated.
 */
export function compileFhirPath(expression: string, base?: string): (value: JsonObject) => Json[] {
  const nodes = compileFhirPathNodes(expression, base === undefined ? {} : { base });
  return value => nodes(value).map(node => node.value);
}

type Nodes = (value: JsonObject) => FhirPathNode[];
const compiled = new Map<string, Nodes>();

/** As compileFhirPath, with type and place of each. `from: 'client'` refuses all but navigation. */
export function compileFhirPathNodes(
  expression: string,
  { base, from }: { base?: string; from?: 'client' } = {},
): Nodes {
  const key = JSON.stringify([expression, base, from]);
  let nodes = compiled.get(key);
  if (nodes === undefined) {
    nodes = compile(expression, base, from);
    if (compiled.size >= 1000) compiled.clear();
    compiled.set(key, nodes);
  }
  return nodes;
}

function compile(expression: string, base: string | undefined, from: 'client' | undefined): Nodes {
  const refuse = (why: string): never => {
    throw new FhirError('value', `The FHIRPath "${expression.slice(0, 200)}" ${why}.`);
  };
  if (from === 'client' && expression.length > longest) return refuse('is too long');
  let engine: Compiled;
  try {
    engine = compileExpression(expression);
  } catch (error) {
    if (!(error instanceof FhirPathError)) throw error;
    return refuse(`is not an expression: it ${error.message}`);
  }
  const foreign = from === 'client' ? notNavigation(engine.ast) : undefined;
  if (foreign !== undefined) refuse(`uses ${foreign}, which is not allowed here`);
  return value => {
    try {
      return engine.run({ value, type: base, resource: value, rootResource: value }).map(nodeOf);
    } catch (error) {
      if (!(error instanceof FhirPathError)) throw error;
      return refuse('cannot be evaluated on this');
    }
  };
}

/** What in an expression is more than navigation: variables, and functions that compute, recurse or match patterns. */
function notNavigation(ast: Ast): string | undefined {
  switch (ast.kind) {
    case 'variable':
      return 'a variable';
    case 'literal':
    case '$this':
    case '$index':
    case '$total':
      return undefined;
    case 'member':
      return ast.of && notNavigation(ast.of);
    case 'call':
      if (!navigation.has(ast.name)) return `${ast.name}()`;
      return [...(ast.of === undefined ? [] : [ast.of]), ...ast.args]
        .map(notNavigation)
        .find(each => each !== undefined);
    case 'at':
      return notNavigation(ast.of) ?? notNavigation(ast.index);
    case 'operator':
      return notNavigation(ast.left) ?? notNavigation(ast.right);
    case 'sign':
    case 'is':
    case 'as':
      return notNavigation(ast.of);
  }
}

function nodeOf(item: Item): FhirPathNode {
  const { name, namespace } = typeInfoOf(item);
  if (item instanceof Node) {
    // A primitive with nothing but extensions has no value to lead to.
    return item.value === undefined
      ? { value: null, type: name }
      : { value: item.value, type: name, path: item.path };
  }
  const type =
    namespace === 'FHIR' || name === 'Quantity' ? name : name.charAt(0).toLowerCase() + name.slice(1);
  if (typeof item === 'boolean' || typeof item === 'number' || typeof item === 'string') {
    return { value: item, type };
  }
  return { value: item instanceof Fixed ? item.toNumber() : String(item), type };
}

/** The value a path leads to, if it leads anywhere. */
export function valueAt(root: Json, path: JsonPath): Json | undefined {
  let value: Json | undefined = root;
  for (const step of path) {
    if (typeof step === 'number') value = Array.isArray(value) ? value[step] : undefined;
    else value = isObject(value) && Object.hasOwn(value, step) ? value[step] : undefined;
  }
  return value;
}
