// The configuration: options above the environment above the defaults. The only reader of process.env; all problems are
// reported at once, at start, each with its environment name and an example.
import { readFileSync } from 'node:fs';
import type { Setting } from './setting.js';
import { settingRows, type SettingName, type settings } from './settings.js';

export type Config = {
  readonly [Name in SettingName]: (typeof settings)[Name] extends Setting<infer T> ? T : never;
};
export type Environment = Readonly<Record<string, string | undefined>>;

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
    const kept = option === undefined && setting.secret ? inFile(setting.env, env, problems) : undefined;
    const text = option ?? kept ?? env[setting.env];
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

/** What stands behind the name of a secret setting to give it by a file instead, as containers are given secrets. */
const fileEnding = '_FILE';

/** The content of the file that holds the secret; undefined where none is named, or it cannot be used. */
function inFile(name: string, env: Environment, problems: string[]): string | undefined {
  const variable = name + fileEnding;
  const path = env[variable];
  if (path === undefined || path === '') return undefined;
  if (env[name] !== undefined && env[name] !== '') {
    problems.push(`${variable}: ${name} is given too; leave one of them out`);
    return undefined;
  }
  try {
    const text = readFileSync(path, 'utf8').trim();
    if (text !== '') return text;
    problems.push(`${variable}: the file ${path} is empty`);
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    problems.push(`${variable}: the file ${path} cannot be read (${code ?? 'unknown reason'}); for example ${variable}=/run/secrets/${name.toLowerCase()}`); // prettier-ignore
  }
  return undefined;
}

/** Names that look like settings and are none: probably misspelt. */
export function unknownSettings(env: Environment = process.env): readonly string[] {
  const known = new Set(
    settingRows.flatMap(([, { env: name, secret }]) => (secret ? [name, name + fileEnding] : [name])),
  );
  return Object.keys(env).filter(name => name.startsWith('TSELA_') && !known.has(name));
}

const loopback = new Set(['127.0.0.1', '::1', 'localhost']);

/** Whether nobody else is reached at the address. */
export const isThisMachine = (address: string): boolean =>
  loopback.has(new URL(address).hostname.replace(/^\[|\]$/g, ''));

/**
 * What has to hold before the port is opened, beyond each setting's own value.
 * @throws ConfigError
 */
export function checkServing(config: Config): void {
  const problems: string[] = [];
  const isTls = config.tlsCert !== undefined;
  if (isTls !== (config.tlsKey !== undefined)) {
    problems.push(
      `${isTls ? 'TSELA_TLS_KEY' : 'TSELA_TLS_CERT'}: TSELA_TLS_CERT and TSELA_TLS_KEY need each other, for example TSELA_TLS_CERT=/etc/tsela/tls.crt TSELA_TLS_KEY=/etc/tsela/tls.key`,
    );
  }
  if (isTls && config.baseUrl?.startsWith('http:')) {
    problems.push(
      `TSELA_BASE_URL=${config.baseUrl}: with TSELA_TLS_CERT the server is reached by https only, for example TSELA_BASE_URL=https://fhir.example.org`,
    );
  }
  if (config.smtpUrl !== undefined && config.mailFrom === undefined) {
    problems.push(
      'TSELA_MAIL_FROM: with TSELA_SMTP_URL the address mail comes from is needed, for example TSELA_MAIL_FROM=tsela@hospital.example.org',
    );
  }
  if (config.smtpUrl !== undefined && config.mailFolder !== undefined)
    problems.push('TSELA_MAIL_FOLDER: TSELA_SMTP_URL is given too; leave one of them out');
  if (!config.open) {
    if (!loopback.has(config.host) && config.baseUrl === undefined) {
      problems.push(
        `TSELA_BASE_URL: tokens and logins need the address clients know the server by; with TSELA_HOST=${config.host} give it, for example TSELA_BASE_URL=https://fhir.example.org`,
      );
    }
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
export function originOf(
  config: Pick<Config, 'baseUrl' | 'host' | 'port'> & Partial<Pick<Config, 'tlsCert'>>,
  port = config.port,
): string {
  if (config.baseUrl !== undefined) return config.baseUrl;
  const host = everywhere.has(config.host) ? '127.0.0.1' : config.host;
  return `http${config.tlsCert === undefined ? '' : 's'}://${host.includes(':') ? `[${host}]` : host}:${port}`;
}

/** Whether a server with this configuration writes down every access. */
export const isAudited = ({ audit, open }: Pick<Config, 'audit' | 'open'>): boolean =>
  audit === 'on' || (audit === 'auto' && !open);
