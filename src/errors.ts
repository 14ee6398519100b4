// Every failure Tsela tells a client about, and the one table that gives each its HTTP status and its
// OperationOutcome issue code. https://hl7.org/fhir/R4/http.html#Status-Codes,
// https://hl7.org/fhir/R4/valueset-issue-type.html

/** The table: error code → HTTP status, issue type, and when it is used (docs/errors.md is proven against it). */
// prettier-ignore
export const errorTable = {
  'invalid-json': { status: 400, issue: 'invalid', when: 'The body is not JSON, repeats a key, or nests too deep.' },
  'invalid-xml': { status: 400, issue: 'invalid', when: 'The body is not XML as FHIR writes it: not well-formed, of another namespace, with a DOCTYPE, or too deep.' },
  structure: { status: 400, issue: 'structure', when: 'The resource is not of the shape its definition gives.' },
  value: { status: 400, issue: 'value', when: 'An element or a header has a value of the wrong form.' },
  required: { status: 400, issue: 'required', when: 'Something the interaction needs is missing.' },
  'wrong-type': { status: 400, issue: 'invalid', when: 'resourceType is missing, unknown, or not the one in the URL.' },
  'wrong-id': { status: 400, issue: 'invalid', when: 'The id is missing, malformed, or not the one in the URL.' },
  'invalid-search': { status: 400, issue: 'invalid', when: 'A search parameter, modifier, prefix or value is not understood.' },
  'invalid-cursor': { status: 400, issue: 'invalid', when: 'A page link was altered or belongs to another search.' },
  'invalid-reference': { status: 400, issue: 'invalid', when: 'A reference names a type it may not, or a target that is not there.' },
  'overlapping-entries': { status: 400, issue: 'duplicate', when: 'Two entries of a transaction are about the same resource.' },
  'index-not-ready': { status: 409, issue: 'transient', when: 'The index of a search parameter is still being made.' },
  'too-costly-search': { status: 400, issue: 'too-costly', when: 'The search would examine more than it is allowed to.' },
  'not-authenticated': { status: 401, issue: 'login', when: 'The request carries no valid token.' },
  forbidden: { status: 403, issue: 'forbidden', when: 'The grant does not allow this interaction.' },
  'not-found': { status: 404, issue: 'not-found', when: 'There is no such resource, version, type or operation.' },
  'method-not-allowed': { status: 405, issue: 'not-supported', when: 'The path exists, the method does not.' },
  'not-acceptable': { status: 406, issue: 'not-supported', when: 'None of the accepted media types can be sent.' },
  timeout: { status: 408, issue: 'timeout', when: 'The request was not received, or not served, in time.' },
  conflict: { status: 409, issue: 'conflict', when: 'The resource kept changing, is referenced, or a claim is taken.' },
  duplicate: { status: 409, issue: 'duplicate', when: 'A key that must be unique is already owned.' },
  gone: { status: 410, issue: 'deleted', when: 'The resource was deleted.' },
  'precondition-failed': { status: 412, issue: 'conflict', when: 'If-Match or If-None-Match did not hold.' },
  'multiple-matches': { status: 412, issue: 'multiple-matches', when: 'Conditional criteria found more than one resource.' },
  'too-large': { status: 413, issue: 'too-long', when: 'The body or the bundle is over its limit.' },
  'uri-too-long': { status: 414, issue: 'too-long', when: 'The URL is over its limit; POST _search has none.' },
  'unsupported-media-type': { status: 415, issue: 'not-supported', when: 'The body is of a media type or encoding that is not understood.' },
  misdirected: { status: 421, issue: 'processing', when: 'The request is for another host than the one clients know the server by.' },
  'business-rule': { status: 422, issue: 'business-rule', when: 'The resource breaks a rule of the server.' },
  'not-expandable': { status: 422, issue: 'not-found', when: 'A value set cannot be listed: a part of it is not known here.' },
  'too-costly-expansion': { status: 422, issue: 'too-costly', when: 'A value set has too many codes to be listed at once.' },
  invariant: { status: 422, issue: 'invariant', when: 'The resource breaks an invariant or a profile.' },
  'key-reused': { status: 422, issue: 'business-rule', when: 'An Idempotency-Key came before with another request.' },
  'not-supported': { status: 400, issue: 'not-supported', when: 'A feature of FHIR that this server does not have was asked for.' },
  'too-many-requests': { status: 429, issue: 'throttled', when: 'The client sends more than it may.' },
  internal: { status: 500, issue: 'exception', when: 'The server failed; the log has the cause under the request id.' },
  unavailable: { status: 503, issue: 'transient', when: 'The store cannot be reached, or the server is stopping.' },
} as const satisfies Record<string, { status: number; issue: string; when: string }>;

export type ErrorCode = keyof typeof errorTable;
export type IssueType =
  | (typeof errorTable)[ErrorCode]['issue']
  | 'code-invalid'
  | 'informational'
  | 'processing'
  | 'extension'
  | 'incomplete';

/** One issue of an OperationOutcome. https://hl7.org/fhir/R4/operationoutcome.html */
export interface Issue {
  readonly severity: 'fatal' | 'error' | 'warning' | 'information';
  readonly code: IssueType;
  /** What was wrong and what is accepted; safe to show to the client. */
  readonly text: string;
  /** FHIRPath of the element, for example `Patient.name[0].family`. */
  readonly expression?: string;
  /** The rule behind it, for those who look it up: an invariant's key, a profile. */
  readonly diagnostics?: string;
}

/**
 * A failure with a code of the table. `message` is safe for clients; `cause` is logged and never sent.
 * `issues` replaces the single issue made from `message` where there are several.
 */
export class FhirError extends Error {
  readonly code: ErrorCode;
  readonly expression: string | undefined;
  readonly issues: readonly Issue[];
  /** Response headers the failure carries, such as `ETag` or `Allow`. */
  readonly headers: Readonly<Record<string, string>>;

  constructor(
    code: ErrorCode,
    message: string,
    more: {
      expression?: string | undefined;
      issues?: readonly Issue[];
      headers?: Record<string, string>;
      cause?: unknown;
    } = {},
  ) {
    super(message, more.cause === undefined ? undefined : { cause: more.cause });
    this.name = 'FhirError';
    this.code = code;
    this.expression = more.expression;
    this.headers = more.headers ?? {};
    this.issues = more.issues ?? [
      {
        severity: 'error',
        code: errorTable[code].issue,
        text: message,
        ...(more.expression === undefined ? {} : { expression: more.expression }),
      },
    ];
  }

  get status(): number {
    return errorTable[this.code].status;
  }
}
