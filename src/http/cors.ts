// Which pages of other origins may call the API: those of the configuration and of registered apps, and any for what is
// public. A preflight is answered without a token; credentials such as cookies are never allowed.
// https://fetch.spec.whatwg.org/#http-cors-protocol
import type { FhirResponse } from '../interactions/exchange.js';

type Headers = Readonly<Record<string, string | undefined>>;

export interface Cors {
  /** Flat names and values for a response to this origin; empty where it is not allowed. */
  headersFor(headers: Headers, isPublic?: boolean): readonly string[];
  /** The answer to a preflight; undefined where the request is none. */
  preflight(method: string | undefined, headers: Headers, isPublic?: boolean): FhirResponse | undefined;
}

const exposed =
  'Content-Location, ETag, Last-Modified, Location, Retry-After, WWW-Authenticate, X-Progress, X-RateLimit-Limit, X-RateLimit-Remaining, X-RateLimit-Reset, X-Request-Id, X-Security-Context';
const allowedHeaders =
  'Accept, Authorization, Content-Type, DPoP, If-Match, If-Modified-Since, If-None-Exist, If-None-Match, Idempotency-Key, Prefer, X-Request-Id, X-Security-Context';

/** `isApp`: whether the origin is that of a registered app, which calls with a token. */
export function createCors(origins: readonly string[], isApp: (origin: string) => boolean): Cors {
  const allowed = new Set(origins);
  const any = allowed.has('*');
  const none: readonly string[] = [];
  const isAllowed = (origin: string): boolean => any || allowed.has(origin);
  return {
    headersFor({ origin, authorization }, isPublic = false) {
      if (origin === undefined) return none;
      const isOfAll = any || isPublic;
      if (!isOfAll && !isAllowed(origin) && !(authorization !== undefined && isApp(origin))) return none;
      return [
        'access-control-allow-origin',
        isOfAll ? '*' : origin,
        'access-control-expose-headers',
        exposed,
      ];
    },
    preflight(method, headers, isPublic = false) {
      const { origin } = headers;
      if (method !== 'OPTIONS' || headers['access-control-request-method'] === undefined) return undefined;
      if (origin === undefined || !(isPublic || isAllowed(origin) || isApp(origin))) return undefined;
      return {
        status: 204,
        interaction: 'preflight',
        headers: {
          'access-control-allow-origin': any || isPublic ? '*' : origin,
          'access-control-allow-methods': 'GET, HEAD, POST, PUT, PATCH, DELETE',
          'access-control-allow-headers': allowedHeaders,
          'access-control-max-age': '600',
        },
      };
    },
  };
}
