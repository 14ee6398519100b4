// Signing in: name and password, then the second factor where there is one, or setting one up where a role demands it.
// Every refusal reads and takes the same, whatever was wrong. https://pages.nist.gov/800-63-4/sp800-63b.html
import type { Documents } from '../storage/documents.js';
import type { Account, Accounts } from './accounts.js';
import { openAttempts } from './attempts.js';
import type { Tell } from './letters.js';
import type { Passkeys } from './passkeys.js';
import { isPassword } from './passwords.js';
import type { RoleBook } from './roles.js';
import { hashed, type Secrets } from './secrets.js';
import {
  keepSecondFactor,
  newSecondFactor,
  proposeSecondFactor,
  useSecondFactor,
  type Proposal,
} from './second-factor.js';

export type LoginStep =
  | { readonly is: 'signed-in'; readonly account: Account; readonly amr: readonly string[] }
  | { readonly is: 'wants-code' }
  | { readonly is: 'wants-second-factor'; readonly proposal: Proposal; readonly isWrong: boolean }
  | { readonly is: 'second-factor-on'; readonly codes: readonly string[] }
  | {
      readonly is: 'refused';
      readonly why: 'name-or-password' | 'code' | 'passkey' | 'only-passkey' | 'too-late';
    };

export interface Login {
  /** `attempt` names the form that was filled in; a code has to come by the same one. */
  password(attempt: string, name: string, password: string): Promise<LoginStep>;
  code(attempt: string, code: string): Promise<LoginStep>;
  /** Somebody whom another provider has named. What it asked them for counts: a second factor is not asked for twice. */
  external(attempt: string, account: Account, amr: readonly string[]): Promise<LoginStep>;
  /** A code of a second factor that was proposed. */
  setUp(attempt: string, secret: string, code: string): Promise<LoginStep>;
  /** What a passkey is asked on the form; undefined where there are none for this server. */
  question(attempt: string): Promise<string | undefined>;
  passkey(attempt: string, answer: string): Promise<LoginStep>;
  /** The recovery codes were seen. */
  goOn(attempt: string): Promise<LoginStep>;
  /** Whether it is the password of somebody who is signed in, counted like any other attempt. */
  confirms(account: Account, password: string): Promise<boolean>;
  /** Forgets wrong attempts: they proved otherwise who they are. */
  unlock(account: Account): Promise<void>;
  /** Whether a role of the account demands a second factor. */
  demandsSecondFactor(account: Account): Promise<boolean>;
}

interface Step {
  readonly account: string;
  readonly wants: 'code' | 'second-factor' | 'going-on';
  /** What the password was then, hashed: with another one the step is void. */
  readonly stand: string;
  /** How they came this far. */
  readonly first: readonly string[];
}

const steps = 'login-steps';
const codeWithin = 5 * 60_000;
/** An authenticator app has to be found and installed. */
const setUpWithin = 15 * 60_000;
const tooLate: LoginStep = { is: 'refused', why: 'too-late' };
/** Who has a passkey has what the role demands: whoever knows the password alone sets up nothing. */
const onlyPasskey: LoginStep = { is: 'refused', why: 'only-passkey' };
export const hasPasskey = ({ passkeys = [] }: Account): boolean => passkeys.length > 0;
const withCode = ({ first }: Step): readonly string[] => [...new Set([...first, 'otp', 'mfa'])];

const standOf = ({ password = '' }: Account): string => hashed(password);

export interface LoginOptions {
  readonly documents: Documents;
  readonly accounts: Accounts;
  readonly secrets: Secrets;
  readonly roles: RoleBook;
  readonly passkeys: Passkeys | undefined;
  readonly tell: Tell;
}

