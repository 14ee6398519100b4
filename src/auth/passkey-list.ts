// The part of the management page about passkeys: those there are, and adding one. Only for who signed in a moment ago.
import type { Session } from 'oidc-provider';
import type { Account } from './accounts.js';
import { html, type Html } from './html.js';
import { isFresh, sealedFields } from './own-session.js';
import { passkeyForm } from './passkey-script.js';
import type { Passkeys } from './passkeys.js';

export interface PasskeyList {
  readonly prefix: string;
  readonly passkeys: Passkeys;
  readonly session: Session;
  readonly account: Account;
  readonly seal: string;
}

export async function passkeyList({ prefix, passkeys, session, account, seal }: PasskeyList): Promise<Html> {
  const action = `${prefix}/manage`;
  const mayChange = isFresh(session);
  const day = (time: number): string => new Date(time).toISOString().slice(0, 10);
  const rows = (account.passkeys ?? []).map(
    ({ id, name, created, used }) =>
      html`<tr>
        <th scope="row">${name}</th>
        <td>since ${day(created)}${used !== undefined && `, last used ${day(used)}`}</td>
        <td>
          ${
            mayChange &&
            html`<form method="post" action="${action}">
              ${sealedFields(seal, 'no-passkey')}<input type="hidden" name="which" value="${id}" /><button>
                Remove
              </button>
            </form>`
          }
        </td>
      </tr>`,
  );
  return html`<h2>Passkeys</h2>
    <p>A passkey of your phone, computer or security key signs you in without password and code.</p>
    ${
      rows.length > 0 &&
      html`<table>
        <tbody>
          ${rows}
        </tbody>
      </table>`
    }
    ${
      mayChange
        ? passkeyForm(
            action,
            'create',
            await passkeys.creation(account, session.uid),
            html`${sealedFields(seal, 'passkey')}<label for="called">What to call it</label
              ><input type="text" id="called" name="called" maxlength="60" autocomplete="off" /><button>
                Add a passkey
              </button>`,
          )
        : html`<p><a href="${prefix}/sign-in">Sign in again</a> to add or remove one.</p>`
    }`;
}
