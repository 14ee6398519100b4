// The nine prefixes on numbers and dates against their sentences in the specification, computed another way: numbers as
// exact fractions, dates as sets of instants. https://hl7.org/fhir/R4/search.html#prefix
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { parseSearch } from '../../src/search/parse.js';
import { indexRows } from '../../src/search/index-rows.js';
import { matches, type Resolve } from '../../src/search/matches.js';
import type { Resource } from '../../src/fhir/resource.js';
import { parseJson } from '../../src/fhir/json.js';

const now = Date.parse('2024-06-01T00:00:00Z');
const prefixes = ['', 'eq', 'ne', 'gt', 'lt', 'ge', 'le', 'sa', 'eb'] as const;
type Prefix = (typeof prefixes)[number];
const nowhere: Resolve = { target: () => undefined, referrers: () => [] };

function finds(resource: Resource, name: string, value: string, zone = 'UTC'): boolean {
  const { plan } = parseSearch({
    types: [resource.resourceType],
    params: [[name, value]],
    bases: [],
    zone,
    now,
    handling: 'strict',
    defaultCount: 1,
    maxCount: 1,
  });
  const self = {
    ref: { type: resource.resourceType, id: 'x' },
    lastUpdated: 0,
    rows: indexRows(resource, { bases: [], zone }),
  };
  return matches(plan.where, self, nowhere) as boolean;
}

/** A half-open range [from, to) of anything that subtracts. */
interface Range<T> {
  readonly from: T;
  readonly to: T;
}

/** The specification's sentences, for a target range and a query range, ends as [from, to). */
function holds<T extends bigint | number>(prefix: Prefix, target: Range<T>, query: Range<T>): boolean {
  const contains = query.from <= target.from && target.to <= query.to;
  switch (prefix) {
    case '':
    case 'eq':
      return contains;
    case 'ne':
      return !contains;
    case 'gt': // the range above the search value overlaps the target
      return target.to > query.to;
    case 'lt':
      return target.from < query.from;
    case 'ge':
      return target.to > query.to || contains;
    case 'le':
      return target.from < query.from || contains;
    case 'sa':
      return target.from >= query.to;
    case 'eb':
      return target.to <= query.from;
  }
}

describe('numbers', () => {
  /** A decimal of 0 to 4 places near zero, so that equals and neighbours are common. */
  const decimal = fc
    .tuple(fc.integer({ min: -300, max: 300 }), fc.integer({ min: 0, max: 4 }))
    .map(([digits, places]) => {
      const text = String(Math.abs(digits)).padStart(places + 1, '0');
      const sign = digits < 0 ? '-' : '';
      return places === 0 ? sign + text : `${sign}${text.slice(0, -places)}.${text.slice(-places)}`;
    });
  /** In units of 10^-6. */
  const exact = (text: string): bigint => {
    const [, sign, whole, fraction = ''] = /^(-?)(\d+)(?:\.(\d+))?$/.exec(text)!;
    return BigInt(`${sign}${whole}${fraction.padEnd(6, '0')}`);
  };
  const implicit = (text: string): Range<bigint> => {
    const half = 5n * 10n ** BigInt(5 - (text.split('.')[1]?.length ?? 0));
    return { from: exact(text) - half, to: exact(text) + half };
  };
  const risk = (prediction: string): Resource =>
    parseJson(`{"resourceType":"RiskAssessment","prediction":[${prediction}]}`) as Resource;

  it('eq and ne take the query for what rounds to it', () => {
    fc.assert(
      fc.property(decimal, decimal, (target, query) => {
        const at = exact(target);
        const { from, to } = implicit(query);
        const resource = risk(`{"probabilityDecimal":${target}}`);
        expect(finds(resource, 'probability', query)).toBe(from <= at && at < to);
        expect(finds(resource, 'probability', `ne${query}`)).toBe(!(from <= at && at < to));
      }),
      { numRuns: 2000 },
    );
  });

  it('the others take both for exact', () => {
    fc.assert(
      fc.property(decimal, decimal, (target, query) => {
        const [t, q] = [exact(target), exact(query)];
        const resource = risk(`{"probabilityDecimal":${target}}`);
        const answers = ['gt', 'lt', 'ge', 'le', 'sa', 'eb'].map(prefix =>
          finds(resource, 'probability', prefix + query),
        );
        expect(answers).toEqual([t > q, t < q, t >= q, t <= q, t > q, t < q]);
      }),
      { numRuns: 1000 },
    );
  });

  it('ap is within a tenth, or within what rounds to the query', () => {
    fc.assert(
      fc.property(decimal, decimal, (target, query) => {
        const [t, q] = [exact(target), exact(query)];
        const { from, to } = implicit(query);
        const size = q < 0n ? -q : q;
        const near = 10n * (t > q ? t - q : q - t);
        // At the very edge of the tenth a double may fall on either side.
        fc.pre(near !== size && t !== from && t !== to);
        expect(finds(risk(`{"probabilityDecimal":${target}}`), 'probability', `ap${query}`)).toBe(
          near < size || (from < t && t < to),
        );
      }),
      { numRuns: 1000 },
    );
  });

  it('a Range is compared by its ends', () => {
    fc.assert(
      fc.property(decimal, decimal, decimal, (a, b, query) => {
        const [low, high] = exact(a) <= exact(b) ? [a, b] : [b, a];
        const resource = risk(`{"probabilityRange":{"low":{"value":${low}},"high":{"value":${high}}}}`);
        const [lo, hi, q] = [exact(low), exact(high), exact(query)];
        const answers = ['gt', 'lt', 'ge', 'le', 'sa', 'eb'].map(prefix =>
          finds(resource, 'probability', prefix + query),
        );
        expect(answers).toEqual([hi > q, lo < q, hi >= q, lo <= q, lo > q, hi < q]);
      }),
      { numRuns: 500 },
    );
  });
});

