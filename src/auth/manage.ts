// The page where people see and end what they approved, end their sessions, and change password and second factor.
// https://hl7.org/fhir/smart-app-launch/conformance.html (management_endpoint)
import type { KoaContextWithOIDC, Provider, Session } from 'oidc-provider';
import { FhirError } from '../errors.js';
import type { Documents } from '../storage/documents.js';
import { userOf, type Account, type Accounts } from './accounts.js';
import type { Approvals } from './approvals.js';
import type { Clients } from './clients.js';
import { wordsOf } from './consent.js';
import { readForm, type Middleware } from './endpoints.js';
import type { AccessEvent } from './events.js';
import { html, sendPage, style, type Html } from './html.js';
import { isSameOrigin } from './interaction.js';
import type { Login } from './login.js';
import { codePage, passwordPage } from './login-page.js';
import type { Answers } from './remembered.js';
import type { Ended } from './ended.js';
import { endSession, liveSessions } from './oidc-adapter.js';
import { hashPassword } from './passwords.js';
import { lifetimes } from './provider.js';
import { confirmSecondFactor, proposeSecondFactor, withoutSecondFactor } from './second-factor.js';
import { equalTexts, hashed, randomText, sealOf, type Secrets } from './secrets.js';

export interface ManageOptions {
  readonly provider: () => Provider;
  readonly prefix: string;
  readonly documents: Documents;
  readonly accounts: Accounts;
  readonly clients: Clients;
  readonly approvals: Approvals;
  readonly answers: Answers;
  readonly login: Login;
  readonly secrets: Secrets;
  readonly onEvent: (event: AccessEvent) => void;
  readonly onEnded: (what: Ended) => void;
}

export const managePages =
  (options: ManageOptions): Middleware =>
  async (ctx, next) => {
    const { path, method } = ctx;
    if (path === '/style.css' && method === 'GET') {
      ctx.type = 'text/css';
      ctx.set('cache-control', 'public, max-age=3600');
      ctx.body = style;
      return;
    }
    if ((path !== '/manage' && path !== '/sign-in') || !['GET', 'POST'].includes(method))
      return void (await next());
    const form = method === 'POST' ? await readForm(ctx) : undefined;
    if (method === 'POST' && (form === undefined || !isSameOrigin(ctx)))
      return sendPage(ctx, 'This page has expired', html`<p>Open it again.</p>`, {
        status: 400,
        prefix: options.prefix,
      });
    if (path === '/sign-in') return signIn(options, ctx, form);
    const session = await options.provider().Session.get(ctx);
    const account = await options.accounts.find(session.accountId ?? '');
    if (account === undefined || account.disabled === true) return goTo(ctx, `${options.prefix}/sign-in`);
    await manage(options, ctx, session, account, form);
  };

const goTo = (ctx: KoaContextWithOIDC, to: string): void => {
  ctx.status = 303;
  ctx.set('location', to);
};

const attemptCookie = 'tsela_sign_in';

