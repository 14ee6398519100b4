// The listening socket: its limits and time-outs, and a close that waits for what was accepted and for nothing else.
// https://nodejs.org/api/http.html#class-httpserver
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo, Socket } from 'node:net';
import type { Log } from '../audit/log.js';
import type { Config } from '../config.js';
import { refuseUnreadable } from './unreadable.js';

interface ListenOptions {
  readonly port: number;
  readonly host: string;
  readonly config: Pick<Config, 'urlLimit' | 'receiveTimeout' | 'idleTimeout' | 'stopTimeout'>;
  readonly log: Log;
}

export interface ListeningSocket {
  readonly port: number;
  /** Resolves when every connection is closed; those still open after the stop time-out are cut. */
  close(): Promise<void>;
}

export async function listen(
  handle: (req: IncomingMessage, res: ServerResponse) => Promise<void>,
  { port, host, config, log }: ListenOptions,
): Promise<ListeningSocket> {
  const server = createServer({
    // Headers and the URL together; Node answers 431 above it.
    maxHeaderSize: config.urlLimit + 16 * 1024,
    headersTimeout: config.receiveTimeout,
    requestTimeout: config.receiveTimeout,
    connectionsCheckingInterval: Math.min(1000, config.receiveTimeout),
    keepAliveTimeout: 65_000, // longer than the 60 s of usual proxies, so that they close first
  });
  server.timeout = config.idleTimeout;

  // Connections that have asked nothing yet: Node does not count them as idle, and a stop need not wait for them.
  const silent = new Set<Socket>();
  server.on('connection', socket => {
    silent.add(socket);
    socket.once('close', () => silent.delete(socket));
  });
  // Pipelined requests take turns: one may be about what the one before it writes (RFC 9112 section 9.3.2).
  const busy = new WeakMap<Socket, Promise<void>>();
  const accept = (req: IncomingMessage, res: ServerResponse): void => {
    const { socket } = req;
    silent.delete(socket);
    const before = busy.get(socket);
    const work =
      before === undefined
        ? handle(req, res)
        : before.then(() => (socket.destroyed ? undefined : handle(req, res)));
    const next = (): void => {
      if (busy.get(socket) === done) busy.delete(socket);
    };
    const done = work.then(next, (error: unknown) => {
      log.error({ err: error }, 'a response could not be sent');
      res.destroy();
      next();
    });
    busy.set(socket, done);
  };
  server.on('request', accept).on('checkContinue', accept);
  server.on('clientError', (error: NodeJS.ErrnoException, socket) => refuseUnreadable(error, socket, log));
  await new Promise<void>((resolve, reject) => server.once('error', reject).listen(port, host, resolve));

  return {
    port: (server.address() as AddressInfo).port,
    close: () =>
      new Promise((resolve, reject) => {
        const cut = setTimeout(() => {
          log.warn({}, 'the stop time-out has passed: open connections are cut');
          server.closeAllConnections();
        }, config.stopTimeout);
        server.close(error => {
          clearTimeout(cut);
          if (error) reject(error);
          else resolve();
        });
        server.closeIdleConnections();
        for (const socket of silent) socket.destroy();
      }),
  };
}
