// tsela user: who can sign in. Works on the documents of the store, also while a server runs on them; the server knows
// within ten seconds.
import { createInterface } from 'node:readline';
import type { Account, Accounts } from '../auth/accounts.js';
import { Problem } from './problem.js';
import { withDocuments, type DataOptions } from './target.js';

export interface UserAddOptions extends DataOptions {
  /** `Practitioner/7` */
  readonly is: string;
  readonly role?: readonly string[];
  readonly patient?: readonly string[];
  readonly facility?: string;
  readonly passwordStdin?: boolean;
}

async function withAccounts<T>(options: DataOptions, work: (accounts: Accounts) => Promise<T>): Promise<T> {
  const { openAccounts } = await import('../auth/accounts.js');
  return withDocuments(options, documents => work(openAccounts(documents, () => undefined)));
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

export async function addUser(name: string, options: UserAddOptions): Promise<number> {
  const { is, role = [], facility } = options;
  const [, own] = /^Patient\/(.+)$/.exec(is) ?? [];
  const patients = options.patient ?? (own === undefined ? undefined : [own]);
  if (is.startsWith('RelatedPerson/') && patients === undefined)
    throw new Problem(
      'A RelatedPerson stands for a patient.',
      'Say for whom: --patient ID, more than once for several.',
    );
  const { password, shown } = await passwordFrom(options.passwordStdin);
  const account = await withAccounts(options, accounts =>
    accounts.add({
      name,
      password,
      fhirUser: is,
      roles: role.length > 0 ? role : [defaultRole(is)],
      ...(facility === undefined ? {} : { facility }),
      ...(patients === undefined ? {} : { patients }),
    }),
  );
  process.stdout.write(
    `Added ${account.name}, who is ${account.fhirUser} (${account.roles.join(', ')}).\n${shown}`,
  );
  return 0;
}

const defaultRole = (is: string): string => {
  if (is.startsWith('Patient/')) return 'patient';
  if (is.startsWith('RelatedPerson/')) return 'proxy';
  throw new Problem('Which role?', 'For example --role doctor; more than once for several.');
};

export async function listUsers(options: DataOptions): Promise<number> {
  const accounts = await withAccounts(options, all => all.list());
  for (const { name, fhirUser, roles, facility, totp, disabled } of accounts) {
    const notes = [
      ...(facility === undefined ? [] : [`of ${facility}`]),
      ...(totp === undefined ? [] : ['second factor']),
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
  const { withoutSecondFactor } = await import('../auth/second-factor.js');
  const { password, shown } = await passwordFrom(options.passwordStdin);
  const hash = await hashPassword(password);
  await withAccounts(options, async accounts =>
    accounts.change((await found(accounts, name)).id, account => ({
      ...(options.withoutSecondFactor === true ? withoutSecondFactor(account) : account),
      password: hash,
    })),
  );
  process.stdout.write(`The password of ${name} was changed.\n${shown}`);
  return 0;
}
