// $meta, $meta-add and $meta-delete: profiles, tags and security labels. https://hl7.org/fhir/R4/resource-operation-meta.html,
// https://hl7.org/fhir/R4/resource-operation-meta-add.html, https://hl7.org/fhir/R4/resource-operation-meta-delete.html
// Adding and deleting make a new version like any update: nobody who holds an ETag is told that nothing happened.
import { FhirError } from '../errors.js';
import { isObject, type Json, type JsonObject } from '../fhir/json.js';
import { refKey, type Ref, type Resource } from '../fhir/resource.js';
import { sameContent, unstamped } from '../fhir/stamp.js';
import { sendResource } from '../interactions/answer.js';
import type { Context, Handler } from '../interactions/context.js';
import type { FhirResponse } from '../interactions/exchange.js';
import { perform } from '../interactions/perform.js';
import { checkConditions, conditionsOf } from '../interactions/precondition.js';
import { labelled, resourceIn, resourceOf, writeOf } from '../interactions/prepare.js';
import type { Version } from '../storage/store.js';

/** The three sets within Meta, and what tells their members apart. */
const sets = ['profile', 'tag', 'security'] as const;
const keyOf = (member: Json): string =>
  isObject(member) ? `${String(member['system'] ?? '')}|${String(member['code'] ?? '')}` : String(member);
const membersOf = (meta: JsonObject, set: string): Json[] => (Array.isArray(meta[set]) ? meta[set] : []);

const metaOf = (resource: Resource): JsonObject => (isObject(resource['meta']) ? resource['meta'] : {});

const returned = (meta: JsonObject): Resource => ({
  resourceType: 'Parameters',
  parameter: [{ name: 'return', valueMeta: meta }],
});

async function currentOf(
  store: Context['store'],
  ref: Ref,
): Promise<{ current: Version; resource: Resource }> {
  const current = await store.read(ref);
  if (current === undefined) throw new FhirError('not-found', `There is no ${refKey(ref)}.`);
  if (current.body === undefined) throw new FhirError('gone', `${refKey(ref)} was deleted.`);
  return { current, resource: resourceIn(current) };
}

export const meta: Handler = async ({ request, store, type, id }) => {
  const { resource } = await currentOf(store, { type, id });
  return sendResource({ status: 200 }, returned(metaOf(resource)), request);
};

type Change = (stored: readonly Json[], given: readonly Json[]) => Json[];

export const metaAdd: Handler = context =>
  change(context, (stored, given) => {
    const all = new Map(stored.map(member => [keyOf(member), member]));
    for (const member of given) if (!all.has(keyOf(member))) all.set(keyOf(member), member);
    return [...all.values()];
  });

export const metaDelete: Handler = context =>
  change(context, (stored, given) => {
    const gone = new Set(given.map(keyOf));
    return stored.filter(member => !gone.has(keyOf(member)));
  });

function change(context: Context, apply: Change): Promise<FhirResponse> {
  const { request, settings, store, type, id } = context;
  const ref = { type, id };
  const given = givenMeta(resourceOf(request.body, 'Parameters'));
  return perform(
    context,
    [refKey(ref)],
    async () => {
      const { current, resource } = await currentOf(store, ref);
      checkConditions(conditionsOf(request), current);
      const before = metaOf(resource);
      const after: JsonObject = unstamped(before);
      let changed = false;
      for (const set of sets) {
        const was = membersOf(before, set);
        const is = apply(was, membersOf(given, set));
        changed ||= is.length !== was.length;
        if (is.length === 0) delete after[set];
        else after[set] = is;
      }
      if (!changed) return { writes: [], result: { status: 200, version: current } };
      const { meta: _before, ...rest } = resource;
      const asked = { ...rest, ...(Object.keys(after).length > 0 && { meta: after }) } as Resource;
      const changedTo = await labelled(settings, asked, id);
      if (sameContent(resource, changedTo)) return { writes: [], result: { status: 200, version: current } };
      const { write, version } = writeOf(settings, ref, current, 'PUT', changedTo);
      return { writes: [write], result: { status: 200, version } };
    },
    ({ version }) => {
      // Asked again with the same Idempotency-Key after the version was hidden or removed for good.
      if (version?.body === undefined) throw new FhirError('gone', `This version of ${refKey(ref)} is gone.`);
      return sendResource({ status: 200 }, returned(metaOf(resourceIn(version))), request);
    },
  );
}

function givenMeta(parameters: Resource): JsonObject {
  const list = Array.isArray(parameters['parameter']) ? parameters['parameter'] : [];
  const found = list.find(parameter => isObject(parameter) && parameter['name'] === 'meta');
  const value = isObject(found) ? found['valueMeta'] : undefined;
  if (!isObject(value)) {
    throw new FhirError(
      'required',
      'The operation takes Parameters with one parameter "meta" of type Meta.',
      { expression: 'Parameters.parameter' },
    );
  }
  return value;
}
