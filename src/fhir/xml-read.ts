// XML of a resource → JSON, driven by the definitions, in one pass over the text. https://hl7.org/fhir/R4/xml.html
// What is refused: a DOCTYPE (and with it every entity but the five of XML), other namespaces, elements and attributes that
// the definitions do not have, text between elements, elements out of their order, empty values. What a value may be is
// the gate's to judge: a number or boolean that is none stays text.
// Surprising why: no tokens are made in between, for they would cost more than everything else together.
import { FhirError, type ErrorCode } from '../errors.js';
import { resourceTypes } from './definitions.js';
import type { Pause } from './in-turns.js';
import { Decimal, maxDepth, type Json, type JsonObject } from './json.js';
import { nearest } from './nearest.js';
import type { Resource } from './resource.js';
import { readDiv, XhtmlError, type Namespaces } from './xml-div.js';
import { fhirNamespace, mostPrefixes, xmlShape, type XmlElement, type XmlShape } from './xml-shape.js';
import { afterDeclaration, decodeXml, placeOf, resolveReferences } from './xml-text.js';

/** @throws FhirError `invalid-xml`, `structure` or `wrong-type` telling line, column and element */
export function parseXml(input: string | Uint8Array): Resource {
  const reading = read(decodeXml(input));
  while (reading.step());
  return reading.resource;
}

/** As parseXml, with pauses between the elements of the resource itself. */
export async function parseXmlInTurns(input: Uint8Array, pause: Pause): Promise<Resource> {
  const reading = read(decodeXml(input));
  while (reading.step()) await pause();
  return reading.resource;
}

/** An element whose children are being read. */
interface Frame {
  readonly shape: XmlShape;
  readonly into: JsonObject;
  /** As in the document, with its prefix. */
  readonly name: string;
  /** Order of the child before. */
  last: number;
  /** Lists of primitives in which one has no value. */
  gaps: string[] | undefined;
  readonly outer: Namespaces;
}

interface Reading {
  /** Reads one child of the root; false when it is at its end. */
  step(): boolean;
  readonly resource: Resource;
}

const jsonNumber = /^-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][-+]?[0-9]+)?$/;
const xsi = 'http://www.w3.org/2001/XMLSchema-instance';
const noPrefixes: ReadonlyMap<string, string> = new Map();
const noNamespace: Namespaces = { main: '', prefixes: noPrefixes };

