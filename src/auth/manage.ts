// The page where people see and end what they approved, end their sessions, and change password and second factor.
// https://hl7.org/fhir/smart-app-launch/conformance.html (management_endpoint)
import type { KoaContextWithOIDC, Provider, Session } from 'oidc-provider';
import { FhirError } from '../errors.js';
import type { Documents } from '../storage/documents.js';
import { userOf, type Account, type Accounts } from './accounts.js';
import type { Approvals } from './approvals.js';
import type { Clients } from './clients.js';
import { wordsOf } from './consent.js';
import { sentForm, type Middleware } from './endpoints.js';
import type { AccessEvent } from './events.js';
import { goTo, html, sendPage, style, type Html } from './html.js';
import type { Login } from './login.js';
import { timeOf, type Tell } from './letters.js';
import { recoveryCodes, secondFactorFields } from './login-page.js';
import type { Answers, Remembered } from './remembered.js';
import type { Ended } from './ended.js';
import { endSession, liveSessions } from './oidc-adapter.js';
import { endSessions, isFresh, isSealed, sealedFields, sessionOf, type OwnSession } from './own-session.js';
import { signIn } from './own-sign-in.js';
import { passkeyList } from './passkey-list.js';
import { passkeyScript } from './passkey-script.js';
import type { Passkeys } from './passkeys.js';
import { mayInvite } from './people-page.js';
import { hashPassword } from './passwords.js';
import type { RoleBook } from './roles.js';
import {
  keepSecondFactor,
  newSecondFactor,
  proposeSecondFactor,
  withoutSecondFactor,
} from './second-factor.js';
import type { Upstream } from './upstream.js';
import type { Links } from './upstream-links.js';
import { linking, linksOf } from './upstream-section.js';
import { hashed, sealOf, type Secrets } from './secrets.js';

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
  readonly roles: RoleBook;
  /** Absent where browsers have none for the address of this server. */
  readonly passkeys: Passkeys | undefined;
  readonly tell: Tell;
  /** Absent where this server sends no mail. */
  readonly forgotten: string | undefined;
  readonly upstream: Upstream;
  readonly upstreamLinks: Links;
  readonly onEvent: (event: AccessEvent) => void;
  readonly onEnded: (what: Ended) => void;
}

const loadedByPages: Readonly<Record<string, { readonly type: string; readonly text: string }>> = {
  '/style.css': { type: 'text/css', text: style },
  '/passkey.js': { type: 'text/javascript', text: passkeyScript },
};

export const managePages =
  (options: ManageOptions): Middleware =>
  async (ctx, next) => {
    const { path, method } = ctx;
    const loaded = method === 'GET' ? loadedByPages[path] : undefined;
    if (loaded !== undefined) {
      ctx.type = loaded.type;
      ctx.set('cache-control', 'public, max-age=3600');
      ctx.body = loaded.text;
      return;
    }
    if ((path !== '/manage' && path !== '/sign-in') || !['GET', 'POST'].includes(method))
      return void (await next());
    const form = await sentForm(ctx);
    if (form === 'refused')
      return sendPage(ctx, 'This page has expired', html`<p>Open it again.</p>`, {
        status: 400,
        prefix: options.prefix,
      });
    if (path === '/sign-in') return signIn(options, ctx, form);
    const own = await sessionOf(options.provider(), options.accounts, ctx);
    if (own === undefined) return goTo(ctx, `${options.prefix}/sign-in`);
    await manage(options, ctx, own, form);
  };

