// What is no FHIR in XML is refused with its place and its element, and hostile documents in no time.
// https://hl7.org/fhir/R4/security.html#xml, https://www.w3.org/TR/xml/
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { FhirError } from '../../src/errors.js';
import { writeXml } from '../../src/fhir/xml-write.js';
import { parseXml } from '../../src/fhir/xml-read.js';

const ns = 'xmlns="http://hl7.org/fhir"';
const div = (inside: string): string =>
  `<Basic ${ns}><text><status value="generated"/><div xmlns="http://www.w3.org/1999/xhtml">${inside}</div></text></Basic>`;

function refusal(xml: string | Uint8Array): FhirError {
  try {
    parseXml(xml);
  } catch (error) {
    if (error instanceof FhirError) return error;
    throw error;
  }
  throw new Error('it was read');
}

describe('refused, with line, column and element', () => {
  it.each([
    [
      'an unknown resource',
      `<Pateint ${ns}/>`,
      'wrong-type',
      /<Pateint> is no resource.*Did you mean <Patient>.*line 1, column 1/,
    ],
    ['no resource', `<html ${ns}/>`, 'wrong-type', /no resource/],
    [
      'an unknown element',
      `<Patient ${ns}>\n  <nmae/></Patient>`,
      'structure',
      /Patient has no element <nmae>.*<name>.*line 2, column 3/,
    ],
    [
      'an element out of order',
      `<Patient ${ns}><gender value="male"/><active value="true"/></Patient>`,
      'structure',
      /<active> is out of order/,
    ],
    [
      'an element twice',
      `<Patient ${ns}><active value="true"/><active value="true"/></Patient>`,
      'structure',
      /only once/,
    ],
    ['text between elements', `<Patient ${ns}>x</Patient>`, 'invalid-xml', /no text/],
    ['CDATA', `<Patient ${ns}><![CDATA[x]]></Patient>`, 'invalid-xml', /no text/],
    ['an empty value', `<Patient ${ns}><active value=""/></Patient>`, 'structure', /value must not be empty/],
    [
      'no value and no extension',
      `<Patient ${ns}><active/></Patient>`,
      'structure',
      /neither a value nor extensions/,
    ],
    [
      'a value on what has none',
      `<Patient ${ns}><name value="x"/></Patient>`,
      'structure',
      /<name> has no value/,
    ],
    [
      'an unknown attribute',
      `<Patient ${ns}><active vaule="true"/></Patient>`,
      'structure',
      /no attribute vaule/,
    ],
    ['an id on a resource', `<Patient ${ns} id="1"/>`, 'structure', /its id is an element/],
    [
      'url on what is no extension',
      `<Patient ${ns}><name url="x"/></Patient>`,
      'structure',
      /no attribute url/,
    ],
    ['a contained nothing', `<Patient ${ns}><contained/></Patient>`, 'structure', /must hold a resource/],
    [
      'two resources in one',
      `<Patient ${ns}><contained><Basic/><Basic/></contained></Patient>`,
      'structure',
      /one resource/,
    ],
    ['no namespace', '<Patient/>', 'invalid-xml', /in no namespace/],
    ['another namespace', '<Patient xmlns="urn:hl7-org:v3"/>', 'invalid-xml', /urn:hl7-org:v3/],
    [
      'another namespace inside',
      `<Patient ${ns}><name xmlns="urn:x"/></Patient>`,
      'invalid-xml',
      /in the namespace "urn:x"/,
    ],
    ['an undeclared prefix', `<Patient ${ns}><x:name/></Patient>`, 'invalid-xml', /in no namespace/],
    [
      'a narrative of FHIR',
      `<Basic ${ns}><text><status value="generated"/><div>x</div></text></Basic>`,
      'invalid-xml',
      /not in the namespace/,
    ],
    [
      'an attribute twice',
      `<Patient ${ns}><active value="true" value="false"/></Patient>`,
      'invalid-xml',
      /value appears twice/,
    ],
    ['a namespace twice', `<Patient ${ns} ${ns}/>`, 'invalid-xml', /xmlns appears twice/],
    [
      'an attribute without quotes',
      `<Patient ${ns}><active value=true/></Patient>`,
      'invalid-xml',
      /in quotes/,
    ],
    [
      'attributes without a space',
      `<Patient ${ns}><active id="a"value="true"/></Patient>`,
      'invalid-xml',
      /Expected a space/,
    ],
    ['a "<" in a value', `<Patient ${ns}><active value="<"/></Patient>`, 'invalid-xml', /&lt;/],
    ['a "&" in a value', `<Patient ${ns}><active value="a & b"/></Patient>`, 'invalid-xml', /&amp;/],
    [
      'tags that cross',
      `<Patient ${ns}><name><text value="x"/></Patient></name>`,
      'invalid-xml',
      /Expected <\/name>, found <\/Patient>/,
    ],
    ['no end', `<Patient ${ns}><name>`, 'invalid-xml', /<name> does not end/],
    ['more after the end', `<Basic ${ns}/><Basic ${ns}/>`, 'invalid-xml', /after the end/],
    [
      'a declaration that is not first',
      `<!-- a --><?xml version="1.0"?><Basic ${ns}/>`,
      'invalid-xml',
      /first of all/,
    ],
    [
      'an instruction without a name',
      `<?'x ?><Basic ${ns}/>`,
      'invalid-xml',
      /name of a processing instruction/,
    ],
    ['an instruction inside', `<Basic ${ns}><?php x?></Basic>`, 'invalid-xml', /instructions/],
    ['a comment with --', `<Basic ${ns}><!-- a -- b --></Basic>`, 'invalid-xml', /comment/],
    ['JSON', '{"resourceType":"Basic"}', 'invalid-xml', /no XML/],
    ['nothing', '  ', 'invalid-xml', /empty/],
    [
      'another encoding',
      `<?xml version="1.0" encoding="ISO-8859-1"?><Basic ${ns}/>`,
      'invalid-xml',
      /iso-8859-1/,
    ],
  ])('%s', (_, xml, code, message) => {
    const error = refusal(xml);
    expect(error.code).toBe(code);
    expect(error.message).toMatch(message);
    expect(error.message).toMatch(/at line \d+, column \d+\.$/);
  });

  it('names the element as FHIRPath', () => {
    const xml = `<Bundle ${ns}><entry><resource><Patient><name/><name><given value="a"/><given value=""/></name></Patient></resource></entry></Bundle>`;
    expect(refusal(xml).expression).toBe('Bundle.entry[0].resource.name[1].given[1]');
    expect(
      refusal(`<Observation ${ns}><valueQuantity><value value=""/></valueQuantity></Observation>`).expression,
    ).toBe('Observation.value.value');
  });
});

