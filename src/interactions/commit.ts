// The one write path: judge, apply the rules, commit; where the store has moved meanwhile, judge again on what is
// there now. Everything that writes ends here. https://hl7.org/fhir/R4/http.html#concurrency
import { setTimeout as wait } from 'node:timers/promises';
import { FhirError } from '../errors.js';
import { parseJson } from '../fhir/json.js';
import { refKey, type Resource } from '../fhir/resource.js';
import { WriteConflict, type Receipt, type Write } from '../storage/store.js';
import { NotLoaded } from '../terminology/catalog.js';
import type { Context } from './context.js';
import { resourceIn, type Prepared } from './prepare.js';

const attempts = 5;

/** Who waits for whom: writers of the same resource or lock take turns within this process, instead of failing each other. */
const turns = new Map<string, Promise<void>>();

/** Runs `work` once every earlier holder of any of the keys is done. Keys are taken in order, so nobody waits in a ring. */
export async function inTurn<T>(keys: readonly string[], work: () => Promise<T>): Promise<T> {
  const waits: Promise<void>[] = [];
  let done!: () => void;
  const mine = new Promise<void>(resolve => (done = resolve));
  const wanted = new Set(keys);
  for (const key of wanted) {
    const before = turns.get(key);
    if (before !== undefined) waits.push(before);
    turns.set(key, mine);
  }
  if (waits.length > 0) await Promise.all(waits);
  try {
    return await work();
  } finally {
    for (const key of wanted) if (turns.get(key) === mine) turns.delete(key);
    done();
  }
}

/** More definitions than any resource's profiles and value sets need. */
const mostLoads = 1000;

/** Judges again once what it lacked has been read. */
async function judged<T>(prepare: () => Promise<T>): Promise<T> {
  for (let loads = 0; ; loads++) {
    try {
      return await prepare();
    } catch (error) {
      if (!(error instanceof NotLoaded) || loads === mostLoads) throw error;
      await error.load();
    }
  }
}

/**
 * Commits what `prepare` judges, all or nothing. `keys` name the resources (`Type/id`) and locks it is about, as far as
 * they are known. `receipt` makes the answer to be kept with the commit, also where nothing had to be written.
 * @throws FhirError `conflict`, `duplicate`; WriteConflict where the receipt's key is taken.
 */
export function commit<T extends readonly Prepared[]>(
  context: Context,
  keys: readonly string[],
  prepare: () => Promise<T>,
  receipt?: (prepared: T) => Receipt,
): Promise<T> {
  const take = context.settings.inTurn ?? inTurn;
  return take(keys, async () => {
    for (let attempt = 1; ; attempt++) {
      const prepared = await judged(prepare);
      const asked = await withRules(
        context,
        prepared.flatMap(one => one.writes),
      );
      const { consents } = context.settings;
      const writes = [...asked, ...((await consents?.effects(asked)) ?? [])];
      const kept = receipt?.(prepared);
      if (writes.length === 0 && kept === undefined) return prepared;
      try {
        await context.store.commit(writes, kept);
        await consents?.committed(asked);
        return prepared;
      } catch (error) {
        if (!(error instanceof WriteConflict)) throw error;
        await consents?.refused(asked);
        refuse(error, writes);
        if (error.reason === 'index') await context.settings.refreshCustom?.();
        if (attempt === attempts) {
          throw new FhirError(
            'conflict',
            'The resource kept changing while this was tried; read it again and retry.',
            { cause: error },
          );
        }
        // Rivals in this process took their turn; those of another are met again unless somebody steps back.
        await wait(Math.random() * 4 ** attempt);
      }
    }
  });
}

/** Throws where judging again cannot help; returns where it may. */
function refuse(conflict: WriteConflict, writes: readonly Write[]): void {
  const target = conflict.index < 0 ? '' : refKey(writes[conflict.index]!.ref);
  switch (conflict.reason) {
    case 'version':
    case 'condition':
    case 'index':
      return;
    case 'required':
      throw new FhirError(
        'invalid-reference',
        `${target} refers to ${conflict.what}, which does not exist here.`,
        { cause: conflict },
      );
    case 'referenced':
      throw new FhirError('conflict', `${target} cannot be deleted: other resources refer to it.`, {
        cause: conflict,
      });
    case 'claim':
      throw new FhirError(
        'duplicate',
        `${target} needs something that another resource already holds: ${conflict.what}.`,
        { cause: conflict },
      );
    case 'receipt':
      throw conflict; // `once` answers with what is kept
  }
}

/** Asks the rules of each write's type and adds the claims they name. */
async function withRules(context: Context, writes: readonly Write[]): Promise<readonly Write[]> {
  const { rules } = context.settings;
  if (rules.length === 0) return writes;
  return Promise.all(
    writes.map(async write => {
      const asked = rules.filter(rule => rule.types.includes(write.ref.type));
      if (asked.length === 0) return write;
      const current = await context.store.read(write.ref);
      const before = current?.body === undefined ? undefined : resourceIn(current);
      const after = write.body === undefined ? undefined : (parseJson(write.body) as Resource);
      const claims = [...(write.claims ?? [])];
      for (const rule of asked) claims.push(...((await rule.judge(before, after, write)).claims ?? []));
      return { ...write, claims };
    }),
  );
}
