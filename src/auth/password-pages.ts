// The pages for who has no password, or not any more: taking up an invitation, asking for a new password, choosing it.
// Nobody is told whether an account exists; a link is used by a form, so that a program that looks at mail uses none up.
// https://pages.nist.gov/800-63-4/sp800-63b.html#account-recovery
import type { KoaContextWithOIDC } from 'oidc-provider';
import { FhirError } from '../errors.js';
import type { Documents } from '../storage/documents.js';
import { isAllowed, network } from './allowance.js';
import type { Accounts } from './accounts.js';
import type { Approvals } from './approvals.js';
import type { Answers } from './remembered.js';
import type { Ended } from './ended.js';
import { sentForm, type Middleware } from './endpoints.js';
import type { AccessEvent } from './events.js';
import { html, sendPage, type Html } from './html.js';
import { resetLetter, type PostLetter, type Tell } from './letters.js';
import { hasPasskey, type Login } from './login.js';
import { recoveryCodes, secondFactorFields } from './login-page.js';
import { endEverything } from './own-session.js';
import type { Links } from './upstream-links.js';
import { withPassword, type PasswordLink, type PasswordLinks } from './password-links.js';
import { hashPassword } from './passwords.js';
import { textOf } from './provider.js';
import { newSecondFactor, proposeSecondFactor } from './second-factor.js';
import type { Secrets } from './secrets.js';

export interface PasswordPageOptions {
  readonly prefix: string;
  readonly documents: Documents;
  readonly accounts: Accounts;
  readonly approvals: Approvals;
  readonly answers: Answers;
  readonly links: PasswordLinks;
  readonly upstreamLinks: Links;
  readonly login: Login;
  readonly secrets: Secrets;
  /** Absent where this server sends no mail. */
  readonly post: PostLetter | undefined;
  readonly tell: Tell;
  readonly onEvent: (event: AccessEvent) => void;
  readonly onEnded: (what: Ended) => void;
}

/** A whole clinic may have one address. */
const ofAddress = { most: 30, within: 3_600_000 };
const ofName = { most: 3, within: 3_600_000 };

export const passwordPages =
  (options: PasswordPageOptions): Middleware =>
  async (ctx, next) => {
    const { path, method } = ctx;
    const isOurs = path === '/password' || path === '/forgotten';
    if (!isOurs || !['GET', 'POST'].includes(method)) return void (await next());
    const form = await sentForm(ctx);
    if (form === 'refused') return notGood(options, ctx);
    if (path === '/password') await choose(options, ctx, form);
    else await forgotten(options, ctx, form);
  };

const alert = (text: string): Html => html`<p class="wrong" role="alert">${text}</p>`;

const notGood = ({ prefix, post }: PasswordPageOptions, ctx: KoaContextWithOIDC): void =>
  sendPage(
    ctx,
    'This link is not good',
    html`<p>It was used, is too old, or a newer one was sent.</p>
      ${post && html`<p><a href="${prefix}/forgotten">Ask for a new password</a></p>`}`,
    { status: 400, prefix },
  );

async function forgotten(
  { prefix, documents, secrets, post, onEvent }: PasswordPageOptions,
  ctx: KoaContextWithOIDC,
  form: URLSearchParams | undefined,
): Promise<void> {
  if (post === undefined) {
    return sendPage(
      ctx,
      'A new password',
      html`<p>This server sends no mail. Whoever gave you your account can give you a new password.</p>`,
      { status: form === undefined ? 200 : 501, prefix },
    );
  }
  if (form === undefined) {
    return sendPage(
      ctx,
      'A new password',
      html`<form method="post" action="${prefix}/forgotten">
        <label for="name">Name, or e-mail address</label>
        <input
          type="text"
          id="name"
          name="name"
          autocomplete="username"
          autocapitalize="none"
          spellcheck="false"
          required
        />
        <button class="first">Send a link</button>
      </form>`,
      { prefix },
    );
  }
  if (!(await isAllowed(documents, `resets from ${network(ctx.ip)}`, ofAddress)))
    throw new FhirError(
      'too-many-requests',
      'Too many new passwords were asked for from here. Try again in an hour.',
    );
  const asked = form.get('name') ?? '';
  // Counted, sealed and put in the queue whatever was typed: what comes of it is found out by the job.
  if (await isAllowed(documents, `resets for ${asked}`, ofName)) await post(resetLetter(secrets, asked));
  onEvent({ kind: 'reset-asked' });
  sendPage(
    ctx,
    'Look at your mail',
    html`<p role="status">
      If there is such an account and it has an e-mail address, a link was sent there. It is good for 30
      minutes.
    </p>`,
    { prefix },
  );
}

