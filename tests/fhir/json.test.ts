// https://hl7.org/fhir/R4/json.html and RFC 8259, as far as a FHIR server must be stricter than JSON.parse.
import { existsSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { FhirError } from '../../src/errors.js';
import {
  Decimal,
  isNumber,
  isObject,
  lexemeOf,
  maxDepth,
  parseJson,
  writeJson,
  type Json,
} from '../../src/fhir/json.js';
import { sameJson } from '../../src/fhir/same.js';

const refusal = (input: string | Uint8Array): FhirError => {
  try {
    parseJson(input);
  } catch (error) {
    if (error instanceof FhirError) return error;
    throw error;
  }
  throw new Error(`accepted: ${String(input).slice(0, 80)}`);
};
const bytes = (text: string): Uint8Array => new TextEncoder().encode(text);

describe('numbers', () => {
  const changedByDouble = [
    '1.00',
    '0.0',
    '-0',
    '-0.0',
    '1E-22',
    '1e5',
    '1.000000000000000000E-245',
    '100000000000000000000000',
    '0.1000000000000000055511151231257827',
    '1e999',
    '9007199254740993',
  ];
  it.each(changedByDouble)('%s keeps its lexeme as a Decimal', lexeme => {
    const value = parseJson(`{"value":${lexeme}}`) as { value: Decimal };
    expect(value.value).toBeInstanceOf(Decimal);
    expect(value.value.lexeme).toBe(lexeme);
    expect(Number(value.value)).toBe(Number(lexeme));
    expect(writeJson(value as unknown as Json)).toBe(`{"value":${lexeme}}`);
  });

  it.each(['0', '1', '-1', '1.5', '6.5', '1e+21', '1e-7', '-273.15', '9007199254740991'])(
    '%s is a plain number',
    lexeme => {
      expect(parseJson(`[${lexeme}]`)).toStrictEqual([Number(lexeme)]);
      expect(writeJson(parseJson(lexeme))).toBe(lexeme);
    },
  );

  it.each(['01', '+1', '.5', '1.', '1e', '-', '0x10', 'NaN', 'Infinity', '1_000', '--1'])(
    '%s is refused',
    lexeme => {
      expect(refusal(`{"value":${lexeme}}`).code).toBe('invalid-json');
    },
  );

  it('keeps lexemes inside arrays and deep objects, beside strings that look alike', () => {
    const text = '{"a":[1.0,"1.0",{"b":2.50}],"c":"1.00"}';
    expect(writeJson(parseJson(text))).toBe(text);
  });

  it('writes lexemes with indentation too', () => {
    expect(writeJson(parseJson('{"a":[1.0]}'), 2)).toBe('{\n  "a": [\n    1.0\n  ]\n}');
  });

  it('calculates and compares with Decimals as with numbers', () => {
    const value = parseJson('1.50') as unknown as number;
    expect(value * 2).toBe(3);
    expect(value > 1.4 && value < 1.6).toBe(true);
  });

  it('tells numbers and objects apart', () => {
    expect([1, new Decimal('1.0')].every(isNumber)).toBe(true);
    expect([new Decimal('1.0'), null, [], 'x', 1].some(isObject)).toBe(false);
    expect(isObject({})).toBe(true);
    expect([lexemeOf(1.5), lexemeOf(new Decimal('1.50'))]).toEqual(['1.5', '1.50']);
  });
});

describe('repeated properties', () => {
  it.each([
    ['{"a":1,"a":1}', 'a'],
    ['{"a":1,"a":2}', 'a'],
    ['{"a":1,"\\u0061":2}', 'a'],
    ['{"x":[{},{"b":{"c":1,"c":2}}]}', 'x[1].b.c'],
    ['{"resourceType":"Patient","name":[{"family":"A","family":"B"}]}', 'Patient.name[0].family'],
  ])('%s is refused', (text, expression) => {
    const error = refusal(text);
    expect(error.code).toBe('invalid-json');
    expect(error.message).toContain('appears twice');
    expect(error.expression).toBe(expression);
  });

  it('does not mistake names of Object.prototype for repetitions', () => {
    const text = '{ "toString": 1, "constructor": {"hasOwnProperty":2} }';
    expect(writeJson(parseJson(text))).toBe('{"toString":1,"constructor":{"hasOwnProperty":2}}');
  });
});

describe('__proto__', () => {
  it.each([
    '{"__proto__":{"polluted":1}}',
    '{ "a": {"__proto__":null}}',
    '{"\\u005f_proto__":1}',
    '{"\\u005f\\u005fproto__" : 1.0}',
  ])('as a name is refused: %s', text => {
    expect(refusal(text).message).toContain('__proto__');
    expect(({} as Record<string, unknown>)['polluted']).toBeUndefined();
  });
  it('as a value is only text', () => {
    expect(parseJson('{"a":"__proto__"}')).toStrictEqual({ a: '__proto__' });
  });
});

describe('strings', () => {
  it.each([
    ['a raw line break', '"a\nb"'],
    ['a raw tab', '{"a":"\t"}'],
    ['a raw NUL', '"\u0000"'],
    ['a control character after a backslash', '"\\\u0001"'],
    ['an escape JSON does not have', '"\\x41"'],
    ['a short unicode escape', '"\\u12"'],
    ['no end', '{"a":"b'],
    ['no end after a backslash', '"\\'],
    ['a lone high surrogate', '"\\ud800"'],
    ['a lone low surrogate', '{"a":"x\\uDC00y"}'],
    ['surrogates in the wrong order', '"\\udc00\\ud800"'],
    ['a lone surrogate in a name', '{"\\ud83d":1}'],
    ['a raw lone surrogate', '"\ud83d"'],
  ])('%s is refused', (_, text) => {
    expect(refusal(text).code).toBe('invalid-json');
  });

  it.each(['"\\ud83d\\ude00"', '"\\uD83D\\uDE00"', '"\u{1f600}"', '["\\ud83d\\ude00",1.0]'])(
    'a surrogate pair is accepted: %s',
    text => {
      expect(writeJson(parseJson(text))).toContain('\u{1f600}');
    },
  );

  it('reads every escape', () => {
    expect(parseJson(' "\\"\\\\\\/\\b\\f\\n\\r\\t\\u00e9\\u0000" ')).toBe('"\\/\b\f\n\r\t\u00e9\u0000');
  });

  it('says where the trouble is', () => {
    expect(refusal('{\n  "a": "x\\y"\n}').message).toContain('line 2, column 8');
  });
});

describe('syntax', () => {
  it.each([
    ['nothing', ''],
    ['only blanks', ' \n'],
    ['a trailing comma in an object', '{"a":1,}'],
    ['a trailing comma in an array', '[1,]'],
    ['only a comma', '[,]'],
    ['a missing comma', '{"a":1 "b":2}'],
    ['a missing colon', '{"a" 1}'],
    ['single quotes', "{'a':1}"],
    ['a bare name', '{a:1}'],
    ['a comment', '{"a":1/* x */}'],
    ['a line comment', '// x\n{}'],
    ['a second value', '{} {}'],
    ['an unclosed object', '{"a":1'],
    ['an unclosed array', '[1'],
    ['a wrong bracket', '[1}'],
    ['half a word', '[tru]'],
    ['undefined', 'undefined'],
    ['a form feed as blank', '[\f1]'],
    ['a no-break space as blank', '[\u00a01]'],
  ])('%s is refused', (_, text) => {
    const error = refusal(text);
    expect([error.code, error.status]).toEqual(['invalid-json', 400]);
  });

  it('accepts blanks everywhere', () => {
    expect(parseJson('\r\n{ "a" : [ 1 , true , null , false ] , "b" : { } , "c" : [ ] }\t')).toStrictEqual({
      a: [1, true, null, false],
      b: {},
      c: [],
    });
  });

  it('names the place by line and column', () => {
    expect(refusal('{\n"a":1,\n"b":}').message).toBe('Unexpected "}" at line 3, column 5.');
  });
});

describe('bytes', () => {
  it('drops a byte order mark', () => {
    expect(parseJson(Uint8Array.of(0xef, 0xbb, 0xbf, ...bytes('{"a":1}')))).toStrictEqual({ a: 1 });
  });
  it.each([
    ['a stray continuation byte', [0x22, 0x80, 0x22]],
    ['Latin-1', [0x22, 0xe9, 0x22]],
    ['an overlong form', [0x22, 0xc0, 0xaf, 0x22]],
    ['a surrogate in UTF-8', [0x22, 0xed, 0xa0, 0x80, 0x22]],
    ['half a character', [0x22, 0xf0, 0x9f, 0x98]],
    ['UTF-16', [0xff, 0xfe, 0x7b, 0, 0x7d, 0]],
  ])('%s is refused', (_, raw) => {
    expect(refusal(Uint8Array.from(raw)).message).toContain('UTF-8');
  });
});

describe('depth', () => {
  const nested = (depth: number, open = '[', close = ']'): string => open.repeat(depth) + close.repeat(depth);
  it(`accepts ${maxDepth} levels and refuses one more`, () => {
    expect(writeJson(parseJson(nested(maxDepth)))).toBe(nested(maxDepth));
    expect(refusal(nested(maxDepth + 2)).message).toContain('levels of nesting');
    expect(refusal(`${'{"a":'.repeat(maxDepth + 1)}1${'}'.repeat(maxDepth + 1)}`).message).toContain(
      'levels of nesting',
    );
  });
  it('refuses a million levels, closed or not, without exhausting the stack', () => {
    expect(refusal(nested(1_000_000)).code).toBe('invalid-json');
    expect(refusal(`[\n  ${nested(1_000_000)}\n]`).message).toContain('levels of nesting');
    for (const depth of [maxDepth - 1, maxDepth, maxDepth + 1, maxDepth + 2]) {
      let value: Json = [1];
      for (let i = 1; i < depth; i++) value = i % 2 ? { a: value } : [value, 1];
      const text = writeJson(value, 2);
      if (depth <= maxDepth) expect(writeJson(parseJson(text), 2)).toBe(text);
      else expect(refusal(text).message).toContain('levels of nesting');
    }
    expect(refusal('['.repeat(1_000_000)).code).toBe('invalid-json');
    expect(refusal('{"a":'.repeat(1_000_000)).code).toBe('invalid-json');
  });
  it('does not count brackets in strings', () => {
    const text = JSON.stringify({ a: '['.repeat(500) });
    expect(writeJson(parseJson(text))).toBe(text);
  });
});

describe('writing', () => {
  it('cannot be led by a client to unquote a string', () => {
    const mark = JSON.stringify(new Decimal('1').toJSON().slice(0, 3)).slice(1, -1);
    const text = `{"a":"${mark}1.0","b":"\\u00071.0","c":2.0}`;
    expect(JSON.parse(writeJson(parseJson(text)))).toEqual({
      a: `${new Decimal('1').toJSON().slice(0, 3)}1.0`,
      b: '\u00071.0',
      c: 2,
    });
  });
});

// A generator of JSON as FHIR may hold it, with every spelling of a number.
const lexeme = fc
  .tuple(
    fc.boolean(),
    fc.bigInt({ min: 0n, max: 10n ** 25n }),
    fc.option(fc.stringMatching(/^[0-9]{1,20}$/)),
    fc.option(fc.integer({ min: -300, max: 300 })),
    fc.boolean(),
  )
  .map(
    ([minus, whole, fraction, exponent, upper]) =>
      `${minus ? '-' : ''}${whole}${fraction === null ? '' : `.${fraction}`}${exponent === null ? '' : `${upper ? 'E' : 'e'}${exponent}`}`,
  );
const number = lexeme.map(text => (String(Number(text)) === text ? Number(text) : new Decimal(text)));
const name = fc
  .oneof(fc.stringMatching(/^[a-z]{1,6}$/), fc.string({ unit: 'grapheme', maxLength: 5 }))
  .filter(key => key !== '__proto__');
const { json } = fc.letrec<{ json: Json }>(tie => ({
  json: fc.oneof(
    { maxDepth: 5, withCrossShrink: true },
    fc.constantFrom(null, true, false),
    fc.string({ unit: 'grapheme' }),
    number,
    fc.array(tie('json'), { maxLength: 4 }),
    fc.dictionary(name, tie('json'), { maxKeys: 5, noNullPrototype: true }),
  ),
}));

describe('properties', () => {
  it('parse ∘ write is the identity, compact and indented, on text and on bytes', () => {
    fc.assert(
      fc.property(json, fc.constantFrom(undefined, 2), (value, indent) => {
        const text = writeJson(value, indent);
        expect(sameJson(parseJson(text), value, 'lexeme')).toBe(true);
        expect(parseJson(bytes(text))).toStrictEqual(value);
        expect(writeJson(parseJson(text), indent)).toBe(text);
      }),
      { numRuns: 500 },
    );
  });
  it('agrees with JSON.parse about what is JSON, but for what it refuses on purpose', () => {
    const noise = fc
      .array(
        fc.constantFrom(
          '{',
          '}',
          '[',
          ']',
          ',',
          ':',
          '"',
          '"a"',
          '"b"',
          '1',
          '-',
          '0',
          '.5',
          'e1',
          'true',
          'null',
          ' ',
          '\n',
          '\\',
          '\\u0041',
        ),
        { maxLength: 12 },
      )
      .map(parts => parts.join(''));
    fc.assert(
      fc.property(noise, text => {
        let expected: unknown;
        let valid = true;
        try {
          expected = JSON.parse(text);
        } catch {
          valid = false;
        }
        try {
          const value = parseJson(text);
          expect(valid).toBe(true);
          expect(JSON.parse(writeJson(value))).toEqual(expected);
        } catch (error) {
          if (!(error instanceof FhirError)) throw error;
          expect(!valid || error.message.includes('twice')).toBe(true);
        }
      }),
      { numRuns: 3000 },
    );
  });
});

describe('sameJson', () => {
  const same = (a: string, b: string, numbers: 'value' | 'lexeme'): boolean =>
    sameJson(parseJson(a), parseJson(b), numbers);
  it('ignores the order of properties, not of items', () => {
    expect(same('{"a":1,"b":[1,2]}', '{"b":[1,2],"a":1}', 'lexeme')).toBe(true);
    expect(same('{"b":[1,2]}', '{"b":[2,1]}', 'lexeme')).toBe(false);
    expect(same('{"a":1}', '{"a":1,"b":null}', 'lexeme')).toBe(false);
    expect(same('{"a":1}', '{"toString":1}', 'lexeme')).toBe(false);
    expect(same('[]', '{}', 'lexeme')).toBe(false);
    expect(same('null', '{}', 'lexeme')).toBe(false);
    expect(same('[1.0]', '["1.0"]', 'value')).toBe(false);
  });
  it.each([
    ['1', '1.0', true],
    ['1.00', '1.0', true],
    ['100', '1e2', true],
    ['0.001', '1E-3', true],
    ['-0', '0.00', true],
    ['1e999', '10e998', true],
    ['0.1', '0.10000000000000000001', false],
    ['1', '-1', false],
    ['10', '1', false],
  ])('%s and %s by value: %s', (a, b, expected) => {
    expect(same(a, b, 'value')).toBe(expected);
    expect(same(a, b, 'lexeme')).toBe(false);
  });
});

describe('text made to be slow', () => {
  // Each takes hours with a pattern or an algorithm that is more than linear; the test would run into its time limit.
  const long = 1_000_000;
  it('is compared in linear time', () => {
    const number = `1${'0'.repeat(long)}1`;
    expect(sameJson(parseJson(number), parseJson(`${number}.0`), 'value')).toBe(true);
    expect(sameJson(parseJson(`0.${number}`), parseJson(`0.${number}0`), 'value')).toBe(true);
  });
  it.each([
    ['digits', '1'.repeat(long)],
    ['an exponent', `1e${'1'.repeat(long)}`],
    ['a string without end', `"${'\\\\'.repeat(long)}`],
    ['blanks', `[${' '.repeat(long)}`],
    ['repeated names', `{"${'a'.repeat(long)}":1,"${'a'.repeat(long)}":1}`],
  ])('is read in linear time: %s', (_, text) => {
    try {
      expect(writeJson(parseJson(text))).toBe(text);
    } catch (error) {
      expect(error).toBeInstanceOf(FhirError);
      expect((error as FhirError).message.length).toBeLessThan(300);
    }
  });
});

const decimals = fileURLToPath(
  new URL('../../../shared/data/fhir-test-cases/r4/examples/observation-decimal.json', import.meta.url),
);
it.skipIf(!existsSync(decimals))(`keeps every number of HL7's decimal example (needs ${decimals})`, () => {
  const text = readFileSync(decimals, 'utf8');
  const numbers = (json: string): string[] =>
    [...json.replace(/"(?:\\.|[^"\\])*"/g, '""').matchAll(/-?\d[-+.\deE]*/g)].map(([number]) => number);
  expect(numbers(text)).toContain('1.000000000000000000E-245');
  expect(numbers(writeJson(parseJson(text)))).toEqual(numbers(text));
});