export function createLogin({ documents, accounts, secrets, roles, passkeys, tell }: LoginOptions): Login {
  const attempts = openAttempts(documents);
  const matches = async (account: Account | undefined, name: string, password: string): Promise<boolean> => {
    const mayTry = await attempts.begin(name);
    const usable = mayTry && account?.disabled !== true ? account?.password : undefined;
    const isRight = await isPassword(usable, password);
    if (isRight) await attempts.succeeded(name);
    return isRight;
  };
  const waitFor = async (attempt: string, step: Step): Promise<void> => {
    const within = step.wants === 'code' ? codeWithin : setUpWithin;
    await documents.put(steps, hashed(attempt), step, { expires: Date.now() + within });
  };
  /** The step with the account it is about; undefined where another is waited for. */
  const waiting = async (
    attempt: string,
    wants: Step['wants'],
  ): Promise<{ step: Step; account: Account } | undefined> => {
    const step = (await documents.get(steps, hashed(attempt)))?.value as Step | undefined;
    if (step?.wants !== wants) return undefined;
    const account = await accounts.find(step.account);
    if (account === undefined || account.disabled === true || standOf(account) !== step.stand)
      return undefined;
    return { step, account };
  };
  const demandsSecondFactor = async (account: Account): Promise<boolean> => {
    const book = await roles.all();
    return account.roles.some(role => book.get(role)?.secondFactor === 'required');
  };
  const afterFirst: Login['external'] = async (attempt, account, amr) => {
    const isEnough = account.totp === undefined && !(await demandsSecondFactor(account));
    if (isEnough || amr.includes('mfa')) return { is: 'signed-in', account, amr };
    const wants = account.totp === undefined ? 'second-factor' : 'code';
    if (wants === 'second-factor' && hasPasskey(account)) return onlyPasskey;
    await waitFor(attempt, { account: account.id, stand: standOf(account), wants, first: amr });
    if (wants === 'code') return { is: 'wants-code' };
    return { is: 'wants-second-factor', proposal: proposeSecondFactor(account), isWrong: false };
  };
  return {
    async password(attempt, name, password) {
      const account = await accounts.byName(name);
      if (!(await matches(account, name, password)) || account === undefined)
        return { is: 'refused', why: 'name-or-password' };
      return afterFirst(attempt, account, ['pwd']);
    },
    external: afterFirst,
    async code(attempt, code) {
      const found = await waiting(attempt, 'code');
      if (found === undefined) return tooLate;
      const { account, step } = found;
      const { id } = account;
      if (!(await attempts.begin(`code of ${id}`))) return { is: 'refused', why: 'code' };
      if (!(await useSecondFactor(accounts, secrets, id, code))) return { is: 'refused', why: 'code' };
      await attempts.succeeded(`code of ${id}`);
      await documents.delete(steps, hashed(attempt));
      return { is: 'signed-in', account, amr: withCode(step) };
    },
    async setUp(attempt, secret, code) {
      const found = await waiting(attempt, 'second-factor');
      if (found === undefined) return tooLate;
      const { account, step } = found;
      const made = newSecondFactor(secrets, secret, code);
      if (made === undefined)
        return { is: 'wants-second-factor', proposal: proposeSecondFactor(account, secret), isWrong: true };
      if (!(await keepSecondFactor(accounts, account.id, made))) return tooLate; // it was set up meanwhile
      await tell(account, 'second-factor');
      await waitFor(attempt, { ...step, wants: 'going-on' });
      return { is: 'second-factor-on', codes: made.codes };
    },
    async goOn(attempt) {
      const found = await waiting(attempt, 'going-on');
      if (found === undefined || (await documents.take(steps, hashed(attempt))) === undefined) return tooLate;
      return { is: 'signed-in', account: found.account, amr: withCode(found.step) };
    },
    question: async attempt => passkeys?.request(attempt),
    async passkey(attempt, answer) {
      const account = await passkeys?.accept(attempt, answer);
      if (account === undefined) return { is: 'refused', why: 'passkey' };
      return { is: 'signed-in', account, amr: ['pop', 'user', 'mfa'] };
    },
    confirms: (account, password) => matches(account, account.name, password),
    unlock: ({ name }) => attempts.succeeded(name),
    demandsSecondFactor,
  };
}
