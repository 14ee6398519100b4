// Every primitive's accepted and refused values. https://hl7.org/fhir/R4/datatypes.html#primitive
import { describe, expect, it } from 'vitest';
import { Decimal, parseJson } from '../../src/fhir/json.js';
import { primitives, type PrimitiveName } from '../../src/fhir/primitives.js';

/** Written as JSON text, so that numbers keep their lexemes as they do in a request. */
const cases: Record<PrimitiveName, { accepted: readonly string[]; refused: readonly string[] }> = {
  boolean: { accepted: ['true', 'false'], refused: ['"true"', '0', '1', '""', 'null', '{}', '[true]'] },
  integer: {
    accepted: ['0', '1', '-1', '2147483647', '-2147483648'],
    refused: ['2147483648', '-2147483649', '1.0', '1.5', '1e3', '-0', '"1"', 'null', '1e400', '[1]', 'true'],
  },
  positiveInt: { accepted: ['1', '2147483647'], refused: ['0', '-1', '1.0', '2147483648', '"1"'] },
  unsignedInt: { accepted: ['0', '1', '2147483647'], refused: ['-1', '0.0', '-0', '2147483648', '"0"'] },
  decimal: {
    accepted: [
      '0',
      '-0',
      '1.00',
      '0.1',
      '-1e-22',
      '1E+3',
      '1.000000000000000000E-245',
      '12345678901234567890.123',
      '1e-400',
    ],
    refused: ['"1.0"', '1e400', '-1e400', 'null', 'true', '[1.0]', '{}'],
  },
  string: {
    accepted: [
      '"a"',
      '" a "',
      '" "',
      '"\\n\\t\\r"',
      '"é漢😀"',
      '"<b>"',
      '"\\u00a0"',
      `"${'x'.repeat(1048576)}"`,
    ],
    refused: [
      '""',
      '1',
      'true',
      'null',
      '"a\\u0000b"',
      '"\\u000b"',
      '"\\u001f"',
      `"${'x'.repeat(1048577)}"`,
      '{}',
      '[]',
    ],
  },
  markdown: { accepted: ['"# a\\n\\n* b"'], refused: ['""', '5', '"\\u0001"'] },
  code: {
    accepted: ['"a"', '"final"', '"a b"', '"text/plain; charset=UTF-8"'],
    refused: ['""', '" a"', '"a "', '"a  b"', '"a\\tb "', '" "', '"a\\n\\nb"', '1'],
  },
  id: {
    accepted: ['"a"', '"A-1.b"', '"1"', `"${'a'.repeat(64)}"`, '"."'],
    refused: ['""', `"${'a'.repeat(65)}"`, '"a_b"', '"a/b"', '"a b"', '"é"', '"a\\n"', '1'],
  },
  uri: {
    accepted: [
      '"http://hl7.org/fhir"',
      '"urn:uuid:53fefa32-fcbb-4ff8-8a92-55ee120877b7"',
      '"#a"',
      '"../x"',
      '"ombCategory"',
    ],
    refused: ['""', '"a b"', '" http://a"', '"http://a\\n"', '1'],
  },
  url: {
    accepted: ['"https://example.org/a?b=c#d"', '"mailto:a@example.org"'],
    refused: ['""', '"http://a b"', 'null'],
  },
  canonical: {
    accepted: ['"http://example.org/x|1.0"', '"#contained"'],
    refused: ['""', '"http://example.org/x | 1"'],
  },
  oid: {
    accepted: ['"urn:oid:1.2.3.4.5"', '"urn:oid:2.16.840.1.113883"', '"urn:oid:0.0"'],
    refused: ['"1.2.3"', '"urn:oid:3.1"', '"urn:oid:1"', '"urn:oid:1.02"', '"urn:oid:1.2."', '""'],
  },
  uuid: {
    accepted: ['"urn:uuid:c757873d-ec9a-4326-a141-556f43239520"'],
    refused: [
      '"c757873d-ec9a-4326-a141-556f43239520"',
      '"urn:uuid:c757873d-ec9a-4326-a141-556f4323952"',
      '"urn:uuid:C757873D-EC9A-4326-A141-556F43239520"',
    ],
  },
  date: {
    accepted: ['"0001"', '"1970"', '"2020-02"', '"2020-02-29"', '"2000-02-29"', '"1999-12-31"', '"9999"'],
    refused: [
      ...[
        '"2021-02-29"',
        '"1900-02-29"',
        '"2020-04-31"',
        '"2020-13"',
        '"2020-00"',
        '"2020-01-00"',
        '"2020-01-32"',
        '"0000"',
        '"20"',
      ],
      ...[
        '"2020-1"',
        '"2020-01-1"',
        '"2020/01/01"',
        '"01-02-2020"',
        '"2020-01-01T00:00:00Z"',
        '"2020-"',
        '" 2020"',
        '"2020 "',
        '""',
      ],
      ...['2020', 'null', '"yesterday"', '"-2020"', '"+2020"', '"２０２０"', '"2020-01-01Z"', '"20200101"'],
    ],
  },
  dateTime: {
    accepted: [
      ...[
        '"2020"',
        '"2020-02"',
        '"2020-02-29"',
        '"2015-02-07T13:28:17Z"',
        '"2015-02-07T13:28:17-05:00"',
        '"2015-02-07T13:28:17.239+02:00"',
      ],
      ...['"2016-12-31T23:59:60Z"', '"2015-02-07T00:00:00+14:00"', '"2015-02-07T00:00:00.123456789Z"'],
    ],
    refused: [
      ...[
        '"2015-02-07T13:28:17"',
        '"2015-02-07T13:28Z"',
        '"2015-02-07T13Z"',
        '"2015-02-07T24:00:00Z"',
        '"2015-02-07T13:60:00Z"',
      ],
      ...[
        '"2015-02-07T13:28:61Z"',
        '"2015-02-30T13:28:17Z"',
        '"2015-02T13:28:17Z"',
        '"2015-02-07 13:28:17Z"',
        '"2015-02-07t13:28:17z"',
      ],
      ...[
        '"2015-02-07T13:28:17+14:01"',
        '"2015-02-07T13:28:17+1:00"',
        '"2015-02-07T13:28:17+0100"',
        '"2015-02-07T13:28:17.Z"',
        '""',
      ],
      ...[
        '"2015-02-07T13:28:17Zx"',
        '"2015-02-07T13:28:17+01:00x"',
        '"2015-02-07T"',
        '1423315697',
        '"2015-02-07T13:28:17+15:00"',
      ],
    ],
  },
  instant: {
    accepted: ['"2015-02-07T13:28:17.239+02:00"', '"2017-01-01T00:00:00Z"'],
    refused: ['"2017"', '"2017-01-01"', '"2017-01-01T00:00:00"', '"2017-01-01T00:00Z"', '""', '0'],
  },
  time: {
    accepted: ['"00:00:00"', '"23:59:59"', '"12:30:00.5"', '"23:59:60"'],
    refused: [
      '"24:00:00"',
      '"12:30"',
      '"12:30:00Z"',
      '"12:30:00+01:00"',
      '"12:60:00"',
      '"1:30:00"',
      '"12:30:00."',
      '""',
      '1230',
    ],
  },
  base64Binary: {
    accepted: [
      '"AAAA"',
      '"QQ=="',
      '"QUI="',
      '"QUJD REVG"',
      '" QUJD\\nREVG "',
      '"+/+/"',
      `"${'A'.repeat(1 << 21)}"`,
    ],
    refused: [
      '""',
      '" "',
      '"A"',
      '"AA"',
      '"AAA"',
      '"A==="',
      '"===="',
      '"QQ==QQ=="',
      '"QU=I"',
      '"AA-_"',
      '"äääa"',
      '1',
    ],
  },
  xhtml: {
    accepted: ['"<div xmlns=\\"http://www.w3.org/1999/xhtml\\">a</div>"'],
    refused: ['""', '" "', '1', 'null'],
  },
};

