// Which search parameters put a resource into a compartment. https://hl7.org/fhir/R4/compartmentdefinition.html
// Surprising why: the resource that a compartment is about belongs to it by its id, which no parameter says; what R4
// writes there ("{def}") is left out.
import { compartmentDefinition } from './definitions.js';

/** R4's compartments; each is named like the type it is about. */
export const compartmentTypes = ['Patient', 'Encounter', 'RelatedPerson', 'Practitioner', 'Device'] as const;
export type CompartmentType = (typeof compartmentTypes)[number];

export const isCompartment = (type: string): type is CompartmentType =>
  (compartmentTypes as readonly string[]).includes(type);

const known = new Map<CompartmentType, ReadonlyMap<string, readonly string[]>>();

/** Resource type → codes of its search parameters, each of which links it to the compartment; other types are never in it. */
export function compartmentLinks(compartment: CompartmentType): ReadonlyMap<string, readonly string[]> {
  let links = known.get(compartment);
  if (links === undefined) {
    const resources = compartmentDefinition(compartment)?.resource ?? [];
    links = new Map(
      resources
        .map(({ code, param = [] }) => [code, param.filter(name => name !== '{def}')] as const)
        .filter(([, params]) => params.length > 0),
    );
    known.set(compartment, links);
  }
  return links;
}

/** The search parameters that link resources of the type to the compartment; none where they are never in it. */
export const compartmentParams = (compartment: CompartmentType, type: string): readonly string[] =>
  compartmentLinks(compartment).get(type) ?? [];
