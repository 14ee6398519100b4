// Date parameters: dates, instants, periods and timings are ranges of time, and so are query values.
// https://hl7.org/fhir/R4/search.html#date. A day is the day of the server's zone: it lasts from 23 to 25 hours.
import { FhirError } from '../../errors.js';
import { isObject, type Json } from '../../fhir/json.js';
import { openHigh, openLow } from '../rows.js';
import { instantOf, utc } from '../zone.js';
import {
  anyOf,
  leaf,
  prefixOf,
  refuse,
  unescape,
  type Alternatives,
  type Indexer,
  type SearchType,
} from './search-type.js';

export interface Range {
  readonly lo: number;
  readonly hi: number;
}

const form = /^(\d{4})(?:-(\d\d)(?:-(\d\d)(?:T(\d\d):(\d\d)(?::(\d\d)(?:\.(\d+))?)?(Z|[+-]\d\d:\d\d)?)?)?)?$/;

/** The range a date, dateTime or instant stands for, ms UTC, both ends inclusive; undefined where it is none. */
export function rangeOf(text: string, zone: string): Range | undefined {
  const match = form.exec(text);
  if (match === null) return undefined;
  const [, y, mo, d, h, mi, s, fraction, offset] = match;
  const year = Number(y);
  const month = mo === undefined ? 1 : Number(mo);
  const day = d === undefined ? 1 : Number(d);
  if (
    month < 1 ||
    month > 12 ||
    day < 1 ||
    day > 31 ||
    (day > 28 && day > new Date(utc(year, month + 1, 0)).getUTCDate())
  )
    return undefined;
  let start: number;
  let end: number;
  if (h === undefined) {
    start = utc(year, month, day);
    end =
      mo === undefined
        ? utc(year + 1, 1, 1)
        : d === undefined
          ? utc(year, month + 1, 1)
          : utc(year, month, day + 1);
  } else {
    const [hours, minutes, seconds] = [Number(h), Number(mi), Number(s ?? 0)];
    if (hours > 23 || minutes > 59 || seconds > 60) return undefined;
    const digits = (fraction ?? '').slice(0, 3);
    start = utc(year, month, day, hours, minutes, seconds, digits === '' ? 0 : Number(digits.padEnd(3, '0')));
    end = start + (s === undefined ? 60_000 : 10 ** (3 - digits.length));
  }
  end -= 1;
  if (offset === undefined)
    return { lo: instantOf(start, zone, 'earliest'), hi: instantOf(end, zone, 'latest') };
  const ahead = offset === 'Z' ? 0 : Number(offset.slice(1, 3)) * 60 + Number(offset.slice(4));
  if (ahead > 14 * 60) return undefined;
  const shift = (offset.startsWith('-') ? -ahead : ahead) * 60_000;
  return { lo: start - shift, hi: end - shift };
}

const point: Indexer = (value, sink) => {
  const range = typeof value === 'string' ? rangeOf(value, sink.settings.zone ?? 'UTC') : undefined;
  if (range !== undefined) sink.add({ kind: 'date', lo: range.lo, hi: range.hi });
};

function periodRange(value: Json | undefined, zone: string): Range | undefined {
  if (!isObject(value)) return undefined;
  const start = typeof value['start'] === 'string' ? rangeOf(value['start'], zone) : undefined;
  const end = typeof value['end'] === 'string' ? rangeOf(value['end'], zone) : undefined;
  if (start === undefined && end === undefined) return undefined;
  return { lo: start?.lo ?? openLow, hi: end?.hi ?? openHigh };
}

const period: Indexer = (value, sink) => {
  const range = periodRange(value, sink.settings.zone ?? 'UTC');
  if (range === undefined) sink.present();
  else sink.add({ kind: 'date', lo: range.lo, hi: range.hi });
};

/** Only the outer limits count: the first to the last event, or the period that bounds the repetition. */
const timing: Indexer = (value, sink) => {
  if (!isObject(value)) return;
  const zone = sink.settings.zone ?? 'UTC';
  const repeat = value['repeat'];
  const ranges = [isObject(repeat) ? periodRange(repeat['boundsPeriod'], zone) : undefined];
  for (const event of Array.isArray(value['event']) ? value['event'] : [])
    ranges.push(typeof event === 'string' ? rangeOf(event, zone) : undefined);
  const found = ranges.filter(range => range !== undefined);
  if (found.length === 0) return sink.present();
  sink.add({
    kind: 'date',
    lo: Math.min(...found.map(range => range.lo)),
    hi: Math.max(...found.map(range => range.hi)),
  });
};

