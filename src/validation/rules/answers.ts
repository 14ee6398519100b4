// One answer of a QuestionnaireResponse against its question: type, options, limits.
// https://hl7.org/fhir/R4/questionnaireresponse.html#link, https://hl7.org/fhir/R4/questionnaire-profiles.html
import { resourceTypes } from '../../fhir/definitions.js';
import { compilePattern } from '../../fhir/fhirpath/pattern.js';
import { FhirPathError } from '../../fhir/fhirpath/fhirpath-error.js';
import { Fixed } from '../../fhir/fhirpath/fixed.js';
import { Quantity } from '../../fhir/fhirpath/quantity.js';
import { Temporal } from '../../fhir/fhirpath/temporal.js';
import { isNumber, isObject, lexemeOf, type Json, type JsonObject } from '../../fhir/json.js';
import { tableOf } from '../../fhir/table.js';
import type { Report, Surroundings } from '../finding.js';
import { textIn, objectsIn } from './reading.js';

export interface Value {
  /** FHIR's type: `Coding`, `dateTime`. */
  readonly type: string;
  readonly value: Json;
}

const upper = (text: string): string => text.charAt(0).toUpperCase() + text.slice(1);

/** The variant of a choice an object has: `answer`, `{answerCoding: …}` → `{type: 'Coding', …}`. */
export function choiceIn(holder: JsonObject, stem: string): Value | undefined {
  for (const name in holder) {
    const rest = name.startsWith(stem) ? name.slice(stem.length) : '';
    if (!/^[A-Z]/.test(rest)) continue;
    const isComplex = isObject(holder[name]);
    return { type: isComplex ? rest : rest.charAt(0).toLowerCase() + rest.slice(1), value: holder[name]! };
  }
  return undefined;
}

/** The types an item's answers may have. https://hl7.org/fhir/R4/valueset-item-type.html */
const answerTypes = tableOf<readonly string[]>({
  boolean: ['boolean'],
  decimal: ['decimal'],
  integer: ['integer'],
  date: ['date'],
  dateTime: ['dateTime'],
  time: ['time'],
  string: ['string'],
  text: ['string'],
  url: ['uri'],
  choice: ['Coding'],
  'open-choice': ['Coding', 'string'],
  attachment: ['Attachment'],
  reference: ['Reference'],
  quantity: ['Quantity'],
});

/** The value of an extension, by the end of its url. */
export function extensionOf(item: JsonObject, ...names: readonly string[]): Value | undefined {
  for (const extension of objectsIn(item, 'extension')) {
    const url = textIn(extension, 'url');
    if (url !== undefined && names.some(name => url.endsWith(`/StructureDefinition/${name}`)))
      return choiceIn(extension, 'value');
  }
  return undefined;
}
const extensionsOf = (item: JsonObject, name: string): readonly Value[] =>
  objectsIn(item, 'extension')
    .filter(extension => textIn(extension, 'url')?.endsWith(`/StructureDefinition/${name}`) === true)
    .flatMap(extension => choiceIn(extension, 'value') ?? []);

const quantityOf = (value: Json): { quantity: Quantity; isFormal: boolean } | undefined => {
  if (!isObject(value) || !isNumber(value['value'])) return undefined;
  const number = Fixed.parse(lexemeOf(value['value']));
  if (number === undefined) return undefined;
  const code = textIn(value, 'code');
  return {
    quantity: new Quantity(number, code ?? `|${textIn(value, 'unit') ?? ''}`, false),
    isFormal: code !== undefined && textIn(value, 'system') !== undefined,
  };
};

const temporalTypes = tableOf({
  date: 'Date',
  dateTime: 'DateTime',
  instant: 'DateTime',
  time: 'Time',
} as const);
const temporal = ({ type, value }: Value): Temporal | undefined => {
  const kind = temporalTypes(type);
  return kind === undefined ? undefined : Temporal.parse(String(value), kind);
};

/** Negative, zero, positive; undefined where the two cannot be compared. */
export function compareValues(a: Value, b: Value): number | undefined {
  if (isNumber(a.value) && isNumber(b.value)) return Number(a.value) - Number(b.value);
  if (a.type === 'Quantity' && b.type === 'Quantity') {
    const [x, y] = [quantityOf(a.value), quantityOf(b.value)];
    return x === undefined || y === undefined ? undefined : x.quantity.compare(y.quantity);
  }
  if (typeof a.value !== 'string' || typeof b.value !== 'string') return undefined;
  const [x, y] = [temporal(a), temporal(b)];
  if (x !== undefined || y !== undefined) {
    const order = x && y ? x.compare(y) : undefined;
    return order === false ? undefined : order;
  }
  return a.value < b.value ? -1 : a.value > b.value ? 1 : 0;
}

