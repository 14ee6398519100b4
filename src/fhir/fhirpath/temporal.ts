// Dates, date-times and times with the precision they were written with. https://hl7.org/fhirpath/#date-time
// Surprising: a comparison that would need the missing part of either side has no answer, and neither has one between
// a time with a zone and one without.
import { Fixed } from './fixed.js';

export type TemporalType = 'Date' | 'DateTime' | 'Time';

/** year, month, day, hour, minute, milliseconds of the minute. */
type Parts = readonly number[];

const form =
  /^(?:([0-9]{4})(?:-([0-9]{2})(?:-([0-9]{2}))?)?)?(T)?(?:([0-9]{2})(?::([0-9]{2})(?::([0-9]{2})(?:\.([0-9]{1,9}))?)?)?)?(Z|[+-][0-9]{2}:[0-9]{2})?$/;
const lastDay = (year: number, month: number): number => new Date(Date.UTC(year, month, 0)).getUTCDate();
const two = (value: number): string => String(value).padStart(2, '0');

export class Temporal {
  constructor(
    readonly type: TemporalType,
    /** As many as were written; a time has no date parts, its first is the hour. */
    readonly parts: Parts,
    /** Digits behind the second: 3 in 10:30:00.000. */
    readonly fraction: number,
    /** Minutes east of UTC, where a zone was given. */
    readonly zone: number | undefined,
  ) {}

  /** `2015-02-04`, `2015T`, `T14:30`: as behind the @ of a literal. */
  static literal(text: string): Temporal | undefined {
    return text.startsWith('T')
      ? Temporal.parse(text.slice(1), 'Time')
      : Temporal.parse(text, text.includes('T') ? 'DateTime' : 'Date');
  }

  /** Undefined for what is none; a day must exist. */
  static parse(text: string, type: TemporalType): Temporal | undefined {
    if (text.length > 40) return undefined;
    const match = form.exec(type === 'Time' ? `T${text}` : text);
    if (match === null) return undefined;
    const [, year, month, day, mark, hour, minute, second, fraction = '', zone] = match;
    const date = [year, month, day].filter(part => part !== undefined).map(Number);
    if (type === 'Time' ? date.length > 0 || zone !== undefined || hour === undefined : date.length === 0)
      return undefined;
    if (type === 'Date' && mark !== undefined) return undefined;
    if (hour !== undefined && (mark === undefined || (type === 'DateTime' && date.length < 3)))
      return undefined;
    if (zone !== undefined && hour === undefined) return undefined;
    const time = [hour, minute].filter(part => part !== undefined).map(Number);
    if (second !== undefined) time.push(Number(second) * 1000 + Number(fraction.padEnd(3, '0').slice(0, 3)));
    const [y = 1, m = 1, d = 1] = date;
    const [h = 0, min = 0, ms = 0] = time;
    if (y < 1 || m < 1 || m > 12 || d < 1 || d > lastDay(y, m) || h > 23 || min > 59 || ms >= 61_000)
      return undefined;
    return new Temporal(
      type,
      [...date, ...time],
      fraction.length,
      zone === undefined ? undefined : minutes(zone),
    );
  }

  /** The moment in a zone, to the millisecond. */
  static at(milliseconds: number, zone = 0): Temporal {
    const local = new Date(milliseconds + zone * 60_000);
    const parts = [local.getUTCFullYear(), local.getUTCMonth() + 1, local.getUTCDate()];
    const time = [
      local.getUTCHours(),
      local.getUTCMinutes(),
      local.getUTCSeconds() * 1000 + local.getUTCMilliseconds(),
    ];
    return new Temporal('DateTime', [...parts, ...time], 3, zone);
  }

  get dateParts(): number {
    return this.type === 'Time' ? 0 : 3;
  }

  /** In UTC, if there is a zone and a time. */
  private universal(): Parts {
    if (this.zone === undefined || this.zone === 0 || this.parts.length < 4) return this.parts;
    const [y, m, d, h, min = 0, ms = 0] = this.parts as [number, number, number, number, number?, number?];
    const moment = new Date(Date.UTC(y, m - 1, d, h, min - this.zone) + ms);
    const all = [
      moment.getUTCFullYear(),
      moment.getUTCMonth() + 1,
      moment.getUTCDate(),
      moment.getUTCHours(),
      moment.getUTCMinutes(),
      moment.getUTCSeconds() * 1000 + moment.getUTCMilliseconds(),
    ];
    // An offset of half an hour moves minutes that were not written.
    return this.zone % 60 === 0
      ? all.slice(0, this.parts.length)
      : all.slice(0, Math.max(this.parts.length, 5));
  }

