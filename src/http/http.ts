// Koa in, Koa out: the FHIR base at /fhir, health, metrics, and one way every request is received, answered, counted and
// logged. https://hl7.org/fhir/R4/http.html
import { randomUUID } from 'node:crypto';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import Koa from 'koa';
import type { Log } from '../audit/log.js';
import type { Metrics } from '../audit/metrics.js';
import type { Grant } from '../auth/grant.js';
import { originOf, type Config } from '../config.js';
import { FhirError } from '../errors.js';
import { writeJson } from '../fhir/json.js';
import { outcomeOf } from '../fhir/outcome.js';
import { fhirJson } from '../interactions/answer.js';
import type { FhirRequest, FhirResponse } from '../interactions/exchange.js';
import { checkAccept, checkBodyType } from '../interactions/media.js';
import { besideFhir } from './beside-fhir.js';
import { readBody } from './body.js';
import { createCors } from './cors.js';
import { checkLocal } from './local-only.js';
import { receive, requestIdIn } from './receive.js';
import { send } from './send.js';
import { refuseUnreadable } from './unreadable.js';

export interface HttpOptions {
  readonly dispatch: (request: FhirRequest, grant: Grant) => Promise<FhirResponse>;
  /** Who asks, and what they may. @throws FhirError `not-authenticated` */
  readonly authenticate: (request: FhirRequest) => Grant | Promise<Grant>;
  readonly config: Config;
  readonly log: Log;
  readonly metrics: Metrics;
  /** Resolves when the store answers. */
  readonly ready: () => Promise<void>;
}

export interface Listening {
  /** Scheme, host and port; the FHIR base is `${url}/fhir`. */
  readonly url: string;
  /** Accepts nothing more, finishes what was accepted within the stop time-out, and resolves when all is answered. */
  close(): Promise<void>;
}

export interface Http {
  callback(): (req: IncomingMessage, res: ServerResponse) => void;
  listen(port: number, host: string): Promise<Listening>;
}

export const fhirPath = '/fhir';
const withBody = new Set(['POST', 'PUT', 'PATCH']);

export function createHttp(options: HttpOptions): Http {
  const { config, log, metrics } = options;
  const cors = createCors(config.corsOrigins);
  const vary = `Accept, Accept-Encoding${config.corsOrigins.length > 0 ? ', Origin' : ''}`;
  let origin = originOf(config);
  let base = origin + fhirPath;
  let stopping = false;
  let running = 0;
  let whenIdle: (() => void) | undefined;

  const answer = async (req: IncomingMessage, res: ServerResponse, id: string): Promise<FhirResponse> => {
    try {
      if (config.open) checkLocal(req.headers);
      const headers = req.headers as FhirRequest['headers'];
      const preflight = cors.preflight(req.method, headers);
      if (preflight !== undefined) return preflight;
      const url = req.url!;
      if (url.length > config.urlLimit) {
        throw new FhirError(
          'uri-too-long',
          `The URL is longer than ${config.urlLimit} bytes: search by POST to _search.`,
        );
      }
      const target = receive(url.slice(fhirPath.length));
      const method = req.method!;
      const body = withBody.has(method) ? await readBody(req, res, config.bodyLimit) : undefined;
      const request: FhirRequest = {
        method,
        path: target.path,
        query: target.query,
        headers,
        base,
        id,
        ...(body === undefined ? undefined : { body }),
      };
      checkAccept(request);
      checkBodyType(request);
      return await options.dispatch(request, await options.authenticate(request));
    } catch (error) {
      return failure(error, id);
    }
  };

  const failure = (error: unknown, id: string): FhirResponse => {
    if (!(error instanceof FhirError) || error.status >= 500) log.error({ id, err: error }, 'request failed');
    const { status, headers, outcome } = outcomeOf(error, id);
    return {
      status,
      headers: { ...headers, 'content-type': fhirJson },
      body: writeJson(outcome),
      interaction: 'refused',
    };
  };

  const serve = async (req: IncomingMessage, res: ServerResponse): Promise<void> => {
    const started = performance.now();
    const id = requestIdIn(req.headers['x-request-id']) ?? randomUUID();
    running++;
    try {
      const response = await answer(req, res, id);
      const extra = ['x-request-id', id, 'vary', vary, ...cors.headersFor(req.headers.origin)];
      if (stopping) extra.push('connection', 'close');
      let bytes: number;
      let { status } = response;
      try {
        bytes = await send(req, res, response, extra);
      } catch (error) {
        const failed = failure(error, id);
        status = failed.status;
        bytes = await send(req, res, failed, extra);
      }
      const milliseconds = performance.now() - started;
      const interaction = response.interaction ?? 'unknown';
      metrics.request(interaction, status, milliseconds);
      const fields = {
        id,
        method: req.method,
        interaction,
        status,
        ms: Math.round(milliseconds * 100) / 100,
        bytes,
      };
      if (milliseconds >= config.slowRequest) log.warn(fields, 'slow request');
      else log.info(fields, 'request');
    } finally {
      if (--running === 0) whenIdle?.();
    }
  };

  const app = new Koa();
  app.silent = true; // what fails is logged here, once
  app.use((ctx, next) => {
    const after = ctx.url.charCodeAt(fhirPath.length);
    // End, "/", "?": not /fhirish.
    if (!ctx.url.startsWith(fhirPath) || !(Number.isNaN(after) || after === 47 || after === 63))
      return next();
    ctx.respond = false;
    return serve(ctx.req, ctx.res);
  });
  app.use(besideFhir({ ...options, fhirPath, isStopping: () => stopping, origin: () => origin }));

  return {
    callback: () => app.callback(),
    async listen(port, host) {
      const handle = app.callback();
      const server = createServer(
        {
          // Headers and the URL together; Node answers 431 above it.
          maxHeaderSize: config.urlLimit + 16 * 1024,
          headersTimeout: config.receiveTimeout,
          requestTimeout: config.receiveTimeout,
          connectionsCheckingInterval: Math.min(1000, config.receiveTimeout),
          keepAliveTimeout: 65_000, // longer than the 60 s of usual proxies, so that they close first
        },
        (req, res) => void handle(req, res),
      );
      server.timeout = config.idleTimeout;
      server.on('checkContinue', (req, res) => void handle(req, res));
      server.on('clientError', (error: NodeJS.ErrnoException, socket) =>
        refuseUnreadable(error, socket, log),
      );
      await new Promise<void>((resolve, reject) => server.once('error', reject).listen(port, host, resolve));
      origin = originOf(config, (server.address() as AddressInfo).port);
      base = origin + fhirPath;
      return {
        url: origin,
        async close() {
          stopping = true;
          await closed(server, config.stopTimeout, log);
          // A client that went away does not end what it asked for: the store is only closed after that.
          if (running > 0) await new Promise<void>(resolve => (whenIdle = resolve));
        },
      };
    },
  };
}

/** Resolves when every connection is closed; cuts them after the time given. */
function closed(server: Server, milliseconds: number, log: Log): Promise<void> {
  return new Promise((resolve, reject) => {
    const cut = setTimeout(() => {
      log.warn({}, 'the stop time-out has passed: open connections are cut');
      server.closeAllConnections();
    }, milliseconds);
    server.close(error => {
      clearTimeout(cut);
      if (error) reject(error);
      else resolve();
    });
    server.closeIdleConnections();
  });
}
