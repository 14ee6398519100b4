// `_list=42`: the resources that List/42 holds. https://hl7.org/fhir/R4/search.html#list
import { FhirError } from '../errors.js';
import { idPattern } from '../fhir/resource.js';
import { referenceAnswers, referenceNamed } from './named-parameter.js';
import { or, type Node } from './plan.js';
import { anyOf, equal, quoted } from './types/search-type.js';

/**
 * `name` is `_list` as the client wrote it, `values` are ids.
 * @throws FhirError for modifiers, and for functional lists such as `$current-problems`
 */
export function inList(name: string, values: readonly string[]): Node {
  if (name !== '_list') throw new FhirError('invalid-search', `${quoted(name)}: _list has no modifiers.`);
  const malformed = values.find(value => !idPattern.test(value));
  if (malformed !== undefined) {
    const why = malformed.startsWith('$')
      ? 'functional lists are not supported'
      : 'expected the id of a List, as in _list=42';
    throw new FhirError('invalid-search', `_list is ${quoted(malformed)}: ${why}.`);
  }
  const node = anyOf(
    'token',
    '_id',
    values.map(value => [equal('code', value)]),
  );
  return or(
    ...referenceAnswers('List', referenceNamed('List', 'item', name)).map(({ parameter }): Node => ({
      op: 'backlink',
      type: 'List',
      param: parameter.code,
      node,
    })),
  );
}
