// One write on its own: carried out once per Idempotency-Key, committed, answered.
import { answer } from './answer.js';
import { commit } from './commit.js';
import type { Context } from './context.js';
import type { FhirResponse } from './exchange.js';
import type { Prepared } from './prepare.js';
import { once } from './receipt.js';

/** Commits what `prepare` judges; `keys` name the resource or the locks it is about, so that rivals take turns. */
export const perform = (
  context: Context,
  keys: readonly string[],
  prepare: () => Promise<Prepared>,
): Promise<FhirResponse> =>
  once(context, async receipt => {
    const [prepared] = await commit(
      context,
      keys,
      async () => [await prepare()] as const,
      ([one]) => receipt(answer(context.request, one.result)),
    );
    return answer(context.request, prepared.result);
  });
