// FHIRPath of our own: an expression compiled to closures, run on an element. https://hl7.org/fhir/R4/fhirpath.html
import type { Json, JsonObject } from '../json.js';
import type { Ast } from './ast.js';
import type { Truth } from './closure.js';
import { compileRun, compileTruth } from './compile.js';
import { newContext, settle, type FhirPathPorts } from './context.js';
import { FhirPathError } from './fhirpath-error.js';
import { kindOf } from './kind.js';
import { Node, rootNode } from './node.js';
import { parseFhirPath } from './parse.js';
import type { Items } from './values.js';

/** The element an expression is evaluated on. */
export interface Place {
  /** Its JSON; undefined where a primitive has only a `_x`. */
  readonly value: Json | undefined;
  /** Of a primitive, its `_x`. */
  readonly extra?: JsonObject | undefined;
  /** `Patient`, `HumanName`, `Patient.contact`; of a resource not needed. */
  readonly type?: string | undefined;
  /** %resource and %rootResource; the element itself where they are absent. */
  readonly resource?: JsonObject;
  readonly rootResource?: JsonObject;
}

export interface Compiled {
  readonly ast: Ast;
  /** @throws FhirPathError where it cannot be evaluated on this. */
  run(place: Place, ports?: FhirPathPorts): Items;
  /** As a condition; undefined where it is empty. @throws FhirPathError */
  holds(place: Place, ports?: FhirPathPorts): boolean | undefined;
}

const roots = new WeakMap<JsonObject, Node>();
/** Nodes of resources are kept while the resource is: many constraints ask for the same one. */
function nodeOfResource(resource: JsonObject): Node {
  let node = roots.get(resource);
  if (node === undefined) {
    node = rootNode(resource);
    roots.set(resource, node);
  }
  return node;
}

const none: FhirPathPorts = {};

/** @throws FhirPathError for what is no expression. */
export function compileExpression(text: string): Compiled {
  const ast = parseFhirPath(text);
  // Functions and types are looked up now, so that what they lack is said now.
  const run = compileRun(ast);
  let truth: Truth | undefined;
  const start = ({ value, extra, type, resource, rootResource }: Place, ports: FhirPathPorts) => {
    const focus = rootNode(value, type, extra);
    const around = resource === undefined ? focus : resource === value ? focus : nodeOfResource(resource);
    const root =
      rootResource === undefined || rootResource === resource ? around : nodeOfResource(rootResource);
    return newContext(focus, around, root, ports);
  };
  return {
    ast,
    run(place, ports = none) {
      const context = start(place, ports);
      try {
        return run(context.self, context);
      } finally {
        settle(context);
      }
    },
    holds(place, ports = none) {
      const context = start(place, ports);
      truth ??= compileTruth(ast);
      try {
        return truth(context.self, context);
      } finally {
        settle(context);
      }
    },
  };
}

/** Whether a condition holds on an element of the resource; undefined where it is empty or cannot be evaluated. */
export type Condition = (
  value: Json | undefined,
  extra: JsonObject | undefined,
  resource: JsonObject,
  rootResource: JsonObject,
) => boolean | undefined;

const withoutWorld: FhirPathPorts = { resolve: () => undefined };

/**
 * A condition on elements of one type, in an evaluation that is set up once per resource. References lead nowhere.
 * @throws FhirPathError for what is no expression, or a type R4 lacks.
 */
export function compileCondition(text: string, type: string): Condition {
  const truth = compileTruth(parseFhirPath(text));
  const kind = kindOf(type);
  if (kind === undefined) throw new FhirPathError(`is for ${type}, which R4 does not have`);
  return (value, extra, resource, rootResource) => {
    const focus = new Node(value, extra, kind, undefined, '', -1);
    const around = resource === value ? focus : nodeOfResource(resource);
    const root = rootResource === resource ? around : nodeOfResource(rootResource);
    const context = newContext(focus, around, root, withoutWorld);
    try {
      return truth(context.self, context);
    } catch (error) {
      if (error instanceof FhirPathError) return undefined;
      throw error;
    }
  };
}
