// What an expression is compiled to, and what a function's compiler is given. No tree is walked at evaluation.
import { FhirPathError } from './fhirpath-error.js';
import type { Ast } from './ast.js';
import { operand } from './arithmetic.js';
import { spend, type Context } from './context.js';
import { Node } from './node.js';
import { nothing, systemOf, type Item, type Items, type SystemValue } from './values.js';

/** `focus` is what names at the beginning of the expression are read from. */
export type Run = (focus: Items, context: Context) => Items;
/** Of conditions: undefined is neither true nor false. */
export type Truth = (focus: Items, context: Context) => boolean | undefined;

/** A function call: `of` is what stands before the point. */
export interface Call {
  readonly name: string;
  readonly of: Run;
  readonly args: readonly Ast[];
  readonly run: (ast: Ast) => Run;
  readonly truth: (ast: Ast) => Truth;
}
export type Functions = Readonly<Record<string, (call: Call) => Run>>;

/** @throws FhirPathError for more than one item. */
export function only(items: Items): Item | undefined {
  if (items.length > 1) throw new FhirPathError('has several items where one is needed');
  return items[0];
}

/** FHIRPath's singleton rule for conditions: what is one item and no boolean counts as true. */
export function truthOf(items: Items): boolean | undefined {
  const item = only(items);
  if (item === undefined) return undefined;
  const value = systemOf(item);
  return typeof value === 'boolean' ? value : true;
}

const yes: Items = Object.freeze([true]);
const no: Items = Object.freeze([false]);
export const boolean = (value: boolean | undefined): Items =>
  value === undefined ? nothing : value ? yes : no;
export const one = (value: SystemValue | undefined): Items => (value === undefined ? nothing : [value]);

/** Runs `work` with each item as $this. */
export function each(items: Items, context: Context, work: (focus: Items, item: Item) => unknown): void {
  const { self, index } = context;
  spend(context, items.length);
  for (let i = 0; i < items.length; i++) {
    const focus = [items[i]!];
    context.self = focus;
    context.index = i;
    if (work(focus, items[i]!) === false) break;
  }
  context.self = self;
  context.index = index;
}

/** The argument at a place. @throws FhirPathError where the call lacks it. */
export function argument({ name, args }: Call, at: number): Ast {
  const ast = args[at];
  if (ast === undefined) throw new FhirPathError(`calls ${name}() with too few arguments`);
  return ast;
}

export type Get<T> = (focus: Items, context: Context) => T | undefined;

/** An argument of the type, undefined where it is empty. @throws FhirPathError for another type. */
export function text(run: Run): Get<string> {
  return (focus, context) => {
    const item = only(run(focus, context));
    const value = item === undefined ? undefined : systemOf(item);
    if (value === undefined || typeof value === 'string') return value;
    throw new FhirPathError('has something else where a text is needed');
  };
}
export function integer(run: Run): Get<number> {
  return (focus, context) => {
    const item = only(run(focus, context));
    const value = item === undefined ? undefined : systemOf(item);
    if (value === undefined || typeof value === 'number') return value;
    throw new FhirPathError('has something else where a whole number is needed');
  };
}
/** A value that is no complex element. */
export function value(run: Run): Get<SystemValue> {
  return (focus, context) => {
    const item = only(run(focus, context));
    return item === undefined ? undefined : operand(item);
  };
}

export const nodesIn = (items: Items): readonly Node[] =>
  items.every(item => item instanceof Node) ? items : items.filter(item => item instanceof Node);
