// What a validator says of one element, before it becomes an issue of an OperationOutcome: the contract between the
// walker (walker.ts) and the rules that judge whole resources (rules/). https://hl7.org/fhir/R4/operationoutcome.html
import type { JsonObject } from '../fhir/json.js';

export interface Finding {
  readonly severity: 'error' | 'warning' | 'information';
  /** An issue type: https://hl7.org/fhir/R4/valueset-issue-type.html */
  readonly code: string;
  /** FHIRPath with indexes, `ofType(T)` on choices: `Observation.value.ofType(Quantity).code`. */
  readonly expression: string;
  /** Short, for a person; names the value, the rule, and what is accepted. */
  readonly text: string;
  /** Key of the invariant or stable id of the rule: `dom-3`, `bundle-full-url`. */
  readonly rule?: string;
  /** Canonical of the profile that asks for it. */
  readonly profile?: string;
}

export type Report = (finding: Finding) => void;

/** What a rule may ask of what is around a resource. */
export interface Surroundings {
  /** The resources it is in, the nearest first: the container, the Bundle. */
  readonly holders: readonly JsonObject[];
  /** A definition by type and canonical, as far as known here. */
  readonly find: (type: string, canonical: string) => JsonObject | undefined;
  /** Whether the value set has the code; without a system, in any of its systems. */
  readonly holds: (valueSet: string, system: string | undefined, code: string) => boolean | 'unknown';
}

/** Judges a whole resource by what no StructureDefinition can say. `path` is where it stands: `Bundle.entry[0].resource`. */
export type ResourceRule = (resource: JsonObject, path: string, report: Report, around: Surroundings) => void;
