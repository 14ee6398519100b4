// What an element says of one value: fixed, pattern, limits, length. https://hl7.org/fhir/R4/elementdefinition.html
import { FhirPathError } from '../fhir/fhirpath/fhirpath-error.js';
import { compilePattern, type Pattern } from '../fhir/fhirpath/pattern.js';
import { isNumber, isObject, lexemeOf, writeJson, type Json } from '../fhir/json.js';
import { sameJson } from '../fhir/same.js';
import { canonicalUnit, inCanonical } from '../fhir/ucum.js';
import type { ElementNode, Limits, TypedValue } from './element-tree.js';
import type { Item } from './items.js';
import type { Run } from './run.js';

/** Whether a value has all a pattern has; each item of a pattern's list is somewhere in the value's. */
export function fits(value: Json | undefined, pattern: Json): boolean {
  if (value === undefined) return false;
  if (Array.isArray(pattern))
    return Array.isArray(value) && pattern.every(wanted => value.some(one => fits(one, wanted)));
  if (isObject(pattern))
    return isObject(value) && Object.keys(pattern).every(name => fits(value[name], pattern[name]!));
  return sameJson(value, pattern, 'lexeme');
}

export const isFixed = (value: Json | undefined, fixed: Json): boolean =>
  value !== undefined && sameJson(value, fixed, 'lexeme');

const shown = (value: Json | undefined): string =>
  value === undefined ? 'nothing' : writeJson(value).slice(0, 200);

/** Milliseconds of a date or dateTime at the start of what it covers; NaN for what is none. */
function instantOf(value: string): number {
  const text = value.length === 4 ? `${value}-01-01` : value.length === 7 ? `${value}-01` : value;
  return Date.parse(text.length <= 10 ? `${text}T00:00:00Z` : text);
}

/** Less than, equal or greater than 0; undefined where the two cannot be compared. */
function compare(value: Json, limit: TypedValue): number | undefined {
  if (isNumber(value) && isNumber(limit.value)) return Number(value) - Number(limit.value);
  if (isObject(value) && isObject(limit.value)) {
    const [a, b] = [value, limit.value];
    if (!isNumber(a['value']!) || !isNumber(b['value']!)) return undefined;
    if ((a['code'] ?? a['unit']) === (b['code'] ?? b['unit'])) return Number(a['value']) - Number(b['value']);
    const [from, to] = [canonicalUnit(String(a['code'] ?? '')), canonicalUnit(String(b['code'] ?? ''))];
    if (!from || !to || from.code !== to.code) return undefined;
    return inCanonical(Number(a['value']), from) - inCanonical(Number(b['value']), to);
  }
  if (typeof value !== 'string' || typeof limit.value !== 'string') return undefined;
  if (limit.type === 'time') return value < limit.value ? -1 : value > limit.value ? 1 : 0;
  const difference = instantOf(value) - instantOf(limit.value);
  return Number.isNaN(difference) ? undefined : difference;
}

const patterns = new Map<string, Pattern | undefined>();

/** Compiled to run in bounded time; undefined for what is no pattern, or asks for more. */
function patternOf(source: string): Pattern | undefined {
  if (!patterns.has(source)) {
    if (patterns.size > 1000) patterns.clear();
    try {
      patterns.set(source, compilePattern(source));
    } catch (error) {
      if (!(error instanceof FhirPathError)) throw error;
      patterns.set(source, undefined);
    }
  }
  return patterns.get(source);
}

function isOf(text: string, source: string): boolean {
  try {
    return patternOf(source)?.test(text, true) ?? true;
  } catch (error) {
    if (error instanceof FhirPathError) return true; // it takes too long to tell
    throw error;
  }
}

function checkLimits({ value, path }: Item, limits: Limits, { profile }: ElementNode, run: Run): void {
  const { minLength, maxDecimalPlaces, regex } = limits;
  const say = (rule: string, text: string): void =>
    run.report({ severity: 'error', code: 'value', expression: path, text, rule, profile });
  if (typeof value !== 'string' && !isNumber(value)) return;
  const text = typeof value === 'string' ? value : lexemeOf(value);
  if (minLength !== undefined && typeof value === 'string' && value.length < minLength)
    say('min-length', `The text has ${value.length} characters; at least ${minLength} are needed.`);
  const places = /\.(\d+)/.exec(text)?.[1]?.length ?? 0;
  if (maxDecimalPlaces !== undefined && isNumber(value) && places > maxDecimalPlaces)
    say('decimal-places', `${text} has ${places} decimal places; at most ${maxDecimalPlaces} are allowed.`);
  if (regex !== undefined && !isOf(text, regex))
    say('regex', `${shown(value)} is not of the pattern ${regex.slice(0, 200)}.`);
}

export function checkFacets(item: Item, node: ElementNode, run: Run): void {
  const { value, path } = item;
  const { fixed, pattern, minValue, maxValue, maxLength, profile } = node;
  const say = (rule: string, text: string): void =>
    run.report({ severity: 'error', code: 'value', expression: path, text, rule, profile });
  if (fixed && !isFixed(value, fixed.value))
    say('fixed', `The value is ${shown(value)}; it must be ${shown(fixed.value)}.`);
  if (pattern && !fits(value, pattern.value))
    say('pattern', `The value ${shown(value)} does not have all of ${shown(pattern.value)}.`);
  if (value === undefined) return;
  if (maxLength !== undefined && typeof value === 'string' && value.length > maxLength)
    say('max-length', `The text has ${value.length} characters; at most ${maxLength} are allowed.`);
  if (node.limits) checkLimits(item, node.limits, node, run);
  for (const [limit, sign, words] of [
    [minValue, -1, 'less than the least allowed'],
    [maxValue, 1, 'more than the most allowed'],
  ] as const) {
    if (!limit) continue;
    const difference = compare(value, limit);
    if (difference === undefined) {
      run.report({
        severity: 'warning',
        code: 'value',
        expression: path,
        text: `${shown(value)} cannot be compared with the limit ${shown(limit.value)}.`,
        rule: 'limit',
        profile,
      });
    } else if (difference * sign > 0)
      say('limit', `${isNumber(value) ? lexemeOf(value) : shown(value)} is ${words}, ${shown(limit.value)}.`);
  }
}
