// Patients' consents on a store: the labels they put on what is written, and on what is there when a Consent changes, in
// its own commit. Where that is more than one commit holds, the patient's record is closed first and the rest filled in.
// docs/consent.md
import {
  denies,
  everyone,
  labelCodes,
  rulesOf,
  withConsentLabels,
  type Rule,
} from '../auth/patient-consent.js';
import { byServer } from '../auth/server-writes.js';
import { FhirError } from '../errors.js';
import { now as instantNow } from '../fhir/ids.js';
import type { Consents, Settings } from '../interactions/context.js';
import { stamp } from '../fhir/stamp.js';
import { refKey, type Resource } from '../fhir/resource.js';
import { resourceIn, rowsIn, rowsOf } from '../interactions/prepare.js';
import { indexRows } from '../search/index-rows.js';
import { inCompartment, ownersIn, typesInCompartment } from '../search/compartment.js';
import { and, type Node, type SearchPlan } from '../search/plan.js';
import { equal, leaf } from '../search/types/search-type.js';
import type { AccessState, Broken, Filler } from '../auth/access-state.js';
import { everyVersion } from '../storage/every-version.js';
import {
  carryOut,
  closeAt,
  insteadOf,
  patientsOf,
  reopen,
  type Closing,
  type District,
  type Instead,
  type Neighbour,
} from './spanning-consents.js';
import { WriteConflict, type ServedStore, type Version, type Write } from '../storage/store.js';

/** So many labels go into the Consent's own commit. */
const mostInOne = 200;
const page = 200;
const mostRecent = 1000;
/** ms. Where another process stores a consent meanwhile, what was written here is looked at again (`committed`). */
const recently = 50;
/** Write-once, and of no use labelled: who reads them is an administrator. */
const unlabelled = new Set(['AuditEvent']);
const inRecord: ReadonlySet<string> = new Set(typesInCompartment('Patient'));
const types = typesInCompartment('Patient').filter(type => !unlabelled.has(type));

const none: readonly never[] = [];

/** What one consent says. */
interface Ruled {
  /** `Consent/1` */
  readonly key: string;
  readonly rules: readonly Rule[];
}

/** The consents of a patient, while the store's are in this state and until then. */
class Recent {
  constructor(
    readonly state: string | undefined,
    public until: number,
    readonly ruled: Promise<readonly Ruled[]>,
  ) {}
}

export interface ConsentOptions {
  /** Of the records that are labelled. */
  readonly store: ServedStore;
  /** Where there are others: what they have is labelled too. */
  readonly district: () => District | undefined;
  readonly settings: Settings;
  readonly state: AccessState;
  readonly breakGlassMinutes: number;
  /** Writes down who broke the glass and why. */
  readonly onBroken: (broken: Broken) => void;
  readonly onFailure: (error: unknown) => void;
  /** Fills in and does what is due, where another thread of the process does; absent: this one. */
  readonly filler?: Filler | undefined;
}

export interface OwnConsents extends Consents {
  readonly neighbour: Neighbour;
}

