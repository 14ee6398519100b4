// The words of resources, beside what the cases of full-text.yaml find by them.
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { Json, JsonObject } from '../../src/fhir/json.js';
import { fold } from '../../src/search/fold.js';
import { fullText } from '../../src/search/full-text.js';
import { indexRows } from '../../src/search/index-rows.js';
import { matches } from '../../src/search/matches.js';
import { mostText, wordsOf } from '../../src/search/words.js';

const narrative = (div: string): string =>
  wordsOf({ resourceType: 'Basic', text: { status: 'generated', div } }).narrative;

describe('words of a narrative', () => {
  it.each([
    ['<div>One <b>t</b>wo<br/>three</div>', ' one two \n three '],
    ['<div><p title="a > b">text</p></div>', ' text '],
    ["<div><img src='x' alt='An \"image\"'/> beside</div>", ' an image \n beside '],
    ['<div>a&amp;b &#65;&#x42; &nbsp; &unknown;c</div>', ' a b ab c '],
    ['<div>before<!-- <p>not</p> -->after</div>', ' beforeafter '],
    ['<div>open <p', ' open '],
    ['<div title="never closed>text</div>', ' text '],
    ['', ''],
    ['<div> </div>', ''],
  ])('%s', (div, words) => {
    expect(narrative(div)).toBe(words);
  });

  it.each(['<', '<!--', '<a ', '<img alt', '&#', '<img alt="', "<a '"])(
    'are read in one go from %s',
    piece => {
      expect(narrative(`<div>${piece.repeat(300_000)}`)).toBeDefined();
    },
  );
});

describe('words of a resource', () => {
  it('are of what its definition says is text', () => {
    const { content } = wordsOf({
      resourceType: 'Observation',
      id: 'id',
      meta: { tag: [{ display: 'tag' }] },
      status: 'final',
      code: { coding: [{ system: 'http://loinc.org', code: '8867-4', display: 'Heart rate' }] },
      subject: { reference: 'Patient/1', display: 'Anna' },
      effectiveDateTime: '2020-01-01',
      valueQuantity: { value: 5, unit: 'beats', system: 'http://unitsofmeasure.org', code: '/min' },
      note: [{ text: 'Heart rate', authorString: 'Zoë', time: '2020' }],
      component: [{ code: { text: 'part' }, valueString: 'said', _valueString: { id: 'x' } }],
    });
    expect(content).toBe(' final \n 8867 4 \n heart rate \n anna \n beats \n min \n zoe \n part \n said ');
  });

  it('never throw and are the same twice, whatever the shapes', () => {
    const json = fc.letrec<{ any: Json }>(tie => ({
      any: fc.oneof(
        { maxDepth: 4 },
        fc.string(),
        fc.constant(null),
        fc.boolean(),
        fc.integer(),
        fc.array(tie('any'), { maxLength: 3 }),
        fc.dictionary(
          fc.constantFrom('text', 'div', 'code', 'coding', 'display', 'contained', 'resourceType', '_id'),
          tie('any'),
          { maxKeys: 4 },
        ),
      ),
    })).any;
    fc.assert(
      fc.property(fc.dictionary(fc.constantFrom('text', 'code', 'contained', 'extension'), json), rest => {
        const resource = { ...rest, resourceType: 'Basic' } as JsonObject;
        const { narrative: one, content } = wordsOf(resource);
        for (const text of [one, content]) expect(text === '' || /^ \S(?:.|\n)* $/u.test(text)).toBe(true);
        expect(wordsOf(resource)).toEqual({ narrative: one, content });
      }),
    );
  });

  it('are kept up to a million characters, by whole words', () => {
    const { content } = wordsOf({ resourceType: 'Basic', code: { text: 'words '.repeat(300_000) } });
    expect(content.length).toBeLessThanOrEqual(mostText + 2);
    expect(content.slice(-13)).toBe(' words words ');
    expect(wordsOf({ resourceType: 'Basic', code: { text: 'w'.repeat(mostText + 1) } }).content.length).toBe(
      0,
    );
  });

  it('are found by themselves, quoted or not', async () => {
    await fc.assert(
      fc.asyncProperty(fc.string({ unit: 'grapheme', minLength: 1, maxLength: 12 }), async text => {
        const folded = fold(text);
        // Not letters, whatever Unicode says: two of the apostrophes, and ligatures of nothing but accents.
        const letters = folded.normalize('NFKD').replace(/[ʼʻ]/g, '');
        fc.pre(/[\p{L}\p{N}]/u.test(letters) && !text.includes('"'));
        const rows = indexRows({ resourceType: 'Basic', code: { text } }, { bases: [] });
        const self = { ref: { type: 'Basic', id: 'x' }, lastUpdated: 0, rows };
        const resolve = { target: () => undefined, referrers: () => [] };
        expect(await matches(fullText('_content', `"${text}"`), self, resolve)).toBe(true);
        for (const word of folded.split(' '))
          expect(await matches(fullText('_content', `"${word}"`), self, resolve)).toBe(true);
        expect(await matches(fullText('_content', `-"${text}"`), self, resolve)).toBe(false);
      }),
    );
  });
});
