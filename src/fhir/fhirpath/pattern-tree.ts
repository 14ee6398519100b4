// A regular expression as a tree: the parser of pattern.ts. https://hl7.org/fhirpath/#matches
// What needs memory of the way (look-around, back references) is refused. A point matches line ends too.
import { FhirPathError } from './fhirpath-error.js';

export type CharTest = (point: number) => boolean;
export type Tree =
  | { readonly kind: 'char'; readonly test: CharTest }
  | { readonly kind: 'assert'; readonly holds: (points: readonly number[], at: number) => boolean }
  | { readonly kind: 'all' | 'any'; readonly of: readonly Tree[] }
  | {
      readonly kind: 'repeat';
      readonly of: Tree;
      readonly min: number;
      readonly max: number;
      readonly lazy: boolean;
    }
  | { readonly kind: 'group'; readonly of: Tree; readonly number: number };

const deepest = 100;

/** @throws FhirPathError */
export const refuse = (why: string): never => {
  throw new FhirPathError(`has a regular expression that ${why}`);
};

const isDigit: CharTest = point => point >= 48 && point <= 57;
const isWord: CharTest = point =>
  isDigit(point) || (point >= 65 && point <= 90) || (point >= 97 && point <= 122) || point === 95;
const isSpace: CharTest = point => /\s/.test(String.fromCodePoint(point));
const not =
  (test: CharTest): CharTest =>
  point =>
    !test(point);
const classes: Readonly<Record<string, CharTest>> = {
  d: isDigit,
  D: not(isDigit),
  w: isWord,
  W: not(isWord),
  s: isSpace,
  S: not(isSpace),
};
const controls: Readonly<Record<string, number>> = { n: 10, r: 13, t: 9, f: 12, v: 11, '0': 0 };
const isWordAt = (points: readonly number[], at: number): boolean =>
  at >= 0 && at < points.length && isWord(points[at]!);
const isBoundary = (points: readonly number[], at: number): boolean =>
  isWordAt(points, at - 1) !== isWordAt(points, at);