describe('a narrative', () => {
  it.each([
    ['crossed tags', '<b><i>x</b></i>', /Expected <\/i>/],
    ['an entity of HTML', 'a&nbsp;b', /&nbsp; is not defined.*&#160;/],
    ['another entity', '&xxe;', /&xxe; is not defined/],
    ['a bare "&"', 'a & b', /&amp;/],
    ['a character that is none', '&#0;', /no character/],
    ['another namespace', '<svg xmlns="http://www.w3.org/2000/svg"/>', /namespace of XHTML/],
    ['an attribute twice', '<p class="a" class="b"/>', /twice/],
    ['an attribute of another namespace', '<p xlink:href="x"/>', /another namespace/],
    ['an instruction', '<?php x ?>', /no place in a narrative/],
    ['a DOCTYPE', '<!DOCTYPE x>', /no place in a narrative/],
    ['"]]>"', 'a ]]> b', /\]\]&gt;/],
    ['no end', '<p>', /Expected <\/p>/],
  ])('with %s is refused', (_, inside, message) => expect(refusal(div(inside)).message).toMatch(message));
});

describe('hostile documents', () => {
  it('billion laughs: no DOCTYPE, no entities', () => {
    const lol = Array.from({ length: 9 }, (_, i) => `<!ENTITY lol${i + 1} "${`&lol${i};`.repeat(10)}">`).join(
      '',
    );
    const xml = `<?xml version="1.0"?><!DOCTYPE lolz [<!ENTITY lol0 "lol">${lol}]><Patient ${ns}><name><text value="&lol9;"/></name></Patient>`;
    expect(refusal(xml).message).toContain('A DOCTYPE is not accepted');
    expect(refusal(`<Patient ${ns}><name><text value="&lol9;"/></name></Patient>`).message).toContain(
      '&lol9; is not defined',
    );
  });

  it.each([
    '<!DOCTYPE a SYSTEM "file:///etc/passwd">',
    '<!DOCTYPE a [<!ENTITY x SYSTEM "http://attacker.example/">]>',
    '<!DOCTYPE a PUBLIC "-//W3C//DTD" "http://attacker.example/x.dtd">',
    '<!ENTITY x "y">',
  ])('%s is not accepted', declaration => {
    expect(refusal(`${declaration}<Basic ${ns}/>`).message).toMatch(/not accepted/);
    expect(refusal(`<Basic ${ns}>${declaration}</Basic>`).message).toMatch(/not accepted/);
  });

  it('nesting beyond the limit, of elements and of a narrative', () => {
    const extension = '<extension url="http://e.org">'.repeat(50_000);
    expect(refusal(`<Basic ${ns}>${extension}`).message).toContain('200 levels');
    expect(refusal(`<Basic ${ns}>${'<contained><Basic>'.repeat(50_000)}`).message).toContain('200 levels');
    expect(refusal(div('<b>'.repeat(100_000))).message).toContain('200 elements');
  });

  it('values, names and numbers of attributes without bound', () => {
    const long = 'x'.repeat(20_000_000);
    expect(parseXml(`<Patient ${ns}><name><text value="${long}"/></name></Patient>`)).toMatchObject({
      name: [{ text: long }],
    });
    expect(refusal(`<${long} ${ns}/>`).message.length).toBeLessThan(500);
    expect(refusal(`<Patient ${ns}><name ${long}="1"/></Patient>`).message.length).toBeLessThan(500);
    const many = Array.from({ length: 100_000 }, (_, i) => `a${i}="1"`).join(' ');
    expect(refusal(`<Patient ${ns} ${many}/>`).message).toContain('attributes that FHIR does not have');
    const spaces = Array.from({ length: 50_000 }, (_, i) => `xmlns:a${i}="urn:x"`).join(' ');
    expect(refusal(`<Basic ${ns} ${spaces}/>`).message).toContain('prefixes');
    expect(refusal(div(`<p ${spaces}/>`)).message).toContain('prefixes');
  });

  it('references without end, and comments, tags and instructions that do not end', () => {
    expect(
      refusal(`<Patient ${ns}><name><text value="${'&'.repeat(1_000_000)}"/></name></Patient>`).code,
    ).toBe('invalid-xml');
    for (const open of ['<!--', '<?x ', '<a ', '<a b="', '<!', '<'])
      expect(refusal(`<Basic ${ns}>${open.repeat(200_000)}`).code, open).toMatch(/invalid-xml|structure/);
    for (const open of ['<!--', '<![CDATA[', '<a ', '<a b="', '&#', '&', '<'])
      expect(refusal(div(open.repeat(200_000))).code, open).toBe('invalid-xml');
  });

  it('a million elements, of a narrative and of a resource, in time that grows with them', () => {
    const many = '<br/>'.repeat(1_000_000);
    expect(String((parseXml(div(many))['text'] as { div: string }).div).length).toBeGreaterThan(5_000_000);
    const amps = '&amp;<br/>'.repeat(300_000);
    expect(refusal(div(`${amps}${'x'.repeat(1_000_000)}&`)).message).toContain('&amp;');
    const names = '<name id="a"><given value="b"/></name>'.repeat(100_000);
    expect((parseXml(`<Patient ${ns}>${names}</Patient>`)['name'] as unknown[]).length).toBe(100_000);
    const scoped = '<name xmlns:a="urn:a" xmlns="http://hl7.org/fhir"><given value="b"/></name>'.repeat(
      50_000,
    );
    expect((parseXml(`<Patient ${ns}>${scoped}</Patient>`)['name'] as unknown[]).length).toBe(50_000);
  });

  it('bytes that are not UTF-8, and characters that are not of XML', () => {
    expect(refusal(Buffer.from([0x3c, 0xff, 0xfe])).message).toContain('UTF-8');
    expect(refusal(Buffer.from(`\ufeff<Basic ${ns}/>`, 'utf16le')).message).toContain('UTF-8');
    expect(refusal(`<Basic ${ns}>\u0000</Basic>`).message).toContain('U+0000');
    expect(refusal(`<Patient ${ns}><name><text value="a\u000bb"/></name></Patient>`).message).toContain(
      'U+000b',
    );
    for (const reference of ['&#0;', '&#8;', '&#xFFFE;', '&#xD800;', '&#1114112;', '&#99999999999;'])
      expect(
        refusal(`<Patient ${ns}><name><text value="${reference}"/></name></Patient>`).code,
        reference,
      ).toBe('invalid-xml');
  });

  it('names that mean something to JavaScript', () => {
    for (const name of ['__proto__', 'constructor', 'toString', 'hasOwnProperty']) {
      expect(refusal(`<Patient ${ns}><${name}/></Patient>`).message).toContain('has no element');
      expect(refusal(`<${name} ${ns}/>`).code).toBe('wrong-type');
      expect(refusal(`<Patient ${ns}><name><text value="&${name};"/></name></Patient>`).message).toContain(
        'not defined',
      );
    }
  });
});

