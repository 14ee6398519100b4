// From the parameters of a search request to its plan and the options of its result.
// https://hl7.org/fhir/R4/search.html. Nothing is ignored in silence: what is not understood is refused by name or, with
// lenient handling, reported; modifiers and values are refused either way, since ignoring them would widen the search.
import { FhirError, type Issue } from '../errors.js';
import { resourceTypes } from '../fhir/definitions.js';
import { queryOf } from '../fhir/query.js';
import { checkValues, checkWalks } from './cost.js';
import { criterion } from './criteria.js';
import { parameterNamed, UnknownParameter } from './named-parameter.js';
import { didYouMean } from './did-you-mean.js';
import { parseInclude, type IncludeStep } from './include-step.js';
import { askedQuery, type NamedQuery } from './named-query.js';
import { parametersOf, type CustomParameters } from './parameters.js';
import { all, and, type Node, type SearchPlan, type SortKey } from './plan.js';
import { parseSort } from './parse-sort.js';
import { quoted, split, unescape, type ParseSettings } from './types/search-type.js';
import type { Catalog } from '../terminology/catalog.js';

export type Summary = 'true' | 'text' | 'data' | 'count' | 'false';
type Params = readonly (readonly [name: string, value: string])[];

export interface SearchInput {
  /** Empty: all of `among`, which `_type` may narrow. */
  readonly types: readonly string[];
  /** The types a URL without a type searches; absent: those of the whole system. */
  readonly among?: readonly string[];
  /** Decoded, in order. */
  readonly params: Params;
  readonly bases: readonly string[];
  readonly handling: 'strict' | 'lenient';
  /** IANA zone for dates without one. */
  readonly zone: string;
  readonly defaultCount: number;
  readonly maxCount: number;
  /** What `_query` may name. */
  readonly queries?: readonly NamedQuery[];
  /** The present, for `ap`; milliseconds since 1970 UTC. */
  readonly now?: number;
  /** What is known of codes; R4's own definitions where absent. */
  readonly catalog?: Catalog | undefined;
  /** Parameters beside those of the specification. */
  readonly custom?: CustomParameters | undefined;
}

export interface SearchRequest {
  readonly plan: SearchPlan;
  readonly includes: readonly IncludeStep[];
  readonly summary?: Summary;
  readonly elements?: readonly string[];
  /** Asked how it is answered, instead of the answer. */
  readonly explain?: true;
  /** What was understood, in order, for the self link. */
  readonly understood: Params;
  /** What was not, for the OperationOutcome of a lenient search. */
  readonly ignored: readonly Issue[];
}

/** Accepted, and without meaning here: they are about the form of the answer. */
const formParameters = new Set(['_format', '_pretty']);
export const resultParameters = [
  '_sort',
  '_count',
  '_total',
  '_summary',
  '_elements',
  '_include',
  '_revinclude',
  '_contained',
  '_containedType',
  '_type',
  '_explain',
];

interface Options {
  count: number | undefined;
  total: SearchPlan['total'] | undefined;
  summary: Summary | undefined;
  explain: boolean | undefined;
  readonly elements: string[];
  readonly sort: SortKey[];
  readonly includes: IncludeStep[];
}

/** @throws FhirError `invalid-search`, `too-costly-search` */
export function parseSearch(input: SearchInput): SearchRequest {
  const { bases, zone, custom, catalog } = input;
  const settings = { bases, zone, custom, catalog, now: input.now ?? Date.now() };
  checkValues(input.params);
  const types = typesOf(input);
  const nodes: Node[] = [];
  const options: Options = {
    count: undefined,
    total: undefined,
    summary: undefined,
    explain: undefined,
    elements: [],
    sort: [],
    includes: [],
  };
  const understood: (readonly [string, string])[] = [];
  const ignored: Issue[] = [];
  const query = askedQuery(input.queries ?? [], types, input.params);
  for (const [name, value] of input.params) {
    if (formParameters.has(name) || value === '') continue;
    if (query?.takes(name)) {
      understood.push([name, value]);
      continue;
    }
    try {
      if (!option(name, value, types, options, input)) {
        const node = criterionOf(types, name, value, settings);
        if (node === undefined) continue;
        nodes.push(node);
      }
      understood.push([name, value]);
    } catch (error) {
      if (input.handling === 'strict' || !(error instanceof UnknownParameter)) throw error;
      const refusal = error;
      ignored.push({
        severity: 'warning',
        code: 'not-supported',
        text: `${refusal.message} It was ignored.`,
      });
    }
  }
  for (const [name, value] of query?.criteria ?? [])
    nodes.push(criterion(types, name, value, settings) ?? all);
  if (query?.sort !== undefined && options.sort.length === 0)
    options.sort.push(...parseSort(query.sort, types, settings.custom));
  const { summary, elements, sort, includes } = options;
  const where = and(...nodes);
  checkWalks(where);
  const count = summary === 'count' ? 0 : Math.min(options.count ?? input.defaultCount, input.maxCount);
  const total = count === 0 ? 'accurate' : (options.total ?? 'none');
  return {
    plan: { types, where, sort, count, total },
    includes,
    ...(summary === undefined ? {} : { summary }),
    ...(elements.length === 0 ? {} : { elements }),
    ...(options.explain === true ? { explain: true } : {}),
    understood,
    ignored,
  };
}

