// The shape every part of Tsela passes around: a FHIR resource as parsed JSON, without a class per type.
// https://hl7.org/fhir/R4/resource.html
import type { JsonObject } from './json.js';

/** A parsed resource. Numbers whose lexeme a double would change are `Decimal` (fhir/json.ts). */
export type Resource = JsonObject & { resourceType: string };

/** The identity of a resource within a facility: case-sensitive type and id. */
export interface Ref {
  readonly type: string;
  readonly id: string;
}

/** `Type/id`, the literal relative reference. https://hl7.org/fhir/R4/references.html#literal */
export const refKey = (ref: Ref): string => `${ref.type}/${ref.id}`;

/** What a FHIR id may be. https://hl7.org/fhir/R4/datatypes.html#id */
export const idPattern = /^[A-Za-z0-9\-.]{1,64}$/;
