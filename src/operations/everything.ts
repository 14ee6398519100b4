// $everything of a patient, of all patients, and of an encounter: the compartment, then what its resources refer to, so
// that the answer stands alone; each resource once over all pages.
// https://hl7.org/fhir/R4/patient-operation-everything.html, https://hl7.org/fhir/R4/encounter-operation-everything.html
import { FhirError } from '../errors.js';
import { isCompartment, type CompartmentType } from '../fhir/compartments.js';
import { instant } from '../fhir/ids.js';
import { pausing } from '../fhir/in-turns.js';
import { queryText } from '../fhir/query.js';
import { localReferences } from '../fhir/reference.js';
import { refKey, type Ref } from '../fhir/resource.js';
import { formOfAnswer, sendBytes } from '../interactions/answer.js';
import { bundleBytes, type Entry } from '../interactions/bundle.js';
import type { Context, Handler } from '../interactions/context.js';
import { checkId, resourceIn } from '../interactions/prepare.js';
import { inCompartment, typesInCompartment } from '../search/compartment.js';
import { criterion } from '../search/criteria.js';
import { sealCursor } from '../search/page.js';
import { all, and, type Node, type Position, type SearchPlan } from '../search/plan.js';
import { everyVersion } from '../storage/every-version.js';
import type { Version } from '../storage/store.js';
import { caredBetween } from './care-dates.js';
import { askedOf, type Asked } from './everything-parameters.js';

/**
 * What the records of patients share. At type level all of it is sent: to tell what is referred to would take a look at
 * every record for every page.
 */
const shared = [
  'Organization',
  'Practitioner',
  'PractitionerRole',
  'Location',
  'HealthcareService',
  'Medication',
  'Substance',
  'Device',
];

/** A part of a page, and where the next page starts if there is more of it. */
interface Part {
  readonly versions: readonly Version[];
  readonly next?: Position;
}

/** Whose record, and what of it. */
interface Scope {
  readonly context: Context;
  readonly compartment: CompartmentType;
  /** Undefined at type level. */
  readonly id: string | undefined;
  readonly asked: Asked;
}

/** GET and POST of `[type]/[id]/$everything`, and of `[type]/$everything`. */
export const everything: Handler = async context => {
  const { request, settings, grant, store, type, id } = context;
  if (!isCompartment(type)) throw new FhirError('not-found', `A ${type} has no $everything.`);
  const path = `${type}/${id === '' ? '' : `${id}/`}$everything`;
  if (id !== '') {
    checkId(id);
    const current = await store.read({ type, id });
    if (current === undefined) throw new FhirError('not-found', `There is no ${type}/${id}.`);
    if (current.body === undefined) throw new FhirError('gone', `${type}/${id} was deleted.`);
  }
  const asked = askedOf(context, path);
  const { matches, included, next } = await pageOf({
    context,
    compartment: type,
    id: id === '' ? undefined : id,
    asked,
  });

  const url = (params: Asked['params']): string => {
    const query = queryText(params);
    return `${request.base}/${path}${query === '' ? '' : `?${query}`}`;
  };
  const links = [{ relation: 'self', url: url(asked.params) }];
  if (next !== undefined) {
    const cursor = sealCursor(settings.cursorKey, {
      position: next,
      params: asked.params,
      grant: grant.id,
      path,
    });
    links.push({ relation: 'next', url: url([['_cursor', cursor], ...formOfAnswer(request)]) });
  }
  const entryOf = (version: Version, search: 'match' | 'include'): Entry => ({
    fullUrl: `${request.base}/${refKey(version.ref)}`,
    resource: version.body!,
    search,
  });
  const bytes = bundleBytes({ type: 'searchset', lastUpdated: Date.now(), links }, [
    ...matches.map(version => entryOf(version, 'match')),
    ...included.map(version => entryOf(version, 'include')),
  ]);
  return sendBytes({ status: 200, headers: {} }, bytes, request);
};

/** A position begins with `members` while the page starts in the compartment, then with `referred`. */
async function pageOf(
  scope: Scope,
): Promise<{ matches: readonly Version[]; included: readonly Version[]; next?: Position }> {
  const { count, after, types, since } = scope.asked;
  const [phase, ...rest] = after ?? [];
  const place = rest.length === 0 ? undefined : rest;
  if (phase === 'referred') {
    const { versions, next } = await besides(scope, count, place);
    return { matches: [], included: versions, ...(next && { next: ['referred', ...next] }) };
  }
  const { versions: matches, next } = await membersOf(scope, count, place);
  if (next !== undefined) return { matches, included: [], next: ['members', ...next] };
  const room = count - matches.length;
  const isWhole = place === undefined && types === undefined && since === undefined;
  // Without room, one is looked for to know whether there is another page.
  const more = await besides(scope, Math.max(room, 1), undefined, isWhole ? matches : undefined);
  if (room > 0)
    return { matches, included: more.versions, ...(more.next && { next: ['referred', ...more.next] }) };
  return { matches, included: [], ...(more.versions.length > 0 && { next: ['referred'] }) };
}

