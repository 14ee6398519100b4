// Which pages of other origins may call the API. A preflight is answered without a token; credentials such as cookies
// are never allowed. https://fetch.spec.whatwg.org/#http-cors-protocol
import type { FhirResponse } from '../interactions/exchange.js';

type Headers = Readonly<Record<string, string | undefined>>;

export interface Cors {
  /** Flat names and values for a response to this origin; empty where it is not allowed. */
  headersFor(origin: string | undefined): readonly string[];
  /** The answer to a preflight; undefined where the request is none. */
  preflight(method: string | undefined, headers: Headers): FhirResponse | undefined;
}

const exposed =
  'Content-Location, ETag, Last-Modified, Location, Retry-After, X-Progress, X-Request-Id, X-Security-Context';
const allowedHeaders =
  'Accept, Authorization, Content-Type, If-Match, If-Modified-Since, If-None-Exist, If-None-Match, Idempotency-Key, Prefer, X-Request-Id, X-Security-Context';

export function createCors(origins: readonly string[]): Cors {
  const allowed = new Set(origins);
  const any = allowed.has('*');
  const none: readonly string[] = [];
  const isAllowed = (origin: string | undefined): origin is string =>
    origin !== undefined && (any || allowed.has(origin));
  return {
    headersFor: origin =>
      isAllowed(origin)
        ? ['access-control-allow-origin', any ? '*' : origin, 'access-control-expose-headers', exposed]
        : none,
    preflight(method, headers) {
      if (method !== 'OPTIONS' || headers['access-control-request-method'] === undefined) return undefined;
      if (!isAllowed(headers['origin'])) return undefined;
      return {
        status: 204,
        interaction: 'preflight',
        headers: {
          'access-control-allow-methods': 'GET, HEAD, POST, PUT, PATCH, DELETE',
          'access-control-allow-headers': allowedHeaders,
          'access-control-max-age': '600',
        },
      };
    },
  };
}
