// A Bundle parsed in turns is the Bundle parsed at once, whatever it is written like, and fails with the same words.
import { describe, expect, it } from 'vitest';
import { parseInTurns, pausing, writeInTurns, type Pause } from '../../src/fhir/in-turns.js';
import { Decimal, parseJson, writeJson, type Json, type JsonObject } from '../../src/fhir/json.js';

const resource = (i: number): Json => ({
  resourceType: 'Observation',
  id: `o${i}`,
  code: { text: `quoted "${i}" \\ [brace} é 😀` },
  valueQuantity: { value: i },
});
const entries = Array.from({ length: 600 }, (_, i) => ({ fullUrl: `urn:uuid:${i}`, resource: resource(i) }));
const bundle: Json = { resourceType: 'Bundle', type: 'transaction', entry: entries, id: 'after' };

/** Pauses at every chance and counts them. */
function counting(): { pause: Pause; pauses: () => number } {
  let pauses = 0;
  return { pause: () => Promise.resolve().then(() => void pauses++), pauses: () => pauses };
}

const inTurns = (text: string, pause: Pause = pausing()): Promise<Json> =>
  parseInTurns(Buffer.from(text), 'entry', pause);

const wellFormed: Record<string, string> = {
  compact: writeJson(bundle),
  'indented by two': writeJson(bundle, 2),
  'indented by four, with a line end': `${writeJson(bundle, 4)}\n`,
  'with brackets of others where its own would be': `{"entry":[${entries
    .map((_, i) => `\n  { "a": {\n  },\n  "b": [{\n  }, ${i}]\n  }`)
    .join()}\n],"filler":"${'x'.repeat(40_000)}"}`,
  'with spaces of its own': writeJson(bundle).replaceAll(',', ' ,\r\n\t'),
  'with decimals': writeJson(bundle).replaceAll(/"value":(\d+)/g, '"value":$1.00'),
  'with the name elsewhere first': `{"x":"entry","y":{"entry":[1,2]},"z":[["entry",[3]]],${writeJson(bundle).slice(1)}`,
  'with an empty array': `{"entry":[ ],"filler":"${'x'.repeat(40_000)}"}`,
  'without the array': `{"resourceType":"Bundle","filler":"${'x'.repeat(40_000)}"}`,
  'with no array under the name': `{"entry":{"a":[1]},"filler":"${'x'.repeat(40_000)}"}`,
  'an array itself': writeJson(entries),
  short: '{"resourceType":"Bundle","entry":[{"a":1}]}',
};

describe('a Bundle parsed in turns', () => {
  it.each(Object.entries(wellFormed))('is what it is at once: %s', async (_, text) => {
    const parsed = await inTurns(text);
    expect(writeJson(parsed)).toBe(writeJson(parseJson(text)));
    expect(parsed).toEqual(parseJson(text));
  });

  it('lets others have their turn between entries', async () => {
    const { pause, pauses } = counting();
    await inTurns(writeJson(bundle), pause);
    expect(pauses()).toBeGreaterThanOrEqual(entries.length);
  });

  const compact = writeJson(bundle);
  const malformed: Record<string, string> = {
    'a comma too many': compact.replace('}},{"fullUrl":"urn:uuid:400"', '}},,{"fullUrl":"urn:uuid:400"'),
    'a comma at the end': compact.replace('],"id":"after"', ',],"id":"after"'),
    'a brace for a bracket': compact.replace('}},{"fullUrl":"urn:uuid:400"', '}}},{"fullUrl":"urn:uuid:400"'),
    'an entry cut off': compact.slice(0, -2000),
    'the array twice': compact.replace('"id":"after"', '"entry":[]'),
    'a key twice in an entry': compact.replace('"id":"o300"', '"id":"o300","id":"o300"'),
    'a key twice in an indented entry': writeJson(bundle, 2).replace(
      '"id": "o300"',
      '"id": "o300",\n"id": "o300"',
    ),
    'a string that does not end': compact.replace('urn:uuid:500"', 'urn:uuid:500'),
    'something after the end': `${compact}]`,
    'too deep': compact.replace('"value":7}', `"value":${'['.repeat(250)}${']'.repeat(250)}}`),
  };
  it.each(Object.entries(malformed))('fails with the same words as at once: %s', async (_, text) => {
    let words = '';
    try {
      parseJson(text);
    } catch (error) {
      words = (error as Error).message;
    }
    expect(words).not.toBe('');
    await expect(inTurns(text)).rejects.toThrow(words);
  });
});

describe('writing in turns', () => {
  it.each([
    ['a Bundle', bundle],
    ['a Bundle of nothing', { resourceType: 'Bundle', entry: [] }],
    ['nothing but a list', { entry: [1, new Decimal('1.00')] }],
    ['no list', { resourceType: 'Patient', id: '1' }],
    ['what is no list', { entry: { a: 1 } }],
  ])('gives the same as at once: %s', async (_, value) => {
    const { pause } = counting();
    expect(parseJson(await writeInTurns(value as JsonObject, 'entry', pause))).toEqual(
      parseJson(writeJson(value)),
    );
  });

  it('pauses between the members', async () => {
    const { pause, pauses } = counting();
    await writeInTurns(bundle, 'entry', pause);
    expect(pauses()).toBe(entries.length);
  });
});
