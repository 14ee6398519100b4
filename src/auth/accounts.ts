// People who can sign in: each account is one Practitioner, PractitionerRole, Patient or RelatedPerson of the records.
// Passwords are kept as argon2id hashes; names are compared without case and never told apart from unknown ones.
import { FhirError } from '../errors.js';
import { isMailAddress } from '../notifications/mail.js';
import type { Documents } from '../storage/documents.js';
import type { User } from './identity.js';
import type { Ended } from './ended.js';
import { hashPassword } from './passwords.js';
import { hashed, randomText } from './secrets.js';

export interface Account {
  readonly id: string;
  /** What they type to sign in. */
  readonly name: string;
  /** Relative, such as `Practitioner/7`. */
  readonly fhirUser: string;
  readonly roles: readonly string[];
  readonly facility?: string;
  /** Ids of the patients whose record is theirs to see; for Patient and RelatedPerson. */
  readonly patients?: readonly string[];
  /** Its hash; absent until the invitation is taken up. */
  readonly password?: string;
  /** Names the invitation that is in force while there is no password. */
  readonly invitation?: string;
  /** Where invitations, new passwords and notices go. */
  readonly mail?: string;
  /** Sealed; absent without a second factor. */
  readonly totp?: string;
  /** Hashes of the recovery codes that were not used. */
  readonly recovery?: readonly string[];
  readonly passkeys?: readonly Passkey[];
  readonly disabled?: boolean;
  readonly created: number;
}

/** What is kept of a passkey; nothing here is a secret. */
export interface Passkey {
  /** Of the credential, base64url. */
  readonly id: string;
  /** What its owner calls it. */
  readonly name: string;
  /** COSE, base64url. */
  readonly publicKey: string;
  /** How often it signed, as it says; 0 where it does not count. */
  readonly counter: number;
  readonly transports?: readonly string[];
  /** ms since 1970 UTC */
  readonly created: number;
  readonly used?: number;
}

export type NewAccount = Pick<Account, 'name' | 'fhirUser' | 'roles' | 'facility' | 'patients' | 'mail'> & {
  /** Without one it is an account-to-be: somebody has to take up its invitation. */
  readonly password?: string;
};

export interface Accounts {
  /** @throws FhirError `value`, `duplicate` */
  add(account: NewAccount): Promise<Account>;
  find(id: string): Promise<Account | undefined>;
  byName(name: string): Promise<Account | undefined>;
  /** Several may share an address. */
  byMail(mail: string): Promise<readonly Account[]>;
  list(): Promise<readonly Account[]>;
  /** Changes what is there now, however many change it at once; the same object is no change. @throws FhirError `not-found` */
  change(id: string, change: (account: Account) => Account): Promise<Account>;
  remove(id: string): Promise<boolean>;
}

export const accountRoles = [
  'administrator',
  'doctor',
  'nurse',
  'pharmacist',
  'laboratory',
  'reception',
  'patient',
  'proxy',
] as const;

const collection = 'accounts';
const names = 'account-names';
/** Which accounts may have an address; the account says whether it does. */
const mails = 'account-mails';
const mailKey = (mail: string): string => hashed(mail.trim().toLowerCase());
/** The same however a name is typed. */
export const nameKey = (name: string): string => name.normalize('NFKC').trim().toLowerCase();

export function openAccounts(documents: Documents, onEnded: (what: Ended) => void): Accounts {
  const find = async (id: string): Promise<Account | undefined> =>
    (await documents.get(collection, id))?.value as Account | undefined;
  const indexMail = async ({ id, mail }: Account): Promise<void> => {
    if (mail !== undefined) await documents.put(mails, `${mailKey(mail)} ${id}`, id);
  };
  return {
    find,
    async add({ password, ...given }) {
      check(given);
      const account: Account = {
        ...given,
        id: randomText(12),
        ...(password === undefined
          ? { invitation: randomText(12) }
          : { password: await hashPassword(password) }),
        created: Date.now(),
      };
      if ((await documents.put(names, nameKey(given.name), account.id, { expected: 0 })) === undefined)
        throw new FhirError('duplicate', `There is an account "${given.name}" already.`);
      await indexMail(account);
      await documents.put(collection, account.id, account);
      return account;
    },
    async byName(name) {
      const id = (await documents.get(names, nameKey(name)))?.value;
      // Nobody has the empty id; who does not exist is looked for as long.
      return find(typeof id === 'string' ? id : '');
    },
    async byMail(mail) {
      const key = mailKey(mail);
      const listed = await documents.list(mails, { prefix: `${key} `, limit: 100 });
      const found = await Promise.all(listed.map(({ value }) => find(value as string)));
      return found.filter(
        account => account?.mail !== undefined && mailKey(account.mail) === key,
      ) as Account[];
    },
    async list() {
      return (await documents.list(collection)).map(({ value }) => value as Account);
    },
    async change(id, change) {
      for (;;) {
        const document = await documents.get(collection, id);
        if (document === undefined) throw new FhirError('not-found', 'There is no such account.');
        const changed = change(document.value as Account);
        if (changed === document.value) return changed;
        const before = document.value as Account;
        // What was well before is left alone: somebody has to be able to disable it, whatever it is.
        if (isAnother(before, changed)) check(changed);
        if (changed.mail !== before.mail) await indexMail(changed);
        const put = await documents.put(collection, id, changed, { expected: document.revision });
        if (put === undefined) continue;
        onEnded({ account: id });
        return changed;
      }
    },
    async remove(id) {
      const taken = await documents.take(collection, id);
      if (taken === undefined) return false;
      const { name, mail } = taken.value as Account;
      await documents.delete(names, nameKey(name));
      if (mail !== undefined) await documents.delete(mails, `${mailKey(mail)} ${id}`);
      onEnded({ account: id });
      return true;
    },
  };
}

export const userOf = ({ id, fhirUser, roles, facility, patients }: Account): User => ({
  account: id,
  fhirUser,
  roles,
  ...(facility === undefined ? {} : { facility }),
  ...(patients === undefined ? {} : { patients }),
});

const isAnother = (before: Account, after: Account): boolean =>
  before.mail !== after.mail ||
  before.fhirUser !== after.fhirUser ||
  before.roles.join() !== after.roles.join();

/** @throws FhirError `value` */
function check({ name, fhirUser, roles, mail }: Omit<NewAccount, 'password'>): void {
  if (!/^\S(?:.{0,98}\S)?$/u.test(name)) throw new FhirError('value', 'A name has 1 to 100 characters.');
  if (!/^(?:Practitioner|PractitionerRole|Patient|RelatedPerson)\/[A-Za-z0-9.-]{1,64}$/.test(fhirUser)) {
    throw new FhirError(
      'value',
      `"${fhirUser}" is not a Practitioner, PractitionerRole, Patient or RelatedPerson, such as Practitioner/7.`,
    );
  }
  const unknown = roles.find(role => !(accountRoles as readonly string[]).includes(role));
  if (unknown !== undefined)
    throw new FhirError('value', `"${unknown}" is no role: ${accountRoles.join(', ')} are.`);
  if (mail !== undefined && !isMailAddress(mail))
    throw new FhirError('value', `"${mail}" is not an e-mail address, such as mpho@example.org.`);
}
