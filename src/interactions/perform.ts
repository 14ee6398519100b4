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
export async function perform(
  context: Context,
  keys: readonly string[],
  prepare: () => Promise<Prepared>,
  respond: (result: Result) => FhirResponse = result => answer(context, result),
): Promise<FhirResponse> {
  const [result] = await once(context, true, async receipt => {
    const [prepared] = await commit(
      context,
      keys,
      async () => [await withProvenance(context, await prepare())] as const,
      receipt && (([one]) => receipt([one.result])),
    );
    return [prepared.result];
  });
  return respond(result!);
}
