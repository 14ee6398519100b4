// XML as a tree of nodes, for XML Patch, which speaks of nodes and not of FHIR. https://www.w3.org/TR/xml/
// As careful as xml-read.ts: no DOCTYPE, no entities but the five, a limit on depth.
import { FhirError } from '../errors.js';
import { escapeXml, mostPrefixes } from './xml-shape.js';
import { afterDeclaration, decodeXml, placeOf, resolveReferences } from './xml-text.js';

export interface XmlNode {
  readonly kind: 'element' | 'text' | 'comment';
  /** Without prefix; '' for text and comments. */
  readonly name: string;
  readonly namespace: string;
  readonly attributes: Map<string, string>;
  readonly children: XmlNode[];
  /** Of text and comments. */
  readonly text: string;
}

const maxElements = 200;
const blank = /\s*/y;
const nameAt = /[A-Za-z_][\w.-]*(?::[A-Za-z_][\w.-]*)?/y;

const leaf = (kind: 'text' | 'comment', text: string): XmlNode => ({
  kind,
  name: '',
  namespace: '',
  attributes: new Map(),
  children: [],
  text,
});
export const textNode = (text: string): XmlNode => leaf('text', text);

/** The root element. `prefixes` are those in scope around it. @throws FhirError `invalid-xml` */
export function parseXmlTree(
  input: string | Uint8Array,
  prefixes: ReadonlyMap<string, string> = new Map(),
): XmlNode {
  const text = decodeXml(input);
  const fail = (what: string, place = at): never => {
    throw new FhirError('invalid-xml', `${what}, ${placeOf(text, place)}.`);
  };
  let at = 0;
  at = afterDeclaration(text, fail);

  const match = (pattern: RegExp): string => {
    pattern.lastIndex = at;
    const found = pattern.exec(text)?.[0] ?? '';
    at += found.length;
    return found;
  };
  const readName = (): string => {
    const name = match(nameAt);
    return name === '' ? fail('Expected the name of an element or attribute') : name;
  };
  const until = (end: string, what: string): string => {
    const close = text.indexOf(end, at);
    if (close < 0) fail(`${what} does not end`);
    const found = text.slice(at, close);
    at = close + end.length;
    return found;
  };
  const value = (): string => {
    const quote = text[at] ?? '';
    if (quote !== '"' && quote !== "'") fail('Expected a value in quotes');
    const start = ++at;
    const raw = until(quote, 'The value');
    if (raw.includes('<')) fail('A "<" in an attribute must be written as &lt;', start);
    return resolveReferences(raw, (what, offset) => fail(what, start + offset));
  };

  interface Open {
    readonly node: XmlNode;
    readonly written: string;
    readonly scope: ReadonlyMap<string, string>;
  }
  const stack: Open[] = [];
  const root = leaf('text', '');
  const parent = (): XmlNode => stack.at(-1)?.node ?? root;

  const startTag = (): void => {
    const place = at - 1;
    const written = readName();
    const attributes = new Map<string, string>();
    let scope = stack.at(-1)?.scope ?? prefixes;
    for (;;) {
      const gap = match(blank);
      if (text[at] === '>' || text[at] === '/') break;
      if (gap === '') fail('Expected a space, ">" or "/>"');
      const name = readName();
      if (attributes.has(name)) fail(`The attribute ${name} appears twice`);
      match(blank);
      if (text[at++] !== '=') fail(`Expected "=" after ${name}`);
      match(blank);
      attributes.set(name, value());
    }
    for (const [name, namespace] of attributes) {
      if (name !== 'xmlns' && !name.startsWith('xmlns:')) continue;
      scope = new Map(scope).set(name.slice(6), namespace);
      if (scope.size > mostPrefixes) fail(`More than ${mostPrefixes} prefixes are declared`);
    }
    attributes.delete('xmlns');
    const colon = written.indexOf(':');
    const prefix = colon < 0 ? '' : written.slice(0, colon);
    const namespace =
      scope.get(prefix) ?? (prefix === '' ? '' : fail(`The prefix ${prefix} is not declared`, place));
    const node: XmlNode = {
      kind: 'element',
      name: written.slice(colon + 1),
      namespace,
      attributes,
      children: [],
      text: '',
    };
    parent().children.push(node);
    if (text.startsWith('/>', at)) at += 2;
    else if (text[at] === '/') fail('Expected "/>"');
    else {
      at++;
      if (stack.length >= maxElements) fail(`More than ${maxElements} levels of nesting`);
      stack.push({ node, written, scope });
    }
  };

  while (at < text.length) {
    if (text[at] !== '<') {
      const start = at;
      const next = text.indexOf('<', at);
      at = next < 0 ? text.length : next;
      const raw = text.slice(start, at);
      if (stack.length === 0 && raw.trim() !== '') fail('There is text outside of the document', start);
      // In text, line ends and tabs stay.
      const kept = raw.replace(/[^\n\t]+/g, part =>
        resolveReferences(part, (what, offset) => fail(what, start + offset)),
      );
      if (stack.length > 0) parent().children.push(textNode(kept));
    } else if (text.startsWith('<!--', at)) {
      at += 4;
      const comment = until('--', 'The comment');
      if (text[at++] !== '>') fail('A comment must hold no "--"');
      if (stack.length > 0) parent().children.push(leaf('comment', comment));
    } else if (text.startsWith('<![CDATA[', at)) {
      if (stack.length === 0) fail('There is text outside of the document');
      at += 9;
      parent().children.push(textNode(until(']]>', 'The CDATA section')));
    } else if (text.startsWith('<!', at)) fail('A DOCTYPE or another declaration is not accepted');
    else if (text.startsWith('<?', at)) {
      if (stack.length > 0) fail('Processing instructions are not accepted here');
      until('?>', 'The processing instruction');
    } else if (text.startsWith('</', at)) {
      at += 2;
      const name = readName();
      match(blank);
      if (text[at++] !== '>') fail('Expected ">"');
      if (stack.pop()?.written !== name) fail(`</${name}> closes nothing`);
    } else {
      if (stack.length === 0 && root.children.length > 0) fail('There is more after the end of the document');
      at++;
      startTag();
    }
  }
  if (stack.length > 0) fail(`<${stack.at(-1)!.written}> does not end`);
  return root.children[0] ?? fail('There is no element');
}

/** The node as XML, without prefixes. */
export function writeXmlTree(node: XmlNode, around = ''): string {
  if (node.kind === 'text') return escapeXml(node.text).replace(/&#10;|&#9;|&quot;/g, unescaped);
  if (node.kind === 'comment') return `<!--${node.text}-->`;
  const { name, namespace, attributes, children } = node;
  const declared = namespace === around ? '' : ` xmlns="${escapeXml(namespace)}"`;
  const written = [...attributes].map(([key, value]) => ` ${key}="${escapeXml(value)}"`).join('');
  const inside = children.map(child => writeXmlTree(child, namespace)).join('');
  return inside === ''
    ? `<${name}${declared}${written}/>`
    : `<${name}${declared}${written}>${inside}</${name}>`;
}

const unescaped = (reference: string): string =>
  reference === '&#10;' ? '\n' : reference === '&#9;' ? '\t' : '"';
