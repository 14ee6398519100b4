// The values FHIRPath computes with, and what a FHIR element is among them. https://hl7.org/fhir/R4/fhirpath.html#types
// Surprising: an Integer is a JavaScript number, a Decimal never is one.
import { Decimal, isObject, lexemeOf, type JsonObject } from '../json.js';
import { ucumSystem } from '../ucum.js';
import { FhirPathError } from './fhirpath-error.js';
import { Fixed } from './fixed.js';
import { ancestry, isKnownType, type Kind } from './kind.js';
import { Node } from './node.js';
import { Quantity } from './quantity.js';
import { Temporal } from './temporal.js';

/** What type() answers. */
export class TypeInfo {
  constructor(
    readonly namespace: string,
    readonly name: string,
  ) {}
  toString(): string {
    return `${this.namespace}.${this.name}`;
  }
}

export type SystemValue = string | boolean | number | Fixed | Temporal | Quantity | TypeInfo;
export type Item = Node | SystemValue;
export type Items = readonly Item[];
export const nothing: Items = Object.freeze([]);

/** The value of FHIRPath's own types that an item is; a complex element is itself, a primitive without value nothing. */
export function systemOf(item: Item): SystemValue | Node | undefined {
  if (!(item instanceof Node)) return item;
  const { kind, value } = item;
  if (kind.system === undefined) return item;
  if (kind.system === 'Quantity') return isObject(value) ? quantityOf(value) : item;
  if (value === undefined) return undefined;
  switch (kind.system) {
    case 'String':
      return typeof value === 'string' ? value : undefined;
    case 'Boolean':
      return typeof value === 'boolean' ? value : undefined;
    case 'Integer':
      return typeof value === 'number' && Number.isInteger(value) ? value : undefined;
    case 'Decimal':
      return typeof value === 'number' || value instanceof Decimal ? Fixed.parse(lexemeOf(value)) : undefined;
    case 'Date':
    case 'DateTime':
    case 'Time':
      return typeof value === 'string' ? Temporal.parse(value, kind.system) : undefined;
  }
}

/** An element Quantity: by its code, or else by the unit it is shown with. A comparator makes it none. */
function quantityOf(json: JsonObject): Quantity | undefined {
  const { value, code, unit, system } = json;
  if ((typeof value !== 'number' && !(value instanceof Decimal)) || json['comparator'] !== undefined)
    return undefined;
  const number = Fixed.parse(lexemeOf(value));
  if (number === undefined) return undefined;
  if (typeof code === 'string')
    return new Quantity(number, system === ucumSystem ? code : `${String(system)}|${code}`, false);
  // Without a code the unit is a text for people: only the same text is the same unit.
  return new Quantity(number, typeof unit === 'string' ? `|${unit}` : '1', false);
}

export const typeInfoOf = (item: Item): TypeInfo => {
  if (item instanceof Node) {
    return new TypeInfo('FHIR', item.kind.type);
  }
  return new TypeInfo('System', systemTypeOf(item));
};

function systemTypeOf(value: SystemValue): string {
  if (typeof value === 'string') return 'String';
  if (typeof value === 'boolean') return 'Boolean';
  if (typeof value === 'number') return 'Integer';
  if (value instanceof Fixed) return 'Decimal';
  if (value instanceof Temporal) return value.type;
  if (value instanceof Quantity) return 'Quantity';
  return 'TypeInfo';
}

const systemTypes = new Set([
  'Boolean',
  'String',
  'Integer',
  'Decimal',
  'Date',
  'DateTime',
  'Time',
  'Quantity',
  'TypeInfo',
  'Any',
]);

export interface TypeName {
  /** `FHIR` or `System`, where it was said. */
  readonly namespace?: string;
  readonly name: string;
}

export interface TypeTest {
  /** `is`: also of a type derived from it. */
  readonly is: (item: Item) => boolean;
  /**
   * `as` and ofType(): a primitive only of exactly this type, as R4's engines have it. Authors who write String for
   * string mean the element.
   */
  readonly as: (item: Item) => boolean;
}

/** @throws FhirPathError where there is no such type. */
export function typeTest({ namespace, name }: TypeName): TypeTest {
  const fhir = namespace !== 'System' && isKnownType(name);
  const system = namespace !== 'FHIR' && systemTypes.has(name);
  if (!fhir && !system) {
    if (namespace === 'System') return { is: () => false, as: () => false };
    throw new FhirPathError(
      `names the type ${namespace === undefined ? '' : `${namespace}.`}${name}, which R4 does not have`,
    );
  }
  const derived = (kind: Kind): boolean => kind.type === name || ancestry(kind.type).includes(name);
  const ofSystem = (item: Item): boolean =>
    system && !(item instanceof Node) && (name === 'Any' || systemTypeOf(item) === name);
  return {
    is: item => (item instanceof Node ? fhir && derived(item.kind) : ofSystem(item)),
    as: item =>
      item instanceof Node
        ? (fhir && (item.kind.primitive ? item.kind.type === name : derived(item.kind))) ||
          (system && namespace === undefined && item.kind.primitive && item.kind.system === name)
        : ofSystem(item),
  };
}

/** As text, if it has one: of a FHIR element its own. */
export function textOf(value: SystemValue | Node | undefined): string | undefined {
  if (value === undefined || value instanceof Node || value instanceof TypeInfo) return undefined;
  return String(value);
}
