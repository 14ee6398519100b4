// The session of a browser at the pages of this server, beside what apps have: how it starts, whose it is, and what the
// forms of its pages carry.
import type { KoaContextWithOIDC, Provider, Session } from 'oidc-provider';
import type { Account, Accounts } from './accounts.js';
import type { Approvals } from './approvals.js';
import type { Ended } from './ended.js';
import type { AccessEvent } from './events.js';
import { goTo, html, sendPage, type Html } from './html.js';
import type { LoginStep } from './login.js';
import { stepPage, type PasswordForm } from './login-page.js';
import type { Answers } from './remembered.js';
import type { Documents } from '../storage/documents.js';
import { endSession, liveSessions } from './oidc-adapter.js';
import { lifetimes } from './provider.js';
import { equalTexts, sealOf, type Secrets } from './secrets.js';

export interface SignInPages {
  readonly provider: () => Provider;
  readonly prefix: string;
  readonly onEvent: (event: AccessEvent) => void;
}

export interface OwnSession {
  readonly session: Session;
  readonly account: Account;
}

/** Undefined where nobody is signed in who may still be. */
export async function sessionOf(
  provider: Provider,
  accounts: Accounts,
  ctx: KoaContextWithOIDC,
): Promise<OwnSession | undefined> {
  const session = await provider.Session.get(ctx);
  const account = await accounts.find(session.accountId ?? '');
  return account === undefined || account.disabled === true ? undefined : { session, account };
}

/** A session of its own, under a new id: what was in the browser before is not taken over. */
async function startSession(
  provider: Provider,
  ctx: KoaContextWithOIDC,
  account: Account,
  amr: readonly string[],
): Promise<void> {
  const before = await provider.Session.get(ctx);
  if (before.accountId !== undefined) await before.destroy();
  const session = new (provider.Session as unknown as new () => Session)();
  session.loginAccount({ accountId: account.id, amr: [...amr], transient: true });
  await session.save(lifetimes.session);
  ctx.cookies.set(provider.cookieName('session'), session.jti, {
    httpOnly: true,
    sameSite: 'lax',
    signed: true,
  });
}

/** Shows what a step of signing in asks for next; after the last one there is a session, and the page it was for. */
export async function afterStep(
  { provider, prefix, onEvent }: SignInPages,
  ctx: KoaContextWithOIDC,
  step: LoginStep,
  form: PasswordForm,
  then = 'manage',
): Promise<void> {
  if (step.is !== 'signed-in') {
    if (step.is === 'refused') onEvent({ kind: 'login-refused' });
    const { content, status } = stepPage(step, form);
    return sendPage(ctx, 'Sign in', content, { status, prefix });
  }
  await startSession(provider(), ctx, step.account, step.amr);
  onEvent({ kind: 'login', account: step.account.id });
  goTo(ctx, `${prefix}/${then}`);
}

/** s */
const freshFor = 15 * 60;

/** Whether somebody signed in a moment ago: what matters is not done by whoever finds a browser open. */
export const isFresh = ({ loginTs = 0 }: Session): boolean => Date.now() / 1000 - loginTs < freshFor;

/** Whether the form comes of a page of this session. */
export const isSealed = (secrets: Secrets, session: Session, form: URLSearchParams): boolean =>
  equalTexts(form.get('seal') ?? '', sealOf(secrets, session.uid));

/** What a form of the page carries: that it is of this session, and what it does. @param seal as `sealOf` makes it */
export const sealedFields = (seal: string, doing: string): Html =>
  html`<input type="hidden" name="seal" value="${seal}" /><input type="hidden" name="do" value="${doing}" />`;

export interface Signed {
  readonly documents: Documents;
  readonly approvals: Approvals;
  readonly answers: Answers;
  readonly onEnded: (what: Ended) => void;
}

/** Ends the account's sessions, except one. */
export async function endSessions(
  { documents, onEnded }: Pick<Signed, 'documents' | 'onEnded'>,
  account: string,
  except?: Session,
): Promise<void> {
  for (const { uid } of await liveSessions(documents, account))
    if (uid !== except?.uid) await endSession(documents, uid, onEnded);
}

/** Ends all that was signed in or approved as the account, and what it need not be asked about. */
export async function endEverything(signed: Signed, account: string): Promise<void> {
  const { approvals, answers } = signed;
  await endSessions(signed, account);
  for (const approval of await approvals.of(account)) await approvals.end(approval);
  for (const { clientId } of await answers.of(account)) await answers.forget(account, clientId);
}
