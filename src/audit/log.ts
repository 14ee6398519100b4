// Log lines: one JSON object each, on standard output, written in the background. They never hold patient data: no
// query values, no bodies, no names. Errors quote what they met (a piece of a body, a key, a whole document a driver could
// not store), so of an error only what cannot hold any is written.
import { openSync, writeSync } from 'node:fs';
import pino from 'pino';
import type { Config } from '../config.js';

/** Fields of a line; `err` is an Error: its type, code, stack and causes are written, and its message without quotations. */
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
  const stream = gathering(dest);
  const log = pino(
    {
      level: config.logLevel,
      base: null,
      timestamp: timeNow(),
      formatters: { level: label => ({ level: label }) },
      serializers: { err: (error: unknown) => withoutContent(error) },
    },
    stream,
  );
  return {
    debug: (fields, message) => log.debug(fields, message),
    info: (fields, message) => log.info(fields, message),
    warn: (fields, message) => log.warn(fields, message),
    error: (fields, message) => log.error(fields, message),
    flush: stream.flush,
  };
}

const gathered = 8192;
const longestWait = 200;
/** What is to be written when the process exits, whatever the reason. */
const unwritten = new Set<() => void>();
process.once('exit', () => {
  for (const flush of unwritten) flush();
});

/** Lines go to pino's stream many at a time: of each write it counts the bytes of all that it still holds. */
function gathering(dest: number): pino.DestinationStream & { readonly flush: () => void } {
  const stream = pino.destination({ dest, sync: false });
  let lines = '';
  const pass = (): void => {
    if (lines === '') return;
    stream.write(lines);
    lines = '';
  };
  /** Not through the stream: it would begin to write in the background, and not wait for that. */
  const flush = (): void => {
    stream.flushSync();
    if (lines === '') return;
    try {
      writeSync(dest, lines);
      lines = '';
    } catch {
      pass(); // a pipe that takes nothing at the moment
      stream.flushSync();
    }
  };
  unwritten.add(flush);
  setInterval(pass, longestWait).unref();
  return {
    write(line) {
      lines += line;
      if (lines.length >= gathered) pass();
    },
    flush,
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

interface LoggedError {
  readonly type: string;
  readonly code?: string | number;
  readonly syscall?: string;
  readonly message?: string;
  readonly stack?: readonly string[];
  readonly cause?: LoggedError;
}

const mostCauses = 5;
const mostOfMessage = 300;

function withoutContent(error: unknown, causes = mostCauses): LoggedError {
  if (!(error instanceof Error)) return { type: typeof error };
  const { code, syscall } = error as NodeJS.ErrnoException & { readonly code?: unknown };
  return {
    type: error.constructor.name,
    ...(typeof code === 'string' || typeof code === 'number' ? { code } : {}),
    ...(typeof syscall === 'string' ? { syscall } : {}),
    message: withoutQuotations(error.message),
    stack: framesOf(error),
    ...(error.cause === undefined || causes === 0 ? {} : { cause: withoutContent(error.cause, causes - 1) }),
  };
}

/** Where it happened, without the message that stands in front of it and may have lines that look like this. */
function framesOf({ stack = '', message }: Error): readonly string[] {
  const start = stack.indexOf(message);
  const frames = start < 0 ? stack : stack.slice(start + message.length);
  return frames.split('\n').flatMap(line => (/^ {4}at .*:\d+:\d+\)?$/.test(line) ? [line.trim()] : []));
}

/** From the first quotation mark to the last, and all that looks like a reference; who quotes in between is not trusted. */
const withoutQuotations = (message: string): string =>
  message
    .replace(/["'`].*["'`]|["'`{].*/s, '…')
    .replace(/\b[A-Z][A-Za-z]+\/[A-Za-z0-9\-.]+/g, '…')
    .slice(0, mostOfMessage);

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
