// Functions on numbers. https://hl7.org/fhirpath/#math; what has no result, such as the root of -1, is nothing.
import { fixedOf, negate } from '../arithmetic.js';
import { FhirPathError } from '../fhirpath-error.js';
import { argument, integer, one, value, type Call, type Functions, type Run } from '../closure.js';
import { Fixed } from '../fixed.js';
import { Quantity } from '../quantity.js';
import { nothing, type SystemValue } from '../values.js';

const onNumber =
  (work: (number: Fixed, given: SystemValue) => SystemValue | undefined) =>
  (call: Call): Run => {
    const self = value(call.of);
    return (focus, context) => {
      const given = self(focus, context);
      if (given === undefined) return nothing;
      const number = given instanceof Quantity ? given.value : fixedOf(given);
      if (number === undefined) throw new FhirPathError(`calls ${call.name}() on what is no number`);
      return one(work(number, given));
    };
  };

const onTwo =
  (work: (number: Fixed, other: Fixed, integers: boolean) => SystemValue | undefined) =>
  (call: Call): Run => {
    const [self, argumentOf] = [value(call.of), value(call.run(argument(call, 0)))];
    return (focus, context) => {
      const [given, other] = [self(focus, context), argumentOf(focus, context)];
      if (given === undefined || other === undefined) return nothing;
      const [x, y] = [fixedOf(given), fixedOf(other)];
      if (x === undefined || y === undefined)
        throw new FhirPathError(`calls ${call.name}() on what is no number`);
      return one(work(x, y, typeof given === 'number' && typeof other === 'number'));
    };
  };

/** From a double, with the digits it is sure of. */
const decimal = (number: number): Fixed | undefined =>
  Number.isFinite(number) ? Fixed.of(Number(number.toPrecision(15))) : undefined;
const whole = (number: Fixed): number | Fixed => {
  const plain = number.toNumber();
  return Math.abs(plain) <= 2147483647 ? plain + 0 : number;
};

export const math: Functions = {
  abs: onNumber((number, given) => (number.units < 0n ? negate(given) : given)),
  ceiling: onNumber(number => whole(number.negated().floored(0).negated())),
  floor: onNumber(number => whole(number.floored(0))),
  truncate: onNumber(number => whole(number.truncated())),
  exp: onNumber(number => decimal(Math.exp(number.toNumber()))),
  ln: onNumber(number => decimal(Math.log(number.toNumber()))),
  sqrt: onNumber(number => decimal(Math.sqrt(number.toNumber()))),
  log: onTwo((number, base) => decimal(Math.log(number.toNumber()) / Math.log(base.toNumber()))),
  power: onTwo((number, exponent, integers) => {
    const result = number.toNumber() ** exponent.toNumber();
    if (integers && Number.isInteger(result) && Math.abs(result) <= 2147483647) return result;
    return decimal(result);
  }),
  round: call => {
    const self = value(call.of);
    const digits = call.args[0] === undefined ? () => 0 : integer(call.run(call.args[0]));
    return (focus, context) => {
      const [given, count] = [self(focus, context), digits(focus, context) ?? 0];
      if (given === undefined) return nothing;
      if (count < 0 || count > 100) throw new FhirPathError('rounds to an impossible number of digits');
      if (typeof given === 'number') return [given];
      if (given instanceof Quantity)
        return [new Quantity(given.value.rounded(count), given.unit, given.calendar)];
      if (!(given instanceof Fixed)) throw new FhirPathError('rounds what is no number');
      return [given.rounded(count)];
    };
  },
};
