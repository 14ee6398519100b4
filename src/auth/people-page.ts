// Where administrators see who can sign in, invite somebody, and end or renew what somebody may do. Only for roles with the
// ability `people`, signed in a moment ago. Nobody gives more than they have: who belongs to a facility looks after its
// people alone, who may not change roles after people of the own roles, patients, and who stands for them.
import type { KoaContextWithOIDC, Provider } from 'oidc-provider';
import { FhirError } from '../errors.js';
import { accountRoles, type Account, type Accounts } from './accounts.js';
import { sentForm, type Middleware } from './endpoints.js';
import type { AccessEvent } from './events.js';
import { goTo, html, sendPage, type Html } from './html.js';
import { linkTo, timeOf, type PostLetter } from './letters.js';
import { isFresh, isSealed, sealedFields, sessionOf } from './own-session.js';
import { invitedAnew, type PasswordLinks } from './password-links.js';
import { accountOf, invited, type Person } from './people.js';
import { textOf } from './provider.js';
import type { Ability } from './role.js';
import type { RoleBook, Roles } from './roles.js';
import { sealOf, type Secrets } from './secrets.js';

export interface PeoplePageOptions {
  readonly provider: () => Provider;
  readonly prefix: string;
  readonly issuer: string;
  readonly accounts: Accounts;
  readonly links: PasswordLinks;
  readonly roles: RoleBook;
  readonly secrets: Secrets;
  readonly post: PostLetter | undefined;
  readonly onEvent: (event: AccessEvent) => void;
}

const isAble = (book: Roles, { roles }: Account, ability: Ability): boolean =>
  roles.some(role => book.get(role)?.abilities?.includes(ability));

export const mayInvite = async (roles: RoleBook, account: Account): Promise<boolean> =>
  isAble(await roles.all(), account, 'people');

/** Who may change roles may give any; others what they have themselves, and what reaches the own record alone. */
const mayGive = (book: Roles, by: Account, role: string): boolean =>
  isAble(book, by, 'roles') || by.roles.includes(role) || book.get(role)?.reach === 'own';

export const peoplePage =
  (options: PeoplePageOptions): Middleware =>
  async (ctx, next) => {
    if (ctx.path !== '/people' || !['GET', 'POST'].includes(ctx.method)) return void (await next());
    const { prefix, accounts, roles, secrets } = options;
    const refuse = (title: string, text: string, status: number): void =>
      sendPage(ctx, title, html`<p>${text}</p>`, { status, prefix });
    const form = await sentForm(ctx);
    if (form === 'refused') return refuse('This page has expired', 'Open it again.', 400);
    const own = await sessionOf(options.provider(), accounts, ctx);
    if (own === undefined || !isFresh(own.session)) return goTo(ctx, `${prefix}/sign-in?then=people`);
    if (!(await mayInvite(roles, own.account)))
      return refuse('Not for you', 'Only who looks after accounts may open this page.', 403);
    if (form !== undefined && !isSealed(secrets, own.session, form))
      return refuse('This page has expired', 'Open it again.', 400);
    let said: Html | undefined;
    if (form !== undefined) {
      try {
        said = await act(options, own.account, form);
      } catch (error) {
        if (!(error instanceof FhirError) || error.status >= 500) throw error;
        said = html`<p class="wrong" role="alert">${error.message}</p>`;
      }
    }
    await show(options, ctx, own.account, sealOf(secrets, own.session.uid), said);
  };

/** Whether the account is one that this administrator looks after. */
const isTheirs = (book: Roles, by: Account, { facility, roles }: Account): boolean =>
  (by.facility === undefined || by.facility === facility) && roles.every(role => mayGive(book, by, role));

async function act(
  options: PeoplePageOptions,
  by: Account,
  form: URLSearchParams,
): Promise<Html | undefined> {
  const { accounts, onEvent } = options;
  const book = await options.roles.all();
  const text = (name: string): string | undefined => form.get(name)?.trim() || undefined;
  if (form.get('do') === 'invite') {
    const [facility, mail, patients] = [by.facility ?? text('facility'), text('mail'), text('patients')];
    const before = await accounts.byName(text('name') ?? '');
    if (before !== undefined && !isTheirs(book, by, before))
      throw new FhirError('duplicate', `There is an account "${before.name}" already.`);
    const person: Person = {
      name: text('name') ?? '',
      is: text('is') ?? '',
      roles: form.getAll('role'),
      ...(patients === undefined ? {} : { patients: patients.split(/[\s,]+/) }),
      ...(facility === undefined ? {} : { facility }),
      ...(mail === undefined ? {} : { mail }),
    };
    const refused = accountOf(person).roles.find(role => !mayGive(book, by, role));
    if (refused !== undefined) throw new FhirError('forbidden', `You may not give the role "${refused}".`);
    const account = await invited(accounts, person);
    onEvent({ kind: 'account', account: account.id, change: 'invited', by: by.id });
    return invitation(options, account);
  }
  const account = await accounts.find(form.get('which') ?? '');
  if (account === undefined || !isTheirs(book, by, account) || account.id === by.id) return undefined;
  switch (form.get('do')) {
    case 'invite-again': {
      if (account.password !== undefined) return undefined;
      const again = await accounts.change(account.id, each =>
        each.password === undefined ? invitedAnew(each) : each,
      );
      onEvent({ kind: 'account', account: account.id, change: 'invited', by: by.id });
      return invitation(options, again);
    }
    case 'disable':
    case 'enable': {
      const disabled = form.get('do') === 'disable';
      await accounts.change(account.id, each => ({ ...each, disabled }));
      onEvent({ kind: 'account', account: account.id, change: disabled ? 'disabled' : 'enabled', by: by.id });
      return undefined;
    }
    default:
      return undefined;
  }
}

