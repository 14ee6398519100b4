// Which person at another OpenID provider is which account here: by the issuer and its name for them, never by an address
// or a name, which others could come to have.
import { FhirError } from '../errors.js';
import type { Documents } from '../storage/documents.js';
import type { Accounts } from './accounts.js';
import { hashed } from './secrets.js';

export interface Link {
  readonly account: string;
  readonly issuer: string;
  readonly subject: string;
  readonly created: number;
}

export interface Links {
  /** @throws FhirError `duplicate` where it is somebody else's */
  link(link: Omit<Link, 'created'>): Promise<void>;
  /** Id of the account. */
  find(issuer: string, subject: string): Promise<string | undefined>;
  of(account: string): Promise<readonly Link[]>;
  /** Whether the account had it. */
  unlink(account: string, issuer: string, subject: string): Promise<boolean>;
}

const collection = 'upstream-links';
const byAccount = 'upstream-links-of';
const keyOf = (issuer: string, subject: string): string => hashed(JSON.stringify([issuer, subject]));

export const openLinks = (documents: Documents, accounts: Pick<Accounts, 'find'>): Links => ({
  async link(given) {
    const { account, issuer, subject } = given;
    const key = keyOf(issuer, subject);
    const link: Link = { ...given, created: Date.now() };
    for (;;) {
      const document = await documents.get(collection, key);
      const known = (document?.value as Link | undefined)?.account;
      if (known !== undefined && known !== account && (await accounts.find(known)) !== undefined)
        throw new FhirError('duplicate', 'Who signed in there is linked to another account here.');
      const expected = document?.revision ?? 0;
      if ((await documents.put(collection, key, link, { expected })) !== undefined) break;
    }
    await documents.put(byAccount, `${account}/${key}`, link);
  },
  async find(issuer, subject) {
    return ((await documents.get(collection, keyOf(issuer, subject)))?.value as Link | undefined)?.account;
  },
  async of(account) {
    return (await documents.list(byAccount, { prefix: `${account}/` })).map(({ value }) => value as Link);
  },
  async unlink(account, issuer, subject) {
    const key = keyOf(issuer, subject);
    const document = await documents.get(collection, key);
    if ((document?.value as Link | undefined)?.account === account)
      await documents.delete(collection, key, document!.revision);
    return documents.delete(byAccount, `${account}/${key}`);
  },
});
