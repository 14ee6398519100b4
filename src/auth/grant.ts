// A grant: what the caller of a request may see and do. It compiles to a plan node per resource type, which the
// guarded store (guarded-store.ts) ANDs to everything. https://hl7.org/fhir/R4/security.html
import { resourceTypes } from '../fhir/definitions.js';
import { all, none, type Node } from '../search/plan.js';
import type { StateAccess } from './app-state.js';
import type { Masks } from './masks.js';
import type { Ability } from './role.js';

export type Permission = 'create' | 'read' | 'update' | 'delete' | 'search';

export interface Grant {
  /** Names what may be seen and done, not only by whom: page links and receipts are bound to it. Never a secret. */
  readonly id: string;
  /** Who acts, for the audit trail and logs; never a secret. */
  readonly principal: string;
  /** The client, and the person as `Practitioner/1`; why, where it was declared (a code of v3-ActReason). */
  readonly agent?: { readonly client?: string; readonly user?: string; readonly purpose?: string };
  /** Whom it is for, as consents call them: the person and what they belong to. */
  readonly names?: readonly string[];
  /** The only facility whose records these are; absent: any. */
  readonly facility?: string;
  /**
   * Which resources of the type are visible for the permission (absent: read), as a condition over their index rows.
   * Of a Binary that is not all: what it belongs to has to be visible too (binary-sight.ts).
   */
  visible(type: string, permission?: Permission): Node;
  permits(permission: Permission, type: string): boolean;
  /** Another number whenever `visible` has come to answer something else. Absent: it never does. */
  readonly generation?: () => number;
  /** Elements that never leave the server for it. Absent: none. */
  readonly masks?: Masks;
  /** What is no interaction on a type. Absent: who may do everything may this too. */
  may?(ability: Ability): boolean;
  /** Who may keep and ask for the state of apps. Absent: not this caller. */
  readonly state?: StateAccess;
}

export const mayDo = (grant: Grant, ability: Ability): boolean =>
  grant.may?.(ability) ?? isUnrestricted(grant);

/** Whether some resources of the type are, or may be, hidden from the grant: a Binary is where any other is. */
export const isRestricted = (grant: Grant, type: string): boolean =>
  type === 'Binary'
    ? [...resourceTypes()].some(one => grant.visible(one).op !== 'all')
    : grant.visible(type).op !== 'all';

const permissions: readonly Permission[] = ['create', 'read', 'update', 'delete', 'search'];

/** Whether the grant may do everything to every resource, as administrators may. */
export const isUnrestricted = (grant: Grant): boolean =>
  [...resourceTypes()].every(type =>
    permissions.every(
      permission => grant.permits(permission, type) && grant.visible(type, permission).op === 'all',
    ),
  );

/** The server's own work: migrations, reindexing, the worker's bookkeeping. Never the grant of a request. */
export const SYSTEM: Grant = {
  id: 'system',
  principal: 'system',
  visible: () => all,
  permits: () => true,
};

/** Open development mode (`--open`, loopback only): everything, for everyone who can reach the port. */
export const OPEN: Grant = {
  id: 'open',
  principal: 'open',
  visible: () => all,
  permits: () => true,
};

/** A request without a token: what is public needs no permission and shows no record. */
export const NOBODY: Grant = {
  id: 'nobody',
  principal: 'nobody',
  visible: () => none,
  permits: () => false,
  may: () => false,
};
