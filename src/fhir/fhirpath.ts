// The FHIRPath engine, fhirpath.js, behind two functions; nothing else imports it. https://hl7.org/fhir/R4/fhirpath.html
// Loaded at the first use, because a server that answers reads and plain searches never needs it.
import { createRequire } from 'node:module';
import { FhirError } from '../errors.js';
import { Decimal, isObject, type Json, type JsonObject } from './json.js';

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

/** What a patch or another expression of a client may do: go to elements, and choose among them, in bounded time. */
const navigation: ReadonlySet<string> = new Set(
  (
    'where exists empty not all any first last tail single skip take as ofType is extension hasValue count ' +
    'startsWith endsWith contains upper lower length'
  ).split(' '),
);

/** Characters a client's expression may have: the engine's parser takes time that grows with more than their square. */
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
  const { fhirpath, model } = engine();
  const refuse = (why: string, reason?: unknown): never => {
    // The engine's errors carry its whole parser; only the text of what it could not read may reach a log.
    const cause = reason instanceof Error ? new Error(reason.message) : undefined;
    throw new FhirError('value', `The FHIRPath "${expression.slice(0, 200)}" ${why}.`, { cause });
  };
  if (from === 'client' && expression.length > longest) return refuse('is too long');
  // Narrative.div is named like an operator; FHIR's own pages write it without the backticks FHIRPath asks for.
  const text = expression.replace(/'(?:\\.|[^'\\])*'|\.div\b/g, part => (part === '.div' ? '.`div`' : part));
  let run: Evaluate;
  try {
    if (from === 'client') {
      const foreign = notNavigation(fhirpath.parse(text));
      if (foreign !== undefined) refuse(`uses ${foreign}, which is not allowed here`);
    }
    run = fhirpath.compile(base === undefined ? text : { base, expression: text }, model, {
      resolveInternalTypes: false,
      traceFn: () => undefined,
    });
  } catch (cause) {
    if (cause instanceof FhirError) throw cause;
    return refuse('is not an expression', cause);
  }
  return value => {
    try {
      const resource = plain(value);
      const results = run(resource, { resource, rootResource: resource });
      const types = fhirpath.types(results);
      return results.map((result, i) => nodeOf(result, types[i]!, value));
    } catch {
      return refuse('cannot be evaluated on this'); // the engine's words would quote the resource
    }
  };
}

interface ResourceNode {
  readonly parentResNode: ResourceNode | null;
  readonly propName: string | null | undefined;
  readonly index: number | null | undefined;
  readonly fhirNodeDataType: string | null | undefined;
  readonly data: unknown;
}
interface Ast {
  readonly type: string;
  readonly text?: string;
  readonly children?: readonly Ast[];
}
type Evaluate = (value: unknown, variables: Record<string, unknown>) => unknown[];
interface Engine {
  readonly fhirpath: {
    parse(expression: string): Ast;
    compile(path: string | { base: string; expression: string }, model: unknown, options: object): Evaluate;
    types(results: unknown[]): string[];
  };
  readonly model: unknown;
}

let loaded: Engine | undefined;
function engine(): Engine {
  const require = createRequire(import.meta.url);
  loaded ??= {
    fhirpath: require('fhirpath') as Engine['fhirpath'],
    model: require('fhirpath/fhir-context/r4') as unknown,
  };
  return loaded;
}

/** What in an expression is more than navigation: variables, and functions that compute, recurse or match patterns. */
function notNavigation(ast: Ast): string | undefined {
  if (ast.type === 'Functn' && !navigation.has(ast.text ?? '')) return `${ast.text ?? ''}()`;
  if (ast.type === 'ExternalConstantTerm') return 'a variable';
  for (const child of ast.children ?? []) {
    const found = notNavigation(child);
    if (found !== undefined) return found;
  }
  return undefined;
}

/** The value with plain numbers in place of Decimals, as the engine knows only those; the same object if it has none. */
function plain(value: Json): Json {
  if (value instanceof Decimal) return Number(value);
  if (Array.isArray(value)) {
    const items = value.map(plain);
    return items.some((item, i) => item !== value[i]) ? items : value;
  }
  if (!isObject(value)) return value;
  let copy: JsonObject | undefined;
  for (const name in value) {
    const item = plain(value[name]!);
    if (item !== value[name]) (copy ??= { ...value })[name] = item;
  }
  return copy ?? value;
}

const isResourceNode = (result: unknown): result is ResourceNode =>
  typeof result === 'object' && result !== null && 'parentResNode' in result;

function nodeOf(result: unknown, type: string, root: JsonObject): FhirPathNode {
  const [namespace, name = ''] = type.split('.');
  const fhirType =
    namespace === 'FHIR' || name === 'Quantity' ? name : name.charAt(0).toLowerCase() + name.slice(1);
  if (isResourceNode(result)) {
    const path = pathOf(result, root);
    if (path !== undefined) return { value: valueAt(root, path)!, type: fhirType, path };
    return { value: result.data as Json, type: fhirType };
  }
  if (typeof result === 'boolean' || typeof result === 'number' || typeof result === 'string') {
    return { value: result, type: fhirType };
  }
  // The engine's own decimals, dates and quantities.
  const text = String(result);
  return { value: fhirType === 'decimal' || fhirType === 'integer' ? Number(text) : text, type: fhirType };
}

function pathOf(node: ResourceNode, root: JsonObject): JsonPath | undefined {
  const steps: ResourceNode[] = [];
  let step: ResourceNode = node;
  for (; step.parentResNode !== null; step = step.parentResNode) steps.unshift(step);
  const path: (string | number)[] = [];
  for (const { propName, index, fhirNodeDataType } of steps) {
    let parent = valueAt(root, path);
    if (parent === undefined) return undefined;
    if (!isObject(parent)) {
      // Below a primitive, whose children are in its sibling.
      const name = path.findLastIndex(part => typeof part === 'string');
      path[name] = `_${path[name]!}`;
      parent = valueAt(root, path);
      if (!isObject(parent)) return undefined;
    }
    const stem = propName ?? '';
    const ofType =
      stem + (fhirNodeDataType ?? '').charAt(0).toUpperCase() + (fhirNodeDataType ?? '').slice(1);
    const name = [stem, ofType].find(
      candidate => Object.hasOwn(parent, candidate) || Object.hasOwn(parent, `_${candidate}`),
    );
    if (name === undefined) return undefined;
    path.push(name);
    if (typeof index === 'number') path.push(index);
  }
  return valueAt(root, path) === undefined ? undefined : path;
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