  /** Negative, zero, positive; undefined where it cannot be said; `false` for a time and a date. */
  compare(other: Temporal): number | undefined | false {
    if ((this.type === 'Time') !== (other.type === 'Time')) return false;
    const timed = this.type !== 'Time' && this.parts.length > 3 && other.parts.length > 3;
    const both = timed && this.zone !== undefined && other.zone !== undefined;
    const [a, b] = both ? [this.universal(), other.universal()] : [this.parts, other.parts];
    if (timed && !both && (this.zone !== undefined || other.zone !== undefined)) {
      // Apart by more than any two zones can differ, the answer does not depend on them.
      const apart = dayNumber(a) - dayNumber(b);
      return Math.abs(apart) > 2 ? apart : undefined;
    }
    const shorter = Math.min(a.length, b.length);
    for (let i = 0; i < shorter; i++) if (a[i] !== b[i]) return a[i]! - b[i]!;
    return a.length === b.length ? 0 : undefined;
  }

  /** Adds the whole part of an amount of a calendar unit, as the official tests have it; undefined where the result has no such year. */
  plus(amount: Fixed, unit: string): Temporal | undefined {
    const days = this.dateParts;
    const [y = 1, m = 1, d = 1] = days === 0 ? [] : this.parts;
    const [h = 0, min = 0, ms = 0] = this.parts.slice(days);
    const whole = amount.truncated().toNumber();
    if (!Number.isSafeInteger(whole)) return undefined;
    if (days === 0 && !(unit in milliseconds)) return undefined;
    let result: Parts;
    if (unit === 'year' || unit === 'month') {
      const months = y * 12 + (m - 1) + whole * (unit === 'year' ? 12 : 1);
      const [year, month] = [Math.floor(months / 12), (months % 12) + 1];
      if (!(year >= 1 && year <= 9999)) return undefined;
      result = [year, month, Math.min(d, lastDay(year, month)), h, min, ms];
    } else {
      // What is finer than what was written is counted in whole units of that.
      const precision = this.parts.length - days;
      const exact = whole * milliseconds[unit]!;
      const perPart =
        days === 3 && precision <= 0
          ? perDatePart(this.parts.length)
          : [3_600_000, 60_000, 1][precision - 1]!;
      const step = Math.trunc(exact / perPart);
      if (days === 3 && this.parts.length < 3) {
        return this.plus(new Fixed(BigInt(step), 0), this.parts.length === 1 ? 'year' : 'month');
      }
      const moment =
        Date.UTC(2000, 0, 1) + (days === 0 ? 0 : utcDay(y, m, d)) + h * 3_600_000 + min * 60_000 + ms;
      const moved = new Date(moment + step * perPart);
      if (Number.isNaN(moved.getTime()) || moved.getUTCFullYear() < 1 || moved.getUTCFullYear() > 9999)
        return undefined;
      result = [
        moved.getUTCFullYear(),
        moved.getUTCMonth() + 1,
        moved.getUTCDate(),
        moved.getUTCHours(),
        moved.getUTCMinutes(),
        moved.getUTCSeconds() * 1000 + moved.getUTCMilliseconds(),
      ];
    }
    const parts = (days === 0 ? result.slice(3) : result).slice(0, this.parts.length);
    return new Temporal(this.type, parts, this.fraction, this.zone);
  }

  toString(): string {
    const days = this.dateParts;
    const [y, ...rest] = this.parts.slice(0, days);
    const date = y === undefined ? '' : [String(y).padStart(4, '0'), ...rest.map(two)].join('-');
    const [h, min, ms] = this.parts.slice(days);
    let time = [h, min]
      .filter(part => part !== undefined)
      .map(two)
      .join(':');
    if (ms !== undefined) {
      time += `:${two(Math.floor(ms / 1000))}`;
      if (this.fraction > 0)
        time += `.${String(ms % 1000)
          .padStart(3, '0')
          .padEnd(this.fraction, '0')
          .slice(0, this.fraction)}`;
    }
    if (this.type === 'Time') return time;
    const zone = this.zone === undefined ? '' : zoneText(this.zone);
    return time === '' ? date : `${date}T${time}${zone}`;
  }
}

const milliseconds: Readonly<Record<string, number>> = {
  week: 604_800_000,
  day: 86_400_000,
  hour: 3_600_000,
  minute: 60_000,
  second: 1000,
  millisecond: 1,
};

const epoch = Date.UTC(2000, 0, 1);
function utcDay(y: number, m: number, d: number): number {
  const date = new Date(epoch);
  date.setUTCFullYear(y, m - 1, d); // Date.UTC reads years below 100 as 19xx
  return date.getTime() - epoch;
}
const dayNumber = ([y = 1, m = 1, d = 1]: Parts): number => utcDay(y, m, d) / 86_400_000;
const perDatePart = (parts: number): number => [365 * 86_400_000, 30 * 86_400_000, 86_400_000][parts - 1]!;
const minutes = (zone: string): number =>
  zone === 'Z'
    ? 0
    : (zone.startsWith('-') ? -1 : 1) * (Number(zone.slice(1, 3)) * 60 + Number(zone.slice(4)));
const zoneText = (zone: number): string =>
  zone === 0
    ? 'Z'
    : `${zone < 0 ? '-' : '+'}${two(Math.floor(Math.abs(zone) / 60))}:${two(Math.abs(zone) % 60)}`;
