// Constraints of definitions and profiles, compiled once and judged at each element they stand on.
// https://hl7.org/fhir/R4/conformance-rules.html#constraints, https://hl7.org/fhir/R4/fhirpath.html
// A constraint must be true: false and nothing are findings; one that cannot be evaluated is a warning.
import { FhirError } from '../errors.js';
import type { Constraint } from '../fhir/definitions.js';
import { compileFhirPath } from '../fhir/fhirpath.js';
import { isObject, type Json, type JsonObject } from '../fhir/json.js';
import type { Report } from './finding.js';

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
  /** The resource a literal reference in `from` leads to, contained ones included. */
  readonly resolve?: (reference: string, from: JsonObject) => JsonObject | undefined;
  /** Whether a code, Coding or CodeableConcept is in the value set. */
  readonly memberOf?: (value: Json, type: string, valueSet: string) => boolean | undefined;
  /** Whether the element conforms to the profile. */
  readonly conformsTo?: (value: Json, profile: string) => boolean | undefined;
}

export type CheckInvariants = (focus: InvariantFocus, ports: InvariantPorts, report: Report) => void;

/** `profile` is named in the findings; constraints without an expression are passed over. */
export function compileInvariants(constraints: readonly Constraint[], profile?: string): CheckInvariants {
  const checks = constraints.flatMap(({ key, severity, human, expression }) =>
    expression === undefined ? [] : [{ key, severity, human, expression }],
  );
  return (focus, _ports, report) => {
    for (const { key, severity, human, expression } of checks) {
      const found = { code: 'invariant', expression: focus.path, rule: key, ...(profile && { profile }) };
      try {
        if (!isObject(focus.value)) continue;
        const [first, ...more] = compileFhirPath(expression, focus.type)(focus.value);
        if (first === true && more.length === 0) continue;
        report({ ...found, severity, text: `${key}: ${human}` });
      } catch (error) {
        if (!(error instanceof FhirError)) throw error;
        report({ ...found, severity: 'warning', text: `${key} cannot be evaluated: ${human}` });
      }
    }
  };
}
