// String parameters: by default the folded value starts with the folded query. https://hl7.org/fhir/R4/search.html#string
import { isObject, type Json } from '../../fhir/json.js';
import { fold } from '../fold.js';
import type { Condition } from '../plan.js';
import {
  equal,
  leaf,
  refuse,
  textIs,
  unescape,
  type Indexer,
  type SearchType,
  type Sink,
} from './search-type.js';

const add = (value: Json | undefined, sink: Sink): void => {
  if (typeof value === 'string' && value.trim() !== '')
    sink.add({ kind: 'string', value: fold(value), exact: value });
};

const parts =
  (...names: readonly string[]): Indexer =>
  (value, sink) => {
    if (!isObject(value)) return;
    let found = false;
    for (const name of names) {
      const part = value[name];
      if (part === undefined) continue;
      found = true;
      if (Array.isArray(part)) for (const one of part) add(one, sink);
      else add(part, sink);
    }
    if (!found) sink.present();
  };

export const stringType: SearchType = {
  kind: 'string',
  index: {
    string: add,
    markdown: add,
    code: add,
    HumanName: parts('family', 'given', 'prefix', 'suffix', 'text'),
    Address: parts('line', 'city', 'district', 'state', 'postalCode', 'country', 'text'),
  },
  modifiers: ['exact', 'contains', 'text'],
  form: 'text',
  comparisons: ['eq', 'co', 'sw', 'ew'],
  compared(comparison, value, asked) {
    const part = fold(unescape(value));
    if (part === '') return refuse(asked, value, 'expected some text');
    const is = textIs[comparison as keyof typeof textIs] ?? 'eq';
    return leaf('string', asked.param, [{ column: 'value', is, value: part }]);
  },
  alternatives: value => [[starting(value)]],
  modified(modifier, value, asked) {
    if (modifier === 'exact') return leaf('string', asked.param, [equal('exact', unescape(value))]);
    const part = fold(unescape(value));
    if (part === '') return refuse(asked, value, 'expected some text');
    // `:text` finds all of the words, in any order, in one of the texts.
    const parts = modifier === 'text' ? part.split(' ') : [part];
    return leaf(
      'string',
      asked.param,
      parts.map(one => ({ column: 'value', is: 'contains', value: one })),
    );
  },
};

const starting = (value: string): Condition => ({
  column: 'value',
  is: 'prefix',
  value: fold(unescape(value)),
});
