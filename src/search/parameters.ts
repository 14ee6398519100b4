// The search parameters of a resource type, their expressions typed by the definitions.
// https://hl7.org/fhir/R4/searchparameter-registry.html
import {
  resourceTypes,
  searchParameters,
  type SearchParameterDefinition,
  type SearchParameterType,
} from '../fhir/definitions.js';
import { readExpression } from './extract/expression.js';
import {
  pathsFrom,
  typedPaths,
  typedTest,
  type Place,
  type TypedPath,
  type TypedTest,
} from './extract/typed-path.js';
import type { RowKind } from './rows.js';
import { searchTypes } from './types/all.js';

/** The places a composite's tuples are made at, each with its components' paths from there. */
export interface Tuples {
  readonly base: TypedPath;
  readonly components: readonly (readonly TypedPath[])[];
}

export interface Parameter {
  readonly code: string;
  readonly type: SearchParameterType;
  readonly url: string;
  /** Kind of its rows; absent for special parameters. */
  readonly kind?: RowKind;
  /** Types its references may lead to; empty unless it is a reference parameter. */
  readonly targets: readonly string[];
  /** Where its values are; empty for composites and conditions. */
  readonly paths: readonly TypedPath[];
  /** For the few that ask a question of the resource, such as Patient's `deceased`. */
  readonly test?: TypedTest;
  readonly tuples: readonly Tuples[];
  /** The parameters of a composite's components, in order. */
  readonly components: readonly SearchParameterDefinition[];
  /** FHIR types of its elements. */
  readonly elementTypes: ReadonlySet<string>;
}

const byType = new Map<string, ReadonlyMap<string, Parameter>>();
let definitionsByUrl: ReadonlyMap<string, SearchParameterDefinition> | undefined;

const definitionOf = (url: string): SearchParameterDefinition | undefined => {
  definitionsByUrl ??= new Map(searchParameters().map(definition => [definition.url, definition]));
  return definitionsByUrl.get(url);
};

/**
 * By code, in the order of the definitions. Left out are the parameters without expression, and those of the
 * specification's examples, which repeat codes of real ones.
 */
export function parametersOf(type: string): ReadonlyMap<string, Parameter> {
  let known = byType.get(type);
  if (known === undefined) {
    const found = new Map<string, Parameter>();
    for (const definition of searchParameters()) {
      if (!definition.base.some(base => base === type || base === 'Resource' || base === 'DomainResource'))
        continue;
      if (definition.expression === undefined || found.has(definition.code) || isExample(definition))
        continue;
      found.set(definition.code, parameterOf(definition, type));
    }
    known = found;
    byType.set(type, known);
  }
  return known;
}

/** What can be searched in a type, for the CapabilityStatement; special parameters come with the second half. */
export const searchParametersOf = (type: string): readonly Parameter[] =>
  [...parametersOf(type).values()].filter(parameter => parameter.kind !== undefined);

const isExample = (definition: SearchParameterDefinition): boolean =>
  /\/SearchParameter\/example(-|$)/.test(definition.url);

/** A definition as it applies to resources of the type. @throws BeyondGrammar where its expression is outside the grammar */
export function parameterOf(definition: SearchParameterDefinition, type: string): Parameter {
  const expression = readExpression(definition.expression ?? '');
  const branches = 'branches' in expression ? expression.branches : [];
  const places = branches.flatMap(branch => typedPaths(branch, type));
  const isComposite = definition.type === 'composite';
  const tuples = isComposite ? places.map(base => tuplesAt(base, definition, type)) : [];
  const kind = isComposite ? 'composite' : searchTypes[definition.type]?.kind;
  return {
    code: definition.code,
    type: definition.type,
    url: definition.url,
    ...(kind === undefined ? {} : { kind }),
    targets: definition.type === 'reference' ? targetsOf(definition, places) : [],
    paths: isComposite ? [] : distinct(places),
    ...('test' in expression ? { test: typedTest(expression.test, type) } : {}),
    tuples,
    components: isComposite ? componentsOf(definition, tuples) : [],
    elementTypes: new Set('test' in expression ? ['boolean'] : places.map(place => place.type)),
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
): readonly SearchParameterDefinition[] {
  const declared = (definition.component ?? []).map(({ definition: url }) => {
    const component = definitionOf(url);
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
function targetsOf(definition: SearchParameterDefinition, places: readonly TypedPath[]): readonly string[] {
  const declared = definition.target ?? [];
  const wide = declared.length === 0 || declared.includes('Resource') ? [...resourceTypes()] : declared;
  if (places.some(place => place.targets === undefined)) return wide;
  const narrow = wide.filter(target => places.some(place => place.targets!.includes(target)));
  return narrow.length === 0 ? wide : narrow;
}

const distinct = (paths: readonly TypedPath[]): readonly TypedPath[] => [
  ...new Map(paths.map(path => [path.key + path.type, path])).values(),
];
