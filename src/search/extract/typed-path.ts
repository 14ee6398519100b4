// From steps as written to paths whose every step is a JSON property and whose element type is known, by the
// StructureDefinitions: `Observation.value as Quantity` is the property valueQuantity, of type Quantity.
// https://hl7.org/fhir/R4/elementdefinition.html, https://hl7.org/fhir/R4/json.html#choice
import { structureDefinition, type ElementDefinition } from '../../fhir/definitions.js';
import { BeyondGrammar, NoElement, type Branch, type Step, type Test } from './expression.js';

export type Move =
  /** Go on from the resource itself. */
  | { readonly move: 'resource' }
  /** `at`: only that item of the list. */
  | { readonly move: 'get'; readonly property: string; readonly at?: number }
  | { readonly move: 'where'; readonly test: TypedTest; readonly key: string };

export type TypedTest =
  | { readonly test: 'and' | 'or'; readonly of: readonly [TypedTest, TypedTest] }
  | {
      readonly test: 'equals' | 'differs';
      readonly paths: readonly TypedPath[];
      readonly value: string | number | boolean;
    }
  | { readonly test: 'exists'; readonly paths: readonly TypedPath[] }
  | { readonly test: 'resolves-to'; readonly type: string }
  | { readonly test: 'has-extension'; readonly url: string };

export interface TypedPath {
  readonly moves: readonly Move[];
  /** FHIR type of the elements found, such as `CodeableConcept`, `BackboneElement`, `Resource`. */
  readonly type: string;
  /** Types of resource that a Reference or canonical may lead to; absent: any. */
  readonly targets?: readonly string[];
  /** The value set that codes are bound to by force. */
  readonly binding?: string;
  /** At most one element per resource. */
  readonly single: boolean;
  /** Same text, same path. */
  readonly key: string;
}

/** A typed path from which children can be walked on to. */
export interface Place extends TypedPath {
  /** Where the children of the element are defined. */
  readonly definition: string;
  readonly path: string;
}

/** The paths a branch stands for in resources of the type: none if it is about another type. @throws BeyondGrammar */
export const typedPaths = (branch: Branch, type: string): readonly Place[] =>
  walk(branch, rootOf(type), rootOf(type));

/** The paths of a branch relative to a place's elements, as a composite's components are. @throws BeyondGrammar */
export const pathsFrom = (base: Place, branch: Branch, type: string): readonly Place[] =>
  walk(branch, here(base), rootOf(type));

/** A test about a resource of the type. */
export const typedTest = (test: Test, type: string): TypedTest => testAt(test, rootOf(type), rootOf(type));

/** The place as the beginning of paths. */
const here = (place: Place): Place => ({ ...place, moves: [], key: '', single: true });

const rootOf = (type: string): Place => ({
  moves: [],
  type,
  single: true,
  key: '',
  definition: type,
  path: type,
});

function walk(branch: Branch, from: Place, root: Place): readonly Place[] {
  let places: readonly Place[] = [from];
  for (const step of branch) places = takeEach(step, places, root);
  return places;
}

/** Of the types of a choice, those count that have the element: `extension.value.code` is that of a Coding. */
function takeEach(step: Step, places: readonly Place[], root: Place): readonly Place[] {
  let lacking: NoElement | undefined;
  const found = places.flatMap(place => {
    try {
      return take(step, place, root);
    } catch (error) {
      if (!(error instanceof NoElement)) throw error;
      lacking ??= error;
      return [];
    }
  });
  if (found.length === 0 && lacking !== undefined) throw lacking;
  return found;
}

function take(step: Step, place: Place, root: Place): readonly Place[] {
  switch (step.step) {
    case 'type':
      return step.name === place.type || step.name === 'Resource' || step.name === 'DomainResource'
        ? [place]
        : [];
    case 'resource':
      return [{ ...root, moves: [{ move: 'resource' }], key: '%resource' }];
    case 'child':
      return child(place, step.name);
    case 'as':
      return isType(place.type, step.type) ? [place] : [];
    case 'extension':
      return child(place, 'extension').map(extension =>
        filter(
          extension,
          { test: 'equals', paths: child(here(extension), 'url'), value: step.url },
          `url=${step.url}`,
        ),
      );
    case 'where':
      return [
        {
          ...filter(place, testAt(step.test, here(place), root), keyOf(step.test)),
          ...(step.test.test === 'resolves-to' ? { targets: [step.test.type] } : {}),
        },
      ];
    case 'index': {
      const last = place.moves.at(-1);
      if (last?.move !== 'get') throw new BeyondGrammar('An index must follow an element');
      return [
        {
          ...place,
          moves: [...place.moves.slice(0, -1), { ...last, at: step.at }],
          key: `${place.key}[${step.at}]`,
          single: place.moves.length === 1,
        },
      ];
    }
  }
}

