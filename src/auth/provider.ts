// The configuration of oidc-provider for SMART App Launch 2.2: the FHIR base is a resource server (RFC 8707), the launch
// context is ours, and every launch has a grant of its own. https://hl7.org/fhir/smart-app-launch/
// Surprising why, at each hook: the library's defaults share one grant over all launches, drop offline_access without
// prompt=consent, and check no scope of a resource server against the client.
import { errors, interactionPolicy, Provider, type Client, type Configuration, type JWK, type KoaContextWithOIDC } from 'oidc-provider'; // prettier-ignore
import type { Documents } from '../storage/documents.js';
import type { Accounts } from './accounts.js';
import type { Approvals, Launches } from './approvals.js';
import { extraMetadata, type Clients } from './clients.js';
import type { ProviderMetadata } from './discovery.js';
import { proofAlgorithms } from './dpop.js';
import { impliedPrompt } from './endpoints.js';
import { Html, html, sendPage } from './html.js';
import type { Ended } from './ended.js';
import { adapterOf, isSessionAlive } from './oidc-adapter.js';
import { fetchKeys } from './jwks.js';
import { registrationPolicy } from './registration.js';
import { granted, scopesIn, staticScopes } from './scopes.js';
import { equalTexts, hashed, type Secrets } from './secrets.js';

export interface ProviderOptions {
  /** `https://fhir.example.org/auth` */
  readonly issuer: string;
  /** FHIR bases that tokens can be for. */
  readonly bases: readonly string[];
  readonly documents: Documents;
  readonly clients: Clients;
  readonly accounts: Accounts;
  readonly approvals: Approvals;
  readonly launches: Launches;
  readonly secrets: Secrets;
  readonly keys: readonly JWK[];
  /** Whether keys of clients may be fetched from private and loopback addresses, and there without TLS. */
  readonly privateJwks: boolean;
  readonly onEnded: (what: Ended) => void;
}

const responseTypes = ['code'] as const;
const clientAuthMethods = ['none', 'client_secret_basic', 'client_secret_post', 'private_key_jwt'] as const;
/** The two of SMART, which the library's own list lacks, and what many clients use instead. */
const clientAuthSigningAlgValues = ['RS384', 'ES384', 'RS256', 'ES256'] as const;

const minute = 60;
const hour = 60 * minute;
const day = 24 * hour;
export const lifetimes = {
  accessToken: hour,
  backendToken: 5 * minute,
  code: minute,
  grant: 90 * day,
  interaction: 15 * minute,
  session: 12 * hour,
};

