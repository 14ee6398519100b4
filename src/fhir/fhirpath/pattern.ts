// Regular expressions in time bounded by text × pattern, whoever wrote them: all alternatives are followed side by side,
// so that (a+)+$ costs no more than a+. https://swtch.com/~rsc/regexp/regexp2.html, https://hl7.org/fhirpath/#matches
import { parsePattern, refuse, type CharTest, type Tree } from './pattern-tree.js';

export interface Pattern {
  /** Whether it is somewhere in the text, or where `full` is the whole of it. @throws FhirPathError where it takes too long. */
  test(text: string, full: boolean): boolean;
  /** All occurrences replaced; $1 is a group, $$ a dollar. */
  replace(text: string, by: string): string;
}

interface Instruction {
  kind: 'char' | 'assert' | 'split' | 'jump' | 'save' | 'match';
  test?: CharTest;
  holds?: (points: readonly number[], at: number) => boolean;
  to: number;
  other: number;
}

const mostInstructions = 4000;
const mostSteps = 20_000_000;
const longestPattern = 4000;

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
    pattern = patternOf(assemble(parsePattern(source)));
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
