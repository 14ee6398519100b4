// The search parameters of a resource type, their expressions typed by the definitions.
// https://hl7.org/fhir/R4/searchparameter-registry.html
import { resourceTypes, searchParameters, type SearchParameterDefinition } from '../fhir/definitions.js';
import { compileFhirPathNodes } from '../fhir/fhirpath.js';
import { BeyondGrammar, NoElement, readExpression, type Expression } from './extract/expression.js';
import { pathsFrom, typedPaths, typedTest, type Place, type TypedPath } from './extract/typed-path.js';
import type { CustomParameters, Parameter, Tuples } from './parameter.js';
import { searchTypes } from './types/all.js';

export type { CustomParameter, CustomParameters, Parameter, Tuples } from './parameter.js';

const byType = new Map<string, ReadonlyMap<string, Parameter>>();
const withCustom = new WeakMap<CustomParameters, Map<string, ReadonlyMap<string, Parameter>>>();
let definitionsByUrl: ReadonlyMap<string, SearchParameterDefinition> | undefined;

/** A definition of the specification. */
export const definitionOf = (url: string): SearchParameterDefinition | undefined => {
  definitionsByUrl ??= new Map(searchParameters().map(definition => [definition.url, definition]));
  return definitionsByUrl.get(url);
};

/** By code, in the order of the definitions. Parameters without an expression are left out: there is nothing to index. */
export function parametersOf(type: string, custom?: CustomParameters): ReadonlyMap<string, Parameter> {
  const usable = custom?.of(type).filter(({ state }) => state === 'ready') ?? [];
  if (custom === undefined || usable.length === 0) return specified(type);
  let types = withCustom.get(custom);
  if (types === undefined)
    withCustom.set(custom, (types = new Map<string, ReadonlyMap<string, Parameter>>()));
  let known = types.get(type);
  if (known === undefined) {
    known = new Map([
      ...specified(type),
      ...usable.map(({ parameter }) => [parameter.code, parameter] as const),
    ]);
    types.set(type, known);
  }
  return known;
}

/** Those of the specification. */
function specified(type: string): ReadonlyMap<string, Parameter> {
  let known = byType.get(type);
  if (known === undefined) {
    const found = new Map<string, Parameter>();
    for (const definition of searchParameters()) {
      if (!definition.base.some(base => base === type || base === 'Resource' || base === 'DomainResource'))
        continue;
      if (definition.expression === undefined || found.has(definition.code)) continue;
      found.set(definition.code, parameterOf(definition, type));
    }
    known = found;
    byType.set(type, known);
  }
  return known;
}

/** What can be searched in a type, for the CapabilityStatement. */
export const searchParametersOf = (type: string): readonly Parameter[] =>
  [...parametersOf(type).values()].filter(parameter => parameter.kind !== undefined);

/**
 * A definition as it applies to resources of the type.
 * @throws FhirError `value` where the expression is no FHIRPath, BeyondGrammar where a composite's is too much of it
 */
export function parameterOf(
  definition: SearchParameterDefinition,
  type: string,
  defined: (url: string) => SearchParameterDefinition | undefined = definitionOf,
): Parameter {
  const { expression = '' } = definition;
  const isComposite = definition.type === 'composite';
  const kind = isComposite ? 'composite' : searchTypes[definition.type]?.kind;
  const known = {
    code: definition.code,
    type: definition.type,
    url: definition.url,
    ...(kind === undefined ? {} : { kind }),
  };
  let read: Expression;
  let places: readonly Place[];
  try {
    read = readExpression(expression);
    places = 'branches' in read ? read.branches.flatMap(branch => typedPaths(branch, type)) : [];
  } catch (error) {
    if (!(error instanceof BeyondGrammar) || isComposite) throw error;
    const evaluate = compileFhirPathNodes(expression);
    const nowhere = error instanceof NoElement ? { nowhere: error.message } : {};
    const targets = definition.type === 'reference' ? targetsOf(definition, undefined) : [];
    return {
      ...known,
      ...nowhere,
      targets,
      paths: [],
      evaluate,
      tuples: [],
      components: [],
      elementTypes: new Set(),
      bindings: [],
    };
  }
  const tuples = isComposite ? places.map(base => tuplesAt(base, definition, type)) : [];
  return {
    ...known,
    targets: definition.type === 'reference' ? targetsOf(definition, places) : [],
    paths: isComposite ? [] : distinct(places),
    ...('test' in read ? { test: typedTest(read.test, type) } : {}),
    tuples,
    components: isComposite ? componentsOf(definition, tuples, defined) : [],
    elementTypes: new Set('test' in read ? ['boolean'] : places.map(place => place.type)),
    bindings: bindingsOf(places),
  };
}

function tuplesAt(base: Place, definition: SearchParameterDefinition, type: string): Tuples {
  const components = (definition.component ?? []).map(component => {
    const expression = readExpression(component.expression);
    return distinct(
      ('branches' in expression ? expression.branches : []).flatMap(branch => pathsFrom(base, branch, type)),
    );
  });
  return { base, components };
}

/**
 * The component parameters in the order of the component expressions. Surprising: R4 names them the wrong way round in
 * one composite (the reference for the code, the token for the reference), so a definition that cannot index its
 * expression's elements gives way to one that can.
 */
function componentsOf(
  definition: SearchParameterDefinition,
  tuples: readonly Tuples[],
  defined: (url: string) => SearchParameterDefinition | undefined,
): readonly SearchParameterDefinition[] {
  const declared = (definition.component ?? []).map(({ definition: url }) => {
    const component = defined(url);
    if (component === undefined)
      throw new Error(`${definition.url} has the component ${url}, which is not defined`);
    return component;
  });
  return declared.map((component, i) => {
    const types = tuples.flatMap(tuple => tuple.components[i]!.map(path => path.type));
    const fits = (one: SearchParameterDefinition): boolean =>
      types.some(type => searchTypes[one.type]?.index[type] !== undefined);
    return fits(component) ? component : (declared.find(fits) ?? component);
  });
}

/** What the definition says for all its types, narrowed by what the elements of this one may lead to. */
function targetsOf(
  definition: SearchParameterDefinition,
  places: readonly TypedPath[] | undefined,
): readonly string[] {
  const declared = definition.target ?? [];
  const wide = declared.length === 0 || declared.includes('Resource') ? [...resourceTypes()] : declared;
  if (places === undefined || places.some(place => place.targets === undefined)) return wide;
  const narrow = wide.filter(target => places.some(place => place.targets!.includes(target)));
  return narrow.length === 0 ? wide : narrow;
}

/** The value sets of the places, each once. */
export const bindingsOf = (places: readonly TypedPath[]): readonly string[] => [
  ...new Set(places.flatMap(place => place.binding ?? [])),
];

const distinct = (paths: readonly TypedPath[]): readonly TypedPath[] => [
  ...new Map(paths.map(path => [path.key + path.type, path])).values(),
];