export function equalValues(a: Value, b: Value): boolean {
  if (a.type === 'Coding' && b.type === 'Coding' && isObject(a.value) && isObject(b.value)) {
    const [one, other] = [a.value, b.value];
    if (one['code'] === undefined && other['code'] === undefined) return one['display'] === other['display'];
    return (
      one['code'] === other['code'] &&
      (one['system'] === undefined || other['system'] === undefined || one['system'] === other['system'])
    );
  }
  if (a.type === 'Reference' && isObject(a.value) && isObject(b.value))
    return a.value['reference'] === b.value['reference'];
  if (typeof a.value === 'boolean' || typeof b.value === 'boolean') return a.value === b.value;
  return compareValues(a, b) === 0;
}

const shown = ({ value }: Value): string => {
  if (!isObject(value)) return String(value).slice(0, 80);
  return (
    textIn(value, 'code') ??
    textIn(value, 'reference') ??
    `${String(value['value'])} ${textIn(value, 'unit') ?? ''}`
  ).slice(0, 80);
};

/** Judges one answer; `path` is that of the answer. */
export function judgeAnswer(
  question: JsonObject,
  answer: JsonObject,
  path: string,
  report: Report,
  around: Surroundings,
): void {
  const given = choiceIn(answer, 'value');
  if (given === undefined) return;
  const place = `${path}.value.ofType(${given.type})`;
  const say = (
    rule: string,
    text: string,
    severity: 'error' | 'warning' = 'error',
    code = 'business-rule',
  ): void => report({ severity, code, expression: place, text, rule: `answer-${rule}` });
  const kind = textIn(question, 'type') ?? '';
  const options = objectsIn(question, 'answerOption').flatMap(option => choiceIn(option, 'value') ?? []);
  const types = new Set([...(answerTypes(kind) ?? []), ...options.map(({ type }) => type)]);
  if (!types.has(given.type)) {
    if (types.size > 0)
      say(
        'type',
        `The answer is a ${given.type}; the question takes ${[...types].join(' or ')}.`,
        'error',
        'structure',
      );
    return;
  }
  judgeOption(kind, options, textIn(question, 'answerValueSet'), given, around, say);
  judgeLimits(question, given, say);
  if (given.type === 'Quantity') judgeUnit(question, given.value, around, say);
  if (given.type === 'Attachment') judgeAttachment(question, given.value, say);
  if (given.type === 'Reference') judgeReference(question, given.value, say);
}

type Say = (rule: string, text: string, severity?: 'error' | 'warning', code?: string) => void;

function judgeOption(
  kind: string,
  options: readonly Value[],
  valueSet: string | undefined,
  given: Value,
  around: Surroundings,
  say: Say,
): void {
  const isFree = kind === 'open-choice' && given.type === 'string';
  if (options.length > 0 && !isFree) {
    if (!options.some(option => equalValues(option, given)))
      say('option', `${shown(given)} is none of the answers the question offers.`, 'error', 'code-invalid');
  }
  if (valueSet === undefined || given.type !== 'Coding' || !isObject(given.value)) return;
  const code = textIn(given.value, 'code');
  if (code === undefined) return;
  const is = around.holds(valueSet, textIn(given.value, 'system'), code);
  if (is === false)
    say('option', `${shown(given)} is not in the value set ${valueSet}.`, 'error', 'code-invalid');
  else if (is === 'unknown')
    say(
      'option',
      `Whether ${shown(given)} is in the value set ${valueSet} is not known here.`,
      'warning',
      'not-found',
    );
}

