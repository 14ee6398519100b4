// What can end before its time, told to whoever remembers tokens.

export type Ended =
  | { readonly token: string }
  | { readonly grantId: string }
  | { readonly session: string }
  | { readonly client: string }
  | { readonly account: string };
