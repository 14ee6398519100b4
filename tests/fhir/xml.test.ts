// XML and JSON say the same: by hand, and for every resource of HL7, US Core and Synthea that is at hand.
// https://hl7.org/fhir/R4/xml.html
import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { pausing } from '../../src/fhir/in-turns.js';
import { isObject, parseJson, type Json, type JsonObject } from '../../src/fhir/json.js';
import type { Resource } from '../../src/fhir/resource.js';
import { sameJson } from '../../src/fhir/same.js';
import { structureDefinition, structureDefinitionUrls } from '../../src/fhir/definitions.js';
import { parseXml, parseXmlInTurns } from '../../src/fhir/xml-read.js';
import { writeXml, writeXmlInTurns } from '../../src/fhir/xml-write.js';
import { filesOfPackage, shared } from './package.js';
import { real, syntheaResources } from '../search/real-resources.js';

const head = '<?xml version="1.0" encoding="UTF-8"?>';
const ns = 'xmlns="http://hl7.org/fhir"';
const xhtml = 'xmlns="http://www.w3.org/1999/xhtml"';

describe('a resource in both forms', () => {
  const pairs: readonly (readonly [what: string, json: string, xml: string])[] = [
    ['nothing but a type', '{"resourceType":"Basic"}', `<Basic ${ns}></Basic>`],
    [
      'primitives by their types',
      '{"resourceType":"Patient","id":"a","active":true,"birthDate":"2020-01","multipleBirthInteger":2}',
      `<Patient ${ns}><id value="a"/><active value="true"/><birthDate value="2020-01"/><multipleBirthInteger value="2"/></Patient>`,
    ],
    [
      'decimals as they were written',
      '{"resourceType":"Observation","component":[{"valueQuantity":{"value":1.00}},{"valueQuantity":{"value":1E-22}},{"valueQuantity":{"value":-0}}]}',
      `<Observation ${ns}><component><valueQuantity><value value="1.00"/></valueQuantity></component><component><valueQuantity><value value="1E-22"/></valueQuantity></component><component><valueQuantity><value value="-0"/></valueQuantity></component></Observation>`,
    ],
    [
      'ids and extensions beside values',
      '{"resourceType":"Patient","_active":{"id":"x","extension":[{"url":"http://e.org","valueCode":"u"}]},"birthDate":"2020","_birthDate":{"id":"b"}}',
      `<Patient ${ns}><active id="x"><extension url="http://e.org"><valueCode value="u"/></extension></active><birthDate id="b" value="2020"/></Patient>`,
    ],
    [
      'lists of primitives with gaps',
      '{"resourceType":"Patient","name":[{"id":"n","given":["A",null,"C"],"_given":[null,{"id":"g"},{"extension":[{"url":"http://e.org","valueBoolean":false}]}]}]}',
      `<Patient ${ns}><name id="n"><given value="A"/><given id="g"/><given value="C"><extension url="http://e.org"><valueBoolean value="false"/></extension></given></name></Patient>`,
    ],
    [
      'lists of primitives without any value',
      '{"resourceType":"Patient","name":[{"_given":[{"id":"g"},{"id":"h"}]}]}',
      `<Patient ${ns}><name><given id="g"/><given id="h"/></name></Patient>`,
    ],
    [
      'contained resources',
      '{"resourceType":"List","contained":[{"resourceType":"Basic","id":"1"},{"resourceType":"Patient","id":"2","active":false}],"status":"current"}',
      `<List ${ns}><contained><Basic><id value="1"/></Basic></contained><contained><Patient><id value="2"/><active value="false"/></Patient></contained><status value="current"/></List>`,
    ],
    [
      'entries of a Bundle and parts of Parameters',
      '{"resourceType":"Bundle","type":"batch","entry":[{"fullUrl":"urn:uuid:1","resource":{"resourceType":"Parameters","parameter":[{"name":"p","resource":{"resourceType":"Basic"}},{"name":"q","part":[{"name":"r","valueDecimal":0.10}]}]}}]}',
      `<Bundle ${ns}><type value="batch"/><entry><fullUrl value="urn:uuid:1"/><resource><Parameters><parameter><name value="p"/><resource><Basic></Basic></resource></parameter><parameter><name value="q"/><part><name value="r"/><valueDecimal value="0.10"/></part></parameter></Parameters></resource></entry></Bundle>`,
    ],
    [
      'what must be escaped',
      JSON.stringify({ resourceType: 'Patient', name: [{ text: '<a> & "b"\tc\nd\re \'f\' ü 😀' }] }),
      `<Patient ${ns}><name><text value="&lt;a&gt; &amp; &quot;b&quot;&#9;c&#10;d&#13;e 'f' ü 😀"/></name></Patient>`,
    ],
    [
      'a narrative as it is',
      JSON.stringify({
        resourceType: 'Basic',
        text: {
          status: 'generated',
          div: `<div ${xhtml}>a <b class="x">b</b>\n<!-- c --><br/>&#160;&amp;</div>`,
        },
      }),
      `<Basic ${ns}><text><status value="generated"/><div ${xhtml}>a <b class="x">b</b>\n<!-- c --><br/>&#160;&amp;</div></text></Basic>`,
    ],
    [
      'an element called resourceType',
      '{"resourceType":"ExampleScenario","instance":[{"resourceId":"r","resourceType":"Patient"}]}',
      `<ExampleScenario ${ns}><instance><resourceId value="r"/><resourceType value="Patient"/></instance></ExampleScenario>`,
    ],
  ];
  it.each(pairs)('%s', (_, json, xml) => {
    const resource = parseJson(json) as Resource;
    expect(writeXml(resource)).toBe(head + xml);
    expect(sameJson(parseXml(head + xml), resource, 'lexeme')).toBe(true);
    expect(sameJson(parseXml(writeXml(resource, 2)), resource, 'lexeme'), 'indented').toBe(true);
  });

  it('writes elements in the order of the definition, whatever that of JSON', () => {
    const text =
      '{"_birthDate":{"id":"b"},"name":[{"given":["g"],"family":"f"}],"id":"1","resourceType":"Patient"}';
    expect(writeXml(parseJson(text) as Resource)).toBe(
      `${head}<Patient ${ns}><id value="1"/><name><family value="f"/><given value="g"/></name><birthDate id="b"/></Patient>`,
    );
  });

  it('indents where asked, and leaves the narrative alone', () => {
    const resource = {
      resourceType: 'Basic',
      id: '1',
      text: { status: 'generated', div: `<div ${xhtml}><p>x</p></div>` },
    };
    expect(writeXml(resource, 2)).toBe(
      `${head}\n<Basic ${ns}>\n  <id value="1"/>\n  <text>\n    <status value="generated"/>\n    <div ${xhtml}><p>x</p></div>\n  </text>\n</Basic>\n`,
    );
  });

  it('refuses to write what XML has no element for', () => {
    expect(() => writeXml({ resourceType: 'Patient', name: [{ nickname: 'x' }] })).toThrow(
      /Patient\.name has "nickname"/,
    );
  });
});

