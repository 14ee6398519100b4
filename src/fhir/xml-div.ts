// The div of a narrative: found in an XML document, or checked before it is written into one. What comes out is
// well-formed XHTML without prefixes, CDATA or entities but the five of XML, with the namespace on the div itself, so
// that it means the same alone in a JSON string. What it holds (elements, scripts) is judged by the validation.
// https://hl7.org/fhir/R4/narrative.html, https://www.w3.org/TR/xml/
import { htmlEntities } from './html-entities.js';
import { isXmlCharacter, mostPrefixes, xhtmlNamespace } from './xml-shape.js';

/** Names in scope where the div starts. */
export interface Namespaces {
  /** What a name without prefix is in; '' is none. */
  readonly main: string;
  readonly prefixes: ReadonlyMap<string, string>;
}

export interface Div {
  readonly text: string;
  /** Behind its end tag. */
  readonly end: number;
}

/** Not well-formed, or not XHTML; `at` is the place in the text. */
export class XhtmlError extends Error {
  constructor(
    message: string,
    readonly at: number,
  ) {
    super(message);
  }
}

const maxElements = 200;
const nameAt = /[A-Za-z_][A-Za-z0-9._-]*(?::[A-Za-z_][A-Za-z0-9._-]*)?/y;
const references = /&(?:#(\d{1,7})|#x([0-9A-Fa-f]{1,6})|([A-Za-z][A-Za-z0-9]*));|&/g;
const five = new Set(['amp', 'lt', 'gt', 'quot', 'apos']);

/**
 * The div element that starts at `start`, where `text` has its `<`.
 * @param html whether the entities of HTML are known, as in JSON; they become character references.
 * @throws XhtmlError
 */
export function readDiv(text: string, start: number, scope: Namespaces, html: boolean): Div {
  let at = start;
  /** What is written differently. */
  const edits: { readonly from: number; readonly to: number; readonly by: string }[] = [];
  const open: { readonly name: string; readonly scope: Namespaces }[] = [];
  let current = scope;

  const fail = (message: string, place = at): never => {
    throw new XhtmlError(message, place);
  };
  const replace = (from: number, to: number, by: string): void => {
    edits.push({ from, to, by });
  };
  /** The references between two places. */
  const checkReferences = (from: number, to: number): void => {
    const part = text.slice(from, to);
    if (!part.includes('&')) return;
    for (const { 0: whole, 1: decimal, 2: hex, 3: name, index } of part.matchAll(references)) {
      if (name !== undefined && five.has(name)) continue;
      const place = from + index;
      const code = name === undefined ? undefined : htmlEntities.get(name);
      if (code !== undefined && html) replace(place, place + whole.length, `&#${code};`);
      else if (name !== undefined) {
        const instead = code === undefined ? '' : `: write &#${code};`;
        fail(`The entity &${name.slice(0, 50)}; is not defined in XML${instead}`, place);
      } else if (!isXmlCharacter(decimal === undefined ? parseInt(hex ?? '', 16) : Number(decimal)))
        fail(whole === '&' ? 'A "&" must be written as &amp;' : `${whole} is no character of XML`, place);
    }
  };
  const readName = (): string => {
    nameAt.lastIndex = at;
    const name = nameAt.exec(text)?.[0] ?? fail('Expected the name of an element or attribute');
    at += name.length;
    return name;
  };
  const blanks = (): boolean => {
    const before = at;
    for (let c = text.charCodeAt(at); c === 32 || c === 10 || c === 9 || c === 13;) c = text.charCodeAt(++at);
    return at > before;
  };
  const checkElement = (name: string, from: number): void => {
    const colon = name.indexOf(':');
    const namespace = colon < 0 ? current.main : current.prefixes.get(name.slice(0, colon));
    if (namespace !== xhtmlNamespace && !(html && namespace === ''))
      fail(`<${name}> is not in the namespace ${xhtmlNamespace}`, from);
    if (open.length === 0 && name.slice(colon + 1) !== 'div') fail('A narrative is one div element', from);
  };

  /** Behind the `<` of a start tag. Answers whether the element is empty. */
  const startTag = (): void => {
    const from = at;
    const name = readName();
    const nameEnd = at;
    const outer = current;
    const seen = new Set<string>();
    let prefixes: Map<string, string> | undefined;
    let main: string | undefined;
    for (;;) {
      const hadBlank = blanks();
      const c = text.charCodeAt(at);
      if (c === 62 || c === 47) break;
      if (!hadBlank) fail('Expected a space, ">" or "/>"');
      const attributeStart = at;
      const attribute = readName();
      if (seen.has(attribute)) fail(`The attribute ${attribute} appears twice`, attributeStart);
      seen.add(attribute);
      blanks();
      if (text[at] !== '=') fail(`Expected "=" after ${attribute}`);
      at++;
      blanks();
      const quote = text[at];
      if (quote !== '"' && quote !== "'") fail(`The value of ${attribute} must be in quotes`);
      const valueStart = at + 1;
      const end = text.indexOf(quote!, valueStart);
      if (end < 0) fail(`The value of ${attribute} does not end`);
      const value = text.slice(valueStart, end);
      if (value.includes('<'))
        fail('A "<" in an attribute must be written as &lt;', valueStart + value.indexOf('<'));
      at = end + 1;
      if (attribute === 'xmlns') {
        if (value !== xhtmlNamespace)
          fail(`The namespace of XHTML is ${xhtmlNamespace}, not "${value}"`, valueStart);
        main = value;
      } else if (attribute.startsWith('xmlns:')) {
        prefixes ??= new Map(current.prefixes);
        prefixes.set(attribute.slice(6), value);
        if (prefixes.size > mostPrefixes) fail(`More than ${mostPrefixes} prefixes are declared`);
        replace(attributeStart, at, '');
      } else {
        if (attribute.includes(':') && !attribute.startsWith('xml:'))
          fail(`The attribute ${attribute} is of another namespace`, attributeStart);
        checkReferences(valueStart, end);
      }
    }
    if (main !== undefined || prefixes !== undefined)
      current = { main: main ?? current.main, prefixes: prefixes ?? current.prefixes };
    checkElement(name, from);
    // The name and the namespace of the div stand before its attributes.
    const colon = name.indexOf(':');
    const isBare = open.length === 0 && main === undefined;
    if (colon >= 0 || isBare) {
      const local = name.slice(colon + 1) + (isBare ? ` xmlns="${xhtmlNamespace}"` : '');
      replace(from, nameEnd, local);
    }
    if (text.charCodeAt(at) === 47) {
      if (text[++at] !== '>') fail('Expected "/>"');
      current = outer;
    } else {
      if (open.length >= maxElements) fail(`The narrative nests deeper than ${maxElements} elements`);
      open.push({ name, scope: outer });
    }
    at++;
  };
  if (text[at] !== '<') fail('A narrative is one div element');
  at++;
  startTag();
  while (open.length > 0) {
    const next = text.indexOf('<', at);
    if (next < 0) fail('The div does not end');
    checkReferences(at, next);
    const end = text.slice(at, next).indexOf(']]>');
    if (end >= 0) fail('"]]>" must be written as ]]&gt;', at + end);
    at = next + 1;
    const c = text.charCodeAt(at);
    if (c === 47) {
      at++;
      const from = at;
      const name = readName();
      const { name: expected, scope: outer } = open.pop()!;
      if (name !== expected) fail(`Expected </${expected}>, found </${name}>`, from);
      const colon = name.indexOf(':');
      if (colon >= 0) replace(from, at, name.slice(colon + 1));
      blanks();
      if (text[at] !== '>') fail('Expected ">"');
      at++;
      current = outer;
    } else if (text.startsWith('!--', at)) {
      const close = text.indexOf('--', at + 3);
      if (close < 0 || text[close + 2] !== '>')
        fail('A comment must end with "-->" and hold no other "--"', at - 1);
      at = close + 3;
    } else if (text.startsWith('![CDATA[', at)) {
      const close = text.indexOf(']]>', at);
      if (close < 0) fail('The CDATA section does not end', at - 1);
      const inside = text.slice(at + 8, close);
      replace(
        at - 1,
        close + 3,
        inside.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;'),
      );
      at = close + 3;
    } else if (c === 33 || c === 63)
      fail('Declarations and processing instructions have no place in a narrative', at - 1);
    else startTag();
  }
  const end = at;
  if (edits.length === 0) return { text: text.slice(start, end), end };
  let written = '';
  let copied = start;
  for (const { from, to, by } of edits.sort((a, b) => a.from - b.from)) {
    written += text.slice(copied, from) + by;
    copied = to;
  }
  return { text: written + text.slice(copied, end), end };
}
