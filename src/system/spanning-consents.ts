// A Consent is one facility's and binds all: whatever others have of the patient is closed before it is stored, and opened
// again when they have labelled it. docs/facilities.md
// Surprising why: a facility that does not answer cannot say what it has. What is left for it is written down, and done
// before it answers again.
import { edgesOf } from '../auth/patient-consent.js';
import type { AccessState } from '../auth/access-state.js';
import { parseJson } from '../fhir/json.js';
import { refKey, type Resource } from '../fhir/resource.js';
import type { Consents } from '../interactions/context.js';
import { ownersIn } from '../search/compartment.js';
import type { Documents } from '../storage/documents.js';
import type { ServedStore, Write } from '../storage/store.js';

/** What a facility, or the district, does with consents on its own store. */
export interface Neighbour {
  /** Whether it would label something of the patient otherwise, were the consents so. */
  wants(patient: string, instead: Instead): Promise<boolean>;
  readonly state: Pick<AccessState, 'close' | 'settle' | 'due'>;
  wake(): void;
}

/** What a commit makes of consents, by `Consent/1`; undefined: it deletes them. */
export type Instead = ReadonlyMap<string, Resource | undefined>;

export interface District {
  /** Where consents of all are found; told to be incomplete by its `absent`. */
  readonly everywhere: () => ServedStore;
  readonly neighbours: () => readonly Neighbour[];
}

export interface Closing {
  readonly state: Neighbour['state'];
  readonly name: string;
}

/** Patients whose consents the writes change. */
export function patientsOf(writes: readonly Write[]): readonly string[] {
  const consents = writes.filter(write => write.ref.type === 'Consent');
  if (consents.length === 0) return [];
  const patients = consents.flatMap(({ rows, replaces }) => [
    ...ownersIn('Patient', 'Consent', rows),
    ...ownersIn('Patient', 'Consent', replaces),
  ]);
  return [...new Set(patients)];
}

export const insteadOf = (writes: readonly Write[]): Instead =>
  new Map(
    writes
      .filter(({ ref }) => ref.type === 'Consent')
      .map(({ ref, body }) => [refKey(ref), body === undefined ? undefined : (parseJson(body) as Resource)]),
  );

/** Before the commit: closes the patient's record wherever something is to be labelled. */
export async function closeAt(
  neighbours: readonly Neighbour[],
  patient: string,
  instead: Instead,
): Promise<readonly Closing[]> {
  const closings: Closing[] = [];
  for (const one of neighbours)
    if (await one.wants(patient, instead))
      closings.push({ state: one.state, name: await one.state.close(patient) });
  return closings;
}

/** ms after a Consent. What was judged before it and stored after it has not seen it: looked at when no commit can be that old. */
const looks = [0, 2_000, 25_000];

/** After the commit: has each label what it has, now and whenever the consents come to say something else. */
export async function carryOut(
  neighbours: readonly Neighbour[],
  writes: readonly Write[],
  closings: readonly Closing[],
): Promise<void> {
  for (const { state, name } of closings) await state.settle(name);
  const now = Date.now();
  const edges = [...insteadOf(writes).values()].flatMap(consent =>
    consent === undefined ? [] : edgesOf(consent),
  );
  const times = [...looks.map(later => now + later), ...edges.filter(at => at > now)];
  for (const patient of patientsOf(writes))
    for (const { state } of neighbours) for (const at of times) await state.due(patient, at);
  for (const one of neighbours) one.wake();
}

/** Nothing of the commit was stored. */
export async function reopen(neighbours: readonly Neighbour[], closings: readonly Closing[]): Promise<void> {
  if (closings.length === 0) return;
  for (const { state, name } of closings) await state.settle(name);
  for (const one of neighbours) one.wake();
}

/** For what is written at the district's address: nobody knows before the commit which facility's it is. */
export function spanningConsents(own: Consents, neighbours: () => readonly Neighbour[]): Consents {
  const closings = new WeakMap<readonly Write[], readonly Closing[]>();
  return {
    labelled: (resource, id) => own.labelled(resource, id),
    async effects(writes) {
      const patients = patientsOf(writes);
      if (patients.length === 0) return [];
      const made = insteadOf(writes);
      const closed: Closing[] = [];
      for (const patient of patients) closed.push(...(await closeAt(neighbours(), patient, made)));
      if (closed.length > 0) closings.set(writes, closed);
      return [];
    },
    async committed(writes) {
      if (patientsOf(writes).length > 0) await carryOut(neighbours(), writes, closings.get(writes) ?? []);
    },
    refused: writes => reopen(neighbours(), closings.get(writes) ?? []),
    breakGlass: broken => own.breakGlass(broken),
    breakGlassMinutes: own.breakGlassMinutes,
    stop: () => Promise.resolve(),
  };
}

const missed = 'consent-missed';

/** Stands for a facility that does not answer. */
export function absentNeighbour(documents: Documents, facility: string): Neighbour {
  return {
    wants: () => Promise.resolve(true),
    state: {
      async close(patient) {
        await documents.put(missed, `${facility} ${patient}`, true);
        return patient;
      },
      settle: () => Promise.resolve(),
      due: () => Promise.resolve(),
    },
    wake: () => undefined,
  };
}

/** Closes what consents left for the facility while it did not answer, before it does. */
export async function takeMissed(
  documents: Documents,
  facility: string,
  neighbour: Neighbour,
): Promise<void> {
  for (;;) {
    const found = await documents.list(missed, { prefix: `${facility} `, limit: 100 });
    for (const { key } of found) {
      await neighbour.state.settle(await neighbour.state.close(key.slice(facility.length + 1)));
      await documents.delete(missed, key);
    }
    if (found.length === 0) break;
  }
  neighbour.wake();
}
