// Log lines: one JSON object each, on standard output, written in the background. They never hold patient data: no
// query values, no bodies, no names; whoever logs an error logs its code and cause, not the request.
import { openSync } from 'node:fs';
import pino from 'pino';
import type { Config } from '../config.js';

/** Fields of a line; `err` is an Error and is written with its stack and causes. */
export type Fields = Readonly<Record<string, unknown>>;

export interface Log {
  debug(fields: Fields, message: string): void;
  info(fields: Fields, message: string): void;
  warn(fields: Fields, message: string): void;
  error(fields: Fields, message: string): void;
  /** Writes what is still in memory. */
  flush(): void;
}

/** @param destination a file descriptor or a path; standard output where absent. */
export function createLog(config: Pick<Config, 'logLevel'>, destination: number | string = 1): Log {
  // Buffered, since a synchronous write per request would be the dearest part of a read; at most 200 ms of lines wait.
  const dest = typeof destination === 'string' ? openSync(destination, 'a') : destination;
  const stream = pino.destination({ dest, sync: false, minLength: 8192, periodicFlush: 200 });
  const log = pino(
    {
      level: config.logLevel,
      base: null,
      timestamp: timeNow(),
      formatters: { level: label => ({ level: label }) },
    },
    stream,
  );
  return {
    debug: (fields, message) => log.debug(fields, message),
    info: (fields, message) => log.info(fields, message),
    warn: (fields, message) => log.warn(fields, message),
    error: (fields, message) => log.error(fields, message),
    flush: () => stream.flushSync(),
  };
}

/** For tests and commands that say what they do themselves. */
export const silentLog: Log = {
  debug: () => {},
  info: () => {},
  warn: () => {},
  error: () => {},
  flush: () => {},
};

/** Pino's field with the time in ISO 8601; formatted once a millisecond, not once a line. */
function timeNow(): () => string {
  let at = 0;
  let field = '';
  return () => {
    const now = Date.now();
    if (now !== at) {
      at = now;
      field = `,"time":"${new Date(now).toISOString()}"`;
    }
    return field;
  };
}
