// Who a valid token speaks for: what authenticate.ts answers and what a grant is compiled from.

export interface Identity {
  /** The account's id, or the client's where no user is involved. */
  readonly sub: string;
  readonly clientId: string;
  /** Absent for backend services. */
  readonly user?: User;
  /** As granted, canonical for this server: what the token response said. */
  readonly scopes: readonly string[];
  /** Id of the patient in context. */
  readonly patient?: string;
  /** Id of the encounter in context. */
  readonly encounter?: string;
  /** Names the approval the token was issued under; for backend services, the client. */
  readonly grantId: string;
  /** `system|code`s and `system|`s under which the client may keep state. */
  readonly stateCodes?: readonly string[];
}

export interface User {
  /** Id of the account. */
  readonly account: string;
  /** The person as a relative reference, such as `Practitioner/7`. */
  readonly fhirUser: string;
  readonly roles: readonly string[];
  readonly facility?: string;
  /** Ids of the patients whose record is theirs to see: their own, or those they stand for. */
  readonly patients?: readonly string[];
}
