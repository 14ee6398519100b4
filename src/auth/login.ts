// Signing in: name and password, then the second factor where there is one. Every refusal reads and takes the same,
// whatever was wrong. https://pages.nist.gov/800-63-4/sp800-63b.html
import type { Documents } from '../storage/documents.js';
import type { Account, Accounts } from './accounts.js';
import { openAttempts } from './attempts.js';
import { isPassword } from './passwords.js';
import { hashed, type Secrets } from './secrets.js';
import { useSecondFactor } from './second-factor.js';

export type LoginStep =
  | { readonly is: 'signed-in'; readonly account: Account; readonly amr: readonly string[] }
  | { readonly is: 'wants-code' }
  | { readonly is: 'refused'; readonly why: 'name-or-password' | 'code' | 'too-late' };

export interface Login {
  /** `attempt` names the form that was filled in; a code has to come by the same one. */
  password(attempt: string, name: string, password: string): Promise<LoginStep>;
  code(attempt: string, code: string): Promise<LoginStep>;
  /** Whether it is the password of somebody who is signed in, counted like any other attempt. */
  confirms(account: Account, password: string): Promise<boolean>;
}

const steps = 'login-steps';
const codeWithin = 5 * 60_000;

export function createLogin(documents: Documents, accounts: Accounts, secrets: Secrets): Login {
  const attempts = openAttempts(documents);
  const matches = async (account: Account | undefined, name: string, password: string): Promise<boolean> => {
    const mayTry = await attempts.begin(name);
    const usable = mayTry && account?.disabled !== true ? account?.password : undefined;
    const isRight = await isPassword(usable, password);
    if (isRight) await attempts.succeeded(name);
    return isRight;
  };
  return {
    async password(attempt, name, password) {
      const account = await accounts.byName(name);
      if (!(await matches(account, name, password)) || account === undefined)
        return { is: 'refused', why: 'name-or-password' };
      if (account.totp === undefined) return { is: 'signed-in', account, amr: ['pwd'] };
      await documents.put(steps, hashed(attempt), account.id, { expires: Date.now() + codeWithin });
      return { is: 'wants-code' };
    },
    async code(attempt, code) {
      const id = (await documents.get(steps, hashed(attempt)))?.value;
      if (typeof id !== 'string') return { is: 'refused', why: 'too-late' };
      if (!(await attempts.begin(`code of ${id}`))) return { is: 'refused', why: 'code' };
      if (!(await useSecondFactor(accounts, secrets, id, code))) return { is: 'refused', why: 'code' };
      await attempts.succeeded(`code of ${id}`);
      await documents.delete(steps, hashed(attempt));
      const account = await accounts.find(id);
      if (account === undefined || account.disabled === true) return { is: 'refused', why: 'too-late' };
      return { is: 'signed-in', account, amr: ['pwd', 'otp', 'mfa'] };
    },
    confirms: (account, password) => matches(account, account.name, password),
  };
}
