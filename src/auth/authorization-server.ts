// The authorization server of this process: the provider with everything SMART adds around it, who may sign in, which
// apps there are, and what a token means. http/ mounts it at /auth. https://hl7.org/fhir/smart-app-launch/
import { onLibraryNotice } from './library-notices.js'; // first: the library speaks while it is imported
import { isIP } from 'node:net';
import type { KoaContextWithOIDC, Provider } from 'oidc-provider';
import { FhirError } from '../errors.js';
import type { JsonObject } from '../fhir/json.js';
import type { Mail } from '../notifications/mail.js';
import type { Documents } from '../storage/documents.js';
import { openAccounts, type Accounts } from './accounts.js';
import { openApprovals, openLaunches } from './approvals.js';
import { openBrands, type BrandBundle, type Place } from './brands.js';
import { createAuthenticate, type Authenticate } from './authenticate.js';
import { openClients, type Clients } from './clients.js';
import type { CompileGrant, Directory } from './directory.js';
import { securityOf, smartConfiguration, type ProviderMetadata } from './discovery.js';
import {
  authorizeRequests,
  introspectByBearer,
  introspectWhatStands,
  tokenRequests,
  type Middleware,
} from './endpoints.js';
import type { AccessEvent } from './events.js';
import { html, sendPage } from './html.js';
import { interactions } from './interaction.js';
import { signingKeys, type SigningKeys } from './keys.js';
import { launchEndpoint } from './launch.js';
import { sendLetter, type Letter, type PostLetter, type Tell } from './letters.js';
import { createLogin } from './login.js';
import type { LoginProvider } from './login-providers.js';
import { managePages } from './manage.js';
import type { Ended } from './ended.js';
import { openAppPage } from './open-app.js';
import { openPasswordLinks } from './password-links.js';
import { passwordPages } from './password-pages.js';
import { peoplePage } from './people-page.js';
import { createProvider, textOf } from './provider.js';
import { openAnswers } from './remembered.js';
import { issueRegistrationToken } from './registration-token.js';
import { openRoles } from './roles.js';
import { openSecrets } from './secrets.js';
import { openUpstream } from './upstream.js';
import { openLinks } from './upstream-links.js';
import { upstreamPages } from './upstream-pages.js';

export interface AuthorizationServerOptions {
  readonly documents: Documents;
  /** Scheme, host and port that clients know the server by. */
  readonly origin: string;
  /** FHIR bases that tokens can be for, without trailing slash. */
  readonly bases: readonly string[];
  /** The same, with the facilities they are of. */
  readonly places: () => readonly Place[];
  /** At least 32 characters; absent: made once and kept in the store. */
  readonly secret: string | undefined;
  readonly privateJwks: boolean;
  /** Where else people may sign in. */
  readonly loginProviders: readonly LoginProvider[];
  readonly directory: Directory;
  readonly compile: CompileGrant;
  /** Absent where this server sends no mail: then `post` is not used. */
  readonly mail: Mail | undefined;
  /** Puts a letter where `deliver` gets it from. */
  readonly post: PostLetter;
  readonly onEvent: (event: AccessEvent) => void;
  readonly onFailure: (error: unknown) => void;
  /** Told what the library says of itself. */
  readonly onNotice: (notice: string) => void;
}

export interface AuthorizationServer {
  /** Changes when keys do: whoever mounts it asks for each request. */
  readonly app: () => Provider;
  readonly authenticate: Authenticate;
  readonly accounts: Accounts;
  readonly clients: Clients;
  /** .well-known/smart-configuration of a FHIR base. */
  readonly configuration: (base: string) => Promise<JsonObject>;
  /** .well-known/user-access-brands of every base; undefined where the district has no brand. */
  readonly brands: () => Promise<BrandBundle | undefined>;
  /** CapabilityStatement.rest.security */
  readonly security: () => JsonObject;
  /** Sends a letter that was posted; answers how many messages that were. @throws where another try may help */
  readonly deliver: ((letter: Letter) => Promise<number>) | undefined;
  /** A token with which one app can register itself, for at most these scopes. */
  registrationToken(scopes: readonly string[]): Promise<string>;
  /** Signs with new keys from now on; what the old ones signed stays valid. */
  rotateKeys(): Promise<void>;
  close(): void;
}

