// Long work on the main thread in turns, so that other requests are answered in between: a clock for it, and the
// parser for large Bundles. https://nodejs.org/en/learn/asynchronous-work/dont-block-the-event-loop
import { setImmediate as nextTurn } from 'node:timers/promises';
import { isObject, parseJson, type Json } from './json.js';

/** Lets others have their turn once this one has lasted long enough; to be awaited between two steps of the work. */
export type Pause = () => Promise<void> | undefined;

/** A turn lasts about so many milliseconds: a read waits no longer for a Bundle than it takes itself. */
const turnMs = 1;

export function pausing(): Pause {
  let started = performance.now();
  return () => {
    if (performance.now() - started < turnMs) return undefined;
    return nextTurn().then(() => {
      started = performance.now();
    });
  };
}

/** Shorter texts are parsed at once. */
const short = 32 * 1024;

/**
 * `parseJson` for an object with one long array of its own, `name`, whose members are parsed in turns.
 * @throws FhirError as `parseJson`
 */
export async function parseInTurns(bytes: Uint8Array, name: string, pause: Pause): Promise<Json> {
  if (bytes.length <= short) return parseJson(bytes);
  const places = await membersOf(bytes, Buffer.from(`"${name}"`), pause);
  if (places === undefined) return parseJson(bytes);
  try {
    const around = [bytes.subarray(0, places.start), bytes.subarray(places.end)];
    const whole = parseJson(Buffer.concat(around));
    if (!isObject(whole)) return parseJson(bytes);
    const members: Json[] = [];
    for (const [from, to] of places.members) {
      members.push(parseJson(bytes.subarray(from, to)));
      await pause();
    }
    return { ...whole, [name]: members };
  } catch {
    return parseJson(bytes); // which tells the place within the whole
  }
}

interface Places {
  /** What is between the brackets of the array. */
  readonly start: number;
  readonly end: number;
  readonly members: readonly (readonly [from: number, to: number])[];
}

const quote = 34;
const backslash = 92;
const comma = 44;
const [openArray, closeArray, openObject, closeObject] = [91, 93, 123, 125];

/** Where the members of the array are; undefined where the text is not as expected, whatever the reason. */
async function membersOf(
  bytes: Uint8Array,
  quotedName: Uint8Array,
  pause: Pause,
): Promise<Places | undefined> {
  const members: [number, number][] = [];
  let depth = 0;
  let start = -1;
  let from = -1;
  let isNamed = false; // the last string at the object's own level was the name
  for (let i = 0; i < bytes.length; i++) {
    const c = bytes[i]!;
    if (c === quote) {
      const opened = i++;
      while (bytes[i] !== quote) {
        if (bytes[i] === backslash) i++;
        if (++i >= bytes.length) return undefined;
      }
      if (depth === 1) isNamed = Buffer.compare(bytes.subarray(opened, i + 1), quotedName) === 0;
    } else if (c === openObject || c === openArray) {
      depth++;
      if (start < 0) {
        if (depth === 2 && isNamed && c === openArray) start = from = i + 1;
        if (depth === 1 && c !== openObject) return undefined;
      }
    } else if (c === closeObject || c === closeArray) {
      depth--;
      if (start >= 0 && depth === 1) {
        members.push([from, i]);
        return { start, end: i, members: trimmed(bytes, members) };
      }
    } else if (c === comma && depth === 2 && start >= 0) {
      members.push([from, i]);
      from = i + 1;
      await pause();
    }
  }
  return undefined;
}

/** Without the white space around them; an array of nothing has none. */
function trimmed(bytes: Uint8Array, members: readonly [number, number][]): readonly [number, number][] {
  const isSpace = (at: number): boolean => bytes[at]! <= 32;
  const inner = members.map(([from, to]): [number, number] => {
    while (from < to && isSpace(from)) from++;
    while (to > from && isSpace(to - 1)) to--;
    return [from, to];
  });
  return inner.length === 1 && inner[0]![0] === inner[0]![1] ? [] : inner;
}
