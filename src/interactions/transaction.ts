// transaction: all entries or none, in one commit. Identities are settled first (new ids, criteria), then references
// are rewritten to them, then every entry is judged by the same `prepare` as alone; DELETE, POST, PUT and PATCH, GET.
// https://hl7.org/fhir/R4/http.html#trules
import { FhirError } from '../errors.js';
import { newId, instant } from '../fhir/ids.js';
import type { Pause } from '../fhir/in-turns.js';
import { parseJson, writeJson, type JsonObject } from '../fhir/json.js';
import { referencesIn, rewriteReferences } from '../fhir/reference.js';
import { refKey, type Ref, type Resource } from '../fhir/resource.js';
import { resourceTypes } from '../fhir/definitions.js';
import { indexRows } from '../search/index-rows.js';
import type { Permission } from '../auth/grant.js';
import { etag, fhirJson, isPretty, locationOf, preferredReturn } from './answer.js';
import { bundleBytes, type Entry } from './bundle.js';
import {
  entryRequest,
  patchDocument,
  responseEntry,
  standalone,
  statusText,
  type EntryRequest,
} from './bundle-entry.js';
import { commit } from './commit.js';
import type { Context } from './context.js';
import { prepareCreate } from './create.js';
import { criteriaOf, locksOf } from './criteria.js';
import { prepareConditionalDelete, prepareDelete } from './delete.js';
import type { FhirResponse } from './exchange.js';
import { judgeBy, overlay, type Judge, type Pending } from './judge.js';
import { patchIn, prepareConditionalPatch, preparePatch, type Patch } from './patch.js';
import { atMostOne, checked, checkId, type Prepared, type Result } from './prepare.js';
import { once } from './receipt.js';
import { checkSameId, prepareConditionalUpdate, prepareUpdate } from './update.js';

/** An entry that writes, with what does not change between attempts. */
interface Step {
  readonly entry: EntryRequest;
  readonly kind: 'create' | 'update' | 'patch' | 'delete';
  readonly type: string;
  /** From the URL; absent for a create or with criteria. */
  readonly id: string | undefined;
  readonly criteria: string | undefined;
  readonly resource: Resource | undefined;
  readonly patch: Patch | undefined;
  /** The id of what this entry may create, fixed once so that every attempt makes the same resource. */
  readonly fresh: string;
}

const order: Record<Step['kind'], number> = { delete: 0, create: 1, update: 2, patch: 2 };
const permissions: Record<Step['kind'], Permission> = {
  delete: 'delete',
  create: 'create',
  update: 'update',
  patch: 'update',
};

/** `pause` is asked between entries: a Bundle of thousands must not keep other requests waiting. */
export function transaction(
  context: Context,
  bundle: readonly JsonObject[],
  pause: Pause,
): Promise<FhirResponse> {
  return once(context, async receipt => {
    const entries = bundle.map((entry, index) => entryRequest(entry, index, context.settings.bases));
    const reads = entries.filter(entry => entry.method === 'GET' || entry.method === 'HEAD');
    if (reads.length > 0 && context.request.headers['idempotency-key'] !== undefined) {
      throw new FhirError('not-supported', 'A transaction with an Idempotency-Key cannot hold GET entries.');
    }
    const steps: Step[] = [];
    for (const entry of entries) {
      if (!reads.includes(entry)) steps.push(stepOf(context, entry));
      await pause();
    }
    steps.sort((a, b) => order[a.kind] - order[b.kind] || a.entry.index - b.entry.index);

    const prepared = await commit(
      context,
      keysOf(steps),
      () => judgeAll(context, steps, pause),
      all => receipt(response(context, entriesOf(context, entries.length, steps, all))),
    );
    const answers = entriesOf(context, entries.length, steps, prepared);
    for (const entry of reads)
      answers[entry.index] = responseEntry(await context.dispatch(standalone(context, entry)));
    await pause();
    return response(context, answers);
  });
}

function stepOf(context: Context, entry: EntryRequest): Step {
  const at = `Bundle.entry[${entry.index}]`;
  const [type, id, ...more] = entry.path;
  const refuse = (text: string): never => {
    throw new FhirError('not-supported', text, { expression: `${at}.request.url` });
  };
  if (type === undefined || more.length > 0 || type.startsWith('$') || id?.startsWith('$') === true) {
    return refuse(
      'An entry of a transaction that writes names a type, a type with criteria, or a type and an id.',
    );
  }
  if (!resourceTypes().has(type))
    throw new FhirError('not-found', `There is no resource type "${type}".`, {
      expression: `${at}.request.url`,
    });
  const kind =
    entry.method === 'POST'
      ? 'create'
      : entry.method === 'PUT'
        ? 'update'
        : entry.method === 'PATCH'
          ? 'patch'
          : 'delete';
  if (!context.grant.permits(permissions[kind], type))
    throw new FhirError('forbidden', `You may not ${permissions[kind]} ${type}.`, { expression: at });
  if (kind === 'create' && (id !== undefined || entry.query !== undefined))
    return refuse('A POST entry names the type alone.');
  if (kind !== 'create' && id === undefined && entry.query === undefined)
    return refuse(`A ${entry.method} entry needs an id or criteria.`);
  if (id !== undefined) checkId(id);
  const criteria = kind === 'create' ? entry.ifNoneExist : id === undefined ? entry.query : undefined;
  return atEntry(entry.index, () => ({
    entry,
    kind,
    type,
    id,
    criteria,
    resource: kind === 'create' || kind === 'update' ? checked(entry.resource, type) : undefined,
    patch: kind === 'patch' ? patchIn(patchDocument(entry.resource ?? null)) : undefined,
    fresh: newId(),
  }));
}