describe('reading', () => {
  const read = (xml: string | Uint8Array): Resource => parseXml(xml);

  it.each([
    ['a byte order mark', `\ufeff${head}<Basic ${ns}/>`],
    ['no declaration', `<Basic ${ns}/>`],
    [
      'comments and instructions around',
      `${head}\n<!-- a --><?xml-stylesheet href="x"?>\n<Basic ${ns}><!-- b --></Basic>\n<!-- c -->`,
    ],
    ['a prefix', `<f:Basic xmlns:f="http://hl7.org/fhir"></f:Basic>`],
    [
      'a schema location',
      `<Basic ${ns} xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance" xsi:schemaLocation="a b"/>`,
    ],
    [
      'quotes of the other kind',
      `<?xml version='1.0' encoding='utf-8'?><Basic xmlns='http://hl7.org/fhir'/>`,
    ],
    ['spaces in tags', `<Basic\n${ns}\n></Basic\n>`],
  ])('takes %s', (_, xml) => {
    expect(read(xml)).toEqual({ resourceType: 'Basic' });
    expect(read(Buffer.from(xml))).toEqual({ resourceType: 'Basic' });
  });

  it('reads references to characters, and white space in values as one blank each', () => {
    const xml = `<Patient ${ns}><name><text value="&#x41;&#66;&apos;&quot;&#10;\r\n\tC"/></name></Patient>`;
    expect(read(xml)).toMatchObject({ name: [{ text: 'AB\'"\n  C' }] });
  });

  it('makes a narrative stand alone: no prefixes, no CDATA, its namespace on the div', () => {
    const xml =
      '<f:Basic xmlns:f="http://hl7.org/fhir" xmlns:h="http://www.w3.org/1999/xhtml"><f:text><f:status value="generated"/>' +
      '<h:div class="x">a<h:p xml:lang="en">b</h:p><![CDATA[<i>&]]></h:div></f:text></f:Basic>';
    expect(read(xml)['text']).toEqual({
      status: 'generated',
      div: `<div ${xhtml} class="x">a<p xml:lang="en">b</p>&lt;i&gt;&amp;</div>`,
    });
  });

  it('leaves what a value may be to the gate', () => {
    const xml = `<Patient ${ns}><active value="yes"/><multipleBirthInteger value="two"/></Patient>`;
    expect(read(xml)).toEqual({ resourceType: 'Patient', active: 'yes', multipleBirthInteger: 'two' });
  });

  it('reads long Bundles in turns as at once', async () => {
    const entry = Array.from({ length: 200 }, (_, i) => ({
      resource: { resourceType: 'Basic', id: String(i) },
    }));
    const bundle = { resourceType: 'Bundle', type: 'collection', entry };
    const xml = await writeXmlInTurns(bundle, pausing());
    expect(xml).toBe(writeXml(bundle));
    expect(await parseXmlInTurns(Buffer.from(xml), pausing())).toEqual(bundle);
  });
});

