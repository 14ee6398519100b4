// Moving a patient's record from one facility to another: copied in one commit, then removed in one commit, and written
// down in between, so that a process that dies is followed by one that finishes it. Between the two commits both
// facilities have the record, and a read of the district answers 409 rather than choose.
import { randomUUID } from 'node:crypto';
import { FhirError } from '../errors.js';
import { isObject, type Json } from '../fhir/json.js';
import { refKey, type Ref } from '../fhir/resource.js';
import { sameJson } from '../fhir/same.js';
import { deletionOf, resourceIn, writeOf } from '../interactions/prepare.js';
import { binaryParam, contextParam, referringTypes } from '../search/binary-rows.js';
import { inCompartment, ownersIn, typesInCompartment } from '../search/compartment.js';
import type { SearchPlan } from '../search/plan.js';
import { targetsIn } from '../search/rows.js';
import { leaf } from '../search/types/search-type.js';
import type { Documents } from '../storage/documents.js';
import { everyVersion } from '../storage/every-version.js';
import { WriteConflict, type Version, type Write } from '../storage/store.js';
import type { System } from '../system.js';

/** A move under way, by the patient's id. */
export interface Move {
  readonly id: string;
  readonly patient: string;
  readonly from: string;
  readonly to: string;
}

const collection = 'moves';
/** A record that is written to while it moves is copied again, so many times. */
const attempts = 5;
const most = 20_000;

export interface Places {
  readonly documents: Documents;
  readonly systemOf: (facility: string) => System;
}

export const movesIn = async (documents: Documents): Promise<readonly Move[]> =>
  (await documents.list(collection, { limit: 1000 })).map(({ value }) => value as Move);

/**
 * Moves the patient and everything that is about this patient alone; answers how many resources.
 * @throws FhirError `conflict` where another move of the patient is under way, or the other facility has an id of the record already
 */
export async function move(places: Places, patient: string, from: string, to: string): Promise<number> {
  const { documents } = places;
  const begun: Move = { id: randomUUID(), patient, from, to };
  const known = (await documents.get(collection, patient))?.value as Move | undefined;
  if (known !== undefined && (known.from !== from || known.to !== to))
    throw new FhirError('conflict', `Patient/${patient} is being moved to ${known.to}.`);
  if (known === undefined) {
    await checkFree(places, begun);
    if ((await documents.put(collection, patient, begun, { expected: 0 })) === undefined)
      throw new FhirError('conflict', `Patient/${patient} is being moved.`);
  }
  return finish(places, known ?? begun);
}

/** Goes on with a move wherever it had come to; to do so again does no harm. */
export async function finish({ documents, systemOf }: Places, moving: Move): Promise<number> {
  const [source, target] = [systemOf(moving.from), systemOf(moving.to)];
  let moved = 0;
  for (let attempt = 1; ; attempt++) {
    const record = await recordOf(source, moving.patient);
    moved += record.length;
    if (record.length === 0) break;
    try {
      const writes = await copies(target, record);
      if (writes.length > 0) await target.store.commit(writes);
      await source.store.commit(
        record.map(version => {
          const { unreferenced: _, ...write } = deletionOf(source.settings, version).write;
          return write;
        }),
      );
    } catch (error) {
      if (!(error instanceof WriteConflict) || attempt === attempts) throw error;
      if (error.reason === 'index')
        for (const { settings } of [source, target]) await settings.refreshCustom?.();
      moved -= record.length;
    }
  }
  await documents.delete(collection, moving.patient);
  return moved;
}

/** The patient, and what is in this patient's compartment and in no other patient's. */
async function recordOf(system: System, patient: string): Promise<readonly Version[]> {
  const { store, rowsOf } = system;
  // What was done with the record stays with the facility that did it.
  const types = typesInCompartment('Patient').filter(type => type !== 'AuditEvent');
  const plan: SearchPlan = {
    types,
    where: inCompartment('Patient', patient, types),
    sort: [],
    count: 500,
    total: 'none',
  };
  /** Patient.link puts other patients into the compartment; they stay where they are. */
  const isTheirs = (version: Version): boolean =>
    version.ref.type === 'Patient'
      ? version.ref.id === patient
      : ownersIn('Patient', version.ref.type, rowsOf(version)).every(owner => owner === patient);
  const found: Version[] = [];
  for await (const version of everyVersion(store, plan)) {
    if (isTheirs(version)) found.push(version);
    if (found.length > most) {
      throw new FhirError(
        'too-large',
        `The record has more than ${most} resources, which are not moved at once.`,
      );
    }
  }
  return [...found, ...(await contentOfAll(system, found))];
}

/** Binaries whose securityContext is in the record, and those that only the record refers to. */
async function contentOfAll({ store, rowsOf }: System, record: readonly Version[]): Promise<Version[]> {
  const keys = new Set(record.map(({ ref }) => refKey(ref)));
  const every = (types: readonly string[], param: string, targets: readonly string[]) =>
    everyVersion(store, {
      types,
      where: leaf('reference', param, [{ column: 'target', is: 'in', values: targets }]),
      sort: [],
      count: 500,
      total: 'none',
    });
  const found = new Map<string, Version>();
  const all = [...keys];
  for (let at = 0; at < all.length; at += 500)
    for await (const version of every(['Binary'], contextParam, all.slice(at, at + 500)))
      found.set(refKey(version.ref), version);
  const named = new Set(record.flatMap(version => targetsIn(rowsOf(version), binaryParam)));
  for (const key of named) {
    const [version] = await store.readMany([{ type: 'Binary', id: key.slice('Binary/'.length) }]);
    if (version?.body === undefined || targetsIn(rowsOf(version), contextParam).length > 0) continue;
    let isTheirs = true;
    for await (const { ref } of every(referringTypes(), binaryParam, [key])) {
      isTheirs = keys.has(refKey(ref));
      if (!isTheirs) break;
    }
    if (isTheirs) found.set(key, version);
  }
  return [...found.values()];
}

/** What has to be written so that the target has these versions' content; references may lead to what stays behind. */
async function copies(target: System, record: readonly Version[]): Promise<Write[]> {
  const writes: Write[] = [];
  for (const version of record) {
    const before = await target.store.read(version.ref);
    if (before?.body !== undefined && sameJson(contentOf(before), contentOf(version), 'lexeme')) continue;
    const { requires: _, ...write } = writeOf(
      target.settings,
      version.ref,
      before,
      'PUT',
      resourceIn(version),
    ).write;
    writes.push(write);
  }
  return writes;
}

/** Without what each store says of its own version. */
function contentOf(version: Version): Json {
  const { meta, ...content } = resourceIn(version);
  const { versionId: _, lastUpdated: __, ...rest } = isObject(meta) ? meta : {};
  return { ...content, ...(Object.keys(rest).length === 0 ? {} : { meta: rest }) };
}

async function checkFree({ systemOf }: Places, { patient, from, to }: Move): Promise<void> {
  const { store } = systemOf(to);
  const record = await recordOf(systemOf(from), patient);
  if (!record.some(({ ref }) => ref.type === 'Patient'))
    throw new FhirError('not-found', `There is no Patient/${patient} in ${from}.`);
  const taken: Ref[] = (await store.readMany(record.map(({ ref }) => ref))).map(({ ref }) => ref);
  if (taken.length > 0)
    throw new FhirError('conflict', `${to} has a ${refKey(taken[0]!)} already, which would be overwritten.`);
}