/** Puts `Bundle.entry[i]` in front of what fails inside it. */
function atEntry<T>(index: number, work: () => T): T {
  try {
    return work();
  } catch (error) {
    throw located(error, index);
  }
}

function located(error: unknown, index: number): unknown {
  if (!(error instanceof FhirError)) return error;
  const prefix = `Bundle.entry[${index}].resource`;
  const issues = error.issues.map(issue => ({
    ...issue,
    expression:
      issue.expression === undefined
        ? `Bundle.entry[${index}]`
        : issue.expression.startsWith('Bundle.')
          ? issue.expression
          : issue.expression.replace(/^[A-Za-z]+/, prefix),
  }));
  return new FhirError(error.code, `Entry ${index}: ${error.message}`, {
    issues,
    headers: error.headers,
    cause: error.cause,
  });
}

function keysOf(steps: readonly Step[]): readonly string[] {
  const keys = steps.flatMap(step =>
    step.criteria !== undefined
      ? locksOf(step.type, step.criteria)
      : step.id !== undefined
        ? [`${step.type}/${step.id}`]
        : [],
  );
  return keys.sort();
}

/** One attempt: settles identities, rewrites references, judges each step. The result is in the order of `steps`. */
async function judgeAll(
  context: Context,
  steps: readonly Step[],
  pause: Pause,
): Promise<readonly Prepared[]> {
  const pending = new Map<string, Pending>();
  const judge = overlay(context.store, pending);
  const identities: { ref: Ref | undefined; find: Judge['find'] }[] = [];
  for (const step of steps) {
    const identity = await identify(context, judge, pending, step);
    identities.push(identity);
    claimIdentity(context, pending, step, identity.ref);
    await pause();
  }

  const places = placesOf(
    steps,
    identities.map(identity => identity.ref),
  );
  const prepared: Prepared[] = [];
  const stored = judgeBy(context.store);
  for (const [i, step] of steps.entries()) {
    const { ref, find } = identities[i]!;
    try {
      const resource =
        step.resource === undefined ? undefined : await resolved(context, judge, step, step.resource, places);
      prepared.push(await judgeStep(context, { read: stored.read, find }, step, ref, resource));
    } catch (error) {
      throw located(error, step.entry.index);
    }
    await pause();
  }
  return prepared;
}

/** Which resource a step is about. `find` answers its criteria again as they were answered here. */
async function identify(
  context: Context,
  judge: Judge,
  pending: ReadonlyMap<string, Pending>,
  step: Step,
): Promise<{ ref: Ref | undefined; find: Judge['find'] }> {
  const { type, criteria } = step;
  if (criteria === undefined) return { ref: { type, id: step.id ?? step.fresh }, find: judge.find };
  const several = step.kind === 'delete' && context.settings.conditionalDelete === 'multiple';
  const answer = await judge.find(
    criteriaOf(context, type, criteria, several ? 1001 : 2),
    locksOf(type, criteria),
  );
  const find: Judge['find'] = () => Promise.resolve(answer);
  const overlap =
    step.kind === 'create' ? undefined : answer.condition.found.find(ref => pending.has(refKey(ref)));
  if (overlap !== undefined) throw twice(refKey(overlap), step);
  if (step.kind === 'delete') return { ref: answer.found[0], find };
  const match = atEntry(step.entry.index, () => atMostOne(answer.found, criteria));
  const given = step.kind === 'update' ? (step.resource?.['id'] as string | undefined) : undefined;
  return { ref: match ?? (step.kind === 'patch' ? undefined : { type, id: given ?? step.fresh }), find };
}

/** Records what the step will make of its resource. @throws where two entries are about the same one. */
function claimIdentity(
  context: Context,
  pending: Map<string, Pending>,
  step: Step,
  ref: Ref | undefined,
): void {
  if (ref === undefined) return;
  const key = refKey(ref);
  const isFound = step.kind === 'create' && ref.id !== step.fresh;
  if (isFound) return;
  if (pending.has(key)) throw twice(key, step);
  const { resource } = step;
  let rows: ReturnType<typeof indexRows> | undefined;
  pending.set(key, {
    ref,
    resource,
    // Computed at most once, and only where some criteria ask for resources of this type.
    get rows() {
      return (rows ??= resource === undefined ? [] : indexRows(resource, context.settings));
    },
  });
}

/** What the specification demands where identities overlap: the transaction fails. */
const twice = (key: string, step: Step): FhirError =>
  new FhirError('duplicate', `Two entries of the transaction are about ${key}.`, {
    expression: `Bundle.entry[${step.entry.index}].request`,
  });

