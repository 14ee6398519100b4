// Every setting of Tsela as one row: environment name, kind, default, one sentence, an example. docs/configuration.md is
// made from these rows; src/config.ts reads them from the environment.
import {
  bytes,
  integer,
  milliseconds,
  oneOf,
  origins,
  profilesByType,
  publicUrl,
  secretText,
  timeZone,
  trueOrFalse,
  url,
  words,
  type Kind,
} from './setting-kinds.js';

export interface Setting<T> {
  readonly section: Section;
  readonly env: string;
  readonly kind: Kind<T>;
  readonly fallback: NoInfer<T>;
  /** The default as somebody would write it, where that is not `String(fallback)`. */
  readonly shown?: string;
  /** One sentence for people who run Tsela. */
  readonly says: string;
  readonly example: string;
  /** Whether the value is for development only; NODE_ENV=production refuses it. */
  developmentOnly?(value: T): boolean;
  /** Never printed. */
  readonly secret?: true;
}

export type Section = 'Serving' | 'Limits' | 'Storage' | 'FHIR behaviour' | 'Access' | 'Logs';

const row = <T>(setting: Setting<T>): Setting<T> => setting;

/** All of them. The key is the name in code and, in kebab-case, of the command-line option where there is one. */
export const settings = {
  port: row({
    section: 'Serving',
    env: 'TSELA_PORT',
    kind: integer(0, 65535),
    fallback: 8080,
    says: 'The TCP port to listen on; 0 takes a free one.',
    example: '8080',
  }),
  host: row({
    section: 'Serving',
    env: 'TSELA_HOST',
    kind: words,
    fallback: '127.0.0.1',
    says: 'The address to listen on; 0.0.0.0 for all.',
    example: '0.0.0.0',
  }),
  baseUrl: row({
    section: 'Serving',
    env: 'TSELA_BASE_URL',
    kind: publicUrl,
    fallback: undefined,
    shown: 'made from host and port',
    says: 'The address clients know the server by; links are made from it and absolute references to it are recognised.',
    example: 'https://fhir.example.org',
  }),
  zone: row({
    section: 'Serving',
    env: 'TSELA_ZONE',
    kind: timeZone,
    fallback: 'UTC',
    says: 'The time zone of dates that name none, in searches and in what is stored.',
    example: 'Africa/Maseru',
  }),

  bodyLimit: row({
    section: 'Limits',
    env: 'TSELA_BODY_LIMIT',
    kind: bytes,
    fallback: 50 * 1024 ** 2,
    shown: '50MB',
    says: 'The largest request body, before and after decompression; more is answered 413.',
    example: '100MB',
  }),
  urlLimit: row({
    section: 'Limits',
    env: 'TSELA_URL_LIMIT',
    kind: bytes,
    fallback: 16 * 1024,
    shown: '16KB',
    says: 'The longest URL; more is answered 414, and POST _search has no such limit.',
    example: '8KB',
  }),
  bundleLimit: row({
    section: 'Limits',
    env: 'TSELA_BUNDLE_LIMIT',
    kind: integer(1, 1_000_000),
    fallback: 20_000,
    says: 'The most entries in a batch or transaction; more is answered 413.',
    example: '5000',
  }),
  receiveTimeout: row({
    section: 'Limits',
    env: 'TSELA_RECEIVE_TIMEOUT',
    kind: milliseconds,
    fallback: 60_000,
    shown: '60s',
    says: 'How long a client may take to send a request; longer is answered 408.',
    example: '2m',
  }),
  idleTimeout: row({
    section: 'Limits',
    env: 'TSELA_IDLE_TIMEOUT',
    kind: milliseconds,
    fallback: 300_000,
    shown: '5m',
    says: 'How long a connection with a request under way may carry no byte before it is cut.',
    example: '10m',
  }),
  stopTimeout: row({
    section: 'Limits',
    env: 'TSELA_STOP_TIMEOUT',
    kind: milliseconds,
    fallback: 30_000,
    shown: '30s',
    says: 'How long a stop waits for accepted requests before it cuts them.',
    example: '10s',
  }),
  audit: row({
    section: 'Access',
    env: 'TSELA_AUDIT',
    kind: oneOf('auto', 'on', 'off'),
    fallback: 'auto',
    says: 'Whether every access is written down and can be found as an AuditEvent; `auto`: except in open mode.',
    example: 'on',
  }),
  auditKeep: row({
    section: 'Access',
    env: 'TSELA_AUDIT_KEEP',
    kind: integer(0, 36_500),
    fallback: 0,
    says: 'Days after which AuditEvents and lines of the journal are removed; 0 keeps them for ever.',
    example: '2190',
  }),
  pageCache: row({
    section: 'Limits',
    env: 'TSELA_PAGE_CACHE',
    kind: bytes,
    fallback: 16 * 1024 ** 2,
    shown: '16MB',
    says: 'Memory for pages of searches that are sent again as long as nothing at all was written; 0 keeps none.',
    example: '64MB',
  }),
  count: row({
    section: 'Limits',
    env: 'TSELA_COUNT',
    kind: integer(1, 10_000),
    fallback: 20,
    says: 'The page size of a search or history without _count.',
    example: '50',
  }),
  maxCount: row({
    section: 'Limits',
    env: 'TSELA_MAX_COUNT',
    kind: integer(1, 10_000),
    fallback: 1000,
    says: 'The largest page size; a larger _count is lowered to it.',
    example: '500',
  }),

  data: row({
    section: 'Storage',
    env: 'TSELA_DATA',
    kind: words,
    fallback: './data',
    says: 'The folder of the embedded store and of large files.',
    example: '/var/lib/tsela',
  }),
  durability: row({
    section: 'Storage',
    env: 'TSELA_DURABILITY',
    kind: oneOf('full', 'normal'),
    fallback: 'full',
    says: '`full` syncs every commit to disk before it is answered; `normal` may lose the last commits when the power fails.',
    example: 'full',
    developmentOnly: value => value === 'normal',
  }),
  mongoUrl: row({
    section: 'Storage',
    env: 'MONGODB_URL',
    kind: url('a mongodb:// or mongodb+srv:// URL', 'mongodb:', 'mongodb+srv:'),
    fallback: undefined,
    shown: 'none: embedded SQLite',
    says: 'The MongoDB replica set or sharded cluster to store in.',
    example: 'mongodb://db1,db2,db3/?replicaSet=rs0',
    secret: true,
  }),
  mongoDatabase: row({
    section: 'Storage',
    env: 'TSELA_MONGODB_DATABASE',
    kind: words,
    fallback: 'tsela',
    says: 'The MongoDB database of the first facility.',
    example: 'tsela',
  }),
  redisUrl: row({
    section: 'Storage',
    env: 'REDIS_URL',
    kind: url('a redis:// or rediss:// URL', 'redis:', 'rediss:'),
    fallback: undefined,
    shown: 'none',
    says: 'The Redis for job queues; nothing uses it yet.',
    example: 'redis://127.0.0.1:6379',
    secret: true,
  }),

  clientIds: row({
    section: 'FHIR behaviour',
    env: 'TSELA_CLIENT_IDS',
    kind: oneOf('any', 'none'),
    fallback: 'any',
    says: 'Whether PUT to an unknown id creates the resource under that id.',
    example: 'none',
  }),
  ifMatch: row({
    section: 'FHIR behaviour',
    env: 'TSELA_IF_MATCH',
    kind: oneOf('optional', 'required'),
    fallback: 'optional',
    says: 'Whether an update of an existing resource must carry If-Match.',
    example: 'required',
  }),
  checkReferences: row({
    section: 'FHIR behaviour',
    env: 'TSELA_CHECK_REFERENCES',
    kind: trueOrFalse,
    fallback: false,
    says: 'Whether a write is refused when it refers to a resource of this server that does not exist.',
    example: 'true',
  }),
  deleteReferenced: row({
    section: 'FHIR behaviour',
    env: 'TSELA_DELETE_REFERENCED',
    kind: oneOf('allow', 'refuse'),
    fallback: 'allow',
    says: 'Whether a resource that others refer to may be deleted; `refuse` answers 409.',
    example: 'refuse',
  }),
  terminologyServer: row({
    section: 'FHIR behaviour',
    env: 'TSELA_TERMINOLOGY_SERVER',
    kind: url('the FHIR base of a server, an http:// or https:// URL', 'http:', 'https:'),
    fallback: undefined,
    shown: 'none',
    says: 'Another terminology server, asked by $validate-code, $lookup and $expand for what is not known here.',
    example: 'https://terminology.example.org/r4',
  }),
  terminologyTimeLimit: row({
    section: 'FHIR behaviour',
    env: 'TSELA_TERMINOLOGY_TIME_LIMIT',
    kind: milliseconds,
    fallback: 3000,
    shown: '3s',
    says: 'How long the other terminology server may take; without an answer a code stays unknown.',
    example: '5s',
  }),
  terminologyMemory: row({
    section: 'Limits',
    env: 'TSELA_TERMINOLOGY_MEMORY',
    kind: bytes,
    fallback: 512 * 1024 ** 2,
    shown: '512MB',
    says: 'Memory for loaded code systems; the longest unused are read again when they are asked for.',
    example: '1GB',
  }),
  conditionalDelete: row({
    section: 'FHIR behaviour',
    env: 'TSELA_CONDITIONAL_DELETE',
    kind: oneOf('single', 'multiple', 'off'),
    fallback: 'single',
    says: 'How many resources one conditional delete may remove.',
    example: 'multiple',
  }),
  expunge: row({
    section: 'FHIR behaviour',
    env: 'TSELA_EXPUNGE',
    kind: trueOrFalse,
    fallback: false,
    says: 'Whether $expunge, which removes versions for good, is offered.',
    example: 'true',
  }),

  validation: row({
    section: 'FHIR behaviour',
    env: 'TSELA_VALIDATION',
    kind: oneOf('gate', 'off', 'full', 'strict'),
    fallback: 'gate',
    says: 'How far writes are judged beyond their shape: `off` not, `gate` by invariants and by the profiles they declare, `full` by all that $validate looks at, `strict` also refuses what cannot be judged.',
    example: 'full',
  }),
  profiles: row({
    section: 'FHIR behaviour',
    env: 'TSELA_PROFILES',
    kind: profilesByType,
    fallback: new Map(),
    shown: 'none',
    says: 'Profiles that every resource of a type must have, as `Type=url` separated by commas; the word `tsela` stands for the profiles of the project itself.',
    example: 'tsela,Observation=http://example.org/StructureDefinition/our-observation',
  }),

  open: row({
    section: 'Access',
    env: 'TSELA_OPEN',
    kind: trueOrFalse,
    fallback: false,
    says: 'Serve everything to everyone without login: for trying out, on the loopback address only.',
    example: 'true',
    developmentOnly: value => value,
  }),
  openInContainer: row({
    section: 'Access',
    env: 'TSELA_OPEN_IN_CONTAINER',
    kind: trueOrFalse,
    fallback: false,
    says: 'Let open mode listen on another address than loopback, as a container has to; publish its port on 127.0.0.1 only.',
    example: 'true',
    developmentOnly: value => value,
  }),
  corsOrigins: row({
    section: 'Access',
    env: 'TSELA_CORS_ORIGINS',
    kind: origins,
    fallback: [],
    shown: 'none',
    says: 'Web origins whose pages may call the FHIR API; open mode has none.',
    example: 'https://app.example.org',
  }),
  cursorSecret: row({
    section: 'Access',
    env: 'TSELA_CURSOR_SECRET',
    kind: secretText,
    fallback: undefined,
    shown: 'made once and kept in the store',
    says: 'The secret that page links are encrypted with; all processes of one server need the same.',
    example: 'the output of: openssl rand -base64 32',
    secret: true,
  }),

  authSecret: row({
    section: 'Access',
    env: 'TSELA_AUTH_SECRET',
    kind: secretText,
    fallback: undefined,
    shown: 'made once and kept in the store',
    says: 'The secret that cookies and the keys of tokens are protected with; all processes of one server need the same.',
    example: 'the output of: openssl rand -base64 32',
    secret: true,
  }),
  metricsToken: row({
    section: 'Access',
    env: 'TSELA_METRICS_TOKEN',
    kind: secretText,
    fallback: undefined,
    shown: 'none: no metrics, except in open mode',
    says: 'The bearer token that /metrics asks for.',
    example: 'the output of: openssl rand -base64 32',
    secret: true,
  }),
  privateJwks: row({
    section: 'Access',
    env: 'TSELA_PRIVATE_JWKS',
    kind: trueOrFalse,
    fallback: false,
    says: 'Whether the keys of a client may be fetched from a private network or this machine, as in a hospital intranet.',
    example: 'true',
  }),

  logLevel: row({
    section: 'Logs',
    env: 'TSELA_LOG_LEVEL',
    kind: oneOf('debug', 'info', 'warn', 'error', 'silent'),
    fallback: 'info',
    says: 'The least level that is logged; `info` has a line per request.',
    example: 'warn',
  }),
  slowRequest: row({
    section: 'Logs',
    env: 'TSELA_SLOW_REQUEST',
    kind: milliseconds,
    fallback: 1000,
    shown: '1s',
    says: 'A request that takes longer is logged as a warning.',
    example: '500ms',
  }),
};

export type SettingName = keyof typeof settings;

/** All settings as rows, for whoever lists them. */
export const settingRows = Object.entries(settings) as readonly (readonly [SettingName, Setting<unknown>])[];
