// From a token to who it speaks for. A token is looked up by its hash, and what was found is remembered for ten
// seconds, or until something it stands on ends on this node. https://www.rfc-editor.org/rfc/rfc6750,
// https://www.rfc-editor.org/rfc/rfc9449#section-7
import { FhirError } from '../errors.js';
import type { Documents } from '../storage/documents.js';
import { userOf, type Accounts } from './accounts.js';
import type { Approvals } from './approvals.js';
import type { ClientRecord, Clients } from './clients.js';
import { proofAlgorithms, proofProblem, type Proven } from './dpop.js';
import type { Grant } from './grant.js';
import type { Identity } from './identity.js';
import type { Ended } from './ended.js';
import { collectionOf, isSessionAlive } from './oidc-adapter.js';
import { scopesIn } from './scopes.js';
import { hashed } from './secrets.js';

/** Who asks, and what they may. */
export interface Caller {
  readonly identity: Identity;
  readonly grant: Grant;
}

export interface Authenticate {
  /**
   * @param authorization the header as it came
   * @param base the FHIR base that is asked: tokens for another one are refused
   * @param proven the request, for tokens that are bound to a key
   * @throws FhirError `not-authenticated` with the WWW-Authenticate header
   */
  (authorization: string | undefined, base: string, proven: Proven): Promise<Caller>;
  /** Forgets what stood on something that ended. */
  forget(what: Ended): void;
  /** Whether all that a token of any kind stands on is there now. */
  stands(token: string): Promise<boolean>;
}

export interface AuthenticateOptions {
  readonly documents: Documents;
  readonly accounts: Accounts;
  readonly clients: Clients;
  readonly approvals: Approvals;
  readonly compile: (identity: Identity) => Promise<Grant>;
}

interface Found extends Caller {
  readonly aud: string;
  /** Milliseconds since 1970 UTC. */
  readonly expires: number;
  readonly session: string | undefined;
  /** Thumbprint of the key the token is bound to. */
  readonly jkt: string | undefined;
}

interface Remembered {
  readonly found: Found | undefined;
  readonly until: number;
}

/** The part of a stored token that matters here. */
interface StoredToken {
  readonly accountId?: string;
  readonly clientId?: string;
  readonly grantId?: string;
  readonly aud?: string;
  readonly scope?: string;
  /** Seconds since 1970 UTC. */
  readonly iat?: number;
  readonly exp?: number;
  readonly jkt?: string;
  readonly 'x5t#S256'?: string;
}

const rememberFor = 10_000;
const rememberNothingFor = 1000;
const mostRemembered = 10_000;

export function createAuthenticate(options: AuthenticateOptions): Authenticate {
  const remembered = new Map<string, Remembered>();
  /** Raised when something ends, so that what was looked up before is not remembered after. */
  let endings = 0;

  const lookUp = async (key: string): Promise<Found | undefined> => {
    const known = remembered.get(key);
    const now = Date.now();
    if (known !== undefined && known.until > now) return known.found;
    const before = endings;
    const found = await find(options, key);
    if (endings !== before) return found;
    remembered.delete(key);
    remembered.set(key, {
      found,
      until: now + (found === undefined ? rememberNothingFor : rememberFor),
    });
    // The map keeps the order of insertion: the first is the oldest.
    if (remembered.size > mostRemembered) remembered.delete(remembered.keys().next().value!);
    return found;
  };

  const authenticate = async (
    authorization: string | undefined,
    base: string,
    proven: Proven,
  ): Promise<Caller> => {
    const [, scheme, token] = /^(bearer|dpop) +([\w.~+/-]{1,2000}=*)$/i.exec(authorization ?? '') ?? [];
    if (scheme === undefined || token === undefined) {
      throw refused(
        'A valid token is needed: send Authorization: Bearer, with an access token of this server.',
        base,
        authorization === undefined ? undefined : 'invalid_request',
      );
    }
    const found = await lookUp(hashed(token));
    if (found === undefined || found.expires <= Date.now() || found.aud !== base)
      throw refused('The token is unknown, has expired, or is not for this server.', base, 'invalid_token');
    const isProven = scheme.toLowerCase() === 'dpop';
    if (found.jkt !== undefined && !isProven)
      throw refused(
        'The token is bound to a key: send Authorization: DPoP, with a proof.',
        base,
        'invalid_token',
        true,
      );
    if (found.jkt === undefined && isProven)
      throw refused('The token is not bound to a key: send Authorization: Bearer.', base, 'invalid_token');
    if (found.jkt !== undefined) {
      const problem = await proofProblem(options.documents, proven, token, found.jkt);
      if (problem !== undefined)
        throw refused(`The DPoP proof does not hold: ${problem}.`, base, 'invalid_dpop_proof', true);
    }
    return found;
  };
  return Object.assign(authenticate, {
    forget(what: Ended) {
      endings++;
      for (const [key, { found }] of remembered) if (standsOn(what, key, found)) remembered.delete(key);
    },
    async stands(token: string) {
      for (const model of ['AccessToken', 'ClientCredentials', 'RefreshToken']) {
        const kept = (await options.documents.get(collectionOf(model), hashed(token)))?.value;
        if (kept !== undefined)
          return (await standing(options, kept as StoredToken, model !== 'ClientCredentials')) !== undefined;
      }
      return false;
    },
  });
}

