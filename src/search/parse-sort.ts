// `_sort=family,-birthdate` as sort keys. https://hl7.org/fhir/R4/search.html#sort
import { FhirError } from '../errors.js';
import { answeredBy } from './aliases.js';
import { parameterNamed } from './named-parameter.js';
import type { CustomParameters } from './parameters.js';
import type { SortKey } from './plan.js';

/** @throws FhirError where a parameter is unknown or has no order */
export const parseSort = (
  value: string,
  types: readonly string[],
  custom?: CustomParameters,
): readonly SortKey[] =>
  value
    .split(',')
    .filter(key => key !== '')
    .map(key =>
      key.startsWith('-')
        ? { ...sortKey(key.slice(1), types, custom), descending: true }
        : sortKey(key, types, custom),
    );

function sortKey(code: string, types: readonly string[], custom?: CustomParameters): SortKey {
  if (code === '_id') return { param: code, kind: 'token', descending: false };
  if (code === '_lastUpdated') return { param: code, kind: 'date', descending: false };
  const keys = types.map(type => sortKeyOf(type, code, custom));
  const [first] = keys;
  if (keys.some(key => key.param !== first!.param || key.kind !== first!.kind)) {
    throw new FhirError(
      'invalid-search',
      `_sort by "${code}" is not the same in all the types searched; search one type at a time.`,
    );
  }
  return first!;
}

function sortKeyOf(type: string, code: string, custom?: CustomParameters): SortKey {
  const { kind } = parameterNamed(type, code, custom);
  const answers = answeredBy(type, code, custom);
  const only = 'any' in answers && answers.any.length === 1 ? answers.any[0] : undefined;
  if (
    only?.parameter.type === 'special' ||
    only === undefined ||
    kind === undefined ||
    kind === 'composite' ||
    kind === 'reference'
  ) {
    throw new FhirError(
      'invalid-search',
      `_sort by "${code}" is not possible: ${type}.${code} has no order of its own.`,
    );
  }
  return { param: only.parameter.code, kind, descending: false };
}
