// How much one search may ask for. What is over it is refused before any store is asked: thousands of ranges would keep a
// database busy for minutes, or not even compile.
import { FhirError } from '../errors.js';
import type { Node } from './plan.js';

/** Comma-separated values and repeats of all parameters together. */
export const mostValues = 2_000;
/** Of them, those that are sought otherwise than by equality: each is a walk through an index of its own. */
export const mostWalks = 400;

/** @throws FhirError `too-costly-search` where the parameters have more values than a search may; before they are read. */
export function checkValues(params: Iterable<readonly [name: string, value: string]>): void {
  let values = 0;
  for (const [, value] of params) {
    values++;
    for (let at = value.indexOf(','); at >= 0 && values <= mostValues; at = value.indexOf(',', at + 1))
      values++;
    if (values > mostValues) {
      throw new FhirError(
        'too-costly-search',
        `A search may have at most ${mostValues} values; ask for some at a time.`,
      );
    }
  }
}

/** @throws FhirError `too-costly-search` where the criteria ask for more than equality too often. */
export function checkWalks(where: Node): void {
  if (walksIn(where) <= mostWalks) return;
  throw new FhirError(
    'too-costly-search',
    `A search may have at most ${mostWalks} values that are prefixes, parts or ranges, as of names and dates; ask for some at a time.`,
  );
}

function walksIn(node: Node): number {
  switch (node.op) {
    case 'row':
      return node.where.some(({ is }) => is !== 'eq' && is !== 'in') ? 1 : 0;
    case 'and':
    case 'or':
      return node.nodes.reduce((sum, one) => sum + walksIn(one), 0);
    case 'not':
      return walksIn(node.node);
    case 'link':
    case 'backlink':
      return 1 + walksIn(node.node);
    case 'all':
    case 'none':
      return 0;
  }
}
