// Queries taken from resources: the values that a search parameter's own expression selects, read by fhirpath.js and not
// by the extractor under test, become a query that finds the resource and one that does not.
// https://hl7.org/fhir/R4/searchparameter.html
import type { SearchParameterDefinition } from '../../src/fhir/definitions.js';
import { compileFhirPathNodes } from '../../src/fhir/fhirpath.js';
import { isNumber, isObject, type Json, type JsonObject } from '../../src/fhir/json.js';
import type { Resource } from '../../src/fhir/resource.js';
import type { TypedPath, TypedTest } from '../../src/search/extract/typed-path.js';
import type { Parameter } from '../../src/search/parameters.js';

/** Values of a parameter that the resource has and has not, as in a URL but not percent-encoded. */
export interface Sample {
  readonly hit: string;
  readonly miss: string;
  readonly modifier?: string;
}

const nowhere = 'zzqx';
const escaped = (text: string): string => text.replace(/[\\,|$]/g, '\\$&');
const text = (of: Json | undefined, name: string): string => {
  const value = isObject(of) ? of[name] : undefined;
  return typeof value === 'string' ? value : '';
};
const first = (value: Json | undefined): Json | undefined => (Array.isArray(value) ? value[0] : value);

const pair = (system: string, code: string): Sample | undefined =>
  code === ''
    ? undefined
    : { hit: `${escaped(system)}|${escaped(code)}`, miss: `${escaped(system)}|${escaped(code)}${nowhere}` };
const exactly = (value: Json): Sample | undefined =>
  typeof value === 'string' ? { hit: escaped(value), miss: `${escaped(value)}${nowhere}` } : undefined;
const beginning = (value: string): Sample | undefined =>
  value === '' ? undefined : { hit: escaped(value), miss: nowhere };
const instant = (value: string): Sample | undefined =>
  value === '' ? undefined : { hit: value, miss: `lt${value}` };
const since = (value: string): Sample | undefined =>
  value === '' ? undefined : { hit: `ge${value}`, miss: `eb${value}` };

function amount(value: Json | undefined): Sample | undefined {
  if (!isObject(value) || !isNumber(value['value'])) return undefined;
  const unit = text(value, 'code') === '' ? '' : `|${text(value, 'system')}|${text(value, 'code')}`;
  return { hit: `ge${Number(value['value'])}${unit}`, miss: `gt${Number(value['value']) + 1e9}${unit}` };
}

function reference(value: Json): Sample | undefined {
  const literal = text(value, 'reference').replace(/\/_history\/.*$/, '');
  if (literal !== '' && !literal.startsWith('#')) return { hit: literal, miss: `${literal}${nowhere}` };
  const identifier = isObject(value) ? value['identifier'] : undefined;
  const identified = pair(text(identifier, 'system'), text(identifier, 'value'));
  return identified === undefined ? undefined : { ...identified, modifier: ':identifier' };
}

type Reader = (value: Json) => Sample | undefined;
const coding: Reader = value => pair(text(value, 'system'), text(value, 'code'));
const parts =
  (...names: readonly string[]): Reader =>
  value =>
    names
      .map(name => (isObject(value) ? first(value[name]) : undefined))
      .map(part => (typeof part === 'string' ? beginning(part) : undefined))
      .find(Boolean);

/** By type of parameter and of element. What is not here cannot be searched by that parameter. */
const readers: Readonly<Record<string, Readonly<Record<string, Reader>>>> = {
  token: {
    Coding: coding,
    CodeableConcept: value =>
      isObject(value) && Array.isArray(value['coding'])
        ? value['coding'].map(coding).find(Boolean)
        : undefined,
    Identifier: value => pair(text(value, 'system'), text(value, 'value')),
    ContactPoint: value => pair(text(value, 'system'), text(value, 'value')),
    boolean: value => (typeof value === 'boolean' ? { hit: String(value), miss: String(!value) } : undefined),
    code: exactly,
    string: exactly,
    id: exactly,
  },
  string: {
    string: value => beginning(typeof value === 'string' ? value : ''),
    HumanName: parts('family', 'given', 'text'),
    Address: parts('city', 'line', 'text', 'country'),
  },
  date: {
    date: value => instant(String(value)),
    dateTime: value => instant(String(value)),
    instant: value => instant(String(value)),
    Period: value => since(text(value, 'start')),
    Timing: value => {
      const event = isObject(value) ? first(value['event']) : undefined;
      if (typeof event === 'string') return since(event);
      const repeat = isObject(value) ? value['repeat'] : undefined;
      return since(text(isObject(repeat) ? repeat['boundsPeriod'] : undefined, 'start'));
    },
  },
  quantity: {
    Quantity: amount,
    Age: amount,
    Duration: amount,
    Range: value => (isObject(value) ? amount(value['high']) : undefined),
    SampledData: value =>
      isObject(value) && isObject(value['origin']) && text(value, 'data') !== ''
        ? { hit: 'lt1e9', miss: 'gt1e9' }
        : undefined,
  },
  reference: { Reference: reference, canonical: exactly, uri: exactly },
  uri: { uri: exactly, url: exactly, canonical: exactly },
};

/**
 * `as` selects elements of a type where search parameters use it, also among several, which FHIRPath's operator refuses;
 * and what a reference leads to is told from its text.
 */
const selecting = (expression: string): string =>
  expression
    .replace(/ as ([A-Za-z]+)/g, '.ofType($1)')
    .replace(/\.as\(([A-Za-z]+)\)/g, '.ofType($1)')
    .replace(/ofType\(DateTime\)/g, 'ofType(dateTime)')
    .replace(
      /resolve\(\) is ([A-Za-z]+)/g,
      "reference.startsWith('$1/') or reference.contains('/$1/') or type = '$1'",
    );

