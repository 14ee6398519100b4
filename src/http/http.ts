// The Koa application: the FHIR base at /fhir, and one way every FHIR request is received, answered, counted and logged;
// what is beside it (beside-fhir.ts) after that. https://hl7.org/fhir/R4/http.html
// Surprising why: Koa's responder is switched off for FHIR, see docs/decisions/0001-http.md.
import { randomUUID } from 'node:crypto';
import type { IncomingMessage, ServerResponse } from 'node:http';
import Koa from 'koa';
import type { Log } from '../audit/log.js';
import type { Metrics } from '../audit/metrics.js';
import { brandsPath, type AuthorizationServer } from '../auth/authorization-server.js';
import { NOBODY, type Grant } from '../auth/grant.js';
import { originOf, type Config } from '../config.js';
import { FhirError } from '../errors.js';
import { facilityPathIn } from '../facilities/facility.js';
import { writeJson } from '../fhir/json.js';
import { outcomeOf } from '../fhir/outcome.js';
import { fhirJson, isPretty } from '../interactions/answer.js';
import type { FhirRequest, FhirResponse } from '../interactions/exchange.js';
import {
  answerFormat,
  checkBodyType,
  formParameters,
  isXmlBody,
  jsonFormat,
  type Format,
} from '../interactions/media.js';
import { mountAuthorization } from './authorization.js';
import { besideFhir } from './beside-fhir.js';
import { readBody } from './body.js';
import { createCors } from './cors.js';
import { hostCheck } from './host.js';
import { listen } from './listen.js';
import { requestLimits } from './rate-limit.js';
import { receive, requestIdIn } from './receive.js';
import { send } from './send.js';
import { senderOf as senderBehind, type Sender } from './sender.js';
import { inXml, withJsonBody } from './xml.js';

/** What a token is judged with. `url`: as clients know it, with its query. */
export type AuthenticatedRequest = Pick<FhirRequest, 'headers' | 'base' | 'method'> & {
  readonly url: string;
};

export interface HttpOptions {
  readonly dispatch: (request: FhirRequest, grant: Grant) => Promise<FhirResponse>;
  /** Who asks, and what they may. @throws FhirError `not-authenticated` */
  readonly authenticate: (request: AuthenticatedRequest) => Grant | Promise<Grant>;
  /** Undefined while the server starts; absent where none is mounted. */
  readonly authorization?: () => AuthorizationServer | undefined;
  readonly config: Config;
  readonly log: Log;
  readonly metrics: Metrics;
  /** Resolves when the store answers. */
  readonly ready: () => Promise<void>;
}

export interface Listening {
  /** Scheme, host and port; the FHIR base is `${url}/fhir`. */
  readonly url: string;
  /** The TCP port it listens on. */
  readonly port: number;
  /** Reads the files of the TLS certificate again. */
  readonly reload: () => void;
  /** Accepts nothing more, finishes what was accepted within the stop time-out, and resolves when all is answered. */
  close(): Promise<void>;
}

export interface Http {
  callback(): (req: IncomingMessage, res: ServerResponse) => Promise<void>;
  listen(port: number, host: string): Promise<Listening>;
}

export const fhirPath = '/fhir';
/** The path of the FHIR base a URL leads to, the district's or a facility's; undefined for `/fhirish` and all else. */
function fhirPathIn(url: string): string | undefined {
  if (!url.startsWith(fhirPath)) return facilityPathIn(url);
  const after = url.charCodeAt(fhirPath.length);
  return Number.isNaN(after) || after === 47 || after === 63 ? fhirPath : undefined;
}

/** What everybody may read, from any page: what the server can do and where to sign in. */
const isPublic = (url: string): boolean =>
  /^(?:\/facilities\/[^/]*)?\/fhir\/(?:metadata|\.well-known\/[^?]*)\/?(?:\?|$)/.test(url);

const withBody = new Set(['POST', 'PUT', 'PATCH']);

