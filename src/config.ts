// Every setting of Tsela as one row: environment name, kind, default, one sentence, an example. docs/configuration.md is
// made from these rows, and this file is the only reader of process.env. All problems are reported at once, at start.

/** What a value may be; `parse` throws with a sentence that says what is accepted. */
interface Kind<T> {
  readonly accepts: string;
  parse(text: string): T;
}

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

const integer = (from: number, to: number): Kind<number> => ({
  accepts: `a whole number from ${from} to ${to}`,
  parse(text) {
    const value = Number(text);
    if (!/^\d+$/.test(text) || value < from || value > to) throw new Error(`expected ${this.accepts}`);
    return value;
  },
});

const units = (accepts: string, factors: Readonly<Record<string, number>>): Kind<number> => ({
  accepts,
  parse(text) {
    const [, digits, unit] = /^(\d+) ?([a-zA-Z]*)$/.exec(text) ?? [];
    const factor = unit === undefined ? undefined : factors[unit.toLowerCase()];
    const value = Number(digits) * (factor ?? 0);
    if (factor === undefined || value < 1 || !Number.isSafeInteger(value))
      throw new Error(`expected ${accepts}`);
    return value;
  },
});
const bytes = units('a size in bytes, or with the unit KB, MB or GB', {
  '': 1,
  kb: 1024,
  mb: 1024 ** 2,
  gb: 1024 ** 3,
});
const milliseconds = units('a time with the unit ms, s or m', { ms: 1, s: 1000, m: 60_000 });

const oneOf = <const T extends string>(...words: readonly T[]): Kind<T> => ({
  accepts: words.map(word => `\`${word}\``).join(', '),
  parse(text) {
    const word = words.find(each => each === text);
    if (word === undefined) throw new Error(`expected one of ${words.join(', ')}`);
    return word;
  },
});

const trueOrFalse: Kind<boolean> = {
  accepts: '`true`, `false`',
  parse(text) {
    if (text !== 'true' && text !== 'false') throw new Error('expected true or false');
    return text === 'true';
  },
};

const words: Kind<string> = { accepts: 'text', parse: text => text };

/** URL.parse is younger than Node 20. */
const parseUrl = (text: string): URL | undefined => (URL.canParse(text) ? new URL(text) : undefined);

const url = (accepts: string, ...protocols: readonly string[]): Kind<string | undefined> => ({
  accepts,
  parse(text) {
    const parsed = parseUrl(text);
    if (!parsed || !protocols.includes(parsed.protocol) || parsed.host === '')
      throw new Error(`expected ${accepts}`);
    return text.replace(/\/+$/, '');
  },
});

const publicUrl: Kind<string | undefined> = {
  accepts: 'an http or https URL without path, query or user',
  parse(text) {
    const parsed = parseUrl(text);
    const plain =
      parsed && /^https?:$/.test(parsed.protocol) && parsed.origin === text.replace(/\/$/, '').toLowerCase();
    if (!plain) throw new Error(`expected ${this.accepts}`);
    return parsed.origin;
  },
};

const origins: Kind<readonly string[]> = {
  accepts: 'origins separated by commas, or `*`',
  parse(text) {
    const list = text.split(',').map(each => each.trim());
    for (const each of list) {
      if (each !== '*' && parseUrl(each)?.origin !== each)
        throw new Error(`"${each}" is not an origin such as https://app.example.org`);
    }
    return list;
  },
};

const timeZone: Kind<string> = {
  accepts: 'an IANA time zone',
  parse(text) {
    try {
      return new Intl.DateTimeFormat('en', { timeZone: text }).resolvedOptions().timeZone;
    } catch {
      throw new Error('expected an IANA time zone such as Africa/Maseru');
    }
  },
};

const secretText: Kind<string | undefined> = {
  accepts: 'at least 32 characters',
  parse(text) {
    if (text.length < 32) throw new Error('expected at least 32 characters');
    return text;
  },
};

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
export type Config = {
  readonly [Name in SettingName]: (typeof settings)[Name] extends Setting<infer T> ? T : never;
};
export type Environment = Readonly<Record<string, string | undefined>>;

