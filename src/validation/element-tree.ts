// The elements of a StructureDefinition as a tree: what the walker asks about each value it meets.
// https://hl7.org/fhir/R4/elementdefinition.html
// Surprising why: a profile's tree shares every element it does not touch with the tree of its type, so that a walk along a
// profile visits only what the profile says beyond the type; the rest has been judged by the walk along the type.
import type { Constraint, ElementDefinition, ElementType } from '../fhir/definitions.js';
import type { Json } from '../fhir/json.js';
import { sameJson } from '../fhir/same.js';
import { corrected, correctedStrength } from './errata.js';

export interface TypeReference {
  /** `Quantity`, `code`, `Resource`, … */
  readonly code: string;
  readonly profiles: readonly string[];
  readonly targets: readonly string[];
  readonly aggregation: readonly string[];
  readonly versioning: string | undefined;
}

export interface Discriminator {
  readonly type: string;
  readonly path: string;
}

export interface Slicing {
  readonly discriminators: readonly Discriminator[];
  readonly ordered: boolean;
  readonly rules: string;
}

export interface Binding {
  readonly strength: string;
  readonly valueSet: string | undefined;
  readonly maxValueSet: string | undefined;
}

/** What extensions of R4 ask of a primitive. https://hl7.org/fhir/R4/elementdefinition-profiles.html */
export interface Limits {
  readonly minLength: number | undefined;
  readonly maxDecimalPlaces: number | undefined;
  readonly regex: string | undefined;
}

/** A value of an ElementDefinition and the type its name ends with: `fixedUri` → `uri`. */
export interface TypedValue {
  readonly type: string;
  readonly value: Json;
}

export interface ElementNode {
  /** As in FHIRPath: `value` of `value[x]`. */
  readonly name: string;
  readonly isChoice: boolean;
  readonly id: string;
  readonly path: string;
  readonly sliceName: string | undefined;
  /** Url of the definition that says so. */
  readonly profile: string;
  /** Belongs to the tree of a type. */
  readonly ofType: boolean;
  readonly min: number;
  readonly max: number;
  readonly types: readonly TypeReference[];
  /** Type codes that JSON names may end with; those of the type's definition, whatever a profile leaves of them. */
  readonly variants: readonly string[];
  readonly fixed: TypedValue | undefined;
  readonly pattern: TypedValue | undefined;
  readonly minValue: TypedValue | undefined;
  readonly maxValue: TypedValue | undefined;
  readonly maxLength: number | undefined;
  /** Of the extensions minLength, maxDecimalPlaces and regex. */
  readonly limits: Limits | undefined;
  readonly isModifier: boolean;
  readonly binding: Binding | undefined;
  readonly constraints: readonly Constraint[];
  readonly contentReference: string | undefined;
  readonly slicing: Slicing | undefined;
  readonly slices: readonly ElementNode[];
  /** By name without `[x]`; undefined where the element is what its type says. */
  readonly children: ReadonlyMap<string, ElementNode> | undefined;
  /** The element of the type that this narrows; itself in a tree of a type. */
  readonly base: ElementNode | undefined;
}

export type Draft = { -readonly [K in keyof ElementNode]: ElementNode[K] } & {
  slices: ElementNode[];
  children: Map<string, ElementNode> | undefined;
};

const maxValueSetUrl = 'http://hl7.org/fhir/StructureDefinition/elementdefinition-maxValueSet';
const fhirTypeUrl = 'http://hl7.org/fhir/StructureDefinition/structuredefinition-fhir-type';

/** Ids and Extension.url are of FHIRPath's own string type; an extension says what FHIR calls them. */
function codeOf({ code, extension }: ElementType, path: string): string {
  if (!code.startsWith('http:')) return code;
  // R4 says string of Resource.id and means id.
  if (/^[A-Z]\w*\.id$/.test(path)) return 'id';
  return extension?.find(({ url }) => url === fhirTypeUrl)?.valueUrl ?? 'string';
}

const typeOf = (type: ElementType, path: string): TypeReference => ({
  code: codeOf(type, path),
  profiles: type.profile ?? [],
  targets: type.targetProfile ?? [],
  aggregation: type.aggregation ?? [],
  versioning: type.versioning,
});

function typesOf({ type = [], path }: ElementDefinition): TypeReference[] {
  const types: TypeReference[] = [];
  for (const one of type) {
    const next = typeOf(one, path);
    const before = types.findIndex(({ code }) => code === next.code);
    if (before < 0) types.push(next);
    else {
      // Older definitions repeat the type for each profile.
      const known = types[before]!;
      types[before] = {
        ...known,
        profiles: [...known.profiles, ...next.profiles],
        targets: [...known.targets, ...next.targets],
      };
    }
  }
  return types;
}

