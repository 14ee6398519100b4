// What SMART asks of the library's endpoints beyond what it does: requests by POST, offline_access without a prompt, the
// context beside the access token, introspection with a bearer token.
// https://hl7.org/fhir/smart-app-launch/app-launch.html, https://www.rfc-editor.org/rfc/rfc7662
import type { KoaContextWithOIDC, Provider } from 'oidc-provider';
import { contextKeys } from './approvals.js';
import { goTo } from './html.js';
import { knowNewKey } from './jwks.js';

type Next = () => Promise<unknown>;
export type Middleware = (ctx: KoaContextWithOIDC, next: Next) => Promise<void>;

/** Bodies of forms; the authorization endpoint has to take hundreds of scopes. */
const mostBytes = 56 * 1024;
/** Longer requests are not sent back as a GET, whose URL would be refused. */
const longestQuery = 12 * 1024;

const forms = new WeakMap<object, URLSearchParams>();

/** Fields of a form body, however often it is asked for; undefined where it is too large. */
async function readForm(ctx: KoaContextWithOIDC): Promise<URLSearchParams | undefined> {
  const known = forms.get(ctx.req);
  if (known !== undefined) return known;
  const chunks: Buffer[] = [];
  let size = 0;
  for await (const chunk of ctx.req) {
    size += (chunk as Buffer).length;
    if (size <= mostBytes) chunks.push(chunk as Buffer);
  }
  if (size > mostBytes) return undefined;
  const form = new URLSearchParams(Buffer.concat(chunks).toString());
  forms.set(ctx.req, form);
  return form;
}

/** Whether one of our pages sent it: other origins cannot fill in what is not theirs. */
const isSameOrigin = (ctx: KoaContextWithOIDC): boolean => {
  const { origin } = ctx.headers;
  const site = ctx.headers['sec-fetch-site'];
  const isOurs = origin === undefined || origin === `${ctx.protocol}://${ctx.host}`;
  return isOurs && (site === undefined || site === 'same-origin' || site === 'none');
};

/** The form that was sent; `refused` where it is none of ours, undefined where nothing was sent. */
export async function sentForm(ctx: KoaContextWithOIDC): Promise<URLSearchParams | 'refused' | undefined> {
  if (ctx.method !== 'POST') return undefined;
  const form = await readForm(ctx);
  return form === undefined || !isSameOrigin(ctx) ? 'refused' : form;
}

const isForm = (ctx: KoaContextWithOIDC): boolean => Boolean(ctx.is('application/x-www-form-urlencoded'));

/** The library takes a body that was read from `req.body`. */
const putBack = (ctx: KoaContextWithOIDC, form: URLSearchParams): void => {
  const body: Record<string, string | string[]> = {};
  for (const name of new Set(form.keys())) {
    const values = form.getAll(name);
    body[name] = values.length === 1 ? values[0]! : values;
  }
  (ctx.req as unknown as { body: unknown }).body = body;
};

/** Authorization by POST becomes a GET, which carries the session's cookie; offline_access implies prompt=consent. */
export const authorizeRequests: Middleware = async (ctx, next) => {
  if (ctx.path === '/authorize' && ctx.method === 'POST' && isForm(ctx)) {
    const form = await readForm(ctx);
    if (form === undefined) {
      ctx.status = 413;
      return;
    }
    const query = form.toString();
    if (query.length <= longestQuery) {
      return goTo(ctx, `${ctx.mountPath as string}/authorize?${query}`);
    }
    ctx.method = 'GET';
    ctx.querystring = query;
  }
  if (ctx.path === '/authorize' && ctx.method === 'GET') {
    const query = new URLSearchParams(ctx.querystring);
    if (addPrompt(query)) ctx.querystring = query.toString();
  } else if (ctx.path === '/par' && ctx.method === 'POST' && isForm(ctx)) {
    const form = await readForm(ctx);
    if (form !== undefined) {
      addPrompt(form);
      putBack(ctx, form);
    }
  }
  await next();
};

/** Says that prompt=consent is ours, for the library, and not what the app wants; an app cannot send it. */
export const impliedPrompt = 'implied_prompt';

/** Whether it changed something. */
function addPrompt(query: URLSearchParams): boolean {
  const wasForged = query.has(impliedPrompt);
  query.delete(impliedPrompt);
  const prompts = (query.get('prompt') ?? '').split(' ').filter(prompt => prompt !== '');
  const isOffline = (query.get('scope') ?? '').split(' ').includes('offline_access');
  if (!isOffline || prompts.includes('consent') || prompts.includes('none') || query.has('request_uri'))
    return wasForged;
  query.set('prompt', [...prompts, 'consent'].join(' '));
  query.set(impliedPrompt, 'consent');
  return true;
}