async function manage(
  options: ManageOptions,
  ctx: KoaContextWithOIDC,
  { session, account }: OwnSession,
  form: URLSearchParams | undefined,
): Promise<void> {
  const { prefix, secrets } = options;
  let said: Html | undefined;
  if (form !== undefined) {
    if (!isSealed(secrets, session, form))
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
  sendPage(ctx, 'Your access', await overview(options, session, fresh, said), { prefix });
}

/** Does what a form asks; undefined where the page is simply shown anew. */
async function act(
  options: ManageOptions,
  session: Session,
  account: Account,
  form: URLSearchParams,
): Promise<Html | undefined> {
  const { accounts, answers, approvals, documents, login, passkeys, secrets, tell, onEnded, onEvent } =
    options;
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
    case 'link':
    case 'unlink':
      return linking(options, session, account, form);
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
      await endSessions({ documents, onEnded }, account.id, session);
      await tell(account, 'password');
      return html`<p role="status">The password was changed. Other sessions were ended.</p>`;
    }
    case 'second-factor': {
      const made = newSecondFactor(secrets, form.get('secret') ?? '', form.get('code') ?? '');
      if (made === undefined) return html`<p class="wrong" role="alert">The code is not right.</p>`;
      if (!(await keepSecondFactor(accounts, account.id, made))) return undefined; // there is one already
      await tell(account, 'second-factor');
      return recoveryCodes(made.codes);
    }
    case 'no-second-factor': {
      if (!(await login.confirms(account, form.get('password') ?? ''))) return wrongPassword;
      if (await login.demandsSecondFactor(account))
        return html`<p class="wrong" role="alert">Your role asks for a second factor.</p>`;
      await accounts.change(account.id, withoutSecondFactor);
      await tell(account, 'no-second-factor');
      return html`<p role="status">You are no longer asked for a code.</p>`;
    }
    case 'passkey':
      if (passkeys === undefined || !isFresh(session)) return undefined;
      await passkeys.add(account, session.uid, form.get('passkey') ?? '', form.get('called') ?? '');
      await tell(account, 'passkey');
      return html`<p role="status">The passkey was added. You can sign in with it.</p>`;
    case 'no-passkey':
      if (passkeys === undefined || !isFresh(session)) return undefined;
      if (await passkeys.remove(account, which)) await tell(account, 'no-passkey');
      return undefined;
    default:
      return undefined;
  }
}

type AppAnswer = Pick<Remembered, 'clientId' | 'scopes' | 'created'>;

async function overview(
  options: ManageOptions,
  session: Session,
  account: Account,
  said: Html | undefined,
): Promise<Html> {
  const { prefix, approvals, answers, clients, documents, passkeys, roles, secrets } = options;
  const action = `${prefix}/manage`;
  const seal = sealOf(secrets, session.uid);
  const form = (doing: string, content: Html): Html =>
    html`<form method="post" action="${action}">${sealedFields(seal, doing)}${content}</form>`;
  const appRow = async (
    { clientId, scopes, created }: AppAnswer,
    patient: string | undefined,
    button: Html,
  ) =>
    html`<tr>
      <th scope="row">${(await clients.find(clientId))?.name ?? clientId}</th>
      <td>
        since ${timeOf(created)}${patient !== undefined && html`<br />Patient <code>${patient}</code>`}
        <ul>
          ${scopes.map(scope => html`<li>${wordsOf(scope)}</li>`)}
        </ul>
      </td>
      <td>${button}</td>
    </tr>`;
  const approved = await Promise.all(
    (await approvals.of(account.id)).map(approval => {
      const which = html`<input type="hidden" name="which" value="${hashed(approval.grantId)}" />`;
      const button = form('revoke', html`${which}<button>Take back</button>`);
      return appRow(approval, approval.context.patient, button);
    }),
  );
  const remembered = await Promise.all(
    (await answers.of(account.id)).map(answer => {
      const which = html`<input type="hidden" name="which" value="${answer.clientId}" />`;
      return appRow(answer, undefined, form('ask-again', html`${which}<button>Ask me again</button>`));
    }),
  );
  const sessions = (await liveSessions(documents, account.id)).map(
    ({ uid, since }) =>
      html`<tr>
        <td>since ${timeOf(since * 1000)}${uid === session.uid && ' (this one)'}</td>
        <td>
          ${form('end-session', html`<input type="hidden" name="which" value="${hashed(uid)}" /><button>End</button>`)}
        </td>
      </tr>`,
  );
  const user = userOf(account);
  return html`${said}
    <p>You are signed in as <strong>${account.name}</strong> (<code>${user.fhirUser}</code>).</p>
    <p><a href="${prefix}/apps">Open an app for a patient</a></p>
    ${(await mayInvite(roles, account)) && html`<p><a href="${prefix}/people">People who can sign in</a></p>`}
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
    ${await linksOf(options, account, form)}
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
        ? form(
            'second-factor',
            html`${secondFactorFields(proposeSecondFactor(account))}<button>Turn on</button>`,
          )
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
    }
    ${passkeys && (await passkeyList({ prefix, passkeys, session, account, seal }))}`;
}
