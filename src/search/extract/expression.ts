// Reads the FHIRPath of SearchParameter.expression as far as search parameters use it: unions of paths with type
// filters, where() and a few tests. https://hl7.org/fhir/R4/searchparameter.html, https://hl7.org/fhirpath/
// Surprising: `(a.b as T)` is read as a filter, not as FHIRPath's operator, which fails on more than one element and so
// on R4's own `(Observation.component.value as Quantity)`.

export type Step =
  /** At the start: the rest applies to resources of this type. */
  | { readonly step: 'type'; readonly name: string }
  /** `%resource` */
  | { readonly step: 'resource' }
  | { readonly step: 'child'; readonly name: string }
  | { readonly step: 'index'; readonly at: number }
  | { readonly step: 'as'; readonly type: string }
  | { readonly step: 'extension'; readonly url: string }
  | { readonly step: 'where'; readonly test: Test };

export type Branch = readonly Step[];

export type Test =
  | { readonly test: 'and' | 'or'; readonly of: readonly [Test, Test] }
  | {
      readonly test: 'equals' | 'differs';
      readonly branches: readonly Branch[];
      readonly value: string | number | boolean;
    }
  | { readonly test: 'exists'; readonly branches: readonly Branch[] }
  | { readonly test: 'resolves-to'; readonly type: string }
  | { readonly test: 'has-extension'; readonly url: string };

/** Either the elements of a union, or a boolean about the resource. */
export type Expression = { readonly branches: readonly Branch[] } | { readonly test: Test };

/** The expression is outside the grammar; the FHIRPath engine may still evaluate it. */
export class BeyondGrammar extends Error {}

/** The definitions have no such element; FHIRPath finds nothing there. */
export class NoElement extends BeyondGrammar {}

/** @throws BeyondGrammar */
export function readExpression(text: string): Expression {
  const tokens = tokenize(text);
  const result = reader(tokens).expression();
  return 'branches' in result ? { branches: result.branches } : { test: testOf(result) };
}

const token =
  /\s*(?:([A-Za-z_][A-Za-z0-9_]*)|'((?:[^'\\]|\\.)*)'|(\d+(?:\.\d+)?)|(!=|%resource|\$this|[.()|=[\]]))/y;

interface Token {
  readonly kind: 'word' | 'string' | 'number' | 'sign';
  readonly text: string;
}

function tokenize(text: string): Token[] {
  const tokens: Token[] = [];
  token.lastIndex = 0;
  const end = text.trimEnd().length;
  while (token.lastIndex < end) {
    const at = token.lastIndex;
    const match = token.exec(text);
    if (match === null) throw new BeyondGrammar(`Not understood from "${text.slice(at)}"`);
    const [, word, string, number, sign] = match;
    if (word !== undefined) tokens.push({ kind: 'word', text: word });
    else if (string !== undefined) tokens.push({ kind: 'string', text: string.replace(/\\(.)/g, '$1') });
    else if (number !== undefined) tokens.push({ kind: 'number', text: number });
    else tokens.push({ kind: 'sign', text: sign! });
  }
  return tokens;
}

type Value =
  | { readonly branches: readonly Branch[]; readonly resolved?: boolean }
  | { readonly literal: string | number | boolean }
  | { readonly truth: Test };

function testOf(value: Value): Test {
  if ('truth' in value) return value.truth;
  throw new BeyondGrammar('Expected a condition');
}
function branchesOf(value: Value): readonly Branch[] {
  if ('branches' in value && value.resolved !== true) return value.branches;
  throw new BeyondGrammar('Expected a path');
}
const then = (value: Value, step: Step): Value => ({
  branches: branchesOf(value).map(branch => [...branch, step]),
});

