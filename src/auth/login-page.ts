// The forms for name, password and code.
import { html, type Html } from './html.js';

export interface PasswordForm {
  readonly action: string;
  /** Name of the app it leads to. */
  readonly to?: string | undefined;
  readonly hint?: string;
  readonly wrong?: 'name-or-password' | 'too-late';
}

const words = {
  'name-or-password': 'The name or the password is not right, or there were too many attempts.',
  'too-late': 'That took too long: sign in again.',
};

export const passwordPage = ({ action, to, hint = '', wrong }: PasswordForm): Html =>
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
    </form>`;

export const codePage = ({ action, wrong = false }: { action: string; wrong?: boolean }): Html =>
  html`${wrong && html`<p class="wrong" role="alert">The code is not right, was used, or there were too many attempts.</p>`}
    <form method="post" action="${action}">
      <label for="code">Code of your authenticator app, or a recovery code</label>
      <input type="text" id="code" name="code" autocomplete="one-time-code" inputmode="text" required />
      <button class="first">Go on</button>
    </form>`;