export function createProvider(options: ProviderOptions): { provider: Provider; metadata: ProviderMetadata } {
  const { issuer, bases, accounts, clients, secrets } = options;
  const prefix = new URL(issuer).pathname;
  const configuration: Configuration = {
    adapter: adapterOf(options),
    jwks: { keys: options.keys },
    cookies: {
      keys: [secrets.derive('cookies').toString('base64url')],
      long: { httpOnly: true, sameSite: 'lax', signed: true },
      short: { httpOnly: true, sameSite: 'lax', signed: true },
      names: { session: 'tsela_session', interaction: 'tsela_interaction', resume: 'tsela_resume' },
    },
    routes: {
      authorization: '/authorize',
      token: '/token',
      introspection: '/introspect',
      revocation: '/revoke',
      registration: '/register',
      pushed_authorization_request: '/par',
      jwks: '/jwks',
      end_session: '/logout',
    },
    scopes: staticScopes,
    claims: { openid: ['sub', 'amr'], fhirUser: ['fhirUser'], profile: ['name', 'fhirUser'] },
    responseTypes,
    clientAuthMethods,
    enabledJWA: {
      clientAuthSigningAlgValues,
      idTokenSigningAlgValues: ['RS256', 'ES256'],
      dPoPSigningAlgValues: proofAlgorithms,
    },
    pkce: { required: () => true },
    allowOmittingSingleRegisteredRedirectUri: false,
    conformIdTokenClaims: false,
    extraClientMetadata: { properties: [...extraMetadata] },
    extraParams: {
      aud: requireAudience,
      launch: (ctx, value) => checkLaunch(options, ctx, value),
      [impliedPrompt]: null,
    },
    clientBasedCORS: (_, origin, client) =>
      (client.redirectUris ?? []).some(uri => URL.canParse(uri) && new URL(uri).origin === origin),
    findAccount: async (ctx, id) => {
      const account = await accounts.find(id);
      if (account === undefined || account.disabled === true) return undefined;
      return {
        accountId: id,
        claims: () => ({
          sub: id,
          name: account.name,
          fhirUser: `${textOf(ctx.oidc.entities.AccessToken?.aud) ?? bases[0]!}/${account.fhirUser}`,
        }),
      };
    },
    interactions: { policy: policy(), url: (_, interaction) => `${prefix}/interaction/${interaction.uid}` },
    loadExistingGrant: async ctx => {
      const id = ctx.oidc.result?.consent?.grantId;
      return id === undefined ? undefined : ctx.oidc.provider.Grant.find(id);
    },
    expiresWithSession: () => false,
    issueRefreshToken: (_, client, source) =>
      client.grantTypeAllowed('refresh_token') &&
      (source.scopes.has('offline_access') || source.scopes.has('online_access')),
    revokeGrantPolicy: () => true,
    extraTokenClaims: async (_, token) => contextOf(options, token),
    assertJwtClientAuthClaimsAndHeader: (_, claims, header, client) => checkAssertion(claims, header, client),
    fetch: fetchKeys(options.privateJwks),
    fetchResponseBodyLimits: { jwks_uri: 256 * 1024 },
    ttl: {
      AccessToken: lifetimes.accessToken,
      ClientCredentials: lifetimes.backendToken,
      AuthorizationCode: lifetimes.code,
      RefreshToken: lifetimes.grant,
      Grant: lifetimes.grant,
      IdToken: hour,
      Interaction: lifetimes.interaction,
      Session: lifetimes.session,
    },
    features: {
      devInteractions: { enabled: false },
      userinfo: { enabled: false },
      clientCredentials: { enabled: true },
      dPoP: { enabled: true },
      pushedAuthorizationRequests: { enabled: true },
      introspection: {
        enabled: true,
        allowedPolicy: (_, client, token) =>
          client['introspect'] === true ||
          (token.clientId === client.clientId && client.clientAuthMethod !== 'none'),
      },
      revocation: {
        enabled: true,
        allowedPolicy: (_, client, token) => token.clientId === client.clientId,
      },
      registration: {
        enabled: true,
        initialAccessToken: true,
        issueRegistrationAccessToken: false,
        policies: { smart: registrationPolicy(options.documents) },
      },
      rpInitiatedLogout: {
        enabled: true,
        logoutSource: (ctx, form) =>
          sendPage(ctx, 'Sign out?', logoutPage(form), { prefix, leadsTo: leadsTo(ctx) }),
        postLogoutSuccessSource: ctx =>
          sendPage(ctx, 'Signed out', html`<p>You are signed out.</p>`, { prefix }),
      },
      resourceIndicators: {
        enabled: true,
        defaultResource: (ctx, _, oneOf) =>
          oneOf?.[0] ?? textOf(ctx.oidc.params?.['aud']) ?? (isBackend(ctx) ? bases[0]! : []),
        useGrantedResource: () => true,
        getResourceServerInfo: async (ctx, resource, client) => {
          const audience = baseOf(resource, bases);
          // The library keeps a pushed request as a JWT, whose own aud, this issuer, then stands in its place.
          const given = textOf(ctx.oidc.params?.['aud']);
          const aud = given === issuer ? undefined : given;
          if (audience === undefined || (aud !== undefined && baseOf(aud, bases) !== audience))
            throw new errors.InvalidRequest(`aud must be the FHIR base: ${bases.join(' or ')}`);
          const record = await clients.find(client.clientId);
          const scopes = allowedScopes(ctx, record?.scopes ?? []);
          if (scopes.length === 0) throw new errors.InvalidScope('nothing of what was asked is allowed', '');
          return { scope: scopes.join(' '), audience, accessTokenFormat: 'opaque' };
        },
      },
    },
    renderError: (ctx, out) => {
      const { status } = ctx;
      sendPage(
        ctx,
        'This did not work',
        html`<p class="wrong">${out.error_description ?? out.error}</p>
          <p class="quiet">Code: ${out.error}. Go back to the app and start again.</p>`,
        { prefix, status },
      );
    },
  };
  const provider = new Provider(issuer, configuration);
  // Secrets are kept as hashes, so the hash of what is presented is compared.
  provider.Client.prototype.compareClientSecret = function compare(actual: string): boolean {
    return this.clientSecret !== undefined && equalTexts(this.clientSecret, hashed(actual));
  };
  return { provider, metadata: metadataOf(provider) };
}

