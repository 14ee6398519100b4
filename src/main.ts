// config → system → listen, and the same backwards on SIGTERM or SIGINT, after what was accepted is finished.
import { createLog, type Log } from './audit/log.js';
import { createMetrics } from './audit/metrics.js';
import { OPEN } from './auth/grant.js';
import { checkServing, unknownSettings, type Config } from './config.js';
import { FhirError } from './errors.js';
import { createHttp } from './http/http.js';
import { createSystem } from './system.js';

export interface Running {
  /** Scheme, host and port; the FHIR base is `${url}/fhir`. */
  readonly url: string;
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
  const metrics = createMetrics();
  const system = await createSystem(config, { log, metrics });
  const authenticate = () => {
    if (!config.open) throw new FhirError('not-authenticated', 'A valid token is needed.');
    return OPEN;
  };
  const http = createHttp({
    dispatch: system.dispatch,
    ready: system.ready,
    authenticate,
    config,
    log,
    metrics,
  });
  try {
    const listening = await http.listen(config.port, config.host);
    log.info({ url: `${listening.url}/fhir` }, 'listening');
    let closing: Promise<void> | undefined;
    const close = async (): Promise<void> => {
      await listening.close();
      await system.close();
      log.info({}, 'stopped');
      log.flush();
    };
    return { url: listening.url, close: () => (closing ??= close()) };
  } catch (error) {
    await system.close();
    throw error;
  }
}

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
  return running;
}