async function choose(
  options: PasswordPageOptions,
  ctx: KoaContextWithOIDC,
  form: URLSearchParams | undefined,
): Promise<void> {
  const { prefix, links, login, secrets, onEvent } = options;
  const link = form?.get('link') ?? textOf(ctx.query['link']) ?? '';
  const found = await links.find(link);
  if (found === undefined) {
    if (form !== undefined) onEvent({ kind: 'link-refused' });
    return notGood(options, ctx);
  }
  const { account, purpose } = found;
  const wantsFactor =
    account.totp === undefined && !hasPasskey(account) && (await login.demandsSecondFactor(account));
  const show = (wrong?: string): void =>
    sendPage(
      ctx,
      purpose === 'invitation' ? 'Welcome' : 'A new password',
      choosePage({
        found,
        link,
        prefix,
        wrong,
        secret: wantsFactor ? (form?.get('secret') ?? '') : undefined,
      }),
      { prefix, status: wrong === undefined ? 200 : 400 },
    );
  if (form === undefined) return show();
  const factor = wantsFactor
    ? newSecondFactor(secrets, form.get('secret') ?? '', form.get('code') ?? '')
    : undefined;
  if (wantsFactor && factor === undefined) return show('The code is not right.');
  let password: string;
  try {
    password = await hashPassword(form.get('fresh') ?? '');
  } catch (error) {
    if (error instanceof FhirError && error.code === 'value') return show(error.message);
    throw error;
  }
  const changed = await links.use(link, each => ({ ...withPassword(each, password), ...factor?.kept }));
  if (changed === undefined) {
    onEvent({ kind: 'link-refused' });
    return notGood(options, ctx);
  }
  await settle(options, found);
  const linked = await options.upstreamLinks.of(account.id);
  sendPage(
    ctx,
    'The password is set',
    html`${factor && recoveryCodes(factor.codes)}
      <p>From now on you sign in as <strong>${account.name}</strong>.</p>
      ${
        hasPasskey(account) &&
        html`<p>
          Passkeys sign in to it too, without the password: remove there those you do not know
          (${account.passkeys!.map(({ name }) => name).join(', ')}).
        </p>`
      }
      ${
        linked.length > 0 &&
        html`<p>
          So do people at ${linked.map(({ issuer }) => issuer).join(', ')}: unlink there what you do not know.
        </p>`
      }
      <p><a href="${prefix}/manage">Sign in</a></p>`,
    { prefix },
  );
}

/** Whoever was signed in by the password of before is no longer; and whoever was locked out by guesses may try again. */
async function settle(options: PasswordPageOptions, { account, purpose }: PasswordLink): Promise<void> {
  const { login, tell, onEvent } = options;
  if (purpose === 'invitation')
    return onEvent({ kind: 'account', account: account.id, change: 'invitation-used' });
  await endEverything(options, account.id);
  await login.unlock(account);
  await tell(account, 'reset');
}

function choosePage({
  found: { account, purpose },
  link,
  prefix,
  wrong,
  secret,
}: {
  found: PasswordLink;
  link: string;
  prefix: string;
  wrong: string | undefined;
  /** The one proposed before; undefined where no second factor is asked for. */
  secret: string | undefined;
}): Html {
  return html`${wrong !== undefined && alert(wrong)}
    <p>
      ${purpose === 'invitation' ? 'You were invited, and will sign in as' : 'For the account'}
      <strong>${account.name}</strong>.
    </p>
    <form method="post" action="${prefix}/password">
      <input type="hidden" name="link" value="${link}" />
      <input type="hidden" name="name" value="${account.name}" autocomplete="username" />
      <label for="fresh">New password, at least 10 characters</label>
      <input type="password" id="fresh" name="fresh" autocomplete="new-password" minlength="10" required />
      ${
        secret !== undefined &&
        html`<p>Your role asks for a second factor too.</p>
          ${secondFactorFields(proposeSecondFactor(account, secret))}`
      }
      <button class="first">Set the password</button>
    </form>`;
}