/** Sends it, or shows its link where it cannot be sent. */
async function invitation({ links, issuer, post }: PeoplePageOptions, account: Account): Promise<Html> {
  if (account.mail !== undefined && post !== undefined) {
    await post({ kind: 'invitation', account: account.id });
    return html`<p role="status">An invitation for ${account.name} is on its way to ${account.mail}.</p>`;
  }
  const { link, until } = await links.issue(account, 'invitation');
  return html`<p role="status">
    Give ${account.name} this link; it is shown once and good once, until ${timeOf(until)}:<br />
    <code>${linkTo(issuer, link)}</code>
  </p>`;
}

const most = 100;

async function show(
  { prefix, accounts, roles: ofRoles }: PeoplePageOptions,
  ctx: KoaContextWithOIDC,
  by: Account,
  seal: string,
  said: Html | undefined,
): Promise<void> {
  const action = `${prefix}/people`;
  const asked = textOf(ctx.query['q'])?.trim() ?? '';
  const words = asked.toLowerCase();
  const book = await ofRoles.all();
  const theirs = (await accounts.list())
    .filter(account => isTheirs(book, by, account))
    .filter(({ name, fhirUser }) => `${name} ${fhirUser}`.toLowerCase().includes(words))
    .sort((a, b) => (a.name < b.name ? -1 : 1));
  const button = (account: Account, doing: string, label: string): Html =>
    html`<form method="post" action="${action}">
      ${sealedFields(seal, doing)}<input type="hidden" name="which" value="${account.id}" /><button>
        ${label}
      </button>
    </form>`;
  const rows = theirs.slice(0, most).map(account => {
    const { name, fhirUser, roles, facility, password, disabled, totp } = account;
    const state =
      disabled === true
        ? 'disabled'
        : password === undefined
          ? 'invited'
          : totp === undefined
            ? ''
            : 'second factor';
    return html`<tr>
      <th scope="row">${name}</th>
      <td>
        <code>${fhirUser}</code
        ><br />${roles.join(', ')}${facility !== undefined && html`<br />of ${facility}`}${
          state !== '' && html`<br />${state}`
        }
      </td>
      <td>
        ${
          account.id !== by.id &&
          html`${password === undefined && disabled !== true && button(account, 'invite-again', 'Invite again')}
          ${disabled === true ? button(account, 'enable', 'Let sign in') : button(account, 'disable', 'Disable')}`
        }
      </td>
    </tr>`;
  });
  const field = (name: string, label: string, more: Html = html``): Html =>
    html`<label for="${name}">${label}</label
      ><input type="text" id="${name}" name="${name}" autocomplete="off" ${more} />`;
  sendPage(
    ctx,
    'People',
    html`${said}
      <h2>Invite somebody</h2>
      <form method="post" action="${action}">
        ${sealedFields(seal, 'invite')} ${field('name', 'Name to sign in with', html`required`)}
        ${field('is', 'Who that is in the records, such as Practitioner/7', html`required`)}
        <fieldset>
          <legend>Roles; none for a patient or who stands for one</legend>
          ${accountRoles
            .filter(role => mayGive(book, by, role))
            .map(
              role =>
                html`<label class="choice"
                  ><input type="checkbox" name="role" value="${role}" /> ${role}</label
                >`,
            )}
        </fieldset>
        ${field('patients', 'Ids of the patients whose record they may see; for who stands for them')}
        ${by.facility === undefined && field('facility', 'Facility they belong to; none: all')}
        ${field('mail', 'E-mail address; without one you get the link')}
        <button class="first">Invite</button>
      </form>
      <h2>Who can sign in</h2>
      <form method="get" action="${action}">
        <label for="q">Find</label><input type="search" id="q" name="q" value="${asked}" /><button>
          Find
        </button>
      </form>
      <table>
        <tbody>
          ${rows}
        </tbody>
      </table>
      ${theirs.length > most && html`<p>${theirs.length - most} more: look for a name.</p>`}
      <p><a href="${prefix}/manage">Your own access</a></p>`,
    { prefix },
  );
}