/** fullUrl → `Type/id` for every entry whose resource references may name by it. */
function placesOf(steps: readonly Step[], refs: readonly (Ref | undefined)[]): ReadonlyMap<string, string> {
  const places = new Map<string, string>();
  steps.forEach((step, i) => {
    const ref = refs[i];
    const { fullUrl } = step.entry;
    if (fullUrl === undefined || ref === undefined || step.kind === 'delete') return;
    if (places.has(fullUrl)) {
      throw new FhirError('duplicate', `Two entries have the fullUrl ${fullUrl}.`, {
        expression: `Bundle.entry[${step.entry.index}].fullUrl`,
      });
    }
    places.set(fullUrl, refKey(ref));
  });
  return places;
}

/** The resource with every reference to an entry, and every conditional reference, made a literal one. */
async function resolved(
  context: Context,
  judge: Judge,
  step: Step,
  resource: Resource,
  places: ReadonlyMap<string, string>,
): Promise<Resource> {
  const { fullUrl } = step.entry;
  const root =
    fullUrl === undefined
      ? undefined
      : /^(https?:\/\/.*\/)[A-Za-z]+\/[A-Za-z0-9\-.]{1,64}$/.exec(fullUrl)?.[1];
  const found = new Map<string, string>();
  for (const { reference, expression } of referencesIn(resource)) {
    if (found.has(reference)) continue;
    const place = places.get(reference) ?? (root === undefined ? undefined : places.get(root + reference));
    if (place !== undefined) found.set(reference, place);
    else if (/^[A-Za-z]+\?/.test(reference))
      found.set(reference, refKey(await selected(context, judge, reference, expression)));
    else if (/^urn:(uuid|oid):/.test(reference)) {
      throw new FhirError(
        'invalid-reference',
        `"${reference}" is not the fullUrl of any entry of this transaction.`,
        { expression },
      );
    }
  }
  return found.size === 0 && !places.size
    ? resource
    : rewriteReferences(resource, reference => found.get(reference) ?? places.get(reference));
}

/** The one resource a conditional reference selects. https://hl7.org/fhir/R4/http.html#trules */
async function selected(context: Context, judge: Judge, reference: string, expression: string): Promise<Ref> {
  const type = reference.slice(0, reference.indexOf('?'));
  if (!resourceTypes().has(type))
    throw new FhirError('invalid-reference', `"${type}" is not a resource type.`, { expression });
  const { found } = await judge.find(criteriaOf(context, type, reference), []);
  const one = atMostOne(found, reference);
  if (one === undefined)
    throw new FhirError('invalid-reference', `The conditional reference "${reference}" finds no ${type}.`, {
      expression,
    });
  return one;
}

function judgeStep(
  context: Context,
  judge: Judge,
  step: Step,
  ref: Ref | undefined,
  resource: Resource | undefined,
): Promise<Prepared> {
  const { type, criteria, entry } = step;
  switch (step.kind) {
    case 'create':
      return prepareCreate(context, judge, { type, id: step.fresh }, resource!, criteria);
    case 'update':
      if (criteria !== undefined)
        return prepareConditionalUpdate(context, judge, type, criteria, resource!, step.fresh, entry);
      checkSameId(resource!, ref!);
      return prepareUpdate(context, judge, ref!, resource!, entry);
    case 'patch':
      return criteria === undefined
        ? preparePatch(context, judge, ref!, step.patch!, entry.ifMatch)
        : prepareConditionalPatch(context, judge, type, criteria, step.patch!, entry.ifMatch);
    case 'delete':
      return criteria === undefined
        ? prepareDelete(context, judge, ref!, entry.ifMatch)
        : prepareConditionalDelete(context, judge, type, criteria);
  }
}

/** The response entries in the order of the request; GET entries are still to be filled in. */
function entriesOf(
  context: Context,
  length: number,
  steps: readonly Step[],
  prepared: readonly Prepared[],
): Entry[] {
  const answers: Entry[] = new Array<Entry>(length);
  const full = preferredReturn(context.request) === 'representation';
  steps.forEach(
    (step, i) => (answers[step.entry.index] = entryOf(context.request.base, prepared[i]!.result, full)),
  );
  return answers;
}

function entryOf(base: string, { status, version }: Result, full: boolean): Entry {
  if (version === undefined) return { response: { status: statusText(status) } };
  const location = locationOf(base, version);
  return {
    ...(version.body === undefined ? {} : { fullUrl: `${base}/${refKey(version.ref)}` }),
    ...(full && version.body !== undefined ? { resource: version.body } : {}),
    response: {
      status: statusText(status),
      ...(version.body === undefined ? {} : { location }),
      etag: etag(version.version),
      lastModified: instant(version.lastUpdated),
    },
  };
}

function response(context: Context, entries: readonly Entry[]): FhirResponse {
  const bytes = bundleBytes({ type: 'transaction-response' }, entries);
  return {
    status: 200,
    headers: { 'content-type': fhirJson },
    body: isPretty(context.request) ? writeJson(parseJson(bytes), 2) : bytes,
  };
}
