// What the pages of the authorization server need to know of the records: whom a launch can be about. Answered under the
// grant of whoever signs in, so that nobody can choose what they may not see.
import type { Choice } from './consent.js';
import type { Grant } from './grant.js';
import type { Identity } from './identity.js';

export interface Directory {
  /** At most twenty patients with this name or identifier; without a text, any. */
  patients(base: string, grant: Grant, text: string): Promise<readonly Choice[]>;
  patient(base: string, grant: Grant, id: string): Promise<Choice | undefined>;
  /** The latest encounters of a patient. */
  encounters(base: string, grant: Grant, patient: string): Promise<readonly Choice[]>;
}

/** What a person may do: compiled from who they are and the scopes they act with. */
export type CompileGrant = (identity: Identity) => Grant;
