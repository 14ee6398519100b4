// RFC 5261 as the official cases have it, on resources, and what a hostile patch could do.
import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { FhirError } from '../../../src/errors.js';
import { treePatch, xmlPatch } from '../../../src/fhir/patch/xml-patch.js';
import type { Resource } from '../../../src/fhir/resource.js';
import { parseXmlTree, writeXmlTree, type XmlNode } from '../../../src/fhir/xml-tree.js';
import { shared } from '../package.js';

const official = shared('fhir-test-cases/r4/patch/xml-patch-tests.xml');

/** Without the white space that only lays the file out. */
const tidy = (node: XmlNode): XmlNode => ({
  ...node,
  attributes: new Map([...node.attributes].sort()),
  children: node.children.filter(child => child.kind !== 'text' || child.text.trim() !== '').map(tidy),
});
const element = (node: XmlNode | undefined): XmlNode | undefined =>
  node?.children.find(child => child.kind === 'element');

describe.skipIf(!official.present)(`official cases${official.note}`, () => {
  const cases = official.present
    ? parseXmlTree(readFileSync(official.url)).children.filter(node => node.kind === 'element')
    : [];
  it('are all there', () => expect(cases.length).toBe(29));

  it.each(cases.map(one => [one.attributes.get('name')!, one] as const))('%s', (_, one) => {
    const part = (name: string): XmlNode | undefined => one.children.find(child => child.name === name);
    const target = element(part('target'));
    const run = (): XmlNode => {
      const apply = treePatch(part('patch')!);
      if (target === undefined) throw new FhirError('required', 'There is nothing to patch.');
      return apply(target);
    };
    if (part('error') !== undefined) expect(run).toThrow(FhirError);
    else expect(writeXmlTree(tidy(run()))).toBe(writeXmlTree(tidy(element(part('patched'))!)));
  });
});

const patient: Resource = {
  resourceType: 'Patient',
  id: '1',
  text: { status: 'generated', div: '<div xmlns="http://www.w3.org/1999/xhtml"><p>x</p></div>' },
  active: true,
  name: [
    { id: 'a', family: 'One' },
    { family: 'Two', given: ['B'] },
  ],
};
const run = (operations: string, resource = patient): Resource =>
  xmlPatch(`<diff xmlns="http://hl7.org/fhir">${operations}</diff>`)(resource);
const refusal = (operations: string): FhirError => {
  try {
    run(operations);
  } catch (error) {
    if (error instanceof FhirError) return error;
    throw error;
  }
  throw new Error('the patch was applied');
};

