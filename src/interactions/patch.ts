// patch: JSON Patch, FHIRPath Patch and XML Patch, by id and conditional. https://hl7.org/fhir/R4/http.html#patch
import { FhirError } from '../errors.js';
import { fhirPathPatch } from '../fhir/patch/fhirpath-patch.js';
import { jsonPatch } from '../fhir/patch/json-patch.js';
import { xmlPatch } from '../fhir/patch/xml-patch.js';
import { isObject, parseJson } from '../fhir/json.js';
import { refKey, type Ref, type Resource } from '../fhir/resource.js';
import { sameContent } from '../fhir/stamp.js';
import type { WriteCondition } from '../storage/store.js';
import type { Context, Handler } from './context.js';
import { criteriaInUrl, criteriaOf, locksOf } from './criteria.js';
import type { FhirRequest } from './exchange.js';
import { judgeBy, type Judge } from './judge.js';
import { mediaTypeOf, xmlPatchType } from './media.js';
import { perform } from './perform.js';
import { checkConditions, conditionsOf, type Conditions } from './precondition.js';
import { atMostOne, checked, labelled, resourceIn, writeOf, type Prepared } from './prepare.js';

/** A patch document, ready to be applied to whatever the resource is when it is judged. */
export type Patch = (resource: Resource) => Resource;

/** The patch in a request body, by its media type. @throws FhirError `unsupported-media-type`, or for a malformed patch. */
export function patchOf(request: FhirRequest): Patch {
  if (request.body === undefined || request.body.length === 0)
    throw new FhirError('required', 'A patch needs a body.');
  const mediaType = mediaTypeOf(request.headers['content-type']);
  if (mediaType === xmlPatchType) return xmlPatch(request.body);
  const json = [
    'application/json-patch+json',
    'application/fhir+json',
    'application/json',
    'application/json+fhir',
  ];
  if (!json.includes(mediaType)) {
    throw new FhirError(
      'unsupported-media-type',
      `A patch is application/json-patch+json (JSON Patch), ${xmlPatchType} (XML Patch), or application/fhir+json or application/fhir+xml (FHIRPath Patch), not "${mediaType}".`,
    );
  }
  return patchIn(parseJson(request.body));
}

/** JSON Patch is an array of operations, FHIRPath Patch a Parameters resource, XML Patch a text; nothing else is a patch. */
export function patchIn(document: unknown): Patch {
  if (typeof document === 'string') return xmlPatch(document);
  if (Array.isArray(document)) return resource => jsonPatch(resource, document) as Resource;
  if (isObject(document) && document['resourceType'] === 'Parameters') {
    const parameters = checked(document, 'Parameters');
    return resource => fhirPathPatch(resource, parameters);
  }
  throw new FhirError(
    'structure',
    'A patch is an array of JSON Patch operations or a Parameters resource with FHIRPath Patch operations.',
  );
}

/** Judges a patch on the state it changes; what it makes must pass the gate like any update. */
export async function preparePatch(
  context: Context,
  judge: Judge,
  ref: Ref,
  patch: Patch,
  conditions: Conditions,
  condition?: WriteCondition,
): Promise<Prepared> {
  const current = await judge.read(ref);
  checkConditions(conditions, current);
  if (current === undefined) throw new FhirError('not-found', `There is no ${refKey(ref)}.`);
  if (current.body === undefined) throw new FhirError('gone', `${refKey(ref)} was deleted.`);
  const before = resourceIn(current);
  const patched = patch(before);
  if (patched['id'] !== ref.id)
    throw new FhirError('business-rule', 'A patch must not change the id.', { expression: `${ref.type}.id` });
  if (patched['resourceType'] !== ref.type)
    throw new FhirError('business-rule', 'A patch must not change the resourceType.');
  checked(patched, ref.type);
  const after = await labelled(context.settings, patched, ref.id);
  if (sameContent(before, after)) return { writes: [], result: { status: 200, version: current } };
  const { write, version } = writeOf(context.settings, ref, current, 'PATCH', after, condition);
  return { writes: [write], result: { status: 200, version } };
}

export async function prepareConditionalPatch(
  context: Context,
  judge: Judge,
  type: string,
  criteria: string,
  patch: Patch,
  conditions: Conditions,
): Promise<Prepared> {
  const { found, condition } = await judge.find(criteriaOf(context, type, criteria), locksOf(type, criteria));
  const match = atMostOne(found, criteria);
  if (match === undefined)
    throw new FhirError('not-found', `The criteria "${criteria}" find no ${type} to patch.`);
  return preparePatch(context, judge, match, patch, conditions, condition);
}

export const patch: Handler = async context => {
  const { request, type, id } = context;
  const ref = { type, id };
  const change = patchOf(request);
  return perform(context, [refKey(ref)], () =>
    preparePatch(context, judgeBy(context.store), ref, change, conditionsOf(request)),
  );
};

export const conditionalPatch: Handler = async context => {
  const { request, type } = context;
  const change = patchOf(request);
  const criteria = criteriaInUrl(context);
  return perform(context, locksOf(type, criteria), () =>
    prepareConditionalPatch(context, judgeBy(context.store), type, criteria, change, conditionsOf(request)),
  );
};
