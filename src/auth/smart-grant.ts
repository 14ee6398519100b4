// From a token's scopes to a grant: each scope is a clause over index rows, clauses are ORed, and inside a clause
// everything has to hold. https://hl7.org/fhir/smart-app-launch/scopes-and-launch-context.html
// Surprising why: Patient.link leads out of the patient's own record, so it does not widen the compartment here.
import { createHash } from 'node:crypto';
import { inCompartment } from '../search/compartment.js';
import { criterion } from '../search/criteria.js';
import { parametersOf } from '../search/parameters.js';
import { and, all, none, not, or, type Node } from '../search/plan.js';
import { equal, leaf, type ParseSettings } from '../search/types/search-type.js';
import { stateAccess } from './app-state.js';
import type { Grant, Permission } from './grant.js';
import type { Identity } from './identity.js';
import type { Masks } from './masks.js';
import type { Ability, Role } from './role.js';
import { conditionsOf, shipped, type Roles } from './roles.js';
import { parseResourceScope, type ResourceScope } from './scopes.js';

/** What binds an identity besides its scopes. */
export interface Policy {
  readonly roles: Roles;
  /** Why this identity asks, where that is not what its role says. */
  readonly purpose?: string | undefined;
  /** What patients let this identity see, as a condition on resources of the type. */
  readonly consent: (type: string, permission: Permission) => Node;
  /** Another number whenever `consent` has come to answer something else. */
  readonly generation: () => number;
  /** What consents may call the identity: `Practitioner/7`, `CareTeam/2`. */
  readonly names?: readonly string[];
  /** Names everything else that `consent` depends on. */
  readonly name: string;
}

/** The shipped roles, and no patient's consent. */
export const rolesAlone: Policy = { roles: shipped, consent: () => all, generation: () => 0, name: '' };

/** Part of every grant's id: raise it when the same scopes come to mean something else. */
const policyVersion = 3;

const letters: Readonly<Record<Permission, string>> = {
  create: 'c',
  read: 'r',
  update: 'u',
  delete: 'd',
  search: 's',
};

/** Types that are in no patient's compartment and that a patient's record refers to; they can be read and searched. */
const besidePatients = new Set([
  'Practitioner',
  'PractitionerRole',
  'Organization',
  'Location',
  'Medication',
  'Substance',
  'CapabilityStatement',
  'CodeSystem',
  'CompartmentDefinition',
  'ConceptMap',
  'NamingSystem',
  'OperationDefinition',
  'SearchParameter',
  'StructureDefinition',
  'ValueSet',
]);

const identities = new WeakMap<Grant, Identity>();

/** What a grant was compiled from: another thread compiles its own. */
export const identityOf = (grant: Grant): Identity | undefined => identities.get(grant);

/** `settings`: how the values of scopes with search arguments are read. */
export function smartGrant(identity: Identity, settings: ParseSettings, policy: Policy): Grant {
  const scopes = identity.scopes.flatMap(text => parseResourceScope(text) ?? []);
  const names = identity.user === undefined ? ['system'] : [...new Set(identity.user.roles)].sort();
  const roles = names.flatMap(name => policy.roles.get(name) ?? []);
  const isScoped = (type: string, permission: Permission): boolean =>
    scopes.some(scope => covers(scope, type, permission) && reachOf(scope, type, permission, identity).op !== 'none'); // prettier-ignore
  const purpose = policy.purpose ?? roles.find(role => role.purpose !== undefined)?.purpose;
  const masks = masksOf(roles, identity, settings);
  const known = new Map<string, Node>();
  let generation = policy.generation();
  const visible = (type: string, permission: Permission = 'read'): Node => {
    if (generation !== policy.generation()) {
      generation = policy.generation();
      known.clear();
    }
    const key = `${permission} ${type}`;
    let node = known.get(key);
    if (node === undefined) {
      // Who sees a type with holes would write them back.
      const hasHoles = (permission === 'update' || permission === 'delete') && masks.has(type);
      const allowed = hasHoles
        ? none
        : or(...roles.map(role => ofRole(role, type, permission, identity, settings)));
      const asked = or(
        ...scopes
          .filter(scope => covers(scope, type, permission))
          .map(scope => clause(scope, type, permission, identity, settings)),
      );
      node = and(asked, allowed);
      if (node.op !== 'none' && !roles.some(role => role.consent === 'exempt'))
        node = and(node, policy.consent(type, permission));
      known.set(key, node);
    }
    return node;
  };
  const grant: Grant = {
    id: idOf(identity, roles, policy.name),
    principal: identity.user === undefined ? `client:${identity.clientId}` : `user:${identity.user.account}`,
    agent: {
      client: identity.clientId,
      ...(identity.user === undefined ? {} : { user: identity.user.fhirUser }),
      ...(purpose === undefined ? {} : { purpose }),
    },
    ...(identity.user?.facility === undefined ? {} : { facility: identity.user.facility }),
    ...(policy.names === undefined ? {} : { names: policy.names }),
    visible,
    generation: policy.generation,
    state: stateAccess(identity),
    permits: (permission, type) => visible(type, permission).op !== 'none',
    masks,
    may: ability =>
      roles.some(role => role.abilities?.includes(ability)) && isScoped(...abilityScopes[ability]),
  };
  identities.set(grant, identity);
  return grant;
}