function standsOn(what: Ended, key: string, found: Found | undefined): boolean {
  if ('token' in what) return key === what.token;
  if (found === undefined) return false;
  const { identity, session } = found;
  if ('grantId' in what) return identity.grantId === what.grantId;
  if ('session' in what) return session === what.session;
  if ('client' in what) return identity.clientId === what.client;
  return identity.user?.account === what.account;
}

const refused = (message: string, base: string, error: string | undefined, isBound = false): FhirError =>
  new FhirError('not-authenticated', message, {
    headers: {
      'www-authenticate': [
        `${isBound ? 'DPoP' : 'Bearer'} realm="${base}"`,
        ...(error === undefined ? [] : [`error="${error}"`]),
        ...(isBound ? [`algs="${proofAlgorithms.join(' ')}"`] : []),
      ].join(', '),
    },
  });

async function find(options: AuthenticateOptions, key: string): Promise<Found | undefined> {
  const { documents, compile } = options;
  const ofUser = (await documents.get(collectionOf('AccessToken'), key))?.value as StoredToken | undefined;
  const token =
    ofUser ??
    ((await documents.get(collectionOf('ClientCredentials'), key))?.value as StoredToken | undefined);
  if (token?.aud === undefined || token.exp === undefined) return undefined;
  // A token bound to a certificate is worth nothing without it.
  if (token['x5t#S256'] !== undefined) return undefined;
  const made = await standing(options, token, ofUser !== undefined);
  if (made === undefined) return undefined;
  const { aud, exp, jkt } = token;
  return { ...made, grant: await compile(made.identity), aud, expires: exp * 1000, jkt };
}

/** Everything a token stands on has to be there: the grant, the client, the account, the session where it is bound to one. */
async function standing(
  options: AuthenticateOptions,
  token: StoredToken,
  isOfUser: boolean,
): Promise<Pick<Found, 'identity' | 'session'> | undefined> {
  const client = await options.clients.find(token.clientId ?? '');
  // Another client may be registered under the id of one that was removed; what that one had stays ended.
  if (client === undefined || client.created > ((token.iat ?? 0) + 1) * 1000) return undefined;
  return isOfUser
    ? userIdentity(options, client, token)
    : { identity: serviceIdentity(client, token), session: undefined };
}

const serviceIdentity = ({ id, state }: ClientRecord, { scope }: StoredToken): Identity => ({
  sub: id,
  clientId: id,
  scopes: scopesIn(scope),
  grantId: `client:${id}`,
  ...(state === undefined ? {} : { stateCodes: state }),
});

async function userIdentity(
  { documents, accounts, approvals }: AuthenticateOptions,
  client: ClientRecord,
  { accountId = '', grantId = '', scope }: StoredToken,
): Promise<{ identity: Identity; session: string | undefined } | undefined> {
  const grant = (await documents.get(collectionOf('Grant'), hashed(grantId)))?.value as
    { clientId?: string; accountId?: string } | undefined;
  if (grant === undefined || grant.clientId !== client.id || grant.accountId !== accountId) return undefined;
  const account = await accounts.find(accountId);
  const approval = await approvals.find(accountId, grantId);
  if (account === undefined || account.disabled === true || approval === undefined) return undefined;
  const { session, context, created } = approval;
  if (created < client.created) return undefined;
  if (session !== undefined && !(await isSessionAlive(documents, session))) return undefined;
  return {
    session,
    identity: {
      sub: accountId,
      clientId: client.id,
      user: userOf(account),
      scopes: scopesIn(scope),
      ...(context.patient === undefined ? {} : { patient: context.patient }),
      ...(context.encounter === undefined ? {} : { encounter: context.encounter }),
      grantId,
      ...(client.state === undefined ? {} : { stateCodes: client.state }),
    },
  };
}
