// Long work on the main thread in turns, so that other requests are answered in between: a clock for it, and the
// parser for large Bundles. https://nodejs.org/en/learn/asynchronous-work/dont-block-the-event-loop
import { setImmediate as nextTurn } from 'node:timers/promises';
import { giveWay } from '../give-way.js';
import { isObject, parseJson, writeJson, type Json, type JsonObject } from './json.js';

/** Lets others have their turn once this one has lasted long enough; to be awaited between two steps of the work. */
export type Pause = () => Promise<void> | undefined;

/** A turn lasts about so many milliseconds: a read waits no longer for a Bundle than it takes itself. */
const turnMs = 1;

export function pausing(): Pause {
  let started = performance.now();
  return () => {
    giveWay();
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
  const start = bytes.length <= short ? -1 : startOfArray(bytes, Buffer.from(`"${name}"`));
  if (start < 0) return parseJson(bytes);
  try {
    const members: Json[] = [];
    let end = start - 1;
    let isEven = true;
    do {
      const from = firstVisible(bytes, end + 1);
      const found: Member | undefined = isEven ? memberByIndentation(bytes, from) : undefined;
      isEven = found !== undefined;
      end = found?.end ?? endOfMember(bytes, from);
      const isEmpty = bytes[end] === closeArray && end === from && members.length === 0;
      if (!isEmpty) members.push(found?.member ?? parseJson(bytes.subarray(from, end)));
      await pause();
    } while (bytes[end] === comma);
    if (bytes[end] !== closeArray) return parseJson(bytes);
    const whole = parseJson(Buffer.concat([bytes.subarray(0, start), bytes.subarray(end)]));
    if (isObject(whole)) return { ...whole, [name]: members };
  } catch {
    // The same fault, with its place in the whole, is what the client is told:
  }
  return parseJson(bytes);
}

/** `writeJson` of an object with one long array of its own, `name`, whose members are written in turns. */
export async function writeInTurns(object: JsonObject, name: string, pause: Pause): Promise<Uint8Array> {
  const members = object[name];
  if (!Array.isArray(members)) return Buffer.from(writeJson(object));
  const { [name]: _members, ...rest } = object;
  const head = writeJson(rest).slice(0, -1);
  const pieces = [Buffer.from(`${head}${head === '{' ? '' : ','}${JSON.stringify(name)}:[`)];
  for (const [i, member] of members.entries()) {
    pieces.push(Buffer.from((i === 0 ? '' : ',') + writeJson(member)));
    await pause();
  }
  pieces.push(Buffer.from(']}'));
  return Buffer.concat(pieces);
}

const newline = 10;
const quote = 34;
const comma = 44;
const backslash = 92;
const [openArray, closeArray, openObject, closeObject] = [91, 93, 123, 125];
/** Whether a byte has a meaning outside of strings: most do not, and a table says so fastest. */
const isMark = new Uint8Array(256);
for (const c of [quote, comma, openArray, closeArray, openObject, closeObject]) isMark[c] = 1;

function firstVisible(bytes: Uint8Array, at: number): number {
  while (bytes[at]! <= 32) at++;
  return at;
}

/** From a quote to the one that ends the string; the end of the bytes where none does. */
function endOfString(bytes: Uint8Array, at: number): number {
  for (let i = at + 1; i < bytes.length; i++) {
    const c = bytes[i];
    if (c === quote) return i;
    if (c === backslash) i++;
  }
  return bytes.length;
}

/** Behind the bracket that opens the array of that name, of the object itself; -1 where there is none. */
function startOfArray(bytes: Uint8Array, quotedName: Uint8Array): number {
  let depth = 0;
  let isNamed = false; // the last string at the object's own level was the name
  for (let i = 0; i < bytes.length; i++) {
    const c = bytes[i]!;
    if (isMark[c] === 0) continue;
    if (c === quote) {
      const end = endOfString(bytes, i);
      if (depth === 1) isNamed = Buffer.compare(bytes.subarray(i, end + 1), quotedName) === 0;
      i = end;
    } else if (c === openObject || c === openArray) {
      depth++;
      if (depth === 2 && isNamed && c === openArray) return i + 1;
      if (depth === 1 && c === openArray) return -1;
    } else if (c !== comma) depth--;
  }
  return -1;
}

interface Member {
  readonly member: Json;
  readonly end: number;
}

/**
 * The array's member that starts here and the comma or bracket behind it, found at native speed: the next closing bracket
 * under the member's own indentation. Undefined where that is another's: what is before it is no JSON then.
 */
function memberByIndentation(bytes: Uint8Array, from: number): Member | undefined {
  let line = from;
  while (line > 0 && bytes[line - 1]! <= 32 && bytes[line - 1] !== newline) line--;
  if (line === 0 || bytes[line - 1] !== newline || bytes[from] !== openObject) return undefined;
  const closing = Buffer.concat([bytes.subarray(line - 1, from), Buffer.from('}')]);
  const found = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).indexOf(closing, from);
  if (found < 0) return undefined;
  const last = found + closing.length;
  const end = firstVisible(bytes, last);
  if (bytes[end] !== comma && bytes[end] !== closeArray) return undefined;
  try {
    return { member: parseJson(bytes.subarray(from, last)), end };
  } catch {
    return undefined;
  }
}

/** The comma or bracket behind the array's member that starts here; the end of the bytes where none is. */
function endOfMember(bytes: Uint8Array, from: number): number {
  let depth = 0;
  for (let i = from; i < bytes.length; i++) {
    const c = bytes[i]!;
    if (isMark[c] === 0) continue;
    if (c === quote) i = endOfString(bytes, i);
    else if (c === openObject || c === openArray) depth++;
    else if (c === comma) {
      if (depth === 0) return i;
    } else if (--depth < 0) return i;
  }
  return bytes.length;
}
