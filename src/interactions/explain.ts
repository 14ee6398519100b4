// `_explain=true`: how a search is answered instead of its answer, as Parameters, for administrators.
import type { Resource } from '../fhir/resource.js';
import type { JsonObject } from '../fhir/json.js';
import { FhirError } from '../errors.js';
import { isUnrestricted, mayDo } from '../auth/grant.js';
import { followsLinks } from '../search/matches.js';
import { describePlan } from '../search/describe-plan.js';
import type { SearchPlan } from '../search/plan.js';
import type { ExplainedStep } from '../storage/store.js';
import { sendResource } from './answer.js';
import type { Context } from './context.js';
import type { FhirResponse } from './exchange.js';

/** @throws FhirError `forbidden` for grants without the ability, or that do not see all of what is searched: a plan tells how much there is */
export async function explain({ grant, store, request }: Context, plan: SearchPlan): Promise<FhirResponse> {
  const isHidden =
    followsLinks(plan.where) || plan.types.some(type => grant.visible(type, 'search').op !== 'all');
  if (!mayDo(grant, 'explain') || (isHidden && !isUnrestricted(grant)))
    throw new FhirError('forbidden', '_explain is for administrators.');
  const { found, milliseconds, steps } = await store.explain(plan);
  const explained: Resource = {
    resourceType: 'Parameters',
    parameter: [
      { name: 'plan', valueString: describePlan(plan) },
      { name: 'store', valueString: store.capabilities.name },
      { name: 'found', valueInteger: found },
      { name: 'milliseconds', valueDecimal: rounded(milliseconds) },
      ...steps.map((step): JsonObject => ({ name: 'step', part: partsOf(step) })),
    ],
  };
  return sendResource({ status: 200, headers: {} }, explained, request);
}

const partsOf = (step: ExplainedStep): JsonObject[] => [
  { name: 'asked', valueString: step.asked },
  { name: 'times', valueInteger: step.times },
  ...step.plan.map(line => ({ name: 'plan', valueString: line })),
  ...step.indexes.map(name => ({ name: 'index', valueString: name })),
  ...(step.examined === undefined ? [] : [{ name: 'examined', valueInteger: step.examined }]),
  { name: 'returned', valueInteger: step.returned },
  { name: 'milliseconds', valueDecimal: rounded(step.milliseconds) },
];

const rounded = (milliseconds: number): number => Math.round(milliseconds * 1000) / 1000;
