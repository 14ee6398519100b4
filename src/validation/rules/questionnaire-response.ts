// A QuestionnaireResponse against its Questionnaire: the same tree, what applies, what is required, how often.
// https://hl7.org/fhir/R4/questionnaireresponse.html#link
import { isObject, type JsonObject } from '../../fhir/json.js';
import type { Report, ResourceRule, Surroundings } from '../finding.js';
import { choiceIn, extensionOf, judgeAnswer } from './answers.js';
import { isEnabled, type Scope } from './enable-when.js';
import { listIn, objectsIn, textIn } from './reading.js';

interface Judging {
  readonly report: Report;
  readonly around: Surroundings;
  /** linkIds of the whole questionnaire. */
  readonly known: ReadonlySet<string>;
  /** What lacks an answer is an error once the response is done. */
  readonly isDone: boolean;
}

export const questionnaireResponse: ResourceRule = (resource, path, report, around) => {
  const canonical = textIn(resource, 'questionnaire');
  if (canonical === undefined) {
    const text = 'Which questionnaire this answers is not said, so that its answers are not judged.';
    report({ severity: 'warning', code: 'required', expression: path, text, rule: 'questionnaire' });
    return;
  }
  const questionnaire = find(canonical, resource, around);
  if (questionnaire === undefined) {
    const text = `The questionnaire ${canonical.slice(0, 200)} is not known here, so that its answers are not judged.`;
    report({
      severity: 'warning',
      code: 'not-found',
      expression: `${path}.questionnaire`,
      text,
      rule: 'questionnaire',
    });
    return;
  }
  const known = new Set<string>();
  const collect = (items: readonly JsonObject[]): void => {
    for (const item of items) {
      known.add(textIn(item, 'linkId') ?? '');
      collect(objectsIn(item, 'item'));
    }
  };
  const asked = objectsIn(questionnaire, 'item');
  collect(asked);
  const status = textIn(resource, 'status');
  const isDone = status === 'completed' || status === 'amended';
  const judging = { report, around, known, isDone };
  judgeItems(asked, resource, path, { items: objectsIn(resource, 'item'), outer: undefined }, judging);
};

/** Contained, in the bundle, or known to the server. */
function find(
  canonical: string,
  resource: JsonObject,
  { holders, find: search }: Surroundings,
): JsonObject | undefined {
  if (canonical.startsWith('#'))
    return [resource, ...holders]
      .flatMap(holder => objectsIn(holder, 'contained'))
      .find(one => one['id'] === canonical.slice(1));
  const [url, version] = canonical.split('|', 2);
  for (const holder of holders)
    for (const { resource: one } of objectsIn(holder, 'entry'))
      if (
        isObject(one ?? null) &&
        (one as JsonObject)['resourceType'] === 'Questionnaire' &&
        (one as JsonObject)['url'] === url &&
        (version === undefined || (one as JsonObject)['version'] === version)
      )
        return one as JsonObject;
  return search('Questionnaire', canonical);
}

function judgeItems(
  asked: readonly JsonObject[],
  holder: JsonObject,
  path: string,
  scope: Scope,
  judging: Judging,
): void {
  const { report } = judging;
  const order = new Map(asked.map((item, i) => [textIn(item, 'linkId') ?? '', i]));
  const found = new Map<string, { item: JsonObject; path: string }[]>();
  let latest = -1;
  listIn(holder, 'item').forEach((item, i) => {
    if (!isObject(item)) return;
    const linkId = textIn(item, 'linkId') ?? '';
    const place = `${path}.item[${i}]`;
    const at = order.get(linkId);
    if (at === undefined) {
      const text = judging.known.has(linkId)
        ? `The item "${linkId}" stands elsewhere in the questionnaire.`
        : `The questionnaire has no item "${linkId}".`;
      report({ severity: 'error', code: 'structure', expression: place, text, rule: 'response-link-id' });
      return;
    }
    if (at < latest) {
      const text = `The item "${linkId}" is not where the questionnaire has it: items keep its order.`;
      report({ severity: 'error', code: 'structure', expression: place, text, rule: 'response-order' });
    }
    latest = Math.max(latest, at);
    found.set(linkId, [...(found.get(linkId) ?? []), { item, path: place }]);
  });
  for (const item of asked) {
    const given = found.get(textIn(item, 'linkId') ?? '') ?? [];
    if (isEnabled(item, scope)) judgeItem(item, given, path, scope, judging);
    else
      for (const one of given.filter(({ item: response }) => hasAnswer(response)))
        report({
          severity: 'error',
          code: 'business-rule',
          expression: one.path,
          text: `The item "${textIn(item, 'linkId') ?? ''}" does not apply by the other answers, yet it is answered.`,
          rule: 'response-enabled',
        });
  }
}