const nodesOf = (expression: string, resource: Resource): readonly { value: Json; type: string }[] =>
  compileFhirPathNodes(selecting(expression))(resource);

function sampleAt(expression: string, type: string, resource: Resource): Sample | undefined {
  const found = nodesOf(expression, resource);
  // What searches an extension searches its value.
  const isExtension = found.some(node => node.type === 'Extension');
  for (const node of isExtension ? nodesOf(`(${expression}).value`, resource) : found) {
    const sample = readers[type]?.[node.type]?.(node.value);
    if (sample !== undefined) return sample;
  }
  return undefined;
}

/** What finds the resource by this parameter and what does not; undefined where it has no value that can be searched. */
export function sampleOf(
  definition: SearchParameterDefinition,
  parameter: Parameter,
  resource: Resource,
): Sample | undefined {
  const { expression = '', type } = definition;
  const ofType = expression
    .split('|')
    .filter(
      part =>
        !/^\(*[A-Z]/.test(part.trim()) ||
        part.includes(resource.resourceType) ||
        /^\(*(Domain)?Resource\./.test(part.trim()),
    )
    .join('|');
  if (ofType.trim() === '') return undefined;
  if (type !== 'composite') return sampleAt(ofType, type, resource);
  const places = nodesOf(ofType, resource).length;
  for (let place = 0; place < places; place++) {
    const samples = (definition.component ?? []).map((component, i) => {
      const at = component.expression
        .split('|')
        .map(part => `(${selecting(ofType)}).skip(${place}).take(1).${part.trim()}`);
      return sampleAt(at.join(' | '), parameter.components[i]!.type, resource);
    });
    const known = samples.filter(sample => sample !== undefined && sample.modifier === undefined);
    if (known.length < samples.length) continue;
    const hits = known.map(sample => sample!.hit);
    return { hit: hits.join('$'), miss: [...hits.slice(0, -1), known.at(-1)!.miss].join('$') };
  }
  return undefined;
}

/** A value of each element type, for parameters whose element no example has. */
const made: Readonly<Record<string, Json>> = {
  Identifier: { system: 'http://tsela.example/made', value: 'made-1' },
  Coding: { system: 'http://tsela.example/made', code: 'made' },
  CodeableConcept: { coding: [{ system: 'http://tsela.example/made', code: 'made' }] },
  ContactPoint: { system: 'phone', value: '+27115550100' },
  HumanName: { family: 'Made', given: ['By'] },
  Address: { city: 'Maseru', country: 'LSO' },
  Period: { start: '2021-03-04', end: '2021-03-05' },
  Timing: { event: ['2021-03-04T10:00:00Z'] },
  Quantity: { value: 7.5, system: 'http://unitsofmeasure.org', code: 'kg' },
  Age: { value: 40, system: 'http://unitsofmeasure.org', code: 'a' },
  Duration: { value: 30, system: 'http://unitsofmeasure.org', code: 'min' },
  SampledData: { origin: { value: 0 }, period: 10, dimensions: 1, data: '1 2 3' },
  boolean: true,
  code: 'made',
  string: 'Made',
  id: 'made',
  date: '2021-03-04',
  dateTime: '2021-03-04T10:00:00Z',
  instant: '2021-03-04T10:00:00Z',
  uri: 'http://tsela.example/made',
  canonical: 'http://tsela.example/made',
};

function put(into: JsonObject, { moves }: TypedPath, value: Json): void {
  let at = into;
  const last = moves.findLastIndex(move => move.move === 'get');
  for (const [i, move] of moves.entries()) {
    if (move.move === 'where') meet(at, move.test);
    if (move.move !== 'get') continue;
    const inner = at[move.property];
    if (i < last) at = isObject(inner) ? inner : (at[move.property] = {});
    else if (isObject(value)) at = at[move.property] = structuredClone<JsonObject>(value);
    else at[move.property] = value;
  }
}

/** Changes an element so that a test of the expression holds. */
function meet(element: JsonObject, test: TypedTest): void {
  if (test.test === 'resolves-to') element['reference'] = `${test.type}/made`;
  else if (test.test === 'has-extension') element['extension'] = [{ url: test.url }];
  else if (test.test === 'equals') put(element, test.paths[0]!, test.value);
}

const madeValue = (type: string, targets: readonly string[] = []): Json | undefined =>
  type === 'Reference' ? { reference: `${targets[0] ?? 'Basic'}/made` } : made[type];

const extensionFor = ({ type, targets }: Parameter): Json =>
  type === 'reference'
    ? { valueReference: madeValue('Reference', targets)! }
    : type === 'token'
      ? { valueCodeableConcept: made['CodeableConcept']! }
      : { valueString: made['string']! };

/** Resources of the type that have nothing but the parameter's element, one for each place it may be at. */
export function* madeFor(type: string, parameter: Parameter): Generator<Resource> {
  for (const [i, path] of parameter.paths.entries()) {
    const resource: JsonObject = {
      resourceType: type,
      id: `made-${parameter.code}-${i}`.replaceAll('_', ''),
    };
    const value =
      path.type === 'Extension' ? extensionFor(parameter) : madeValue(path.type, parameter.targets);
    if (value === undefined) continue;
    put(resource, path, value);
    yield resource as Resource;
  }
  for (const [i, { base, components }] of parameter.tuples.entries()) {
    const resource: JsonObject = { resourceType: type, id: `made-${parameter.code}-${i}` };
    const element: JsonObject = base.moves.length === 0 ? resource : {};
    for (const paths of components)
      put(
        element,
        paths.find(path => made[path.type] !== undefined)!,
        made[paths[0]!.type]!,
      );
    if (element !== resource) put(resource, base, element);
    yield resource as Resource;
  }
}
