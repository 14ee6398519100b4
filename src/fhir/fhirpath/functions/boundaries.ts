// What a value of limited precision may be at least and at most, and how precise it is.
// https://hl7.org/fhirpath/2025Jan/#lowboundaryprecision-integer-decimal--date--datetime--time
import { FhirPathError } from '../fhirpath-error.js';
import { argument, boolean, integer, one, value, type Call, type Functions, type Run } from '../closure.js';
import { Fixed } from '../fixed.js';
import { Quantity } from '../quantity.js';
import { Temporal } from '../temporal.js';
import { nothing, type SystemValue } from '../values.js';
import { fixedOf } from '../arithmetic.js';

type End = 'low' | 'high';

/** Digits of a date or time → parts. */
const dateDigits = [4, 6, 8, 10, 12, 17];
const timeDigits = [2, 4, 9];

function bound(given: SystemValue, end: End, precision: number | undefined): SystemValue | undefined {
  if (given instanceof Quantity) {
    const number = boundOfNumber(given.value, end, precision ?? 8);
    return number === undefined ? undefined : new Quantity(number, given.unit, given.calendar);
  }
  if (given instanceof Temporal) return boundOfTemporal(given, end, precision);
  const number = fixedOf(given);
  if (number === undefined) throw new FhirPathError('asks for a boundary of what has none');
  return boundOfNumber(number, end, precision ?? 8);
}

function boundOfNumber(number: Fixed, end: End, digits: number): Fixed | undefined {
  if (digits < 0 || digits > 31) return undefined;
  const half = new Fixed(5n, number.scale + 1);
  return end === 'low'
    ? number.minus(half).floored(digits)
    : number.plus(half).negated().floored(digits).negated();
}

const seconds = (end: End): number => (end === 'low' ? 0 : 59_999);

function boundOfTemporal(given: Temporal, end: End, precision: number | undefined): Temporal | undefined {
  const isTime = given.type === 'Time';
  const digits = isTime ? timeDigits : dateDigits;
  const wanted = digits.indexOf(precision ?? (isTime ? 9 : given.type === 'Date' ? 8 : 17)) + 1;
  if (wanted === 0 || (given.type === 'Date' && wanted > 3)) return undefined;
  const parts = [...given.parts];
  while (parts.length < wanted) {
    const at = parts.length + (isTime ? 3 : 0);
    if (at === 1) parts.push(end === 'low' ? 1 : 12);
    else if (at === 2)
      parts.push(end === 'low' ? 1 : new Date(Date.UTC(parts[0]!, parts[1], 0)).getUTCDate());
    else if (at === 3) parts.push(end === 'low' ? 0 : 23);
    else if (at === 4) parts.push(end === 'low' ? 0 : 59);
    else parts.push(seconds(end));
  }
  // A second written without its fraction is that whole second.
  const last = parts.length - 1;
  if (
    parts.length === digits.length &&
    given.parts.length === parts.length &&
    given.fraction === 0 &&
    end === 'high'
  )
    parts[last] = parts[last]! + 999;
  const zone = isTime || wanted <= 3 ? undefined : (given.zone ?? (end === 'low' ? 14 * 60 : -12 * 60));
  return new Temporal(given.type, parts.slice(0, wanted), 3, zone);
}

const boundary =
  (end: End) =>
  (call: Call): Run => {
    const self = value(call.of);
    const precision = call.args[0] === undefined ? () => undefined : integer(call.run(call.args[0]));
    return (focus, context) => {
      const given = self(focus, context);
      return given === undefined ? nothing : one(bound(given, end, precision(focus, context)));
    };
  };

export const boundaries: Functions = {
  lowBoundary: boundary('low'),
  highBoundary: boundary('high'),
  precision: call => {
    const self = value(call.of);
    return (focus, context) => {
      const given = self(focus, context);
      if (given === undefined) return nothing;
      if (given instanceof Temporal) {
        const count = given.parts.length - 1;
        const digits = (given.type === 'Time' ? timeDigits : dateDigits)[count]!;
        const seconds = given.parts.length === (given.type === 'Time' ? 3 : 6);
        return [seconds && given.fraction === 0 ? digits - 3 : digits];
      }
      const number = given instanceof Quantity ? given.value : fixedOf(given);
      if (number === undefined) throw new FhirPathError('asks for the precision of what has none');
      return [number.scale];
    };
  },
  comparable: call => {
    const [self, other] = [value(call.of), value(call.run(argument(call, 0)))];
    return (focus, context) => {
      const [a, b] = [self(focus, context), other(focus, context)];
      if (a === undefined || b === undefined) return nothing;
      if (!(a instanceof Quantity && b instanceof Quantity))
        throw new FhirPathError('compares what is no quantity');
      return boolean(a.compare(b) !== undefined);
    };
  },
  now: () => (_focus, context) => [Temporal.at(context.now)],
  today: () => (_focus, context) => [
    new Temporal('Date', Temporal.at(context.now).parts.slice(0, 3), 0, undefined),
  ],
  timeOfDay: () => (_focus, context) => [
    new Temporal('Time', Temporal.at(context.now).parts.slice(3), 3, undefined),
  ],
};
