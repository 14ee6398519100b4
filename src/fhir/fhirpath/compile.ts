// Tree to closures: every operator and step becomes a function, chosen once. https://hl7.org/fhirpath/
// Surprising: there are two compilers. `run` answers items; `truth` answers conditions without making a list, and paths
// in exists() and empty() without making nodes. Nearly all invariants are conditions on a few paths.
import { operand, calculate, negate, order, textOperand, type Arithmetic } from './arithmetic.js';
import { FhirPathError } from './fhirpath-error.js';
import type { Ast } from './ast.js';
import {
  boolean,
  each,
  one,
  only,
  truthOf,
  type Call,
  type Functions,
  type Run,
  type Truth,
} from './closure.js';
import { bounded, spend } from './context.js';
import { distinct, equal, equivalent, Lookup } from './equality.js';
import { conversion } from './functions/conversion.js';
import { existence } from './functions/existence.js';
import { fhir } from './functions/fhir.js';
import { filtering } from './functions/filtering.js';
import { boundaries } from './functions/boundaries.js';
import { math } from './functions/math.js';
import { strings } from './functions/strings.js';
import { ancestry, type Kind, type Member } from './kind.js';
import { collect, Node } from './node.js';
import { partOf, presence } from './presence.js';
import { nothing, systemOf, typeTest, type Item, type Items } from './values.js';
import { variable } from './variables.js';

const functions: Functions = {
  ...existence,
  ...filtering,
  ...conversion,
  ...strings,
  ...math,
  ...boundaries,
  ...fhir,
};

export function compileRun(ast: Ast): Run {
  switch (ast.kind) {
    case 'literal': {
      const items: Items = ast.value === undefined ? nothing : [ast.value];
      return () => items;
    }
    case 'variable':
      return variable(ast.name);
    case '$this':
      return (_focus, context) => context.self;
    case '$index':
      return (_focus, context) => [context.index];
    case '$total':
      return (_focus, context) => context.total;
    case 'member':
      return step(ast.name, ast.of);
    case 'call':
      return callRun(ast);
    case 'at': {
      const [of, index] = [compileRun(ast.of), compileRun(ast.index)];
      return (focus, context) => {
        const at = only(index(focus, context));
        const place = at === undefined ? undefined : systemOf(at);
        if (place === undefined) return nothing;
        if (typeof place !== 'number') throw new FhirPathError('has an index that is no whole number');
        const item = of(focus, context)[place];
        return item === undefined ? nothing : [item];
      };
    }
    case 'sign': {
      const of = compileRun(ast.of);
      return (focus, context) => {
        const item = only(of(focus, context));
        const found = item === undefined ? undefined : operand(item);
        if (found === undefined) return nothing;
        const negative = negate(found);
        return [ast.minus ? negative : found];
      };
    }
    case 'is': {
      const [of, test] = [compileRun(ast.of), typeTest(ast.type)];
      return (focus, context) => {
        const item = only(of(focus, context));
        return item === undefined ? nothing : boolean(test.is(item));
      };
    }
    case 'as': {
      const [of, test] = [compileRun(ast.of), typeTest(ast.type)];
      return (focus, context) => {
        const item = only(of(focus, context));
        return item !== undefined && test.as(item) ? [item] : nothing;
      };
    }
    case 'operator':
      return operatorRun(ast);
  }
}

function step(name: string, ofAst: Ast | undefined): Run {
  const of = ofAst === undefined ? undefined : compileRun(ofAst);
  const mayBeType = of === undefined && /^[A-Z]/.test(name);
  // Nearly always all nodes a step meets are of one kind.
  let known: Kind | undefined;
  let members: readonly Member[] | undefined;
  return (focus, context) => {
    const items = of === undefined ? focus : of(focus, context);
    if (items.length === 0) return nothing;
    const found: Node[] = [];
    for (const item of items) {
      if (!(item instanceof Node)) {
        const part = partOf(item, name);
        if (part !== undefined) (found as Item[]).push(part);
        continue;
      }
      const { kind } = item;
      if (mayBeType && (kind.type === name || ancestry(kind.type).includes(name))) {
        found.push(item);
        continue;
      }
      if (kind !== known) {
        known = kind;
        members = kind.members().get(name);
      }
      if (members === undefined) continue;
      const { holder } = item;
      if (holder !== undefined) for (const member of members) collect(item, holder, member, found);
    }
    spend(context, found.length);
    return found.length === 0 ? nothing : found;
  };
}

