// The sentences of the gate: what was wrong, with the value as sent, and what is accepted.
// https://hl7.org/fhir/R4/operationoutcome-definitions.html#OperationOutcome.issue.details
import { resourceTypes } from '../fhir/definitions.js';
import { isNumber, lexemeOf } from '../fhir/json.js';
import { nearest } from '../fhir/nearest.js';
import { primitives, type PrimitiveName } from '../fhir/primitives.js';
import { variant, type Schema } from './schema.js';

const mostListed = 12;

/** `a, b or c` */
const listed = (words: readonly string[], last = 'or'): string =>
  words.length < 2 ? words.join() : `${words.slice(0, -1).join(', ')} ${last} ${words[words.length - 1]!}`;

const short = (text: string): string => (text.length <= 60 ? text : `${text.slice(0, 57)}...`);
const quoted = (text: string): string => short(JSON.stringify(text.slice(0, 80)));

/** The value so that a client finds it again in its own body, shortened. */
export function shown(value: unknown): string {
  if (Array.isArray(value)) return value.length === 0 ? 'an empty list' : 'a list';
  if (isNumber(value)) return short(lexemeOf(value));
  if (typeof value === 'object' && value !== null) return 'an object';
  return typeof value === 'string' ? quoted(value) : String(value);
}

const didYouMean = (word: string, accepted: Iterable<string>): string | undefined => {
  const near = nearest(word, accepted);
  return near === undefined ? undefined : `did you mean "${near}"?`;
};

export function notAType(type: unknown): string {
  const guess = typeof type === 'string' ? didYouMean(type, resourceTypes()) : undefined;
  return `resourceType ${shown(type)} is not a resource type of FHIR R4; ${guess ?? 'expected for example "Patient"'}`;
}

export function notAPrimitive(value: unknown, type: PrimitiveName): string {
  if (value === null) return 'null is not a value; leave the element out';
  if (value === '') return 'an empty string is not a value; leave the element out';
  if (Array.isArray(value)) return `${shown(value)}, but the element holds one value; leave out the [ ]`;
  return `${shown(value)} is ${primitives[type].sentence}`;
}

export function notInValueSet(value: string, { enum: codes = [], valueSet = '' }: Schema): string {
  const refused = `${shown(value)} is not a code of ${valueSet}`;
  if (codes.length <= mostListed) return `${refused}, expected ${listed(codes)}`;
  return `${refused}, which has ${codes.length} codes; ${didYouMean(value, codes) ?? `for example ${listed(codes.slice(0, 5))}`}`;
}

export function unknownElement(name: string, { properties = {}, choices = {} }: Schema): string {
  const refused = `there is no element ${quoted(name)} here`;
  for (const [stem, { types }] of Object.entries(choices)) {
    const looksLikeVariant =
      name === stem || (name.startsWith(stem) && /^[A-Z]/.test(name.slice(stem.length)));
    if (looksLikeVariant && types.length <= mostListed)
      return `${refused}; expected ${listed(types.map(type => variant(stem, type)))}`;
  }
  const accepted = Object.keys(properties).filter(known => known.startsWith('_') === name.startsWith('_'));
  const guess = didYouMean(name, accepted);
  if (guess) return `${refused}; ${guess}`;
  return accepted.length > 0 && accepted.length <= mostListed
    ? `${refused}; expected ${listed(accepted)}`
    : refused;
}

export const onlyOneOf = (used: readonly string[]): string =>
  `${listed(used, 'and')} are given, but only one of them may be`;

export const missing = (accepted: readonly string[] = []): string =>
  `the element is missing, and it is required${accepted.length > 0 ? `: ${listed(accepted)}` : ''}`;
