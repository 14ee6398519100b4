// `_query=name`: searches that the server knows by name, with parameters of their own, answered by ordinary parameters.
// https://hl7.org/fhir/R4/search.html#query. Which there are is given from outside: they name resource types.
import { FhirError } from '../errors.js';
import type { SearchParameterType } from '../fhir/definitions.js';
import { quoted } from './types/search-type.js';

type Params = readonly (readonly [name: string, value: string])[];

export interface NamedQueryParameter {
  readonly name: string;
  readonly type: SearchParameterType;
  readonly required: boolean;
  /** One sentence, for the OperationDefinition. */
  readonly says: string;
}

export interface NamedQuery {
  readonly name: string;
  /** What it searches. */
  readonly type: string;
  readonly title: string;
  readonly says: string;
  /** Each is given once. */
  readonly parameters: readonly NamedQueryParameter[];
  /** As `_sort`, where the search does not say its own. */
  readonly sort?: string;
  /** The ordinary parameters that answer it, escaped as in a URL's value. @throws FhirError `invalid-search` for values */
  criteria(values: ReadonlyMap<string, string>): Params;
}

/** A named query with the values given to it. */
export interface AskedQuery {
  readonly criteria: Params;
  readonly sort: string | undefined;
  /** Whether the parameter is one of the query's own. */
  takes(name: string): boolean;
}

/**
 * The query that the parameters ask for; undefined where they ask for none.
 * @throws FhirError `invalid-search` where there is no such query of the type, or its parameters are not as it has them
 */
export function askedQuery(
  known: readonly NamedQuery[],
  types: readonly string[],
  params: Params,
): AskedQuery | undefined {
  const [named, ...more] = params.filter(([name, value]) => name === '_query' && value !== '');
  if (named === undefined) return undefined;
  const refuse = (why: string): never => {
    throw new FhirError('invalid-search', why);
  };
  if (more.length > 0) return refuse('_query is given twice.');
  const [, name] = named;
  const query = known.find(one => one.name === name && types.length === 1 && one.type === types[0]);
  if (query === undefined) {
    const all = known.map(one => `${one.type}?_query=${one.name}`).join(', ');
    return refuse(
      `There is no named query ${quoted(name)} of ${types.length === 1 ? types[0] : 'several types'}. Known: ${all || 'none'}.`,
    );
  }
  const values = new Map<string, string>();
  for (const { name: own, required, says } of query.parameters) {
    const given = params.filter(([each, value]) => each === own && value !== '');
    if (given.length > 1) return refuse(`${own} is given twice to _query=${name}.`);
    if (given.length === 0 && required) return refuse(`_query=${name} needs the parameter ${own}: ${says}`);
    if (given.length === 1) values.set(own, given[0]![1]);
  }
  return {
    criteria: query.criteria(values),
    sort: query.sort,
    takes: each => each === '_query' || query.parameters.some(own => own.name === each),
  };
}
