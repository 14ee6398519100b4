// The listening socket: its limits and time-outs, and a close that waits for what was accepted and for nothing else.
// https://nodejs.org/api/http.html#class-httpserver
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import { createServer as createTlsServer } from 'node:https';
import type { AddressInfo, Socket } from 'node:net';
import type { Log } from '../audit/log.js';
import type { Config } from '../config.js';
import { readTls, watchTls } from './tls.js';
import { refuseUnreadable } from './unreadable.js';

interface ListenOptions {
  readonly port: number;
  readonly host: string;
  readonly config: Pick<
    Config,
    'urlLimit' | 'receiveTimeout' | 'idleTimeout' | 'stopTimeout' | 'maxConnections' | 'tlsCert' | 'tlsKey'
  >;
  readonly log: Log;
}

export interface ListeningSocket {
  readonly port: number;
  /** Resolves when every connection is closed; those still open after the stop time-out are cut. */
  close(): Promise<void>;
  /** Reads the files of the TLS certificate again; nothing without TLS. */
  readonly reload: () => void;
}

/** Headers have to be there soon: connections that send them drop by drop cost the attacker nothing. */
const headersWithin = 20_000;
/** No client sends so many; Node would silently leave out what comes after its own limit. */
const mostHeaders = 200;

export async function listen(
  handle: (req: IncomingMessage, res: ServerResponse) => Promise<void>,
  { port, host, config, log }: ListenOptions,
): Promise<ListeningSocket> {
  const { tlsCert: cert, tlsKey: key } = config;
  const files = cert === undefined || key === undefined ? undefined : { cert, key };
  const options = {
    // Headers and the URL together; Node answers 431 above it.
    maxHeaderSize: config.urlLimit + 16 * 1024,
    headersTimeout: Math.min(headersWithin, config.receiveTimeout),
    requestTimeout: config.receiveTimeout,
    connectionsCheckingInterval: Math.min(1000, config.receiveTimeout),
    keepAliveTimeout: 65_000, // longer than the 60 s of usual proxies, so that they close first
  };
  const secure =
    files === undefined
      ? undefined
      : createTlsServer({ ...options, ...readTls(files), handshakeTimeout: headersWithin });
  const server = secure ?? createServer(options);
  server.timeout = config.idleTimeout;
  server.maxHeadersCount = mostHeaders + 1;
  server.maxConnections = config.maxConnections;

  // Connections that have asked nothing yet: Node does not count them as idle, and a stop need not wait for them.
  const silent = new Set<Socket>();
  const add = (socket: Socket): void => {
    silent.add(socket);
    socket.once('close', () => silent.delete(socket));
  };
  /** By their client: TCP connections that are not secure ones yet. */
  const handshaking = new Map<string, Socket>();
  const clientOf = ({ remoteAddress, remotePort }: Socket): string => `${remoteAddress} ${remotePort}`;
  if (secure === undefined) server.on('connection', add);
  else {
    secure.on('connection', (socket: Socket) => {
      const client = clientOf(socket);
      handshaking.set(client, socket);
      socket.once('close', () => handshaking.delete(client));
    });
    secure.on('secureConnection', socket => {
      handshaking.delete(clientOf(socket));
      add(socket);
    });
  }
  // Pipelined requests take turns: one may be about what the one before it writes (RFC 9112 section 9.3.2).
  const busy = new WeakMap<Socket, Promise<void>>();
  const accept = (req: IncomingMessage, res: ServerResponse): void => {
    const { socket } = req;
    silent.delete(socket);
    if (req.rawHeaders.length > 2 * mostHeaders) {
      refuseUnreadable({ name: 'Error', message: '', code: 'HPE_HEADER_OVERFLOW' }, socket, log);
      return;
    }
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
  server.on('drop', () => log.warn({}, 'a connection was closed: TSELA_MAX_CONNECTIONS are open'));
  const watch = secure === undefined ? undefined : watchTls(secure, files!, log);
  try {
    await new Promise<void>((resolve, reject) => server.once('error', reject).listen(port, host, resolve));
  } catch (error) {
    watch?.stop();
    throw error;
  }

  return {
    reload: () => watch?.reload(),
    port: (server.address() as AddressInfo).port,
    close: () =>
      new Promise((resolve, reject) => {
        watch?.stop();
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
        for (const socket of [...silent, ...handshaking.values()]) socket.destroy();
      }),
  };
}
