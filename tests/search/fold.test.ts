// Folding and text order. https://hl7.org/fhir/R4/search.html#string
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { fold } from '../../src/search/fold.js';
import { compareText } from '../../src/search/sort.js';

describe('fold', () => {
  it.each([
    ['Müller', 'muller'],
    ['  O’Brien-Smith,  Jr. ', 'obrien smith jr'],
    ['STRASSE', 'strasse'],
    ['Straße', 'strasse'],
    ['İstanbul', 'istanbul'],
    ['Łódź', 'lodz'],
    ['Ærøskøbing', 'aeroskobing'],
    ['ﬁre Ｆｕｌｌ', 'fire full'],
    ['ΣΊΣΥΦΟΣ', 'σισυφοσ'],
    ['مُحَمَّد', 'محمد'],
    ['がくせい', 'がくせい'],
    ['हिन्दी', 'हिन्दी'],
    ['***', '***'],
    ['', ''],
  ])('of %j is %j', (text, folded) => {
    expect(fold(text)).toBe(folded);
  });

  it('of what is folded is the same again', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary', maxLength: 20 }), text => {
        expect(fold(fold(text))).toBe(fold(text));
      }),
      { numRuns: 2000 },
    );
  });

  it('does not see case or accents of Latin, Greek and Cyrillic letters', () => {
    const letter = fc.constantFrom(
      ...'aàâäãåāăąbcçčdďeéèêëěfgğhiíîïjkķlľłmnñňoóôöõøpqrřsśšştťuúûüůvwxyýzžαάβγδεέκλмийяё',
    );
    const accent = fc.constantFrom('', '\u0301', '\u0308', '\u0327');
    fc.assert(
      fc.property(fc.array(fc.tuple(letter, accent), { maxLength: 10 }), letters => {
        const text = letters.map(([one, mark]) => one + mark).join('');
        expect(fold(text.toUpperCase())).toBe(fold(letters.map(([one]) => one).join('')));
      }),
    );
  });
});

describe('compareText', () => {
  it('orders as UTF-8 bytes are ordered', () => {
    fc.assert(
      fc.property(
        fc.string({ unit: 'grapheme', maxLength: 6 }),
        fc.string({ unit: 'grapheme', maxLength: 6 }),
        (a, b) => {
          expect(Math.sign(compareText(a, b))).toBe(Buffer.compare(Buffer.from(a), Buffer.from(b)));
        },
      ),
      { numRuns: 3000 },
    );
    expect(compareText('\u{1F600}', '\uFFFD')).toBeGreaterThan(0);
  });
});