describe('a document that was damaged', () => {
  const whole = writeXml({
    resourceType: 'Patient',
    id: '1',
    text: {
      status: 'generated',
      div: '<div xmlns="http://www.w3.org/1999/xhtml">a <b class="x">b</b><!-- c --><br/>&#160;&amp;</div>',
    },
    contained: [{ resourceType: 'Organization', id: 'o', name: 'O' }],
    active: true,
    _birthDate: { extension: [{ url: 'http://e.org', valueCode: 'unknown' }] },
    name: [{ given: ['A', 'B & "C"'] }, { family: '<D>' }],
  });
  const pieces = [
    '<', '>', '/', '"', "'", '&', '=', ' ', '\n', '<!--', '-->', '<![CDATA[', ']]>', '<?x ?>', '<!DOCTYPE a>', '&lt;', '&#0;',
    '&nbsp;', 'xmlns="', 'xmlns:a="b" ', 'a:', 'é', '😀', ' id="1"', ' value="x"', '<div>', '</div>', '<b>', '<active value="true"/>',
  ]; // prettier-ignore
  const damage = fc.record({
    at: fc.nat(9999),
    removed: fc.integer({ min: 0, max: 8 }),
    put: fc.constantFrom('', ...pieces),
  });

  it('is refused, or is a resource that is the same when written and read again', () => {
    let read = 0;
    fc.assert(
      fc.property(fc.array(damage, { minLength: 1, maxLength: 3 }), damages => {
        let text = whole;
        for (const { at, removed, put } of damages) {
          const place = Math.floor((at / 10_000) * text.length);
          text = text.slice(0, place) + put + text.slice(place + removed);
        }
        let resource: ReturnType<typeof parseXml>;
        try {
          resource = parseXml(text);
        } catch (error) {
          expect(error).toBeInstanceOf(FhirError);
          return;
        }
        read++;
        expect(parseXml(writeXml(resource))).toEqual(resource);
      }),
      { numRuns: 3000, unbiased: true },
    );
    expect(read).toBeGreaterThan(10);
  });
});