type CallAst = Extract<Ast, { kind: 'call' }>;

function callRun(ast: CallAst): Run {
  const known = Object.hasOwn(truths, ast.name) ? truths[ast.name] : undefined;
  if (known !== undefined) {
    const truth = known(callOf(ast), ast);
    if (truth !== undefined) return (focus, context) => boolean(truth(focus, context));
  }
  if (!Object.hasOwn(functions, ast.name))
    throw new FhirPathError(`calls ${ast.name}(), which is no function`);
  return functions[ast.name]!(callOf(ast));
}

const callOf = ({ name, of, args }: CallAst): Call => ({
  name,
  of: of === undefined ? focus => focus : compileRun(of),
  args,
  run: compileRun,
  truth: compileTruth,
});

function operatorRun(ast: Extract<Ast, { kind: 'operator' }>): Run {
  const { operator } = ast;
  switch (operator) {
    case '|': {
      const [left, right] = [compileRun(ast.left), compileRun(ast.right)];
      return (focus, context) => {
        const a = left(focus, context);
        const b = right(focus, context);
        return distinct(a.length === 0 ? b : b.length === 0 ? a : [...a, ...b], context);
      };
    }
    case '&': {
      const [left, right] = [compileRun(ast.left), compileRun(ast.right)];
      return (focus, context) => {
        const [a, b] = [only(left(focus, context)), only(right(focus, context))];
        const text = (item: Item | undefined): string =>
          textOperand(item === undefined ? undefined : operand(item));
        return [bounded(text(a) + text(b), context)];
      };
    }
    case '+':
    case '-':
    case '*':
    case '/':
    case 'div':
    case 'mod':
      return arithmetic(operator, compileRun(ast.left), compileRun(ast.right));
    default: {
      const truth = compileTruth(ast);
      return (focus, context) => boolean(truth(focus, context));
    }
  }
}

const arithmetic =
  (operator: Arithmetic, left: Run, right: Run): Run =>
  (focus, context) => {
    const [a, b] = [only(left(focus, context)), only(right(focus, context))];
    const [x, y] = [a === undefined ? undefined : operand(a), b === undefined ? undefined : operand(b)];
    if (x === undefined || y === undefined) return nothing;
    const result = calculate(operator, x, y);
    return one(typeof result === 'string' ? bounded(result, context) : result);
  };

export function compileTruth(ast: Ast): Truth {
  if (ast.kind === 'operator') {
    const truth = operatorTruth(ast);
    if (truth !== undefined) return truth;
  }
  if (ast.kind === 'call') {
    const truth = Object.hasOwn(truths, ast.name) ? truths[ast.name]!(callOf(ast), ast) : undefined;
    if (truth !== undefined) return truth;
  }
  if (ast.kind === 'literal' && typeof ast.value === 'boolean') {
    const { value } = ast;
    return () => value;
  }
  const run = compileRun(ast);
  return (focus, context) => truthOf(run(focus, context));
}

