// Filters of value sets: whether a concept has a property, or a place in the hierarchy.
// https://hl7.org/fhir/R4/valueset-filter-operator.html
import type { ValueSetInclude } from '../fhir/definitions.js';
import { placeOf, type CodeSystem } from './code-system.js';
import { reach } from './concepts.js';

export type Filter = NonNullable<ValueSetInclude['filter']>[number];

/** Judges a concept of the system by its ordinal. */
export type Passes = (ordinal: number) => boolean;

/** Undefined where the filter cannot be judged: an operator, a property or a pattern that is not understood. */
export function compileFilter(system: CodeSystem, filter: Filter): Passes | undefined {
  const { property, op, value } = filter;
  const { concepts } = system;
  if (property === 'concept' || property === 'code') {
    const byHierarchy = hierarchical(system, op, value);
    if (byHierarchy !== undefined) return byHierarchy;
    if (op in hierarchicalOps) return undefined;
    return compared(op, value, ordinal => [concepts.code(ordinal)]);
  }
  if (property === 'display') return compared(op, value, ordinal => [concepts.display(ordinal) ?? '']);
  if (property === 'definition') return compared(op, value, ordinal => [concepts.definition(ordinal) ?? '']);
  if (property === 'parent' || property === 'child') {
    const rows = property === 'parent' ? concepts.above : concepts.below;
    return compared(op, value, ordinal => [...rows(ordinal)].map(concepts.code));
  }
  if (property === 'inactive') return compared(op, value, ordinal => [String(concepts.isInactive(ordinal))]);
  const isKnown =
    system.property?.some(one => one.code === property) === true ||
    [concepts, ...system.supplements].some(one => one.arrays.kinds.some(kind => kind.code === property));
  if (!isKnown) return undefined;
  if (op === 'is-a' || op === 'descendent-of') {
    // Of the concept that is the property's value.
    const passes = hierarchical(system, op, value);
    return passes && having(system, property, code => (n => n >= 0 && passes(n))(concepts.ordinal(code)));
  }
  const comparison = comparisonOf(op, value);
  if (comparison === undefined) return undefined;
  const found = having(system, property, comparison.passes);
  return comparison.isNegated ? ordinal => !found(ordinal) : found;
}

/** Whether a concept has the property with a value that passes, supplements included. */
function having(system: CodeSystem, property: string, passes: (value: string) => boolean): Passes {
  const { concepts, supplements } = system;
  const marks = concepts.withProperty(property, passes);
  for (const more of supplements)
    more.withProperty(property, passes).forEach((is, i) => {
      const ordinal = is === 1 ? concepts.ordinal(more.code(i)) : -1;
      if (ordinal >= 0) marks[ordinal] = 1;
    });
  return ordinal => marks[ordinal] === 1;
}

const hierarchicalOps = {
  'is-a': { self: true, not: false },
  'descendent-of': { self: false, not: false },
  'is-not-a': { self: true, not: true },
};

function hierarchical(system: CodeSystem, op: string, value: string): Passes | undefined {
  const { concepts } = system;
  if (op === 'generalizes') {
    const at = placeOf(system, value)?.ordinal;
    if (at === undefined) return undefined;
    const upward = reach(concepts.size, at, concepts.above);
    return ordinal => upward[ordinal] === 1;
  }
  if (!(op in hierarchicalOps)) return undefined;
  const { self, not } = hierarchicalOps[op as keyof typeof hierarchicalOps];
  const top = placeOf(system, value)?.ordinal;
  if (top === undefined) return undefined;
  const downward = reach(concepts.size, top, concepts.below);
  return ordinal => (downward[ordinal] === 1 && (self || ordinal !== top)) !== not;
}

/** Of one of the values of a concept; where it is negated, none of them may pass. */
interface Comparison {
  readonly passes: (value: string) => boolean;
  readonly isNegated: boolean;
}

function comparisonOf(op: string, value: string): Comparison | undefined {
  switch (op) {
    case '=':
      return { passes: one => one === value, isNegated: false };
    case 'in':
    case 'not-in': {
      const list = new Set(value.split(',').map(one => one.trim()));
      return { passes: one => list.has(one), isNegated: op === 'not-in' };
    }
    case 'regex': {
      const passes = boundedPattern(value);
      return passes && { passes, isNegated: false };
    }
    case 'exists':
      if (value !== 'true' && value !== 'false') return undefined;
      return { passes: one => one !== '', isNegated: value === 'false' };
    default:
      return undefined;
  }
}

function compared(
  op: string,
  value: string,
  valuesOf: (ordinal: number) => readonly string[],
): Passes | undefined {
  const comparison = comparisonOf(op, value);
  return comparison && (ordinal => valuesOf(ordinal).some(comparison.passes) !== comparison.isNegated);
}

const longestPattern = 300;

/**
 * A test of the whole of a text, if it cannot take forever: no repetition of what repeats or branches, no references back,
 * few repetitions, and no text so long that they would matter.
 */
export function boundedPattern(source: string): ((text: string) => boolean) | undefined {
  if (source.length > longestPattern || /\\[1-9k]|\(\?(?!:)/.test(source)) return undefined;
  const plain = source
    .replace(/\\./g, 'a')
    .replace(/\[[^\]]*\]/g, 'a')
    .replaceAll('(?:', '(');
  const repeats = plain.match(/[*+]|\{\d+,\d*\}/g)?.length ?? 0;
  const options = plain.match(/\?/g)?.length ?? 0;
  if (repeats > 3 || options > 8 || /\{\d{3,}|,\d{3,}\}/.test(plain)) return undefined;
  // Groups from the inside: one that repeats must hold neither repetition nor branches.
  let rest = plain;
  for (let before = ''; before !== rest;) {
    before = rest;
    if (/\([^()]*[*+{|?][^()]*\)[*+{]/.test(rest)) return undefined;
    rest = rest.replace(/\(([^()]*)\)/, (_, inner: string) => inner.replaceAll('|', '?'));
  }
  const pattern = compiled(source, 'u') ?? compiled(source, '');
  const longest = repeats > 2 ? 100 : 300;
  return pattern && (text => text.length <= longest && pattern.test(text));
}

/** The `u` of ECMAScript refuses escapes that other dialects allow. */
function compiled(source: string, flags: string): RegExp | undefined {
  try {
    return new RegExp(`^(?:${source})$`, flags);
  } catch {
    return undefined;
  }
}
