// What the port answers beside FHIR: where to go, liveness, readiness, metrics. Everything else is 404.
import { Router } from '@koa/router';
import { randomUUID, timingSafeEqual } from 'node:crypto';
import type { Context, Middleware } from 'koa';
import type { Log } from '../audit/log.js';
import type { Metrics } from '../audit/metrics.js';
import type { Config } from '../config.js';
import { FhirError } from '../errors.js';
import { writeJson } from '../fhir/json.js';
import { outcomeOf } from '../fhir/outcome.js';
import { fhirJson } from '../interactions/answer.js';
import { isReady } from './health.js';
import type { CheckHost } from './host.js';
import type { CountRequest } from './rate-limit.js';
import { requestIdIn } from './receive.js';
import { securityHeaders } from './send.js';
import type { Sender } from './sender.js';

interface BesideOptions {
  readonly config: Config;
  readonly log: Log;
  readonly metrics: Metrics;
  readonly ready: () => Promise<void>;
  /** What is asked first: the authorization server. */
  readonly mounted?: Middleware;
  readonly checkHost: CheckHost;
  readonly senderOf: (ctx: Context) => Sender;
  readonly count: CountRequest;
  /** Flat names and values that every answer has. */
  readonly always: () => readonly string[];
  readonly fhirPath: string;
  readonly isStopping: () => boolean;
  /** Scheme, host and port; known once the server listens. */
  readonly origin: () => string;
}

export function besideFhir({
  config,
  metrics,
  ready,
  log,
  mounted,
  checkHost,
  senderOf,
  count,
  always,
  fhirPath,
  isStopping,
  origin,
}: BesideOptions): Middleware {
  const wanted = Buffer.from(`Bearer ${config.metricsToken ?? ''}`);
  /** Without a token there are metrics in open mode alone: they count the records of each type. */
  const mayMeasure = (authorization = ''): boolean => {
    if (config.open) return true;
    const given = Buffer.from(authorization);
    return (
      config.metricsToken !== undefined && given.length === wanted.length && timingSafeEqual(given, wanted)
    );
  };
  const router = new Router();
  router.get('/', ctx => {
    ctx.body = {
      name: 'Tsela',
      fhir: origin() + fhirPath,
      capabilities: `${origin()}${fhirPath}/metadata`,
      ...(mounted === undefined ? {} : { access: `${origin()}/auth/manage` }),
      health: `${origin()}/health/ready`,
      metrics: `${origin()}/metrics`,
    };
  });
  router.get('/health/live', ctx => {
    ctx.body = { status: 'live' };
  });
  router.get('/health/ready', async ctx => {
    const isUp = await isReady(ready, isStopping);
    ctx.status = isUp ? 200 : 503;
    ctx.body = { status: isUp ? 'ready' : 'unavailable' };
  });
  router.get('/metrics', async ctx => {
    if (!mayMeasure(ctx.headers.authorization)) {
      throw new FhirError('not-authenticated', 'Metrics need the token of TSELA_METRICS_TOKEN.', {
        headers: { 'www-authenticate': 'Bearer realm="metrics"' },
      });
    }
    ctx.type = metrics.contentType;
    ctx.body = await metrics.text();
  });
  const routes = router.routes() as unknown as Middleware;
  return async (ctx, next) => {
    const id = requestIdIn(ctx.headers['x-request-id']) ?? randomUUID();
    ctx.set('x-request-id', id);
    for (const [name, value] of securityHeaders) ctx.set(name, value);
    const more = always();
    for (let i = 0; i < more.length; i += 2) ctx.set(more[i]!, more[i + 1]!);
    if (isStopping()) ctx.set('connection', 'close');
    try {
      // An orchestrator asks by the address of the container, as Prometheus does.
      const isForOperators = ctx.path.startsWith('/health/') || (ctx.path === '/metrics' && !config.open);
      if (!isForOperators) {
        checkHost(ctx.headers);
        count('address', senderOf(ctx));
      }
      if (mounted === undefined) await routes(ctx, next);
      else await mounted(ctx, async () => void (await routes(ctx, next)));
      if (ctx.body === undefined && ctx.status === 404)
        throw new FhirError('not-found', `There is nothing at this address: FHIR is at ${fhirPath}.`);
    } catch (error) {
      if (!(error instanceof FhirError)) log.error({ id, err: error }, 'request failed');
      const { status, headers, outcome } = outcomeOf(error, id);
      ctx.set({ ...headers });
      ctx.status = status;
      ctx.type = fhirJson;
      ctx.body = writeJson(outcome);
    }
  };
}
