// Registered apps and backend services: kept in the documents port, and as the metadata oidc-provider wants.
// https://hl7.org/fhir/smart-app-launch/app-launch.html#register-app-with-ehr, https://www.rfc-editor.org/rfc/rfc7591
import type { AllClientMetadata, ClientMetadata, JWKS } from 'oidc-provider';
import { FhirError } from '../errors.js';
import type { Documents } from '../storage/documents.js';
import type { Ended } from './ended.js';
import { isLaunchScope, isStaticScope, parseResourceScope, scopesIn } from './scopes.js';
import { hashed, randomText } from './secrets.js';

export interface ClientRecord {
  readonly id: string;
  readonly name: string;
  /** How it proves who it is: not at all, by a shared secret, by a signed assertion. */
  readonly kind: 'public' | 'secret' | 'key';
  /** Absent or empty: a backend service, which has no user. */
  readonly redirectUris: readonly string[];
  /** The most it can be granted. */
  readonly scopes: readonly string[];
  /** Hash of the secret. */
  readonly secret?: string;
  readonly jwks?: JWKS;
  readonly jwksUri?: string;
  /** Where the EHR opens it. */
  readonly launchUri?: string;
  /** May it ask about tokens of others? */
  readonly introspect?: boolean;
  /** May it start other apps in the context it shows, as an EHR does? */
  readonly launches?: boolean;
  /** Its users are not asked for consent: software of the house. */
  readonly trusted?: boolean;
  /** Whether every token of it is bound to a key of its own (DPoP). */
  readonly dpop?: boolean;
  /** Codes under which it may keep state: `system|code`, or `system|` for all of a system. */
  readonly state?: readonly string[];
  readonly created: number;
}

/** A client to be; `id` is made where it is absent. */
export type NewClient = Omit<ClientRecord, 'id' | 'created' | 'secret'> & { readonly id?: string };

export interface Clients {
  /** `secret`: shown once, kept as a hash. @throws FhirError `value`, `duplicate` */
  add(client: NewClient): Promise<{ client: ClientRecord; secret?: string }>;
  find(id: string): Promise<ClientRecord | undefined>;
  list(): Promise<readonly ClientRecord[]>;
  remove(id: string): Promise<boolean>;
  metadata(id: string): Promise<ClientMetadata | undefined>;
  /** Keeps what was registered over the network. */
  register(id: string, metadata: AllClientMetadata): Promise<void>;
  /** Whether pages of the origin belong to a registered app; known a few seconds late on other nodes. */
  isOrigin(origin: string): boolean;
}

/** Metadata of ours beside the registered ones of OAuth. */
export const extraMetadata = ['allowed_scopes', 'introspect', 'launches', 'trusted'] as const;

const collection = 'clients';
const originsFor = 10_000;

export function openClients(documents: Documents, onEnded: (what: Ended) => void): Clients {
  let origins: ReadonlySet<string> = new Set();
  let read = 0;
  const find = async (id: string): Promise<ClientRecord | undefined> =>
    (await documents.get(collection, id))?.value as ClientRecord | undefined;
  const list = async (): Promise<readonly ClientRecord[]> =>
    (await documents.list(collection)).map(({ value }) => value as ClientRecord);
  const readOrigins = async (): Promise<void> => {
    read = Date.now();
    origins = new Set((await list()).flatMap(({ redirectUris }) => redirectUris.flatMap(originOfUri)));
  };
  const put = async (client: ClientRecord, expected?: 0): Promise<void> => {
    const options = expected === undefined ? {} : { expected };
    if ((await documents.put(collection, client.id, client, options)) === undefined)
      throw new FhirError('duplicate', `There is a client "${client.id}" already.`);
    await readOrigins();
  };
  return {
    find,
    list,
    async add(given) {
      check(given);
      const secret = given.kind === 'secret' ? randomText(32) : undefined;
      const client: ClientRecord = {
        ...given,
        id: given.id ?? randomText(12),
        created: Date.now(),
        ...(secret === undefined ? {} : { secret: hashed(secret) }),
      };
      await put(client, 0);
      return { client, ...(secret === undefined ? {} : { secret }) };
    },
    async remove(id) {
      const was = await documents.delete(collection, id);
      onEnded({ client: id });
      await readOrigins();
      return was;
    },
    async metadata(id) {
      const client = await find(id);
      return client && metadataOf(client);
    },
    async register(id, metadata) {
      await put(recordOf(id, metadata));
    },
    isOrigin(origin) {
      if (Date.now() - read > originsFor) void readOrigins().catch(() => undefined);
      return origins.has(origin);
    },
  };
}

const originOfUri = (uri: string): string[] =>
  /^https?:/i.test(uri) && URL.canParse(uri) ? [new URL(uri).origin] : [];