function judgeLimits(question: JsonObject, given: Value, say: Say): void {
  const { value } = given;
  if (typeof value === 'string') {
    const length = [...value].length;
    const most = question['maxLength'];
    const least = extensionOf(question, 'minLength')?.value;
    if (typeof most === 'number' && length > most)
      say('length', `The answer has ${length} characters; at most ${most} are allowed.`);
    if (typeof least === 'number' && length < least)
      say('length', `The answer has ${length} characters; at least ${least} are needed.`);
    const pattern = extensionOf(question, 'regex')?.value;
    if (typeof pattern === 'string') judgePattern(pattern, value, say);
  }
  if (isNumber(value)) {
    const places = extensionOf(question, 'maxDecimalPlaces')?.value;
    const found = /\.([0-9]+)/.exec(lexemeOf(value))?.[1]?.length ?? 0;
    if (typeof places === 'number' && found > places)
      say('decimal-places', `${lexemeOf(value)} has ${found} decimal places; at most ${places} are allowed.`);
  }
  for (const [sign, names, word] of [
    [-1, ['minValue', 'sdc-questionnaire-minQuantity'], 'least'],
    [1, ['maxValue', 'sdc-questionnaire-maxQuantity'], 'most'],
  ] as const) {
    const limit = extensionOf(question, ...names);
    if (limit === undefined || (limit.type === 'Quantity') !== (given.type === 'Quantity')) continue;
    const order = compareValues(given, limit);
    const formal = [given, limit].every(
      ({ type, value }) => type !== 'Quantity' || quantityOf(value)?.isFormal === true,
    );
    if (!formal || (order === undefined && given.type === 'Quantity'))
      say(
        'limit',
        `${shown(given)} cannot be compared with the limit ${shown(limit)}: their units differ or have no codes.`,
      );
    else if (order !== undefined && order * sign > 0)
      say('limit', `${shown(given)} is beyond the limit: it must be at ${word} ${shown(limit)}.`);
  }
}

function judgePattern(pattern: string, value: string, say: Say): void {
  try {
    if (!compilePattern(pattern).test(value, true))
      say('pattern', `The answer is not of the form ${pattern.slice(0, 100)} that is asked for.`);
  } catch (error) {
    if (!(error instanceof FhirPathError)) throw error;
    say(
      'pattern',
      `The pattern ${pattern.slice(0, 100)} could not be applied: the question ${error.message}.`,
      'warning',
    );
  }
}

function judgeUnit(question: JsonObject, value: Json, around: Surroundings, say: Say): void {
  if (!isObject(value)) return;
  const [code, system] = [textIn(value, 'code'), textIn(value, 'system')];
  const allowed = extensionsOf(question, 'questionnaire-unitOption');
  const unit: Value = { type: 'Coding', value: { ...(code && { code }), ...(system && { system }) } };
  if (allowed.length > 0 && !allowed.some(option => code !== undefined && equalValues(option, unit)))
    say(
      'unit',
      `The unit ${code ?? textIn(value, 'unit') ?? 'that is missing'} is none of those the question offers.`,
    );
  const valueSet = extensionOf(question, 'questionnaire-unitValueSet')?.value;
  if (typeof valueSet !== 'string') return;
  const is = code === undefined ? false : around.holds(valueSet, system, code);
  if (is === false)
    say(
      'unit',
      `The unit ${code ?? textIn(value, 'unit') ?? 'that is missing'} is not in the value set ${valueSet}.`,
      'error',
      'code-invalid',
    );
}

function judgeAttachment(question: JsonObject, value: Json, say: Say): void {
  if (!isObject(value)) return;
  const types = extensionsOf(question, 'mimeType').map(({ value: type }) => type);
  const type = textIn(value, 'contentType');
  if (types.length > 0 && !types.includes(type ?? ''))
    say('mime-type', `The attachment is ${type ?? 'of no type'}; the question takes ${types.join(', ')}.`);
  // In megabytes. https://hl7.org/fhir/R4/extension-maxsize.html
  const most = extensionOf(question, 'maxSize')?.value;
  const size =
    value['size'] ??
    (typeof value['data'] === 'string' ? Math.floor((value['data'].length * 3) / 4) : undefined);
  if (isNumber(most ?? null) && isNumber(size ?? null) && Number(size) > Number(most) * 1024 * 1024)
    say('size', `The attachment has ${String(size)} bytes; at most ${String(most)} MB are allowed.`);
}

function judgeReference(question: JsonObject, value: Json, say: Say): void {
  const reference = isObject(value) ? textIn(value, 'reference') : undefined;
  if (reference === undefined) return;
  if (/\s/.test(reference))
    return say('reference', `"${reference.slice(0, 100)}" is no reference.`, 'error', 'value');
  const type = /(?:^|\/)([A-Z][A-Za-z]*)\/[A-Za-z0-9\-.]{1,64}(?:\/_history\/[^/]+)?$/.exec(reference)?.[1];
  if (type === undefined) return;
  if (!resourceTypes().has(type))
    return say('reference', `R4 has no resource type ${type}.`, 'error', 'structure');
  const allowed = extensionsOf(question, 'questionnaire-referenceResource').map(({ value: one }) => one);
  if (allowed.length > 0 && !allowed.includes(type))
    say(
      'reference',
      `The answer refers to a ${type}; the question takes ${allowed.map(String).map(upper).join(', ')}.`,
    );
}