export const authPath = '/auth';
/** Below a FHIR base. */
export const brandsPath = '.well-known/user-access-brands';
const lookAfter = 5 * 60_000;

/** Whether browsers have passkeys for the address: those belong to a name, reached by https. */
function isForPasskeys(origin: string): boolean {
  const { hostname, protocol } = new URL(origin);
  const isUsable = protocol === 'https:' || hostname === 'localhost';
  return isUsable && isIP(hostname) === 0 && !hostname.startsWith('[');
}

export async function createAuthorizationServer(
  options: AuthorizationServerOptions,
): Promise<AuthorizationServer> {
  const { documents, origin, bases, directory, compile, onEvent, onFailure } = options;
  onLibraryNotice(options.onNotice);
  const issuer = origin + authPath;
  const secrets = await openSecrets(documents, options.secret);
  let forget: (what: Ended) => void = () => undefined;
  const onEnded = (what: Ended): void => forget(what);
  const accounts = openAccounts(documents, onEnded);
  const clients = openClients(documents, onEnded);
  clients.isOrigin(origin); // begins to learn which origins there are
  const approvals = openApprovals(documents, onEnded);
  const launches = openLaunches(documents);
  const answers = openAnswers(documents);
  const upstream = openUpstream({
    documents,
    secrets,
    issuer,
    providers: options.loginProviders,
    onNotice: options.onNotice,
  });
  const brands = openBrands(documents, issuer, options.places);
  const roles = openRoles(documents);
  // The library takes 80 ms of the start: it is loaded where it is of use.
  const passkeys = isForPasskeys(origin)
    ? (await import('./passkeys.js')).openPasskeys(documents, accounts, secrets, origin)
    : undefined;
  const links = openPasswordLinks(documents, accounts);
  const { mail } = options;
  const post = mail && options.post;
  const tell: Tell = async ({ id, mail: address }, of) => {
    onEvent({ kind: 'account', account: id, change: of });
    if (address !== undefined) await post?.({ kind: 'notice', account: id, of });
  };
  const login = createLogin({ documents, accounts, secrets, roles, passkeys, tell });
  const forgotten = mail && `${authPath}/forgotten`;
  const authenticate = createAuthenticate({ documents, accounts, clients, approvals, compile });
  forget = what => authenticate.forget(what);

  let current: { provider: Provider; metadata: ProviderMetadata; revision: number };
  const provider = (): Provider => current.provider;
  const bearer = async (ctx: KoaContextWithOIDC) => {
    let refusal: unknown;
    const proven = { proof: textOf(ctx.headers['dpop']), method: ctx.method, url: origin + ctx.originalUrl };
    for (const base of bases) {
      try {
        return { ...(await authenticate(ctx.headers.authorization, base, proven)), base };
      } catch (error) {
        refusal = error;
      }
    }
    throw refusal;
  };
  const shared = {
    provider,
    prefix: authPath,
    accounts,
    clients,
    approvals,
    answers,
    login,
    forgotten,
    upstream,
    upstreamLinks: openLinks(documents, accounts),
    onEvent,
  };
  const people = { ...shared, issuer, documents, links, roles, secrets, passkeys, post, tell, onEnded };
  const middlewares: readonly Middleware[] = [
    failures(onFailure),
    managePages(people),
    upstreamPages(people),
    passwordPages(people),
    peoplePage(people),
    interactions({ ...shared, bases, launches, directory, compile }),
    openAppPage({ ...shared, bases, launches, directory, compile, secrets }),
    launchEndpoint({ clients, launches, directory, callerOf: bearer, onEvent }),
    introspectWhatStands(token => authenticate.stands(token)),
    introspectByBearer(provider, ctx => bearer(ctx).then(({ identity }) => identity.clientId, () => undefined)), // prettier-ignore
    authorizeRequests,
    tokenRequests(provider),
  ];
  const build = ({ keys, revision }: SigningKeys): void => {
    const { privateJwks } = options;
    const made = createProvider({ issuer, bases, documents, clients, accounts, approvals, launches, secrets, keys, privateJwks, onEnded }); // prettier-ignore
    for (const middleware of middlewares) made.provider.use(middleware as Parameters<Provider['use']>[0]);
    report(made.provider, onEvent, onFailure);
    current = { ...made, revision };
  };
  build(await signingKeys(documents, secrets));

  /** Other processes may have made new keys; what has expired is removed. */
  const look = async (): Promise<void> => {
    const keys = await signingKeys(documents, secrets);
    if (keys.revision !== current.revision) build(keys);
    await documents.sweep();
  };
  const timer = setInterval(() => void look().catch(onFailure), lookAfter).unref();
  return {
    app: provider,
    authenticate,
    accounts,
    clients,
    async configuration(base) {
      const bundle = await brands.bundle();
      return smartConfiguration(current.metadata, {
        associated_endpoints: [{ url: `${base}/app-state`, capabilities: ['smart-app-state'] }],
        ...(bundle === undefined
          ? {}
          : {
              user_access_brand_bundle: `${bases[0]!}/${brandsPath}`,
              user_access_brand_identifier: bundle.identifierOf(base),
            }),
      });
    },
    brands: () => brands.bundle(),
    security: () => securityOf(current.metadata),
    deliver: mail && (letter => sendLetter({ documents, accounts, links, secrets, mail, issuer }, letter)),
    registrationToken: scopes => issueRegistrationToken(documents, scopes),
    async rotateKeys() {
      build(await signingKeys(documents, secrets, true));
    },
    close: () => clearInterval(timer),
  };
}

