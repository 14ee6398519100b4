// Signing in to the pages of this server, for no app: they manage what somebody has, or who can sign in.
import type { KoaContextWithOIDC } from 'oidc-provider';
import { sendPage } from './html.js';
import type { Login } from './login.js';
import { answerOf, passwordPage } from './login-page.js';
import { afterStep, type SignInPages } from './own-session.js';
import { randomText } from './secrets.js';
import type { Upstream } from './upstream.js';
import { othersAt, signInPath } from './upstream-pages.js';

export interface SignInOptions extends SignInPages {
  readonly login: Login;
  /** Where a new password is asked for; absent where this server sends no mail. */
  readonly forgotten: string | undefined;
  readonly upstream: Upstream;
}

const attemptCookie = 'tsela_sign_in';

export async function signIn(
  options: SignInOptions,
  ctx: KoaContextWithOIDC,
  form: URLSearchParams | undefined,
): Promise<void> {
  const { prefix, login, forgotten, upstream } = options;
  const path = `${prefix}/sign-in`;
  const then = ctx.query['then'] === 'people' ? 'people' : 'manage';
  const action = then === 'manage' ? path : `${path}?then=${then}`;
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
    const content = passwordPage({ action, forgotten, others, question: await login.question(next) });
    return sendPage(ctx, 'Sign in', content, { prefix });
  }
  const step = await answerOf(login, attempt, form);
  const question = step.is === 'signed-in' ? undefined : await login.question(attempt);
  const hint = form.get('name') ?? '';
  await afterStep(options, ctx, step, { action, forgotten, question, others, hint }, then);
}
