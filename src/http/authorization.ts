// Mounts the authorization server at /auth, and what is said about it at .well-known. Whatever it writes, such as
// redirects and the audience it accepts, is made from the address clients know, never from what a request claims.
// https://www.rfc-editor.org/rfc/rfc8414#section-3, https://www.rfc-editor.org/rfc/rfc9700
import type { Context, Middleware } from 'koa';
import mount from 'koa-mount';
import { authPath, type AuthorizationServer } from '../auth/authorization-server.js';
import { html, sendPage } from '../auth/html.js';
import { libraryContext } from '../auth/library-context.js';
import { FhirError } from '../errors.js';
import { checkHost } from './host.js';
import type { CountRequest, Kind } from './rate-limit.js';
import { asked, type Sender } from './sender.js';

const described = new RegExp(`^/\\.well-known/(oauth-authorization-server|openid-configuration)${authPath}$`);

export interface AuthorizationOptions {
  /** Undefined while the server starts. */
  readonly authorization: () => AuthorizationServer | undefined;
  /** Scheme, host and port that clients know the server by. */
  readonly origin: () => string;
  readonly senderOf: (ctx: Context) => Sender;
  readonly count: CountRequest;
}

/** Where apps and servers send secrets and tokens, as people do nowhere. */
const ofApps = /^\/auth\/(?:token|introspect|revoke|register|par|launch)(?:\/|$)/;

export function mountAuthorization({
  authorization,
  origin,
  senderOf,
  count,
}: AuthorizationOptions): Middleware {
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
    const sender = senderOf(ctx);
    // Koa believes these (app.proxy); they are ours now.
    ctx.req.headers['x-forwarded-proto'] = known.protocol.slice(0, -1);
    ctx.req.headers['x-forwarded-host'] = known.host;
    ctx.req.headers['x-forwarded-for'] = sender.address;
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
      'cross-origin-resource-policy': 'same-origin',
    });
    if (counted(ctx, sender, count)) {
      const { middleware } = mounted;
      await followed(() => asked.run(sender.address, async () => void (await middleware(ctx, next))));
    }
  };
}

let underWay = 0;

/** Promises are followed only while requests here are under way: all others would pay for it, too. */
async function followed(work: () => Promise<unknown>): Promise<void> {
  underWay++;
  try {
    await work();
  } finally {
    underWay--;
    if (underWay === 0) for (const storage of [asked, libraryContext]) storage.disable();
  }
}

/** Whether it may go on; to who reads pages a refusal is one. */
function counted(ctx: Context, sender: Sender, count: CountRequest): boolean {
  const kind: Kind | undefined = ofApps.test(ctx.path)
    ? 'token'
    : ctx.method === 'POST'
      ? 'login'
      : undefined;
  if (kind === undefined) return true;
  try {
    count(kind, sender);
    return true;
  } catch (error) {
    if (kind === 'token' || !(error instanceof FhirError)) throw error;
    ctx.set(error.headers);
    const { status, message } = error;
    sendPage(ctx, 'Not so fast', html`<p class="wrong">${message}</p>`, { status, prefix: authPath });
    return false;
  }
}