/** As the library's own discovery says it; a test compares the two. */
const metadataOf = (provider: Provider): ProviderMetadata => ({
  issuer: provider.issuer,
  jwks_uri: provider.urlFor('jwks'),
  authorization_endpoint: provider.urlFor('authorization'),
  token_endpoint: provider.urlFor('token'),
  registration_endpoint: provider.urlFor('registration'),
  introspection_endpoint: provider.urlFor('introspection'),
  revocation_endpoint: provider.urlFor('revocation'),
  pushed_authorization_request_endpoint: provider.urlFor('pushed_authorization_request'),
  end_session_endpoint: provider.urlFor('end_session'),
  grant_types_supported: ['authorization_code', 'refresh_token', 'client_credentials'],
  response_types_supported: responseTypes,
  scopes_supported: staticScopes,
  code_challenge_methods_supported: ['S256'],
  token_endpoint_auth_methods_supported: clientAuthMethods,
  token_endpoint_auth_signing_alg_values_supported: clientAuthSigningAlgValues,
  dpop_signing_alg_values_supported: proofAlgorithms,
});

export const textOf = (value: unknown): string | undefined => (typeof value === 'string' ? value : undefined);

/** The FHIR base a client means: with or without a slash at its end. */
export const baseOf = (text: string, bases: readonly string[]): string | undefined =>
  bases.find(base => base === text || `${base}/` === text);

const isBackend = (ctx: KoaContextWithOIDC): boolean =>
  ctx.oidc.params?.['grant_type'] === 'client_credentials';

function requireAudience(ctx: KoaContextWithOIDC, value: string | undefined): void {
  if (value === undefined && ctx.oidc.params?.['resource'] === undefined)
    throw new errors.InvalidRequest('aud is required: the FHIR base the app wants to use');
}

/** The launch scope and the launch parameter come together, and the value has to be one that this EHR gave to this app. */
async function checkLaunch(
  { launches, bases }: ProviderOptions,
  ctx: KoaContextWithOIDC,
  value: string | undefined,
): Promise<void> {
  const wanted = ctx.oidc.requestParamScopes.has('launch');
  if (value === undefined) {
    if (wanted) throw new errors.InvalidRequest('the scope launch needs the launch parameter the EHR gave');
    return;
  }
  if (!wanted) throw new errors.InvalidRequest('the launch parameter needs the scope launch');
  const launch = await launches.find(value);
  const aud = textOf(ctx.oidc.params?.['resource']) ?? '';
  if (
    launch === undefined ||
    launch.clientId !== ctx.oidc.client?.clientId ||
    launch.aud !== baseOf(aud, bases)
  )
    throw new errors.InvalidRequest('launch is unknown, was used, or is not for this app');
}

/** What of the asked scopes may be granted; at the token endpoint, what the code or refresh token stands for. */
function allowedScopes(ctx: KoaContextWithOIDC, ceiling: readonly string[]): readonly string[] {
  const { params, entities } = ctx.oidc;
  const source = entities.AuthorizationCode ?? entities.RefreshToken;
  const asked = source === undefined ? scopesIn(textOf(params?.['scope'])) : [...source.scopes];
  const isForService = isBackend(ctx);
  const allowed = granted(asked, ceiling).filter(scope =>
    isForService ? scope.startsWith('system/') : !scope.startsWith('system/'),
  );
  // The library gives what was asked and is in this list; what was cut has to be asked for then.
  if (isForService && params !== undefined) params['scope'] = allowed.join(' ');
  return allowed;
}