function read(text: string): Reading {
  let at = 0;
  let scope = noNamespace;
  /** JSON names of the elements that are open, each with its index in a list or -1. */
  const path: (XmlElement | number)[] = [];
  let root = '';
  /** Levels of JSON. */
  let depth = 1;
  // The attributes of the tag read last.
  let value: string | undefined;
  let id: string | undefined;
  let url: string | undefined;
  let isEmpty = false;

  const fail = (what: string, place = at, code: ErrorCode = 'invalid-xml'): never => {
    let expression = root;
    for (let i = 0; i < path.length; i += 2) {
      const index = path[i + 1] as number;
      expression += `.${(path[i] as XmlElement).element}${index < 0 ? '' : `[${index}]`}`;
    }
    throw new FhirError(code, `${what}, ${placeOf(text, place)}.`, expression === '' ? {} : { expression });
  };

  const blanks = (): number => {
    let c = text.charCodeAt(at);
    while (c === 32 || c === 10 || c === 9) c = text.charCodeAt(++at);
    return c;
  };

  /** The name here, up to a space, "/", ">" or "=". */
  const readName = (): string => {
    const start = at;
    for (let c = text.charCodeAt(at); c > 32 && c !== 47 && c !== 62 && c !== 61 && c !== 60;)
      c = text.charCodeAt(++at);
    if (at === start) fail('Expected the name of an element or attribute');
    return text.slice(start, at);
  };

  /** The value in quotes here, its references resolved and its white space as XML has it in attributes. */
  const readValue = (name: string): string => {
    const quote = text.charCodeAt(at);
    if (quote !== 34 && quote !== 39) fail(`The value of ${name} must be in quotes`);
    const start = ++at;
    let isPlain = true;
    for (;;) {
      const c = text.charCodeAt(at);
      if (c === quote) break;
      if (c === 38 || c === 10 || c === 9) isPlain = false;
      else if (c === 60) fail('A "<" in an attribute must be written as &lt;');
      else if (Number.isNaN(c)) fail(`The value of ${name} does not end`, start - 1);
      at++;
    }
    const raw = text.slice(start, at++);
    return isPlain ? raw : resolveReferences(raw, (what, offset) => fail(what, start + offset));
  };

  /** Attributes up to the end of the tag; FHIR's into value, id and url. */
  const readAttributes = (isRoot: boolean): void => {
    value = id = url = undefined;
    let declared: Map<string, string> | undefined;
    let foreign: { readonly name: string; readonly place: number }[] | undefined;
    for (;;) {
      const before = at;
      const c = blanks();
      if (c === 62) {
        at++;
        isEmpty = false;
        break;
      }
      if (c === 47) {
        if (text.charCodeAt(++at) !== 62) fail('Expected "/>"');
        at++;
        isEmpty = true;
        break;
      }
      if (Number.isNaN(c)) fail('The tag does not end');
      if (at === before) fail('Expected a space, ">" or "/>"');
      const place = at;
      const name = readName();
      if (blanks() !== 61) fail(`Expected "=" after ${name.slice(0, 50)}`);
      at++;
      blanks();
      const given = readValue(name.slice(0, 50));
      const twice = (): never => fail(`The attribute ${name.slice(0, 50)} appears twice`, place);
      if (name === 'xmlns' || name.startsWith('xmlns:')) {
        declared ??= new Map();
        if (declared.has(name)) twice();
        declared.set(name, given);
        continue;
      }
      if (name === 'value') {
        if (value !== undefined) twice();
        value = given;
      } else if (name === 'id') {
        if (id !== undefined) twice();
        id = given;
      } else if (name === 'url') {
        if (url !== undefined) twice();
        url = given;
      } else {
        foreign ??= [];
        if (foreign.some(one => one.name === name)) twice();
        foreign.push({ name, place });
        if (foreign.length > 8)
          fail('The element has attributes that FHIR does not have', place, 'structure');
        continue;
      }
      if (given === '') fail(`The attribute ${name} must not be empty`, place, 'structure');
    }
    if (declared !== undefined) {
      scope = withDeclared(scope, declared);
      if (scope.prefixes.size > mostPrefixes) fail(`More than ${mostPrefixes} prefixes are declared`);
    }
    for (const { name, place } of foreign ?? []) {
      const [prefix = '', local] = name.split(':');
      const isLocation = local === 'schemaLocation' && scope.prefixes.get(prefix) === xsi;
      if (!isRoot || !isLocation) fail(`FHIR has no attribute ${name.slice(0, 50)} here`, place, 'structure');
    }
  };

  /** The element's name without prefix, once its attributes are read. */
  const localName = (name: string, place: number): string => {
    const colon = name.indexOf(':');
    const namespace = colon < 0 ? scope.main : scope.prefixes.get(name.slice(0, colon));
    if (namespace !== fhirNamespace) {
      const is =
        namespace === undefined || namespace === ''
          ? 'in no namespace'
          : `in the namespace "${namespace.slice(0, 100)}"`;
      fail(`<${name.slice(0, 100)}> is ${is}; FHIR is "${fhirNamespace}"`, place);
    }
    return colon < 0 ? name : name.slice(colon + 1);
  };

  /** Past a comment, whose `<!` is here. */
  const comment = (): void => {
    if (text.startsWith('<![CDATA[', at))
      fail('Elements of FHIR have their values in attributes; there is no text');
    if (!text.startsWith('<!--', at))
      fail(text.startsWith('<!DOCTYPE', at) ? 'A DOCTYPE is not accepted' : 'Declarations are not accepted');
    const close = text.indexOf('--', at + 4);
    if (close < 0 || text[close + 2] !== '>') fail('A comment must end with "-->" and hold no other "--"');
    at = close + 3;
  };

  /** Comments, white space and processing instructions outside of the root. */
  const misc = (): void => {
    for (;;) {
      blanks();
      if (text.startsWith('<!', at)) comment();
      else if (text.startsWith('<?', at)) {
        const target = /^<\?([A-Za-z_][\w.-]*)(?=\s|\?>)/.exec(text.slice(at, at + 100))?.[1];
        if (target === undefined) fail('Expected the name of a processing instruction');
        if (target?.toLowerCase() === 'xml') fail('The XML declaration must be the first of all');
        const close = text.indexOf('?>', at);
        if (close < 0) fail('The processing instruction does not end');
        at = close + 2;
      } else return;
    }
  };

  /** The start tag of a resource, whose `<` is here; its frame. */
  const openResource = (isRoot: boolean): Frame => {
    const outer = scope;
    const place = at++;
    const name = readName();
    readAttributes(isRoot);
    const type = localName(name, place);
    if (!resourceTypes().has(type))
      fail(
        `<${type.slice(0, 100)}> is no resource of FHIR R4.${didYouMean(type.slice(0, 100), resourceTypes())}`,
        place,
        'wrong-type',
      );
    if (value !== undefined || id !== undefined || url !== undefined)
      fail('A resource has no attributes: its id is an element', place, 'structure');
    return { shape: xmlShape(type), into: { resourceType: type }, name, last: -1, gaps: undefined, outer };
  };

  const closed = (frame: Frame): JsonObject => {
    scope = frame.outer;
    for (const name of new Set(frame.gaps))
      if ((frame.into[name] as Json[]).every(one => one === null)) delete frame.into[name];
    return frame.into;
  };

  /** Reads one child of the element, or its end tag: false. */
  const step = (frame: Frame): boolean => {
    const c = blanks();
    if (c !== 60)
      fail(
        Number.isNaN(c)
          ? `<${frame.name}> does not end`
          : 'Elements of FHIR have no text: values are attributes',
      );
    const next = text.charCodeAt(at + 1);
    if (next === 47) {
      endTag(frame.name);
      return false;
    }
    if (next === 33) comment();
    else if (next === 63) fail('Processing instructions are not accepted within a resource');
    else child(frame);
    return true;
  };

  const endTag = (name: string): void => {
    const place = at;
    at += 2;
    const found = readName();
    if (found !== name) fail(`Expected </${name.slice(0, 100)}>, found </${found.slice(0, 100)}>`, place);
    if (blanks() !== 62) fail('Expected ">"');
    at++;
  };

  const child = (frame: Frame): void => {
    const place = at++;
    const name = readName();
    const colon = name.indexOf(':');
    const local = colon < 0 ? name : name.slice(colon + 1);
    const element = frame.shape.elements.get(local);
    if (element === undefined) {
      readAttributes(false);
      localName(name, place);
      const parent = path.length === 0 ? root : (path.at(-2) as XmlElement).element;
      return fail(
        `${parent} has no element <${local.slice(0, 100)}>.${didYouMean(local.slice(0, 100), frame.shape.elements.keys())}`,
        place,
        'structure',
      );
    }
    const { into } = frame;
    const before = into[element.name];
    if (element.order < frame.last)
      fail(`<${local}> is out of order: elements come in the order of the definition`, place, 'structure');
    frame.last = element.order;
    if (!element.list && (before !== undefined || into[`_${local}`] !== undefined))
      fail(`<${local}> may appear only once`, place, 'structure');
    path.push(element, element.list ? (Array.isArray(before) ? before.length : 0) : -1);
    depth += element.list ? 2 : 1;
    if (depth > maxDepth) fail(`More than ${maxDepth} levels of nesting`, place);
    if (element.kind === 'xhtml') into[local] = narrative(place);
    else {
      const outer = scope;
      readAttributes(false);
      if (colon >= 0 || scope.main !== fhirNamespace) localName(name, place);
      if (element.kind === 'complex') {
        const made = complex(element, name, outer, place);
        if (!element.list) into[local] = made;
        else if (before === undefined) into[local] = [made];
        else (before as Json[]).push(made);
      } else if (element.kind === 'resource') {
        const made = wrapped(name, place);
        scope = outer;
        if (!element.list) into[local] = made;
        else if (before === undefined) into[local] = [made];
        else (before as Json[]).push(made);
      } else primitive(element, name, frame, outer, place);
    }
    depth -= element.list ? 2 : 1;
    path.length -= 2;
  };

  const checkAttributes = ({ attributes }: XmlShape, place: number): void => {
    if (id !== undefined && !attributes.has('id')) fail('FHIR has no attribute id here', place, 'structure');
    if (url !== undefined && !attributes.has('url'))
      fail('FHIR has no attribute url here', place, 'structure');
  };

  const complex = (element: XmlElement, name: string, outer: Namespaces, place: number): JsonObject => {
    const shape = element.inner();
    if (value !== undefined) fail(`<${name}> has no value of its own`, place, 'structure');
    checkAttributes(shape, place);
    const into: JsonObject = {};
    if (id !== undefined) into['id'] = id;
    if (url !== undefined) into['url'] = url;
    const frame: Frame = { shape, into, name, last: -1, gaps: undefined, outer };
    if (!isEmpty) while (step(frame));
    return closed(frame);
  };

  /** The one resource inside an element. */
  const wrapped = (name: string, place: number): JsonObject => {
    if (value !== undefined || id !== undefined || url !== undefined)
      fail(`<${name}> has no attributes`, place, 'structure');
    if (isEmpty) fail(`<${name}> must hold a resource`, place, 'structure');
    let found: JsonObject | undefined;
    for (;;) {
      if (blanks() !== 60) fail(`<${name}> must hold a resource and nothing else`);
      const next = text.charCodeAt(at + 1);
      if (next === 33) comment();
      else if (next === 47) break;
      else {
        if (found !== undefined) fail(`<${name}> must hold one resource`, at, 'structure');
        const frame = openResource(false);
        if (!isEmpty) while (step(frame));
        found = closed(frame);
      }
    }
    endTag(name);
    return found ?? fail(`<${name}> must hold a resource`, place, 'structure');
  };

  const primitive = (
    element: XmlElement,
    name: string,
    frame: Frame,
    outer: Namespaces,
    place: number,
  ): void => {
    const given = value === undefined ? undefined : jsonOf(element, value);
    let beside: JsonObject | undefined;
    if (id !== undefined || url !== undefined || !isEmpty) {
      const shape = element.inner();
      checkAttributes(shape, place);
      const inner: Frame = {
        shape,
        into: id === undefined ? {} : { id },
        name,
        last: -1,
        gaps: undefined,
        outer,
      };
      if (!isEmpty) while (step(inner));
      closed(inner);
      if (Object.keys(inner.into).length > 0) beside = inner.into;
    }
    scope = outer;
    if (given === undefined && beside === undefined)
      fail(`<${name}> has neither a value nor extensions`, place, 'structure');
    const { into } = frame;
    if (!element.list) {
      if (given !== undefined) into[element.name] = given;
      if (beside !== undefined) into[`_${element.name}`] = beside;
      return;
    }
    const values = (into[element.name] ??= []) as Json[];
    values.push(given ?? null);
    if (given === undefined) (frame.gaps ??= []).push(element.name);
    const siblings = into[`_${element.name}`] as Json[] | undefined;
    if (siblings !== undefined) siblings.push(beside ?? null);
    else if (beside !== undefined)
      into[`_${element.name}`] = [...new Array<null>(values.length - 1).fill(null), beside];
  };

  const narrative = (place: number): string => {
    try {
      const div = readDiv(text, place, scope, false);
      at = div.end;
      return div.text;
    } catch (error) {
      if (error instanceof XhtmlError) return fail(error.message, error.at);
      throw error;
    }
  };

  at = afterDeclaration(text, fail);
  misc();
  if (text.charCodeAt(at) !== 60)
    fail(at >= text.length ? 'The body is empty' : 'Expected an element: this is no XML');
  const top = openResource(true);
  root = top.into['resourceType'] as string;
  let isOpen = !isEmpty;
  return {
    step() {
      isOpen = isOpen && step(top);
      if (isOpen) return true;
      misc();
      if (at < text.length) fail('There is more after the end of the resource');
      closed(top);
      return false;
    },
    resource: top.into as Resource,
  };
}

function didYouMean(word: string, known: Iterable<string>): string {
  const near = nearest(word, known);
  return near === undefined ? '' : ` Did you mean <${near}>?`;
}

function withDeclared(scope: Namespaces, declared: ReadonlyMap<string, string>): Namespaces {
  const main = declared.get('xmlns') ?? scope.main;
  if (declared.size === 1 && declared.has('xmlns')) return { main, prefixes: scope.prefixes };
  const prefixes = new Map(scope.prefixes);
  for (const [name, namespace] of declared) if (name !== 'xmlns') prefixes.set(name.slice(6), namespace);
  return { main, prefixes };
}

function jsonOf({ kind }: XmlElement, value: string): Json {
  if (kind === 'boolean') return value === 'true' ? true : value === 'false' ? false : value;
  if (kind !== 'number' || !jsonNumber.test(value)) return value;
  const double = Number(value);
  return String(double) === value ? double : new Decimal(value);
}
