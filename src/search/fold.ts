// Folding: what two texts have in common when case, accents, punctuation and spacing are ignored.
// https://hl7.org/fhir/R4/search.html#string. The only place that folds; a change here is a new index version.
// Surprising: only accents of alphabets are dropped. Vowel signs of Devanagari or the dakuten of Japanese are marks
// to Unicode too, but other letters to their readers.

/** Combining marks: general, Cyrillic, Hebrew points, Arabic vowel signs, and the supplements. */
const accents = new RegExp(
  '[' +
    ['0300-036F', '0483-0489', '0591-05BD', '05BF', '05C1-05C2', '05C4-05C5', '05C7', '064B-065F', '0670']
      .concat('1AB0-1AFF', '1DC0-1DFF', '20D0-20FF', 'FE20-FE2F')
      .map(range => range.replace(/[0-9A-F]{4}/g, '\\u$&'))
      .join('') +
    ']+',
  'g',
);
const apostrophes = /['’ʼʻ‘`]/g;
const separators = /[\p{P}\p{Z}\p{S}\p{C}]+/gu;
/** Letters that have a plain form which Unicode does not decompose them to. */
const letters: Readonly<Record<string, string>> = {
  ß: 'ss', æ: 'ae', œ: 'oe', ø: 'o', đ: 'd', ð: 'd', ł: 'l', ħ: 'h', ı: 'i', ŧ: 't', þ: 'th', ς: 'σ',
}; // prettier-ignore
const unusual = /[ßæœøđðłħıŧþς]/g;
/** Most text is ASCII, for which all of this comes down to little. */
const ascii = /^\p{ASCII}*$/u;

/**
 * The folded text. Apostrophes vanish, other punctuation and space become one space, none at the ends. Text of nothing
 * but punctuation is kept as it is in lower case, so that it is not a prefix of everything.
 */
export function fold(text: string): string {
  if (/^[a-z0-9]+$/i.test(text)) return text.toLowerCase();
  const folded = ascii.test(text) ? foldAscii(text) : foldAny(text);
  return folded === '' ? text.trim().toLowerCase() : folded;
}

const foldAscii = (text: string): string =>
  text
    .toLowerCase()
    .replace(/['`]/g, '')
    .replace(/[^a-z0-9]+/g, ' ')
    .trim();

const foldAny = (text: string): string =>
  text
    .normalize('NFKD')
    .replace(accents, '')
    .toLowerCase()
    .replace(accents, '') // İ in lower case is i with a dot above
    .replace(unusual, letter => letters[letter]!)
    .replace(apostrophes, '')
    .replace(separators, ' ')
    .trim()
    .normalize('NFC');

const foldedTexts = new Map<string, string>();
/** Displays repeat; texts that people write do not, and are longer. */
const kept = { texts: 5000, length: 100 };

/** `fold`, remembering what it lately folded. */
export function foldedOf(text: string): string {
  let folded = foldedTexts.get(text);
  if (folded === undefined) {
    folded = fold(text);
    if (foldedTexts.size >= kept.texts) foldedTexts.clear();
    if (text.length <= kept.length) foldedTexts.set(text, folded);
  }
  return folded;
}
