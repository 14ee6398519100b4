// What happens at the doors: for the audit trail and the log. No secret, no name, ids only.

export type AccessEvent =
  | { readonly kind: 'login'; readonly account: string; readonly client?: string }
  | { readonly kind: 'login-refused'; readonly client?: string }
  | { readonly kind: 'logout'; readonly account: string }
  | { readonly kind: 'consent'; readonly account: string; readonly client: string; readonly grantId: string }
  | { readonly kind: 'consent-refused'; readonly account: string; readonly client: string }
  | { readonly kind: 'launch'; readonly account: string; readonly client: string }
  | { readonly kind: 'token'; readonly client: string; readonly account?: string; readonly grantId?: string; readonly grantType: string } // prettier-ignore
  | { readonly kind: 'token-refused'; readonly client?: string; readonly error: string }
  | {
      readonly kind: 'revoked';
      readonly account?: string;
      readonly client?: string;
      readonly grantId?: string;
    }
  | { readonly kind: 'registered'; readonly client: string }
  /** `by`: the account of whoever did it, where that is somebody else. */
  | {
      readonly kind: 'account';
      readonly account: string;
      readonly change: AccountChange;
      readonly by?: string;
    }
  /** Whose, is not known; a name that was typed is not kept. */
  | { readonly kind: 'reset-asked' }
  /** A link for a password that is not good. */
  | { readonly kind: 'link-refused' };

export type AccountChange =
  | 'invited'
  | 'invitation-used'
  | 'password'
  | 'reset'
  | 'second-factor'
  | 'no-second-factor'
  | 'passkey'
  | 'no-passkey'
  | 'linked'
  | 'unlinked'
  | 'disabled'
  | 'enabled';
