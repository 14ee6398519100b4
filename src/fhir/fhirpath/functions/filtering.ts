// Functions that choose among items, go on from them, and combine them. https://hl7.org/fhirpath/#filtering-and-projection,
// https://hl7.org/fhirpath/#subsetting, https://hl7.org/fhirpath/#combining, https://hl7.org/fhirpath/#tree-navigation
import { operand, order } from '../arithmetic.js';
import { FhirPathError } from '../fhirpath-error.js';
import type { Ast } from '../ast.js';
import {
  argument,
  boolean,
  each,
  integer,
  nodesIn,
  only,
  text,
  type Call,
  type Functions,
  type Run,
} from '../closure.js';
import { spend, type Context } from '../context.js';
import { distinct, Lookup } from '../equality.js';
import { childrenOf, type Node } from '../node.js';
import { typeNameOf } from '../parse.js';
import { nothing, typeInfoOf, typeTest, type Item, type Items, type SystemValue } from '../values.js';

const typeOf = (call: Call): ReturnType<typeof typeTest> => {
  const name = typeNameOf(argument(call, 0));
  if (name === undefined) throw new FhirPathError(`calls ${call.name}() without the name of a type`);
  return typeTest(name);
};

/** Items that `next` leads to, over and over; `known` keeps those that were met. */
const repeated =
  (unique: boolean) =>
  (call: Call): Run => {
    const next = call.run(argument(call, 0));
    return (focus, context) => {
      const found: Item[] = [];
      const lookup = unique ? new Lookup(context) : undefined;
      let from = call.of(focus, context);
      while (from.length > 0) {
        const to: Item[] = [];
        each(from, context, item => {
          for (const one of next(item, context)) if (lookup === undefined || lookup.add(one)) to.push(one);
        });
        spend(context, to.length);
        found.push(...to);
        from = to;
      }
      return found;
    };
  };

function descendants(nodes: readonly Node[], context: Context): Node[] {
  const found: Node[] = [];
  for (const node of nodes) childrenOf(node, found);
  for (let i = 0; i < found.length; i++) {
    const before = found.length;
    childrenOf(found[i]!, found);
    spend(context, 1 + found.length - before);
  }
  return found;
}

const combined =
  (combine: (left: Items, right: Items, context: Context) => Items) =>
  (call: Call): Run => {
    const other = call.run(argument(call, 0));
    return (focus, context) => combine(call.of(focus, context), other(focus, context), context);
  };

/** A key of sort(): `-key` is descending. */
function sortKeys({ args, run }: Call): readonly { readonly key: Run; readonly sign: number }[] {
  if (args.length === 0) return [{ key: (_focus, context) => context.self, sign: 1 }];
  return args.map((ast: Ast) =>
    ast.kind === 'sign' && ast.minus ? { key: run(ast.of), sign: -1 } : { key: run(ast), sign: 1 },
  );
}

