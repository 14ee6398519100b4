// What a search parameter is to the rest of search, once its expression is typed for one resource type.
// https://hl7.org/fhir/R4/searchparameter.html
import type { SearchParameterDefinition, SearchParameterType } from '../fhir/definitions.js';
import type { FhirPathNode } from '../fhir/fhirpath.js';
import type { JsonObject } from '../fhir/json.js';
import type { TypedPath, TypedTest } from './extract/typed-path.js';
import type { ParameterRow } from './rows.js';

/** The places a composite's tuples are made at, each with its components' paths from there. */
export interface Tuples {
  readonly base: TypedPath;
  readonly components: readonly (readonly TypedPath[])[];
}

export interface Parameter {
  readonly code: string;
  readonly type: SearchParameterType;
  readonly url: string;
  /** Kind of its rows; absent where there are none. */
  readonly kind?: ParameterRow['kind'];
  /** Types its references may lead to; empty unless it is a reference parameter. */
  readonly targets: readonly string[];
  /** Where its values are; empty for composites and conditions. */
  readonly paths: readonly TypedPath[];
  /** For the few that ask a question of the resource, such as Patient's `deceased`. */
  readonly test?: TypedTest;
  /** For expressions outside the grammar: the FHIRPath engine answers the values with their types. */
  readonly evaluate?: (resource: JsonObject) => readonly FhirPathNode[];
  /** Says that the expression names an element that the definitions do not have. */
  readonly nowhere?: string;
  readonly tuples: readonly Tuples[];
  /** The parameters of a composite's components, in order. */
  readonly components: readonly SearchParameterDefinition[];
  /** FHIR types of its elements. */
  readonly elementTypes: ReadonlySet<string>;
  /** Value sets that its codes are bound to. */
  readonly bindings: readonly string[];
}

/** A parameter beside those of the specification, as it applies to one type. */
export interface CustomParameter {
  readonly parameter: Parameter;
  /** The same under the name its rows carry, which no other definition ever had (docs/decisions/0040-custom-parameters.md). */
  readonly rows: Parameter;
  /** Whether the index has it for every resource. Rows are made before that, and for a while after it was given up. */
  readonly state: 'building' | 'ready' | 'retiring';
}

/** Parameters beside those of the specification. Never changes: other parameters are another object. */
export interface CustomParameters {
  /** Higher than that of every set before it. */
  readonly generation: number;
  of(type: string): readonly CustomParameter[];
}