function valued(element: ElementDefinition, prefix: string): TypedValue | undefined {
  for (const name in element) {
    if (!name.startsWith(prefix) || name.length === prefix.length) continue;
    const first = name.charAt(prefix.length);
    if (first < 'A' || first > 'Z') continue;
    const rest = name.slice(prefix.length);
    const value = (element as unknown as Record<string, Json>)[name]!;
    const isComplex = typeof value === 'object' && value !== null;
    return { type: isComplex ? rest : first.toLowerCase() + rest.slice(1), value };
  }
  return undefined;
}

const bindingOf = ({ binding, path }: ElementDefinition): Binding | undefined =>
  binding && {
    strength: correctedStrength(path, binding.strength, binding.valueSet),
    valueSet: binding.valueSet,
    maxValueSet: binding.extension?.find(({ url }) => url === maxValueSetUrl)?.valueCanonical,
  };

interface LimitExtension {
  readonly url: string;
  readonly valueInteger?: number;
  readonly valueString?: string;
}
const core = 'http://hl7.org/fhir/StructureDefinition/';

function limitsOf(element: ElementDefinition): Limits | undefined {
  const own = (element as { extension?: readonly LimitExtension[] }).extension ?? [];
  const extensions = [
    ...own,
    ...(element.type ?? []).flatMap(({ extension }) => (extension ?? []) as readonly LimitExtension[]),
  ];
  const find = (name: string): LimitExtension | undefined =>
    extensions.find(({ url }) => url === core + name);
  const minLength = find('minLength')?.valueInteger;
  const maxDecimalPlaces = find('maxDecimalPlaces')?.valueInteger;
  const regex = find('regex')?.valueString;
  return minLength === undefined && maxDecimalPlaces === undefined && regex === undefined
    ? undefined
    : { minLength, maxDecimalPlaces, regex };
}

const slicingOf = ({ slicing }: ElementDefinition): Slicing | undefined =>
  slicing && {
    discriminators: slicing.discriminator ?? [],
    ordered: slicing.ordered === true,
    rules: slicing.rules,
  };

const maxOf = (max: string | undefined): number =>
  max === undefined || max === '*' ? Infinity : Number(max);

const lastName = (path: string): string => path.slice(path.lastIndexOf('.') + 1);

/** A node of what an element of a snapshot says, without children and slices. */
export function nodeOf(element: ElementDefinition, profile: string, ofType: boolean): Draft {
  const last = lastName(element.path);
  const isChoice = last.endsWith('[x]');
  const types = typesOf(element);
  return {
    name: isChoice ? last.slice(0, -3) : last,
    isChoice,
    id: element.id ?? element.path,
    path: element.path,
    sliceName: element.sliceName,
    profile,
    ofType,
    min: element.min ?? 0,
    max: maxOf(element.max),
    types,
    variants: types.map(({ code }) => code),
    fixed: valued(element, 'fixed'),
    pattern: valued(element, 'pattern'),
    minValue: valued(element, 'minValue'),
    maxValue: valued(element, 'maxValue'),
    maxLength: element.maxLength,
    limits: ofType ? undefined : limitsOf(element),
    isModifier: element.isModifier === true,
    binding: bindingOf(element),
    constraints: element.constraint?.map(corrected) ?? [],
    contentReference: element.contentReference,
    slicing: slicingOf(element),
    slices: [],
    children: undefined,
    base: undefined,
  };
}

/** Lays what an element of a differential says over a node. https://hl7.org/fhir/R4/profiling.html#snapshot */
export function merge(node: Draft, element: ElementDefinition, profile: string): void {
  const said = nodeOf(element, profile, false);
  node.profile = profile;
  if (element.min !== undefined) node.min = element.min;
  if (element.max !== undefined) node.max = said.max;
  if (element.type !== undefined) node.types = said.types;
  node.fixed = said.fixed ?? node.fixed;
  node.pattern = said.pattern ?? node.pattern;
  node.minValue = said.minValue ?? node.minValue;
  node.maxValue = said.maxValue ?? node.maxValue;
  node.maxLength = said.maxLength ?? node.maxLength;
  node.limits = said.limits ?? node.limits;
  node.isModifier ||= said.isModifier;
  if (said.binding)
    node.binding = {
      strength: said.binding.strength ?? node.binding?.strength,
      valueSet: said.binding.valueSet ?? node.binding?.valueSet,
      maxValueSet: said.binding.maxValueSet ?? node.binding?.maxValueSet,
    };
  if (said.slicing)
    node.slicing = {
      ...said.slicing,
      discriminators:
        said.slicing.discriminators.length > 0
          ? said.slicing.discriminators
          : (node.slicing?.discriminators ?? []),
    };
  if (said.constraints.length > 0) {
    const added = new Set(said.constraints.map(({ key }) => key));
    node.constraints = [...node.constraints.filter(({ key }) => !added.has(key)), ...said.constraints];
  }
}

