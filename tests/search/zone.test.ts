// Wall-clock times against Intl's own reading of the instants they become.
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { instantOf, utc } from '../../src/search/zone.js';
import { dateRange } from '../../src/search/types/date.js';

const zones = [
  'UTC',
  'Africa/Maseru',
  'Europe/Berlin',
  'America/St_Johns',
  'Australia/Lord_Howe',
  'Asia/Kathmandu',
  'America/Sao_Paulo',
  'Pacific/Apia',
];

const wallClock = (instant: number, zone: string): string =>
  new Intl.DateTimeFormat('sv-SE', { timeZone: zone, dateStyle: 'short', timeStyle: 'medium' }).format(
    instant,
  );
const asText = (wall: number): string => new Date(wall).toISOString().slice(0, 19).replace('T', ' ');

describe('instantOf', () => {
  it('finds the instants at which the clock shows the time, the earliest and the latest', () => {
    fc.assert(
      fc.property(
        fc.constantFrom(...zones),
        fc.integer({ min: 0, max: 60 * 366 * 48 }),
        (zone, halfHours) => {
          const wall = Date.UTC(1970, 0, 2) + halfHours * 1_800_000;
          const [earliest, latest] = [instantOf(wall, zone, 'earliest'), instantOf(wall, zone, 'latest')];
          // The naive reference: every quarter of an hour within a day and a bit, read by Intl.
          const shown: number[] = [];
          for (let at = wall - 27 * 3_600_000; at <= wall + 27 * 3_600_000; at += 900_000)
            if (wallClock(at, zone) === asText(wall)) shown.push(at);
          if (shown.length > 0) expect([earliest, latest]).toEqual([shown[0], shown.at(-1)]);
          else {
            expect(earliest).toBe(latest + 1);
            expect(wallClock(latest, zone) < asText(wall) && wallClock(earliest, zone) > asText(wall)).toBe(
              true,
            );
          }
        },
      ),
      { numRuns: 150 },
    );
  });

  it('knows the hour that happens twice and the one that does not', () => {
    const berlin = (text: string, which: 'earliest' | 'latest'): string =>
      new Date(instantOf(Date.parse(`${text}Z`), 'Europe/Berlin', which)).toISOString();
    expect(berlin('2024-10-27T02:30:00', 'earliest')).toBe('2024-10-27T00:30:00.000Z');
    expect(berlin('2024-10-27T02:30:00', 'latest')).toBe('2024-10-27T01:30:00.000Z');
    expect(berlin('2024-03-31T02:30:00', 'earliest')).toBe('2024-03-31T01:00:00.000Z');
    expect(berlin('2024-03-31T02:30:00', 'latest')).toBe('2024-03-31T00:59:59.999Z');
  });

  it('knows a day that was left out', () => {
    // Samoa went from 29 to 31 December 2011.
    const { lo, hi } = dateRange('2011-12-30', 'Pacific/Apia');
    expect(lo).toBe(hi + 1);
    expect(dateRange('2011-12-31', 'Pacific/Apia').lo).toBe(lo);
  });
});

describe('utc', () => {
  it.each([
    [1, 1, 1, '0001-01-01T00:00:00.000Z'],
    [99, 12, 31, '0099-12-31T00:00:00.000Z'],
    [2000, 2, 30, '2000-03-01T00:00:00.000Z'],
  ])('of %i-%i-%i is %s', (year, month, day, text) => {
    expect(new Date(utc(year, month, day)).toISOString()).toBe(text);
  });
});

describe('dateRange', () => {
  it.each([
    '',
    '2013-1',
    '2013-00',
    '2013-02-29',
    '13',
    '2013-01-14T24:00Z',
    '2013-01-14T10:60Z',
    '2013-01-14T10:00+15:00',
    '2013-01-14Z',
    ' 2013',
  ])('refuses %j', text => {
    expect(() => dateRange(text, 'UTC')).toThrowError('is not a date or time');
  });
  it('takes a leap second and a fraction of any length', () => {
    expect(dateRange('2016-12-31T23:59:60Z', 'UTC').lo).toBe(Date.UTC(2017, 0, 1));
    expect(dateRange('2016-12-31T23:59:59.123456Z', 'UTC')).toEqual({
      lo: Date.UTC(2016, 11, 31, 23, 59, 59, 123),
      hi: Date.UTC(2016, 11, 31, 23, 59, 59, 123),
    });
  });
});
