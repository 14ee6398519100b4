// Search parameters that a server was told to use beside those of the specification: judged, and compiled for the types
// they apply to. https://hl7.org/fhir/R4/searchparameter.html, docs/search-parameters.md
// Surprising why: rows carry a name of their own, `code~7`, so that rows of another definition under the same code can
// never be taken for those of this one. docs/decisions/0040-custom-parameters.md
import { FhirError, type Issue } from '../errors.js';
import { resourceTypes, type SearchParameterDefinition } from '../fhir/definitions.js';
import type { Resource } from '../fhir/resource.js';
import {
  definitionOf,
  parameterOf,
  parametersOf,
  type CustomParameter,
  type CustomParameters,
  type Parameter,
} from './parameters.js';
import { searchTypes } from './types/all.js';

/** A definition in use. Plain JSON: it is kept in a document. */
export interface ParameterInUse {
  readonly definition: SearchParameterDefinition;
  /** Tells its rows from those of every other definition. */
  readonly number: number;
  readonly state: CustomParameter['state'];
}

type Defined = (url: string) => SearchParameterDefinition | undefined;

/** The name that rows of a definition carry. */
export const rowName = ({ definition, number }: Pick<ParameterInUse, 'definition' | 'number'>): string =>
  `${definition.code}~${number}`;

export const appliesTo = ({ base }: Pick<SearchParameterDefinition, 'base'>, type: string): boolean =>
  base.some(one => one === type || one === 'Resource' || one === 'DomainResource');

/** The types a definition applies to. */
export const typesOf = (definition: Pick<SearchParameterDefinition, 'base'>): readonly string[] =>
  [...resourceTypes()].filter(type => appliesTo(definition, type));

export function customParameters(generation: number, inUse: readonly ParameterInUse[]): CustomParameters {
  const defined = definedAmong(inUse.map(({ definition }) => definition));
  const byType = new Map<string, readonly CustomParameter[]>();
  return {
    generation,
    of(type) {
      let known = byType.get(type);
      if (known === undefined) {
        known = inUse.flatMap(one => {
          if (!appliesTo(one.definition, type)) return [];
          const parameter = parameterOf(one.definition, type, defined);
          return [{ parameter, rows: { ...parameter, code: rowName(one) }, state: one.state }];
        });
        byType.set(type, known);
      }
      return known;
    },
  };
}

const definedAmong =
  (definitions: readonly SearchParameterDefinition[]): Defined =>
  url =>
    definitionOf(url) ?? definitions.find(one => one.url === url);

/** What a code may be: nothing that has a meaning in the name of a criterion. */
const codeForm = /^[A-Za-z][A-Za-z0-9_-]{0,63}$/;

const text = (value: unknown): string | undefined => (typeof value === 'string' ? value : undefined);
const texts = (value: unknown): readonly string[] =>
  Array.isArray(value) ? value.filter(one => typeof one === 'string') : [];

/**
 * A stored SearchParameter as a definition this server can use, beside those that `inUse` names.
 * @throws FhirError `business-rule` with an issue for everything that stands against it
 */
export function judgeParameter(
  resource: Resource,
  inUse: readonly SearchParameterDefinition[],
): SearchParameterDefinition {
  const issues: Issue[] = [];
  const refuse = (element: string, message: string): void => {
    issues.push({
      severity: 'error',
      code: 'business-rule',
      text: message,
      expression: `SearchParameter.${element}`,
    });
  };
  const definition = definitionIn(resource);
  const { url, code, base, type, expression } = definition;
  const others = inUse.filter(one => one.url !== url);

  if (definition.status !== 'active')
    refuse('status', `The status is "${definition.status}"; only an active search parameter can be used.`);
  if (definitionOf(url) !== undefined)
    refuse('url', `${url} is a search parameter of FHIR R4 itself, which is in use already.`);
  if (!codeForm.test(code))
    refuse('code', `The code "${code}" cannot name a criterion: a letter, then letters, digits, - and _.`);
  const types = typesOf(definition);
  const unknown = base.filter(
    one => one !== 'Resource' && one !== 'DomainResource' && !resourceTypes().has(one),
  );
  if (unknown.length > 0 || base.length === 0)
    refuse('base', `${unknown.join(', ') || 'Nothing'} is no resource type.`);
  for (const each of types) {
    const core = parametersOf(each).get(code);
    const other = others.find(one => one.code === code && appliesTo(one, each));
    const owner = core?.url ?? other?.url;
    if (owner === undefined) continue;
    refuse('code', `${each} has a search parameter "${code}" already: ${owner}.`);
    break;
  }
  const usage = text(resource['xpathUsage']) ?? 'normal';
  if (usage !== 'normal') refuse('xpathUsage', `The usage "${usage}" is not supported; only normal is.`);
  for (const target of definition.target ?? []) {
    if (target !== 'Resource' && !resourceTypes().has(target))
      refuse('target', `The target "${target}" is no resource type.`);
  }
  if (type !== 'composite' && (type === 'special' || searchTypes[type] === undefined))
    refuse('type', `Parameters of type ${type} have no meaning that an expression could give.`);
  else if (expression === undefined)
    refuse('expression', 'Without an expression there is nothing to find resources by.');
  else if (type === 'composite' && (definition.component ?? []).length < 2)
    refuse('component', 'A composite needs at least two components.');
  else {
    const defined = definedAmong(others);
    const missing = (definition.component ?? []).filter(component => !isPart(defined(component.definition)));
    for (const component of missing)
      refuse(
        'component',
        `The component ${component.definition} is no parameter in use here with values of its own.`,
      );
    if (missing.length === 0 && unknown.length === 0)
      judgeExpression({ ...definition, expression }, types, defined, refuse);
  }
  if (issues.length > 0) throw new FhirError('business-rule', `${url} cannot be used.`, { issues });
  return definition;
}

