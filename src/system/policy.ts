// What binds an identity besides its scopes: the roles as they are now, what patients consent to, whom they stand for and
// how long. Read anew whenever a token is looked up, so that every process knows within ten seconds.
import { consentNode, type ImplicitPolicy, type Viewer } from '../auth/consent-node.js';
import type { AccessState } from '../auth/access-state.js';
import type { Grant } from '../auth/grant.js';
import type { Identity, User } from '../auth/identity.js';
import type { RoleBook } from '../auth/roles.js';
import { smartGrant } from '../auth/smart-grant.js';
import { isObject, type JsonObject } from '../fhir/json.js';
import { resourceIn } from '../interactions/prepare.js';
import { all } from '../search/plan.js';
import type { ParseSettings } from '../search/types/search-type.js';
import type { ServedStore } from '../storage/store.js';
import { namesOf } from './names.js';

export interface PolicyOptions {
  readonly store: () => ServedStore;
  readonly roles: RoleBook;
  readonly state: AccessState;
  readonly implicit: ImplicitPolicy;
  /** Years: parents no longer stand for a child of this age. */
  readonly proxyUntil: number;
  /** Years: from this age on what is sensitive is not shown to parents. */
  readonly discreetFrom: number;
  readonly settings: () => ParseSettings;
  /** Of a facility: `Organization/7`. */
  readonly organizationsOf: (facility: string) => Promise<readonly string[]>;
}

export const compileBy =
  (options: PolicyOptions) =>
  async (asked: Identity): Promise<Grant> => {
    const { roles, state, implicit } = options;
    await state.refresh();
    const { identity, discreet } = await standing(asked, options);
    const broken = identity.user === undefined ? [] : await state.brokenBy(identity.user.account);
    const book = await roles.all();
    const held = identity.user === undefined ? ['system'] : identity.user.roles;
    const usual = held.flatMap(name => book.get(name)?.purpose ?? [])[0];
    const purpose = broken.length > 0 ? 'BTG' : usual;
    const [, own] = /^Patient\/(.+)$/.exec(identity.user?.fhirUser ?? '') ?? [];
    const { facility } = identity.user ?? {};
    const names = await namesOf(identity, {
      store: options.store(),
      bases: options.settings().bases,
      organizations: facility === undefined ? [] : await options.organizationsOf(facility),
    });
    const viewer: Viewer = { names, purpose: usual, own, broken, discreet };
    return smartGrant(identity, options.settings(), {
      roles: book,
      purpose,
      // What somebody adds may be hidden from them at once.
      consent: (type, permission) =>
        permission === 'create'
          ? all
          : consentNode(
              type,
              viewer,
              implicit,
              state.filling,
              permission === 'read' || permission === 'search',
            ),
      generation: state.generation,
      names,
      name: JSON.stringify([viewer, implicit]),
    });
  };

/** Those who stand for others: only for whom they still may. */
async function standing(
  identity: Identity,
  options: PolicyOptions,
): Promise<{ identity: Identity; discreet: readonly string[] }> {
  const { user } = identity;
  if (user === undefined || !user.fhirUser.startsWith('RelatedPerson/')) return { identity, discreet: [] };
  const person = await resourceOf(options, user.fhirUser);
  if (person !== undefined && !isActive(person))
    return { identity: without(identity, user, []), discreet: [] };
  const isParent = person !== undefined && parental(person);
  const patients: string[] = [];
  const discreet: string[] = [];
  for (const id of user.patients ?? []) {
    const age = isParent ? ageOf(await resourceOf(options, `Patient/${id}`)) : undefined;
    if (age !== undefined && age >= options.proxyUntil) continue;
    patients.push(id);
    if (age !== undefined && age >= options.discreetFrom) discreet.push(id);
  }
  return { identity: without(identity, user, patients), discreet };
}

function without(identity: Identity, user: User, patients: readonly string[]): Identity {
  const { patient, ...rest } = identity;
  const stays =
    patient !== undefined && (patients.includes(patient) || user.patients?.includes(patient) !== true);
  return { ...rest, user: { ...user, patients }, ...(stays ? { patient } : {}) };
}

async function resourceOf({ store }: PolicyOptions, key: string): Promise<JsonObject | undefined> {
  const [type = '', id = ''] = key.split('/');
  const version = await store().read({ type, id });
  return version?.body === undefined ? undefined : resourceIn(version);
}

function isActive(person: JsonObject): boolean {
  const period = isObject(person['period']) ? person['period'] : {};
  const end = typeof period['end'] === 'string' ? Date.parse(period['end']) : NaN;
  const isOver =
    !Number.isNaN(end) && end + (String(period['end']).length <= 10 ? 86_400_000 : 0) < Date.now();
  return person['active'] !== false && !isOver;
}

/** Of https://hl7.org/fhir/R4/valueset-relatedperson-relationshiptype.html, those that end when a child is grown up. */
const parentalCodes = new Set(['PRN', 'FTH', 'MTH', 'NFTH', 'NMTH', 'NPRN', 'ADOPTP', 'ADOPTF', 'ADOPTM', 'FTHFOST', 'MTHFOST', 'PRNFOST', 'STPPRN', 'STPFTH', 'STPMTH', 'GRPRN', 'GRFTH', 'GRMTH', 'GUARD', 'GESTM']); // prettier-ignore

function parental({ relationship }: JsonObject): boolean {
  const concepts = Array.isArray(relationship) ? relationship.filter(isObject) : [];
  return concepts.some(({ coding }) => Array.isArray(coding) && coding.some(one => isObject(one) && parentalCodes.has(String(one['code'])))); // prettier-ignore
}

/** In whole years; undefined where no date of birth says. */
function ageOf(patient: JsonObject | undefined): number | undefined {
  const birth = patient?.['birthDate'];
  if (typeof birth !== 'string') return undefined;
  const [year = 0, month = 1, day = 1] = birth.split('-').map(Number);
  const now = new Date();
  const had = now.getUTCMonth() + 1 > month || (now.getUTCMonth() + 1 === month && now.getUTCDate() >= day);
  return now.getUTCFullYear() - year - (had ? 0 : 1);
}
