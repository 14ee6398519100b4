// Signing in to the pages of this server, for no app: they manage what somebody has, or who can sign in.
import type { KoaContextWithOIDC, Provider } from 'oidc-provider';
import type { AccessEvent } from './events.js';
import { sendPage, type Html } from './html.js';
import type { Login } from './login.js';
import { answerOf, passwordPage, stepPage } from './login-page.js';
import { startSession } from './own-session.js';
import { randomText } from './secrets.js';
import type { Upstream } from './upstream.js';
import { othersAt, signInPath } from './upstream-pages.js';

export interface SignInOptions {
  readonly provider: () => Provider;
  readonly prefix: string;
  readonly login: Login;
  /** Where a new password is asked for; absent where this server sends no mail. */
  readonly forgotten: string | undefined;
  readonly upstream: Upstream;
  readonly onEvent: (event: AccessEvent) => void;
}

const attemptCookie = 'tsela_sign_in';

export async function signIn(
  { provider, prefix, login, forgotten, upstream, onEvent }: SignInOptions,
  ctx: KoaContextWithOIDC,
  form: URLSearchParams | undefined,
): Promise<void> {
  const path = `${prefix}/sign-in`;
  const then = ctx.query['then'] === 'people' ? 'people' : 'manage';
  const action = then === 'manage' ? path : `${path}?then=${then}`;
  const show = (content: Html, status = 200): void => sendPage(ctx, 'Sign in', content, { status, prefix });
  const others = othersAt(upstream, prefix + signInPath);
  // Binds the form to this browser: nobody can be signed in as somebody else by a form they did not open.
  const attempt = ctx.cookies.get(attemptCookie, { signed: true });
  if (form === undefined || attempt === undefined) {
    const next = randomText();
    ctx.cookies.set(attemptCookie, next, {
      httpOnly: true,
      sameSite: 'strict',
      signed: true,
      path,
    });
    return show(passwordPage({ action, forgotten, others, question: await login.question(next) }));
  }
  const step = await answerOf(login, attempt, form);
  if (step.is !== 'signed-in') {
    if (step.is === 'refused') onEvent({ kind: 'login-refused' });
    const question = await login.question(attempt);
    const { content, status } = stepPage(step, {
      action,
      forgotten,
      question,
      others,
      hint: form.get('name') ?? '',
    });
    return show(content, status);
  }
  await startSession(provider(), ctx, step.account, step.amr);
  onEvent({ kind: 'login', account: step.account.id });
  ctx.status = 303;
  ctx.set('location', `${prefix}/${then}`);
}