/** Public apps refresh without saying who they are; the refresh token says it. New keys of clients are found. */
export const tokenRequests =
  (provider: () => Provider): Middleware =>
  async (ctx, next) => {
    if (ctx.path !== '/token' || ctx.method !== 'POST' || !isForm(ctx)) return void (await next());
    const form = await readForm(ctx);
    if (form === undefined) {
      ctx.status = 413;
      return;
    }
    const assertion = form.get('client_assertion');
    if (assertion !== null) await knowNewKey(provider(), assertion);
    const isAnonymous =
      assertion === null && !form.has('client_id') && ctx.headers.authorization === undefined;
    if (isAnonymous && form.get('grant_type') === 'refresh_token') {
      const token = await provider().RefreshToken.find(form.get('refresh_token') ?? '');
      const client = await provider().Client.find(token?.clientId ?? '');
      if (client?.clientAuthMethod === 'none') form.set('client_id', client.clientId);
    }
    putBack(ctx, form);
    await next();
    ctx.set('cache-control', 'no-store');
    ctx.set('pragma', 'no-cache');
    if (ctx.status === 200) addContext(ctx);
  };

/** The context goes beside the token; what the protocol names is never replaced by it. */
function addContext(ctx: KoaContextWithOIDC): void {
  const extra = ctx.oidc.entities.AccessToken?.extra ?? {};
  const context = Object.entries(extra).filter(([key]) => contextKeys.has(key));
  ctx.body = { ...Object.fromEntries(context), ...(ctx.body as object) };
}

/** A token whose account, client, approval or session has ended is not active, whoever asks and by whatever proof. */
export const introspectWhatStands =
  (stands: (token: string) => Promise<boolean>): Middleware =>
  async (ctx, next) => {
    if (ctx.path !== '/introspect' || ctx.method !== 'POST' || !isForm(ctx)) return void (await next());
    const form = await readForm(ctx);
    if (form === undefined) {
      ctx.status = 413;
      return;
    }
    // Asked about as one there never was: whoever asks still has to prove who they are.
    const token = form.get('token');
    if (token !== null && !(await stands(token))) form.set('token', 'ended');
    putBack(ctx, form);
    await next();
  };

/**
 * Introspection by somebody who has a token instead of a client secret, as SMART 2.2 allows: the client of the token
 * must be allowed to introspect. `clientOf`: the client whose valid bearer token the request carries.
 */
export const introspectByBearer =
  (
    provider: () => Provider,
    clientOf: (ctx: KoaContextWithOIDC) => Promise<string | undefined>,
  ): Middleware =>
  async (ctx, next) => {
    const isBearer = /^(?:bearer|dpop) /i.test(ctx.headers.authorization ?? '');
    if (ctx.path !== '/introspect' || ctx.method !== 'POST' || !isBearer) return void (await next());
    ctx.set('cache-control', 'no-store');
    const form = isForm(ctx) ? await readForm(ctx) : undefined;
    const asker = await provider().Client.find((await clientOf(ctx)) ?? '');
    if (asker === undefined) {
      ctx.status = 401;
      ctx.set('www-authenticate', 'Bearer error="invalid_token"');
      ctx.body = { error: 'invalid_token' };
      return;
    }
    const value = form?.get('token');
    if (value === null || value === undefined) {
      ctx.status = 400;
      ctx.body = { error: 'invalid_request', error_description: 'token is required' };
      return;
    }
    ctx.body = await introspected(
      provider(),
      value,
      asker['introspect'] === true ? undefined : asker.clientId,
    );
  };

/** What RFC 7662 says about a token; only of this client where one is given. */
async function introspected(provider: Provider, value: string, client?: string): Promise<object> {
  const inactive = { active: false };
  const token =
    (await provider.AccessToken.find(value)) ??
    (await provider.ClientCredentials.find(value)) ??
    (await provider.RefreshToken.find(value));
  if (token === undefined || !token.isValid) return inactive;
  if (client !== undefined && token.clientId !== client) return inactive;
  if ('grantId' in token) {
    const grant = await provider.Grant.find(token.grantId ?? '');
    if (grant === undefined || grant.clientId !== token.clientId || grant.accountId !== token.accountId)
      return inactive;
  }
  return {
    ...('extra' in token ? token.extra : {}),
    active: true,
    client_id: token.clientId,
    scope: token.scope,
    exp: token.exp,
    iat: token.iat,
    iss: provider.issuer,
    ...('accountId' in token ? { sub: token.accountId } : {}),
    ...('aud' in token ? { aud: token.aud } : {}),
    ...(token.kind === 'RefreshToken' ? {} : { token_type: token.jkt === undefined ? 'Bearer' : 'DPoP' }),
    ...(token.jkt === undefined ? {} : { cnf: { jkt: token.jkt } }),
  };
}
