// update, also as create, and conditional update. https://hl7.org/fhir/R4/http.html#update,
// https://hl7.org/fhir/R4/http.html#cond-update
import { isRestricted } from '../auth/grant.js';
import { FhirError } from '../errors.js';
import { newId } from '../fhir/ids.js';
import { isObject, type Json } from '../fhir/json.js';
import { refKey, type Ref, type Resource } from '../fhir/resource.js';
import { sameContent } from '../fhir/stamp.js';
import type { WriteCondition } from '../storage/store.js';
import { binaryOf, isRawBinary } from './binary.js';
import type { Context, Handler } from './context.js';
import { criteriaInUrl, criteriaOf, locksOf } from './criteria.js';
import { judgeBy, type Judge } from './judge.js';
import { perform } from './perform.js';
import { checkConditions, conditionsOf, type Conditions } from './precondition.js';
import { atMostOne, checkId, labelled, resourceIn, resourceOf, writeOf, type Prepared } from './prepare.js';

/** Judges an update of `ref`: creates it where it does not exist, changes nothing where nothing differs. */
export async function prepareUpdate(
  context: Context,
  judge: Judge,
  ref: Ref,
  resource: Resource,
  conditions: Conditions,
  found?: { condition: WriteCondition; minted: boolean },
): Promise<Prepared> {
  const { settings, grant } = context;
  const current = await judge.read(ref);
  checkConditions(conditions, current);
  // Who does not see the whole type must not learn which ids are taken: a hidden id and a free one answer alike.
  const mayChooseIds = settings.clientIds && !isRestricted(grant, ref.type);
  if (current === undefined && !mayChooseIds && found?.minted !== true) {
    throw new FhirError(
      'method-not-allowed',
      `${refKey(ref)} does not exist, and ids are given by this server: POST to ${ref.type} instead.`,
    );
  }
  if (
    settings.requireIfMatch &&
    current?.body !== undefined &&
    conditions.ifMatch === undefined &&
    found === undefined
  ) {
    throw new FhirError(
      'precondition-failed',
      'This server takes updates only with If-Match: W/"<versionId>", from the ETag of a read.',
    );
  }
  if (current?.body !== undefined) {
    const stored = resourceIn(current);
    const next = await labelled(settings, withLabelsOf(stored, resource), ref.id);
    if (sameContent(stored, next)) return { writes: [], result: { status: 200, version: current } };
    const { write, version } = writeOf(settings, ref, current, 'PUT', next, found?.condition);
    return { writes: [write], result: { status: 200, version } };
  }
  const fresh = await labelled(settings, resource, ref.id);
  const { write, version } = writeOf(settings, ref, current, 'PUT', fresh, found?.condition);
  return { writes: [write], result: { status: 201, version } };
}

/**
 * Security labels stay on a resource until $meta-delete takes them off: an update by somebody who did not send them must
 * not open what they close. Tags and profiles are as the client sends them.
 */
function withLabelsOf(stored: Resource, next: Resource): Resource {
  const labels =
    isObject(stored['meta']) && Array.isArray(stored['meta']['security']) ? stored['meta']['security'] : [];
  if (labels.length === 0) return next;
  const meta = isObject(next['meta']) ? next['meta'] : {};
  const named = Array.isArray(meta['security']) ? meta['security'] : [];
  const key = (label: Json): string =>
    isObject(label) ? `${String(label['system'])}|${String(label['code'])}` : '';
  const have = new Set(named.map(key));
  const missing = labels.filter(label => !have.has(key(label)));
  return missing.length === 0 ? next : { ...next, meta: { ...meta, security: [...named, ...missing] } };
}

/** Judges a conditional update: the one match is updated, none creates, several refuse. `fresh` is the id for a creation. */
export async function prepareConditionalUpdate(
  context: Context,
  judge: Judge,
  type: string,
  criteria: string,
  resource: Resource,
  fresh: string,
  conditions: Conditions,
): Promise<Prepared> {
  const { found, condition } = await judge.find(criteriaOf(context, type, criteria), locksOf(type, criteria));
  const match = atMostOne(found, criteria);
  const given = resource['id'] as string | undefined;
  if (match === undefined) {
    const ref = { type, id: given ?? fresh };
    const current = given === undefined ? undefined : await judge.read(ref);
    if (current?.body !== undefined) {
      throw new FhirError(
        'conflict',
        `The criteria "${criteria}" find nothing, but ${refKey(ref)} exists and is not what they select.`,
      );
    }
    return prepareUpdate(context, judge, ref, resource, conditions, {
      condition,
      minted: given === undefined,
    });
  }
  if (given !== undefined && given !== match.id) {
    throw new FhirError(
      'wrong-id',
      `The criteria "${criteria}" find ${refKey(match)}, but the resource has the id "${given}".`,
    );
  }
  return prepareUpdate(context, judge, match, resource, conditions, { condition, minted: false });
}

/** @throws FhirError `wrong-id` unless the resource carries the id of the URL. */
export function checkSameId(resource: Resource, ref: Ref): void {
  if (resource['id'] === ref.id) return;
  throw new FhirError(
    'wrong-id',
    resource['id'] === undefined
      ? `The resource has no id; an update needs the id of its URL, "${ref.id}".`
      : `The resource has the id "${String(resource['id'])}", the URL has "${ref.id}".`,
    { expression: `${ref.type}.id` },
  );
}

export const update: Handler = async context => {
  const { request, type, id } = context;
  checkId(id);
  const ref = { type, id };
  const resource = isRawBinary(context) ? { ...binaryOf(request), id } : resourceOf(request.body, type);
  checkSameId(resource, ref);
  return perform(context, [refKey(ref)], () =>
    prepareUpdate(context, judgeBy(context.store), ref, resource, conditionsOf(request)),
  );
};

export const conditionalUpdate: Handler = async context => {
  const { request, type } = context;
  const resource = resourceOf(request.body, type);
  const criteria = criteriaInUrl(context);
  const fresh = newId();
  return perform(context, locksOf(type, criteria), () =>
    prepareConditionalUpdate(
      context,
      judgeBy(context.store),
      type,
      criteria,
      resource,
      fresh,
      conditionsOf(request),
    ),
  );
};
