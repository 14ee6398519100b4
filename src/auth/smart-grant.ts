// From a token's scopes to a grant: each scope is a clause over index rows, clauses are ORed, and inside a clause
// everything has to hold. https://hl7.org/fhir/smart-app-launch/scopes-and-launch-context.html
// Surprising why: Patient.link leads out of the patient's own record, so it does not widen the compartment here.
import { createHash } from 'node:crypto';
import { inCompartment } from '../search/compartment.js';
import { criterion } from '../search/criteria.js';
import { and, all, none, or, type Node } from '../search/plan.js';
import { equal, leaf, type ParseSettings } from '../search/types/search-type.js';
import type { Grant, Permission } from './grant.js';
import type { Identity } from './identity.js';
import { parseResourceScope, type ResourceScope } from './scopes.js';

/** Part of every grant's id: raise it when the same scopes come to mean something else. */
const policyVersion = 1;

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

/** `settings`: how the values of scopes with search arguments are read. */
export function smartGrant(identity: Identity, settings: ParseSettings): Grant {
  const scopes = identity.scopes.flatMap(text => parseResourceScope(text) ?? []);
  const known = new Map<string, Node>();
  const visible = (type: string, permission: Permission = 'read'): Node => {
    const key = `${permission} ${type}`;
    let node = known.get(key);
    if (node === undefined) {
      node = or(
        ...scopes
          .filter(scope => covers(scope, type, permission))
          .map(scope => clause(scope, type, permission, identity, settings)),
      );
      known.set(key, node);
    }
    return node;
  };
  return {
    id: idOf(identity),
    principal: identity.user === undefined ? `client:${identity.clientId}` : `user:${identity.user.account}`,
    agent: {
      client: identity.clientId,
      ...(identity.user === undefined ? {} : { user: identity.user.fhirUser }),
    },
    ...(identity.user?.facility === undefined ? {} : { facility: identity.user.facility }),
    visible,
    permits: (permission, type) => visible(type, permission).op !== 'none',
  };
}

/** The same for the same person, client, scopes and context; another for every other. */
const idOf = ({ sub, clientId, user, scopes, patient, encounter }: Identity): string =>
  createHash('sha256')
    .update(JSON.stringify([policyVersion, sub, clientId, user, [...scopes].sort(), patient, encounter]))
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
  if (besidePatients.has(type)) return permission === 'read' || permission === 'search' ? all : none;
  return or(...ids.map(id => inCompartment('Patient', id, [type])));
}
