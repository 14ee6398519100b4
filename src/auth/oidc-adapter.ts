// What oidc-provider keeps (codes, tokens, sessions, interactions, replay marks), on the documents port.
// Surprising why: using a code or refresh token is a compare-and-set and a replay mark a unique insert; with a plain read
// and write, parallel requests all win. Keys are hashes, and what is stored does not contain the secret it is kept under.
import { errors, type Adapter, type AdapterPayload } from 'oidc-provider';
import type { Documents } from '../storage/documents.js';
import type { Clients } from './clients.js';
import type { Ended } from './ended.js';
import { hashed } from './secrets.js';

export interface AdapterOptions {
  readonly documents: Documents;
  readonly clients: Clients;
  readonly onEnded: (what: Ended) => void;
}

export const collectionOf = (model: string): string => `oidc-${model}`;
const sessionsByUid = 'oidc-session-uid';

/** One adapter per kind of record. */
export const adapterOf =
  (options: AdapterOptions) =>
  (model: string): Adapter =>
    model === 'Client' ? clientAdapter(options.clients) : recordAdapter(model, options);

function recordAdapter(model: string, { documents, onEnded }: AdapterOptions): Adapter {
  const collection = collectionOf(model);
  const find = async (key: string): Promise<AdapterPayload | undefined> =>
    (await documents.get(collection, key))?.value as AdapterPayload | undefined;
  return {
    async upsert(id, payload, expiresIn) {
      const key = hashed(id);
      const until = expiresIn === undefined ? {} : { expires: Date.now() + expiresIn * 1000 };
      const unique = model === 'ReplayDetection' ? { expected: 0 } : {};
      const put = await documents.put(collection, key, withoutSecret(payload, id), { ...until, ...unique });
      if (put === undefined)
        throw new errors.InvalidClientAuth('assertions and proofs must only be used once');
      if (model === 'Session' && payload.uid !== undefined)
        await indexSession(documents, payload, key, until);
    },
    async find(id) {
      const payload = await find(hashed(id));
      return payload && withSecret(payload, id);
    },
    async findByUid(uid) {
      const key = (await documents.get(sessionsByUid, hashed(uid)))?.value as string | undefined;
      return key === undefined ? undefined : find(key);
    },
    async findByUserCode() {
      return undefined; // the device flow is off
    },
    async consume(id) {
      const key = hashed(id);
      const document = await documents.get(collection, key);
      const payload = document?.value as AdapterPayload | undefined;
      const isMine =
        document !== undefined &&
        payload?.consumed === undefined &&
        (await documents.put(
          collection,
          key,
          { ...payload, consumed: Math.floor(Date.now() / 1000) },
          {
            expected: document.revision,
            ...(document.expires === undefined ? {} : { expires: document.expires }),
          },
        )) !== undefined;
      if (isMine) return;
      // Whoever comes second holds a stolen or doubled secret: what was issued under it ends.
      if (payload?.grantId !== undefined) await endGrant(documents, payload.grantId, onEnded);
      throw new errors.InvalidGrant(`${model} was already used`);
    },
    async destroy(id) {
      const key = hashed(id);
      await documents.delete(collection, key);
      if (model === 'Grant') onEnded({ grantId: id });
      else if (model === 'AccessToken' || model === 'ClientCredentials') onEnded({ token: key });
    },
    async revokeByGrantId(grantId) {
      // Nothing is valid without its grant, so that ending it ends all that was issued under it.
      await endGrant(documents, grantId, onEnded);
    },
  };
}

/** Ends everything that was issued under the grant, at once on this node. */
export async function endGrant(
  documents: Documents,
  grantId: string,
  onEnded: (what: Ended) => void,
): Promise<boolean> {
  const was = await documents.delete(collectionOf('Grant'), hashed(grantId));
  onEnded({ grantId });
  return was;
}

export interface LiveSession {
  readonly uid: string;
  /** Seconds since 1970 UTC. */
  readonly since: number;
}
const sessionsOf = 'oidc-sessions-of';

async function indexSession(
  documents: Documents,
  { uid = '', accountId, loginTs }: AdapterPayload,
  key: string,
  until: { expires?: number },
): Promise<void> {
  await documents.put(sessionsByUid, hashed(uid), key, until);
  if (accountId === undefined) return;
  const session: LiveSession = { uid, since: loginTs ?? 0 };
  await documents.put(sessionsOf, `${accountId}/${hashed(uid)}`, session, until);
}

/** The login sessions of an account that were not ended. */
export async function liveSessions(documents: Documents, account: string): Promise<readonly LiveSession[]> {
  const found = (await documents.list(sessionsOf, { prefix: `${account}/` })).map(
    ({ value }) => value as LiveSession,
  );
  const alive = await Promise.all(found.map(({ uid }) => isSessionAlive(documents, uid)));
  return found.filter((_, i) => alive[i]);
}

/** Ends a login session by its uid. */
export async function endSession(
  documents: Documents,
  uid: string,
  onEnded: (what: Ended) => void,
): Promise<void> {
  const key = await documents.take(sessionsByUid, hashed(uid));
  if (key !== undefined) await documents.delete(collectionOf('Session'), key.value as string);
  onEnded({ session: uid });
}

/** Asked twice where it seems gone: while its cookie is changed there is none for a moment. */
export async function isSessionAlive(documents: Documents, uid: string): Promise<boolean> {
  for (const wait of [100, 0]) {
    const key = await documents.get(sessionsByUid, hashed(uid));
    if (key === undefined) return false;
    if ((await documents.get(collectionOf('Session'), key.value as string)) !== undefined) return true;
    if (wait > 0) await new Promise(resolve => setTimeout(resolve, wait));
  }
  return false;
}

/** The record as it is kept: its own id, and cookies that other records mention, are left out. */
function withoutSecret(payload: AdapterPayload, id: string): AdapterPayload {
  const { jti: _, returnTo, session, ...rest } = payload;
  return {
    ...rest,
    ...(returnTo === undefined ? {} : { returnTo: returnTo.replace(id, place) }),
    ...(session === undefined ? {} : { session: { ...session, cookie: undefined } }),
  };
}

const place = '{uid}';
const withSecret = (payload: AdapterPayload, id: string): AdapterPayload => ({
  ...payload,
  jti: id,
  ...(payload.returnTo === undefined ? {} : { returnTo: payload.returnTo.replace(place, id) }),
});

function clientAdapter(clients: Clients): Adapter {
  const unused = async (): Promise<undefined> => undefined;
  return {
    find: id => clients.metadata(id),
    upsert: (id, metadata) => clients.register(id, metadata),
    async destroy(id) {
      await clients.remove(id);
    },
    findByUid: unused,
    findByUserCode: unused,
    consume: unused,
    revokeByGrantId: unused,
  };
}
