// What there is to know of one code, for $lookup; and which of two codes subsumes the other, for $subsumes.
// https://hl7.org/fhir/R4/codesystem-operation-lookup.html, https://hl7.org/fhir/R4/codesystem-operation-subsumes.html
import { designationsAt, displayAt, propertiesAt, type Place } from './code-system.js';
import { leadsTo, type ConceptProperty, type Designation } from './concepts.js';

export interface Lookup {
  readonly name: string;
  readonly version: string | undefined;
  readonly display: string;
  readonly definition: string | undefined;
  readonly designations: readonly Designation[];
  readonly properties: readonly (ConceptProperty & { readonly description?: string | undefined })[];
}

/** `wanted`: the properties to be told; all where it is empty. */
export function lookUp(place: Place, languages: readonly string[], wanted: readonly string[] = []): Lookup {
  const { system, ordinal } = place;
  const { concepts } = system;
  const isWanted = (code: string): boolean =>
    wanted.length === 0 || wanted.includes(code) || wanted.includes('*');
  const related = (
    code: string,
    ordinals: Iterable<number>,
  ): (ConceptProperty & { description?: string | undefined })[] =>
    // prettier-ignore
    isWanted(code)
      ? [...ordinals].map(one => ({ code, type: 'Code', value: concepts.code(one), description: concepts.display(one) })) // prettier-ignore
      : [];
  const isInactive = concepts.isInactive(ordinal);
  const stated = propertiesAt(place);
  return {
    name: system.name ?? system.title ?? system.url,
    version: system.version,
    display: displayAt(place, languages) ?? concepts.code(ordinal),
    definition: concepts.definition(ordinal),
    designations: isWanted('designation') ? designationsAt(place) : [],
    properties: [
      ...(isWanted('inactive') && !stated.some(one => one.code === 'inactive')
        ? [{ code: 'inactive', type: 'Boolean', value: isInactive }]
        : []),
      ...stated.filter(one => isWanted(one.code)),
      ...related('parent', concepts.above(ordinal)),
      ...related('child', concepts.below(ordinal)),
    ],
  };
}

export type Subsumption = 'equivalent' | 'subsumes' | 'subsumed-by' | 'not-subsumed';

/** Of two concepts of one code system. */
export function subsumption(a: Place, b: Place): Subsumption {
  const { concepts } = a.system;
  if (a.ordinal === b.ordinal) return 'equivalent';
  if (leadsTo(b.ordinal, a.ordinal, concepts.above)) return 'subsumes';
  return leadsTo(a.ordinal, b.ordinal, concepts.above) ? 'subsumed-by' : 'not-subsumed';
}
