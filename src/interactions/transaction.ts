// transaction: all entries or none, in one commit. Identities are settled first (new ids, criteria), then references
// are rewritten to them, then every entry is judged by the same `prepare` as alone; DELETE, POST, PUT and PATCH, GET.
// https://hl7.org/fhir/R4/http.html#trules
import type { Pause } from '../fhir/in-turns.js';
import type { JsonObject } from '../fhir/json.js';
import { refKey, type Resource } from '../fhir/resource.js';
import type { Version } from '../storage/store.js';
import { preferredReturn, sendBytes } from './answer.js';
import { bundleBytes, type Entry } from './bundle.js';
import {
  atEntry,
  entryRequest,
  isRead,
  responseEntry,
  resultEntry,
  standalone,
  type EntryRequest,
} from './bundle-entry.js';
import { commit } from './commit.js';
import type { Context } from './context.js';
import { prepareCreate } from './create.js';
import { prepareConditionalDelete, prepareDelete } from './delete.js';
import type { FhirResponse } from './exchange.js';
import type { Judge } from './judge.js';
import { prepareConditionalPatch, preparePatch } from './patch.js';
import type { Prepared, Result } from './prepare.js';
import { once, type MakeReceipt, type Results } from './receipt.js';
import { identify, type Identity } from './transaction-identity.js';
import { ReadFailed, tryReads } from './transaction-reads.js';
import { EntryReferences, placesOf } from './transaction-references.js';
import { inOrder, stepOf, type Step } from './transaction-step.js';
import { checkSameId, prepareConditionalUpdate, prepareUpdate } from './update.js';

/** `pause` is asked between entries: a Bundle of thousands must not keep other requests waiting. */
export async function transaction(
  context: Context,
  bundle: readonly JsonObject[],
  pause: Pause,
): Promise<FhirResponse> {
  const entries = bundle.map((entry, index) => entryRequest(entry, index, context.settings.bases));
  const shown = preferredReturn(context.request) === 'representation';
  let written: Results;
  try {
    written = await once(context, shown, receipt => write(context, entries, pause, receipt));
  } catch (error) {
    if (error instanceof ReadFailed) return error.response;
    throw error;
  }
  const answers: Entry[] = [];
  for (const entry of entries) {
    const result = written[entry.index];
    answers.push(
      result
        ? resultEntry(context, result)
        : responseEntry(entry, await context.dispatch(standalone(context, entry))),
    );
    await pause();
  }
  const bytes = bundleBytes({ type: 'transaction-response' }, answers);
  return sendBytes({ status: 200, headers: {} }, bytes, context.request);
}

/** Everything but the reads. */
async function write(
  context: Context,
  entries: readonly EntryRequest[],
  pause: Pause,
  receipt: MakeReceipt,
): Promise<Results> {
  await tryReads(context, entries);
  const steps: Step[] = [];
  for (const entry of entries) {
    if (!isRead(entry)) steps.push(stepOf(context, entry));
    await pause();
  }
  inOrder(steps);
  const results = (prepared: readonly Prepared[]): Results => {
    const byPosition = new Array<Result | null>(entries.length).fill(null);
    steps.forEach((step, i) => (byPosition[step.entry.index] = prepared[i]!.result));
    return byPosition;
  };
  const prepared = await commit(
    context,
    steps.flatMap(step => step.keys),
    () => judgeAll(context, steps, pause),
    receipt && (all => receipt(results(all))),
  );
  return results(prepared);
}

/** One attempt: settles identities, rewrites references, judges each step. The result is in the order of `steps`. */
async function judgeAll(
  context: Context,
  steps: readonly Step[],
  pause: Pause,
): Promise<readonly Prepared[]> {
  const { identities, judge } = await identify(context, steps, pause);
  const references = new EntryReferences(context, judge, placesOf(steps, identities));
  const made = new Map<string, Version>();
  const stored = await currentOf(context, steps, identities);
  const read: Judge['read'] = async ref => {
    const key = refKey(ref);
    return made.get(key) ?? (stored.has(key) ? stored.get(key) : context.store.read(ref));
  };
  const prepared: Prepared[] = [];
  for (const [i, step] of steps.entries()) {
    const identity = identities[i]!;
    try {
      const one = await judgeStep(context, { read, find: identity.find }, step, identity, references);
      for (const write of one.writes) {
        const { ref, expected, method, lastUpdated, body } = write;
        if (body !== undefined)
          made.set(refKey(ref), { ref, version: expected + 1, lastUpdated, method, body });
      }
      prepared.push(one);
    } catch (error) {
      throw atEntry(error, step.entry.index);
    }
    await pause();
  }
  return prepared;
}

/** So many reads are under way at once. */
const readsAtOnce = 50;

/** What the steps replace, read side by side; undefined where nothing is. */
async function currentOf(
  { store }: Context,
  steps: readonly Step[],
  identities: readonly Identity[],
): Promise<ReadonlyMap<string, Version | undefined>> {
  const refs = steps.flatMap(({ kind }, i) => (kind === 'create' ? [] : (identities[i]!.ref ?? [])));
  const current = new Map<string, Version | undefined>();
  for (let i = 0; i < refs.length; i += readsAtOnce) {
    await Promise.all(
      refs.slice(i, i + readsAtOnce).map(async ref => current.set(refKey(ref), await store.read(ref))),
    );
  }
  return current;
}

async function judgeStep(
  context: Context,
  judge: Judge,
  step: Step,
  { ref }: Identity,
  references: EntryReferences,
): Promise<Prepared> {
  const { type, criteria, entry } = step;
  switch (step.kind) {
    case 'create': {
      const resource = await references.resolve(step.resource, entry.fullUrl);
      return prepareCreate(context, judge, { type, id: step.fresh }, resource, criteria);
    }
    case 'update': {
      const resource = await references.resolve(step.resource, entry.fullUrl);
      if (criteria !== undefined)
        return prepareConditionalUpdate(context, judge, type, criteria, resource, step.fresh, entry);
      checkSameId(resource, ref!);
      return prepareUpdate(context, judge, ref!, resource, entry);
    }
    case 'patch': {
      const patch = (resource: Resource): Resource => references.rewrite(step.patch(resource));
      return criteria === undefined
        ? preparePatch(context, judge, ref!, patch, entry)
        : prepareConditionalPatch(context, judge, type, criteria, patch, entry);
    }
    case 'delete':
      return criteria === undefined
        ? prepareDelete(context, judge, ref!, entry)
        : prepareConditionalDelete(context, judge, type, criteria, entry);
  }
}
