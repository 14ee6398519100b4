// Finds concepts by words of their texts, for the `filter` of $expand: each word begins a word of the code, the display or
// a designation. Case and accents do not count.
// Surprising why: all texts of a system are one long string. The engine's own search in it is faster than any loop over
// concepts: 400,000 of them take some 10 ms.
import { setImmediate as turn } from 'node:timers/promises';
import { NotLoaded } from './catalog.js';
import { designationsAt, type CodeSystem } from './code-system.js';

interface TextsOf {
  readonly all: string;
  /** Where each concept's texts start in it; one more than concepts. */
  readonly starts: Uint32Array;
}

const made = new WeakMap<CodeSystem, TextsOf>();
/** Larger systems are made ready in turns with other work. */
const atOnce = 10_000;

export const plainText = (text: string): string =>
  (/^\p{ASCII}*$/u.test(text) ? text : text.normalize('NFD').replace(/\p{M}+/gu, '')).toLowerCase();

/** The concepts that have all words. @throws NotLoaded where the texts of a large system have to be gathered first */
export function withWords(system: CodeSystem, words: readonly string[]): (ordinal: number) => boolean {
  let texts = made.get(system);
  if (texts === undefined) {
    const steps = gather(system);
    if (system.concepts.size > atOnce)
      throw new NotLoaded(`the texts of ${system.url}`, async () => {
        for (const done of steps) {
          if (done === undefined) await turn();
          else made.set(system, done);
        }
      });
    for (const done of steps) if (done !== undefined) texts = done;
    made.set(system, texts!);
  }
  return found(texts!, words);
}

/** Undefined between steps, at last the texts. */
function* gather(system: CodeSystem): Generator<TextsOf | undefined> {
  const { concepts } = system;
  const starts = new Uint32Array(concepts.size + 1);
  const pieces: string[] = [];
  let length = 0;
  for (let ordinal = 0; ordinal < concepts.size; ordinal++) {
    starts[ordinal] = length;
    const texts = [concepts.code(ordinal), concepts.display(ordinal) ?? '', ...designationsAt({ system, ordinal }).map(one => one.value)]; // prettier-ignore
    const piece = `${plainText(texts.join('\t'))}\n`;
    pieces.push(piece);
    length += piece.length;
    if (ordinal % 2000 === 1999) yield undefined;
  }
  starts[concepts.size] = length;
  yield { all: pieces.join(''), starts };
}

const isWordPart = (char: string): boolean => /[\p{L}\p{N}]/u.test(char);

/** Where the word begins one, at or after `from`; -1 where nowhere before `end`. */
function wordAt(all: string, word: string, from: number, end: number): number {
  for (let at = all.indexOf(word, from); at >= 0 && at < end; at = all.indexOf(word, at + 1))
    if (at === 0 || !isWordPart(all[at - 1]!)) return at;
  return -1;
}

function found({ all, starts }: TextsOf, words: readonly string[]): (ordinal: number) => boolean {
  const marks = new Uint8Array(starts.length - 1);
  const [longest, ...others] = [...words].sort((a, b) => b.length - a.length);
  if (longest === undefined) return () => true;
  let ordinal = 0;
  for (
    let at = wordAt(all, longest, 0, all.length);
    at >= 0;
    at = wordAt(all, longest, starts[ordinal]!, all.length)
  ) {
    // prettier-ignore
    ordinal = concept(starts, at, ordinal);
    const [start, end] = [starts[ordinal]!, starts[ordinal + 1]!];
    // A search for a word elsewhere in the whole text would go to its end: it looks at this concept's texts only.
    const own = others.length === 0 ? '' : all.slice(start, end);
    if (others.every(word => wordAt(own, word, 0, own.length) >= 0)) marks[ordinal] = 1;
    if (++ordinal >= marks.length) break;
  }
  return one => marks[one] === 1;
}

/** Whose texts the position is in; at or after the concept `from`. */
function concept(starts: Uint32Array, at: number, from: number): number {
  let [low, high] = [from, starts.length - 1];
  while (high - low > 1) {
    const middle = (low + high) >>> 1;
    if (starts[middle]! <= at) low = middle;
    else high = middle;
  }
  return low;
}

export const wordsOf = (filter: string): readonly string[] => plainText(filter).match(/\S+/g) ?? [];

/** Whether a text, such as a display that only the value set has, has all words. */
export const hasWords = (text: string, words: readonly string[]): boolean => {
  const plain = plainText(text);
  return words.every(word => wordAt(plain, word, 0, plain.length) >= 0);
};
