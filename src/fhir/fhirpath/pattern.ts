// Regular expressions in time bounded by text × pattern, whoever wrote them: all alternatives are followed side by side,
// so that (a+)+$ costs no more than a+. https://swtch.com/~rsc/regexp/regexp2.html, https://hl7.org/fhirpath/#matches
// What needs memory of the way (look-around, back references) is refused. A point matches line ends too.
import { FhirPathError } from './fhirpath-error.js';

export interface Pattern {
  /** Whether it is somewhere in the text, or where `full` is the whole of it. @throws FhirPathError where it takes too long. */
  test(text: string, full: boolean): boolean;
  /** All occurrences replaced; $1 is a group, $$ a dollar. */
  replace(text: string, by: string): string;
}

type CharTest = (point: number) => boolean;
type Tree =
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

interface Instruction {
  kind: 'char' | 'assert' | 'split' | 'jump' | 'save' | 'match';
  test?: CharTest;
  holds?: (points: readonly number[], at: number) => boolean;
  to: number;
  other: number;
}

const mostInstructions = 4000;
const mostSteps = 20_000_000;
const deepest = 100;
const longestPattern = 4000;

const refuse = (why: string): never => {
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

function parse(source: string): { readonly tree: Tree; readonly groups: number } {
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
  return { tree, groups };
}

function assemble(tree: Tree): readonly Instruction[] {
  const program: Instruction[] = [];
  const add = (instruction: Omit<Instruction, 'to' | 'other'> & Partial<Instruction>): Instruction => {
    if (program.length >= mostInstructions) refuse('is too large');
    const added = { to: program.length + 1, other: -1, ...instruction };
    program.push(added);
    return added;
  };
  const optional = (lazy: boolean, body: () => void): Instruction => {
    const split = add({ kind: 'split' });
    const start = program.length;
    body();
    if (lazy) [split.to, split.other] = [program.length, start];
    else [split.to, split.other] = [start, program.length];
    return split;
  };
  const emit = (part: Tree): void => {
    switch (part.kind) {
      case 'char':
        add({ kind: 'char', test: part.test });
        break;
      case 'assert':
        add({ kind: 'assert', holds: part.holds });
        break;
      case 'all':
        part.of.forEach(emit);
        break;
      case 'any': {
        const ends: Instruction[] = [];
        part.of.forEach((branch, i) => {
          if (i === part.of.length - 1) return emit(branch);
          const split = add({ kind: 'split' });
          emit(branch);
          ends.push(add({ kind: 'jump' }));
          split.other = program.length;
        });
        for (const end of ends) end.to = program.length;
        break;
      }
      case 'group':
        add({ kind: 'save', other: 2 * part.number });
        emit(part.of);
        add({ kind: 'save', other: 2 * part.number + 1 });
        break;
      case 'repeat': {
        const { of, min, max, lazy } = part;
        for (let i = 0; i < min; i++) emit(of);
        if (max === Infinity) {
          const start = program.length;
          optional(lazy, () => {
            emit(of);
            add({ kind: 'jump', to: start });
          });
        } else nested(max - min, lazy, of);
      }
    }
  };
  const nested = (count: number, lazy: boolean, of: Tree): void => {
    const splits: Instruction[] = [];
    for (let i = 0; i < count; i++) {
      splits.push(add({ kind: 'split' }));
      emit(of);
    }
    for (const split of splits) {
      if (lazy) [split.to, split.other] = [program.length, split.to];
      else split.other = program.length;
    }
  };
  emit(tree);
  add({ kind: 'match' });
  return program;
}

/** Places of groups, as start and end; shared between threads until one saves. */
type Places = readonly number[];

const compiled = new Map<string, Pattern>();

/** @throws FhirPathError for what is no regular expression, or one that is not supported. */
export function compilePattern(source: string): Pattern {
  let pattern = compiled.get(source);
  if (pattern === undefined) {
    if (source.length > longestPattern) refuse('is too long');
    pattern = patternOf(assemble(parse(source).tree));
    if (compiled.size >= 500) compiled.clear();
    compiled.set(source, pattern);
  }
  return pattern;
}

function patternOf(program: readonly Instruction[]): Pattern {
  const seen = new Uint32Array(program.length);
  let generation = 0;
  /** The first match from `from` on: by the order of alternatives, or with `full` one that ends with the text. */
  const find = (
    points: readonly number[],
    from: number,
    full: boolean,
    spent: { steps: number },
  ): Places | undefined => {
    let threads: { at: number; places: Places }[] = [];
    let next: typeof threads = [];
    let found: Places | undefined;
    const follow = (into: typeof threads, start: number, places: Places, place: number): void => {
      const pending: { at: number; places: Places }[] = [{ at: start, places }];
      while (pending.length > 0) {
        const thread = pending.pop()!;
        if (seen[thread.at] === generation) continue;
        seen[thread.at] = generation;
        if (++spent.steps > mostSteps) refuse('takes too long on this');
        const instruction = program[thread.at]!;
        switch (instruction.kind) {
          case 'jump':
            pending.push({ at: instruction.to, places: thread.places });
            break;
          case 'split':
            pending.push(
              { at: instruction.other, places: thread.places },
              { at: instruction.to, places: thread.places },
            );
            break;
          case 'save': {
            const saved = [...thread.places];
            saved[instruction.other] = place;
            pending.push({ at: instruction.to, places: saved });
            break;
          }
          case 'assert':
            if (instruction.holds!(points, place))
              pending.push({ at: instruction.to, places: thread.places });
            break;
          default:
            into.push(thread);
        }
      }
    };
    for (let place = from; place <= points.length; place++) {
      if (threads.length === 0) generation++;
      if (found === undefined && (!full || place === from)) follow(threads, 0, [place], place);
      if (threads.length === 0 && (found !== undefined || full)) break;
      generation++;
      next = [];
      for (const thread of threads) {
        const instruction = program[thread.at]!;
        if (instruction.kind === 'match') {
          if (full && place < points.length) continue;
          const places = [...thread.places];
          places[1] = place;
          found = places;
          break; // what comes behind is of lower rank
        }
        if (place < points.length && instruction.test!(points[place]!))
          follow(next, instruction.to, thread.places, place + 1);
      }
      threads = next;
    }
    return found;
  };
  const pointsOf = (text: string): number[] => Array.from(text, char => char.codePointAt(0)!);
  return {
    test: (text, full) => find(pointsOf(text), 0, full, { steps: 0 }) !== undefined,
    replace(text, by) {
      // An empty pattern is between all characters, but replaces nothing.
      if (program.length === 1) return text;
      const points = pointsOf(text);
      const spent = { steps: 0 };
      const slice = (start: number, end: number): string =>
        points
          .slice(start, end)
          .map(point => String.fromCodePoint(point))
          .join('');
      let result = '';
      let at = 0;
      while (at <= points.length) {
        const places = find(points, at, false, spent);
        if (places === undefined) break;
        const [start, end] = places as [number, number];
        const replacement = by.replace(/\$(\$|[0-9])/g, (_, which: string) => {
          if (which === '$') return '$';
          const group = 2 * Number(which);
          const [from, to] = which === '0' ? [start, end] : [places[group], places[group + 1]];
          return from === undefined || to === undefined ? '' : slice(from, to);
        });
        result += slice(at, start) + replacement;
        if (result.length > 2_000_000) refuse('makes too long a text');
        if (end === start) {
          if (start < points.length) result += String.fromCodePoint(points[start]!);
          at = start + 1;
        } else at = end;
      }
      return at < points.length ? result + slice(at, points.length) : result;
    },
  };
}
