// Measure reports against their measure: groups, populations and stratifiers are the measure's.
// https://hl7.org/fhir/R4/measurereport.html
import { isObject, type JsonObject } from '../../fhir/json.js';
import type { ResourceRule } from '../finding.js';
import { objectsIn, textIn } from './reading.js';

export const measureReport: ResourceRule = (resource, path, report, around) => {
  const say = (expression: string, rule: string, text: string): void =>
    report({ severity: 'error', code: 'business-rule', expression, text, rule: `measure-${rule}` });
  const type = textIn(resource, 'type');
  const groups = objectsIn(resource, 'group');
  if (type !== 'subject-list')
    groups.forEach((group, g) =>
      objectsIn(group, 'population').forEach((population, p) => {
        if (population['subjectResults'] !== undefined)
          say(
            `${path}.group[${g}].population[${p}]`,
            'subjects',
            `Subjects are listed in reports of type subject-list; this is a ${type ?? 'report without type'}.`,
          );
      }),
    );
  const canonical = textIn(resource, 'measure');
  const measure = canonical === undefined ? undefined : around.find('Measure', canonical);
  if (measure === undefined) return;
  match(groups, objectsIn(measure, 'group'), `${path}.group`, 'group', path, say, (group, defined, place) => {
    match(
      objectsIn(group, 'population'),
      objectsIn(defined, 'population'),
      `${place}.population`,
      'population',
      place,
      say,
    );
    match(
      objectsIn(group, 'stratifier'),
      objectsIn(defined, 'stratifier'),
      `${place}.stratifier`,
      'stratifier',
      place,
      say,
    );
  });
};

type Say = (expression: string, rule: string, text: string) => void;

/** Pairs parts of a report with those of the measure by their codes; a single part without a code is the only one there is. */
function match(
  given: readonly JsonObject[],
  defined: readonly JsonObject[],
  path: string,
  word: 'group' | 'population' | 'stratifier',
  holder: string,
  say: Say,
  within?: (given: JsonObject, defined: JsonObject, path: string) => void,
): void {
  const found = new Set<JsonObject>();
  given.forEach((one, i) => {
    const place = `${path}[${i}]`;
    const codes = codesOf(one);
    const isOnly =
      given.length === 1 && defined.length === 1 && (codes.length === 0 || codesOf(defined[0]!).length === 0);
    const pair = isOnly ? defined[0] : defined.find(each => codesOf(each).some(code => codes.includes(code)));
    if (pair === undefined)
      return say(
        place,
        word,
        codes.length === 0
          ? `The ${word} needs a code that the measure has.`
          : `The measure has no ${word} of this code.`,
      );
    if (found.has(pair) && word !== 'stratifier')
      say(place, word, `This ${word} of the measure is reported twice.`);
    found.add(pair);
    within?.(one, pair, place);
  });
  // Populations may be left out where they count nobody; the others are what the report is about.
  if (word === 'stratifier')
    for (const one of defined)
      if (!found.has(one))
        say(
          holder,
          word,
          `The ${word} "${codesOf(one)[0] ?? textIn(one, 'id') ?? ''}" of the measure is not reported.`,
        );
}

const codesOf = (part: JsonObject): readonly string[] => {
  const list = Array.isArray(part['code']) ? part['code'] : [part['code'] ?? null];
  return list.filter(isObject).flatMap(concept => {
    const codings = objectsIn(concept, 'coding').map(
      coding => `${textIn(coding, 'system') ?? ''}|${textIn(coding, 'code') ?? ''}`,
    );
    const text = textIn(concept, 'text');
    return text === undefined ? codings : [...codings, text];
  });
};