async function signIn(
  { provider, prefix, login, onEvent }: ManageOptions,
  ctx: KoaContextWithOIDC,
  form: URLSearchParams | undefined,
): Promise<void> {
  const action = `${prefix}/sign-in`;
  const show = (content: Html, status = 200): void => sendPage(ctx, 'Sign in', content, { status, prefix });
  // Binds the form to this browser: nobody can be signed in as somebody else by a form they did not open.
  const attempt = ctx.cookies.get(attemptCookie, { signed: true });
  if (form === undefined || attempt === undefined) {
    ctx.cookies.set(attemptCookie, randomText(), {
      httpOnly: true,
      sameSite: 'strict',
      signed: true,
      path: action,
    });
    return show(passwordPage({ action }));
  }
  const name = form.get('name') ?? '';
  const code = form.get('code');
  const step =
    code === null
      ? await login.password(attempt, name, form.get('password') ?? '')
      : await login.code(attempt, code);
  if (step.is === 'wants-code') return show(codePage({ action }));
  if (step.is === 'refused') {
    onEvent({ kind: 'login-refused' });
    return show(
      step.why === 'code'
        ? codePage({ action, wrong: true })
        : passwordPage({ action, hint: name, wrong: step.why }),
      401,
    );
  }
  await startSession(provider(), ctx, step.account, step.amr);
  onEvent({ kind: 'login', account: step.account.id });
  goTo(ctx, `${prefix}/manage`);
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

async function manage(
  options: ManageOptions,
  ctx: KoaContextWithOIDC,
  session: Session,
  account: Account,
  form: URLSearchParams | undefined,
): Promise<void> {
  const { prefix, secrets } = options;
  const seal = sealOf(secrets, session.uid);
  let said: Html | undefined;
  if (form !== undefined) {
    if (!equalTexts(form.get('seal') ?? '', seal))
      return sendPage(ctx, 'This page has expired', html`<p>Open it again.</p>`, { status: 400, prefix });
    try {
      said = await act(options, session, account, form);
    } catch (error) {
      if (!(error instanceof FhirError)) throw error;
      said = html`<p class="wrong" role="alert">${error.message}</p>`;
    }
    if (said === undefined) return goTo(ctx, `${prefix}/manage`);
  }
  const fresh = (await options.accounts.find(account.id)) ?? account;
  sendPage(ctx, 'Your access', await overview(options, session, fresh, seal, said), { prefix });
}

/** Does what a form asks; undefined where the page is simply shown anew. */
async function act(
  options: ManageOptions,
  session: Session,
  account: Account,
  form: URLSearchParams,
): Promise<Html | undefined> {
  const { accounts, answers, approvals, documents, login, secrets, onEnded, onEvent } = options;
  const which = form.get('which') ?? '';
  const wrongPassword = html`<p class="wrong" role="alert">
    The password is not right, or there were too many attempts.
  </p>`;
  switch (form.get('do')) {
    case 'revoke': {
      const approval = (await approvals.of(account.id)).find(({ grantId }) => hashed(grantId) === which);
      if (approval === undefined) return undefined;
      await approvals.end(approval);
      await answers.forget(account.id, approval.clientId);
      onEvent({ kind: 'revoked', account: account.id, client: approval.clientId, grantId: approval.grantId });
      return undefined;
    }
    case 'ask-again':
      await answers.forget(account.id, which);
      return undefined;
    case 'end-session': {
      const found = (await liveSessions(documents, account.id)).find(({ uid }) => hashed(uid) === which);
      if (found !== undefined) await endSession(documents, found.uid, onEnded);
      onEvent({ kind: 'logout', account: account.id });
      return undefined;
    }
    case 'password': {
      if (!(await login.confirms(account, form.get('password') ?? ''))) return wrongPassword;
      const password = await hashPassword(form.get('fresh') ?? '');
      await accounts.change(account.id, each => ({ ...each, password }));
      for (const { uid } of await liveSessions(documents, account.id))
        if (uid !== session.uid) await endSession(documents, uid, onEnded);
      return html`<p role="status">The password was changed. Other sessions were ended.</p>`;
    }
    case 'second-factor': {
      const codes = await confirmSecondFactor(accounts, secrets, account.id, form.get('secret') ?? '', form.get('code') ?? ''); // prettier-ignore
      if (codes === undefined) return html`<p class="wrong" role="alert">The code is not right.</p>`;
      return html`<p role="status">
          From now on you are asked for a code. These recovery codes are shown once; each is good for one
          sign-in:
        </p>
        <ul>
          ${codes.map(code => html`<li><code>${code.replace(/(.{4})(?=.)/g, '$1-')}</code></li>`)}
        </ul>`;
    }
    case 'no-second-factor': {
      if (!(await login.confirms(account, form.get('password') ?? ''))) return wrongPassword;
      await accounts.change(account.id, withoutSecondFactor);
      return html`<p role="status">You are no longer asked for a code.</p>`;
    }
    default:
      return undefined;
  }
}

async function overview(
  { prefix, approvals, answers, clients, documents }: ManageOptions,
  session: Session,
  account: Account,
  seal: string,
  said: Html | undefined,
): Promise<Html> {
  const action = `${prefix}/manage`;
  const form = (doing: string, content: Html): Html =>
    html`<form method="post" action="${action}">
      <input type="hidden" name="seal" value="${seal}" /><input
        type="hidden"
        name="do"
        value="${doing}"
      />${content}
    </form>`;
  const day = (time: number): string => new Date(time).toISOString().slice(0, 16).replace('T', ' ');
  const approved = await Promise.all(
    (await approvals.of(account.id)).map(async ({ grantId, clientId, scopes, context, created }) => {
      const name = (await clients.find(clientId))?.name ?? clientId;
      return html`<tr>
        <th scope="row">${name}</th>
        <td>
          since ${day(created)}
          UTC${context.patient !== undefined && html`<br />Patient <code>${context.patient}</code>`}
          <ul>
            ${scopes.map(scope => html`<li>${wordsOf(scope)}</li>`)}
          </ul>
        </td>
        <td>
          ${form('revoke', html`<input type="hidden" name="which" value="${hashed(grantId)}" /><button>Take back</button>`)}
        </td>
      </tr>`;
    }),
  );
  const remembered = await Promise.all(
    (await answers.of(account.id)).map(async ({ clientId, scopes, created }) => {
      const name = (await clients.find(clientId))?.name ?? clientId;
      return html`<tr>
        <th scope="row">${name}</th>
        <td>
          since ${day(created)} UTC
          <ul>
            ${scopes.map(scope => html`<li>${wordsOf(scope)}</li>`)}
          </ul>
        </td>
        <td>
          ${form('ask-again', html`<input type="hidden" name="which" value="${clientId}" /><button>Ask me again</button>`)}
        </td>
      </tr>`;
    }),
  );
  const sessions = (await liveSessions(documents, account.id)).map(
    ({ uid, since }) =>
      html`<tr>
        <td>since ${day(since * 1000)} UTC${uid === session.uid && ' (this one)'}</td>
        <td>
          ${form('end-session', html`<input type="hidden" name="which" value="${hashed(uid)}" /><button>End</button>`)}
        </td>
      </tr>`,
  );
  const user = userOf(account);
  return html`${said}
    <p>You are signed in as <strong>${account.name}</strong> (<code>${user.fhirUser}</code>).</p>
    <p><a href="${prefix}/apps">Open an app for a patient</a></p>
    <h2>Apps with access</h2>
    ${
      approved.length === 0
        ? html`<p>None.</p>`
        : html`<table>
            <tbody>
              ${approved}
            </tbody>
          </table>`
    }
    ${
      remembered.length > 0 &&
      html`<h2>Apps you are not asked about</h2>
        <table>
          <tbody>
            ${remembered}
          </tbody>
        </table>`
    }
    <h2>Sessions</h2>
    <table>
      <tbody>
        ${sessions}
      </tbody>
    </table>
    <h2>Password</h2>
    ${form(
      'password',
      html`<label for="password">Present password</label
        ><input type="password" id="password" name="password" autocomplete="current-password" required />
        <label for="fresh">New password</label
        ><input type="password" id="fresh" name="fresh" autocomplete="new-password" minlength="10" required />
        <button>Change</button>`,
    )}
    <h2>Second factor</h2>
    ${
      account.totp === undefined
        ? secondFactorForm(account, form)
        : form(
            'no-second-factor',
            html`<p>You are asked for a code when you sign in.</p>
              <label for="off">Password</label
              ><input
                type="password"
                id="off"
                name="password"
                autocomplete="current-password"
                required
              /><button>Turn off</button>`,
          )
    }`;
}

function secondFactorForm(account: Account, form: (doing: string, content: Html) => Html): Html {
  const { secret, uri } = proposeSecondFactor(account);
  return form(
    'second-factor',
    html`<p>
        Add this to an authenticator app, then type the code it shows: <a href="${uri}">add</a>, or by hand:
        <code>${secret}</code>
      </p>
      <input type="hidden" name="secret" value="${secret}" />
      <label for="code">Code</label
      ><input type="text" id="code" name="code" autocomplete="one-time-code" inputmode="numeric" required />
      <button>Turn on</button>`,
  );
}