/** What fails here is told as a page and logged; nothing of it is shown. */
const failures =
  (onFailure: (error: unknown) => void): Middleware =>
  async (ctx, next) => {
    try {
      await next();
    } catch (error) {
      const known = error instanceof FhirError;
      if (!known || error.status >= 500) onFailure(error);
      const words = known ? error.message : 'Something is wrong on this server. Try again later.';
      const status = known ? error.status : 500;
      sendPage(ctx, 'This did not work', html`<p class="wrong">${words}</p>`, { status, prefix: authPath });
    }
  };

function report(
  provider: Provider,
  onEvent: (event: AccessEvent) => void,
  onFailure: (error: unknown) => void,
): void {
  provider.on('server_error', (_, error) => onFailure(error));
  provider.on('grant.success', ({ oidc }) => {
    const { AccessToken: token, ClientCredentials: service } = oidc.entities;
    onEvent({
      kind: 'token',
      client: oidc.client?.clientId ?? '',
      ...(token === undefined ? {} : { account: token.accountId, grantId: token.grantId }),
      grantType: service === undefined ? String(oidc.params?.['grant_type']) : 'client_credentials',
    });
  });
  const refused = (ctx: KoaContextWithOIDC, error: { error: string }): void => {
    const client = ctx.oidc.client?.clientId;
    onEvent({ kind: 'token-refused', error: error.error, ...(client === undefined ? {} : { client }) });
  };
  provider.on('grant.error', refused);
  provider.on('grant.revoked', (ctx, grantId) => {
    const client = ctx.oidc.client?.clientId;
    onEvent({ kind: 'revoked', grantId, ...(client === undefined ? {} : { client }) });
  });
  provider.on('registration_create.success', (_, client) =>
    onEvent({ kind: 'registered', client: client.clientId }),
  );
}
