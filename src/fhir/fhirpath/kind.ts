// The types of R4 as FHIRPath walks them: element name → where in the JSON its values are, for every choice.
// https://hl7.org/fhir/R4/fhirpath.html#polymorphism
import { structureDefinition } from '../definitions.js';
import { shapeOf, type Property, type Shape } from '../shape.js';

export type SystemType =
  'Boolean' | 'Integer' | 'Decimal' | 'String' | 'Date' | 'DateTime' | 'Time' | 'Quantity';

export interface Kind {
  /** FHIR's name: `Patient`, `HumanName`, `code`, `BackboneElement`. */
  readonly type: string;
  readonly primitive: boolean;
  /** What it converts to of FHIRPath's own types, if to any. */
  readonly system: SystemType | undefined;
  /** By element name; a choice has a member per type. Of a primitive: id and extension, which are in its `_x`. */
  members(): ReadonlyMap<string, readonly Member[]>;
}

export interface Member {
  /** As in JSON: `valueQuantity`. */
  readonly json: string;
  /** `_valueString`, of primitives. */
  readonly sibling: string | undefined;
  /** Undefined for resources, whose kind is theirs to say. */
  readonly kind: Kind | undefined;
}

const systemTypes: Readonly<Record<string, SystemType>> = {
  boolean: 'Boolean',
  integer: 'Integer',
  positiveInt: 'Integer',
  unsignedInt: 'Integer',
  decimal: 'Decimal',
  date: 'Date',
  dateTime: 'DateTime',
  instant: 'DateTime',
  time: 'Time',
};
const isPrimitive = (type: string): boolean => /^[a-z]/.test(type);

/** `type` and what it derives from, up to Element or Resource. */
const ancestries = new Map<string, readonly string[]>();
export function ancestry(type: string): readonly string[] {
  let known = ancestries.get(type);
  if (known === undefined) {
    const definition = structureDefinition(type);
    if (definition?.type !== type) return [type]; // not remembered: a client may name anything
    const base = definition.baseDefinition?.split('/').pop();
    known = base === undefined ? [type] : [type, ...ancestry(base)];
    ancestries.set(type, known);
  }
  return known;
}

export const isKnownType = (type: string): boolean =>
  type === 'xhtml' || structureDefinition(type)?.type === type;

const kinds = new Map<string, Kind>();
const inline = new WeakMap<Shape, Kind>();

/** The kind of a resource type, datatype, or a place in a definition: `Patient.contact`. Of what R4 lacks: undefined. */
export function kindOf(type: string): Kind | undefined {
  const known = kinds.get(type);
  if (known !== undefined) return known;
  if (type.includes('.')) return kindOfPath(type);
  if (!isKnownType(type)) return undefined;
  const kind = makeKind(type, shapeOf(isPrimitive(type) ? 'Element' : type));
  kinds.set(type, kind);
  return kind;
}

function kindOfPath(path: string): Kind | undefined {
  const [first = '', ...names] = path.split('.');
  let kind = kindOf(first);
  for (const name of names) kind = kind?.members().get(name.replace(/\[x\]$/, ''))?.[0]?.kind;
  if (kind !== undefined) kinds.set(path, kind);
  return kind;
}

function kindOfProperty(property: Property): Kind | undefined {
  if (property.type === 'Resource') return undefined;
  // The path of what is defined in place goes on from its holder's: Patient.contact.
  const shape = property.shape();
  if (property.primitive || !shape.path.includes('.')) return kindOf(property.type);
  let kind = inline.get(shape);
  if (kind === undefined) {
    kind = makeKind(property.type, shape);
    inline.set(shape, kind);
  }
  return kind;
}

function makeKind(type: string, shape: Shape): Kind {
  const primitive = isPrimitive(type);
  const system =
    systemTypes[type] ??
    (primitive ? 'String' : ancestry(type).includes('Quantity') ? 'Quantity' : undefined);
  let members: Map<string, readonly Member[]> | undefined;
  return {
    type,
    primitive,
    system,
    members() {
      if (members !== undefined) return members;
      members = new Map();
      const isResource = ancestry(type).includes('Resource');
      for (const property of shape.properties.values()) {
        const { name, element } = property;
        // Base definitions say string where they mean id.
        const kind = isResource && name === 'id' ? kindOf('id') : kindOfProperty(property);
        const sibling = property.primitive && name !== 'div' ? `_${name}` : undefined;
        members.set(element, [...(members.get(element) ?? []), { json: name, sibling, kind }]);
      }
      return members;
    },
  };
}