export function createHttp(options: HttpOptions): Http {
  const { config, log, metrics } = options;
  const authorization = options.authorization ?? (() => undefined);
  const cors = createCors(config.corsOrigins, asked => authorization()?.clients.isOrigin(asked) ?? false);
  const vary =
    options.authorization === undefined
      ? `Accept, Accept-Encoding${config.corsOrigins.length > 0 ? ', Origin' : ''}`
      : 'Accept, Accept-Encoding, Authorization, Origin';
  const checkHost = hostCheck(config);
  const senderIn = senderBehind(config.trustedProxies);
  const limits = requestLimits(config, log);
  const { count } = limits;
  let origin = originOf(config);
  // https://www.rfc-editor.org/rfc/rfc6797
  const always = origin.startsWith('https:') ? ['strict-transport-security', 'max-age=31536000'] : [];
  let stopping = false;
  let running = 0;
  let whenIdle: (() => void) | undefined;

  let isProxyToldOf = false;
  const senderOf = (req: IncomingMessage): Sender => {
    const sender = senderIn(req);
    if (!isProxyToldOf && sender.protocol === undefined && req.headers['x-forwarded-for'] !== undefined) {
      isProxyToldOf = true;
      if (config.trustedProxies.length === 0)
        log.warn({}, 'X-Forwarded-For is ignored: TSELA_TRUSTED_PROXIES names no proxy, so that all behind one are limited together'); // prettier-ignore
    }
    if (sender.protocol !== undefined && sender.protocol !== 'https' && origin.startsWith('https:'))
      throw new FhirError('forbidden', `This server is ${origin}: what comes by ${sender.protocol} is not answered.`); // prettier-ignore
    return sender;
  };

  /** @param said flat names and values that the answer has in any case */
  const answer = async (
    req: IncomingMessage,
    res: ServerResponse,
    id: string,
    said: string[],
  ): Promise<FhirResponse> => {
    let format: Format | undefined;
    let pretty = false;
    try {
      checkHost(req.headers);
      const sender = senderOf(req);
      let left = count('address', sender);
      const headers = req.headers as FhirRequest['headers'];
      const url = req.url!;
      const preflight = cors.preflight(req.method, headers, isPublic(url));
      if (preflight !== undefined) return preflight;
      if (url.length > config.urlLimit) {
        throw new FhirError(
          'uri-too-long',
          `The URL is longer than ${config.urlLimit} bytes: search by POST to _search.`,
        );
      }
      const at = fhirPathIn(url)!;
      const base = origin + at;
      const target = receive(url.slice(at.length));
      const method = req.method!;
      const configuration =
        target.path[0] === '.well-known' ? await wellKnown(method, target.path, base, headers) : undefined;
      if (configuration !== undefined) return configuration;
      format = answerFormat({ method, path: target.path, query: target.query, headers });
      pretty = format !== jsonFormat && isPretty(target);
      // Before the body is read: nobody without a token makes this server hold one.
      const grant =
        isPublic(url) && headers['authorization'] === undefined
          ? NOBODY
          : await options.authenticate({ headers, base, method, url: origin + url });
      if (grant !== NOBODY) left = count('client', sender, grant);
      said.push(...left);
      const mayHaveBody = withBody.has(method) && grant !== NOBODY;
      const body = mayHaveBody ? await readBody(req, res, config.bodyLimit) : undefined;
      const request: FhirRequest = {
        method,
        path: target.path,
        query: target.query,
        headers,
        base,
        id,
        ...(body === undefined ? undefined : { body }),
        address: sender.address,
      };
      checkBodyType(request);
      const parameters = formParameters(request);
      if (parameters !== target.query) {
        format = answerFormat({ method, path: target.path, query: parameters, headers });
        pretty = isPretty({ query: parameters });
      }
      const read = isXmlBody(request) ? await withJsonBody(request) : request;
      const response = await options.dispatch(read, grant);
      return format === jsonFormat ? response : await inXml(response, format, pretty);
    } catch (error) {
      const failed = failure(error, id);
      format ??= failureFormat(req);
      return format === jsonFormat ? failed : inXml(failed, format, pretty);
    }
  };

  /** What a request is answered in whose URL could not be read, or whose format cannot be sent. */
  const failureFormat = (req: IncomingMessage): Format => {
    try {
      const headers = req.headers as FhirRequest['headers'];
      return answerFormat({ method: req.method!, path: [], query: [], headers });
    } catch {
      return jsonFormat;
    }
  };

  /** What everybody may read of how to come in; undefined where the address is none of these. */
  const wellKnown = async (
    method: string,
    path: readonly string[],
    base: string,
    headers: FhirRequest['headers'],
  ): Promise<FhirResponse | undefined> => {
    const server = authorization();
    if (server === undefined || (method !== 'GET' && method !== 'HEAD')) return undefined;
    const at = path.join('/');
    if (at === '.well-known/smart-configuration') {
      return {
        status: 200,
        headers: { 'content-type': 'application/json' },
        body: JSON.stringify(await server.configuration(base)),
        interaction: 'smart-configuration',
      };
    }
    const brands = at === brandsPath ? await server.brands() : undefined;
    if (brands === undefined) return undefined;
    const said = { 'content-type': fhirJson, etag: brands.etag, 'cache-control': 'public, max-age=300' };
    const isKnown = headers['if-none-match']
      ?.split(/\s*,\s*/)
      .some(each => each === '*' || each === brands.etag);
    return {
      status: isKnown === true ? 304 : 200,
      headers: said,
      ...(isKnown === true ? {} : { body: brands.body }),
      interaction: 'user-access-brands',
    };
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

  const corsHeaders = (req: IncomingMessage): readonly string[] =>
    req.method === 'OPTIONS'
      ? []
      : cors.headersFor(req.headers as Record<string, string | undefined>, isPublic(req.url!));

  const serve = async (req: IncomingMessage, res: ServerResponse): Promise<void> => {
    const started = performance.now();
    const id = requestIdIn(req.headers['x-request-id']) ?? randomUUID();
    running++;
    try {
      const extra = ['x-request-id', id, 'vary', vary, ...always, ...corsHeaders(req)];
      const response = await answer(req, res, id, extra);
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
  app.use(async (ctx, next) => {
    if (fhirPathIn(ctx.req.url!) === undefined) {
      await next();
      return;
    }
    ctx.respond = false; // what is sent is final when it comes from dispatch; send.ts writes it
    await serve(ctx.req, ctx.res);
  });
  const shared = { senderOf: ({ req }: { req: IncomingMessage }) => senderOf(req), count };
  app.proxy = true; // for /auth alone, where mountAuthorization writes what Koa then believes
  app.use(
    besideFhir({
      ...options,
      ...(options.authorization === undefined
        ? {}
        : { mounted: mountAuthorization({ ...shared, authorization, origin: () => origin }) }),
      ...shared,
      checkHost,
      always: () => always,
      fhirPath,
      isStopping: () => stopping,
      origin: () => origin,
    }),
  );
  const handle = app.callback();

  return {
    callback: () => handle,
    async listen(port, host) {
      const server = await listen(handle, { port, host, config, log });
      origin = originOf(config, server.port);
      return {
        url: origin,
        port: server.port,
        reload: server.reload,
        async close() {
          stopping = true;
          await server.close();
          // A client that went away does not end what it asked for: the store is only closed after that.
          if (running > 0) await new Promise<void>(resolve => (whenIdle = resolve));
          limits.close();
        },
      };
    },
  };
}
