// The only JSON parser and writer: it refuses duplicate keys and keeps the lexeme of a number that a double would
// change (1.00 stays 1.00). https://hl7.org/fhir/R4/json.html, https://hl7.org/fhir/R4/datatypes.html#decimal
// Surprising why: most bodies are compact JSON or indented evenly, and for those "stringify(parse(text)) is text again"
// proves, at native speed, that there is neither a duplicate key nor a changed lexeme. Only what differs is read by the
// careful parser.
import { randomBytes } from 'node:crypto';
import { FhirError } from '../errors.js';

/** A number whose lexeme `String(Number(lexeme))` would change. Arithmetic on it works; writeJson emits the lexeme. */
export class Decimal {
  constructor(readonly lexeme: string) {}
  valueOf(): number {
    return Number(this.lexeme);
  }
  toString(): string {
    return this.lexeme;
  }
  toJSON(): string {
    return decimalMark + this.lexeme;
  }
}

export type Json = null | boolean | number | string | Decimal | Json[] | JsonObject;
export interface JsonObject {
  [name: string]: Json;
}

/** JSON.stringify indents by so many characters at most. */
const longestStep = 10;

/** Deeper nesting is refused: no FHIR resource comes near it, and everything behind may recurse without fear. */
export const maxDepth = 200;

export const isObject = (value: unknown): value is JsonObject =>
  typeof value === 'object' && value !== null && !Array.isArray(value) && !(value instanceof Decimal);

/** The objects of a list; none where it is no list. */
export const objectsOf = (value: Json | undefined): JsonObject[] =>
  Array.isArray(value) ? value.filter(isObject) : [];

/** The object; an empty one where there is none. */
export const inside = (value: Json | undefined): JsonObject => (isObject(value) ? value : {});

export const isNumber = (value: unknown): value is number | Decimal =>
  typeof value === 'number' || value instanceof Decimal;

/** The exact text of a number, as sent. */
export const lexemeOf = (value: number | Decimal): string =>
  typeof value === 'number' ? String(value) : value.lexeme;

/**
 * A copy that shares no object with the value. `spend` is told of every node and string copied, and may throw.
 * @throws FhirError `too-large` where the value has more than `room` levels.
 */
export function cloneJson(value: Json, room = maxDepth, spend?: (amount: number) => void): Json {
  spend?.(typeof value === 'string' ? value.length + 1 : 1);
  if (typeof value !== 'object' || value === null || value instanceof Decimal) return value;
  if (room <= 0) throw new FhirError('too-large', `This would nest deeper than ${maxDepth} levels.`);
  if (Array.isArray(value)) return value.map(item => cloneJson(item, room - 1, spend));
  return Object.fromEntries(
    Object.entries(value).map(([name, item]) => [name, cloneJson(item, room - 1, spend)]),
  );
}

// toJSON can only answer a string, so a Decimal is written as a marked string that is unquoted afterwards. The mark is
// secret to the process: no client can send it.
const decimalMark = `\u0007${randomBytes(9).toString('base64url')}\u0007`;
const markedDecimal = new RegExp(
  `"${JSON.stringify(decimalMark).slice(1, -1).replaceAll('\\', '\\\\')}([-+.0-9eE]+)"`,
  'g',
);
const markInText = JSON.stringify(decimalMark).slice(1, -1);

/** JSON text of the value; `indent` spaces per level where given. */
export function writeJson(value: Json, indent?: number): string {
  const text = JSON.stringify(value, undefined, indent);
  return text.includes(markInText) ? text.replace(markedDecimal, '$1') : text;
}

/** @throws FhirError `invalid-json` naming what is wrong, with line and column or the path of a repeated key. */
export function parseJson(input: string | Uint8Array): Json {
  const text = typeof input === 'string' ? input : decode(input);
  const inner = /^[{[]\n([ \t]+)\S/.exec(text)?.[1];
  try {
    // What is indented tells its depth by its lines, at native speed.
    if (inner === undefined) {
      const bytes = typeof input === 'string' ? Buffer.from(input) : input;
      if (mayNestDeeper(bytes, maxDepth)) return parseCarefully(text);
    }
    const value = JSON.parse(text) as Json;
    // -0 stringifies as 0, so it too comes out different. Escaped surrogates stringify as they came, so they are looked for.
    if (isWrittenEvenly(text, value, inner) && !text.includes('\\ud') && !text.includes('"__proto__"'))
      return value;
  } catch {
    // Not JSON, or too deep to be written: what reads it now says where.
  }
  return parseCarefully(text);
}

/** Whether the text is what JSON.stringify makes of the value: compact, or indented, also as a part of something indented. */
function isWrittenEvenly(text: string, value: Json, inner: string | undefined): boolean {
  const trimmed = text.trimEnd();
  if (inner === undefined) return JSON.stringify(value) === trimmed;
  const outer = trimmed.slice(trimmed.lastIndexOf('\n') + 1, -1);
  const step = inner.slice(outer.length);
  if (step.length > longestStep || trimmed.includes(`\n${outer}${step.repeat(maxDepth)}`)) return false;
  // A line never ends within a string, so that only indentation is taken off.
  return (
    JSON.stringify(value, undefined, step) ===
    (outer === '' ? trimmed : trimmed.replaceAll(`\n${outer}`, '\n'))
  );
}

const utf8 = new TextDecoder('utf-8', { fatal: true });
function decode(bytes: Uint8Array): string {
  try {
    return utf8.decode(bytes); // drops a byte order mark
  } catch (cause) {
    throw new FhirError('invalid-json', 'The body is not valid UTF-8.', { cause });
  }
}

/** Counts brackets without regard to strings: true may be wrong, false is right. */
function mayNestDeeper(bytes: Uint8Array, limit: number): boolean {
  let depth = 0;
  for (let i = 0; i < bytes.length; i++) {
    const c = bytes[i]! | 32; // makes [ and ] the same as { and }
    if (c === 123) {
      if (++depth > limit) return true;
    } else if (c === 125 && depth > 0) depth--;
  }
  return false;
}

const number = /-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][-+]?[0-9]+)?/y;

