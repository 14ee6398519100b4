// The walk that finds, by the definitions, everything in a resource that refers to something, and exchanges it.
// https://hl7.org/fhir/R4/http.html#trules. It runs on every write, so it looks at nothing that cannot lead to a reference.
import { isObject, type Json, type JsonObject } from './json.js';
import type { Resource } from './resource.js';
import { shapeOf, type Property, type Shape } from './shape.js';

/** `reference`: Reference.reference. `uri`: an element of type uri, url, oid or uuid. `narrative`: href or src in a div. */
export type ReferenceKind = 'reference' | 'uri' | 'narrative';

/** Called with each reference's text; an answer other than undefined takes its place. */
export type Exchange = (text: string, kind: ReferenceKind, place: Place) => string | undefined;

export interface Place {
  /** FHIRPath of the element that refers: `Observation.performer[0]`. */
  readonly expression: () => string;
  /** The types a Reference here may point to; absent: any. */
  readonly targets: ReadonlySet<string> | undefined;
  /** The resource whose `contained` a `#id` here is about. */
  readonly container: JsonObject;
}

/**
 * The resource with every reference, uri and link exchanged as told, in what it contains too; the same object if nothing
 * is. Canonicals are left alone. `nested`: also within the resources of a Bundle or Parameters.
 */
export const exchangeReferences = (
  resource: Resource,
  exchange: Exchange,
  { nested = false } = {},
): Resource => new Walk(exchange, nested).resource(resource) as Resource;

const typeOf = (resource: JsonObject): string =>
  typeof resource['resourceType'] === 'string' ? resource['resourceType'] : '';

/** What to do with a property: follow it, or exchange its text. */
type Step = { readonly property: Property; readonly leaf?: 'reference' | 'uri' | 'narrative' };
const uriTypes: ReadonlySet<string> = new Set(['uri', 'url', 'oid', 'uuid']);
const stepsOf = new WeakMap<Shape, ReadonlyMap<string, Step>>();

function steps(shape: Shape): ReadonlyMap<string, Step> {
  let known = stepsOf.get(shape);
  if (known === undefined) {
    known = new Map(
      [...shape.properties.values()].flatMap((property): [string, Step][] => {
        const { name, type, primitive } = property;
        if (!primitive) return [[name, { property }]];
        if (shape.path === 'Reference' && name === 'reference')
          return [
            [name, { property, leaf: 'reference' }],
            [`_${name}`, { property }],
          ];
        if (type === 'xhtml') return [[name, { property, leaf: 'narrative' }]];
        // Extension.url says what the extension is and refers to nothing.
        if (uriTypes.has(type) && property.path !== 'Extension.url')
          return [
            [name, { property, leaf: 'uri' }],
            [`_${name}`, { property }],
          ];
        return [[`_${name}`, { property }]];
      }),
    );
    stepsOf.set(shape, known);
  }
  return known;
}

/** One walk through a resource by its definitions. It answers the same objects unless something in them was exchanged. */
class Walk implements Place {
  container: JsonObject = {};
  targets: ReadonlySet<string> | undefined;
  readonly #path: (Property | number)[] = [];
  #root = '';

  constructor(
    readonly exchange: Exchange,
    readonly nested: boolean,
  ) {}

  expression = (): string => {
    const path = this.#path.map(step => {
      if (typeof step === 'number') return `[${step}]`;
      return step.element === step.name ? `.${step.name}` : `.${step.element}.ofType(${step.type})`;
    });
    return this.#root + path.join('');
  };

  resource(resource: JsonObject): JsonObject {
    const before = this.container;
    this.container = resource;
    const type = typeOf(resource);
    if (this.#root === '') this.#root = type;
    const result = this.object(resource, shapeOf(type));
    this.container = before;
    return result;
  }

  object(value: JsonObject, shape: Shape): JsonObject {
    const known = steps(shape);
    let copy: JsonObject | undefined;
    for (const name in value) {
      const step = known.get(name);
      if (step === undefined) continue;
      const before = value[name]!;
      const after =
        step.leaf !== undefined
          ? this.leaf(before, step.leaf, step.property)
          : this.follow(before, step.property);
      if (after !== before) {
        copy ??= { ...value };
        copy[name] = after;
      }
    }
    return copy ?? value;
  }

  follow(value: Json, property: Property): Json {
    if (property.type === 'Resource' && property.name !== 'contained' && !this.nested) return value;
    this.#path.push(property);
    const result = Array.isArray(value)
      ? this.items(value, item => this.one(item, property))
      : this.one(value, property);
    this.#path.pop();
    return result;
  }

  one(value: Json, property: Property): Json {
    if (!isObject(value)) return value;
    if (property.type === 'Resource') {
      return property.name === 'contained'
        ? this.object(value, shapeOf(typeOf(value)))
        : this.resource(value);
    }
    const before = this.targets;
    this.targets = property.targets;
    const result = this.object(value, property.shape());
    this.targets = before;
    return result;
  }

  items(value: Json[], exchanged: (item: Json) => Json): Json[] {
    let copy: Json[] | undefined;
    for (let i = 0; i < value.length; i++) {
      this.#path.push(i);
      const after = exchanged(value[i]!);
      this.#path.pop();
      if (after !== value[i]) {
        copy ??= [...value];
        copy[i] = after;
      }
    }
    return copy ?? value;
  }

  leaf(value: Json, kind: ReferenceKind, property: Property): Json {
    if (typeof value === 'string') {
      if (kind === 'narrative') return this.links(value);
      if (kind === 'reference') return this.exchange(value, kind, this) ?? value;
    }
    this.#path.push(property);
    const text = (item: Json): Json =>
      typeof item === 'string' ? (this.exchange(item, kind, this) ?? item) : item;
    const result = Array.isArray(value) ? this.items(value, text) : text(value);
    this.#path.pop();
    return result;
  }

  links(div: string): string {
    if (!div.includes('href') && !div.includes('src')) return div;
    return div.replace(/<[a-zA-Z][^<>]*>/g, tag =>
      tag.replace(
        /(\s(?:href|src)\s*=\s*)(?:"([^"]*)"|'([^']*)')/g,
        (whole, before: string, double?: string, single?: string) => {
          const after = this.exchange((double ?? single ?? '').replaceAll('&amp;', '&'), 'narrative', this);
          return after === undefined
            ? whole
            : `${before}"${after.replaceAll('&', '&amp;').replaceAll('"', '&quot;')}"`;
        },
      ),
    );
  }
}