const isPart = (component: SearchParameterDefinition | undefined): boolean =>
  component?.expression !== undefined && component.type !== 'composite' && component.type !== 'special';

/** The elements of a SearchParameter that matter to a search. */
export function definitionIn(resource: Resource): SearchParameterDefinition {
  const components = Array.isArray(resource['component']) ? resource['component'] : [];
  const expression = text(resource['expression']);
  const target = texts(resource['target']);
  return {
    resourceType: 'SearchParameter',
    id: text(resource['id']) ?? '',
    url: text(resource['url']) ?? '',
    name: text(resource['name']) ?? '',
    status: text(resource['status']) ?? '',
    description: text(resource['description']) ?? '',
    code: text(resource['code']) ?? '',
    base: texts(resource['base']),
    type: (text(resource['type']) ?? 'special') as SearchParameterDefinition['type'],
    ...(expression === undefined ? {} : { expression }),
    ...(target.length === 0 ? {} : { target }),
    ...(components.length === 0
      ? {}
      : {
          component: components.map(component => {
            const { definition, expression } = component as Record<string, unknown>;
            return { definition: text(definition) ?? '', expression: text(expression) ?? '' };
          }),
        }),
  };
}

/** The expression compiles for every type, finds something in each, and what it finds can be searched as `type` says. */
function judgeExpression(
  definition: SearchParameterDefinition & { expression: string },
  types: readonly string[],
  defined: Defined,
  refuse: (element: string, message: string) => void,
): void {
  const { expression, type } = definition;
  // A parameter of every type may find nothing in some.
  const everywhere = definition.base.some(one => one === 'Resource' || one === 'DomainResource');
  const empty: string[] = [];
  for (const each of types) {
    let parameter: Parameter;
    try {
      parameter = parameterOf(definition, each, defined);
      parameter.evaluate?.({ resourceType: each }); // names functions that there are not
    } catch (error) {
      if (!(error instanceof Error)) throw error;
      const element = type === 'composite' ? 'component' : 'expression';
      refuse(element, `The expression "${expression}" cannot be used for ${each}: ${error.message}`);
      return;
    }
    if (parameter.nowhere !== undefined)
      refuse('expression', `The expression "${expression}" leads nowhere: ${parameter.nowhere}.`);
    if (parameter.evaluate !== undefined) continue;
    if (type === 'composite') {
      if (!parameter.tuples.some(tuple => tuple.components.every(paths => paths.length > 0)))
        empty.push(each);
      else if (
        !parameter.tuples.some(tuple =>
          tuple.components.every((paths, i) =>
            fits(
              parameter.components[i]!.type,
              paths.map(path => path.type),
            ),
          ),
        )
      )
        // prettier-ignore
        refuse('component', `The expressions of the components lead to elements of ${each} that their types cannot search.`);
    } else if (parameter.test !== undefined) {
      if (type !== 'token')
        refuse('type', `The expression "${expression}" is true or false; its type must be token.`);
    } else if (parameter.paths.length === 0) empty.push(each);
    else if (!fits(type, parameter.elementTypes)) {
      const found = [...parameter.elementTypes].join(', ');
      refuse('type', `The expression leads to ${found} in ${each}, which cannot be searched as ${type}.`);
    }
  }
  if (empty.length > 0 && (!everywhere || empty.length === types.length)) {
    refuse(
      'expression',
      `The expression "${expression}" leads to no element of ${empty.slice(0, 5).join(', ')}.`,
    );
  }
}

const fits = (type: SearchParameterDefinition['type'], elementTypes: Iterable<string>): boolean =>
  [...elementTypes].some(
    element => element === 'Extension' || searchTypes[type]?.index[element] !== undefined,
  );
