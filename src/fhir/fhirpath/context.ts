// What an evaluation knows besides the focus: the resources around it, its variables, its ports, and how much it may
// still do. https://hl7.org/fhir/R4/fhirpath.html#variables
import type { Json, JsonObject } from '../json.js';
import { FhirPathError } from './fhirpath-error.js';
import type { Node } from './node.js';
import type { Item, Items } from './values.js';

/** What an expression may ask of the world; undefined is unknown. */
export interface FhirPathPorts {
  /** The resource a literal reference in `from` leads to. */
  readonly resolve?: (reference: string, from: JsonObject) => JsonObject | undefined;
  readonly memberOf?: (value: Json, type: string, valueSet: string) => boolean | undefined;
  readonly conformsTo?: (value: Json, profile: string) => boolean | undefined;
  /** What all evaluations that share it may still do, in items touched. */
  readonly allowance?: { steps: number };
  /** More of %name: strings, numbers, booleans or resources. */
  readonly variables?: Readonly<Record<string, Json>>;
}

/** Items an evaluation may touch: a whole bundle's descendants many times over, and still well under a second. */
const steps = 2_000_000;
/** Characters of a text an expression may make. */
const longestText = 1_000_000;

export interface Context {
  readonly resource: Node;
  readonly rootResource: Node;
  readonly context: Items;
  readonly ports: FhirPathPorts;
  readonly now: number;
  self: Items;
  index: number;
  total: Items;
  variables: ReadonlyMap<string, Items> | undefined;
  budget: number;
}

export const newContext = (
  focus: Item,
  resource: Node,
  rootResource: Node,
  ports: FhirPathPorts,
): Context => ({
  resource,
  rootResource,
  context: [focus],
  ports,
  now: Date.now(),
  self: [focus],
  index: 0,
  total: [],
  variables: undefined,
  budget: Math.min(steps, ports.allowance?.steps ?? steps),
});

/** Takes what the evaluation did off the allowance it shares. */
export function settle({ budget, ports }: Context): void {
  const { allowance } = ports;
  if (allowance !== undefined) allowance.steps -= Math.min(steps, allowance.steps) - Math.max(0, budget);
}

/** @throws FhirPathError once the evaluation has touched more than it may. */
export function spend(context: Context, count: number): void {
  if ((context.budget -= count) < 0) throw new FhirPathError('takes too long on this');
}

export function bounded(text: string, context: Context): string {
  if (text.length > longestText) throw new FhirPathError('makes too long a text');
  spend(context, text.length >> 6);
  return text;
}
