// The second factor: time-based codes (RFC 6238), each good once, and recovery codes for a lost phone, each good once.
import { randomInt } from 'node:crypto';
import { Secret, TOTP } from 'otpauth';
import type { Account, Accounts } from './accounts.js';
import { hashed, type Secrets } from './secrets.js';

interface Sealed {
  readonly secret: string;
  /** The time step that was used last; a code of it or before is refused. */
  readonly lastStep: number;
}

const purpose = 'second factor';
const period = 30;
const totpOf = (secret: string, label: string): TOTP =>
  new TOTP({
    issuer: 'Tsela',
    label,
    algorithm: 'SHA1',
    digits: 6,
    period,
    secret: Secret.fromBase32(secret),
  });

export interface Proposal {
  /** Base32, to be typed into an authenticator app. */
  readonly secret: string;
  /** `otpauth:`, to be opened by one. */
  readonly uri: string;
}

/** A new secret, to be confirmed by a code before it counts; or one that was proposed, once more. */
export function proposeSecondFactor(account: Account, secret = new Secret({ size: 20 }).base32): Proposal {
  const known = isSecret(secret) ? secret : new Secret({ size: 20 }).base32;
  return { secret: known, uri: totpOf(known, account.name).toString() };
}

export interface NewSecondFactor {
  /** What the account gets. */
  readonly kept: Pick<Account, 'totp' | 'recovery'>;
  /** Recovery codes, to be shown once. */
  readonly codes: readonly string[];
}

/** A second factor of the secret; undefined where the code is not of it. */
export function newSecondFactor(secrets: Secrets, secret: string, code: string): NewSecondFactor | undefined {
  const step = stepOf(secret, code);
  if (step === undefined) return undefined;
  const codes = Array.from({ length: 10 }, recoveryCode);
  const sealed: Sealed = { secret, lastStep: step };
  return { kept: { totp: secrets.seal(purpose, sealed), recovery: codes.map(hashed) }, codes };
}

/** Whether it was kept; not where the account has one. */
export async function keepSecondFactor(
  accounts: Accounts,
  id: string,
  { kept }: NewSecondFactor,
): Promise<boolean> {
  const changed = await accounts.change(id, account =>
    account.totp === undefined ? { ...account, ...kept } : account,
  );
  return changed.totp === kept.totp;
}

export const withoutSecondFactor = ({ totp: _, recovery: __, ...account }: Account): Account => account;

/** Whether the code is right and was not used; using it and finding it unused is one step. */
export async function useSecondFactor(
  accounts: Accounts,
  secrets: Secrets,
  id: string,
  code: string,
): Promise<boolean> {
  let isRight = false;
  await accounts.change(id, account => {
    isRight = false;
    const used = account.totp === undefined ? undefined : using(account, account.totp, secrets, code);
    if (used === undefined) return account;
    isRight = true;
    return used;
  });
  return isRight;
}

function using(account: Account, totp: string, secrets: Secrets, code: string): Account | undefined {
  const sealed = secrets.open(purpose, totp) as Sealed;
  const plain = code.replace(/[\s-]/g, '').toLowerCase();
  if (/^\d{6}$/.test(plain)) {
    const step = stepOf(sealed.secret, plain);
    if (step === undefined || step <= sealed.lastStep) return undefined;
    return { ...account, totp: secrets.seal(purpose, { ...sealed, lastStep: step } satisfies Sealed) };
  }
  const print = hashed(plain);
  if (!(account.recovery ?? []).includes(print)) return undefined;
  return { ...account, recovery: (account.recovery ?? []).filter(each => each !== print) };
}

/** The time step whose code it is, now or one step to either side. */
function stepOf(secret: string, code: string): number | undefined {
  if (!isSecret(secret)) return undefined;
  const delta = totpOf(secret, '').validate({ token: code, window: 1 });
  return delta === null ? undefined : Math.floor(Date.now() / 1000 / period) + delta;
}

const isSecret = (text: string): boolean => /^[A-Z2-7]{32,64}$/.test(text);

const alphabet = 'abcdefghjkmnpqrstuvwxyz23456789';
/** 12 characters, 59 bits; hyphens are for people. */
const recoveryCode = (): string =>
  Array.from({ length: 12 }, () => alphabet[randomInt(alphabet.length)]).join('');
