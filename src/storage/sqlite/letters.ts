// A text as tokens of three letters in a row, by which the texts are found that contain another (texts.ts).
// Surprising: signs of ASCII share a token, which the tokenizer would part; whoever asks compares the texts found.

/** Letters that make a token. Shorter texts are compared one by one. */
export const long = 3;
/** By code point, so that no token has half a letter. */
const lettersOf = (text: string): readonly string[] | string =>
  /[\ud800-\udfff]/.test(text) ? [...text] : text;

const token = (p: number, letters: readonly string[] | string, at: number): string =>
  `${p}_${`${letters[at]}${letters[at + 1]}${letters[at + 2]}`.replace(/[^a-z0-9\u0080-\uffff]/g, '_')}`;

/** The tokens of a text, each once; '' where it is too short. */
export function partsOf(p: number, text: string): string {
  const letters = lettersOf(text);
  const tokens = new Set<string>();
  for (let at = 0; at + long <= letters.length; at++) tokens.add(token(p, letters, at));
  return [...tokens].join(' ');
}

/** So far two tokens lie apart before there is a third between them. */
const apart = 10;

/**
 * Tokens that every text has which contains this one, or ends with it; undefined where it is too short. Two or three:
 * each costs a look into every segment of the index, more than to compare the few texts that have these by chance.
 */
export function askedBy(p: number, text: string): string | undefined {
  const letters = lettersOf(text);
  const last = letters.length - long;
  if (last < 0) return undefined;
  const places = last < apart ? [0, last] : [0, last >> 1, last];
  return [...new Set(places.map(at => `"${token(p, letters, at)}"`))].join(' AND ');
}
