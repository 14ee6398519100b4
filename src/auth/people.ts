// How somebody becomes an account: what is given of a person, and their invitation.
import { FhirError } from '../errors.js';
import type { Account, Accounts, NewAccount } from './accounts.js';
import { invitedAnew } from './password-links.js';

export interface Person {
  /** What they type to sign in. */
  readonly name: string;
  /** `Practitioner/7` */
  readonly is: string;
  readonly roles: readonly string[];
  /** Ids of the patients whose record they may see. */
  readonly patients?: readonly string[];
  readonly facility?: string;
  readonly mail?: string;
}

/** The account of a person, with what goes without saying. @throws FhirError `value` */
export function accountOf({ name, is, roles, patients, facility, mail }: Person): NewAccount {
  const [, own] = /^Patient\/(.+)$/.exec(is) ?? [];
  const theirs = patients ?? (own === undefined ? undefined : [own]);
  if (is.startsWith('RelatedPerson/') && theirs === undefined)
    throw new FhirError('value', 'A RelatedPerson stands for a patient: say for whom.');
  const role = is.startsWith('Patient/') ? 'patient' : is.startsWith('RelatedPerson/') ? 'proxy' : undefined;
  if (roles.length === 0 && role === undefined) throw new FhirError('value', 'Which role? Say at least one.');
  return {
    name,
    fhirUser: is,
    roles: roles.length > 0 ? roles : [role!],
    ...(theirs === undefined ? {} : { patients: theirs }),
    ...(facility === undefined ? {} : { facility }),
    ...(mail === undefined ? {} : { mail }),
  };
}

/**
 * An account-to-be, which its invitation turns into one. Whoever was invited before and has not come is invited anew, as
 * what is said now; links of before are void.
 * @throws FhirError `value`, `duplicate`
 */
export async function invited(accounts: Accounts, person: Person): Promise<Account> {
  const given = accountOf(person);
  const before = await accounts.byName(person.name);
  if (before === undefined || before.password !== undefined) return accounts.add(given);
  const { id, created } = before;
  return accounts.change(id, account => {
    if (account.password !== undefined)
      throw new FhirError('duplicate', `There is an account "${person.name}" already.`);
    return invitedAnew({ ...given, id, created });
  });
}