export const filtering: Functions = {
  where: call => {
    const criteria = call.truth(argument(call, 0));
    return (focus, context) => {
      const items = call.of(focus, context);
      if (items.length === 0) return nothing;
      const found: Item[] = [];
      each(items, context, (item, one) => {
        if (criteria(item, context) === true) found.push(one);
      });
      return found;
    };
  },
  select: call => {
    const projection = call.run(argument(call, 0));
    return (focus, context) => {
      const found: Item[] = [];
      each(call.of(focus, context), context, item => {
        const projected = projection(item, context);
        spend(context, projected.length + 1);
        for (const one of projected) found.push(one);
      });
      return found;
    };
  },
  repeat: repeated(true),
  repeatAll: repeated(false),
  ofType: call => {
    const test = typeOf(call);
    return (focus, context) => call.of(focus, context).filter(test.as);
  },
  as: call => {
    const test = typeOf(call);
    return (focus, context) => {
      const item = only(call.of(focus, context));
      return item !== undefined && test.as(item) ? [item] : nothing;
    };
  },
  is: call => {
    const test = typeOf(call);
    return (focus, context) => {
      const item = only(call.of(focus, context));
      return item === undefined ? nothing : boolean(test.is(item));
    };
  },
  type:
    ({ of }) =>
    (focus, context) =>
      of(focus, context).map(typeInfoOf),
  single:
    ({ of }) =>
    (focus, context) => {
      const item = only(of(focus, context));
      return item === undefined ? nothing : [item];
    },
  first:
    ({ of }) =>
    (focus, context) => {
      const items = of(focus, context);
      return items.length < 2 ? items : [items[0]!];
    },
  last:
    ({ of }) =>
    (focus, context) =>
      of(focus, context).slice(-1),
  tail:
    ({ of }) =>
    (focus, context) =>
      of(focus, context).slice(1),
  skip: call => {
    const count = integer(call.run(argument(call, 0)));
    return (focus, context) => call.of(focus, context).slice(Math.max(0, count(focus, context) ?? 0));
  },
  take: call => {
    const count = integer(call.run(argument(call, 0)));
    return (focus, context) => call.of(focus, context).slice(0, Math.max(0, count(focus, context) ?? 0));
  },
  intersect: combined((left, right, context) => {
    const lookup = new Lookup(context, right);
    return distinct(
      left.filter(item => lookup.has(item)),
      context,
    );
  }),
  exclude: combined((left, right, context) => {
    const lookup = new Lookup(context, right);
    return left.filter(item => !lookup.has(item));
  }),
  union: combined((left, right, context) => distinct([...left, ...right], context)),
  combine: combined((left, right, context) => {
    spend(context, left.length + right.length);
    return [...left, ...right];
  }),
  coalesce: call => {
    const runs = call.args.map(call.run);
    return (focus, context) => {
      for (const run of runs) {
        const items = run(focus, context);
        if (items.length > 0) return items;
      }
      return nothing;
    };
  },
  children:
    ({ of }) =>
    (focus, context) => {
      const found: Node[] = [];
      for (const node of nodesIn(of(focus, context))) childrenOf(node, found);
      spend(context, found.length);
      return found;
    },
  descendants:
    ({ of }) =>
    (focus, context) =>
      descendants(nodesIn(of(focus, context)), context),
  aggregate: call => {
    const aggregator = call.run(argument(call, 0));
    const initial = call.args[1] && call.run(call.args[1]);
    return (focus, context) => {
      const items = call.of(focus, context);
      const { total } = context;
      let result = initial?.(focus, context) ?? nothing;
      each(items, context, item => {
        context.total = result;
        result = aggregator(item, context);
        spend(context, result.length + 1);
      });
      context.total = total;
      return result;
    };
  },
  sort: call => {
    const keys = sortKeys(call);
    return (focus, context) => {
      const rows: { item: Item; values: (SystemValue | undefined)[] }[] = [];
      each(call.of(focus, context), context, (self, item) => {
        const values = keys.map(({ key }) => {
          const found = only(key(self, context));
          return found === undefined ? undefined : operand(found);
        });
        rows.push({ item, values });
      });
      rows.sort((a, b) => {
        spend(context, 1);
        for (const [i, { sign }] of keys.entries()) {
          const [x, y] = [a.values[i], b.values[i]];
          if (x === undefined || y === undefined) {
            if (x !== y) return x === undefined ? -1 : 1;
            continue;
          }
          const difference = order(x, y) ?? 0;
          if (difference !== 0) return sign * difference;
        }
        return 0;
      });
      return rows.map(({ item }) => item);
    };
  },
  /** Says nothing to anyone: a log is no place for a patient's data. */
  trace: ({ of }) => of,
  defineVariable: call => {
    const name = text(call.run(argument(call, 0)));
    const content = call.args[1] && call.run(call.args[1]);
    return (focus, context) => {
      const items = call.of(focus, context);
      const called = name(focus, context);
      if (called === undefined) throw new FhirPathError('defines a variable without a name');
      const found = content === undefined ? items : content(items, context);
      context.variables = new Map(context.variables).set(called, found);
      return items;
    };
  },
};
