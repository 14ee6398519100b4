// tsela user: who can sign in. Works on the documents of the store, also while a server runs on them; the server knows
// within ten seconds.
import { createInterface } from 'node:readline';
import type { Account, Accounts } from '../auth/accounts.js';
import type { Letter } from '../auth/letters.js';
import type { Person } from '../auth/people.js';
import type { Documents } from '../storage/documents.js';
import { Problem } from './problem.js';
import { configOf, withDocuments, type DataOptions } from './target.js';

export interface PersonOptions extends DataOptions {
  /** `Practitioner/7` */
  readonly is: string;
  readonly role?: readonly string[];
  readonly patient?: readonly string[];
  readonly facility?: string;
  readonly mail?: string;
}

export interface UserAddOptions extends PersonOptions {
  readonly passwordStdin?: boolean;
}

async function withAccounts<T>(
  options: DataOptions,
  work: (accounts: Accounts, documents: Documents) => Promise<T>,
): Promise<T> {
  const { openAccounts } = await import('../auth/accounts.js');
  return withDocuments(options, documents =>
    work(
      openAccounts(documents, () => undefined),
      documents,
    ),
  );
}

const found = async (accounts: Accounts, name: string): Promise<Account> => {
  const account = await accounts.byName(name);
  if (account === undefined)
    throw new Problem(`There is no account "${name}".`, 'tsela user list shows them.');
  return account;
};

/** The password of the first line of standard input, or a new one that is printed once. */
async function passwordFrom(isStdin: boolean | undefined): Promise<{ password: string; shown: string }> {
  if (isStdin !== true) {
    const { randomText } = await import('../auth/secrets.js');
    const password = randomText(12);
    return { password, shown: `  Password  ${password}  (shown once)\n` };
  }
  const lines = createInterface({ input: process.stdin });
  for await (const line of lines) {
    lines.close();
    return { password: line, shown: '' };
  }
  throw new Problem('There is no password on standard input.', 'Give it as the first line.');
}

