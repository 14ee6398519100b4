// config → listen → system, and the same backwards on SIGTERM or SIGINT, after what was accepted is finished.
import { createLog, type Log } from './audit/log.js';
import { createMetrics } from './audit/metrics.js';
import { randomUUID } from 'node:crypto';
import type { AuthorizationServer } from './auth/authorization-server.js';
import type { AccessEvent } from './auth/events.js';
import { OPEN } from './auth/grant.js';
import { checkServing, isAudited, isThisMachine, unknownSettings, type Config } from './config.js';
import { FhirError } from './errors.js';
import { createHttp, fhirPath } from './http/http.js';
import { asked } from './http/sender.js';
import { openDistrict, type District } from './system/district.js';
import { carryLargeBundles, type LargeBundles } from './system/large-bundles.js';
import { createSystem, type Notices, type System } from './system.js';

export interface Running {
  /** The FHIR base: `http://127.0.0.1:8080/fhir`. */
  readonly url: string;
  /** Scheme, host and port, for what is beside FHIR: `/health/ready`, `/metrics`. */
  readonly origin: string;
  readonly authorization: AuthorizationServer;
  /** Reads the files of the TLS certificate again. */
  readonly reload: () => void;
  /** Finishes accepted requests, then closes the stores. Calling it again waits for the same end. */
  close(): Promise<void>;
}

/**
 * Starts a server and resolves when it listens.
 * @throws ConfigError, or what the store throws when it cannot be opened
 */
export async function start(config: Config, log: Log = createLog(config)): Promise<Running> {
  checkServing(config);
  for (const name of unknownSettings())
    log.warn({ name }, 'an environment variable looks like a setting and is none');
  if (config.open)
    log.warn(
      {},
      'OPEN MODE: no login, everyone who reaches this port sees and changes everything. Not for real patients.',
    );
  else if (config.baseUrl?.startsWith('http:') && !isThisMachine(config.baseUrl))
    log.warn(
      {},
      'TSELA_BASE_URL is http: passwords, tokens and records cross the network readable by anybody',
    );
  if (!config.open && config.authSecret === undefined)
    log.warn(
      {},
      'TSELA_AUTH_SECRET is not set: the keys of tokens are encrypted with a secret kept beside them',
    );
  const metrics = createMetrics();
  const notices: Notices = {
    info: (message, detail = {}) => log.info(detail, message),
    failure: (error, id) => log.error({ id, err: error }, 'request failed'),
  };
  let system: System | undefined;
  let district: District | undefined;
  let largeBundles: LargeBundles | undefined;
  let authorization: AuthorizationServer | undefined;
  const starting = (): FhirError =>
    new FhirError('unavailable', 'The server is starting.', { headers: { 'retry-after': '1' } });
  const opened = (): System => {
    if (system === undefined) throw starting();
    return system;
  };
  const http = createHttp({
    async authenticate({ headers, base, method, url }) {
      if (config.open && headers['authorization'] === undefined) return OPEN;
      if (authorization === undefined) throw starting();
      const proven = { proof: headers['dpop'], method, url };
      return (await authorization.authenticate(headers['authorization'], base, proven)).grant;
    },
    authorization: () => authorization,
    dispatch(request, grant) {
      if (largeBundles === undefined) throw starting();
      return largeBundles.dispatch(request, grant);
    },
    ready: async () => {
      if (authorization === undefined) throw starting();
      await opened().ready();
    },
    config,
    log,
    metrics,
  });
  // The port comes first: it may be a free one, and whoever watches sees a live process while an index is made anew.
  const listening = await http.listen(config.port, config.host);
  const base = listening.url + fhirPath;
  try {
    const audited = { isAudited: isAudited(config) };
    system = await createSystem(config, base, notices, audited);
    district = await openDistrict({ config, origin: listening.url, main: system, notices, ...audited });
    largeBundles = carryLargeBundles({
      config,
      origin: listening.url,
      main: system,
      district,
      notices,
      ...audited,
    });
    const { bases, dispatch, places } = district;
    authorization = await system.openAuthorization({
      origin: listening.url,
      bases,
      places,
      dispatch,
      onEvent: told(system, log),
    });
  } catch (error) {
    await listening.close();
    await largeBundles?.close();
    await district?.close();
    await system?.close();
    throw error;
  }
  system.work();
  district.work();
  const { store } = system;
  metrics.gauge('tsela_resources', 'Current resources by type.', () => store.counts(), {
    label: 'type',
    keepFor: 300_000,
  });
  log.info({ url: base }, 'listening');
  const close = async (): Promise<void> => {
    await listening.close();
    await largeBundles?.close();
    await district?.close();
    await system?.close();
    log.info({}, 'stopped');
    log.flush();
  };
  let closing: Promise<void> | undefined;
  return {
    url: base,
    origin: listening.url,
    authorization,
    reload: listening.reload,
    close: () => (closing ??= close()),
  };
}

const auditedAs: Readonly<Record<AccessEvent['kind'], readonly [event: string, status: number]>> = {
  login: ['login', 200],
  'login-refused': ['login', 401],
  logout: ['logout', 200],
  consent: ['consent', 200],
  'consent-refused': ['consent', 403],
  launch: ['launch', 201],
  token: ['token', 200],
  'token-refused': ['token', 400],
  revoked: ['revocation', 200],
  registered: ['registration', 201],
  account: ['account', 200],
  'reset-asked': ['account-reset-asked', 202],
  'link-refused': ['account-link', 401],
};

/** What happens at the doors goes to the log and the audit trail. */
const told =
  ({ audit }: System, log: Log) =>
  ({ kind, ...more }: AccessEvent): void => {
    log.info({ ...more, event: kind }, 'access');
    const [name, status] = auditedAs[kind];
    const event = 'change' in more ? `${name}-${more.change}` : name;
    const about = 'account' in more ? more.account : undefined;
    const account = 'by' in more ? more.by : about;
    const client = 'client' in more ? more.client : undefined;
    const principal =
      account !== undefined ? `user:${account}` : client === undefined ? 'nobody' : `client:${client}`;
    const address = asked.getStore();
    const agent = {
      principal,
      ...(client === undefined ? {} : { client }),
      ...(address === undefined ? {} : { address }),
    };
    const query = 'change' in more && about !== undefined ? { query: `account=${about}` } : {};
    audit?.record({ id: randomUUID(), event, status, agent, path: '', ...query });
  };

/** Starts, and stops on SIGTERM or SIGINT; a second signal ends the process at once. */
export async function run(config: Config): Promise<Running> {
  const log = createLog(config);
  const running = await start(config, log);
  const stop = (signal: NodeJS.Signals): void => {
    log.info({ signal }, 'stopping');
    process.once('SIGTERM', () => process.exit(1)).once('SIGINT', () => process.exit(1));
    running.close().then(
      () => process.exit(0),
      (error: unknown) => {
        log.error({ err: error }, 'the stop failed');
        log.flush();
        process.exit(1);
      },
    );
  };
  process.once('SIGTERM', stop).once('SIGINT', stop);
  if (config.tlsCert !== undefined) process.on('SIGHUP', running.reload);
  return running;
}
