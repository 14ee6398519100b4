// Reads the official patch cases, which are XML, as FHIR JSON: just enough XML for those files.
import type { JsonObject, Json } from '../../../src/fhir/json.js';
import { shapeOf, type Shape } from '../../../src/fhir/shape.js';

interface Element {
  name: string;
  attributes: Record<string, string>;
  children: Element[];
  /** The source between the tags. */
  inner: string;
  outer: string;
}

const unescape = (text: string): string =>
  text
    .replace(/&#(\d+);/g, (_, code: string) => String.fromCodePoint(Number(code)))
    .replaceAll('&lt;', '<')
    .replaceAll('&gt;', '>')
    .replaceAll('&quot;', '"')
    .replaceAll('&apos;', "'")
    .replaceAll('&amp;', '&');

export function parseXml(source: string): Element {
  const root: Element = { name: '', attributes: {}, children: [], inner: '', outer: '' };
  const open: { element: Element; start: number; from: number }[] = [{ element: root, start: 0, from: 0 }];
  for (const match of source.matchAll(
    /<!--[\s\S]*?-->|<\/([\w:]+)\s*>|<([\w:]+)((?:\s+[\w:]+\s*=\s*(?:"[^"]*"|'[^']*'))*)\s*(\/?)>/g,
  )) {
    const [tag, close, name, attributes = '', empty] = match;
    if (name !== undefined) {
      const element: Element = { name, attributes: {}, children: [], inner: '', outer: tag };
      for (const [, key, double, single] of attributes.matchAll(/([\w:]+)\s*=\s*(?:"([^"]*)"|'([^']*)')/g)) {
        element.attributes[key!] = unescape(double ?? single!);
      }
      open.at(-1)!.element.children.push(element);
      if (empty === '') open.push({ element, start: match.index + tag.length, from: match.index });
    } else if (close !== undefined) {
      const { element, start, from } = open.pop()!;
      if (element.name !== close) throw new Error(`</${close}> closes <${element.name}>`);
      element.inner = source.slice(start, match.index);
      element.outer = source.slice(from, match.index + tag.length);
    }
  }
  return root.children[0]!;
}

export function resourceFrom(xml: Element): JsonObject {
  return { resourceType: xml.name, ...contentOf(xml, shapeOf(xml.name)) };
}

function contentOf(xml: Element, shape: Shape): JsonObject {
  const object: JsonObject = {};
  for (const [name, value] of Object.entries(xml.attributes))
    if (name === 'id' || name === 'url') object[name] = value;
  for (const child of xml.children) {
    const property = shape.properties.get(child.name);
    if (property === undefined) throw new Error(`${shape.path} has no ${child.name}`);
    const set = (name: string, value: Json): void => {
      if (!property.list) object[name] = value;
      else ((object[name] ??= []) as Json[]).push(value);
    };
    if (property.type === 'xhtml') set(child.name, child.outer);
    else if (property.type === 'Resource') set(child.name, resourceFrom(child.children[0]!));
    else if (!property.primitive) set(child.name, contentOf(child, property.shape()));
    else {
      const { value } = child.attributes;
      if (value !== undefined)
        set(
          child.name,
          property.type === 'boolean'
            ? value === 'true'
            : property.type === 'integer'
              ? Number(value)
              : value,
        );
      const sibling = contentOf(child, property.shape());
      if (Object.keys(sibling).length > 0) set(`_${child.name}`, sibling);
    }
  }
  return object;
}
