// A StructureDefinition as others send it: with a snapshot, a differential, or both.
// https://hl7.org/fhir/R4/structuredefinition.html
import type { ElementDefinition, StructureDefinition } from '../fhir/definitions.js';

export interface Structure extends Omit<StructureDefinition, 'snapshot' | 'resourceType' | 'id' | 'name'> {
  readonly version?: string;
  readonly name?: string;
  readonly snapshot?: { readonly element: readonly ElementDefinition[] };
  readonly differential?: { readonly element: readonly ElementDefinition[] };
}

/** Finds the StructureDefinition of a canonical, `url` or `url|version`, beyond R4's own; undefined where it is not known. */
export type FindStructure = (canonical: string) => Structure | undefined;