function parseCarefully(text: string): Json {
  let at = 0;
  const path: (string | number)[] = [];
  let root: JsonObject | undefined;

  const fail = (what: string): never => {
    const before = text.slice(0, at);
    const line = before.split('\n').length;
    const column = at - before.lastIndexOf('\n');
    throw new FhirError('invalid-json', `${what} at line ${line}, column ${column}.`);
  };
  const blank = (): number => {
    let c = text.charCodeAt(at);
    while (c === 32 || c === 10 || c === 13 || c === 9) c = text.charCodeAt(++at);
    return c;
  };
  const string = (): string => {
    const start = at++;
    let escapes = false;
    let surrogates = false;
    for (;;) {
      const c = text.charCodeAt(at);
      if (c === 34) break;
      if (c === 92) {
        escapes = true;
        at += 2;
      } else if (c < 32) fail('A string holds a control character that must be escaped');
      else if (Number.isNaN(c)) fail('A string does not end');
      else {
        surrogates ||= c >= 0xd800 && c <= 0xdfff;
        at++;
      }
    }
    at++;
    if (!escapes && !surrogates) return text.slice(start + 1, at - 1);
    let value: string;
    try {
      value = JSON.parse(text.slice(start, at)) as string;
    } catch {
      at = start;
      return fail('A string holds an escape that JSON does not have');
    }
    if (/\p{Surrogate}/u.test(value)) {
      at = start;
      fail('A string holds half of a surrogate pair');
    }
    return value;
  };
  const value = (): Json => {
    const c = blank();
    if (c === 123) return object();
    if (c === 91) return array();
    if (c === 34) return string();
    if (c === 45 || (c >= 48 && c <= 57)) {
      number.lastIndex = at;
      const lexeme = number.exec(text)?.[0];
      if (lexeme === undefined) return fail('Not a number');
      at += lexeme.length;
      const double = Number(lexeme);
      return String(double) === lexeme ? double : new Decimal(lexeme);
    }
    for (const [word, meaning] of [
      ['true', true],
      ['false', false],
      ['null', null],
    ] as const) {
      if (text.startsWith(word, at)) {
        at += word.length;
        return meaning;
      }
    }
    return fail(at >= text.length ? 'The JSON ends too early' : `Unexpected ${JSON.stringify(text[at])}`);
  };
  const deeper = (key: string | number): void => {
    path.push(key);
    if (path.length > maxDepth) fail(`More than ${maxDepth} levels of nesting`);
  };
  const object = (): JsonObject => {
    const result: JsonObject = {};
    root ??= result;
    at++;
    if (blank() === 125) {
      at++;
      return result;
    }
    for (;;) {
      if (blank() !== 34) fail('Expected a property name in double quotes');
      const name = string();
      if (Object.hasOwn(result, name)) {
        const place = pathText([...path, name]).slice(0, 200);
        // As FHIRPath the place starts with the type, where that was read before.
        const expression =
          typeof root?.['resourceType'] === 'string' ? `${root['resourceType']}.${place}` : place;
        throw new FhirError('invalid-json', `The property ${place} appears twice.`, { expression });
      }
      if (blank() !== 58) fail(`Expected ":" after ${JSON.stringify(name.slice(0, 200))}`);
      at++;
      deeper(name);
      const child = value();
      path.pop();
      if (name === '__proto__') fail('The property name __proto__ is not allowed');
      result[name] = child;
      const c = blank();
      at++;
      if (c === 125) return result;
      if (c !== 44) {
        at--;
        fail('Expected "," or "}"');
      }
    }
  };
  const array = (): Json[] => {
    const result: Json[] = [];
    at++;
    if (blank() === 93) {
      at++;
      return result;
    }
    for (;;) {
      deeper(result.length);
      result.push(value());
      path.pop();
      const c = blank();
      at++;
      if (c === 93) return result;
      if (c !== 44) {
        at--;
        fail('Expected "," or "]"');
      }
    }
  };

  const result = value();
  blank();
  if (at < text.length) fail(`Unexpected ${JSON.stringify(text[at])} after the end of the JSON`);
  return result;
}

const pathText = (path: readonly (string | number)[]): string =>
  path.map((step, i) => (typeof step === 'number' ? `[${step}]` : i === 0 ? step : `.${step}`)).join('');
