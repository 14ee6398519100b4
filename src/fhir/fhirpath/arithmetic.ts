// The operators that calculate and compare. https://hl7.org/fhirpath/#math, https://hl7.org/fhirpath/#comparison
// A result that cannot be represented, such as a quotient by zero, is nothing; operands of the wrong type are an error.
import { FhirPathError } from './fhirpath-error.js';
import { asQuantity } from './equality.js';
import { Fixed } from './fixed.js';
import { Node } from './node.js';
import { calendarUnit, Quantity } from './quantity.js';
import { Temporal } from './temporal.js';
import { systemOf, textOf, TypeInfo, type Item, type SystemValue } from './values.js';

type Operand = SystemValue | undefined;

/** The value of an operand; undefined for an element without one. @throws FhirPathError for a complex element. */
export function operand(item: Item): Operand {
  const value = systemOf(item);
  if (value instanceof Node || value instanceof TypeInfo) throw wrongTypes();
  return value;
}

const wrongTypes = (): FhirPathError => new FhirPathError('applies an operator to types it does not take');

export const fixedOf = (value: SystemValue): Fixed | undefined =>
  typeof value === 'number' ? new Fixed(BigInt(value), 0) : value instanceof Fixed ? value : undefined;

/** A whole number as Integer where both were, if it is one. */
const integer = (value: number): number | undefined =>
  value >= -2147483648 && value <= 2147483647 ? value + 0 : undefined;

/** Negative, zero, positive, or undefined where it cannot be said. */
export function order(a: SystemValue, b: SystemValue): number | undefined {
  if (typeof a === 'number' && typeof b === 'number') return a - b;
  if (typeof a === 'string' && typeof b === 'string') return a < b ? -1 : a > b ? 1 : 0;
  if (a instanceof Temporal && b instanceof Temporal) {
    const result = a.compare(b);
    if (result === false) throw wrongTypes();
    return result;
  }
  if (a instanceof Quantity || b instanceof Quantity) {
    const [p, q] = [asQuantity(a), asQuantity(b)];
    if (p === undefined || q === undefined) throw wrongTypes();
    return p.compare(q);
  }
  const [x, y] = [fixedOf(a), fixedOf(b)];
  if (x === undefined || y === undefined) throw wrongTypes();
  return x.compare(y);
}

export type Arithmetic = '+' | '-' | '*' | '/' | 'div' | 'mod';

export function calculate(operator: Arithmetic, a: SystemValue, b: SystemValue): Operand {
  if (a instanceof Temporal && b instanceof Quantity && (operator === '+' || operator === '-')) {
    const unit = calendarUnit(b);
    if (unit === undefined) throw new FhirPathError('adds to a date what is no time');
    return a.plus(operator === '+' ? b.value : b.value.negated(), unit);
  }
  if (a instanceof Quantity || b instanceof Quantity) return withQuantities(operator, a, b);
  if (operator === '+' && typeof a === 'string' && typeof b === 'string') return a + b;
  if (typeof a === 'number' && typeof b === 'number') {
    switch (operator) {
      case '+':
        return integer(a + b);
      case '-':
        return integer(a - b);
      case '*':
        return integer(a * b);
      case 'div':
        return b === 0 ? undefined : integer(Math.trunc(a / b));
      case 'mod':
        return b === 0 ? undefined : integer(a % b);
      case '/':
    }
  }
  const [x, y] = [fixedOf(a), fixedOf(b)];
  if (x === undefined || y === undefined) throw wrongTypes();
  switch (operator) {
    case '+':
      return x.plus(y);
    case '-':
      return x.minus(y);
    case '*':
      return x.times(y);
    case '/':
      return x.over(y);
    case 'div': {
      const quotient = x.quotient(y);
      return quotient === undefined ? undefined : integer(quotient.toNumber());
    }
    case 'mod': {
      const quotient = x.quotient(y)?.times(y);
      return quotient === undefined ? undefined : x.minus(quotient);
    }
  }
}

function withQuantities(operator: Arithmetic, a: SystemValue, b: SystemValue): Operand {
  const [p, q] = [asQuantity(a), asQuantity(b)];
  if (p === undefined || q === undefined) throw wrongTypes();
  if (operator === '*' || operator === '/') {
    const value = operator === '*' ? p.value.times(q.value) : p.value.over(q.value);
    if (value === undefined || p.calendar || q.calendar) return undefined;
    if (q.unit === '1') return new Quantity(value, p.unit, false);
    if (p.unit === '1') return new Quantity(value, operator === '*' ? q.unit : `1/(${q.unit})`, false);
    if (operator === '/' && p.unit === q.unit) return new Quantity(value, '1', false);
    return new Quantity(
      value,
      operator === '*' ? `(${p.unit}).(${q.unit})` : `(${p.unit})/(${q.unit})`,
      false,
    );
  }
  if (operator !== '+' && operator !== '-') throw wrongTypes();
  const sum = (other: Fixed): Quantity =>
    new Quantity(operator === '+' ? p.value.plus(other) : p.value.minus(other), p.unit, p.calendar);
  if (p.unit === q.unit && p.calendar === q.calendar) return sum(q.value);
  // In the unit of the left side, to the digits a double is sure of.
  const [one, other] = [new Quantity(new Fixed(1n, 0), p.unit, p.calendar).canonical(), q.canonical()];
  if (one === undefined || other === undefined || one.unit !== other.unit || one.value === 0)
    return undefined;
  const converted = Fixed.of(Number((other.value / one.value).toPrecision(12)));
  return converted === undefined ? undefined : sum(converted);
}

export const negate = (value: SystemValue): SystemValue => {
  if (typeof value === 'number') return value === 0 ? 0 : -value;
  if (value instanceof Fixed) return value.negated();
  if (value instanceof Quantity) return new Quantity(value.value.negated(), value.unit, value.calendar);
  throw wrongTypes();
};

/** `&`: nothing is an empty text. @throws FhirPathError for what is no text. */
export function textOperand(value: Operand): string {
  if (value === undefined) return '';
  if (typeof value !== 'string') {
    const text = textOf(value);
    if (text === undefined) throw wrongTypes();
    return text;
  }
  return value;
}
