// `=` and `~`: what is equal, what is equivalent, and what cannot be said. https://hl7.org/fhirpath/#equality
import { Decimal, isObject, lexemeOf, type Json } from '../json.js';
import { spend, type Context } from './context.js';
import { Fixed } from './fixed.js';
import { Node } from './node.js';
import { Quantity } from './quantity.js';
import { Temporal } from './temporal.js';
import { systemOf, TypeInfo, type Item, type Items, type SystemValue } from './values.js';

/** Item by item, in order; undefined where either side is empty or precision does not allow to say. */
export function equal(left: Items, right: Items, context: Context): boolean | undefined {
  if (left.length === 0 || right.length === 0) return undefined;
  if (left.length !== right.length) return false;
  let unknown = false;
  for (let i = 0; i < left.length; i++) {
    const same = equalItems(left[i]!, right[i]!, context);
    if (same === false) return false;
    unknown ||= same === undefined;
  }
  return unknown ? undefined : true;
}

function equalItems(left: Item, right: Item, context: Context): boolean | undefined {
  const a = systemOf(left) ?? left;
  const b = systemOf(right) ?? right;
  if (a instanceof Node || b instanceof Node) {
    if (!(a instanceof Node && b instanceof Node)) return false;
    if (a.value === undefined && b.value === undefined) return sameJson(a.extra, b.extra, context);
    return sameJson(a.value, b.value, context);
  }
  return equalValues(a, b);
}

const asFixed = (value: SystemValue): Fixed | undefined =>
  typeof value === 'number' ? new Fixed(BigInt(value), 0) : value instanceof Fixed ? value : undefined;

function equalValues(a: SystemValue, b: SystemValue): boolean | undefined {
  if (typeof a === typeof b && typeof a !== 'object') return a === b;
  if (a instanceof TypeInfo) return b instanceof TypeInfo && a.name === b.name && a.namespace === b.namespace;
  if (a instanceof Temporal) {
    if (!(b instanceof Temporal)) return false;
    const order = a.compare(b);
    return order === undefined ? undefined : order === 0;
  }
  if (a instanceof Quantity || b instanceof Quantity) {
    const [p, q] = [asQuantity(a), asQuantity(b)];
    if (p === undefined || q === undefined) return false;
    const order = p.compare(q);
    return order === undefined ? undefined : order === 0;
  }
  const [x, y] = [asFixed(a), asFixed(b)];
  return x !== undefined && y !== undefined && x.compare(y) === 0;
}

export const asQuantity = (value: SystemValue): Quantity | undefined => {
  if (value instanceof Quantity) return value;
  const number = asFixed(value);
  return number === undefined ? undefined : new Quantity(number, '1', false);
};

/** Equal JSON, whatever the order of properties; numbers by value. */
function sameJson(a: Json | undefined, b: Json | undefined, context: Context): boolean {
  spend(context, 1);
  if (a === b) return true;
  if (isNumber(a) && isNumber(b)) return Fixed.parse(lexemeOf(a))?.compare(Fixed.parse(lexemeOf(b))!) === 0;
  if (Array.isArray(a) && Array.isArray(b))
    return a.length === b.length && a.every((one, i) => sameJson(one, b[i], context));
  if (!isObject(a) || !isObject(b)) return false;
  const names = Object.keys(a);
  return (
    names.length === Object.keys(b).length &&
    names.every(name => Object.hasOwn(b, name) && sameJson(a[name], b[name], context))
  );
}
const isNumber = (value: Json | undefined): value is number | Decimal =>
  typeof value === 'number' || value instanceof Decimal;

/** Without regard to order, case and blanks of texts, or digits beyond the less precise number. */
export function equivalent(left: Items, right: Items, context: Context): boolean {
  if (left.length !== right.length) return false;
  const rest = [...right];
  return left.every(one => {
    const at = rest.findIndex(other => {
      spend(context, 1);
      return equivalentItems(one, other, context);
    });
    if (at < 0) return false;
    rest.splice(at, 1);
    return true;
  });
}

const folded = (text: string): string => text.toLowerCase().trim().replace(/\s+/g, ' ');

