// A StructureDefinition as the code that walks JSON needs it: JSON property name → what it holds. Compiled once per type,
// on first use. https://hl7.org/fhir/R4/json.html, https://hl7.org/fhir/R4/elementdefinition.html
// Surprising why: it is keyed by JSON names, so a choice such as value[x] has a property per type (valueQuantity, …).
import {
  resourceTypes,
  structureDefinition,
  type ElementDefinition,
  type ElementType,
} from './definitions.js';

export interface Property {
  /** As in JSON: `valueQuantity`. Where it is primitive, `_valueString` is its sibling and has no property of its own. */
  readonly name: string;
  /** The element's own name, without the type of a choice: `value`. */
  readonly element: string;
  /** FHIRPath of the definition: `Observation.value`. */
  readonly path: string;
  /** `Quantity`, `code`, `BackboneElement`, `Resource`, … */
  readonly type: string;
  readonly primitive: boolean;
  readonly list: boolean;
  readonly mandatory: boolean;
  readonly summary: boolean;
  readonly modifier: boolean;
  /** In XML an attribute, as ids and the url of an extension are. */
  readonly attribute: boolean;
  /** Types a Reference may point to; absent: any. */
  readonly targets?: ReadonlySet<string>;
  /** What its object values hold: for a primitive, the sibling's id and extensions. A `Resource` is of its resourceType's shape. */
  shape(): Shape;
}

export interface Shape {
  readonly path: string;
  readonly properties: ReadonlyMap<string, Property>;
}

const shapes = new Map<string, Shape>();
const empty: Shape = { path: '', properties: new Map() };

/** The shape of a resource type or datatype; one without properties where R4 has no such type. */
export function shapeOf(type: string): Shape {
  let shape = shapes.get(type);
  if (shape !== undefined) return shape;
  const definition = structureDefinition(type);
  if (definition === undefined || definition.type !== type) return empty; // not remembered: a client may name anything
  const children = new Map<string, ElementDefinition[]>();
  for (const element of definition.snapshot.element) {
    const parent = element.path.slice(0, Math.max(0, element.path.lastIndexOf('.')));
    children.set(parent, [...(children.get(parent) ?? []), element]);
  }
  shape = compile(type, children, new Map());
  shapes.set(type, shape);
  return shape;
}

function compile(
  path: string,
  children: ReadonlyMap<string, readonly ElementDefinition[]>,
  done: Map<string, Shape>,
): Shape {
  const known = done.get(path);
  if (known !== undefined) return known;
  const properties = new Map<string, Property>();
  const shape: Shape = { path, properties };
  done.set(path, shape);
  for (const element of children.get(path) ?? []) {
    const name = element.path.slice(path.length + 1);
    const choice = name.endsWith('[x]');
    const stem = choice ? name.slice(0, -3) : name;
    const inline =
      element.contentReference?.slice(1) ?? (children.has(element.path) ? element.path : undefined);
    const types: readonly ElementType[] = element.type ?? [{ code: 'BackboneElement' }];
    for (const type of types) {
      const code = codeOf(type);
      const primitive = /^[a-z]/.test(code);
      const targets = targetsOf(type);
      const property: Property = {
        name: choice ? stem + code[0]!.toUpperCase() + code.slice(1) : stem,
        element: stem,
        path: `${path}.${stem}`,
        type: code,
        primitive,
        list: element.max !== '1' && element.max !== '0',
        mandatory: element.min > 0,
        summary: element.isSummary === true,
        modifier: element.isModifier === true,
        attribute: element.representation?.includes('xmlAttr') === true,
        ...(targets === undefined ? {} : { targets }),
        shape: () =>
          inline !== undefined ? compile(inline, children, done) : shapeOf(primitive ? 'Element' : code),
      };
      properties.set(property.name, property);
    }
  }
  return shape;
}

/** Ids and Extension.url are of FHIRPath's own string type; an extension says what FHIR calls them. */
const codeOf = ({ code, extension }: ElementType): string =>
  code.startsWith('http:')
    ? (extension?.find(({ url }) => url.endsWith('structuredefinition-fhir-type'))?.valueUrl ?? 'string')
    : code;

function targetsOf({ code, targetProfile = [] }: ElementType): ReadonlySet<string> | undefined {
  if (code !== 'Reference') return undefined;
  const types = targetProfile.map(url => {
    const name = url.slice(url.lastIndexOf('/') + 1);
    return resourceTypes().has(name) ? name : (structureDefinition(url)?.type ?? 'Resource');
  });
  return types.length === 0 || types.includes('Resource') ? undefined : new Set(types);
}