/** What the options say of a person. @throws Problem where something is left out */
function personOf(name: string, options: PersonOptions): Person {
  const { is, role = [], patient, facility, mail } = options;
  if (is.startsWith('RelatedPerson/') && patient === undefined)
    throw new Problem(
      'A RelatedPerson stands for a patient.',
      'Say for whom: --patient ID, more than once for several.',
    );
  if (role.length === 0 && !/^(?:Patient|RelatedPerson)\//.test(is))
    throw new Problem('Which role?', 'For example --role doctor; more than once for several.');
  return {
    name,
    is,
    roles: role,
    ...(patient === undefined ? {} : { patients: patient }),
    ...(facility === undefined ? {} : { facility }),
    ...(mail === undefined ? {} : { mail }),
  };
}

const described = ({ name, fhirUser, roles }: Account): string =>
  `${name}, who is ${fhirUser} (${roles.join(', ')})`;

export async function addUser(name: string, options: UserAddOptions): Promise<number> {
  const { accountOf } = await import('../auth/people.js');
  const given = accountOf(personOf(name, options));
  const { password, shown } = await passwordFrom(options.passwordStdin);
  const account = await withAccounts(options, accounts => accounts.add({ ...given, password }));
  process.stdout.write(`Added ${described(account)}.\n${shown}`);
  return 0;
}

export async function inviteUser(name: string, options: PersonOptions): Promise<number> {
  const person = personOf(name, options);
  const { originOf } = await import('../config.js');
  const { linkTo, timeOf } = await import('../auth/letters.js');
  const { openPasswordLinks } = await import('../auth/password-links.js');
  const { invited } = await import('../auth/people.js');
  const config = await configOf(options);
  return withAccounts(options, async (accounts, documents) => {
    const account = await invited(accounts, person);
    process.stdout.write(`Invited ${described(account)}.\n`);
    if (account.mail !== undefined && (config.smtpUrl ?? config.mailFolder) !== undefined) {
      const { openQueue } = await import('../jobs/in-process/queue.js');
      const letter: Letter = { kind: 'invitation', account: account.id };
      await openQueue(documents).add('letter', letter, 'system');
      process.stdout.write(`  The server sends the invitation to ${account.mail}.\n`);
      return 0;
    }
    const { link, until } = await openPasswordLinks(documents, accounts).issue(account, 'invitation');
    process.stdout.write(`  Link  ${linkTo(`${originOf(config)}/auth`, link)}\n`);
    process.stdout.write(`  (shown once, good once, until ${timeOf(until)})\n`);
    return 0;
  });
}

/** An address, or none. */
export async function setMail(name: string, mail: string | undefined, options: DataOptions): Promise<number> {
  await withAccounts(options, async accounts =>
    accounts.change((await found(accounts, name)).id, ({ mail: _, ...account }) => ({
      ...account,
      ...(mail === undefined ? {} : { mail }),
    })),
  );
  process.stdout.write(
    mail === undefined ? `${name} gets no mail.\n` : `Mail for ${name} goes to ${mail}.\n`,
  );
  return 0;
}

export async function listUsers(options: DataOptions): Promise<number> {
  const accounts = await withAccounts(options, all => all.list());
  for (const { name, fhirUser, roles, facility, password, totp, passkeys = [], disabled } of accounts) {
    const notes = [
      ...(facility === undefined ? [] : [`of ${facility}`]),
      ...(password === undefined ? ['invited'] : []),
      ...(totp === undefined ? [] : ['second factor']),
      ...(passkeys.length === 0 ? [] : ['passkeys']),
      ...(disabled === true ? ['disabled'] : []),
    ];
    process.stdout.write(`${[name, fhirUser, roles.join(','), ...notes].join('\t')}\n`);
  }
  return 0;
}

export async function setUserDisabled(
  name: string,
  disabled: boolean,
  options: DataOptions,
): Promise<number> {
  await withAccounts(options, async accounts =>
    accounts.change((await found(accounts, name)).id, account => ({ ...account, disabled })),
  );
  process.stdout.write(
    disabled
      ? `${name} can no longer sign in; tokens end within ten seconds.\n`
      : `${name} can sign in again.\n`,
  );
  return 0;
}

export async function setPassword(
  name: string,
  options: DataOptions & { readonly passwordStdin?: boolean; readonly withoutSecondFactor?: boolean },
): Promise<number> {
  const { hashPassword } = await import('../auth/passwords.js');
  const { withPassword } = await import('../auth/password-links.js');
  const { withoutSecondFactor } = await import('../auth/second-factor.js');
  const withNothingElse = ({ passkeys: _, ...account }: Account): Account => withoutSecondFactor(account);
  const { password, shown } = await passwordFrom(options.passwordStdin);
  const hash = await hashPassword(password);
  await withAccounts(options, async accounts =>
    accounts.change((await found(accounts, name)).id, account =>
      withPassword(options.withoutSecondFactor === true ? withNothingElse(account) : account, hash),
    ),
  );
  process.stdout.write(`The password of ${name} was changed.\n${shown}`);
  return 0;
}

/** What another provider calls somebody, for whom that is here. */
export async function linkUser(
  name: string,
  provider: string,
  subject: string,
  options: DataOptions,
): Promise<number> {
  const { readLoginProviders } = await import('../auth/login-providers.js');
  const { openLinks } = await import('../auth/upstream-links.js');
  const providers = readLoginProviders((await configOf(options)).loginProviders);
  const known = providers.find(({ id }) => id === provider);
  if (known === undefined)
    throw new Problem(`There is no provider "${provider}".`, 'TSELA_LOGIN_PROVIDERS names the file of them.');
  await withAccounts(options, async (accounts, documents) => {
    const { id } = await found(accounts, name);
    await openLinks(documents, accounts).link({ account: id, issuer: known.issuer, subject });
  });
  process.stdout.write(`${name} signs in with ${known.name} too.\n`);
  return 0;
}

/** Takes all of them off. */
export async function unlinkUser(name: string, options: DataOptions): Promise<number> {
  const { openLinks } = await import('../auth/upstream-links.js');
  const count = await withAccounts(options, async (accounts, documents) => {
    const { id } = await found(accounts, name);
    const links = openLinks(documents, accounts);
    const all = await links.of(id);
    for (const { issuer, subject } of all) await links.unlink(id, issuer, subject);
    return all.length;
  });
  process.stdout.write(`${name} was linked to ${count} and is to none now.\n`);
  return 0;
}
