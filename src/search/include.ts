// Resources that a page of results refers to, or that refer to it. https://hl7.org/fhir/R4/search.html#include
// They come through the same guarded store as a read: what the caller may not see is not included.
import { FhirError } from '../errors.js';
import { parseJson } from '../fhir/json.js';
import { refKey, type Ref, type Resource } from '../fhir/resource.js';
import type { IncludeStep, Through } from './include-step.js';
import { indexRows } from './index-rows.js';
import type { CustomParameters } from './parameters.js';
import { or, type Position, type SearchPlan } from './plan.js';
import { anyOf, equal, type RowSettings } from './types/search-type.js';

export type { IncludeStep } from './include-step.js';

/** What is needed of a stored version: its identity, and its body for the references in it. */
interface Stored {
  readonly ref: Ref;
  readonly body?: Uint8Array;
}

/** What is needed of a store. */
export interface IncludeStore<V extends Stored> {
  readMany(refs: readonly Ref[]): Promise<readonly V[]>;
  search(plan: SearchPlan): Promise<{ readonly versions: readonly V[]; readonly next?: Position }>;
}

export interface IncludeLimits {
  /** For recognising references to this server. */
  readonly bases: readonly string[];
  /** Parameters beside those of the specification. */
  readonly custom?: CustomParameters | undefined;
  /** Over so many included resources the search is refused: a shortened answer would look complete. */
  readonly max?: number;
}

export const defaultMax = 5_000;
/** Steps from a match to what is included; each asks the store again. */
export const mostRounds = 50;

/**
 * What the steps add to the page's matches: each resource once, none that is a match itself.
 * @throws FhirError `too-costly-search` where there are more than `max`
 */
export async function include<V extends Stored>(
  store: IncludeStore<V>,
  page: readonly V[],
  steps: readonly IncludeStep[],
  { bases, custom, max = defaultMax }: IncludeLimits,
): Promise<readonly V[]> {
  const found = new Map<string, V>();
  const matched = new Set(page.map(version => refKey(version.ref)));
  const links = linksOf({ bases, custom });
  let latest = page;
  for (let round = 1; latest.length > 0; round++) {
    const added: V[] = [];
    const keep = (versions: readonly V[], step: IncludeStep): void => {
      for (const version of versions) {
        const key = refKey(version.ref);
        if (matched.has(key) || found.has(key)) continue;
        found.set(key, version);
        added.push(version);
        if (round > mostRounds) throw tooFar(step);
      }
      if (found.size > max) throw tooMany(step, max);
    };
    for (const step of round === 1 ? steps : steps.filter(one => one.iterate)) {
      if (step.direction === 'include') {
        const refs = referredTo(latest, step, links).filter(
          ref => !matched.has(refKey(ref)) && !found.has(refKey(ref)),
        );
        if (refs.length > max) throw tooMany(step, max);
        if (refs.length > 0) keep(await store.readMany(refs), step);
      } else {
        for (let plan = referrersOf(latest, step, max); plan !== undefined;) {
          const { versions, next }: Awaited<ReturnType<typeof store.search>> = await store.search(plan);
          keep(versions, step);
          plan = next === undefined ? undefined : { ...plan, after: next };
        }
      }
    }
    latest = added;
  }
  return [...found.values()];
}

const tooMany = (step: IncludeStep, max: number): FhirError =>
  new FhirError(
    'too-costly-search',
    `${step.name} would add more than ${max} resources; ask for fewer with _count, or search for them directly.`,
  );

const tooFar = (step: IncludeStep): FhirError =>
  new FhirError(
    'too-costly-search',
    `${step.name} leads on after ${mostRounds} steps; search for what follows directly.`,
  );

const localTarget = /^([A-Z][A-Za-z]+)\/([A-Za-z0-9\-.]{1,64})$/;

interface Link {
  readonly param: string;
  readonly target: Ref;
}

/** What a version's reference rows lead to on this server; made once for all steps. */
function linksOf(settings: RowSettings): (version: Stored) => readonly Link[] {
  const known = new Map<Stored, readonly Link[]>();
  return version => {
    let links = known.get(version);
    if (links === undefined) {
      links = indexRows(parseJson(version.body!) as Resource, settings).flatMap(row => {
        const [, type, id] = row.kind === 'reference' ? (localTarget.exec(row.target) ?? []) : [];
        return type === undefined || id === undefined ? [] : [{ param: row.param, target: { type, id } }];
      });
      known.set(version, links);
    }
    return links;
  };
}

/** The references a forward step follows, each once. */
function referredTo(
  page: readonly Stored[],
  step: IncludeStep,
  linksOf: (version: Stored) => readonly Link[],
): readonly Ref[] {
  const refs = new Map<string, Ref>();
  for (const version of page) {
    if (version.body === undefined || (step.source !== undefined && step.source !== version.ref.type))
      continue;
    for (const { param, target } of linksOf(version)) {
      if (step.target !== undefined && step.target !== target.type) continue;
      if (
        step.through === undefined ||
        step.through.some(one => one.param === param && reaches(one, target.type))
      )
        refs.set(refKey(target), target);
    }
  }
  return [...refs.values()];
}

const reaches = ({ targets }: Through, type: string): boolean =>
  targets === undefined || targets.includes(type);

/** The search for what refers to the page; undefined where nothing can. */
function referrersOf(page: readonly Stored[], step: IncludeStep, max: number): SearchPlan | undefined {
  const targets = page
    .map(({ ref }) => ref)
    .filter(ref => step.target === undefined || step.target === ref.type);
  const where = or(
    ...(step.through ?? []).map(one =>
      anyOf(
        'reference',
        one.param,
        targets.filter(ref => reaches(one, ref.type)).map(ref => [equal('target', refKey(ref))]),
      ),
    ),
  );
  if (where.op === 'none') return undefined;
  return { types: [step.source!], where, sort: [], count: Math.min(max + 1, 1_000), total: 'none' };
}
