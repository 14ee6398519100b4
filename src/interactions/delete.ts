// delete, and conditional delete of one or, by configuration, several. https://hl7.org/fhir/R4/http.html#delete
import { FhirError, type Issue } from '../errors.js';
import { refKey, type Ref } from '../fhir/resource.js';
import type { Context, Handler, Settings } from './context.js';
import { criteriaInUrl, criteriaOf, locksOf } from './criteria.js';
import { judgeBy, severalIsTwo, type Judge } from './judge.js';
import { perform } from './perform.js';
import { checkConditions, conditionsOf, type Conditions } from './precondition.js';
import { atMostOne, checkId, deletionOf, type Prepared } from './prepare.js';
import type { WriteCondition } from '../storage/store.js';

/** At most so many resources fall to one conditional delete. */
const mostDeletions = 1000;

/** How many matches of a conditional delete are asked for: one more than it may have. */
export const deletionsAsked = ({ conditionalDelete }: Settings): number =>
  conditionalDelete === 'multiple' ? mostDeletions + 1 : severalIsTwo;

/** Judges a deletion. Deleting what is not there, or no longer, changes nothing and is no error. */
export async function prepareDelete(
  context: Context,
  judge: Judge,
  ref: Ref,
  conditions: Conditions,
  condition?: WriteCondition,
): Promise<Prepared> {
  const current = await judge.read(ref);
  checkConditions(conditions, current);
  if (current?.body === undefined) {
    const result = { status: 204 as const, ...(current === undefined ? {} : { version: current }) };
    return { writes: [], result };
  }
  const { write, version } = deletionOf(context.settings, current, condition);
  return { writes: [write], result: { status: 204, version } };
}

export async function prepareConditionalDelete(
  context: Context,
  judge: Judge,
  type: string,
  criteria: string,
  conditions: Conditions,
): Promise<Prepared> {
  const { conditionalDelete } = context.settings;
  if (conditionalDelete === 'off') {
    throw new FhirError('not-supported', 'Conditional delete is switched off on this server; delete by id.');
  }
  const plan = criteriaOf(context, type, criteria, deletionsAsked(context.settings));
  const { found, condition } = await judge.find(plan, locksOf(type, criteria));
  if (conditionalDelete === 'single') atMostOne(found, criteria);
  if (found.length > mostDeletions) {
    throw new FhirError(
      'too-costly-search',
      `The criteria "${criteria}" find more than ${mostDeletions} resources; narrow them.`,
    );
  }
  if (found.length === 0) checkConditions(conditions, undefined);
  const each = await Promise.all(found.map(ref => prepareDelete(context, judge, ref, conditions)));
  const writes = each.flatMap(one => one.writes);
  const [first, ...rest] = writes;
  if (first === undefined) return { writes: [], result: { status: 204 } };
  const issues: readonly Issue[] = [
    {
      severity: 'information',
      code: 'informational',
      text: `Deleted ${writes.length}: ${writes
        .slice(0, 20)
        .map(write => refKey(write.ref))
        .join(', ')}`,
    },
  ];
  return {
    // The condition guards the whole: if the criteria find anything else at commit, all is judged again.
    writes: [{ ...first, condition }, ...rest],
    result: writes.length === 1 ? each[0]!.result : { status: 204, issues },
  };
}

export const deleteById: Handler = async context => {
  const { request, type, id } = context;
  checkId(id);
  const ref = { type, id };
  return perform(context, [refKey(ref)], () =>
    prepareDelete(context, judgeBy(context.store), ref, conditionsOf(request)),
  );
};

export const conditionalDelete: Handler = async context => {
  const criteria = criteriaInUrl(context);
  return perform(context, locksOf(context.type, criteria), () =>
    prepareConditionalDelete(
      context,
      judgeBy(context.store),
      context.type,
      criteria,
      conditionsOf(context.request),
    ),
  );
};
