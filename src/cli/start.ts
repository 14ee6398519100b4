// tsela start: the server in the foreground, until SIGINT or SIGTERM. Flags go above the environment; whatever does not
// hold is told at once, and nobody is served without a token unless --open says so.
import { Problem } from './problem.js';

export interface StartOptions {
  readonly port?: string;
  readonly host?: string;
  readonly data?: string;
  readonly mongodbUrl?: string;
  readonly open?: boolean;
}

/** Resolves when the server listens; it runs on until a signal ends the process. */
export async function start({ open, mongodbUrl, ...given }: StartOptions): Promise<number> {
  const { readConfig, checkServing } = await import('../config.js');
  const config = readConfig({
    ...given,
    ...(mongodbUrl === undefined ? {} : { mongoUrl: mongodbUrl }),
    ...(open ? { open: 'true' } : {}),
  });
  checkServing(config);
  const { run } = await import('../main.js');
  const { url, origin } = await run(config).catch((cause: NodeJS.ErrnoException) => {
    if (cause.syscall !== 'listen') throw cause;
    throw new Problem(
      `Port ${config.port} of ${config.host} cannot be opened: ${cause.code === 'EADDRINUSE' ? 'it is in use' : cause.message}.`,
      'Give another one, for example --port 8090, or stop what uses it.',
      { cause },
    );
  });
  process.stdout.write(
    [
      '',
      ...(config.open
        ? [
            '  !!  OPEN MODE: no login. Everyone who reaches this port reads, changes and deletes everything.',
            '  !!  For trying out on this machine, with made-up patients only.',
            '',
          ]
        : []),
      `  FHIR base    ${url}`,
      `  Statement    ${url}/metadata`,
      `  Sign in      ${origin}/auth/manage`,
      `  Health       ${origin}/health/ready`,
      `  Metrics      ${origin}/metrics`,
      `  Data         ${config.mongoUrl === undefined ? config.data : `MongoDB, database ${config.mongoDatabase}`}`,
      '',
      '  Ctrl-C stops it.',
      '',
    ].join('\n') + '\n',
  );
  return 0;
}