const hasAnswer = (item: JsonObject): boolean =>
  objectsIn(item, 'answer').length > 0 || objectsIn(item, 'item').some(hasAnswer);

function judgeItem(
  asked: JsonObject,
  given: readonly { item: JsonObject; path: string }[],
  path: string,
  scope: Scope,
  judging: Judging,
): void {
  const { report } = judging;
  const linkId = textIn(asked, 'linkId') ?? '';
  const type = textIn(asked, 'type') ?? '';
  const repeats = asked['repeats'] === true;
  const say = (
    expression: string,
    rule: string,
    text: string,
    severity: 'error' | 'warning' = 'error',
  ): void => report({ severity, code: 'business-rule', expression, text, rule: `response-${rule}` });
  const isGroup = type === 'group';
  const takesAnswers = !isGroup && type !== 'display' && type !== 'question';

  const answers = given.flatMap(({ item }) => objectsIn(item, 'answer'));
  const count = isGroup
    ? given.length
    : answers.filter(answer => choiceIn(answer, 'value') ?? answer['_value']).length;
  const place = given[0]?.path ?? path;
  const required = asked['required'] === true;
  if (required && count === 0 && (isGroup || takesAnswers))
    say(
      place,
      'required',
      `The item "${linkId}" is required and ${isGroup ? 'missing' : 'has no answer'}.`,
      judging.isDone ? 'error' : 'warning',
    );
  else if (count > 0) {
    const least = extensionOf(asked, 'questionnaire-minOccurs')?.value;
    if (typeof least === 'number' && count < least)
      say(
        place,
        'count',
        `The item "${linkId}" is answered ${count} times; at least ${least} are needed.`,
        judging.isDone ? 'error' : 'warning',
      );
  }
  const most = extensionOf(asked, 'questionnaire-maxOccurs')?.value;
  if (typeof most === 'number' && count > most)
    say(place, 'count', `The item "${linkId}" is answered ${count} times; at most ${most} are allowed.`);
  if (!repeats && (isGroup ? given.length : answers.length) > 1)
    say(place, 'repeats', `The item "${linkId}" does not repeat; it may be answered once.`);
  if (!isGroup && given.length > 1)
    say(
      given[1]!.path,
      'repeats',
      `The item "${linkId}" is there ${given.length} times; several answers belong into one item.`,
    );
  if (answers.length > 1) judgeExclusive(asked, answers, place, say);

  const nested = objectsIn(asked, 'item');
  for (const { item, path: at } of given) {
    const inner = { items: objectsIn(item, 'item'), outer: scope };
    if (isGroup || type === 'display' || type === 'question') {
      if (listIn(item, 'answer').length > 0)
        say(at, 'answer', `The item "${linkId}" is a ${type}; it takes no answers.`);
      judgeItems(isGroup ? nested : [], item, at, inner, judging);
      continue;
    }
    if (listIn(item, 'item').length > 0)
      say(at, 'nesting', `The item "${linkId}" is a question: items within it stand below its answer.`);
    listIn(item, 'answer').forEach((answer, i) => {
      if (!isObject(answer)) return;
      judgeAnswer(asked, answer, `${at}.answer[${i}]`, report, judging.around);
      judgeItems(
        nested,
        answer,
        `${at}.answer[${i}]`,
        { items: objectsIn(answer, 'item'), outer: scope },
        judging,
      );
    });
  }
}

/** An option that says "none of these" stands alone. https://hl7.org/fhir/R4/extension-questionnaire-optionexclusive.html */
function judgeExclusive(
  asked: JsonObject,
  answers: readonly JsonObject[],
  path: string,
  say: (expression: string, rule: string, text: string) => void,
): void {
  const exclusive = objectsIn(asked, 'answerOption').filter(
    option => extensionOf(option, 'questionnaire-optionExclusive')?.value === true,
  );
  for (const option of exclusive) {
    const value = choiceIn(option, 'value');
    if (
      value &&
      answers.some(answer => JSON.stringify(choiceIn(answer, 'value')?.value) === JSON.stringify(value.value))
    )
      say(path, 'exclusive', 'An answer that excludes all others stands beside others.');
  }
}
