// Code systems: what they say they hold is what they hold, properties are declared once and of the type of their values.
// https://hl7.org/fhir/R4/codesystem.html, https://hl7.org/fhir/R4/codesystem.html#defined-props
import type { JsonObject } from '../../fhir/json.js';
import { tableOf } from '../../fhir/table.js';
import type { ResourceRule } from '../finding.js';
import { choiceIn } from './answers.js';
import { objectsIn, textIn } from './reading.js';

/** Properties FHIR defines, by code, with their types. */
export const definedProperties = tableOf({
  inactive: 'boolean',
  deprecated: 'dateTime',
  deprecationDate: 'dateTime',
  retirementDate: 'dateTime',
  effectiveDate: 'dateTime',
  notSelectable: 'boolean',
  parent: 'code',
  child: 'code',
  partOf: 'code',
  synonym: 'code',
  comment: 'string',
  itemWeight: 'decimal',
});
const definedUri = 'http://hl7.org/fhir/concept-properties#';

export const codeSystem: ResourceRule = (resource, path, report, around) => {
  const say = (
    expression: string,
    rule: string,
    text: string,
    severity: 'error' | 'warning' = 'error',
  ): void => report({ severity, code: 'business-rule', expression, text, rule: `code-system-${rule}` });
  const content = textIn(resource, 'content');
  const concepts = objectsIn(resource, 'concept');
  const supplements = textIn(resource, 'supplements');
  if (content === 'not-present' && concepts.length > 0)
    say(`${path}.concept`, 'content', 'The content is said to be not-present, yet there are concepts.');
  if (supplements !== undefined && content !== 'supplement')
    say(
      `${path}.content`,
      'content',
      `What supplements ${supplements.slice(0, 200)} has the content supplement, not ${content ?? 'none'}.`,
    );
  if (supplements === undefined && content === 'supplement')
    say(path, 'content', 'A supplement names the code system it supplements.');
  const { count } = resource;
  if (content === 'complete' && typeof count === 'number') {
    const found = [...codesIn(resource)].length;
    if (found !== count)
      say(
        `${path}.count`,
        'count',
        `The content is complete with ${found} concepts; the count says ${count}.`,
      );
  }
  const types = judgeProperties(resource, path, say);

  // Of a supplement only those of a base that is known whole can be judged.
  const base = supplements === undefined ? undefined : around.find('CodeSystem', supplements);
  const known = base?.['content'] === 'complete' ? codesOf(base) : undefined;
  const seen = new Set<string>();
  eachConcept(concepts, `${path}.concept`, (concept, place) => {
    const code = textIn(concept, 'code');
    if (code !== undefined && seen.has(code))
      say(place, 'duplicate', `The code "${code.slice(0, 80)}" is there twice.`);
    if (code !== undefined && known?.has(code) === false)
      say(
        place,
        'supplement',
        `The code system ${supplements!.slice(0, 200)} has no code "${code.slice(0, 80)}".`,
      );
    seen.add(code ?? '');
    objectsIn(concept, 'property').forEach((property, i) => {
      const name = textIn(property, 'code') ?? '';
      const value = choiceIn(property, 'value');
      const type = types.get(name) ?? definedProperties(name);
      if (type === undefined && supplements === undefined)
        say(`${place}.property[${i}]`, 'property', `The property "${name.slice(0, 80)}" is not declared.`);
      else if (
        type !== undefined &&
        value !== undefined &&
        value.type !== type &&
        !(type === 'code' && value.type === 'string')
      )
        say(
          `${place}.property[${i}]`,
          'property',
          `The property "${name}" is of type ${type}; the value is a ${value.type}.`,
        );
    });
  });
};

type Say = (expression: string, rule: string, text: string, severity?: 'error' | 'warning') => void;

/** Declared properties by code, with their types. */
function judgeProperties(resource: JsonObject, path: string, say: Say): ReadonlyMap<string, string> {
  const types = new Map<string, string>();
  const uris = new Set<string>();
  objectsIn(resource, 'property').forEach((property, i) => {
    const place = `${path}.property[${i}]`;
    const [code = '', uri, type = ''] = ['code', 'uri', 'type'].map(name => textIn(property, name));
    if (types.has(code)) say(place, 'property', `The property "${code.slice(0, 80)}" is declared twice.`);
    if (uri !== undefined && uris.has(uri))
      say(place, 'property', `Another property has the uri ${uri.slice(0, 200)} too.`);
    if (uri !== undefined) uris.add(uri);
    const defined = uri?.startsWith(definedUri) === true ? uri.slice(definedUri.length) : undefined;
    const expected = definedProperties(defined ?? code);
    if (
      expected !== undefined &&
      expected !== type &&
      (defined !== undefined || uri === undefined) &&
      type !== ''
    )
      say(
        place,
        'property',
        `FHIR defines ${defined ?? code} as ${expected}; here it is ${type}.`,
        defined === undefined ? 'warning' : 'error',
      );
    types.set(code, type);
  });
  return types;
}

const codes = new WeakMap<JsonObject, ReadonlySet<string>>();
/** All codes of a code system; made once, because each filter may ask. */
export function codesOf(system: JsonObject): ReadonlySet<string> {
  let known = codes.get(system);
  if (known === undefined) {
    known = new Set(codesIn(system));
    codes.set(system, known);
  }
  return known;
}

function* codesIn(system: JsonObject): Iterable<string> {
  for (const concept of objectsIn(system, 'concept')) {
    const code = textIn(concept, 'code');
    if (code !== undefined) yield code;
    yield* codesIn(concept);
  }
}

function eachConcept(
  concepts: readonly JsonObject[],
  path: string,
  visit: (concept: JsonObject, path: string) => void,
): void {
  concepts.forEach((concept, i) => {
    visit(concept, `${path}[${i}]`);
    eachConcept(objectsIn(concept, 'concept'), `${path}[${i}].concept`, visit);
  });
}