/** All settings as rows, for whoever lists them. */
export const settingRows = Object.entries(settings) as readonly (readonly [SettingName, Setting<unknown>])[];

/** Every default, as it is without an environment. */
export const defaultConfig = Object.fromEntries(
  settingRows.map(([name, { fallback }]) => [name, fallback]),
) as Config;

/** What is wrong with the settings, one sentence each, all at once. */
export class ConfigError extends Error {
  constructor(readonly problems: readonly string[]) {
    super(['The configuration cannot be used:', ...problems.map(problem => `  - ${problem}`)].join('\n'));
    this.name = 'ConfigError';
  }
}

/**
 * The configuration from `given` (command-line options as text), then the environment, then the defaults.
 * An empty value counts as none.
 * @throws ConfigError naming every bad value with its environment name and an example.
 */
export function readConfig(
  given: Partial<Record<SettingName, string>> = {},
  env: Environment = process.env,
): Config {
  const problems: string[] = [];
  const config: Record<string, unknown> = {};
  for (const [name, setting] of settingRows) {
    const option = given[name];
    const text = option ?? env[setting.env];
    config[name] = setting.fallback;
    if (text === undefined || text === '') continue;
    try {
      config[name] = setting.kind.parse(text);
    } catch (error) {
      const value = setting.secret ? 'the value' : JSON.stringify(text);
      const where = option === undefined ? '' : ` (given as an option)`;
      problems.push(
        `${setting.env}${where}: ${value} is not usable, ${(error as Error).message}; for example ${setting.env}=${setting.example}`,
      );
      continue;
    }
    if (env['NODE_ENV'] === 'production' && setting.developmentOnly?.(config[name])) {
      problems.push(
        `${setting.env}=${text} is for development only and NODE_ENV is production: leave one of them out`,
      );
    }
  }
  const result = config as unknown as Config;
  if (result.count > result.maxCount)
    problems.push(
      'TSELA_COUNT is larger than TSELA_MAX_COUNT; for example TSELA_COUNT=20 TSELA_MAX_COUNT=1000',
    );
  if (problems.length > 0) throw new ConfigError(problems);
  return result;
}

/** Names that look like settings and are none: probably misspelt. */
export function unknownSettings(env: Environment = process.env): readonly string[] {
  const known = new Set(settingRows.map(([, { env: name }]) => name));
  return Object.keys(env).filter(name => name.startsWith('TSELA_') && !known.has(name));
}

const loopback = new Set(['127.0.0.1', '::1', 'localhost']);

/**
 * What has to hold before the port is opened, beyond each setting's own value.
 * @throws ConfigError
 */
export function checkServing(config: Config): void {
  const problems: string[] = [];
  if (!config.open) {
    problems.push(
      'TSELA_OPEN: this version has no login yet, so it only serves in open mode; for example TSELA_OPEN=true or --open',
    );
  } else {
    if (!loopback.has(config.host) && !config.openInContainer) {
      problems.push(
        `TSELA_HOST=${config.host}: open mode has no login and listens on 127.0.0.1 only; in a container set TSELA_OPEN_IN_CONTAINER=true and publish the port on 127.0.0.1`,
      );
    }
    if (config.corsOrigins.length > 0)
      problems.push('TSELA_CORS_ORIGINS: open mode answers no other origin; leave it out');
  }
  if (problems.length > 0) throw new ConfigError(problems);
}

const everywhere = new Set(['0.0.0.0', '::', '']);

/** Scheme, host and port that links are made with; `port` where the listening one differs from the configured. */
export function originOf(config: Pick<Config, 'baseUrl' | 'host' | 'port'>, port = config.port): string {
  if (config.baseUrl !== undefined) return config.baseUrl;
  const host = everywhere.has(config.host) ? '127.0.0.1' : config.host;
  return `http://${host.includes(':') ? `[${host}]` : host}:${port}`;
}
