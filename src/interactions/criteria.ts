// The criteria of conditional interactions, `identifier=http://x|1&active=true`: a search that must select one.
// https://hl7.org/fhir/R4/http.html#cond-update
import { FhirError } from '../errors.js';
import { locksOf as locks, parseCriteria } from '../search/parse.js';
import type { SearchPlan } from '../search/plan.js';
import type { Context } from './context.js';
import { severalIsTwo } from './judge.js';

/** What may stand before the criteria proper: `Patient?` or `?`. */
const leader = /^[A-Za-z]*\?/;

/** The plan of the criteria, asking for as many matches as tell none, one and several apart. */
export function criteriaOf(
  context: Context,
  type: string,
  criteria: string,
  count: number = severalIsTwo,
): SearchPlan {
  const query = criteria.replace(leader, '');
  if (query === '') {
    throw new FhirError(
      'required',
      `Criteria are needed to select a ${type}, for example "identifier=http://example.org/ids|123".`,
    );
  }
  const { bases, zone } = context.settings;
  return { ...parseCriteria(type, query, { bases, zone }), count };
}

/** What writers by these criteria queue for. */
export const locksOf = (type: string, criteria: string): readonly string[] =>
  locks(type, criteria.replace(leader, ''));

/** The query of the request's URL as criteria text, in the form If-None-Exist has. */
export const criteriaInUrl = (context: Context): string =>
  context.request.query
    .filter(([name]) => name !== '_format' && name !== '_pretty')
    .map(([name, value]) => `${encodeURIComponent(name)}=${encodeURIComponent(value)}`)
    .join('&');
