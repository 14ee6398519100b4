// The audit trail on a store: its journal in the data folder, its AuditEvents beside the records they tell of.
import { mkdirSync } from 'node:fs';
import { hostname } from 'node:os';
import { join } from 'node:path';
import { createAudit, type Audit } from '../audit/audit.js';
import type { Written } from '../audit/audit-entry.js';
import type { PatientsOf } from '../audit/audit-event.js';
import { openJournal } from '../audit/journal.js';
import { publishedUpTo, startPublishing } from '../audit/publish.js';
import { pausing } from '../fhir/in-turns.js';
import type { Ref, Resource } from '../fhir/resource.js';
import type { Settings } from '../interactions/context.js';
import { rowsIn, writeOf } from '../interactions/prepare.js';
import { ownersIn } from '../search/compartment.js';
import type { Node, SearchPlan } from '../search/plan.js';
import type { Documents } from '../storage/documents.js';
import { lock } from '../storage/sqlite/lock.js';
import { WriteConflict, type Store, type Version, type Write } from '../storage/store.js';

export interface AuditTrailOptions {
  /** The data folder; every process has its own. */
  readonly data: string;
  readonly store: Store;
  readonly documents: Documents;
  readonly settings: Settings;
  /** Days AuditEvents are kept; 0: for ever. */
  readonly keep: number;
  readonly onFailure: (error: unknown) => void;
}

export const journalFolder = (data: string): string => join(data, 'audit');

/** Names the journal among those of all processes of a database. */
const instanceOf = (data: string): string => `${hostname()}:${data}`;

export async function openAuditTrail(options: AuditTrailOptions): Promise<Audit> {
  const { data, store, documents, settings, keep, onFailure } = options;
  const folder = journalFolder(data);
  mkdirSync(folder, { recursive: true, mode: 0o700 });
  const unlock = lock(join(folder, 'journal'));
  const instance = instanceOf(data);
  const journal = await openJournal(folder, await publishedUpTo(documents, instance), onFailure);
  const publisher = await startPublishing({
    journal,
    documents,
    instance,
    observer: settings.bases[0] ?? 'Tsela',
    store: events => storeNew(store, settings, events),
    patientsOf: versions => patientsOf(store, settings, versions),
    isStored: written => isStored(store, written),
    ...(keep === 0 ? {} : { retain: { days: keep, remove: before => removeOlder(store, before) } }),
    onFailure,
  });
  const audit = createAudit(journal, publisher);
  return {
    ...audit,
    async close() {
      await audit.close();
      unlock();
    },
  };
}

/** Stores the events that are not there, in turns with requests: a large Bundle has thousands; those that are were stored by a job that died before it could say so. */
async function storeNew(store: Store, settings: Settings, events: readonly Resource[]): Promise<void> {
  const refOf = (event: Resource): Ref => ({ type: event.resourceType, id: String(event['id']) });
  const pause = pausing();
  for (let left = events; left.length > 0;) {
    const writes: Write[] = [];
    for (const event of left) {
      writes.push(writeOf(settings, refOf(event), undefined, 'POST', event).write);
      await pause();
    }
    try {
      await store.commit(writes);
      return;
    } catch (error) {
      if (!(error instanceof WriteConflict)) throw error;
      if (error.reason === 'index') {
        await settings.refreshCustom?.();
        continue;
      }
      if (error.reason !== 'version') throw error;
      const there = await Promise.all(
        left.map(async event => (await store.read(refOf(event))) !== undefined),
      );
      left = left.filter((_, i) => !there[i]);
    }
  }
}

/** AuditEvents recorded before the instant, for good. */
export async function removeOlder(store: Store, before: number): Promise<void> {
  const where: Node = {
    op: 'row',
    kind: 'date',
    param: 'date',
    where: [{ column: 'hi', is: 'range', lt: before }],
  };
  const plan: SearchPlan = { types: ['AuditEvent'], where, sort: [], count: 200, total: 'none' };
  for (;;) {
    const { versions } = await store.search(plan);
    if (versions.length === 0) return;
    for (const { ref } of versions) await store.expunge(ref, 'everything');
  }
}

/** `Type/id/_history/version` */
function parse(name: string): { type: string; id: string; version: number | undefined } {
  const [type = '', id = '', , version] = name.split('/');
  return { type, id, version: version === undefined ? undefined : Number(version) };
}

async function patientsOf(
  store: Store,
  settings: Settings,
  versions: readonly string[],
): Promise<PatientsOf> {
  const known = new Map<string, readonly string[]>();
  const pause = pausing();
  for (const name of new Set(versions)) {
    await pause();
    const { type, id, version } = parse(name);
    if (type === 'Patient') known.set(name, [id]);
    else {
      const found = await store.read({ type, id }, version);
      // What a tombstone was about, the version before it says.
      const told = found?.body === undefined && version !== undefined && version > 1 ? await store.read({ type, id }, version - 1) : found; // prettier-ignore
      known.set(name, told?.body === undefined ? [] : owners(told, settings));
    }
  }
  return name => known.get(name) ?? [];
}

const owners = (version: Version, settings: Settings): readonly string[] =>
  ownersIn('Patient', version.ref.type, rowsIn(version, settings));

async function isStored(store: Store, { version: name, method, lastUpdated }: Written): Promise<boolean> {
  const { type, id, version } = parse(name);
  if (version === undefined) return (await store.read({ type, id })) === undefined; // expunged
  const found = await store.read({ type, id }, version);
  return found?.method === method && found.lastUpdated === lastUpdated;
}