const filter = (place: Place, test: TypedTest, key: string): Place => ({
  ...place,
  moves: [...place.moves, { move: 'where', test, key }],
  key: `${place.key}{${key}}`,
});

const keyOf = (test: Test): string => JSON.stringify(test);

function testAt(test: Test, place: Place, root: Place): TypedTest {
  switch (test.test) {
    case 'and':
    case 'or':
      return { test: test.test, of: [testAt(test.of[0], place, root), testAt(test.of[1], place, root)] };
    case 'equals':
    case 'differs':
    case 'exists':
      return { ...test, paths: test.branches.flatMap(branch => walk(branch, place, root)) };
    default:
      return test;
  }
}

/** R4's own expressions write `DateTime` for dateTime; Age and its kin are quantities. */
function isType(type: string, wanted: string): boolean {
  if (type.toLowerCase() === wanted.toLowerCase()) return true;
  return (
    wanted === 'Quantity' &&
    structureDefinition(type)?.baseDefinition === 'http://hl7.org/fhir/StructureDefinition/Quantity'
  );
}

const elements = new Map<string, ReadonlyMap<string, ElementDefinition>>();

function elementsOf(definition: string): ReadonlyMap<string, ElementDefinition> {
  let known = elements.get(definition);
  if (known === undefined) {
    const list = structureDefinition(definition)?.snapshot.element ?? [];
    known = new Map(list.map(element => [element.path, element]));
    elements.set(definition, known);
  }
  return known;
}

const fhirTypeUrl = 'http://hl7.org/fhir/StructureDefinition/structuredefinition-fhir-type';

function child(place: Place, name: string): readonly Place[] {
  const known = elementsOf(place.definition);
  const path = `${place.path}.${name}`;
  const plain = known.get(path);
  const element = plain ?? known.get(`${path}[x]`);
  if (element === undefined) return oneOfChoice(place, name);
  const single = place.single && element.max === '1';
  if (element.contentReference !== undefined) {
    return [
      to(
        place,
        name,
        'BackboneElement',
        single,
        place.definition,
        element.contentReference.slice(element.contentReference.indexOf('#') + 1),
      ),
    ];
  }
  return (element.type ?? []).map(({ code, extension, targetProfile }) => {
    const type = code.startsWith('http://hl7.org/fhirpath/')
      ? (extension?.find(one => one.url === fhirTypeUrl)?.valueUrl ?? 'string')
      : code;
    const property = plain === undefined ? name + type[0]!.toUpperCase() + type.slice(1) : name;
    const inline = type === 'BackboneElement' || type === 'Element';
    const found = to(
      place,
      property,
      type,
      single,
      inline ? place.definition : type,
      inline ? element.path : type,
    );
    const targets = targetProfile?.map(url => url.slice(url.lastIndexOf('/') + 1));
    if (targets !== undefined && !targets.includes('Resource')) return { ...found, targets };
    const binding =
      type === 'code' && element.binding?.strength === 'required' ? element.binding.valueSet : undefined;
    return binding === undefined ? found : { ...found, binding };
  });
}

/** `valueDateTime`, as JSON has it; FHIRPath would say `value as dateTime`, but guides write it. @throws NoElement */
function oneOfChoice(place: Place, name: string): readonly Place[] {
  for (const [, choice = '', type = ''] of name.matchAll(/^([a-z]\w*?)([A-Z]\w*)$/g)) {
    const known = elementsOf(place.definition).has(`${place.path}.${choice}[x]`);
    const found = known ? child(place, choice).filter(one => isType(one.type, type)) : [];
    if (found.length > 0) return found;
  }
  throw new NoElement(`${place.path} has no element ${name}`);
}

const to = (
  from: Place,
  property: string,
  type: string,
  single: boolean,
  definition: string,
  path: string,
): Place => ({
  moves: [...from.moves, { move: 'get', property }],
  key: from.key === '' ? property : `${from.key}.${property}`,
  type,
  single,
  definition,
  path,
});