/** The launch context of the approval a token was issued under; a token is never issued without it. */
async function contextOf(
  { approvals, clients, documents }: ProviderOptions,
  token: { kind: string; accountId?: string; grantId?: string },
): Promise<Record<string, unknown> | undefined> {
  if (token.kind === 'ClientCredentials') return undefined;
  const approval = await approvals.find(token.accountId ?? '', token.grantId ?? '');
  if (approval === undefined) throw new errors.InvalidGrant('the approval has expired');
  const client = await clients.find(approval.clientId);
  if (client === undefined || client.created > approval.created)
    throw new errors.InvalidGrant('the approval was for a client that is no longer registered');
  if (approval.session !== undefined && !(await isSessionAlive(documents, approval.session)))
    throw new errors.InvalidGrant('the session this access belonged to has ended');
  const { context, scopes, aud, fhirUser } = approval;
  const isNamed = scopes.includes('openid') && scopes.includes('fhirUser');
  return { ...context, ...(isNamed ? { fhirUser: `${aud}/${fhirUser}` } : {}) };
}

function policy(): interactionPolicy.DefaultPolicy {
  const { base, Check } = interactionPolicy;
  const prompts = base();
  prompts
    .get('consent')!
    .checks.add(
      new Check(
        'fresh_approval',
        'every launch is approved for itself',
        'interaction_required',
        ctx => ctx.oidc.result?.consent === undefined,
      ),
    );
  return prompts;
}

/** What SMART asks of an assertion beyond what the library checks: it has run and verified the signature. */
function checkAssertion(
  claims: Record<string, unknown>,
  header: Record<string, unknown>,
  client: Client,
): void {
  const refuse = (why: string): never => {
    throw new errors.InvalidClientAuth(why);
  };
  const now = Date.now() / 1000;
  if (typeof claims['exp'] !== 'number' || claims['exp'] > now + 5 * minute + 15)
    refuse('exp has to be at most five minutes ahead');
  if (claims['sub'] !== client.clientId || claims['iss'] !== client.clientId)
    refuse('iss and sub have to be the client_id');
  if (typeof claims['aud'] !== 'string' && !(Array.isArray(claims['aud']) && claims['aud'].length === 1))
    refuse('aud has to be the token endpoint alone');
  if (typeof claims['jti'] !== 'string' || claims['jti'].length > 500) refuse('jti has to be text');
  if (textOf(header['typ'])?.toUpperCase() !== 'JWT') refuse('typ has to be JWT');
  if (typeof header['kid'] !== 'string' || header['kid'] === '') refuse('kid is required');
  if (header['jku'] !== undefined && header['jku'] !== client.jwksUri)
    refuse('jku is not the registered address of the keys');
  // Read by now, whether they are registered or published.
  const keys = client['asymmetricKeyStore'] as Iterable<{ readonly kid?: string }>;
  if ([...keys].filter(({ kid }) => kid === header['kid']).length > 1) refuse('two keys have this kid');
}

const logoutPage = (form: string): Html =>
  html`${new Html(form)}
    <p>
      <button class="first" form="op.logoutForm" name="logout" value="yes">Sign out</button>
      <button form="op.logoutForm">Stay signed in</button>
    </p>`;

/** The origin that signing out leads back to. */
const leadsTo = (ctx: KoaContextWithOIDC): string | undefined => {
  const uri = textOf(ctx.oidc.params?.['post_logout_redirect_uri']);
  return uri !== undefined && URL.canParse(uri) ? originOrScheme(uri) : undefined;
};

export const originOrScheme = (uri: string): string =>
  /^https?:/i.test(uri) ? new URL(uri).origin : new URL(uri).protocol;
