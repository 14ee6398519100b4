// The forms of signing in: what each step shows, and what a form that was sent asks for.
import { html, type Html } from './html.js';
import type { Login, LoginStep } from './login.js';
import { passkeyForm } from './passkey-script.js';
import type { Proposal } from './second-factor.js';

export interface PasswordForm {
  readonly action: string;
  /** Name of the app it leads to. */
  readonly to?: string | undefined;
  readonly hint?: string;
  /** Where a new password is asked for. */
  readonly forgotten?: string | undefined;
  /** What a passkey is asked. */
  readonly question?: string | undefined;
  /** Links to other providers. */
  readonly others?: readonly Html[] | undefined;
  readonly wrong?: Exclude<Extract<LoginStep, { is: 'refused' }>['why'], 'code'>;
}

/** Does what a form of a step asks for. */
export function answerOf(login: Login, attempt: string, form: URLSearchParams): Promise<LoginStep> {
  const code = form.get('code');
  const secret = form.get('secret');
  const passkey = form.get('passkey');
  if (passkey !== null) return login.passkey(attempt, passkey);
  if (form.has('seen')) return login.goOn(attempt);
  if (code !== null && secret !== null) return login.setUp(attempt, secret, code);
  if (code !== null) return login.code(attempt, code);
  return login.password(attempt, form.get('name') ?? '', form.get('password') ?? '');
}

/** What a step that is not the last shows. */
export function stepPage(
  step: Exclude<LoginStep, { is: 'signed-in' }>,
  form: PasswordForm,
): { content: Html; status: number } {
  const { action } = form;
  switch (step.is) {
    case 'wants-code':
      return { content: codePage({ action }), status: 200 };
    case 'wants-second-factor':
      return { content: setUpPage(action, step.proposal, step.isWrong), status: step.isWrong ? 401 : 200 };
    case 'second-factor-on':
      return {
        content: html`${recoveryCodes(step.codes)}
          <form method="post" action="${action}">
            <input type="hidden" name="seen" value="yes" /><button class="first">I have kept them</button>
          </form>`,
        status: 200,
      };
    case 'refused':
      return {
        content:
          step.why === 'code'
            ? codePage({ action, wrong: true })
            : passwordPage({ ...form, wrong: step.why }),
        status: 401,
      };
  }
}

const words = {
  'name-or-password': 'The name or the password is not right, or there were too many attempts.',
  passkey: 'The passkey was not accepted.',
  'only-passkey': 'Your role asks for more than the password: sign in with your passkey.',
  'too-late': 'That took too long: sign in again.',
};

export const passwordPage = ({
  action,
  to,
  hint = '',
  forgotten,
  question,
  others,
  wrong,
}: PasswordForm): Html =>
  html`${wrong && html`<p class="wrong" role="alert">${words[wrong]}</p>`}
    ${to && html`<p>to go on to <strong>${to}</strong></p>`}
    <form method="post" action="${action}">
      <label for="name">Name</label>
      <input
        type="text"
        id="name"
        name="name"
        value="${hint}"
        autocomplete="username"
        autocapitalize="none"
        spellcheck="false"
        required
      />
      <label for="password">Password</label>
      <input type="password" id="password" name="password" autocomplete="current-password" required />
      <button class="first">Sign in</button>
      ${to && html`<button name="answer" value="refuse" formnovalidate>Cancel</button>`}
    </form>
    ${question && passkeyForm(action, 'get', question, html`<button>Sign in with a passkey</button>`)}
    ${forgotten && html`<p><a href="${forgotten}">Forgot the password?</a></p>`} ${others}`;

const codePage = ({ action, wrong = false }: { action: string; wrong?: boolean }): Html =>
  html`${wrong && html`<p class="wrong" role="alert">The code is not right, was used, or there were too many attempts.</p>`}
    <form method="post" action="${action}">
      <label for="code">Code of your authenticator app, or a recovery code</label>
      <input type="text" id="code" name="code" autocomplete="one-time-code" inputmode="text" required />
      <button class="first">Go on</button>
    </form>`;

const setUpPage = (action: string, proposal: Proposal, isWrong: boolean): Html =>
  html`${isWrong && html`<p class="wrong" role="alert">The code is not right.</p>`}
    <p>Your role asks for a second factor.</p>
    <form method="post" action="${action}">
      ${secondFactorFields(proposal)}
      <button class="first">Turn on</button>
    </form>`;

/** What an authenticator app needs, and where its code goes. */
export const secondFactorFields = ({ secret, uri }: Proposal): Html =>
  html`<p>
      Add this to an authenticator app, then type the code it shows: <a href="${uri}">add</a>, or by hand:
      <code>${secret}</code>
    </p>
    <input type="hidden" name="secret" value="${secret}" />
    <label for="code">Code</label>
    <input type="text" id="code" name="code" autocomplete="one-time-code" inputmode="numeric" required />`;

/** Shown once. */
export const recoveryCodes = (codes: readonly string[]): Html =>
  html`<p role="status">
      From now on you are asked for a code. These recovery codes are shown once; each is good for one sign-in:
    </p>
    <ul>
      ${codes.map(code => html`<li><code>${code.replace(/(.{4})(?=.)/g, '$1-')}</code></li>`)}
    </ul>`;
