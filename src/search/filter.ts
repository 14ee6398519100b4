// The grammar of `_filter`: comparisons of parameters joined by and, or, not and parentheses.
// https://hl7.org/fhir/R4/search_filter.html. `and` binds before `or`. criteria.ts makes nodes of the plan of it.
import { FhirError } from '../errors.js';
import { comparisons, quoted, type Comparison } from './types/search-type.js';

export type Filter =
  | { readonly op: 'and' | 'or'; readonly of: readonly Filter[] }
  | { readonly op: 'not'; readonly of: Filter }
  | Comparing;

/** `patient.name co "x"` */
export interface Comparing {
  readonly op: 'compare';
  readonly path: readonly FilterStep[];
  readonly comparison: Comparison;
  /** As parameters have it, but that commas do not separate. */
  readonly value: string;
  /** Where it starts in the filter, from 0. */
  readonly at: number;
}

/** One name of a path, all but the last with what must hold of the resources it leads to: `patient[active eq true]`. */
export interface FilterStep {
  /** `patient`, or `subject:Patient` where a reference leads to several types. */
  readonly name: string;
  readonly filter?: Filter;
}

const deepest = 30;
export const mostComparisons = 100;

/** A refusal that tells its place. */
class FilterError extends FhirError {}

/** Runs what belongs to a place of the filter; its refusals tell that place. */
export function located<T>(at: number, run: () => T): T {
  try {
    return run();
  } catch (error) {
    if (!(error instanceof FhirError) || error instanceof FilterError) throw error;
    throw new FilterError(error.code, `_filter, character ${at + 1}: ${error.message}`);
  }
}

/** @throws FhirError `invalid-search` telling the character, from 1, and what was expected there; `too-costly-search` */
export function readFilter(text: string): Filter {
  let at = 0;
  let left = mostComparisons;

  const fail = (expected: string): never => {
    const rest = text.slice(at);
    const found = rest === '' ? 'the end' : quoted(/^(?:[\w-]+|.)/su.exec(rest)?.[0] ?? rest);
    throw new FilterError(
      'invalid-search',
      `_filter, character ${at + 1}: expected ${expected}, found ${found}.`,
    );
  };
  const match = (pattern: RegExp): string | undefined => {
    pattern.lastIndex = at;
    const found = pattern.exec(text)?.[0];
    if (found !== undefined) at += found.length;
    return found;
  };
  const space = (): boolean => match(/\s+/y) !== undefined;
  const word = (name: 'and' | 'or'): boolean => {
    const before = at;
    space();
    if (match(name === 'and' ? /and(?![\w-])/y : /or(?![\w-])/y) !== undefined) return true;
    at = before;
    return false;
  };
  const enclosed = (close: ')' | ']', depth: number): Filter => {
    const inside = either(depth + 1);
    space();
    if (text[at] !== close) fail(`and, or, or "${close}"`);
    at++;
    return inside;
  };

  const either = (depth: number): Filter => {
    if (depth > deepest)
      throw new FilterError('too-costly-search', `_filter is nested deeper than ${deepest} times.`);
    const of = [both(depth)];
    while (word('or')) of.push(both(depth));
    return of.length === 1 ? of[0]! : { op: 'or', of };
  };
  const both = (depth: number): Filter => {
    const of = [single(depth)];
    while (word('and')) of.push(single(depth));
    return of.length === 1 ? of[0]! : { op: 'and', of };
  };
  const single = (depth: number): Filter => {
    space();
    if (match(/not\s*\(/y) !== undefined) return { op: 'not', of: enclosed(')', depth) };
    if (match(/\(/y) !== undefined) return enclosed(')', depth);
    return comparing(depth);
  };
  const comparing = (depth: number): Filter => {
    const start = at;
    if (--left < 0)
      throw new FilterError('too-costly-search', `_filter has more than ${mostComparisons} comparisons.`);
    const path: FilterStep[] = [];
    do {
      const name = match(/[A-Za-z_][\w-]*(?::[A-Za-z]+(?=[.[]))?/y) ?? fail('a search parameter');
      if (text[at] !== '[') path.push({ name });
      else {
        at++;
        path.push({ name, filter: enclosed(']', depth) });
        if (text[at] !== '.') fail('"." and a search parameter');
      }
    } while (match(/\./y) !== undefined);
    if (!space()) fail('a space and a comparison');
    const before = at;
    const given = match(/\S+/y);
    const comparison = comparisons.find(one => one === given);
    if (comparison === undefined) {
      at = before;
      return fail(`one of ${comparisons.join(', ')}`);
    }
    if (!space()) fail('a space and a value');
    return { op: 'compare', path, comparison, value: value(), at: start };
  };
  const value = (): string => {
    if (text[at] !== '"') return match(/[^\s)\]]+/y) ?? fail('a value');
    const string = match(/"(?:[^"\\]|\\.)*"/sy) ?? fail('a string that ends with "');
    try {
      return JSON.parse(string) as string;
    } catch {
      at -= string.length;
      return fail('a JSON string');
    }
  };

  const filter = either(0);
  space();
  if (at < text.length) fail('and, or, or the end');
  return filter;
}
