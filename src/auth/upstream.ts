// Signing in through another OpenID provider: where the browser goes, and who came back. What belongs to one sign-in is
// kept here, sealed, for one use within ten minutes, and bound to what began it in this browser.
// https://openid.net/specs/openid-connect-core-1_0.html#CodeFlowAuth, https://www.rfc-editor.org/rfc/rfc9700#section-4.4
import type { Configuration } from 'openid-client';
import { FhirError } from '../errors.js';
import type { Documents } from '../storage/documents.js';
import type { LoginProvider } from './login-providers.js';
import { equalTexts, hashed, type Secrets } from './secrets.js';

export interface Upstream {
  readonly providers: readonly Pick<LoginProvider, 'id' | 'name'>[];
  /**
   * The address at the provider to send the browser to.
   * @param returns the path below the prefix that finishes it
   * @param bound what only this browser has: an interaction, a session
   * @param anew whether they have to sign in there although they are signed in
   * @throws FhirError `unavailable` where the provider does not answer, `not-found`
   */
  start(provider: string, returns: string, bound: string, anew?: boolean): Promise<string>;
  /** Where an answer of the provider goes on to, below the prefix; undefined where nothing waits for it. */
  returnsTo(provider: string, state: string): Promise<string | undefined>;
  /** Who came back; undefined where nobody did, or to something else than what began it. */
  finish(query: URLSearchParams, returns: string, bound: string): Promise<Identified | undefined>;
}

export interface Identified {
  /** Of the provider. */
  readonly name: string;
  readonly issuer: string;
  readonly subject: string;
  /** How they signed in there, by its own words (RFC 8176). */
  readonly amr: readonly string[];
}

/** What is kept between the two. */
interface Started {
  readonly provider: string;
  readonly returns: string;
  readonly bound: string;
  readonly nonce: string;
  readonly verifier: string;
}

export interface UpstreamOptions {
  readonly documents: Documents;
  readonly secrets: Secrets;
  readonly providers: readonly LoginProvider[];
  /** Of this server. */
  readonly issuer: string;
  /** Told why an answer was refused. */
  readonly onNotice: (notice: string) => void;
}

export const upstreamPath = '/upstream';
const collection = 'upstream-sign-ins';
const purpose = 'upstream sign-in';
const within = 10 * 60_000;
/** ms. What a provider says of itself is asked for anew after so long. */
const knownFor = 3_600_000;
/** s */
const longestAnswer = 10;
/** Loaded with the first sign-in: it takes 17 ms. */
const library = () => import('openid-client');

export function openUpstream(options: UpstreamOptions): Upstream {
  const { documents, secrets, providers, issuer, onNotice } = options;
  const known = new Map<string, { readonly at: number; readonly configuration: Configuration }>();
  const configurationOf = async (provider: LoginProvider): Promise<Configuration> => {
    const kept = known.get(provider.id);
    if (kept !== undefined && kept.at > Date.now() - knownFor) return kept.configuration;
    try {
      const configuration = await discovered(provider);
      known.set(provider.id, { at: Date.now(), configuration });
      return configuration;
    } catch (cause) {
      throw new FhirError('unavailable', `${provider.name} does not answer. Try again later.`, { cause });
    }
  };
  const opened = (sealed: unknown): Started => secrets.open(purpose, sealed as string) as Started;
  return {
    providers,
    async start(id, returns, bound, anew = false) {
      const provider = providers.find(each => each.id === id);
      if (provider === undefined) throw new FhirError('not-found', 'There is no such provider.');
      const configuration = await configurationOf(provider);
      const client = await library();
      const [state, nonce, verifier] = [
        client.randomState(),
        client.randomNonce(),
        client.randomPKCECodeVerifier(),
      ];
      const started: Started = { provider: id, returns, bound: hashed(bound), nonce, verifier };
      await documents.put(collection, hashed(state), secrets.seal(purpose, started), {
        expires: Date.now() + within,
      });
      return client.buildAuthorizationUrl(configuration, {
        redirect_uri: `${issuer}${upstreamPath}/${id}`,
        scope: provider.scope,
        state,
        nonce,
        code_challenge: await client.calculatePKCECodeChallenge(verifier),
        code_challenge_method: 'S256',
        ...(anew ? { prompt: 'login' } : {}),
      }).href;
    },
    async returnsTo(provider, state) {
      const document = await documents.get(collection, hashed(state));
      if (document === undefined) return undefined;
      const started = opened(document.value);
      // Each provider has an address of its own: what comes by that of another was mixed up.
      return started.provider === provider ? started.returns : undefined;
    },
    async finish(query, returns, bound) {
      const state = query.get('state') ?? '';
      const document = await documents.get(collection, hashed(state));
      const started = document && opened(document.value);
      const isOurs = started?.returns === returns && equalTexts(started.bound, hashed(bound));
      if (started === undefined || !isOurs) return undefined;
      if ((await documents.take(collection, hashed(state))) === undefined) return undefined;
      const provider = providers.find(({ id }) => id === started.provider);
      if (provider === undefined || query.has('error')) return undefined;
      const configuration = await configurationOf(provider);
      const client = await library();
      const at = new URL(`${issuer}${upstreamPath}/${provider.id}`);
      at.search = query.toString();
      try {
        const tokens = await client.authorizationCodeGrant(configuration, at, {
          expectedState: state,
          expectedNonce: started.nonce,
          pkceCodeVerifier: started.verifier,
          idTokenExpected: true,
        });
        const { iss, sub, amr } = tokens.claims()!;
        const methods = Array.isArray(amr) ? amr.filter(each => typeof each === 'string') : [];
        // As it is configured, with or without a slash: links that a command made have that.
        const own = new URL(iss).href === new URL(provider.issuer).href ? provider.issuer : iss;
        return { name: provider.name, issuer: own, subject: sub, amr: methods };
      } catch (error) {
        onNotice(`An answer of ${provider.name} was refused: ${(error as Error).message}`);
        return undefined;
      }
    },
  };
}

async function discovered({ issuer, clientId, clientSecret }: LoginProvider): Promise<Configuration> {
  const client = await library();
  const execute = [
    client.enableNonRepudiationChecks, // the signature of the id_token too
    ...(issuer.startsWith('http:') ? [client.allowInsecureRequests] : []),
  ];
  const options = { execute, timeout: longestAnswer };
  const first = await client.discovery(new URL(issuer), clientId, undefined, client.None(), options);
  if (clientSecret === undefined) return first;
  const metadata = first.serverMetadata();
  const methods = metadata.token_endpoint_auth_methods_supported ?? ['client_secret_basic'];
  const proof = methods.includes('client_secret_basic') ? client.ClientSecretBasic : client.ClientSecretPost;
  const configuration = new client.Configuration(metadata, clientId, undefined, proof(clientSecret));
  configuration.timeout = longestAnswer;
  for (const extension of execute) extension(configuration);
  return configuration;
}