function operatorTruth({ operator, left, right }: Extract<Ast, { kind: 'operator' }>): Truth | undefined {
  switch (operator) {
    case 'and':
    case 'or': {
      const [a, b] = [compileTruth(left), compileTruth(right)];
      const decisive = operator === 'or';
      return (focus, context) => {
        const x = a(focus, context);
        if (x === decisive) return decisive;
        const y = b(focus, context);
        if (y === decisive) return decisive;
        return x === undefined || y === undefined ? undefined : !decisive;
      };
    }
    case 'xor': {
      const [a, b] = [compileTruth(left), compileTruth(right)];
      return (focus, context) => {
        const [x, y] = [a(focus, context), b(focus, context)];
        return x === undefined || y === undefined ? undefined : x !== y;
      };
    }
    case 'implies': {
      const [a, b] = [compileTruth(left), compileTruth(right)];
      return (focus, context) => {
        const x = a(focus, context);
        if (x === false) return true;
        const y = b(focus, context);
        return x === true ? y : y === true ? true : undefined;
      };
    }
    case '=':
    case '!=': {
      const wanted = operator === '=';
      const truth = equality(left, right);
      return (focus, context) => {
        const same = truth(focus, context);
        return same === undefined ? undefined : same === wanted;
      };
    }
    case '~':
    case '!~': {
      const [a, b] = [compileRun(left), compileRun(right)];
      const wanted = operator === '~';
      return (focus, context) => equivalent(a(focus, context), b(focus, context), context) === wanted;
    }
    case '<':
    case '<=':
    case '>':
    case '>=': {
      const [a, b] = [compileRun(left), compileRun(right)];
      return (focus, context) => {
        const [x, y] = [only(a(focus, context)), only(b(focus, context))];
        const [p, q] = [x === undefined ? undefined : operand(x), y === undefined ? undefined : operand(y)];
        if (p === undefined || q === undefined) return undefined;
        const difference = order(p, q);
        if (difference === undefined) return undefined;
        return operator === '<'
          ? difference < 0
          : operator === '<='
            ? difference <= 0
            : operator === '>'
              ? difference > 0
              : difference >= 0;
      };
    }
    case 'in':
      return membership(compileRun(left), compileRun(right), right);
    case 'contains':
      return membership(compileRun(right), compileRun(left), left);
    default:
      return undefined;
  }
}

function equality(left: Ast, right: Ast): Truth {
  const a = compileRun(left);
  if (right.kind === 'literal' && typeof right.value === 'string') {
    const text = right.value;
    const items = [text];
    return (focus, context) => {
      const found = a(focus, context);
      if (found.length !== 1) return equal(found, items, context);
      const value = systemOf(found[0]!);
      return typeof value === 'string' ? value === text : equal(found, items, context);
    };
  }
  const b = compileRun(right);
  return (focus, context) => equal(a(focus, context), b(focus, context), context);
}

/** The list of literals in `x in ('a' | 'b')` is made once. */
function membership(item: Run, list: Run, listAst: Ast): Truth {
  const literals = literalTexts(listAst);
  return (focus, context) => {
    const found = only(item(focus, context));
    if (found === undefined) return undefined;
    if (literals !== undefined) {
      const value = systemOf(found);
      if (typeof value === 'string') return literals.has(value);
    }
    const items = list(focus, context);
    spend(context, items.length);
    return new Lookup(context, items).has(found);
  };
}

function literalTexts(ast: Ast): Set<string> | undefined {
  if (ast.kind === 'literal' && typeof ast.value === 'string') return new Set([ast.value]);
  if (ast.kind !== 'operator' || ast.operator !== '|') return undefined;
  const [left, right] = [literalTexts(ast.left), literalTexts(ast.right)];
  return left === undefined || right === undefined ? undefined : new Set([...left, ...right]);
}

/** Functions that are conditions, compiled without lists. */
const truths: Readonly<Record<string, (call: Call, ast: CallAst) => Truth | undefined>> = {
  exists: (call, { of, args }) => {
    if (args.length === 0) return presence(of) ?? ((focus, context) => call.of(focus, context).length > 0);
    const criteria = compileTruth(args[0]!);
    return (focus, context) => {
      let found = false;
      each(call.of(focus, context), context, item => {
        if (criteria(item, context) === true) found = true;
        return !found;
      });
      return found;
    };
  },
  empty: (call, { of }) => {
    const present = presence(of);
    if (present !== undefined) return (focus, context) => !present(focus, context)!;
    return (focus, context) => call.of(focus, context).length === 0;
  },
  not: (_call, { of }) => {
    if (of === undefined) return undefined;
    const truth = compileTruth(of);
    return (focus, context) => {
      const holds = truth(focus, context);
      return holds === undefined ? undefined : !holds;
    };
  },
  all: (call, { args }) => {
    if (args.length !== 1) throw new FhirPathError('calls all() without a condition');
    const criteria = compileTruth(args[0]!);
    return (focus, context) => {
      let holds = true;
      each(call.of(focus, context), context, item => (holds = criteria(item, context) === true));
      return holds;
    };
  },
  hasValue: call => (focus, context) => {
    const items = call.of(focus, context);
    const [item] = items;
    return items.length === 1 && item instanceof Node && item.kind.primitive && item.value !== undefined;
  },
};
