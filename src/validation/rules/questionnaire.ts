// Questionnaires: conditions ask for questions that can be answered by then. https://hl7.org/fhir/R4/questionnaire.html#enableWhen
import type { JsonObject } from '../../fhir/json.js';
import type { ResourceRule } from '../finding.js';
import { objectsIn, textIn } from './reading.js';

export const questionnaire: ResourceRule = (resource, path, report) => {
  const items = new Map<string, JsonObject>();
  const collect = (item: JsonObject): void => {
    items.set(textIn(item, 'linkId') ?? '', item);
    objectsIn(item, 'item').forEach(collect);
  };
  objectsIn(resource, 'item').forEach(collect);
  const judge = (item: JsonObject, place: string): void => {
    objectsIn(item, 'enableWhen').forEach((condition, i) => {
      const asked = textIn(condition, 'question') ?? '';
      const text = problemOf(item, asked, items);
      if (text !== undefined)
        report({
          severity: 'error',
          code: 'business-rule',
          expression: `${place}.enableWhen[${i}]`,
          text,
          rule: 'enable-when',
        });
    });
    objectsIn(item, 'item').forEach((one, i) => judge(one, `${place}.item[${i}]`));
  };
  objectsIn(resource, 'item').forEach((item, i) => judge(item, `${path}.item[${i}]`));
};

function problemOf(
  item: JsonObject,
  asked: string,
  items: ReadonlyMap<string, JsonObject>,
): string | undefined {
  const question = items.get(asked);
  if (question === undefined)
    return `The condition asks for the item "${asked.slice(0, 80)}", which there is not.`;
  if (question === item) return 'The condition asks for the answer of its own item.';
  if (isWithin(question, item))
    return `The condition asks for the item "${asked}", which is within its own and cannot be answered before.`;
  const type = textIn(question, 'type');
  return type === 'display'
    ? `The condition asks for the item "${asked}", a display, which has no answer.`
    : undefined;
}

const isWithin = (wanted: JsonObject, item: JsonObject): boolean =>
  objectsIn(item, 'item').some(one => one === wanted || isWithin(wanted, one));