/** What is sent beside the compartment; `record` is all of it where it has been read already. */
const besides = (
  scope: Scope,
  count: number,
  after: Position | undefined,
  record?: readonly Version[],
): Promise<Part> =>
  scope.id === undefined ? sharedOf(scope, count, after) : referredOf(scope, count, after, record);

const parseSettings = ({ settings }: Context) => ({
  bases: settings.bases,
  zone: settings.zone,
  now: Date.now(),
});

/** What was changed since the instant that was asked for. */
function changed({ context, asked }: Scope, types: readonly string[]): Node {
  if (asked.since === undefined) return all;
  return criterion(types, '_lastUpdated', `ge${instant(asked.since)}`, parseSettings(context))!;
}

const wanted = ({ asked }: Scope, types: readonly string[]): readonly string[] =>
  types.filter(type => asked.types?.has(type) ?? true);

function planOf(types: readonly string[], where: Node, count: number, after?: Position): SearchPlan {
  return { types, where, sort: [], count, total: 'none', ...(after === undefined ? {} : { after }) };
}

/** What is in the compartment, of care between the dates asked for. */
function inRecord({ context, compartment, id, asked }: Scope, types: readonly string[]): Node {
  const within = inCompartment(compartment, id, types);
  if (asked.from === undefined && asked.to === undefined) return within;
  return and(within, caredBetween(types, asked, parseSettings(context)));
}

async function membersOf(scope: Scope, count: number, after: Position | undefined): Promise<Part> {
  const types = wanted(scope, typesInCompartment(scope.compartment));
  if (types.length === 0) return { versions: [] };
  const where = and(inRecord(scope, types), changed(scope, types));
  return scope.context.store.search(planOf(types, where, count, after));
}

async function sharedOf(scope: Scope, count: number, after: Position | undefined): Promise<Part> {
  const types = wanted(scope, shared);
  if (types.length === 0) return { versions: [] };
  return scope.context.store.search(planOf(types, changed(scope, types), count, after));
}

/** So many resources are read at a time. */
const some = 200;

/** What the record's resources refer to, in order of its references; `after` is the last that was sent. */
async function referredOf(
  scope: Scope,
  count: number,
  after: Position | undefined,
  record?: readonly Version[],
): Promise<Part> {
  const { context, asked } = scope;
  const { refs, patients } = await referencesOf(scope, record);
  const last = String(after?.[0] ?? '');
  const left = refs.filter(ref => refKey(ref) > last && (asked.types?.has(ref.type) ?? true));
  const found: Version[] = [];
  for (let at = 0; at < left.length && found.length <= count; at += some) {
    const versions = await context.store.readMany(left.slice(at, at + some));
    const kept = versions.filter(
      version => version.lastUpdated >= (asked.since ?? 0) && !isOfAnother(version, patients, context),
    );
    found.push(...kept.sort((a, b) => (refKey(a.ref) < refKey(b.ref) ? -1 : 1)));
  }
  const versions = found.slice(0, count);
  return { versions, ...(found.length > count && { next: [refKey(versions.at(-1)!.ref)] }) };
}

/** A resource about other patients than those of the record: a group or an appointment may lead to it. */
function isOfAnother(version: Version, patients: ReadonlySet<string>, context: Context): boolean {
  const about = version.ref.type === 'Patient' ? [version.ref] : patientsIn(version, context);
  return about.length > 0 && !about.some(ref => patients.has(refKey(ref)));
}

const patientsIn = (version: Version, context: Context): readonly Ref[] =>
  localReferences(resourceIn(version), context.settings.bases).filter(ref => ref.type === 'Patient');

/** What the record's resources refer to outside of it, sorted, and the patients it is about. */
async function referencesOf(
  scope: Scope,
  record: Iterable<Version> | undefined,
): Promise<{ refs: readonly Ref[]; patients: ReadonlySet<string> }> {
  const focus = `${scope.compartment}/${scope.id}`;
  const members = new Set<string>();
  const refs = new Map<string, Ref>();
  const patients = new Set([focus]);
  const pause = pausing();
  for await (const version of record ?? recordOf(scope)) {
    members.add(refKey(version.ref));
    for (const ref of localReferences(resourceIn(version), scope.context.settings.bases)) {
      refs.set(refKey(ref), ref);
      if (ref.type === 'Patient' && refKey(version.ref) === focus) patients.add(refKey(ref));
    }
    await pause();
  }
  const outside = [...refs].filter(([key]) => !members.has(key));
  return { refs: outside.sort(([a], [b]) => (a < b ? -1 : 1)).map(([, ref]) => ref), patients };
}

/** All of the record that lies between the dates, whatever types and changes were asked for. */
function recordOf(scope: Scope): AsyncGenerator<Version> {
  const types = typesInCompartment(scope.compartment);
  return everyVersion(scope.context.store, planOf(types, inRecord(scope, types), some));
}
