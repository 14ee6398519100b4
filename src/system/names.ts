// What consents may call somebody: the person, their roles, the app, and what they belong to: PractitionerRoles, the
// organizations of these and of their facility with all these are parts of, CareTeams and Groups. docs/consent.md
// Surprising why: where somebody belongs to more than is looked through, or a facility does not answer, every denial of such a kind is about them.
import { holdsMember, memberParam } from '../auth/memberships.js';
import { everyOf, localOf, ofMany } from '../auth/patient-consent.js';
import type { Identity } from '../auth/identity.js';
import { isObject, type Json } from '../fhir/json.js';
import type { Resource } from '../fhir/resource.js';
import { resourceIn } from '../interactions/prepare.js';
import { leaf } from '../search/types/search-type.js';
import type { Condition } from '../search/plan.js';
import type { ServedStore } from '../storage/store.js';

export interface NamesOptions {
  readonly store: ServedStore;
  readonly bases: readonly string[];
  /** Of the facility that the account belongs to: `Organization/7`. */
  readonly organizations: readonly string[];
}

/** So many of each kind are looked through. */
const most = 300;
/** A team in a team in a team; a ward in a department in a hospital. */
const deepest = 6;

export async function namesOf(
  { user, clientId }: Identity,
  { store, bases, organizations }: NamesOptions,
): Promise<readonly string[]> {
  const client = `client:${clientId}`;
  if (user === undefined) return [client, 'role:system'];
  const names = new Set([client, user.fhirUser, ...user.roles.map(role => `role:${role}`)]);
  // Patients see what is theirs, whatever they belong to.
  if (user.fhirUser.startsWith('Patient/')) return [...names];
  const at = Date.now();

  /** Names the resources of the type that have the condition and one of the members; answers those that are new. */
  const belonging = async (
    type: string,
    param: string,
    members: ReadonlySet<string>,
  ): Promise<Resource[]> => {
    const targets: Condition = { column: 'target', is: 'in', values: [...members] };
    const { versions, next } = await store.search({
      types: [type],
      where: leaf('reference', param, [targets]),
      sort: [],
      count: most,
      total: 'none',
    });
    if (next !== undefined) names.add(everyOf(type));
    return versions.flatMap(version => {
      const name = `${type}/${version.ref.id}`;
      const resource = resourceIn(version);
      if (names.has(name) || !holdsMember(resource, members, bases, at)) return [];
      names.add(name);
      return [resource];
    });
  };
  const named = (value: Json | undefined): readonly string[] => {
    const name = isObject(value) ? localOf(value['reference'], bases) : undefined;
    return name === undefined ? [] : [name];
  };

  const roles = await belonging('PractitionerRole', 'practitioner', new Set([user.fhirUser]));
  if (user.fhirUser.startsWith('PractitionerRole/')) {
    for (const version of await store.readMany(refOf(user.fhirUser))) {
      const role = resourceIn(version);
      roles.push(role);
      for (const name of named(role['practitioner'])) names.add(name);
    }
  }
  let parts = [...organizations, ...roles.flatMap(role => named(role['organization']))];
  for (let depth = 0; depth < deepest && parts.length > 0; depth++) {
    for (const name of parts) names.add(name);
    const found = await store.readMany(parts.flatMap(refOf));
    parts = found.flatMap(version => named(resourceIn(version)['partOf'])).filter(name => !names.has(name));
  }
  let members: ReadonlySet<string> = new Set([...names].filter(name => refOf(name).length > 0));
  for (let depth = 0; depth < deepest && members.size > 0; depth++) {
    const teams = new Set<string>();
    for (const [type, param] of Object.entries(memberParam))
      for (const { id } of await belonging(type, param, members)) teams.add(`${type}/${String(id)}`);
    members = teams;
  }
  if ((store.absent?.() ?? []).length > 0) for (const type of ofMany) names.add(everyOf(type));
  return [...names];
}

const refOf = (name: string): { type: string; id: string }[] => {
  const [, type, id] = /^([A-Z][A-Za-z]+)\/([^/*]+)$/.exec(name) ?? [];
  return type === undefined || id === undefined ? [] : [{ type, id }];
};
