// Which items of a Questionnaire apply, by the answers given. https://hl7.org/fhir/R4/questionnaire.html#enableWhen
import { isObject, type JsonObject } from '../../fhir/json.js';
import { choiceIn, compareValues, equalValues, type Value } from './answers.js';
import { objectsIn, textIn } from './reading.js';

/** Response items around a place, the nearest first: siblings, then those of each holder. */
export interface Scope {
  readonly items: readonly JsonObject[];
  readonly outer: Scope | undefined;
}

const indexes = new WeakMap<readonly JsonObject[], ReadonlyMap<string, readonly JsonObject[]>>();

/** Items by linkId, within other items and answers too; made once for a place, because each condition asks. */
function indexOf(items: readonly JsonObject[]): ReadonlyMap<string, readonly JsonObject[]> {
  let index = indexes.get(items);
  if (index === undefined) {
    const made = new Map<string, JsonObject[]>();
    const add = (item: JsonObject): void => {
      const linkId = textIn(item, 'linkId') ?? '';
      const same = made.get(linkId);
      if (same) same.push(item);
      else made.set(linkId, [item]);
      objectsIn(item, 'item').forEach(add);
      for (const answer of objectsIn(item, 'answer')) objectsIn(answer, 'item').forEach(add);
    };
    items.forEach(add);
    index = made;
    indexes.set(items, index);
  }
  return index;
}

/** Answers to the question nearest to the place: a repeated group asks its own. */
function answersTo(linkId: string, scope: Scope): readonly Value[] {
  for (let at: Scope | undefined = scope; at; at = at.outer) {
    const items = indexOf(at.items).get(linkId) ?? [];
    if (items.length > 0)
      return items.flatMap(item =>
        objectsIn(item, 'answer').flatMap(answer => choiceIn(answer, 'value') ?? []),
      );
  }
  return [];
}

function holds(condition: JsonObject, scope: Scope): boolean {
  const answers = answersTo(textIn(condition, 'question') ?? '', scope);
  const operator = textIn(condition, 'operator') ?? '=';
  const wanted = choiceIn(condition, 'answer');
  if (operator === 'exists') return answers.length > 0 === (wanted?.value !== false);
  if (wanted === undefined) return false;
  return answers.some(answer => {
    if (operator === '=') return equalValues(wanted, answer);
    if (operator === '!=') return !equalValues(wanted, answer);
    const order = compareValues(answer, wanted);
    if (order === undefined) return false;
    switch (operator) {
      case '>':
        return order > 0;
      case '<':
        return order < 0;
      case '>=':
        return order >= 0;
      default:
        return order <= 0;
    }
  });
}

export function isEnabled(item: JsonObject, scope: Scope): boolean {
  const conditions = objectsIn(item, 'enableWhen').filter(isObject);
  if (conditions.length === 0) return true;
  return textIn(item, 'enableBehavior') === 'any'
    ? conditions.some(condition => holds(condition, scope))
    : conditions.every(condition => holds(condition, scope));
}
