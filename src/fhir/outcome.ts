// OperationOutcome: how every failure, and every success that has something to say, is told to a client.
// https://hl7.org/fhir/R4/operationoutcome.html
import { errorTable, FhirError, type Issue } from '../errors.js';
import type { Resource } from './resource.js';

/** What an outcome says when nothing is wrong; an OperationOutcome needs at least one issue. */
export const allOk: Issue = { severity: 'information', code: 'informational', text: 'All OK' };

/** The issues as a resource; `All OK` where there are none. */
export const operationOutcome = (issues: readonly Issue[]): Resource => ({
  resourceType: 'OperationOutcome',
  issue: (issues.length === 0 ? [allOk] : issues).map(
    ({ severity, code, text, expression, diagnostics }) => ({
      severity,
      code,
      details: { text },
      ...(diagnostics === undefined ? {} : { diagnostics }),
      ...(expression === undefined ? {} : { expression: [expression] }),
    }),
  ),
});

export interface Failure {
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;
  readonly outcome: Resource;
}

/**
 * The answer to something thrown. A FhirError goes by the table; anything else is `internal`, and tells the client no
 * more than the request id under which the log has the cause.
 */
export function outcomeOf(error: unknown, requestId: string): Failure {
  if (error instanceof FhirError && error.code !== 'internal') {
    return { status: error.status, headers: error.headers, outcome: operationOutcome(error.issues) };
  }
  const { status, issue } = errorTable.internal;
  const text = `The server failed to do this; its log has the reason under request ${requestId}.`;
  return { status, headers: {}, outcome: operationOutcome([{ severity: 'fatal', code: issue, text }]) };
}