/** Recursive descent, loosest operator first: or, and, equality, union, is/as, invocation. */
function reader(tokens: readonly Token[]): { expression(): Value } {
  let at = 0;
  const peek = (text: string): boolean => tokens[at]?.text === text && tokens[at]?.kind !== 'string';
  const take = (text: string): boolean => (peek(text) ? (at++, true) : false);
  const expect = (text: string): void => {
    if (!take(text)) throw new BeyondGrammar(`Expected "${text}" before "${tokens[at]?.text ?? 'the end'}"`);
  };
  const next = (kind: Token['kind']): string => {
    const found = tokens[at++];
    if (found?.kind !== kind)
      throw new BeyondGrammar(`Expected a ${kind} instead of "${found?.text ?? 'the end'}"`);
    return found.text;
  };

  const either = (): Value => {
    let left = both();
    while (take('or')) left = { truth: { test: 'or', of: [testOf(left), testOf(both())] } };
    return left;
  };
  const both = (): Value => {
    let left = equality();
    while (take('and')) left = { truth: { test: 'and', of: [testOf(left), testOf(equality())] } };
    return left;
  };
  const equality = (): Value => {
    const left = union();
    const test = take('=') ? 'equals' : take('!=') ? 'differs' : undefined;
    if (test === undefined) return left;
    const right = union();
    if (!('literal' in right)) throw new BeyondGrammar('Only comparison with a literal is understood');
    return { truth: { test, branches: branchesOf(left), value: right.literal } };
  };
  const union = (): Value => {
    let left = typed();
    while (take('|')) left = { branches: [...branchesOf(left), ...branchesOf(typed())] };
    return left;
  };
  const typed = (): Value => {
    const left = invocation();
    if (take('as')) return then(left, { step: 'as', type: typeName() });
    if (take('is')) return is(left, typeName());
    return left;
  };
  const is = (value: Value, type: string): Value => {
    if ('branches' in value && value.resolved === true) return { truth: { test: 'resolves-to', type } };
    throw new BeyondGrammar('Only "resolve() is Type" is understood');
  };
  const typeName = (): string => {
    const first = next('word');
    return (first === 'FHIR' || first === 'System') && take('.') ? next('word') : first;
  };
  const invocation = (): Value => {
    let value = term();
    for (;;) {
      if (take('.')) value = member(value, next('word'));
      else if (take('[')) {
        value = then(value, { step: 'index', at: Number(next('number')) });
        expect(']');
      } else return value;
    }
  };
  const term = (): Value => {
    if (take('(')) {
      const inside = either();
      expect(')');
      return inside;
    }
    if (take('%resource')) return { branches: [[{ step: 'resource' }]] };
    if (take('$this')) return { branches: [[]] };
    const kind = tokens[at]?.kind;
    if (kind === 'string') return { literal: next('string') };
    if (kind === 'number') return { literal: Number(next('number')) };
    const word = next('word');
    if (word === 'true' || word === 'false') return { literal: word === 'true' };
    if (peek('(') || !/^[A-Z]/.test(word)) return member({ branches: [[]] }, word);
    return { branches: [[{ step: 'type', name: word }]] };
  };
  const member = (value: Value, name: string): Value => {
    if (!take('(')) return then(value, { step: 'child', name });
    switch (name) {
      case 'as':
      case 'ofType':
        value = then(value, { step: 'as', type: typeName() });
        break;
      case 'is':
        value = is(value, typeName());
        break;
      case 'extension':
        value = then(value, { step: 'extension', url: next('string') });
        break;
      case 'hasExtension':
        value = { truth: { test: 'has-extension', url: next('string') } };
        break;
      case 'where':
        value = then(value, { step: 'where', test: testOf(either()) });
        break;
      case 'exists':
        value = { truth: { test: 'exists', branches: branchesOf(value) } };
        break;
      case 'resolve':
        value = { branches: branchesOf(value), resolved: true };
        break;
      case 'first':
        value = then(value, { step: 'index', at: 0 });
        break;
      default:
        throw new BeyondGrammar(`The function ${name}() is not understood`);
    }
    expect(')');
    return value;
  };

  return {
    expression() {
      const value = either();
      if (at < tokens.length) throw new BeyondGrammar(`Not understood from "${tokens[at]!.text}"`);
      if ('literal' in value || ('branches' in value && value.resolved === true))
        throw new BeyondGrammar('Expected elements or a condition');
      return value;
    },
  };
}
