// A code system as terminology works with it, made from its resource. https://hl7.org/fhir/R4/codesystem.html
import type { CodeSystemConcept, CodeSystemDefinition, ConceptDesignation } from '../fhir/definitions.js';
import { isObject, type Json } from '../fhir/json.js';
import {
  conceptsOf,
  conceptWriter,
  type ConceptProperty,
  type ConceptRecord,
  type Concepts,
  type Designation,
} from './concepts.js';

/** What is known of a code system besides its concepts. */
export interface CodeSystemHead {
  readonly url: string;
  readonly version?: string | undefined;
  readonly name?: string | undefined;
  readonly title?: string | undefined;
  readonly content: CodeSystemDefinition['content'];
  readonly caseSensitive?: boolean | undefined;
  /** The value set that is all of it. */
  readonly valueSet?: string | undefined;
  readonly property?: CodeSystemDefinition['property'] | undefined;
}

export interface CodeSystem extends CodeSystemHead {
  readonly concepts: Concepts;
  /** Of supplements to it: more designations and properties of its codes. */
  readonly supplements: readonly Concepts[];
}

const made = new WeakMap<CodeSystemDefinition, Concepts>();

/** The concepts of a definition; made once. */
export function conceptsIn(definition: CodeSystemDefinition): Concepts {
  let concepts = made.get(definition);
  if (concepts === undefined) {
    const writer = conceptWriter();
    for (const record of recordsOf(definition)) writer.add(record);
    made.set(definition, (concepts = conceptsOf(writer.finish())));
  }
  return concepts;
}

export const headOf = ({
  url,
  version,
  name,
  title,
  content,
  caseSensitive,
  valueSet,
  property,
  supplements,
}: CodeSystemDefinition): CodeSystemHead => ({
  url,
  version,
  name,
  title,
  // What says that it supplements another is no system of its own, whatever its content says.
  content: supplements === undefined ? content : 'supplement',
  caseSensitive,
  valueSet,
  property,
});

/** Properties that say what lies above or below. */
const upward = new Set(['parent', 'subsumedBy']);

/** The concepts in their order, those within others after them. */
export function* recordsOf(definition: CodeSystemDefinition): Generator<ConceptRecord> {
  const { hierarchyMeaning: meaning } = definition;
  // Nesting that groups or composes says nothing of subsumption; where nothing is said, it is meant.
  const isSubsumption = meaning === undefined || meaning === 'is-a';
  const walk = function* (
    concepts: readonly CodeSystemConcept[],
    within: string | undefined,
  ): Generator<ConceptRecord> {
    for (const concept of concepts) {
      const parents = within === undefined || !isSubsumption ? [] : [within];
      const children: string[] = [];
      const properties: ConceptProperty[] = [];
      for (const property of concept.property ?? []) {
        const stated = propertyOf(property);
        if (stated === undefined) continue;
        const code = stated.type === 'Code' ? String(stated.value) : undefined;
        if (code !== undefined && upward.has(stated.code)) parents.push(code);
        else if (code !== undefined && stated.code === 'child') children.push(code);
        else properties.push(stated);
      }
      yield {
        code: concept.code,
        display: concept.display,
        definition: concept.definition,
        designations: (concept.designation ?? []).map(designationOf),
        properties,
        parents,
        children,
        isAbstract: isSet(properties, ['notSelectable', 'abstract']),
        isInactive: isInactive(properties),
      };
      if (concept.concept) yield* walk(concept.concept, concept.code);
    }
  };
  yield* walk(definition.concept ?? [], undefined);
}

function designationOf(designation: ConceptDesignation): Designation {
  const { language, value, use } = designation;
  return {
    ...(language === undefined ? {} : { language }),
    ...(isObject(use) ? { use } : {}),
    value,
  };
}

function propertyOf(property: { readonly code: string } & Readonly<Record<string, unknown>>) {
  const key = Object.keys(property).find(name => name.startsWith('value'));
  return key === undefined
    ? undefined
    : { code: property.code, type: key.slice('value'.length), value: property[key] as Json };
}

const isSet = (properties: readonly ConceptProperty[], codes: readonly string[]): boolean =>
  properties.some(({ code, value }) => codes.includes(code) && String(value) === 'true');

/** By the properties http://hl7.org/fhir/concept-properties defines. Deprecated codes are still in use. */
const isInactive = (properties: readonly ConceptProperty[]): boolean =>
  isSet(properties, ['inactive']) ||
  properties.some(({ code, value }) => code === 'status' && (value === 'retired' || value === 'inactive'));

/** A concept of a code system. */
export interface Place {
  readonly system: CodeSystem;
  readonly ordinal: number;
}

/** Where the code is; `isOtherCase` where it is written otherwise there, and the system does not say that case matters. */
export function placeOf(
  system: CodeSystem,
  code: string,
): (Place & { readonly isOtherCase: boolean }) | undefined {
  const ordinal = system.concepts.ordinal(code);
  if (ordinal >= 0) return { system, ordinal, isOtherCase: false };
  if (system.caseSensitive === true) return undefined;
  const folded = system.concepts.ordinalInAnyCase(code);
  return folded < 0 ? undefined : { system, ordinal: folded, isOtherCase: true };
}

/** All designations of a concept, those of supplements last. */
export function designationsAt({ system, ordinal }: Place): readonly Designation[] {
  const { concepts, supplements } = system;
  if (supplements.length === 0) return concepts.designations(ordinal);
  const code = concepts.code(ordinal);
  return [
    ...concepts.designations(ordinal),
    ...supplements.flatMap(more => {
      const there = more.ordinal(code);
      if (there < 0) return [];
      const display = more.display(there);
      return [...(display === undefined ? [] : [{ value: display }]), ...more.designations(there)];
    }),
  ];
}

/** All properties of a concept besides its place in the hierarchy. */
export function propertiesAt({ system, ordinal }: Place): readonly ConceptProperty[] {
  const code = system.concepts.code(ordinal);
  return [
    ...system.concepts.properties(ordinal),
    ...system.supplements.flatMap(more => {
      const there = more.ordinal(code);
      return there < 0 ? [] : more.properties(there);
    }),
  ];
}

/** The text to show: in the language asked for where there is one, else the display. */
export function displayAt(place: Place, languages: readonly string[] = []): string | undefined {
  const display = place.system.concepts.display(place.ordinal);
  if (languages.length === 0) return display;
  const designations = designationsAt(place);
  for (const language of languages) {
    const exact = designations.find(one => one.language?.toLowerCase() === language);
    const near = exact ?? designations.find(one => one.language?.toLowerCase().split('-')[0] === language);
    if (near !== undefined) return near.value;
  }
  return display;
}
