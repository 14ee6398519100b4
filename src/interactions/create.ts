// create and conditional create. https://hl7.org/fhir/R4/http.html#create, https://hl7.org/fhir/R4/http.html#ccreate
import { newId } from '../fhir/ids.js';
import type { Ref, Resource } from '../fhir/resource.js';
import { binaryOf, isRawBinary } from './binary.js';
import { criteriaOf, locksOf } from './criteria.js';
import type { Context, Handler } from './context.js';
import { judgeBy, type Judge } from './judge.js';
import { perform } from './perform.js';
import { atMostOne, labelled, resourceOf, writeOf, type Prepared } from './prepare.js';

/** Judges a create: with criteria (If-None-Exist) only where they find nothing. `ref` is fixed before, so that a retry is the same. */
export async function prepareCreate(
  context: Context,
  judge: Judge,
  ref: Ref,
  resource: Resource,
  ifNoneExist?: string,
): Promise<Prepared> {
  const { settings } = context;
  if (ifNoneExist === undefined) {
    const own = await labelled(settings, resource, ref.id);
    const { write, version } = writeOf(settings, ref, undefined, 'POST', own);
    return { writes: [write], result: { status: 201, version } };
  }
  const criteria = criteriaOf(context, ref.type, ifNoneExist);
  const { found, condition } = await judge.find(criteria, locksOf(ref.type, ifNoneExist));
  const existing = atMostOne(found, ifNoneExist);
  if (existing !== undefined) {
    const version = await judge.read(existing);
    return { writes: [], result: version === undefined ? { status: 200 } : { status: 200, version } };
  }
  const own = await labelled(settings, resource, ref.id);
  const { write, version } = writeOf(settings, ref, undefined, 'POST', own, condition);
  return { writes: [write], result: { status: 201, version } };
}

export const create: Handler = async context => {
  const { request, type } = context;
  const resource = isRawBinary(context) ? binaryOf(request) : resourceOf(request.body, type);
  const ifNoneExist = request.headers['if-none-exist'];
  const ref = { type, id: newId() };
  const keys = ifNoneExist === undefined ? [] : locksOf(type, ifNoneExist);
  return perform(context, keys, () =>
    prepareCreate(context, judgeBy(context.store), ref, resource, ifNoneExist),
  );
};
