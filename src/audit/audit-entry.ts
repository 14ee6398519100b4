// What is written down of one request or one act of login: who, what, on which records, with which outcome. The journal
// keeps it; audit-event.ts makes the AuditEvent of it. https://profiles.ihe.net/ITI/BALP/
import type { Method } from '../storage/store.js';

/** Who acted. Names and ids, never a token. */
export interface Agent {
  /** Of the grant: an account, a client, `open`. */
  readonly principal: string;
  readonly client?: string;
  /** The person, as `Practitioner/1`. */
  readonly user?: string;
  /** Where the request came from: an address. */
  readonly address?: string;
  /** Why, where it was declared: a code of http://terminology.hl7.org/CodeSystem/v3-ActReason, such as BTG. */
  readonly purpose?: string;
}

/** `event` of a line written before a commit: what `written` names is about to be stored. */
export const intent = 'intent';

export interface AuditEntry {
  /** ms since 1970 UTC */
  readonly at: number;
  /** Of the request, as in the log. */
  readonly id: string;
  /** The specification's code of the interaction, `$operation`, or for acts beside FHIR: `login`, `consent`, `token` … */
  readonly event: string;
  /** Ties the lines of one act together: its intents and what became of it. Only where it wrote. */
  readonly act?: string;
  /** HTTP status; 0 of an intent. */
  readonly status: number;
  readonly agent: Agent;
  /** `Patient/1`, without the query. */
  readonly path: string;
  /** Search parameters as they came, encoded. */
  readonly query?: string;
  /** Versions whose content was given to a handler or client: `Patient/1/_history/2`. */
  readonly read: readonly string[];
  readonly written: readonly Written[];
}

export interface Written {
  readonly method: Method;
  /** `Patient/1/_history/2` */
  readonly version: string;
  /** Of the version, ms. */
  readonly lastUpdated: number;
}
