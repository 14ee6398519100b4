// A role as data; roles.ts reads and keeps them, smart-grant.ts compiles them. docs/roles.md

/** What is not an interaction on a type. */
export const abilities = [
  'break-glass',
  'disclosures',
  'explain',
  'expunge',
  'people',
  'roles',
  'unlabel',
] as const;
export type Ability = (typeof abilities)[number];

export interface RolePermission {
  /** Resource types; `*`: all. */
  readonly types: readonly string[];
  readonly except?: readonly string[];
  /** Of `cruds`, in that order. */
  readonly may: string;
  /**
   * Only what this search finds: `category=laboratory`. `{user}` is the person. It follows no references, since writes
   * are judged by it within the commit.
   */
  readonly where?: string;
}

export interface Role {
  /** One sentence for people. */
  readonly says: string;
  /** `own`: only the record of the patients the account is for, and what such records refer to. */
  readonly reach: 'all' | 'own';
  readonly permissions: readonly RolePermission[];
  /** By type, elements (`telecom`, `contact.telecom`, `value[x]`) that never leave the server for this role. */
  readonly masks?: Readonly<Record<string, readonly string[]>>;
  readonly abilities?: readonly Ability[];
  /** Why its people look at records: a code of v3-ActReason. */
  readonly purpose?: string;
  /** `required`: its people sign in with a second factor or a passkey, and are asked to set one up. */
  readonly secondFactor?: 'required';
  /** `exempt`: patients' consent does not bind it. */
  readonly consent?: 'exempt';
}
