// Functions that ask whether and how many. https://hl7.org/fhirpath/#existence
import { argument, boolean, only, truthOf, type Functions } from '../closure.js';
import { FhirPathError } from '../fhirpath-error.js';
import { distinct, Lookup } from '../equality.js';
import type { Context } from '../context.js';
import { nothing, systemOf, type Item, type Items } from '../values.js';

const booleans = (items: Items): boolean[] =>
  items.flatMap(item => {
    const value = systemOf(item);
    if (value === undefined) return [];
    if (typeof value !== 'boolean') throw new FhirPathError('has something else where booleans are needed');
    return [value];
  });

const isSubset = (some: Items, all: Items, context: Context): boolean => {
  const lookup = new Lookup(context, all);
  return some.every(item => lookup.has(item));
};

export const existence: Functions = {
  count:
    ({ of }) =>
    (focus, context) => [of(focus, context).length],
  allTrue:
    ({ of }) =>
    (focus, context) =>
      boolean(booleans(of(focus, context)).every(Boolean)),
  anyTrue:
    ({ of }) =>
    (focus, context) =>
      boolean(booleans(of(focus, context)).some(Boolean)),
  allFalse:
    ({ of }) =>
    (focus, context) =>
      boolean(!booleans(of(focus, context)).some(Boolean)),
  anyFalse:
    ({ of }) =>
    (focus, context) =>
      boolean(!booleans(of(focus, context)).every(Boolean)),
  subsetOf: call => {
    const other = call.run(argument(call, 0));
    return (focus, context) => boolean(isSubset(call.of(focus, context), other(focus, context), context));
  },
  supersetOf: call => {
    const other = call.run(argument(call, 0));
    return (focus, context) => boolean(isSubset(other(focus, context), call.of(focus, context), context));
  },
  distinct:
    ({ of }) =>
    (focus, context) =>
      distinct(of(focus, context), context),
  isDistinct:
    ({ of }) =>
    (focus, context) => {
      const lookup = new Lookup(context);
      return boolean(of(focus, context).every(item => lookup.add(item)));
    },
  not:
    ({ of }) =>
    (focus, context) => {
      const truth = truthOf(of(focus, context));
      return boolean(truth === undefined ? undefined : !truth);
    },
  iif: call => {
    const condition = call.run(argument(call, 0));
    const [then, otherwise] = [call.run(argument(call, 1)), call.args[2] && call.run(call.args[2])];
    return (focus, context) => {
      const items = call.of(focus, context);
      const item: Item | undefined = only(items);
      // Called on an item, that is $this within.
      const { self } = context;
      context.self = item === undefined ? self : items;
      const found = only(condition(items, context));
      const holds = found === undefined ? undefined : systemOf(found);
      if (holds !== undefined && typeof holds !== 'boolean')
        throw new FhirPathError('calls iif() with a condition that is no boolean');
      const result = holds === true ? then(items, context) : (otherwise?.(items, context) ?? nothing);
      context.self = self;
      return result;
    };
  },
};
