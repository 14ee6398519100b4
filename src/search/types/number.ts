// Number parameters. https://hl7.org/fhir/R4/search.html#number
import { isNumber } from '../../fhir/json.js';
import { numberAlternatives } from './number-range.js';
import { rangeRows } from './quantity.js';
import {
  refuse,
  unescape,
  type Alternatives,
  type Asked,
  type Indexer,
  type SearchType,
} from './search-type.js';

const plain: Indexer = (value, sink) => {
  if (isNumber(value))
    sink.add({ kind: 'number', lo: Number(value), hi: Number(value), system: '', code: '' });
};

export const numberType: SearchType = {
  kind: 'number',
  index: { decimal: plain, integer: plain, positiveInt: plain, unsignedInt: plain, Range: rangeRows },
  modifiers: [],
  comparisons: ['eq', 'ne', 'gt', 'lt', 'ge', 'le', 'ap', 'sa', 'eb'],
  form: '[prefix]number such as 5, 5.40 or 1e2, prefix one of eq ne gt lt ge le sa eb ap',
  alternatives(value: string, asked: Asked): Alternatives {
    return numberAlternatives(unescape(value)) ?? refuse(asked, value, `expected ${numberType.form}`);
  },
};
