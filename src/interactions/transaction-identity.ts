// Which resource each step of a transaction is about, and that no two are about the same one.
// https://hl7.org/fhir/R4/http.html#trules
import { FhirError } from '../errors.js';
import type { Pause } from '../fhir/in-turns.js';
import { refKey, type Ref, type Resource } from '../fhir/resource.js';
import { indexRows } from '../search/index-rows.js';
import type { Row } from '../search/rows.js';
import { atEntry } from './bundle-entry.js';
import type { Context } from './context.js';
import { criteriaOf } from './criteria.js';
import { deletionsAsked } from './delete.js';
import { overlay, type Judge, type Pending } from './judge.js';
import { atMostOne } from './prepare.js';
import type { Step } from './transaction-step.js';

export interface Identity {
  /** Absent where criteria find nothing to patch, and for a deletion by criteria: it may be about several. */
  readonly ref: Ref | undefined;
  /** Answers the step's criteria as they were answered here, so that both are judged on the same. */
  readonly find: Judge['find'];
}

/**
 * Identities in the order of the steps, and the judge that sees the store as the transaction will leave it.
 * @throws FhirError `overlapping-entries`, or what the criteria give cause for
 */
export async function identify(
  context: Context,
  steps: readonly Step[],
  pause: Pause,
): Promise<{ identities: readonly Identity[]; judge: Judge }> {
  const pending = new Map<string, Pending>();
  const judge = overlay(context.store, pending);
  const identities: Identity[] = [];
  for (const step of steps) {
    try {
      const { identity, writes } =
        step.criteria === undefined
          ? byId(step, judge)
          : await byCriteria(context, judge, pending, step, step.criteria);
      for (const ref of writes) claim(context, pending, step, ref);
      identities.push(identity);
    } catch (error) {
      throw atEntry(error, step.entry.index);
    }
    await pause();
  }
  return { identities, judge };
}

/** A step's identity, and the resources it will write. */
interface Found {
  readonly identity: Identity;
  readonly writes: readonly Ref[];
}

function byId({ type, id, fresh }: Step, { find }: Judge): Found {
  const ref = { type, id: id ?? fresh };
  return { identity: { ref, find }, writes: [ref] };
}

async function byCriteria(
  context: Context,
  judge: Judge,
  pending: ReadonlyMap<string, Pending>,
  step: Step,
  criteria: string,
): Promise<Found> {
  const { type, kind, fresh } = step;
  const asked = kind === 'delete' ? deletionsAsked(context.settings) : undefined;
  const answer = await judge.find(criteriaOf(context, type, criteria, asked), step.keys);
  const find: Judge['find'] = () => Promise.resolve(answer);
  if (kind !== 'create') {
    // What an earlier entry changes no longer counts among the matches, but two entries would be about it.
    const overlap = answer.condition.found.find(ref => pending.has(refKey(ref)));
    if (overlap !== undefined) throw twice(refKey(overlap));
  }
  if (kind === 'delete') return { identity: { ref: undefined, find }, writes: answer.found };
  const match = atMostOne(answer.found, criteria);
  if (match !== undefined)
    return { identity: { ref: match, find }, writes: kind === 'create' ? [] : [match] };
  if (kind === 'patch') return { identity: { ref: undefined, find }, writes: [] };
  const given = kind === 'update' ? (step.resource['id'] as string | undefined) : undefined;
  const ref = { type, id: given ?? fresh };
  return { identity: { ref, find }, writes: [ref] };
}

/** Records what the step will make of the resource. */
function claim(context: Context, pending: Map<string, Pending>, step: Step, ref: Ref): void {
  const key = refKey(ref);
  if (pending.has(key)) throw twice(key);
  if (step.kind === 'delete' || step.kind === 'patch') {
    pending.set(key, { ref, becomes: step.kind === 'delete' ? 'deleted' : 'patched', rows: [] });
    return;
  }
  pending.set(key, new ToBeWritten(ref, step.resource, context.settings));
}

/** Its rows are computed at most once, and only where some criteria ask for resources of this type. */
class ToBeWritten implements Pending {
  readonly becomes = 'written';
  private made: readonly Row[] | undefined = undefined;
  constructor(
    readonly ref: Ref,
    private readonly resource: Resource,
    private readonly settings: Context['settings'],
  ) {}
  get rows(): readonly Row[] {
    return (this.made ??= indexRows(this.resource, this.settings));
  }
}

/** What the specification demands where identities overlap: the transaction fails. */
const twice = (key: string): FhirError =>
  new FhirError('overlapping-entries', `Another entry of the transaction is about ${key} too.`);
