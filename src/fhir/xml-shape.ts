// What the XML of FHIR is read and written by: the elements of a shape in their order, and the two namespaces.
// https://hl7.org/fhir/R4/xml.html. The names of elements are the names JSON has for them; what differs is their order,
// which XML fixes, and that ids and the url of an extension are attributes.
import { shapeOf, type Property, type Shape } from './shape.js';

export const fhirNamespace = 'http://hl7.org/fhir';
export const xhtmlNamespace = 'http://www.w3.org/1999/xhtml';

/** Prefixes in scope at once; every element that declares one copies those around it. */
export const mostPrefixes = 50;

export type XmlKind = 'primitive' | 'number' | 'boolean' | 'complex' | 'resource' | 'xhtml';

export interface XmlElement {
  readonly name: string;
  /** FHIRPath has choices without their type: `value`. */
  readonly element: string;
  readonly kind: XmlKind;
  readonly list: boolean;
  /** Position among the elements of its parent. */
  readonly order: number;
  /** What is inside; of a primitive, what is beside its value. */
  inner(): XmlShape;
}

export interface XmlShape {
  readonly elements: ReadonlyMap<string, XmlElement>;
  /** Names that are attributes: `id`, but not of resources, and `url` of extensions. */
  readonly attributes: ReadonlySet<string>;
}

const numbers = new Set(['integer', 'positiveInt', 'unsignedInt', 'decimal']);

function kindOf({ type, primitive }: Property): XmlKind {
  if (type === 'Resource') return 'resource';
  if (type === 'xhtml') return 'xhtml';
  if (type === 'boolean') return 'boolean';
  if (numbers.has(type)) return 'number';
  return primitive ? 'primitive' : 'complex';
}

const known = new WeakMap<Shape, XmlShape>();

function xmlShapeOf(shape: Shape): XmlShape {
  let made = known.get(shape);
  if (made === undefined) {
    const elements = new Map<string, XmlElement>();
    const attributes = new Set<string>();
    for (const property of shape.properties.values()) {
      const { name, element, list } = property;
      if (property.attribute) attributes.add(name);
      else {
        let inner: XmlShape | undefined;
        elements.set(name, {
          name,
          element,
          kind: kindOf(property),
          list,
          order: elements.size,
          inner: () => (inner ??= xmlShapeOf(property.shape())),
        });
      }
    }
    made = { elements, attributes };
    known.set(shape, made);
  }
  return made;
}

/** The elements of a resource type or datatype. */
export const xmlShape = (type: string): XmlShape => xmlShapeOf(shapeOf(type));

/** Characters XML cannot hold in any form. https://www.w3.org/TR/xml/#charsets */
// eslint-disable-next-line no-control-regex
export const noXml = /[\0-\x08\x0b\x0c\x0e-\x1f\ufffe\uffff]/;

/** Whether a code point may be written as a character reference. */
export const isXmlCharacter = (code: number): boolean =>
  (code >= 0x20 && code <= 0xd7ff) ||
  code === 9 ||
  code === 10 ||
  code === 13 ||
  (code >= 0xe000 && code <= 0xfffd) ||
  (code >= 0x10000 && code <= 0x10ffff);

const escapes: Readonly<Record<string, string>> = {
  '&': '&amp;',
  '<': '&lt;',
  '>': '&gt;',
  '"': '&quot;',
  '\t': '&#9;',
  '\n': '&#10;',
  '\r': '&#13;',
};
// eslint-disable-next-line no-control-regex
const special = /[&<>"\0-\x1f\ufffe\uffff]/;
const specials = new RegExp(special, 'g');

/** The text as the value of an attribute in double quotes; what XML cannot hold becomes U+FFFD. */
export const escapeXml = (text: string): string =>
  special.test(text) ? text.replace(specials, c => escapes[c] ?? '\ufffd') : text;
