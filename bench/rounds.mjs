// Turn and turn about: what is measured and its limit in every round, in the order A B, B A, A B … so that neither is
// always the one after a warm-up or a neighbour's build. https://en.wikipedia.org/wiki/Counterbalanced_design
import { median } from './statistics.mjs';

/** @returns per name the results of all rounds. The first round warms both up and is thrown away. */
export async function rounds(many, measured) {
  const names = Object.keys(measured);
  const results = Object.fromEntries(names.map(name => [name, []]));
  for (let round = 0; round <= many; round++) {
    for (const name of round % 2 === 0 ? names : names.toReversed()) {
      const result = await measured[name](round);
      if (round > 0) results[name].push(result);
    }
  }
  return results;
}

export const medianOf = (results, figure) => median(results.map(figure));

/** The median over the rounds of one figure by another of the same round. */
export const ratioOf = (over, under, figure) => median(over.map((one, i) => figure(one) / figure(under[i])));

/** Throws unless every answer had the status it should have: a fast refusal is no speed. */
export function expectStatus(run, status) {
  if (run.statuses[status] !== run.count)
    throw new Error(`expected only ${status}, got ${JSON.stringify(run.statuses)}`);
  return run;
}
