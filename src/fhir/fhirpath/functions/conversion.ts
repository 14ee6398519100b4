// toX() and convertsToX(). https://hl7.org/fhirpath/#conversion
import { boolean, one, only, type Call, type Functions, type Run } from '../closure.js';
import { Fixed } from '../fixed.js';
import { Node } from '../node.js';
import { asQuantity } from '../equality.js';
import { parseQuantity, Quantity } from '../quantity.js';
import { Temporal } from '../temporal.js';
import { nothing, systemOf, textOf, type SystemValue } from '../values.js';

type Convert = (value: SystemValue) => SystemValue | undefined;

const yes = new Set(['true', 't', 'yes', 'y', '1', '1.0']);
const no = new Set(['false', 'f', 'no', 'n', '0', '0.0']);

const conversions: Readonly<Record<string, Convert>> = {
  Boolean: value => {
    if (typeof value === 'boolean') return value;
    if (value instanceof Quantity || value instanceof Temporal) return undefined;
    const text = value instanceof Fixed ? value.shortened().toString() : String(value).toLowerCase();
    return yes.has(text) ? true : no.has(text) ? false : undefined;
  },
  Integer: value => {
    if (typeof value === 'number') return value;
    if (typeof value === 'boolean') return value ? 1 : 0;
    if (typeof value !== 'string' || !/^[+-]?[0-9]{1,10}$/.test(value)) return undefined;
    const number = Number(value);
    return number >= -2147483648 && number <= 2147483647 ? number : undefined;
  },
  Decimal: value => {
    if (value instanceof Fixed) return value;
    if (typeof value === 'number') return new Fixed(BigInt(value), 0);
    if (typeof value === 'boolean') return value ? new Fixed(10n, 1) : new Fixed(0n, 1);
    return typeof value === 'string' && /^[+-]?[0-9]+(\.[0-9]+)?$/.test(value)
      ? Fixed.parse(value)
      : undefined;
  },
  String: textOf,
  Date: value => {
    if (value instanceof Temporal) {
      if (value.type === 'Date') return value;
      return value.type === 'DateTime'
        ? new Temporal('Date', value.parts.slice(0, 3), 0, undefined)
        : undefined;
    }
    return typeof value === 'string' ? Temporal.parse(value.split('T', 1)[0]!, 'Date') : undefined;
  },
  DateTime: value => {
    if (value instanceof Temporal) {
      if (value.type === 'DateTime') return value;
      return value.type === 'Date' ? new Temporal('DateTime', value.parts, 0, undefined) : undefined;
    }
    return typeof value === 'string' ? Temporal.parse(value, 'DateTime') : undefined;
  },
  Time: value => {
    if (value instanceof Temporal) return value.type === 'Time' ? value : undefined;
    return typeof value === 'string' ? Temporal.parse(value.replace(/^T/, ''), 'Time') : undefined;
  },
  Quantity: value => {
    if (typeof value === 'boolean')
      return new Quantity(value ? new Fixed(10n, 1) : new Fixed(0n, 1), '1', false);
    return typeof value === 'string' ? parseQuantity(value) : asQuantity(value);
  },
};

/** What the conversion makes of the one item; undefined where there is none or it cannot. */
const converted =
  (call: Call, convert: Convert): ((...given: Parameters<Run>) => SystemValue | undefined | typeof nothing) =>
  (focus, context) => {
    const item = only(call.of(focus, context));
    if (item === undefined) return nothing;
    const value = systemOf(item);
    return value === undefined || value instanceof Node ? undefined : convert(value);
  };

export const conversion: Functions = Object.fromEntries(
  Object.entries(conversions).flatMap(([type, convert]): [string, (call: Call) => Run][] => [
    [
      `to${type}`,
      call => {
        const get = converted(call, convert);
        return (focus, context) => {
          const value = get(focus, context);
          return value === nothing ? nothing : one(value as SystemValue | undefined);
        };
      },
    ],
    [
      `convertsTo${type}`,
      call => {
        const get = converted(call, convert);
        return (focus, context) => {
          const value = get(focus, context);
          return value === nothing ? nothing : boolean(value !== undefined);
        };
      },
    ],
  ]),
);
