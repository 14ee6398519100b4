// batch: each entry is a request of its own, dispatched as if it had come alone. https://hl7.org/fhir/R4/http.html#transaction
import { FhirError } from '../errors.js';
import { isObject, type JsonObject } from '../fhir/json.js';
import { outcomeOf } from '../fhir/outcome.js';
import type { Resource } from '../fhir/resource.js';
import { checkGateShallow } from '../validation/gate.js';
import { sendBytes } from './answer.js';
import { bundleBytes, type Entry } from './bundle.js';
import { entryRequest, isRead, responseEntry, standalone, statusText } from './bundle-entry.js';
import type { Context, Handler } from './context.js';
import type { FhirResponse } from './exchange.js';
import { parseInTurns, pausing } from '../fhir/in-turns.js';
import { transaction } from './transaction.js';

/** Entries under way at once: enough for them to share commits, few enough to leave room for other requests. */
const parallel = 8;

/** POST [base]: a batch or a transaction. */
export const bundle: Handler = async context => {
  const { request, settings } = context;
  if (request.body === undefined || request.body.length === 0)
    throw new FhirError('required', 'The request needs a body: a batch or transaction Bundle.');
  const pause = pausing();
  const body = await parseInTurns(request.body, 'entry', pause);
  if (!isObject(body) || body['resourceType'] !== 'Bundle') {
    throw new FhirError(
      'wrong-type',
      'The base takes a Bundle of type "batch" or "transaction"; post a single resource to its type.',
      { expression: 'resourceType' },
    );
  }
  checkGateShallow(body as Resource);
  const entries = (body['entry'] ?? []) as readonly JsonObject[];
  if (entries.length > settings.maxBundleEntries) {
    throw new FhirError(
      'too-large',
      `The Bundle has ${entries.length} entries; at most ${settings.maxBundleEntries} are taken at once.`,
      { expression: 'Bundle.entry' },
    );
  }
  switch (body['type']) {
    case 'transaction':
      return transaction(context, entries, pause);
    case 'batch':
      return batch(context, entries);
    default:
      throw new FhirError(
        'value',
        `A Bundle posted to the base is a "batch" or a "transaction", not a "${String(body['type'])}".`,
        { expression: 'Bundle.type' },
      );
  }
};

async function batch(context: Context, entries: readonly JsonObject[]): Promise<FhirResponse> {
  const answers: Entry[] = new Array<Entry>(entries.length);
  let next = 0;
  const worker = async (): Promise<void> => {
    for (let i = next++; i < entries.length; i = next++)
      answers[i] = await answerEntry(context, entries[i]!, i);
  };
  await Promise.all(Array.from({ length: Math.min(parallel, entries.length) }, worker));
  return sendBytes(
    { status: 200, headers: {} },
    bundleBytes({ type: 'batch-response' }, answers),
    context.request,
  );
}

async function answerEntry(context: Context, entry: JsonObject, index: number): Promise<Entry> {
  try {
    const read = entryRequest(entry, index, context.settings.bases);
    if (read.path.length === 0 && !isRead(read)) {
      throw new FhirError('not-supported', 'A batch cannot hold a batch or a transaction.', {
        expression: `Bundle.entry[${index}].request.url`,
      });
    }
    return responseEntry(read, await context.dispatch(standalone(context, read)));
  } catch (error) {
    const { status, outcome } = outcomeOf(error, context.request.id);
    return { response: { status: statusText(status), outcome } };
  }
}
