// The reading entries of a transaction: answered after its commit, tried before it. https://hl7.org/fhir/R4/http.html#trules
import { isObject, parseJson, writeJson, type Json } from '../fhir/json.js';
import { operationOutcome } from '../fhir/outcome.js';
import { isRead, standalone, type EntryRequest } from './bundle-entry.js';
import type { Context } from './context.js';
import type { FhirResponse } from './exchange.js';

/** A read that fails makes the transaction fail as the specification wants, with the read's response. */
export class ReadFailed extends Error {
  constructor(readonly response: FhirResponse) {
    super('a read of the transaction failed');
  }
}

/**
 * Tries the reads. They are answered after the commit, when it is too late to refuse; what the transaction itself puts
 * there is taken to be readable then.
 * @throws ReadFailed for the first that fails
 */
export async function tryReads(context: Context, entries: readonly EntryRequest[]): Promise<void> {
  const written = new Set(entries.filter(entry => entry.method === 'PUT').map(entry => entry.path.join('/')));
  for (const entry of entries) {
    if (!isRead(entry) || written.has(entry.path.join('/'))) continue;
    const response = await context.dispatch(standalone(context, entry));
    if (response.status >= 400)
      throw new ReadFailed({ ...response, body: writeJson(locatedOutcome(response.body, entry.index)) });
  }
}

function locatedOutcome(body: FhirResponse['body'], index: number): Json {
  const outcome = body === undefined ? operationOutcome([]) : parseJson(body);
  if (!isObject(outcome) || !Array.isArray(outcome['issue'])) return outcome;
  return {
    ...outcome,
    issue: outcome['issue'].map(issue =>
      isObject(issue) ? { ...issue, expression: [`Bundle.entry[${index}]`] } : issue,
    ),
  };
}
