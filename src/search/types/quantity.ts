// Quantity parameters: numbers with a unit. https://hl7.org/fhir/R4/search.html#quantity
// A value with a UCUM unit makes a second row in base units, `<param>:ucum`, and is asked for there: 0.5 g is 500 mg.
import { isNumber, isObject, type JsonObject } from '../../fhir/json.js';
import { canonicalUnit, inCanonical, ucumSystem } from '../../fhir/ucum.js';
import type { Condition } from '../plan.js';
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

/** A range of numbers of one unit; an end that is not itself in the range is `open`. */
interface Span {
  readonly lo: number;
  readonly hi: number;
  readonly open?: 'lo' | 'hi';
}

const withoutOpenEnd = ({ lo, hi, open }: Span): { lo: number; hi: number } => ({
  lo: open === 'lo' ? beside(lo, 1) : lo,
  hi: open === 'hi' ? beside(hi, -1) : hi,
});

/** A row by the code, and where the human unit differs from it, one by the unit: a query's `||x` may mean either. */
function addWithUnit(sink: Sink, span: Span, unitOf: JsonObject): void {
  const { lo, hi } = withoutOpenEnd(span);
  const system = text(unitOf, 'system');
  const code = text(unitOf, 'code');
  const unit = text(unitOf, 'unit');
  if (code !== '' || unit === '') sink.add({ kind: 'number', lo, hi, system, code });
  if (unit !== '' && unit !== code) sink.add({ kind: 'number', lo, hi, system: '', code: unit });
  const canonical = system === ucumSystem ? canonicalUnit(code) : undefined;
  if (canonical === undefined) return;
  const converted = withoutOpenEnd({
    ...span,
    lo: span.lo === lowest ? lowest : inCanonical(span.lo, canonical),
    hi: span.hi === highest ? highest : inCanonical(span.hi, canonical),
  });
  sink.addTo('ucum', { kind: 'number', ...converted, system, code: canonical.code });
}

const quantity: Indexer = (value, sink) => {
  if (!isObject(value)) return;
  if (!isNumber(value['value'])) return sink.present();
  const number = Number(value['value']);
  switch (value['comparator']) {
    case '<':
      return addWithUnit(sink, { lo: lowest, hi: number, open: 'hi' }, value);
    case '<=':
      return addWithUnit(sink, { lo: lowest, hi: number }, value);
    case '>':
      return addWithUnit(sink, { lo: number, hi: highest, open: 'lo' }, value);
    case '>=':
      return addWithUnit(sink, { lo: number, hi: highest }, value);
    default:
      return addWithUnit(sink, { lo: number, hi: number }, value);
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
    {
      lo: low === undefined ? lowest : Number(low['value']),
      hi: high === undefined ? highest : Number(high['value']),
    },
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
  else addWithUnit(sink, { lo, hi }, value['origin']);
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
  comparisons: ['eq', 'ne', 'gt', 'lt', 'ge', 'le', 'ap', 'sa', 'eb'],
  form: '[prefix]number, [prefix]number|system|code or [prefix]number||unit, prefix one of eq ne gt lt ge le sa eb ap',
  alternatives(value: string, asked: Asked): Alternatives {
    const { ranges, system, code } = parts(value, asked);
    const unit = [...(system ? [equal('system', system)] : []), ...(code ? [equal('code', code)] : [])];
    return ranges.map(range => [...unit, ...range]);
  },
  /** Every row with a convertible unit of UCUM has one in base units beside it. */
  converted(value: string, asked: Asked): Alternatives | undefined {
    const { ranges, system, code } = parts(value, asked);
    const canonical = system === ucumSystem ? canonicalUnit(code) : undefined;
    if (canonical === undefined) return undefined;
    const bound = (name: 'gt' | 'ge' | 'lt' | 'le', of: Condition): Partial<Record<typeof name, number>> =>
      of.is === 'range' && of[name] !== undefined ? { [name]: inCanonical(of[name], canonical) } : {};
    return ranges.map(range => [
      equal('code', canonical.code),
      ...range.map(one => ({
        column: one.column,
        is: 'range' as const,
        ...bound('gt', one),
        ...bound('ge', one),
        ...bound('lt', one),
        ...bound('le', one),
      })),
    ]);
  },
};

/** `number`, `number|system|code` or `number||unit`. */
function parts(value: string, asked: Asked): { ranges: Alternatives; system: string; code: string } {
  const [number = '', system, code, ...more] = split(value, '|').map(unescape);
  const ranges = numberAlternatives(number);
  if (ranges === undefined || more.length > 0 || (system !== undefined && code === undefined))
    return refuse(asked, value, `expected ${quantityType.form}`);
  return { ranges, system: system ?? '', code: code ?? '' };
}
