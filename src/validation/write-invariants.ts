// R4's own constraints of severity error, on every write after the gate. https://hl7.org/fhir/R4/validation.html
// One plan per shape says which properties lead to constraints; the walk goes nowhere else. Nothing is made for what is
// right: places are found by a second walk over what is not.
// Surprising: what has no outcome passes here, because a write is refused only for what is certainly wrong; $validate
// (invariants.ts) holds that a constraint must be true.
import { FhirError, type Issue } from '../errors.js';
import { structureDefinition, type Constraint, type ElementDefinition } from '../fhir/definitions.js';
import { compileCondition, type Condition } from '../fhir/fhirpath/engine.js';
import { isObject, type Json, type JsonObject } from '../fhir/json.js';
import type { Resource } from '../fhir/resource.js';
import { shapeOf, type Property, type Shape } from '../fhir/shape.js';
import { corrected } from './errata.js';
import { brokenText } from './invariants.js';
import { nativeInvariant, quickInvariant, type NativeInvariant } from './native-invariants.js';

interface Check {
  readonly constraint: Constraint;
  /** Where it answers true, that is all there is to know. */
  readonly native: NativeInvariant | undefined;
  /** Where there is none, `native` decides. */
  readonly condition: Condition | undefined;
}

class PropertyPlan {
  readonly isResource: boolean;
  readonly isContained: boolean;
  /** Where a primitive has its id and extensions; only what is judged needs them. */
  readonly extra: string | undefined;
  #within: Plan | undefined;

  constructor(
    readonly property: Property,
    readonly checks: readonly Check[],
  ) {
    const { name, type, primitive } = property;
    this.isResource = type === 'Resource';
    this.isContained = name === 'contained';
    this.extra = primitive && checks.length > 0 ? `_${name}` : undefined;
  }

