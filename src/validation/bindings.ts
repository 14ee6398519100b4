// Codes against the value set an element is bound to. https://hl7.org/fhir/R4/terminologies.html#strength
// Membership is true, false or unknown; unknown is told as a warning and never as an error.
import { isObject, type Json, type JsonObject } from '../fhir/json.js';
import type { Binding, ElementNode } from './element-tree.js';
import type { Finding } from './finding.js';
import type { Item } from './items.js';
import type { Run } from './run.js';

interface Coded {
  readonly system: string | undefined;
  readonly code: string | undefined;
}

const text = (value: Json | undefined): string | undefined => (typeof value === 'string' ? value : undefined);

const codedOf = (coding: JsonObject): Coded => ({
  system: text(coding['system']),
  code: text(coding['code']),
});

/** The codes of a value of a type that can be bound; undefined for others. */
function codesOf({ type, value }: Item): readonly Coded[] | undefined {
  switch (type) {
    case 'code':
    case 'string':
    case 'uri':
    case 'url':
    case 'canonical':
      return typeof value === 'string' ? [{ system: undefined, code: value }] : [];
    case 'Coding':
    case 'Quantity':
    case 'Age':
    case 'Duration':
    case 'Money':
      return isObject(value) ? [codedOf(value)] : [];
    case 'CodeableConcept': {
      const list = isObject(value) ? value['coding'] : undefined;
      return Array.isArray(list) ? list.filter(isObject).map(codedOf) : [];
    }
    default:
      return undefined;
  }
}

const shown = ({ system, code }: Coded): string =>
  `"${system === undefined ? '' : `${system}|`}${code ?? ''}"`.slice(0, 200);

const isPlain = (type: string): boolean => type.charCodeAt(0) >= 97;

/** Judges the item by the binding of a node. `done`: required codes that the gate has judged already. */
export function checkBinding(item: Item, node: ElementNode, run: Run, done: boolean): void {
  const { binding } = node;
  if (!binding?.valueSet) return;
  if (binding.strength === 'example' && binding.maxValueSet === undefined) return;
  const codes = codesOf(item);
  if (!codes) return;
  if (!(done && item.value !== undefined && binding.strength === 'required'))
    judge(item, codes, binding.strength, binding.valueSet, node, run);
  if (binding.maxValueSet !== undefined) judge(item, codes, 'required', binding.maxValueSet, node, run);
}

function judge(
  item: Item,
  codes: readonly Coded[],
  strength: Binding['strength'],
  valueSet: string,
  node: ElementNode,
  run: Run,
): void {
  const say = (severity: Finding['severity'], words: string, code = 'code-invalid'): void =>
    run.report({
      severity,
      code,
      expression: item.path,
      text: words,
      rule: `binding-${strength}`,
      profile: node.profile,
    });
  if (strength === 'example') return;
  const given = codes.filter(({ code }) => code !== undefined);
  if (given.length === 0) {
    if (
      strength === 'required' &&
      (item.type === 'code' || item.type === 'CodeableConcept' || item.type === 'Coding')
    )
      say('error', `There is no code, and one of ${valueSet} is required.`);
    else if (strength === 'extensible' && item.type === 'CodeableConcept')
      say('warning', `There is no code; one of ${valueSet} should be given where it has a fitting one.`);
    return;
  }
  let isUnknown = false;
  for (const coded of given) {
    // A code without a system is of no value set, unless the element is a mere code.
    const held =
      isPlain(item.type) || coded.system !== undefined
        ? run.terminology.holds(valueSet, coded.system, coded.code!)
        : false;
    if (held === true) return;
    if (held === 'unknown') isUnknown = true;
  }
  const what =
    given.length === 1
      ? `${shown(given[0]!)} is not`
      : `None of ${given.map(shown).join(', ').slice(0, 400)} is`;
  if (isUnknown) {
    if (strength !== 'preferred')
      say('warning', `Whether ${shown(given[0]!)} is in ${valueSet} cannot be known here.`, 'not-found');
  } else if (strength === 'required') say('error', `${what} in ${valueSet}, which is required.`);
  else if (strength === 'extensible')
    say('warning', `${what} in ${valueSet}, which is to be used where it has a fitting code.`);
  else say('information', `${what} in ${valueSet}, which is recommended.`);
}