/** What a token has to cover for what is no interaction on a type. */
const abilityScopes: Readonly<Record<Ability, readonly [type: string, permission: Permission]>> = {
  'break-glass': ['Patient', 'read'],
  disclosures: ['AuditEvent', 'search'],
  explain: ['SearchParameter', 'search'],
  expunge: ['AuditEvent', 'search'],
  people: ['AuditEvent', 'search'],
  roles: ['AuditEvent', 'search'],
  unlabel: ['AuditEvent', 'search'],
};

/** What a role lets somebody see and do of a type, whatever scopes there are. */
function ofRole(
  role: Role,
  type: string,
  permission: Permission,
  identity: Identity,
  settings: ParseSettings,
): Node {
  const { user } = identity;
  const conditions = or(...conditionsOf(role, type, permission, user?.fhirUser, settings));
  if (conditions.op === 'none' || role.reach === 'all') return conditions;
  return and(conditions, ofPatients(user?.patients ?? [], type, permission));
}

/**
 * An element is masked if any role masks it by which the type is seen, unless another shows all of the type with it:
 * what only a condition shows cannot be told apart from what another role shows with holes.
 */
function masksOf(roles: readonly Role[], identity: Identity, settings: ParseSettings): Masks {
  const masks = new Map<string, readonly string[]>();
  const nodeOf = (role: Role, type: string): Node =>
    or(ofRole(role, type, 'read', identity, settings), ofRole(role, type, 'search', identity, settings));
  for (const role of roles) {
    for (const [type, elements] of Object.entries(role.masks ?? {})) {
      const isShown = (element: string): boolean =>
        roles.some(
          other => other.masks?.[type]?.includes(element) !== true && nodeOf(other, type).op === 'all',
        );
      const kept = elements.filter(element => !isShown(element));
      if (kept.length > 0 && nodeOf(role, type).op !== 'none')
        masks.set(type, [...new Set([...(masks.get(type) ?? []), ...kept])]);
    }
  }
  return masks;
}

/** The same for the same person, client, scopes and context; another for every other. */
const idOf = (
  { sub, clientId, user, scopes, patient, encounter }: Identity,
  roles: readonly Role[],
  policy: string,
): string =>
  createHash('sha256')
    .update(
      JSON.stringify([
        policyVersion,
        sub,
        clientId,
        user,
        [...scopes].sort(),
        patient,
        encounter,
        roles,
        policy,
      ]),
    ) // prettier-ignore
    .digest('base64url');

const covers = (scope: ResourceScope, type: string, permission: Permission): boolean =>
  (scope.type === '*' || scope.type === type) && scope.permissions.includes(letters[permission]);

function clause(
  scope: ResourceScope,
  type: string,
  permission: Permission,
  identity: Identity,
  settings: ParseSettings,
): Node {
  const reach = reachOf(scope, type, permission, identity);
  if (reach.op === 'none') return none;
  return and(
    reach,
    ...scope.criteria.map(([param, value]) => criterion([type], param, value, settings) ?? none),
  );
}

function reachOf(scope: ResourceScope, type: string, permission: Permission, identity: Identity): Node {
  switch (scope.context) {
    case 'patient':
      return identity.patient === undefined ? none : ofPatients([identity.patient], type, permission);
    case 'user': {
      const { user } = identity;
      if (user === undefined) return none;
      return isStaff(user.fhirUser) ? all : ofPatients(user.patients ?? [], type, permission);
    }
    case 'system':
      return identity.user === undefined ? all : none;
  }
}

const isStaff = (fhirUser: string): boolean => /^Practitioner(?:Role)?\//.test(fhirUser);

function ofPatients(ids: readonly string[], type: string, permission: Permission): Node {
  if (ids.length === 0) return none;
  if (type === 'Patient') return or(...ids.map(id => leaf('token', '_id', [equal('code', id)])));
  if (type === 'Binary') return all; // judged by what it belongs to
  const isWrite = permission === 'create' || permission === 'update' || permission === 'delete';
  if (besidePatients.has(type)) return isWrite ? none : all;
  const within = or(...ids.map(id => inCompartment('Patient', id, [type])));
  return isWrite ? and(within, aboutNoOther(ids, type)) : within;
}

/**
 * Who performed, sent or wrote something is in its compartment, and writes nothing into the record of another by that:
 * what has a subject has none but theirs. https://hl7.org/fhir/R4/compartmentdefinition-patient.html
 */
function aboutNoOther(ids: readonly string[], type: string): Node {
  const nodes = ['patient', 'subject'].flatMap(param => {
    if (!parametersOf(type).has(param)) return [];
    const own = or(
      ...ids.map(id => criterion([type], param, `Patient/${id}`, { bases: [], zone: 'UTC', now: 0 }) ?? none),
    );
    const rows = own.op === 'or' ? own.nodes : [own];
    const named = rows.flatMap(node => (node.op === 'row' ? [node.param] : []));
    const others = [...new Set(named)].map(name =>
      leaf('reference', name, [{ column: 'target', is: 'prefix', value: 'Patient/' }]),
    );
    return [or(not(or(...others)), own)];
  });
  return and(...nodes);
}
