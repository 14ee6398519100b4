// Links by which somebody sets a password without having one: an invitation, or a reset. Only the hash of a link is kept;
// it is good once, for a while, and only as long as the account stands as it did when the link was made: with another
// password or a newer invitation every older link is void. Of two that are used at once one wins.
import type { Documents } from '../storage/documents.js';
import type { Account, Accounts } from './accounts.js';
import { hashed, randomText } from './secrets.js';

export type LinkPurpose = 'invitation' | 'reset';

export interface PasswordLink {
  readonly purpose: LinkPurpose;
  readonly account: Account;
}

export interface PasswordLinks {
  /** The secret part of a new link, and until when it is good (ms since 1970 UTC). */
  issue(account: Account, purpose: LinkPurpose): Promise<{ link: string; until: number }>;
  /** What the link is good for; looking does not use it. */
  find(link: string): Promise<PasswordLink | undefined>;
  /** Uses it up for the change; undefined where it is not good, or no longer. */
  use(link: string, change: (account: Account) => Account): Promise<Account | undefined>;
}

interface Kept {
  readonly purpose: LinkPurpose;
  readonly account: string;
  /** What the account stood on, hashed. */
  readonly stand: string;
}

const collection = 'password-links';
/** ms */
const goodFor: Readonly<Record<LinkPurpose, number>> = {
  invitation: 7 * 24 * 3_600_000,
  reset: 30 * 60_000,
};

const standOf = ({ password, invitation = '' }: Account): string => hashed(password ?? invitation);

export function openPasswordLinks(documents: Documents, accounts: Accounts): PasswordLinks {
  const isGood = (account: Account | undefined, { stand }: Kept): account is Account =>
    account !== undefined && account.disabled !== true && standOf(account) === stand;
  return {
    async issue(account, purpose) {
      const link = randomText();
      const until = Date.now() + goodFor[purpose];
      const kept: Kept = { purpose, account: account.id, stand: standOf(account) };
      await documents.put(collection, hashed(link), kept, { expires: until });
      return { link, until };
    },
    async find(link) {
      const kept = (await documents.get(collection, hashed(link)))?.value as Kept | undefined;
      if (kept === undefined) return undefined;
      const account = await accounts.find(kept.account);
      return isGood(account, kept) ? { purpose: kept.purpose, account } : undefined;
    },
    async use(link, change) {
      const kept = (await documents.take(collection, hashed(link)))?.value as Kept | undefined;
      if (kept === undefined || (await accounts.find(kept.account)) === undefined) return undefined;
      let isUsed = false;
      const changed = await accounts.change(kept.account, account => {
        isUsed = isGood(account, kept);
        return isUsed ? change(account) : account;
      });
      return isUsed ? changed : undefined;
    },
  };
}

/** The account with a link of its own again; those before are void. @param account one without a password */
export const invitedAnew = (account: Account): Account => ({ ...account, invitation: randomText(12) });

export const withPassword = ({ invitation: _, ...account }: Account, password: string): Account => ({
  ...account,
  password,
});
