// `_text` and `_content`: a small grammar over the words of a resource, as nodes of the plan.
// https://hl7.org/fhir/R4/search.html#content. Its example, `(bone OR liver) and metastases`, sets the tone:
//   any = all { ("OR" | ",") all }   all = one { ["AND"] one }   one = ["NOT" | "-"] ( "(" any ")" | "phrase" | word["*"] )
// Surprising: `and` and `or` are operators in any case, as in that example; `not` only in capitals, for in lower case it
// would turn "not smoking" round. What holds punctuation inside, such as x-ray, is a phrase of its words.
import { FhirError } from '../errors.js';
import { fold } from './fold.js';
import { isMarks } from './words.js';
import { and, not, or, type Node } from './plan.js';
import { leaf, quoted } from './types/search-type.js';

const names = ['_text', '_content'] as const;
export type FullTextName = (typeof names)[number];

/** The parameter meant, where it is one of the two. @throws FhirError `invalid-search` where it has a modifier */
export function fullTextOf(name: string): FullTextName | undefined {
  const found = names.find(one => name === one || name.startsWith(`${one}:`));
  if (found !== undefined && name !== found)
    throw new FhirError('invalid-search', `${quoted(name)}: ${found} has no modifiers.`);
  return found;
}

const deepest = 20;
export const mostWords = 100;
const longestWord = 200;
/** The beginning of a word must have so many letters: fewer would be nearly all words. */
const shortestStart = 3;

/**
 * `value` may still be escaped: a comma with a backslash is punctuation, and one without is OR outside of quotes.
 * @throws FhirError `invalid-search` telling the character, from 1; `too-costly-search`
 */
export function fullText(name: FullTextName, value: string): Node {
  let at = 0;
  let words = 0;
  const fail = (why: string, code: 'invalid-search' | 'too-costly-search' = 'invalid-search'): never => {
    throw new FhirError(code, `${name}=${quoted(value)}, character ${at + 1}: ${why}.`);
  };
  const match = (pattern: RegExp): string | undefined => {
    pattern.lastIndex = at;
    const found = pattern.exec(value)?.[0];
    if (found !== undefined) at += found.length;
    return found;
  };
  const space = (): unknown => match(/\s+/y);
  const ends = (): boolean => at === value.length || /[),]/.test(value[at]!);

  const any = (depth: number): Node => {
    if (depth > deepest) fail(`nested deeper than ${deepest} times`, 'too-costly-search');
    const of = [all(depth)];
    while (match(/,|OR(?=[\s("]|$)/iy) !== undefined) of.push(all(depth));
    return or(...of);
  };
  const all = (depth: number): Node => {
    space();
    const of = [one(depth)];
    for (space(); !ends() && !/^OR(?=[\s("]|$)/i.test(value.slice(at, at + 3)); space()) {
      if (match(/AND(?=[\s("]|$)/iy) !== undefined) space();
      of.push(one(depth));
    }
    return and(...of);
  };
  const one = (depth: number): Node => {
    if (match(/-(?=[^\s-])|NOT(?=[\s("])/y) !== undefined) {
      space();
      return not(single(depth));
    }
    return single(depth);
  };
  const single = (depth: number): Node => {
    if (match(/\(/y) !== undefined) {
      const inside = any(depth + 1);
      if (match(/\)/y) === undefined) fail('expected ")"');
      return inside;
    }
    const start = at;
    if (match(/"/y) !== undefined) {
      const inside = match(/[^"]*/y)!;
      if (match(/"/y) === undefined) fail('the quotation mark before it has no other to end it');
      return said(start, inside, false);
    }
    const given =
      match(/(?:\\.|[^\s(),"\\])+/y) ?? fail('expected a word, a phrase in quotation marks or "("');
    if (/^(?:and|or)$/i.test(given) || given === 'NOT') {
      at = start;
      fail(`"${given}" joins words; put it in quotation marks to look for the word itself`);
    }
    return given.endsWith('*') ? said(start, given.slice(0, -1), true) : said(start, given, false);
  };
  const said = (start: number, text: string, open: boolean): Node => {
    const folded = fold(text);
    const parts = folded.split(' ');
    if (folded === '' || isMarks(folded)) {
      at = start;
      fail('expected a word or a number');
    }
    if ((words += parts.length) > mostWords) fail(`more than ${mostWords} words`, 'too-costly-search');
    if (parts.some(part => part.length > longestWord)) fail(`a word of more than ${longestWord} characters`);
    if (open && parts.at(-1)!.length < shortestStart)
      fail(
        `the beginning of a word needs at least ${shortestStart} letters before the *`,
        'too-costly-search',
      );
    return has(name, ` ${folded}${open ? '' : ' '}`);
  };

  const node = any(0);
  if (at < value.length) fail('expected the end');
  return node;
}

/** The content is the narrative too (words.ts). */
function has(name: FullTextName, value: string): Node {
  const rows = name === '_text' ? ['_text'] : ['_content', '_text'];
  return or(...rows.map(param => leaf('words', param, [{ column: 'text', is: 'contains', value }])));
}
