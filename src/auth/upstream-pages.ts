// The addresses of signing in through another provider: where it leads back to, and what comes of it, at the pages of this
// server; interaction.ts has the same for apps.
import type { KoaContextWithOIDC } from 'oidc-provider';
import type { Account, Accounts } from './accounts.js';
import { sentForm, type Middleware } from './endpoints.js';
import { goTo, html, sendPage, type Html } from './html.js';
import type { Tell } from './letters.js';
import type { Login } from './login.js';
import { answerOf, type PasswordForm } from './login-page.js';
import { afterStep, sessionOf, type SignInPages } from './own-session.js';
import { randomText } from './secrets.js';
import type { Identified, Upstream } from './upstream.js';
import { upstreamPath } from './upstream.js';
import type { Links } from './upstream-links.js';

export interface UpstreamPagesOptions extends SignInPages {
  readonly accounts: Accounts;
  readonly login: Login;
  readonly upstream: Upstream;
  readonly upstreamLinks: Links;
  readonly tell: Tell;
}

export const signInPath = '/sign-in/upstream';
export const linkPath = '/manage/upstream';
/** Lax, unlike that of the password form: the browser comes from another site. */
const cookie = 'tsela_upstream';

export const upstreamPages =
  (options: UpstreamPagesOptions): Middleware =>
  async (ctx, next) => {
    const { path, method } = ctx;
    const { prefix, upstream } = options;
    if (method === 'POST' && path === signInPath) return secondStep(options, ctx);
    if (method !== 'GET') return void (await next());
    const [, id] = new RegExp(`^${upstreamPath}/([a-z0-9-]+)$`).exec(path) ?? [];
    if (id !== undefined) {
      const state = new URLSearchParams(ctx.querystring).get('state') ?? '';
      const to = await upstream.returnsTo(id, state);
      return to === undefined ? failed(ctx, prefix) : goTo(ctx, `${prefix}${to}?${ctx.querystring}`);
    }
    if (path === signInPath) return signIn(options, ctx);
    if (path === linkPath) return link(options, ctx);
    await next();
  };

const failed = (ctx: KoaContextWithOIDC, prefix: string): void =>
  sendPage(
    ctx,
    'This did not work',
    html`<p class="wrong">Signing in there was not finished, or took too long. Start again.</p>`,
    { status: 400, prefix },
  );

async function signIn(options: UpstreamPagesOptions, ctx: KoaContextWithOIDC): Promise<void> {
  const { prefix, upstream, onEvent } = options;
  const query = new URLSearchParams(ctx.querystring);
  const to = query.get('to');
  if (to !== null) {
    const bound = randomText();
    ctx.cookies.set(cookie, bound, {
      httpOnly: true,
      sameSite: 'lax',
      signed: true,
      path: prefix + signInPath,
    });
    return goTo(ctx, await upstream.start(to, signInPath, bound));
  }
  const bound = ctx.cookies.get(cookie, { signed: true });
  const identified = bound === undefined ? undefined : await upstream.finish(query, signInPath, bound);
  if (identified === undefined) return failed(ctx, prefix);
  const account = await accountOf(options, identified);
  if (account === undefined) {
    onEvent({ kind: 'login-refused' });
    return unlinked(ctx, identified, { prefix, back: `${prefix}/sign-in` });
  }
  const step = await options.login.external(bound!, account, identified.amr);
  await afterStep(options, ctx, step, actionOf(options));
}

/** The form of a second factor that the provider did not ask for. */
async function secondStep(options: UpstreamPagesOptions, ctx: KoaContextWithOIDC): Promise<void> {
  const bound = ctx.cookies.get(cookie, { signed: true });
  const form = await sentForm(ctx);
  if (bound === undefined || form === undefined || form === 'refused') return failed(ctx, options.prefix);
  await afterStep(options, ctx, await answerOf(options.login, bound, form), actionOf(options));
}

const actionOf = ({ prefix }: UpstreamPagesOptions): PasswordForm => ({ action: prefix + signInPath });

async function link(options: UpstreamPagesOptions, ctx: KoaContextWithOIDC): Promise<void> {
  const { provider, prefix, accounts, upstream, upstreamLinks, tell } = options;
  const own = await sessionOf(provider(), accounts, ctx);
  if (own === undefined) return goTo(ctx, `${prefix}/sign-in`);
  const query = new URLSearchParams(ctx.querystring);
  const identified = await upstream.finish(query, linkPath, own.session.uid);
  if (identified === undefined) return failed(ctx, prefix);
  const { issuer, subject } = identified;
  await upstreamLinks.link({ account: own.account.id, issuer, subject });
  await tell(own.account, 'linked');
  goTo(ctx, `${prefix}/manage`);
}

/** The account here that is linked, and may sign in. */
export async function accountOf(
  { upstreamLinks, accounts }: Pick<UpstreamPagesOptions, 'upstreamLinks' | 'accounts'>,
  { issuer, subject }: Identified,
): Promise<Account | undefined> {
  const account = await accounts.find((await upstreamLinks.find(issuer, subject)) ?? '');
  return account?.disabled === true ? undefined : account;
}

export const unlinked = (
  ctx: KoaContextWithOIDC,
  { name }: Identified,
  { prefix, back, leadsTo }: { prefix: string; back: string; leadsTo?: string | undefined },
): void =>
  sendPage(
    ctx,
    'No account here',
    html`<p class="wrong">You signed in at ${name}, and no account here is linked to that.</p>
      <p>
        If you have an account here, sign in with its name and password and link it at “Your access”;
        otherwise ask an administrator.
      </p>
      <p><a href="${back}">Back</a></p>`,
    { status: 403, prefix, leadsTo },
  );

/** Links to other providers, below a form for name and password. */
export const othersAt = (upstream: Upstream, path: string): readonly Html[] =>
  upstream.providers.map(({ id, name }) => html`<p><a href="${path}?to=${id}">Sign in with ${name}</a></p>`);
