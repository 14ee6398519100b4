// Quantities of FHIRPath: a decimal and a unit, which is UCUM or a word of the calendar. https://hl7.org/fhirpath/#quantity
import { canonicalUnit } from '../ucum.js';
import { tableOf } from '../table.js';
import { Fixed } from './fixed.js';

/** Words of the calendar that are exactly a UCUM unit; a year and a month are not. */
const definite: Readonly<Record<string, string>> = {
  week: 'wk',
  day: 'd',
  hour: 'h',
  minute: 'min',
  second: 's',
  millisecond: 'ms',
};
/** About as long, which is enough for `~`. */
const about: Readonly<Record<string, string>> = { ...definite, year: 'a', month: 'mo' };

export class Quantity {
  constructor(
    readonly value: Fixed,
    readonly unit: string,
    /** The unit is a word: `day`, not 'd'. */
    readonly calendar: boolean,
  ) {}

  /** Negative, zero, positive; undefined where the units cannot be compared. */
  compare(other: Quantity): number | undefined {
    if (this.unit === other.unit && this.calendar === other.calendar) return this.value.compare(other.value);
    const [a, b] = [this.canonical(), other.canonical()];
    if (a === undefined || b === undefined || a.unit !== b.unit) return undefined;
    const difference = a.value - b.value;
    // Conversion is in doubles: what equals to 12 digits is equal.
    return Math.abs(difference) <= 1e-12 * Math.max(Math.abs(a.value), Math.abs(b.value)) ? 0 : difference;
  }

  /** In base units; `loosely` takes a year for UCUM's. */
  canonical(loosely = false): { readonly value: number; readonly unit: string } | undefined {
    const code = this.calendar ? (loosely ? about : definite)[this.unit] : this.unit;
    const unit = code === undefined ? undefined : canonicalUnit(code);
    if (unit === undefined) return undefined;
    return { value: this.value.toNumber() * unit.factor + unit.offset, unit: unit.code };
  }

  toString(): string {
    if (!this.calendar) return `${this.value.toString()} '${this.unit}'`;
    return `${this.value.toString()} ${this.unit}${this.value.toString() === '1' ? '' : 's'}`;
  }
}

const words = /^(year|month|week|day|hour|minute|second|millisecond)s?$/;

/** `1 'mg'`, `4 days`, `1.5`; undefined for what is none. */
export function parseQuantity(text: string): Quantity | undefined {
  const match = /^([+-]?[0-9]+(?:\.[0-9]+)?)(?:\s*'([^']+)'|\s+([a-z]+))?$/.exec(text.trim());
  const value = match === null ? undefined : Fixed.parse(match[1]!);
  if (match === null || value === undefined) return undefined;
  const [, , unit, word] = match;
  if (unit !== undefined) return new Quantity(value, unit, false);
  if (word === undefined) return new Quantity(value, '1', false);
  const calendar = words.exec(word)?.[1];
  return calendar === undefined ? undefined : new Quantity(value, calendar, true);
}

const ofUcum = tableOf({
  wk: 'week',
  d: 'day',
  h: 'hour',
  min: 'minute',
  s: 'second',
  ms: 'millisecond',
});

/** The calendar's word for a unit that may be added to a date; undefined for others, UCUM's years and months too. */
export const calendarUnit = ({ unit, calendar }: Quantity): string | undefined =>
  calendar ? unit : (ofUcum(unit) ?? words.exec(unit)?.[1]);