describe.each(Object.entries(cases))('%s', (name, { accepted, refused }) => {
  const primitive = primitives[name as PrimitiveName];
  const show = (text: string): string => (text.length < 60 ? text : `${text.length} characters`);

  it.each(accepted.map(text => [show(text), text]))('takes %s', (_, text) => {
    expect(primitive.is(parseJson(text))).toBe(true);
  });
  it.each(refused.map(text => [show(text), text]))('refuses %s', (_, text) => {
    expect(primitive.is(parseJson(text))).toBe(false);
  });
});

describe('every primitive', () => {
  it('refuses what no JSON value is', () => {
    for (const { is } of Object.values(primitives)) {
      for (const value of [undefined, NaN, Infinity, () => 0, Symbol('x'), new Decimal('1e999')])
        expect(is(value)).toBe(false);
    }
  });
  it('says what it is not and what it expects', () => {
    for (const [name, { sentence }] of Object.entries(primitives))
      expect(sentence, name).toMatch(/^not .*, expected .*[^.]$/);
    expect(primitives.date.sentence).toBe('not a date, expected YYYY, YYYY-MM or YYYY-MM-DD');
  });
  it('answers on hostile text in linear time', () => {
    const long = 1_000_000;
    const texts = [
      '-'.repeat(long),
      ' '.repeat(long),
      `${'a '.repeat(long)} `,
      `urn:oid:1${'.1'.repeat(long)}.`,
      `2015-02-07T13:28:17.${'1'.repeat(long)}`,
    ];
    for (const { is, json } of Object.values(primitives))
      for (const text of texts) expect(typeof is(text), json).toBe('boolean');
  });
});