/** A copy that may be changed; its children and slices are those of the original until they are copied too. */
export const copy = (node: ElementNode): Draft => ({
  ...node,
  ofType: false,
  slices: [...node.slices],
  children: node.children && new Map(node.children),
  base: node.base ?? (node.ofType ? node : undefined),
});

/** Ids as the specification builds them, for elements that have none or wrong ones. */
export function idsOf(elements: readonly ElementDefinition[]): readonly string[] {
  const last = new Map<string, string>();
  return elements.map(element => {
    const { path, sliceName } = element;
    let id = element.id as string | undefined;
    const plain = id?.replace(/:[^.]*/g, '');
    if (id === undefined || plain !== path) {
      const at = path.lastIndexOf('.');
      id =
        at < 0
          ? path
          : `${last.get(path.slice(0, at)) ?? path.slice(0, at)}${path.slice(at)}${sliceName === undefined ? '' : `:${sliceName}`}`;
    }
    last.set(path, id);
    return id;
  });
}

/** The tree of a snapshot. */
export function treeOf(
  elements: readonly ElementDefinition[],
  profile: string,
  ofType: boolean,
): Draft | undefined {
  const nodes = new Map<string, Draft>();
  const ids = idsOf(elements);
  let root: Draft | undefined;
  for (const [i, element] of elements.entries()) {
    const id = ids[i]!;
    const node = nodeOf(element, profile, ofType);
    const at = id.lastIndexOf('.');
    const colon = id.indexOf(':', at + 1);
    if (colon >= 0) node.sliceName ??= id.slice(colon + 1);
    nodes.set(id, node);
    if (at < 0) {
      root ??= node;
      continue;
    }
    if (colon >= 0) {
      const sliced = nodes.get(id.slice(0, colon));
      if (sliced) {
        sliced.slices.push(node);
        continue;
      }
    }
    const parent = nodes.get(id.slice(0, at));
    if (parent) (parent.children ??= new Map()).set(node.name, node);
  }
  return root;
}

const sameTypes = (a: readonly TypeReference[], b: readonly TypeReference[]): boolean =>
  a.length === b.length &&
  a.every((type, i) => sameJson(type as unknown as Json, b[i] as unknown as Json, 'value'));

const sameOf = (a: unknown, b: unknown): boolean =>
  a === b || (a !== undefined && b !== undefined && sameJson(a as Json, b as Json, 'value'));

/** Snapshots repeat the pattern of an id or a primitive's value, which the gate has judged. */
const isOfType = ({ regex, minLength, maxDecimalPlaces }: Limits, { path }: ElementNode): boolean =>
  minLength === undefined &&
  maxDecimalPlaces === undefined &&
  (regex === undefined || /(?:^|\.)(?:id|value)$/.test(path));

/** Whether a node says nothing beyond the element of the type. */
function addsNothing(node: ElementNode, base: ElementNode): boolean {
  return (
    node.slices.length === 0 &&
    node.children === undefined &&
    node.min === base.min &&
    node.max === base.max &&
    (base.contentReference !== undefined || sameTypes(node.types, base.types)) &&
    sameOf(node.fixed, base.fixed) &&
    sameOf(node.pattern, base.pattern) &&
    sameOf(node.minValue, base.minValue) &&
    sameOf(node.maxValue, base.maxValue) &&
    node.maxLength === base.maxLength &&
    node.isModifier === base.isModifier &&
    (node.limits === undefined || isOfType(node.limits, base)) &&
    sameOf(node.binding, base.binding) &&
    (node.slicing === undefined || node.slicing.rules === 'open') &&
    node.constraints.every(({ key }) => base.constraints.some(known => known.key === key))
  );
}

/**
 * Links a snapshot's nodes to the elements of the type they narrow, and puts those in their place where they add nothing.
 * `childrenOf` are the children of an element of the type.
 */
export function share(
  node: Draft,
  base: ElementNode | undefined,
  childrenOf: (node: ElementNode, type: string | undefined) => ReadonlyMap<string, ElementNode> | undefined,
): ElementNode {
  node.base = base;
  if (base) {
    node.variants = base.variants;
    if (base.contentReference !== undefined && node.types.length === 0) node.types = base.types;
  }
  const below = base && childrenOf(base, node.types.length === 1 ? node.types[0]!.code : undefined);
  if (node.children) {
    let touched = false;
    for (const [name, child] of node.children) {
      const shared = share(child as Draft, below?.get(name), childrenOf);
      touched ||= !shared.ofType;
      node.children.set(name, shared);
    }
    if (!touched) node.children = undefined;
  }
  for (const slice of node.slices) share(slice as Draft, base, childrenOf);
  return base?.ofType && addsNothing(node, base) ? base : node;
}
