// Quantity parameters: numbers with a unit. https://hl7.org/fhir/R4/search.html#quantity
// Rows say nothing of conversion: 0.5 g and 500 mg become comparable by the `:ucum` rows of docs/index-rows.md.
import { isNumber, isObject, type JsonObject } from '../../fhir/json.js';
import { numberAlternatives } from './number-range.js';
import {
  equal,
  refuse,
  split,
  unescape,
  type Alternatives,
  type Asked,
  type Indexer,
  type SearchType,
  type Sink,
} from './search-type.js';

const lowest = -Number.MAX_VALUE;
const highest = Number.MAX_VALUE;

/** The next double in a direction. */
function beside(value: number, direction: 1 | -1): number {
  if (value === 0) return direction * Number.MIN_VALUE;
  const bits = new DataView(new ArrayBuffer(8));
  bits.setFloat64(0, value);
  bits.setBigInt64(0, bits.getBigInt64(0) + (value > 0 === direction > 0 ? 1n : -1n));
  return bits.getFloat64(0);
}

const text = (of: JsonObject, name: string): string => {
  const value = of[name];
  return typeof value === 'string' ? value : '';
};

/** A row by the code, and where the human unit differs from it, one by the unit: a query's `||x` may mean either. */
function addWithUnit(sink: Sink, lo: number, hi: number, unitOf: JsonObject): void {
  const code = text(unitOf, 'code');
  const unit = text(unitOf, 'unit');
  if (code !== '' || unit === '') sink.add({ kind: 'number', lo, hi, system: text(unitOf, 'system'), code });
  if (unit !== '' && unit !== code) sink.add({ kind: 'number', lo, hi, system: '', code: unit });
}

const quantity: Indexer = (value, sink) => {
  if (!isObject(value)) return;
  if (!isNumber(value['value'])) return sink.present();
  const number = Number(value['value']);
  switch (value['comparator']) {
    case '<':
      return addWithUnit(sink, lowest, beside(number, -1), value);
    case '<=':
      return addWithUnit(sink, lowest, number, value);
    case '>':
      return addWithUnit(sink, beside(number, 1), highest, value);
    case '>=':
      return addWithUnit(sink, number, highest, value);
    default:
      return addWithUnit(sink, number, number, value);
  }
};

export const rangeRows: Indexer = (value, sink) => {
  if (!isObject(value)) return;
  const low = isObject(value['low']) && isNumber(value['low']['value']) ? value['low'] : undefined;
  const high = isObject(value['high']) && isNumber(value['high']['value']) ? value['high'] : undefined;
  const either = low ?? high;
  if (either === undefined) return sink.present();
  addWithUnit(
    sink,
    low === undefined ? lowest : Number(low['value']),
    high === undefined ? highest : Number(high['value']),
    either,
  );
};

const money: Indexer = (value, sink) => {
  if (!isObject(value)) return;
  if (!isNumber(value['value'])) return sink.present();
  const number = Number(value['value']);
  const code = text(value, 'currency');
  sink.add({
    kind: 'number',
    lo: number,
    hi: number,
    system: code === '' ? '' : 'urn:iso:std:iso:4217',
    code,
  });
};

/** The lowest to the highest of the samples; E, U and L stand for no number. */
const sampledData: Indexer = (value, sink) => {
  if (!isObject(value) || !isObject(value['origin'])) return;
  const origin = isNumber(value['origin']['value']) ? Number(value['origin']['value']) : 0;
  const factor = isNumber(value['factor']) ? Number(value['factor']) : 1;
  let lo = Infinity;
  let hi = -Infinity;
  for (const sample of text(value, 'data').split(' ')) {
    const number = sample === '' ? NaN : origin + factor * Number(sample);
    if (number < lo) lo = number;
    if (number > hi) hi = number;
  }
  if (lo > hi) sink.present();
  else addWithUnit(sink, lo, hi, value['origin']);
};

export const quantityType: SearchType = {
  kind: 'number',
  index: {
    Quantity: quantity,
    Age: quantity,
    Count: quantity,
    Distance: quantity,
    Duration: quantity,
    Money: money,
    Range: rangeRows,
    SampledData: sampledData,
  },
  modifiers: [],
  form: '[prefix]number, [prefix]number|system|code or [prefix]number||unit, prefix one of eq ne gt lt ge le sa eb ap',
  alternatives(value: string, asked: Asked): Alternatives {
    const [number = '', system, code, ...more] = split(value, '|').map(unescape);
    const ranges = numberAlternatives(number);
    if (ranges === undefined || more.length > 0 || (system !== undefined && code === undefined)) {
      return refuse(asked, value, `expected ${quantityType.form}`);
    }
    const unit = [...(system ? [equal('system', system)] : []), ...(code ? [equal('code', code)] : [])];
    return ranges.map(range => [...unit, ...range]);
  },
};