/** @throws FhirPathError for what is no regular expression, or is not supported. */
export function parsePattern(source: string): Tree {
  const chars = [...source];
  let at = 0;
  let groups = 0;
  let depth = 0;
  const either = (): Tree => {
    if (++depth > deepest) refuse('nests too deep');
    const branches = [sequence()];
    while (chars[at] === '|') {
      at++;
      branches.push(sequence());
    }
    depth--;
    return branches.length === 1 ? branches[0]! : { kind: 'any', of: branches };
  };
  const sequence = (): Tree => {
    const parts: Tree[] = [];
    while (at < chars.length && chars[at] !== '|' && chars[at] !== ')') parts.push(quantified(atom()));
    return { kind: 'all', of: parts };
  };
  const quantified = (of: Tree): Tree => {
    let [min, max] = [1, 1];
    const sign = chars[at];
    const braces =
      sign === '{' ? /^\{(\d{1,4})(?:(,)(\d{1,4})?)?\}/.exec(chars.slice(at, at + 12).join('')) : null;
    if (sign === '*') [min, max] = [0, Infinity];
    else if (sign === '+') [min, max] = [1, Infinity];
    else if (sign === '?') [min, max] = [0, 1];
    else if (braces !== null) {
      min = Number(braces[1]);
      max = braces[2] === undefined ? min : braces[3] === undefined ? Infinity : Number(braces[3]);
      if (max < min) refuse('repeats at most less often than at least');
      at += braces[0].length - 1;
    } else return of;
    at++;
    const lazy = chars[at] === '?';
    if (lazy || chars[at] === '+') at++;
    return quantified({ kind: 'repeat', of, min, max, lazy });
  };
  const atom = (): Tree => {
    const char = chars[at++]!;
    switch (char) {
      case '(':
        return group();
      case '[':
        return { kind: 'char', test: charClass() };
      case '.':
        return { kind: 'char', test: () => true };
      case '^':
        return { kind: 'assert', holds: (_points, place) => place === 0 };
      case '$':
        return { kind: 'assert', holds: (points, place) => place === points.length };
      case '*':
      case '+':
      case '?':
        return refuse('repeats nothing');
      case '\\':
        if (chars[at] === 'b' || chars[at] === 'B') {
          const wanted = chars[at++] === 'b';
          return { kind: 'assert', holds: (points, place) => isBoundary(points, place) === wanted };
        }
        if (/[1-9k]/.test(chars[at] ?? '')) refuse('refers back to a group, which is not supported');
        return { kind: 'char', test: escaped() };
      default:
        return { kind: 'char', test: same(char.codePointAt(0)!) };
    }
  };
  const group = (): Tree => {
    let number = 0;
    if (chars[at] === '?') {
      const ahead = chars.slice(at, at + 4).join('');
      if (ahead.startsWith('?:')) at += 2;
      else if (/^\?<[A-Za-z]/.test(ahead)) {
        number = ++groups;
        while (at < chars.length && chars[at++] !== '>');
      } else refuse('looks around, which is not supported');
    } else number = ++groups;
    const of = either();
    if (chars[at++] !== ')') refuse('does not close a bracket');
    return number === 0 ? of : { kind: 'group', of, number };
  };
  const same =
    (wanted: number): CharTest =>
    point =>
      point === wanted;
  /** After a backslash: a class, or one character. */
  const escaped = (): CharTest => {
    const char = chars[at++] ?? refuse('ends with a backslash');
    const known = classes[char];
    if (known !== undefined) return known;
    if (char === 'p' || char === 'P') {
      const name =
        /^\{[A-Za-z_=]{1,40}\}/.exec(chars.slice(at, at + 42).join(''))?.[0] ?? `{${chars[at] ?? ''}}`;
      at += chars[at] === '{' ? name.length : 1;
      let property: RegExp;
      try {
        property = new RegExp(`\\${char}${name}`, 'u');
      } catch {
        return refuse('names a property of characters that there is not');
      }
      return point => property.test(String.fromCodePoint(point));
    }
    return same(codeOf(char));
  };
  const codeOf = (char: string): number => {
    if (char === 'u' || char === 'x') {
      const hex = new RegExp(`^[0-9a-fA-F]{${char === 'u' ? 4 : 2}}`).exec(
        chars.slice(at, at + 4).join(''),
      )?.[0];
      if (hex !== undefined) {
        at += hex.length;
        return parseInt(hex, 16);
      }
    }
    return controls[char] ?? char.codePointAt(0)!;
  };
  const charClass = (): CharTest => {
    const negated = chars[at] === '^';
    if (negated) at++;
    const tests: CharTest[] = [];
    for (let first = true; chars[at] !== ']' || first; first = false) {
      if (at >= chars.length) refuse('does not close a class of characters');
      if (first && chars[at] === ']' && chars[at + 1] !== undefined && !chars.slice(at + 1).includes(']'))
        break;
      const low = classItem();
      if (typeof low !== 'number') tests.push(low);
      else if (chars[at] === '-' && chars[at + 1] !== ']' && chars[at + 1] !== undefined) {
        at++;
        const high = classItem();
        if (typeof high !== 'number') tests.push(same(low), same(45), high);
        else tests.push(point => point >= low && point <= high);
      } else tests.push(same(low));
    }
    at++;
    const ascii = Array.from({ length: 128 }, (_, point) => tests.some(test => test(point)) !== negated);
    return point => (point < 128 ? ascii[point]! : tests.some(test => test(point)) !== negated);
  };
  const classItem = (): number | CharTest => {
    const char = chars[at++]!;
    if (char !== '\\') return char.codePointAt(0)!;
    const next = chars[at];
    if (next === 'b') {
      at++;
      return 8;
    }
    if (next !== undefined && !(next in classes) && next !== 'p' && next !== 'P') {
      at++;
      return codeOf(next);
    }
    return escaped();
  };
  const tree = either();
  if (at < chars.length) refuse('closes a bracket that was not opened');
  return tree;
}