function equivalentItems(left: Item, right: Item, context: Context): boolean {
  const a = systemOf(left) ?? left;
  const b = systemOf(right) ?? right;
  if (a instanceof Node || b instanceof Node) {
    return a instanceof Node && b instanceof Node && similarJson(a.value, b.value, context);
  }
  if (typeof a === 'string' && typeof b === 'string') return folded(a) === folded(b);
  if (a instanceof Temporal && b instanceof Temporal) {
    return a.compare(b) === 0;
  }
  if (a instanceof Quantity || b instanceof Quantity) {
    const [p, q] = [asQuantity(a), asQuantity(b)];
    if (p === undefined || q === undefined) return false;
    if (p.unit === q.unit) return similarNumbers(p.value, q.value);
    const [one, other] = [
      new Quantity(new Fixed(1n, 0), p.unit, p.calendar).canonical(true),
      q.canonical(true),
    ];
    if (one === undefined || other === undefined || one.unit !== other.unit || one.value === 0) return false;
    const converted = Fixed.of(Number((other.value / one.value).toPrecision(12)));
    return converted !== undefined && similarNumbers(p.value, converted);
  }
  const [x, y] = [asFixed(a), asFixed(b)];
  if (x !== undefined && y !== undefined) return similarNumbers(x, y);
  return equalValues(a, b) === true;
}

function similarNumbers(a: Fixed, b: Fixed): boolean {
  const digits = Math.min(a.shortened().scale, b.shortened().scale);
  return a.rounded(digits).compare(b.rounded(digits)) === 0;
}

function similarJson(a: Json | undefined, b: Json | undefined, context: Context): boolean {
  spend(context, 1);
  if (typeof a === 'string' && typeof b === 'string') return folded(a) === folded(b);
  if (isNumber(a) && isNumber(b)) {
    const [x, y] = [Fixed.parse(lexemeOf(a)), Fixed.parse(lexemeOf(b))];
    return x !== undefined && y !== undefined && similarNumbers(x, y);
  }
  if (Array.isArray(a) && Array.isArray(b)) {
    const rest = [...b];
    return (
      a.length === b.length &&
      a.every(one => {
        const at = rest.findIndex(other => similarJson(one, other, context));
        if (at >= 0) rest.splice(at, 1);
        return at >= 0;
      })
    );
  }
  if (!isObject(a) || !isObject(b)) return a === b;
  const names = Object.keys(a).filter(name => name !== 'id');
  return (
    names.length === Object.keys(b).filter(name => name !== 'id').length &&
    names.every(name => Object.hasOwn(b, name) && similarJson(a[name], b[name], context))
  );
}

/**
 * The items without those equal to an earlier one. Texts and whole numbers are looked up, so that thousands of them cost
 * no square.
 */
export function distinct(items: Items, context: Context): Items {
  if (items.length < 2) return items;
  const seen = new Lookup(context);
  return items.filter(item => seen.add(item));
}

/** Items to which others are compared by `=`. */
export class Lookup {
  private readonly simple = new Set<string | number | boolean>();
  private readonly others: Item[] = [];
  constructor(
    private readonly context: Context,
    items: Items = [],
  ) {
    for (const item of items) this.add(item);
  }
  private static simpleOf(item: Item): string | number | boolean | undefined {
    const value = systemOf(item);
    return typeof value === 'object' ? undefined : value;
  }
  has(item: Item): boolean {
    const simple = Lookup.simpleOf(item);
    if (simple !== undefined && this.simple.has(simple)) return true;
    if (typeof simple === 'string' || typeof simple === 'boolean') return false;
    spend(this.context, this.others.length);
    if (typeof simple === 'number')
      return this.others.some(other => equalItems(other, item, this.context) === true);
    spend(this.context, this.simple.size);
    if ([...this.numbers()].some(number => equalItems(number, item, this.context) === true)) return true;
    return this.others.some(other => equalItems(other, item, this.context) === true);
  }
  private *numbers(): Iterable<number> {
    for (const one of this.simple) if (typeof one === 'number') yield one;
  }
  /** False where an equal item was there. */
  add(item: Item): boolean {
    if (this.has(item)) return false;
    const simple = Lookup.simpleOf(item);
    if (simple === undefined) this.others.push(item);
    else this.simple.add(simple);
    return true;
  }
}
