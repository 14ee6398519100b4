// The criteria of conditional interactions, `identifier=http://x|1&active=true`: a search that must select one.
// https://hl7.org/fhir/R4/http.html#cond-update
import { FhirError } from '../errors.js';
import { queryText } from '../fhir/query.js';
import { locksOf as locks, parseCriteria } from '../search/parse.js';
import type { SearchPlan } from '../search/plan.js';
import type { Context } from './context.js';
import { severalIsTwo } from './judge.js';

/** The criteria alone, where they come with a `Patient?` or `?` before them. @throws FhirError for another type */
function withoutLeader(type: string, criteria: string): string {
  const leader = /^([A-Za-z]*)\?/.exec(criteria);
  if (leader === null) return criteria;
  if (leader[1] !== '' && leader[1] !== type) {
    throw new FhirError(
      'value',
      `"${criteria.slice(0, 200)}" selects ${leader[1]}; criteria for ${type} are needed.`,
    );
  }
  return criteria.slice(leader[0].length);
}

/**
 * The plan of the criteria, asking for as many matches as tell none, one and several apart.
 * @throws FhirError `forbidden` where the grant may not search the type: what criteria find would tell what is there
 */
export function criteriaOf(
  context: Context,
  type: string,
  criteria: string,
  count: number = severalIsTwo,
): SearchPlan {
  if (!context.grant.permits('search', type))
    throw new FhirError('forbidden', `You may not search ${type}, and so not select one by criteria.`);
  const query = withoutLeader(type, criteria);
  if (query === '') {
    throw new FhirError(
      'required',
      `Criteria are needed to select a ${type}, for example "identifier=http://example.org/ids|123".`,
    );
  }
  const { bases, zone, custom } = context.settings;
  const { catalog } = context;
  return { ...parseCriteria(type, query, { bases, zone, custom, catalog }), count };
}

/** What writers by these criteria queue for. */
export const locksOf = (type: string, criteria: string): readonly string[] =>
  locks(type, withoutLeader(type, criteria));

/** The query of the request's URL as criteria text, in the form If-None-Exist has. */
export const criteriaInUrl = (context: Context): string =>
  queryText(context.request.query.filter(([name]) => name !== '_format' && name !== '_pretty'));
