// Text to tree: a tokenizer and a parser by precedence, in time linear in the text. https://hl7.org/fhirpath/grammar.html
// Surprising: words that are operators (div, is, contains, …) are names wherever an operand is expected, because FHIR's
// own pages write text.div without the backticks the grammar asks for.
import { FhirPathError } from './fhirpath-error.js';
import type { TypeName } from './values.js';
import type { Ast, Operator } from './ast.js';
import { Fixed } from './fixed.js';
import { Quantity } from './quantity.js';
import { Temporal } from './temporal.js';

interface Token {
  readonly kind: 'word' | 'quoted' | 'string' | 'number' | 'temporal' | 'sign' | 'end';
  readonly text: string;
  readonly at: number;
}

/** No expression of a specification comes near; everything behind may recurse without fear. */
const deepest = 200;
const longest = 50_000;

const blank = /(?:\s|\/\/[^\n\r]*|\/\*(?:[^*]|\*(?!\/))*\*\/)+/y;
const token =
  /([A-Za-z_][A-Za-z0-9_]*)|`((?:[^\\`]|\\.)*)`|'((?:[^\\']|\\[^])*)'|(@T?[0-9][0-9T:.-]*(?:(?<=T[0-9:.]+)(?:Z|[+-][0-9]{2}:[0-9]{2}))?)|([0-9]+(?:\.[0-9]+)?)|(<=|>=|!=|!~|\$this|\$index|\$total|[-+*/&|<>=~.,()[\]{}%])/y;

function tokenize(text: string): Token[] {
  if (text.length > longest) throw new FhirPathError(`has more than ${longest} characters`);
  const tokens: Token[] = [];
  let at = 0;
  for (;;) {
    blank.lastIndex = at;
    at += blank.exec(text)?.[0].length ?? 0;
    if (at >= text.length) break;
    token.lastIndex = at;
    const match = token.exec(text);
    if (match === null) throw new FhirPathError(`cannot be read from character ${at + 1} on`);
    const [all, word, quoted, string, temporal, number, sign] = match;
    let end = at + all.length;
    if (word !== undefined) tokens.push({ kind: 'word', text: word, at });
    else if (quoted !== undefined) tokens.push({ kind: 'quoted', text: unescaped(quoted), at });
    else if (string !== undefined) tokens.push({ kind: 'string', text: unescaped(string), at });
    else if (temporal !== undefined) {
      // The text may run on into ".is(…)": a point counts only between digits, a T at the end belongs to it.
      const exact =
        /^@(?:T[0-9:]+(?:\.[0-9]+)?|[0-9]{4}(?:-[0-9]{2}(?:-[0-9]{2})?)?(?:T(?:[0-9]{2}(?::[0-9]{2}(?::[0-9]{2}(?:\.[0-9]+)?)?)?(?:Z|[+-][0-9]{2}:[0-9]{2})?)?)?)/.exec(
          text.slice(at, at + 40),
        )?.[0];
      if (exact === undefined) throw new FhirPathError(`has no date or time at character ${at + 1}`);
      end = at + exact.length;
      tokens.push({ kind: 'temporal', text: exact.slice(1), at });
    } else if (number !== undefined) tokens.push({ kind: 'number', text: number, at });
    else tokens.push({ kind: 'sign', text: sign!, at });
    at = end;
  }
  tokens.push({ kind: 'end', text: 'the end', at });
  return tokens;
}

const escapes: Readonly<Record<string, string>> = { f: '\f', n: '\n', r: '\r', t: '\t' };
export const unescaped = (text: string): string =>
  text.includes('\\')
    ? text.replace(/\\(?:u([0-9a-fA-F]{4})|([^]))/g, (_, hex: string | undefined, one: string) =>
        hex === undefined ? (escapes[one] ?? one) : String.fromCharCode(parseInt(hex, 16)),
      )
    : text;

/** Operators by how tightly they bind; `is` and `as` stand between + and |. */
const levels: readonly (readonly string[])[] = [
  ['implies'],
  ['or', 'xor'],
  ['and'],
  ['in', 'contains'],
  ['=', '~', '!=', '!~'],
  ['<=', '<', '>', '>='],
  ['|'],
  ['is', 'as'],
  ['+', '-', '&'],
  ['*', '/', 'div', 'mod'],
];

const calendar = /^(year|month|week|day|hour|minute|second|millisecond)s?$/;

/** @throws FhirPathError naming the place. */
export function parseFhirPath(text: string): Ast {
  const tokens = tokenize(text);
  let at = 0;
  let depth = 0;
  const peek = (): Token => tokens[at]!;
  const isSign = (sign: string): boolean => peek().kind === 'sign' && peek().text === sign;
  const fail = (): never => {
    throw new FhirPathError(
      `cannot be read from ${peek().kind === 'end' ? 'its end' : `character ${peek().at + 1}`} on`,
    );
  };
  const take = (sign: string): boolean => isSign(sign) && at++ >= 0;
  const expect = (sign: string): void => {
    if (!take(sign)) fail();
  };

  const expression = (level: number): Ast => {
    const operators = levels[level];
    if (operators === undefined) return signed();
    if (level === 0 && ++depth > deepest) throw new FhirPathError('nests too deep');
    let left = expression(level + 1);
    for (;;) {
      const { kind, text: operator } = peek();
      if ((kind !== 'sign' && kind !== 'word') || !operators.includes(operator)) break;
      at++;
      if (operator === 'is' || operator === 'as') left = { kind: operator, of: left, type: typeName() };
      else left = { kind: 'operator', operator: operator as Operator, left, right: expression(level + 1) };
    }
    if (level === 0) depth--;
    return left;
  };
  const typeName = (): TypeName => {
    const first = name();
    return take('.') ? { namespace: first, name: name() } : { name: first };
  };
  const name = (): string => {
    const { kind, text: found } = peek();
    if (kind !== 'word' && kind !== 'quoted') return fail();
    at++;
    return found;
  };
  const signed = (): Ast => {
    if (isSign('-') || isSign('+')) {
      const minus = tokens[at++]!.text === '-';
      if (++depth > deepest) throw new FhirPathError('nests too deep');
      const of = signed();
      depth--;
      return { kind: 'sign', minus, of };
    }
    let value = term();
    for (let steps = 0; ;) {
      if (take('.')) {
        // Closures nest as deep as a path is long.
        if (++steps > 2 * deepest) throw new FhirPathError('has too long a path');
        value = peek().kind === 'sign' && peek().text.startsWith('$') ? fail() : invocation(value);
      } else if (take('[')) {
        if (++steps > 2 * deepest) throw new FhirPathError('has too long a path');
        value = { kind: 'at', of: value, index: expression(0) };
        expect(']');
      } else return value;
    }
  };
  const invocation = (of?: Ast): Ast => {
    const called = name();
    const target = of === undefined ? {} : { of };
    if (!take('(')) return { kind: 'member', ...target, name: called };
    const args: Ast[] = [];
    if (!take(')')) {
      do args.push(expression(0));
      while (take(','));
      expect(')');
    }
    return { kind: 'call', ...target, name: called, args };
  };
  const term = (): Ast => {
    const { kind, text: found } = peek();
    switch (kind) {
      case 'string':
        at++;
        return { kind: 'literal', value: found };
      case 'temporal': {
        at++;
        const value = Temporal.literal(found);
        if (value === undefined) throw new FhirPathError(`has "@${found}", which is no date or time`);
        return { kind: 'literal', value };
      }
      case 'number':
        at++;
        return number(found);
      case 'word':
        if (found === 'true' || found === 'false') {
          at++;
          return { kind: 'literal', value: found === 'true' };
        }
        return invocation();
      case 'quoted':
        return invocation();
      case 'end':
        return fail();
      case 'sign':
    }
    if (take('(')) {
      const inside = expression(0);
      expect(')');
      return inside;
    }
    if (take('{')) {
      expect('}');
      return { kind: 'literal', value: undefined };
    }
    if (take('%')) {
      if (peek().kind === 'string') return { kind: 'variable', name: tokens[at++]!.text };
      return { kind: 'variable', name: name() };
    }
    if (found === '$this' || found === '$index' || found === '$total') {
      at++;
      return { kind: found };
    }
    return fail();
  };
  const number = (text: string): Ast => {
    const unit = peek();
    if (unit.kind === 'string') {
      at++;
      return { kind: 'literal', value: new Quantity(Fixed.parse(text)!, unit.text, false) };
    }
    const word = unit.kind === 'word' ? calendar.exec(unit.text)?.[1] : undefined;
    if (word !== undefined) {
      at++;
      return { kind: 'literal', value: new Quantity(Fixed.parse(text)!, word, true) };
    }
    if (text.includes('.') || Number(text) > 2147483647)
      return { kind: 'literal', value: Fixed.parse(text)! };
    return { kind: 'literal', value: Number(text) };
  };

  const result = expression(0);
  if (peek().kind !== 'end') fail();
  return result;
}

/** A name as it stands for a type in `ofType(FHIR.Patient)`; undefined where the tree is no name. */
export function typeNameOf(ast: Ast | undefined): TypeName | undefined {
  if (ast?.kind !== 'member') return undefined;
  if (ast.of === undefined) return { name: ast.name };
  return ast.of.kind === 'member' && ast.of.of === undefined
    ? { namespace: ast.of.name, name: ast.name }
    : undefined;
}
