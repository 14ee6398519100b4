// JSON of a resource → XML, in the order of the definitions. https://hl7.org/fhir/R4/xml.html
// Surprising why: written in pieces, so that a long Bundle can be written in turns (in-turns.ts).
import { FhirError } from '../errors.js';
import type { Pause } from './in-turns.js';
import { Decimal, isObject, type Json, type JsonObject } from './json.js';
import type { Resource } from './resource.js';
import { readDiv, XhtmlError } from './xml-div.js';
import {
  escapeXml,
  fhirNamespace,
  xhtmlNamespace,
  xmlShape,
  type XmlElement,
  type XmlShape,
} from './xml-shape.js';

const declaration = '<?xml version="1.0" encoding="UTF-8"?>';

/**
 * The XML document; `indent` spaces per level where given.
 * @throws FhirError `not-acceptable` for what the definitions do not have, and XML therefore cannot say.
 */
export function writeXml(resource: Resource, indent = 0): string {
  let text = '';
  for (const piece of pieces(resource, indent)) text += piece;
  return text;
}

/** As writeXml, with pauses between the entries of a Bundle. */
export async function writeXmlInTurns(resource: Resource, pause: Pause, indent = 0): Promise<string> {
  let text = '';
  for (const piece of pieces(resource, indent)) {
    text += piece;
    await pause();
  }
  return text;
}

/** The document in pieces: one for each element of the resource itself. */
function* pieces(resource: Resource, indent: number): Generator<string> {
  const writer = createWriter(indent);
  const { resourceType } = resource;
  yield `${declaration}${indent > 0 ? '\n' : ''}<${resourceType} xmlns="${fhirNamespace}">`;
  const shape = xmlShape(resourceType);
  for (const name of writer.namesIn(resource, shape, resourceType)) {
    const element = shape.elements.get(name)!;
    const value = resource[name];
    if (element.kind === 'complex' && Array.isArray(value)) {
      for (const item of value) yield writer.element(element, item, 1, resourceType);
    } else yield writer.property(element, resource, 1, resourceType);
  }
  yield `${indent > 0 ? '\n' : ''}</${resourceType}>${indent > 0 ? '\n' : ''}`;
}

interface Writer {
  namesIn(value: JsonObject, shape: XmlShape, path: string): readonly string[];
  property(element: XmlElement, parent: JsonObject, level: number, path: string): string;
  element(element: XmlElement, value: Json, level: number, path: string): string;
}

function createWriter(indent: number): Writer {
  const starts: string[] = [];
  /** What stands before an element of the level. */
  const start = (level: number): string =>
    indent === 0 ? '' : (starts[level] ??= `\n${' '.repeat(indent * level)}`);

  /** The names of the elements there are, in the order of the definition. */
  function namesIn(value: JsonObject, { elements, attributes }: XmlShape, path: string): readonly string[] {
    const names: string[] = [];
    let last = -1;
    let isSorted = true;
    for (const key in value) {
      const isSibling = key.charCodeAt(0) === 95;
      const name = isSibling ? key.slice(1) : key;
      if (isSibling ? Object.hasOwn(value, name) : attributes.has(name)) continue;
      const element = elements.get(name);
      if (element === undefined) {
        if (key === 'resourceType') continue;
        throw new FhirError(
          'not-acceptable',
          `${path} has "${key}", which XML has no element for: ask for JSON.`,
        );
      }
      if (element.order < last) isSorted = false;
      last = element.order;
      names.push(name);
    }
    if (!isSorted) names.sort((a, b) => elements.get(a)!.order - elements.get(b)!.order);
    return names;
  }

  function attributesOf(value: JsonObject, names: ReadonlySet<string>): string {
    let text = '';
    for (const name of names) {
      const given = value[name];
      if (typeof given === 'string') text += ` ${name}="${escapeXml(given)}"`;
    }
    return text;
  }

  function contentOf(value: JsonObject, shape: XmlShape, level: number, path: string): string {
    let text = '';
    for (const name of namesIn(value, shape, path))
      text += property(shape.elements.get(name)!, value, level, path);
    return text;
  }

  function property(element: XmlElement, parent: JsonObject, level: number, path: string): string {
    const { name, kind } = element;
    const value = parent[name];
    if (kind === 'complex' || kind === 'resource' || kind === 'xhtml') {
      if (!Array.isArray(value)) return elementText(element, value!, level, path);
      let text = '';
      for (const item of value) text += elementText(element, item, level, path);
      return text;
    }
    const sibling = parent[`_${name}`];
    if (!Array.isArray(value) && !Array.isArray(sibling))
      return primitive(element, value, sibling, level, path);
    const values = Array.isArray(value) ? value : [];
    const siblings = Array.isArray(sibling) ? sibling : [];
    let text = '';
    for (let i = 0; i < Math.max(values.length, siblings.length); i++)
      text += primitive(element, values[i], siblings[i], level, path);
    return text;
  }

  function primitive(
    element: XmlElement,
    value: Json | undefined,
    sibling: Json | undefined,
    level: number,
    path: string,
  ): string {
    let head = `${start(level)}<${element.name}`;
    const beside = isObject(sibling) ? sibling : undefined;
    if (beside !== undefined) head += attributesOf(beside, element.inner().attributes);
    if (value !== undefined && value !== null) {
      const text =
        typeof value === 'string' ? escapeXml(value) : value instanceof Decimal ? value.lexeme : value;
      head += ` value="${String(text)}"`;
    }
    if (beside === undefined) return `${head}/>`;
    const content = contentOf(beside, element.inner(), level + 1, `${path}.${element.element}`);
    return content === '' ? `${head}/>` : `${head}>${content}${start(level)}</${element.name}>`;
  }

  function elementText(element: XmlElement, value: Json, level: number, path: string): string {
    const { name, kind } = element;
    if (kind === 'xhtml') return start(level) + divOf(String(value));
    if (!isObject(value)) return '';
    const inside = `${path}.${element.element}`;
    if (kind === 'resource') {
      const type = String(value['resourceType']);
      const content = contentOf(value, xmlShape(type), level + 2, inside);
      const close = content === '' ? '' : start(level + 1);
      return `${start(level)}<${name}>${start(level + 1)}<${type}>${content}${close}</${type}>${start(level)}</${name}>`;
    }
    const shape = element.inner();
    const head = `${start(level)}<${name}${attributesOf(value, shape.attributes)}`;
    const content = contentOf(value, shape, level + 1, inside);
    return content === '' ? `${head}/>` : `${head}>${content}${start(level)}</${name}>`;
  }

  return { namesIn, property, element: elementText };
}

const noNamespaces = { main: '', prefixes: new Map<string, string>() };

/** The div as XML; what is no well-formed XHTML is shown as the text it is, so that the document stays well-formed. */
function divOf(text: string): string {
  const clean = text.trim().replace(/\r\n?/g, '\n');
  try {
    const div = readDiv(clean, 0, noNamespaces, true);
    if (div.end === clean.length) return div.text;
  } catch (error) {
    if (!(error instanceof XhtmlError)) throw error;
  }
  return `<div xmlns="${xhtmlNamespace}">${escapeXml(text)}</div>`;
}