/** A criterion; where its parameter is unknown, "did you mean" thinks of the result parameters too. */
function criterionOf(
  types: readonly string[],
  name: string,
  value: string,
  settings: ParseSettings,
): Node | undefined {
  try {
    return criterion(types, name, value, settings);
  } catch (error) {
    if (!(error instanceof UnknownParameter) || /[.:]/.test(name) || error.message.includes('not supported'))
      throw error;
    const what =
      types.length === 1
        ? `${types[0]} has no search parameter ${quoted(name)}.`
        : `${quoted(name)} is not a search parameter of all the types searched.`;
    throw new UnknownParameter(
      what + didYouMean(name, [...parametersOf(types[0]!, settings.custom).keys(), ...resultParameters]),
    );
  }
}

function typesOf(input: SearchInput): readonly string[] {
  const named = input.params
    .filter(([name]) => name === '_type')
    .flatMap(([, value]) => value.split(',').filter(type => type !== ''));
  if (input.types.length > 0) {
    if (named.length > 0)
      throw new FhirError(
        'invalid-search',
        `_type is for searches of the whole system; this URL searches ${input.types.join(', ')}.`,
      );
    return input.types;
  }
  const among = input.among ?? [...resourceTypes()];
  for (const type of named) {
    if (!resourceTypes().has(type)) {
      throw new FhirError(
        'invalid-search',
        `_type names ${quoted(type)}, which is no resource type.${didYouMean(type, resourceTypes())}`,
      );
    }
  }
  const outside = named.find(type => !among.includes(type));
  if (outside !== undefined)
    throw new FhirError('invalid-search', `_type names ${outside}, which this URL never finds.`);
  return named.length > 0 ? [...new Set(named)] : among;
}

/** Takes the parameter if it is about the result; false where it is a criterion. */
function option(
  name: string,
  value: string,
  types: readonly string[],
  options: Options,
  input: SearchInput,
): boolean {
  const once = (before: unknown): void => {
    if (before !== undefined) throw new FhirError('invalid-search', `${name} is given twice.`);
  };
  switch (name) {
    case '_type':
      return true;
    case '_count':
      once(options.count);
      if (!/^\d{1,9}$/.test(value))
        throw new FhirError(
          'invalid-search',
          `_count is ${quoted(value)}; expected a whole number from 0 to ${input.maxCount}.`,
        );
      options.count = Number(value);
      return true;
    case '_total':
      once(options.total);
      options.total = oneOf(name, value, ['none', 'estimate', 'accurate']);
      return true;
    case '_summary':
      once(options.summary);
      options.summary = oneOf(name, value, ['true', 'text', 'data', 'count', 'false']);
      return true;
    case '_contained':
    case '_containedType':
      if (name === '_contained' && value === 'false') return true;
      throw new FhirError(
        'invalid-search',
        `${name} is ${quoted(value)}: contained resources are not found by themselves here, only the resources that contain them; accepted: _contained=false.`,
      );
    case '_explain':
      once(options.explain);
      options.explain = oneOf(name, value, ['true', 'false']) === 'true';
      return true;
    case '_elements':
      options.elements.push(...value.split(',').filter(element => element !== ''));
      return true;
    case '_sort':
      options.sort.push(...parseSort(value, types, input.custom));
      return true;
    case '_cursor':
      throw new FhirError(
        'invalid-cursor',
        '_cursor is for the links of a page; it cannot be combined with other parameters.',
      );
    default:
      if (!/^_(rev)?include(:|$)/.test(name)) return false;
      if (!options.includes.some(step => step.name === `${name}=${value}`))
        options.includes.push(parseInclude(name, value, types, input.custom));
      return true;
  }
}

function oneOf<const T extends string>(name: string, value: string, accepted: readonly T[]): T {
  const found = accepted.find(one => one === value);
  if (found === undefined)
    throw new FhirError(
      'invalid-search',
      `${name} is ${quoted(value)}; accepted here: ${accepted.join(', ')}.`,
    );
  return found;
}

/** A conditional interaction looks for at most this many: none, one and several are told apart. */
const severalIsTwo = 2;

/**
 * The plan of the criteria of a conditional interaction, such as `identifier=http://x|1`. Always strict: an ignored
 * criterion would select other resources. https://hl7.org/fhir/R4/http.html#cond-update
 * @throws FhirError `invalid-search`
 */
export function parseCriteria(type: string, query: string, settings: Omit<ParseSettings, 'now'>): SearchPlan {
  const nodes: Node[] = [];
  const params = queryOf(query);
  checkValues(params);
  for (const [name, value] of params) {
    if (formParameters.has(name)) continue;
    if (resultParameters.includes(name.split(':')[0]!)) {
      throw new FhirError(
        'invalid-search',
        `${name.split(':')[0]} is about the result of a search; criteria only select resources.`,
      );
    }
    const node = criterion([type], name, value, { ...settings, now: Date.now() });
    if (node !== undefined) nodes.push(node);
  }
  if (nodes.length === 0)
    throw new FhirError('invalid-search', `${quoted(query)} has no criterion that could select a ${type}.`);
  const where = and(...nodes);
  checkWalks(where);
  return { types: [type], where, sort: [], count: severalIsTwo, total: 'none' };
}

/**
 * The locks under which criteria are judged: `Type|system|value` for each identifier they ask for, else `Type`. Writers
 * whose criteria have no lock in common can pass each other (docs/search.md).
 */
export function locksOf(type: string, query: string): readonly string[] {
  const locks = new Set<string>();
  for (const [name, value] of queryOf(query)) {
    if (name !== 'identifier' || parameterNamed(type, name).type !== 'token') continue;
    for (const one of split(value, ',').filter(part => part !== '')) {
      const [system = '', code = '', ...more] = split(one, '|').map(unescape);
      if (system === '' || code === '' || more.length > 0) return [type];
      locks.add(`${type}|${system}|${code}`);
    }
  }
  return locks.size === 0 ? [type] : [...locks].sort();
}