describe('a narrative in JSON that is no XML', () => {
  const written = (div: string): string => {
    const xml = writeXml({ resourceType: 'Basic', text: { status: 'generated', div } });
    parseXml(xml);
    return xml;
  };
  it.each([
    [
      'entities of HTML',
      `<div ${xhtml}>&nbsp;&eacute;&Omega;</div>`,
      `<div ${xhtml}>&#160;&#233;&#937;</div>`,
    ],
    ['no namespace', '<div><p>x</p></div>', `<div ${xhtml}><p>x</p></div>`],
    ['carriage returns', `<div ${xhtml}>a\r\nb</div>`, `<div ${xhtml}>a\nb</div>`],
  ])('%s are mended', (_, div, mended) => expect(written(div)).toContain(mended));

  it.each([
    `<div ${xhtml}>x</div></text><id value="evil"/><text>`,
    `<div ${xhtml}><p>x</div>`,
    `<div ${xhtml}>a & b</div>`,
    'just text',
    '<script>alert(1)</script>',
    `<div ${xhtml}><![CDATA[x`,
  ])('%s is shown as the text it is', div => {
    expect(written(div)).toContain(`<div ${xhtml}>${div.startsWith('just') ? 'just text' : '&lt;'}`);
    expect(written(div)).not.toContain('<id');
  });
});

it('FHIR has no attributes but id, url and value', () => {
  const attributes = structureDefinitionUrls()
    .flatMap(url => structureDefinition(url)?.snapshot.element ?? [])
    .filter(element => element.representation?.includes('xmlAttr'))
    .map(element => element.path.replace(/^.*\./, ''));
  expect([...new Set(attributes)].sort()).toEqual(['id', 'url', 'value']);
});

/** As far as XML can say: it knows no carriage returns and no entities of HTML in a narrative. */
function comparable(value: Json): Json {
  if (Array.isArray(value)) return value.map(comparable);
  if (!isObject(value)) return value;
  return Object.fromEntries(
    Object.entries(value).map(([name, item]) => [
      name,
      name === 'div' && typeof item === 'string' ? item.trim().replace(/\r\n?/g, '\n') : comparable(item),
    ]),
  );
}

describe.each([
  'hl7/hl7.fhir.r4.examples-4.0.1-two-thirds.tgz',
  'us-core/us-core-610.tgz',
  'us-core/us-core-311.tgz',
])('every resource of %s', path => {
  const archive = shared(path);
  it.skipIf(!archive.present)(`is the same after JSON → XML → JSON${archive.note}`, () => {
    const changed: string[] = [];
    let count = 0;
    for (const [name, text] of filesOfPackage(archive.url)) {
      const resource = parseJson(text) as JsonObject;
      if (typeof resource['resourceType'] !== 'string') continue;
      count++;
      const indent = count % 2 === 0 ? 0 : 2;
      if (
        !sameJson(
          comparable(parseXml(writeXml(resource as Resource, indent))),
          comparable(resource),
          'lexeme',
        )
      )
        changed.push(name);
    }
    expect(changed).toEqual([]);
    expect(count).toBeGreaterThan(100);
  });
});

it.skipIf(!real.present)(`Synthea's resources are the same after JSON → XML → JSON${real.note}`, () => {
  let count = 0;
  for (const resource of syntheaResources(5)) {
    expect(parseXml(writeXml(resource))).toEqual(resource);
    count++;
  }
  expect(count).toBeGreaterThan(500);
});

const official = shared('fhir-test-cases/r4/examples/');
describe.skipIf(!official.present)(`official examples in both forms${official.note}`, () => {
  const file = (name: string): Buffer => readFileSync(new URL(name, official.url));

  it.each(['condition-example', 'observation-decimal', 'patient-example'])('%s is the same', name => {
    const json = comparable(parseJson(file(`${name}.json`)));
    const xml = parseXml(file(`${name}.xml`));
    expect(sameJson({ ...xml, text: null }, { ...(json as JsonObject), text: null }, 'value')).toBe(true);
  });

  it.each([
    'list-example-long',
    'medicationdispenseexample8',
    'observation-example',
    'observation-example-20minute-apgar-score',
    'organization-1',
    'patient-example-xds',
    'patient-glossy-example',
  ])('%s is read and written again', name => {
    const resource = parseXml(file(`${name}.xml`));
    expect(parseXml(writeXml(resource))).toEqual(resource);
  });
});
