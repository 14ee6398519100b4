// Mounts the authorization server at /auth, and what is said about it at .well-known. Whatever it writes, such as
// redirects and the audience it accepts, is made from the address clients know, never from what a request claims.
// https://www.rfc-editor.org/rfc/rfc8414#section-3, https://www.rfc-editor.org/rfc/rfc9700
import type { Middleware } from 'koa';
import mount from 'koa-mount';
import { authPath, type AuthorizationServer } from '../auth/authorization-server.js';
import { FhirError } from '../errors.js';

const described = new RegExp(`^/\\.well-known/(oauth-authorization-server|openid-configuration)${authPath}$`);

export interface AuthorizationOptions {
  /** Undefined while the server starts. */
  readonly authorization: () => AuthorizationServer | undefined;
  /** Scheme, host and port that clients know the server by. */
  readonly origin: () => string;
}

export function mountAuthorization({ authorization, origin }: AuthorizationOptions): Middleware {
  let mounted: { app: unknown; middleware: Middleware } | undefined;
  return async (ctx, next) => {
    const [, document] = described.exec(ctx.path) ?? [];
    if (document !== undefined) ctx.path = `${authPath}/.well-known/${document}`;
    if (ctx.path !== authPath && !ctx.path.startsWith(`${authPath}/`)) {
      await next();
      return;
    }
    const server = authorization();
    if (server === undefined)
      throw new FhirError('unavailable', 'The server is starting.', { headers: { 'retry-after': '1' } });
    const known = new URL(origin());
    checkHost(ctx.req.headers.host, known);
    // Koa believes these two (app.proxy); they are ours now.
    ctx.req.headers['x-forwarded-proto'] = known.protocol.slice(0, -1);
    ctx.req.headers['x-forwarded-host'] = known.host;
    const app = server.app();
    if (mounted?.app !== app) {
      mounted = { app, middleware: mount(authPath, app) };
      ctx.app.keys = app.keys!;
    }
    ctx.set({
      'cache-control': 'no-store',
      'content-security-policy': "default-src 'none'; frame-ancestors 'none'",
      'referrer-policy': 'same-origin', // with no-referrer, browsers would send forms with the origin null
      'x-content-type-options': 'nosniff',
      'x-frame-options': 'DENY',
      ...(known.protocol === 'https:' ? { 'strict-transport-security': 'max-age=31536000' } : {}),
    });
    await mounted.middleware(ctx, next);
  };
}

/** @throws FhirError `misdirected` where the request was meant for another host */
export function checkHost(host: string | undefined, { host: known }: URL): void {
  if (host?.toLowerCase() !== known)
    throw new FhirError('misdirected', `This server is ${known}: it does not answer for another host.`);
}