  /** Of what is within; undefined for primitives. */
  get within(): Plan | undefined {
    if (this.property.primitive) return undefined;
    return (this.#within ??= planOf(this.property.shape()));
  }
}
type Plan = ReadonlyMap<string, PropertyPlan>;

interface Walk {
  readonly resource: JsonObject;
  readonly rootResource: JsonObject;
  /** Undefined while nobody asks where. */
  readonly found: Issue[] | undefined;
}

/** Constraints on the way to every element: judged by the walk itself, or by the gate. */
const everywhere: ReadonlySet<string> = new Set(['ele-1']);
const mostIssues = 100;

const checksOf = (constraints: readonly Constraint[], type: string): readonly Check[] =>
  constraints
    .filter(
      ({ key, severity, expression }) =>
        severity === 'error' && expression !== undefined && !everywhere.has(key),
    )
    .map(corrected)
    .map(constraint => {
      const native = nativeInvariant(constraint);
      if (native !== undefined) return { constraint, native, condition: undefined };
      const condition = compileCondition(constraint.expression!, type);
      return { constraint, native: quickInvariant(constraint), condition };
    });

const plans = new WeakMap<Shape, Plan>();
const elements = new Map<string, ReadonlyMap<string, ElementDefinition>>();

/** The elements of a type by path, choices without [x]. */
function elementsOf(type: string): ReadonlyMap<string, ElementDefinition> {
  let known = elements.get(type);
  if (known === undefined) {
    const list = structureDefinition(type)?.snapshot.element ?? [];
    known = new Map(list.map(element => [element.path.replace(/\[x\]$/, ''), element]));
    elements.set(type, known);
  }
  return known;
}

const rootConstraints = (type: string): readonly Constraint[] =>
  structureDefinition(type)?.snapshot.element[0]?.constraint ?? [];

function planOf(shape: Shape): Plan {
  let plan = plans.get(shape);
  if (plan === undefined) {
    const made = new Map<string, PropertyPlan>();
    plans.set(shape, made);
    plan = made;
    const defined = elementsOf(shape.path.split('.', 1)[0]!);
    for (const property of shape.properties.values()) {
      const { name, type, primitive, path } = property;
      const element = defined.get(path);
      const place = type === 'BackboneElement' || type === 'Element' ? path : type;
      const own = new Map<string, Constraint>();
      for (const one of [element, defined.get(element?.contentReference?.slice(1) ?? '')])
        for (const constraint of one?.constraint ?? []) own.set(constraint.key, constraint);
      if (!primitive && type !== 'Resource') {
        const profiles = element?.type?.find(({ code }) => code === type)?.profile ?? [];
        for (const constraint of rootConstraints(type)) own.set(constraint.key, constraint);
        // One profile is asked of every value; of several, any may be meant.
        for (const profile of profiles.length === 1 ? profiles : [])
          for (const constraint of rootConstraints(profile)) own.set(constraint.key, constraint);
      }
      const checks = checksOf([...own.values()], place);
      if (primitive && checks.length === 0) continue;
      made.set(name, new PropertyPlan(property, checks));
    }
    made.delete('resourceType');
  }
  return plan;
}

const resourceChecks = new Map<string, readonly Check[]>();
function checksOfResource(type: string): readonly Check[] {
  let checks = resourceChecks.get(type);
  if (checks === undefined) {
    checks = checksOf(rootConstraints(type), type);
    resourceChecks.set(type, checks);
  }
  return checks;
}

/** True if everything holds; where `walk.found` is given, all that does not is added to it. */
function judgeResource(
  resource: JsonObject,
  rootResource: JsonObject,
  found: Issue[] | undefined,
  path: string,
): boolean {
  const { resourceType } = resource;
  if (typeof resourceType !== 'string') return true;
  const walk: Walk = { resource, rootResource, found };
  const here = judge(resource, undefined, checksOfResource(resourceType), walk, path);
  if (!here && found === undefined) return false;
  return judgeWithin(resource, planOf(shapeOf(resourceType)), walk, path) && here;
}

function judge(
  value: Json | undefined,
  extra: Json | undefined,
  checks: readonly Check[],
  walk: Walk,
  path: string,
): boolean {
  let holds = true;
  for (const { constraint, native, condition } of checks) {
    if (native?.(value, walk.resource, walk.rootResource) === true) continue;
    const within = isObject(extra) ? extra : undefined;
    if (condition !== undefined && condition(value, within, walk.resource, walk.rootResource) !== false)
      continue;
    if (walk.found === undefined) return false;
    holds = false;
    add(walk, { severity: 'error', code: 'invariant', text: brokenText(constraint), expression: path });
  }
  return holds;
}

const add = ({ found }: Walk, issue: Issue): void => {
  if (found!.length < mostIssues) found!.push(issue);
};

function judgeWithin(object: JsonObject, plan: Plan, walk: Walk, path: string): boolean {
  let holds = true;
  let own = 0;
  for (const name in object) {
    if (name !== 'id') own++;
    const planned = plan.get(name);
    if (planned === undefined) continue;
    const value = object[name]!;
    if (!Array.isArray(value)) {
      const place = walk.found === undefined ? '' : `${path}.${name}`;
      const extra = planned.extra === undefined ? undefined : object[planned.extra];
      if (!judgeItem(value, extra, planned, walk, place)) holds = false;
    } else {
      for (let i = 0; i < value.length; i++) {
        const place = walk.found === undefined ? '' : `${path}.${name}[${i}]`;
        if (!judgeItem(value[i]!, undefined, planned, walk, place)) holds = false;
      }
    }
    if (!holds && walk.found === undefined) return false;
  }
  if (own === 0) {
    if (walk.found !== undefined)
      add(walk, {
        severity: 'error',
        code: 'invariant',
        text: 'ele-1: All FHIR elements must have a @value or children [an id alone is neither]',
        expression: path,
      });
    return false;
  }
  return holds;
}

function judgeItem(
  value: Json,
  extra: Json | undefined,
  planned: PropertyPlan,
  walk: Walk,
  path: string,
): boolean {
  const { checks } = planned;
  if (planned.isResource) {
    if (!isObject(value)) return true;
    return judgeResource(value, planned.isContained ? walk.rootResource : value, walk.found, path);
  }
  if (value === null) return true;
  const here = checks.length === 0 || judge(value, extra, checks, walk, path);
  if (!isObject(value) || (!here && walk.found === undefined)) return here;
  const { within } = planned;
  return within === undefined ? here : judgeWithin(value, within, walk, path) && here;
}

/** Which of R4's constraints the resource, or a resource within it, breaks; at most 100 issues, [] if none. */
export function brokenInvariants(resource: Resource): readonly Issue[] {
  if (judgeResource(resource, resource, undefined, '')) return [];
  const found: Issue[] = [];
  judgeResource(resource, resource, found, resource.resourceType);
  return found;
}

/** @throws FhirError `invariant` (422) with all issues of `brokenInvariants`, where there are any. */
export function checkWriteInvariants(resource: Resource): void {
  const issues = brokenInvariants(resource);
  const [first] = issues;
  if (first === undefined) return;
  const message = issues.length === 1 ? first.text : `${first.text} (and ${issues.length - 1} more)`;
  throw new FhirError('invariant', message, { expression: first.expression, issues });
}
