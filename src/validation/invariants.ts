// Constraints of definitions and profiles, compiled once and judged at each element they stand on.
// https://hl7.org/fhir/R4/conformance-rules.html#constraints, https://hl7.org/fhir/R4/fhirpath.html
// A constraint must be true: false and nothing are findings; one that cannot be evaluated is a warning, one whose
// outcome depends on what is not known here is none.
import type { Constraint } from '../fhir/definitions.js';
import { compileExpression, type Compiled } from '../fhir/fhirpath/engine.js';
import { FhirPathError, Unknown } from '../fhir/fhirpath/fhirpath-error.js';
import { checkFhirPath } from '../fhir/fhirpath/check.js';
import type { Json, JsonObject } from '../fhir/json.js';
import type { Report } from './finding.js';
import { nativeInvariant } from './native-invariants.js';

/** The element a constraint is judged on. */
export interface InvariantFocus {
  /** Its JSON; undefined where a primitive has only a `_x`. */
  readonly value: Json | undefined;
  /** Of a primitive, its `_x`. */
  readonly extra?: JsonObject | undefined;
  /** `Patient`, `HumanName`, `code`; of what has no type of its own its place in the definition: `Patient.contact`. */
  readonly type: string;
  /** The nearest resource around it, `%resource`: of what is contained, the contained one. */
  readonly resource: JsonObject;
  /** What contains `resource`, or `resource` itself where nothing does: `%rootResource`. */
  readonly rootResource: JsonObject;
  /** Where it stands, for the finding: `Patient.contact[0]`. */
  readonly path: string;
}

/** What constraints may ask of the world; each may say undefined for unknown, which no constraint fails on. */
export interface InvariantPorts {
  /** The resource a literal reference in `from` leads to; references to what is contained are not asked for. */
  readonly resolve?: (reference: string, from: JsonObject) => JsonObject | undefined;
  /** Whether a code, Coding or CodeableConcept is in the value set. */
  readonly memberOf?: (value: Json, type: string, valueSet: string) => boolean | undefined;
  /** Whether the element conforms to the profile. */
  readonly conformsTo?: (value: Json, profile: string) => boolean | undefined;
  /** What all constraints of one validation may still do, in items touched. */
  readonly allowance?: { steps: number };
}

export type CheckInvariants = (focus: InvariantFocus, ports: InvariantPorts, report: Report) => void;

const compiled = new Map<string, Compiled | string>();
const kept = 5000;

/** The expression compiled, or what is wrong with it. */
function expressionOf(text: string): Compiled | string {
  let known = compiled.get(text);
  if (known === undefined) {
    try {
      known = compileExpression(text);
    } catch (error) {
      if (!(error instanceof FhirPathError)) throw error;
      known = error.message;
    }
    if (compiled.size >= kept) compiled.clear();
    compiled.set(text, known);
  }
  return known;
}

const shown = (expression: string): string =>
  expression.length > 300 ? `${expression.slice(0, 300)}…` : expression;

/** What a finding says of a constraint that does not hold. */
export const brokenText = ({ key, human, expression = '' }: Constraint): string =>
  `${key}: ${human} [${shown(expression)}]`;

/** `profile` is named in the findings; constraints without an expression are passed over. */
export function compileInvariants(constraints: readonly Constraint[], profile?: string): CheckInvariants {
  const checks = constraints.flatMap(constraint => {
    const { expression } = constraint;
    // What a narrative breaks is said in full by rules/narrative.ts.
    if (expression === undefined || expression === 'htmlChecks()') return [];
    const native = nativeInvariant(constraint);
    return [{ constraint, native, engine: native === undefined ? expressionOf(expression) : '' }];
  });
  return (focus, ports, report) => {
    for (const { constraint, native, engine } of checks) {
      if (native !== undefined) {
        if (!native(focus.value, focus.resource, focus.rootResource))
          report(broken(constraint, focus, profile));
        continue;
      }
      if (typeof engine === 'string') {
        report(unjudged(constraint, focus, profile, engine));
        continue;
      }
      try {
        if (engine.holds(focus, ports) !== true) report(broken(constraint, focus, profile));
      } catch (error) {
        if (!(error instanceof FhirPathError)) throw error;
        if (!(error instanceof Unknown)) report(unjudged(constraint, focus, profile, error.message));
      }
    }
  };
}

const broken = (constraint: Constraint, { path }: InvariantFocus, profile: string | undefined) => ({
  severity: constraint.severity,
  code: 'invariant',
  expression: path,
  rule: constraint.key,
  text: brokenText(constraint),
  ...(profile === undefined ? {} : { profile }),
});

const unjudged = (
  { key, expression = '' }: Constraint,
  { path }: InvariantFocus,
  profile: string | undefined,
  why: string,
) => ({
  severity: 'warning' as const,
  code: 'exception',
  expression: path,
  rule: key,
  text: `${key} could not be judged: the expression ${why} [${shown(expression)}]`,
  ...(profile === undefined ? {} : { profile }),
});

/** What is wrong with an expression on a type, without evaluating it; undefined if nothing is seen. */
export function expressionProblem(expression: string, type: string): string | undefined {
  try {
    checkFhirPath(expression, type);
    return undefined;
  } catch (error) {
    if (error instanceof FhirPathError) return error.message;
    throw error;
  }
}
