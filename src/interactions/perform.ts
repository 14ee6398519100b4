// One write on its own: carried out once per Idempotency-Key, committed, answered.
import { answer } from './answer.js';
import { commit } from './commit.js';
import type { Context } from './context.js';
import type { FhirResponse } from './exchange.js';
import type { Prepared, Result } from './prepare.js';
import { withProvenance } from './provenance.js';
import { once } from './receipt.js';

/**
 * Commits what `prepare` judges; `keys` name the resource or the locks it is about, so that rivals take turns.
 * `respond` makes the response; without it, the written resource as Prefer wishes.
 */
export const perform = (
  context: Context,
  keys: readonly string[],
  prepare: () => Promise<Prepared>,
  respond: (result: Result) => FhirResponse = result => answer(context, result),
): Promise<FhirResponse> =>
  once<FhirResponse>(context, async receipt => {
    const [prepared] = await commit(
      context,
      keys,
      async () => [await withProvenance(context, await prepare())] as const,
      receipt && (([one]) => receipt(asText(respond(one.result)))),
    );
    return respond(prepared.result);
  });

/** The response as JSON can keep it. */
const asText = (response: FhirResponse): FhirResponse =>
  response.body instanceof Uint8Array
    ? { ...response, body: Buffer.from(response.body).toString() }
    : response;