export function openConsents(options: ConsentOptions): OwnConsents {
  const { store, district, settings, state, breakGlassMinutes, onFailure } = options;
  const { bases } = settings;

  const ownersOf = (resource: Resource, id: string | undefined): readonly string[] =>
    resource.resourceType === 'Patient'
      ? id === undefined
        ? []
        : [id]
      : ownersIn('Patient', resource.resourceType, rowsOf(resource, settings));

  const everywhere = (): ServedStore => district()?.everywhere() ?? store;
  /** @throws FhirError `unavailable` where a facility does not answer: it may have others */
  async function* consentsIn(where: Node): AsyncGenerator<Version> {
    const from = everywhere();
    yield* everyVersion(from, { types: ['Consent'], where, sort: [], count: page, total: 'none' });
    const [absent] = from.absent?.() ?? [];
    if (absent !== undefined) throw new FhirError('unavailable', absent, { headers: { 'retry-after': '5' } });
  }

  /**
   * Consents of the patient that are active, as they are stored; `instead` stands for what a commit makes of some.
   * @throws FhirError `unavailable`
   */
  const consentsOf = async (patient: string, instead: Instead = new Map()): Promise<readonly Ruled[]> => {
    const found = new Map<string, Resource | undefined>();
    const where = and(
      inCompartment('Patient', patient, ['Consent']),
      leaf('token', 'status', [equal('code', 'active')]),
    );
    for await (const version of consentsIn(where)) found.set(refKey(version.ref), resourceIn(version));
    for (const [key, resource] of instead) found.set(key, resource);
    const at = Date.now();
    return [...found.entries()]
      .sort(([a], [b]) => (a < b ? -1 : 1))
      .flatMap(([key, consent]) =>
        consent === undefined || !isAbout(consent, patient)
          ? []
          : [{ key, rules: rulesOf(consent, bases, at) }],
      );
  };
  /** '' while there is no Consent at all, as in most stores; undefined where it cannot be told. */
  const stateNow = (): string | undefined => everywhere().stateOf?.('Consent');
  /** What was found a moment ago, while no Consent was written: the entries of a Bundle are about one patient. */
  const recent = new Map<string, Recent>();
  const consentsNow = (patient: string): Promise<readonly Ruled[]> => {
    const state = stateNow();
    const now = performance.now();
    const known = recent.get(patient);
    if (known !== undefined && known.state === state && known.until > now) return known.ruled;
    if (recent.size >= mostRecent) recent.clear();
    const found = new Recent(state, now + recently, consentsOf(patient));
    recent.set(patient, found);
    found.ruled.then(
      consents => {
        // Only what consents say depends on the time.
        if (consents.length === 0 && state !== undefined) found.until = Infinity;
      },
      () => recent.delete(patient),
    );
    return found.ruled;
  };
  const isAbout = (consent: Resource, patient: string): boolean =>
    ownersOf(consent, undefined).includes(patient);

  const labelsOf = async (
    resource: Resource,
    id: string | undefined,
    ruledBy: (patient: string) => Promise<readonly Ruled[]> = consentsNow,
  ): Promise<Resource> => {
    if (!inRecord.has(resource.resourceType) || unlabelled.has(resource.resourceType))
      return withConsentLabels(resource, []);
    const owners = ownersOf(resource, id);
    const key = `${resource.resourceType}/${id ?? ''}`;
    const found = (await Promise.all(owners.map(ruledBy))).flat();
    // What it said before is no more.
    const consents = found.flatMap(one => (one.key === key ? [] : [one.rules]));
    // A consent names what it hides: whom it denies does not read it.
    const own = resource.resourceType === 'Consent' ? [rulesOf(resource, bases, Date.now()).map(openly)] : [];
    const about = { resource, key, rows: rowsOf(resource, settings) };
    return withConsentLabels(resource, labelCodes([...consents, ...own], about));
  };
  const openly = (rule: Rule): Rule => ({ ...rule, covers: () => true });

  /** What has other labels than the consents want, of one patient. */
  async function* wanting(patient: string, instead?: Instead): AsyncGenerator<Write> {
    const where = inCompartment('Patient', patient, types);
    const known = new Map<string, Promise<readonly Ruled[]>>();
    const ruledBy = (owner: string): Promise<readonly Ruled[]> => {
      const ruled = known.get(owner) ?? consentsOf(owner, instead);
      known.set(owner, ruled);
      return ruled;
    };
    const plan: SearchPlan = { types, where, sort: [], count: page, total: 'none' };
    for await (const version of everyVersion(store, plan)) {
      const resource = resourceIn(version);
      const labelled = await labelsOf(resource, version.ref.id, ruledBy);
      if (labelled !== resource) yield relabelled(version, labelled);
    }
  }

  const relabelled = (version: Version, resource: Resource): Write => {
    const lastUpdated = instantNow();
    return byServer({
      ref: version.ref,
      expected: version.version,
      method: 'PUT',
      lastUpdated,
      body: stamp(resource, { id: version.ref.id, version: version.version + 1, lastUpdated }),
      rows: indexRows(resource, settings),
      replaces: rowsIn(version, settings),
      ...(settings.custom === undefined ? {} : { index: settings.custom.generation }),
    });
  };

  /** Names the patient's consents as they are now. */
  const stateOf = async (patient: string): Promise<string> => {
    const keys: string[] = [];
    for await (const { ref, version } of consentsIn(inCompartment('Patient', patient, ['Consent'])))
      keys.push(`${ref.id} ${version}`);
    return keys.join();
  };

  /** Labels everything of the patient that lacks them. Others may write meanwhile: what moved is looked at again. */
  const fill = async (patient: string): Promise<void> => {
    for (let again = true; again;) {
      again = false;
      let some: Write[] = [];
      const judgedBy = await stateOf(patient);
      const commit = async (): Promise<void> => {
        if (some.length === 0) return;
        const writes = some;
        some = [];
        // A consent that came meanwhile has put its own labels on what was read since: they stay.
        if ((await stateOf(patient)) !== judgedBy) {
          again = true;
          return;
        }
        try {
          await store.commit(writes);
        } catch (error) {
          if (!(error instanceof WriteConflict)) throw error;
          if (error.reason === 'index') await settings.refreshCustom?.();
          // One by one, those that moved are left for the next round.
          for (const write of writes)
            await store.commit([write]).catch((one: unknown) => {
              if (!(one instanceof WriteConflict)) throw one;
              again = true;
            });
        }
      };
      for await (const write of wanting(patient)) {
        some.push(write);
        if (some.length === page) await commit();
      }
      await commit();
    }
  };

  const work = options.filler ?? state.fillBy(fill, onFailure);
  /** Of commits under way. */
  const closings = new WeakMap<readonly Write[], readonly Closing[]>();
  const others = (): readonly Neighbour[] => district()?.neighbours() ?? none;
  const isUnknown = (error: unknown): boolean => error instanceof FhirError && error.code === 'unavailable';

  const own: Neighbour = {
    async wants(patient, instead) {
      try {
        for await (const _ of wanting(patient, instead)) return true;
        return false;
      } catch (error) {
        if (isUnknown(error)) return true;
        throw error;
      }
    },
    state,
    wake: () => work.wake(),
  };

  return {
    neighbour: own,
    labelled: (resource, id) =>
      resource.resourceType !== 'Consent' && stateNow() === ''
        ? withConsentLabels(resource, none)
        : labelsOf(resource, id).catch(async (error: unknown) => {
            if (!isUnknown(error)) throw error;
            // Closed to everyone until it is known who may see it.
            for (const owner of ownersOf(resource, id)) await state.due(owner, Date.now() + 5_000);
            return withConsentLabels(resource, [denies(everyone)]);
          }),
    async effects(writes) {
      const patients = patientsOf(writes);
      if (patients.length === 0) return [];
      const made = insteadOf(writes);
      const taken = new Set(writes.map(write => refKey(write.ref)));
      const added = new Map<string, Write>();
      const closed: Closing[] = [];
      for (const patient of patients) {
        let left = false;
        try {
          for await (const write of wanting(patient, made)) {
            if (taken.has(refKey(write.ref))) left = true;
            else if (added.size < mostInOne) added.set(refKey(write.ref), write);
            else {
              left = true;
              break;
            }
          }
        } catch (error) {
          if (!isUnknown(error)) throw error;
          left = true;
        }
        // Closed before it is stored: whatever fails from here on, nothing opens.
        closed.push(...(await closeAt(others(), patient, made)));
        if (left) closed.push({ state, name: await state.close(patient) });
      }
      closings.set(writes, closed);
      return [...added.values()];
    },
    async committed(writes) {
      if (patientsOf(writes).length === 0) return;
      if (stateNow() === undefined) recent.clear();
      await carryOut([own, ...others()], writes, closings.get(writes) ?? []);
    },
    async refused(writes) {
      await reopen([own, ...others()], closings.get(writes) ?? none);
    },
    async breakGlass(broken) {
      options.onBroken(broken);
      await state.breakGlass(broken);
    },
    breakGlassMinutes,
    stop: () => work.stop(),
  };
}
