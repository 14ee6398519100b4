// What a person does not want to be asked about again: which app, at which FHIR base, what it asked and what of that was
// allowed. It answers the same question once more and no wider one, and never says whom a launch is about.
// https://openid.net/specs/openid-connect-core-1_0.html#Consent
import type { Documents } from '../storage/documents.js';
import type { ClientRecord } from './clients.js';
import { granted } from './scopes.js';
import { hashed } from './secrets.js';

export interface Remembered {
  readonly account: string;
  readonly clientId: string;
  /** The FHIR base. */
  readonly aud: string;
  /** What was offered on the page. */
  readonly asked: readonly string[];
  /** What of it was allowed. */
  readonly scopes: readonly string[];
  readonly created: number;
}

export interface Answers {
  remember(answer: Omit<Remembered, 'created'>): Promise<void>;
  /** What was said to this question before; undefined where the app asks for more, or nothing was said. */
  to(
    client: ClientRecord,
    account: string,
    aud: string,
    offered: readonly string[],
  ): Promise<readonly string[] | undefined>;
  of(account: string): Promise<readonly Remembered[]>;
  /** From now on the person is asked again about this client. */
  forget(account: string, clientId: string): Promise<void>;
}

const collection = 'remembered-answers';
const keepFor = 365 * 24 * 3_600_000;
const ofClient = (account: string, clientId: string): string => `${account}/${hashed(clientId)}/`;

export function openAnswers(documents: Documents): Answers {
  const listed = async (prefix: string): Promise<readonly Remembered[]> =>
    (await documents.list(collection, { prefix })).map(({ value }) => value as Remembered);
  return {
    async remember(answer) {
      const created = Date.now();
      const key = ofClient(answer.account, answer.clientId) + hashed(answer.aud);
      await documents.put(collection, key, { ...answer, created } satisfies Remembered, {
        expires: created + keepFor,
      });
    },
    async to(client, account, aud, offered) {
      const key = ofClient(account, client.id) + hashed(aud);
      const known = (await documents.get(collection, key))?.value as Remembered | undefined;
      // Another app may be registered under the id of one that was removed.
      if (known === undefined || known.created < client.created) return undefined;
      const scopes = granted(offered, known.scopes);
      const isKnown = offered.every(scope => known.asked.includes(scope) || scopes.includes(scope));
      return isKnown && scopes.length > 0 ? scopes : undefined;
    },
    of: account => listed(`${account}/`),
    async forget(account, clientId) {
      for (const { aud } of await listed(ofClient(account, clientId)))
        await documents.delete(collection, ofClient(account, clientId) + hashed(aud));
    },
  };
}

/**
 * Whether an answer to this app can be kept: any program can receive what is sent to this machine or to a scheme of its
 * own, so that a public app there is known by its name alone. https://www.rfc-editor.org/rfc/rfc8252#section-8.6
 */
export const canBeKnown = ({ kind }: ClientRecord, redirectUri: string | undefined): boolean =>
  kind !== 'public' || redirectUri?.startsWith('https://') === true;
