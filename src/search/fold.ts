// Folding: what two texts have in common when case, accents, punctuation and spacing are ignored.
// https://hl7.org/fhir/R4/search.html#string. The only place that folds; a change here is a new index version.
// Surprising: only accents of alphabets are dropped. Vowel signs of Devanagari or the dakuten of Japanese are marks
// to Unicode too, but other letters to their readers.

const accents =
  /[\u0300-\u036F\u0483-\u0489\u0591-\u05BD\u05BF\u05C1-\u05C2\u05C4-\u05C5\u05C7\u064B-\u065F\u0670\u1AB0-\u1AFF\u1DC0-\u1DFF\u20D0-\u20FF\uFE20-\uFE2F]+/g;
const apostrophes = /['’ʼʻ‘`´]/g;
const separators = /[\p{P}\p{Z}\p{S}\p{C}]+/gu;
/** Letters that have a plain form which Unicode does not decompose them to. */
const letters: Readonly<Record<string, string>> = {
  ß: 'ss', æ: 'ae', œ: 'oe', ø: 'o', đ: 'd', ð: 'd', ł: 'l', ħ: 'h', ı: 'i', ŧ: 't', þ: 'th', ς: 'σ',
}; // prettier-ignore
const unusual = /[ßæœøđðłħıŧþς]/g;

/**
 * The folded text. Apostrophes vanish, other punctuation and space become one space, none at the ends. Text of nothing
 * but punctuation is kept as it is in lower case, so that it is not a prefix of everything.
 */
export function fold(text: string): string {
  if (/^[a-z0-9]+$/i.test(text)) return text.toLowerCase();
  const folded = text
    .normalize('NFKD')
    .replace(accents, '')
    .toLowerCase()
    .replace(accents, '') // İ in lower case is i with a dot above
    .replace(unusual, letter => letters[letter]!)
    .replace(apostrophes, '')
    .replace(separators, ' ')
    .trim()
    .normalize('NFC');
  return folded === '' ? text.trim().toLowerCase() : folded;
}