describe('on a resource', () => {
  it.each([
    ['replaces a value', '<replace sel="f:Patient/f:active/@value">false</replace>', { active: false }],
    ['needs no prefix', '<replace sel="Patient/active/@value">false</replace>', { active: false }],
    [
      'adds in place',
      '<add sel="f:Patient/f:name[2]" pos="after"><gender value="male"/></add>',
      { gender: 'male' },
    ],
    [
      'chooses by position, attribute and what is inside',
      `<add sel="/f:Patient/f:name[@id='a']"><given value="A"/></add><remove sel="f:Patient/f:name[f:family/@value='Two']/f:given[1]"/>`,
      { name: [{ id: 'a', family: 'One', given: ['A'] }, { family: 'Two' }] },
    ],
    [
      'reaches into the narrative',
      '<replace sel="f:Patient/f:text/h:div/h:p/text()">y &amp; z</replace>',
      {
        text: {
          status: 'generated',
          div: '<div xmlns="http://www.w3.org/1999/xhtml"><p>y &amp; z</p></div>',
        },
      },
    ],
    [
      'removes an attribute and an element',
      '<remove sel="f:Patient/f:name[1]/@id"/><remove sel="f:Patient/f:name[2]"/>',
      { name: [{ family: 'One' }] },
    ],
    [
      'prepends',
      '<add sel="f:Patient/f:name[2]" pos="prepend"><use value="old"/></add>',
      { name: [{ id: 'a' }, { use: 'old', family: 'Two' }] },
    ],
  ])('%s', (_, operations, changes) => {
    expect(run(operations)).toMatchObject(changes);
    expect(patient['name']).toEqual([
      { id: 'a', family: 'One' },
      { family: 'Two', given: ['B'] },
    ]);
  });

  it('can be applied again', () => {
    const patch = xmlPatch(
      '<diff xmlns="http://hl7.org/fhir"><add sel="Patient/name[1]"><given value="A"/></add></diff>',
    );
    expect(patch(patient)).toEqual(patch(patient));
  });

  it.each([
    ['no operations', '', 'structure', /no operations/],
    ['an unknown operation', '<move sel="a"/>', 'structure', /<move> is no operation/],
    ['no selector', '<remove/>', 'structure', /needs a sel/],
    ['a selector of all XPath', '<remove sel="//f:name"/>', 'structure', /not understood/],
    ['a function', '<remove sel="f:Patient/f:name[last()]"/>', 'structure', /not understood/],
    ['a prefix nobody knows', '<remove sel="x:Patient"/>', 'structure', /not understood/],
    ['what is not there', '<remove sel="f:Patient/f:gender"/>', 'business-rule', /Operation 1.*no such node/],
    ['what is there twice', '<remove sel="f:Patient/f:name"/>', 'business-rule', /several/],
    [
      'a position that is none',
      '<add sel="f:Patient" pos="inside"><a/></add>',
      'business-rule',
      /pos="inside"/,
    ],
    [
      'an attribute that is there',
      '<add sel="f:Patient/f:active" type="@value">x</add>',
      'business-rule',
      /there already/,
    ],
    [
      'what is out of order',
      '<add sel="f:Patient"><active value="true"/></add>',
      'business-rule',
      /out of order/,
    ],
    [
      'what FHIR does not have',
      '<add sel="f:Patient"><nothing/></add>',
      'business-rule',
      /no element <nothing>/,
    ],
    ['the whole document', '<remove sel="f:Patient"/>', 'business-rule', /one element/],
  ])('refuses %s', (_, operations, code, message) => {
    expect(refusal(operations).code).toBe(code);
    expect(refusal(operations).message).toMatch(message);
  });
});

describe('a hostile patch', () => {
  it.each([
    ['a DOCTYPE', '<!DOCTYPE a [<!ENTITY x "y">]><diff/>', /DOCTYPE/],
    ['an entity', '<diff><add sel="a">&x;</add></diff>', /&x;/],
    ['nesting', '<a>'.repeat(100_000), /200 levels/],
    ['tags without end', '<a '.repeat(100_000), /Expected/],
  ])('with %s is refused', (_, patch, message) => expect(() => xmlPatch(patch)).toThrow(message));

  it('has no more operations than it may, and no path without end', () => {
    expect(refusal('<remove sel="a"/>'.repeat(1001)).code).toBe('too-large');
    expect(refusal(`<remove sel="${'a/'.repeat(10_000)}a"/>`).code).toBe('structure');
    expect(refusal(`<remove sel="${'a['.repeat(10_000)}"/>`).code).toBe('structure');
  });

  it('looks at no more nodes than it may', () => {
    const many = { ...patient, name: Array.from({ length: 20_000 }, (_, i) => ({ family: `F${i}` })) };
    const operation = `<replace sel="f:Patient/f:name[f:family/@value='F7']/f:family/@value">F7</replace>`;
    expect(run(operation, many)['name']).toEqual(many.name);
    expect(() => run(operation.repeat(1000), many)).toThrow(/too many nodes/);
  });

  it('nests no deeper than a resource may', () => {
    const extension = '<extension url="u">'.repeat(150) + '</extension>'.repeat(150);
    const path = `f:Patient${'/f:extension'.repeat(150)}`;
    expect(
      refusal(`<add sel="f:Patient" pos="prepend">${extension}</add><add sel="${path}">${extension}</add>`)
        .message,
    ).toMatch(/no resource/);
  });
});