/** @throws FhirError `value` naming what is wrong */
function check({ id, name, kind, redirectUris, scopes, jwks, jwksUri, state = [] }: NewClient): void {
  const refuse = (message: string): never => {
    throw new FhirError('value', message);
  };
  if (id !== undefined && !/^[!-~]{1,100}$/.test(id))
    refuse('The id of a client has 1 to 100 characters of ASCII.');
  if (name.trim() === '') refuse('A client needs a name: people are asked whether they trust it.');
  for (const uri of redirectUris) {
    if (!URL.canParse(uri) || uri.includes('#') || /^(?:javascript|data|vbscript|file):/i.test(uri))
      refuse(`"${uri}" is no redirect URI: it has to be absolute and without a fragment.`);
    if (/^http:/i.test(uri) && !isLoopback(uri))
      refuse(`"${uri}" would carry codes in the clear: https is needed, except on the own machine.`);
    if (!/^https?:/i.test(uri) && !new URL(uri).protocol.includes('.'))
      refuse(`"${uri}": a scheme of an app's own is a reversed domain name, such as org.example.app:`);
  }
  for (const scope of scopes) {
    if (!isStaticScope(scope) && !isLaunchScope(scope) && parseResourceScope(scope) === undefined)
      refuse(`"${scope}" is not a scope of this server.`);
  }
  for (const code of state) {
    if (!/^[a-z][^|\s]*:[^|\s]+\|[^|\s]*$/i.test(code))
      refuse(`"${code}" is no code for state: system|code is expected, or system| for all of a system.`);
  }
  if (kind === 'key' && (jwks === undefined) === (jwksUri === undefined))
    refuse('A client that signs assertions needs either its keys (jwks) or their address (jwks_uri).');
  if (kind !== 'key' && (jwks !== undefined || jwksUri !== undefined))
    refuse('Keys are for clients that sign assertions.');
  if (redirectUris.length === 0 && kind === 'public')
    refuse('A client without redirect URIs is a backend service and has to prove who it is.');
}

const methods = { public: 'none', secret: 'client_secret_basic', key: 'private_key_jwt' } as const;

function metadataOf(client: ClientRecord): ClientMetadata {
  const { id, name, kind, redirectUris, scopes } = client;
  const isApp = redirectUris.length > 0;
  const isNative = redirectUris.some(uri => !/^https?:/i.test(uri) || isLoopback(uri));
  const grants = [
    ...(isApp ? ['authorization_code'] : []),
    ...(isApp && scopes.some(scope => scope === 'offline_access' || scope === 'online_access')
      ? ['refresh_token']
      : []),
    ...(kind !== 'public' && scopes.some(scope => scope.startsWith('system/')) ? ['client_credentials'] : []),
  ];
  return {
    client_id: id,
    client_name: name,
    redirect_uris: redirectUris,
    response_types: isApp ? ['code'] : [],
    grant_types: grants,
    application_type: isNative ? 'native' : 'web',
    token_endpoint_auth_method: methods[kind],
    ...(client.secret === undefined ? {} : { client_secret: client.secret }),
    ...(client.jwks === undefined ? {} : { jwks: client.jwks }),
    ...(client.jwksUri === undefined ? {} : { jwks_uri: client.jwksUri }),
    allowed_scopes: scopes.join(' '),
    introspect: client.introspect ?? false,
    launches: client.launches ?? false,
    trusted: client.trusted ?? false,
    dpop_bound_access_tokens: client.dpop ?? false,
  };
}

const isLoopback = (uri: string): boolean => /^http:\/\/(?:localhost|127\.0\.0\.1|\[::1\])[:/]/i.test(uri);

function recordOf(id: string, metadata: AllClientMetadata): ClientRecord {
  const { token_endpoint_auth_method: method, client_secret: secret } = metadata;
  const kind = method === 'none' ? 'public' : method === 'private_key_jwt' ? 'key' : 'secret';
  return {
    id,
    name: metadata.client_name ?? id,
    kind,
    redirectUris: metadata.redirect_uris ?? [],
    scopes: scopesIn(metadata['allowed_scopes'] as string | undefined),
    ...(secret === undefined ? {} : { secret: hashed(secret) }),
    ...(metadata.jwks === undefined ? {} : { jwks: metadata.jwks }),
    ...(metadata.jwks_uri === undefined ? {} : { jwksUri: metadata.jwks_uri }),
    ...(metadata.initiate_login_uri === undefined ? {} : { launchUri: metadata.initiate_login_uri }),
    ...(metadata.dpop_bound_access_tokens === true ? { dpop: true } : {}),
    created: Date.now(),
  };
}
