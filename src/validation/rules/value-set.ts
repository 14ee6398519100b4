// Value sets: systems are absolute and are code systems, filters ask for properties in ways they can be asked for.
// https://hl7.org/fhir/R4/valueset.html#compositions, https://hl7.org/fhir/R4/valueset-filter-operator.html
import { codeSystem as coreCodeSystem, valueSet as coreValueSet } from '../../fhir/definitions.js';
import { FhirPathError } from '../../fhir/fhirpath/fhirpath-error.js';
import { compilePattern } from '../../fhir/fhirpath/pattern.js';
import type { JsonObject } from '../../fhir/json.js';
import { tableOf } from '../../fhir/table.js';
import type { ResourceRule, Surroundings } from '../finding.js';
import { problemOf } from './canonicals.js';
import { codesOf, definedProperties } from './code-system.js';
import { listIn, objectsIn, textIn } from './reading.js';
import { isObject } from '../../fhir/json.js';

type Say = (expression: string, rule: string, text: string) => void;

export const valueSet: ResourceRule = (resource, path, report, around) => {
  const say: Say = (expression, rule, text) =>
    report({ severity: 'error', code: 'business-rule', expression, text, rule: `value-set-${rule}` });
  const { compose } = resource;
  if (!isObject(compose ?? null)) return;
  for (const part of ['include', 'exclude'])
    listIn(compose as JsonObject, part).forEach((include, i) => {
      if (isObject(include)) judgeInclude(include, `${path}.compose.${part}[${i}]`, around, say);
    });
};

function judgeInclude(include: JsonObject, path: string, around: Surroundings, say: Say): void {
  const system = textIn(include, 'system');
  if (system === undefined) return;
  if (system.startsWith('#') || problemOf(system) !== undefined)
    return say(
      path,
      'system',
      `The system "${system.slice(0, 100)}" is not absolute; a code system is named by its url.`,
    );
  const definition = systemOf(system, around);
  if (definition === undefined && (around.find('ValueSet', system) ?? coreValueSet(system)) !== undefined)
    return say(path, 'system', `${system.slice(0, 200)} is a value set; it belongs into include.valueSet.`);
  objectsIn(include, 'filter').forEach((filter, i) =>
    judgeFilter(filter, definition, `${path}.filter[${i}]`, say),
  );
}

export const systemOf = (url: string, around: Surroundings): JsonObject | undefined =>
  around.find('CodeSystem', url) ?? (coreCodeSystem(url) as unknown as JsonObject | undefined);

/** Of every code system. */
const implicit = new Set(['concept', 'code', 'display', 'definition', 'designation']);
/** Operators on the hierarchy, which take a code. */
const hierarchical = new Set([
  'is-a',
  'descendent-of',
  'is-not-a',
  'generalizes',
  'child-of',
  'descendent-leaf',
]);

function judgeFilter(filter: JsonObject, system: JsonObject | undefined, path: string, say: Say): void {
  const [property = '', op = '', value = ''] = ['property', 'op', 'value'].map(name => textIn(filter, name));
  const declared = system === undefined ? [] : objectsIn(system, 'property');
  const offered =
    system === undefined ? undefined : objectsIn(system, 'filter').find(one => one['code'] === property);
  const type =
    declared.filter(one => one['code'] === property).map(one => textIn(one, 'type'))[0] ??
    definedProperties(property);
  const isWhole = system?.['content'] === 'complete';
  if (isWhole && type === undefined && offered === undefined && !implicit.has(property))
    return say(
      path,
      'filter',
      `${String(system['url'])} has no property "${property.slice(0, 80)}" to filter by.`,
    );
  const operators = offered === undefined ? [] : listIn(offered, 'operator');
  if (operators.length > 0 && !operators.includes(op))
    say(
      path,
      'filter',
      `The property "${property}" cannot be asked by ${op}; ${operators.map(String).join(', ')} can be.`,
    );
  // The value may be an expression that an extension holds.
  if (filter['value'] === undefined) return;
  if (op === 'regex') {
    try {
      compilePattern(value);
    } catch (error) {
      if (!(error instanceof FhirPathError)) throw error;
      say(path, 'filter', `The filter ${error.message}.`);
    }
    return;
  }
  if (op === 'exists') {
    if (value !== 'true' && value !== 'false')
      say(path, 'filter', `exists takes true or false, not "${value.slice(0, 80)}".`);
    return;
  }
  const values = op === 'in' || op === 'not-in' ? value.split(',') : [value];
  if (hierarchical.has(op) || property === 'concept' || property === 'code') {
    const codes = isWhole ? codesOf(system) : undefined;
    for (const one of values)
      if (codes?.has(one.trim()) === false)
        say(path, 'filter', `${String(system!['url'])} has no code "${one.slice(0, 80)}".`);
    return;
  }
  const form = type === undefined ? undefined : forms(type);
  for (const one of values)
    if (form !== undefined && !form.pattern.test(one.trim()))
      say(path, 'filter', `The property "${property}" takes ${form.words}, not "${one.slice(0, 80)}".`);
}

const forms = tableOf({
  boolean: { pattern: /^(?:true|false)$/, words: 'true or false' },
  integer: { pattern: /^-?[0-9]+$/, words: 'a whole number' },
  decimal: { pattern: /^-?[0-9]+(?:\.[0-9]+)?$/, words: 'a number' },
  dateTime: { pattern: /^[0-9]{4}(?:-[0-9]{2}(?:-[0-9]{2}(?:T\S+)?)?)?$/, words: 'a date or dateTime' },
  Coding: { pattern: /^[^#\s]+#\S+$/, words: 'system#code or system|version#code' },
});