describe('dates', () => {
  const two = (number: number): string => String(number).padStart(2, '0');
  /** A date or time of any precision within a few days around a year's end and a leap day, with its instants. */
  const moment = fc
    .record({
      day: fc.constantFrom(
        [2023, 12, 31],
        [2024, 1, 1],
        [2024, 2, 28],
        [2024, 2, 29],
        [2024, 3, 1],
        [2024, 12, 31],
      ),
      hour: fc.constantFrom(0, 1, 12, 23),
      minute: fc.constantFrom(0, 1, 59),
      second: fc.constantFrom(0, 59),
      millis: fc.constantFrom(0, 5, 999),
      precision: fc.constantFrom('year', 'month', 'day', 'minute', 'second', 'millis'),
      zone: fc.constantFrom(['', 0], ['Z', 0], ['+02:00', 120], ['-05:30', -330], ['+14:00', 840]),
    })
    .map(({ day, hour, minute, second, millis, precision, zone }) => {
      const [y, m, d] = day as [number, number, number];
      const [offset, ahead] = zone as [string, number];
      const time = Date.UTC(y, m - 1, d, hour, minute) - ahead * 60_000;
      const range = (from: number, to: number): Range<number> => ({ from, to });
      switch (precision) {
        case 'year':
          return { text: `${y}`, ...range(Date.UTC(y, 0, 1), Date.UTC(y + 1, 0, 1)) };
        case 'month':
          return { text: `${y}-${two(m)}`, ...range(Date.UTC(y, m - 1, 1), Date.UTC(y, m, 1)) };
        case 'day':
          return {
            text: `${y}-${two(m)}-${two(d)}`,
            ...range(Date.UTC(y, m - 1, d), Date.UTC(y, m - 1, d + 1)),
          };
        case 'minute':
          return {
            text: `${y}-${two(m)}-${two(d)}T${two(hour)}:${two(minute)}${offset}`,
            ...range(time, time + 60_000),
          };
        case 'second': {
          const at = time + second * 1000;
          return {
            text: `${y}-${two(m)}-${two(d)}T${two(hour)}:${two(minute)}:${two(second)}${offset}`,
            ...range(at, at + 1000),
          };
        }
        default: {
          const at = time + second * 1000 + millis;
          const fraction = String(millis).padStart(3, '0');
          return {
            text: `${y}-${two(m)}-${two(d)}T${two(hour)}:${two(minute)}:${two(second)}.${fraction}${offset}`,
            ...range(at, at + 1),
          };
        }
      }
    });

  it('hold for a date of any precision', () => {
    fc.assert(
      fc.property(moment, moment, fc.constantFrom(...prefixes), (target, query, prefix) => {
        const resource: Resource = { resourceType: 'Observation', effectiveDateTime: target.text };
        expect(finds(resource, 'date', prefix + query.text)).toBe(holds(prefix, target, query));
      }),
      { numRuns: 4000 },
    );
  });

  it('hold for periods, also half-open ones', () => {
    const open = fc.option(moment, { nil: undefined, freq: 4 });
    fc.assert(
      fc.property(open, open, moment, fc.constantFrom(...prefixes), (start, end, query, prefix) => {
        fc.pre(
          (start !== undefined || end !== undefined) && (start?.from ?? -Infinity) <= (end?.from ?? Infinity),
        );
        const target = { from: start?.from ?? -Infinity, to: end?.to ?? Infinity };
        fc.pre(target.from < target.to);
        const resource: Resource = {
          resourceType: 'Observation',
          effectivePeriod: { ...(start && { start: start.text }), ...(end && { end: end.text }) },
        };
        expect(finds(resource, 'date', prefix + query.text)).toBe(holds(prefix, target, query));
      }),
      { numRuns: 2000 },
    );
  });

  it('ap overlaps the query widened by a tenth of its distance from the present', () => {
    fc.assert(
      fc.property(moment, moment, (target, query) => {
        const last = query.to - 1;
        const distance = now < query.from ? query.from - now : now > last ? now - last : 0;
        const slack = Math.round(distance / 10);
        const resource: Resource = { resourceType: 'Observation', effectiveDateTime: target.text };
        expect(finds(resource, 'date', `ap${query.text}`)).toBe(
          target.from <= last + slack && target.to - 1 >= query.from - slack,
        );
      }),
      { numRuns: 1000 },
    );
  });

  it('of _lastUpdated are about an instant', () => {
    fc.assert(
      fc.property(
        fc.integer({ min: -1000, max: 100_000 }),
        moment,
        fc.constantFrom(...prefixes),
        (away, query, prefix) => {
          const at = query.from + away;
          const { plan } = parseSearch({ types: ['Patient'], params: [['_lastUpdated', prefix + query.text]], bases: [], zone: 'UTC', now, handling: 'strict', defaultCount: 1, maxCount: 1 }); // prettier-ignore
          const self = { ref: { type: 'Patient', id: 'x' }, lastUpdated: at, rows: [] };
          expect(matches(plan.where, self, nowhere)).toBe(holds(prefix, { from: at, to: at + 1 }, query));
        },
      ),
      { numRuns: 2000 },
    );
  });
});
