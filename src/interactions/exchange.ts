// A FHIR request and its response without a transport: what http/ makes from Koa, what batch makes from an entry.
// https://hl7.org/fhir/R4/http.html

export interface FhirRequest {
  /** GET, HEAD, POST, PUT, PATCH or DELETE. */
  readonly method: string;
  /** Decoded segments of the path below the FHIR base: `['Patient', '1', '_history', '2']`. */
  readonly path: readonly string[];
  /** Decoded query parameters in the order they came, repeats kept. */
  readonly query: readonly (readonly [name: string, value: string])[];
  /** Lower-case names. */
  readonly headers: Readonly<Record<string, string | undefined>>;
  /** Decompressed body; absent where there is none. */
  readonly body?: Uint8Array;
  /** The FHIR base without trailing slash, for links: `https://example.org/fhir`. */
  readonly base: string;
  /** X-Request-Id, given or made. */
  readonly id: string;
  /** Where it came from, for the audit trail. */
  readonly address?: string;
}

export interface FhirResponse {
  readonly status: number;
  /** Lower-case names. */
  readonly headers: Readonly<Record<string, string>>;
  /** Bytes to be sent as they are, with `content-type` among the headers. */
  readonly body?: Uint8Array | string;
  /** When the version sent was made, ms; Last-Modified says it in whole seconds. */
  readonly lastUpdated?: number;
  /** Versions the body shows (`Patient/1/_history/2`), where the handler did not read them for this very request. */
  readonly disclosed?: readonly string[];
  /** The route's interaction, for logs and metrics; dispatch sets it. */
  readonly interaction?: string;
}