/** The nine prefixes on the target's [lo, hi] for the query's range `q`. https://hl7.org/fhir/R4/search.html#prefix */
function alternatives(
  value: string,
  asked: Parameters<SearchType['alternatives']>[1],
  settings: Parameters<SearchType['alternatives']>[2],
): Alternatives {
  const { prefix, rest } = prefixOf(unescape(value));
  const q = rangeOf(plusForSpace(rest), settings.zone);
  if (q === undefined) return refuse(asked, value, `expected ${dateType.form}`);
  // A resource changes at an instant, and lo = hi needs one half of a condition only.
  if (asked.param === '_lastUpdated') {
    if (prefix === 'ge') return [[{ column: 'lo', is: 'range', ge: q.lo }]];
    if (prefix === 'le') return [[{ column: 'hi', is: 'range', le: q.hi }]];
  }
  switch (prefix) {
    case 'eq':
      return [
        [
          { column: 'lo', is: 'range', ge: q.lo },
          { column: 'hi', is: 'range', le: q.hi },
        ],
      ];
    case 'ne':
      return [[{ column: 'lo', is: 'range', lt: q.lo }], [{ column: 'hi', is: 'range', gt: q.hi }]];
    case 'gt':
      return [[{ column: 'hi', is: 'range', gt: q.hi }]];
    case 'lt':
      return [[{ column: 'lo', is: 'range', lt: q.lo }]];
    case 'ge': // reaches above q, or lies within it: since lo ≤ hi, "within" needs only its own lower half
      return [[{ column: 'lo', is: 'range', ge: q.lo }], [{ column: 'hi', is: 'range', gt: q.hi }]];
    case 'le':
      return [[{ column: 'hi', is: 'range', le: q.hi }], [{ column: 'lo', is: 'range', lt: q.lo }]];
    case 'sa':
      return [[{ column: 'lo', is: 'range', gt: q.hi }]];
    case 'eb':
      return [[{ column: 'hi', is: 'range', lt: q.lo }]];
    case 'ap': {
      const slack = Math.round(Math.max(q.lo - settings.now, settings.now - q.hi, 0) / 10);
      return [
        [
          { column: 'lo', is: 'range', le: q.hi + slack },
          { column: 'hi', is: 'range', ge: q.lo - slack },
        ],
      ];
    }
  }
}

/** The range of a date that is no search parameter, such as `_since`. @throws FhirError `value` */
export function dateRange(text: string, zone: string): Range {
  const range = rangeOf(plusForSpace(text), zone);
  if (range === undefined)
    throw new FhirError(
      'value',
      `"${text}" is not a date or time; expected YYYY-MM-DDThh:mm:ss+zz:zz or a part of it.`,
    );
  return range;
}

/** A plus that the client did not encode arrives as a space. */
const plusForSpace = (text: string): string => text.replace(/ (\d\d:\d\d)$/, '+$1');

export const dateType: SearchType = {
  kind: 'date',
  index: { date: point, dateTime: point, instant: point, Period: period, Timing: timing },
  modifiers: [],
  comparisons: ['eq', 'ne', 'gt', 'lt', 'ge', 'le', 'ap', 'sa', 'eb', 'po'],
  compared(comparison, value, asked, settings) {
    if (comparison !== 'po')
      return anyOf('date', asked.param, alternatives(comparison + value, asked, settings));
    const q =
      rangeOf(plusForSpace(unescape(value)), settings.zone) ??
      refuse(asked, value, `expected ${dateType.form}`);
    return leaf('date', asked.param, [
      { column: 'lo', is: 'range', le: q.hi },
      { column: 'hi', is: 'range', ge: q.lo },
    ]);
  },
  form: '[prefix]YYYY, YYYY-MM, YYYY-MM-DD or YYYY-MM-DDThh:mm[:ss[.sss]][Z|+hh:mm], prefix one of eq ne gt lt ge le sa eb ap',
  alternatives,
};
