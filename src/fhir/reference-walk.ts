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
  /** `expression`, to be asked when the walk has gone on. */
  readonly later: () => () => string;
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

const uriTypes: ReadonlySet<string> = new Set(['uri', 'url', 'oid', 'uuid']);
const stepsOf = new WeakMap<Shape, Steps>();

/** What to do with a property: follow it, or exchange its text. */
class Step {
  readonly isContained: boolean;
  readonly isResource: boolean;
  #inner: Steps | undefined;

  constructor(
    readonly property: Property,
    readonly leaf?: ReferenceKind,
  ) {
    this.isResource = property.type === 'Resource';
    this.isContained = property.name === 'contained';
  }

  get inner(): Steps {
    return (this.#inner ??= steps(this.property.shape()));
  }
}
/** By JSON name. */
type Steps = ReadonlyMap<string, Step>;

function steps(shape: Shape): Steps {
  let known = stepsOf.get(shape);
  if (known === undefined) {
    known = new Map(
      [...shape.properties.values()].flatMap((property): [string, Step][] => {
        const { name, type, primitive } = property;
        if (!primitive) return [[name, new Step(property)]];
        if (shape.path === 'Reference' && name === 'reference')
          return [
            [name, new Step(property, 'reference')],
            [`_${name}`, new Step(property)],
          ];
        if (type === 'xhtml') return [[name, new Step(property, 'narrative')]];
        // Extension.url says what the extension is and refers to nothing.
        if (uriTypes.has(type) && property.path !== 'Extension.url')
          return [
            [name, new Step(property, 'uri')],
            [`_${name}`, new Step(property)],
          ];
        return [[`_${name}`, new Step(property)]];
      }),
    );
    stepsOf.set(shape, known);
  }
  return known;
}

const textOf = (root: string, path: readonly (Property | number)[]): string =>
  root +
  path
    .map(step => {
      if (typeof step === 'number') return `[${step}]`;
      return step.element === step.name ? `.${step.name}` : `.${step.element}.ofType(${step.type})`;
    })
    .join('');

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

  expression = (): string => textOf(this.#root, this.#path);
  later(): () => string {
    const path = this.#path.slice();
    return () => textOf(this.#root, path);
  }

  resource(resource: JsonObject): JsonObject {
    const before = this.container;
    this.container = resource;
    const type = typeOf(resource);
    if (this.#root === '') this.#root = type;
    const result = this.object(resource, steps(shapeOf(type)));
    this.container = before;
    return result;
  }

  object(value: JsonObject, known: Steps): JsonObject {
    let copy: JsonObject | undefined;
    for (const name in value) {
      const step = known.get(name);
      if (step === undefined) continue;
      const before = value[name]!;
      const after = step.leaf === undefined ? this.follow(before, step) : this.leaf(before, step.leaf, step);
      if (after !== before) {
        copy ??= { ...value };
        copy[name] = after;
      }
    }
    return copy ?? value;
  }

  follow(value: Json, step: Step): Json {
    if (step.isResource && !step.isContained && !this.nested) return value;
    this.#path.push(step.property);
    const result = Array.isArray(value) ? this.items(value, step) : this.one(value, step);
    this.#path.pop();
    return result;
  }

  one(value: Json, step: Step): Json {
    if (!isObject(value)) return value;
    if (step.isResource)
      return step.isContained ? this.object(value, steps(shapeOf(typeOf(value)))) : this.resource(value);
    const before = this.targets;
    this.targets = step.property.targets;
    const result = this.object(value, step.inner);
    this.targets = before;
    return result;
  }

  items(value: Json[], step: Step, kind?: ReferenceKind): Json[] {
    let copy: Json[] | undefined;
    for (let i = 0; i < value.length; i++) {
      this.#path.push(i);
      const after = kind === undefined ? this.one(value[i]!, step) : this.text(value[i]!, kind);
      this.#path.pop();
      if (after !== value[i]) {
        copy ??= [...value];
        copy[i] = after;
      }
    }
    return copy ?? value;
  }

  leaf(value: Json, kind: ReferenceKind, step: Step): Json {
    if (typeof value === 'string') {
      if (kind === 'narrative') return this.links(value);
      if (kind === 'reference') return this.exchange(value, kind, this) ?? value;
    }
    this.#path.push(step.property);
    const result = Array.isArray(value) ? this.items(value, step, kind) : this.text(value, kind);
    this.#path.pop();
    return result;
  }

  text(value: Json, kind: ReferenceKind): Json {
    return typeof value === 'string' ? (this.exchange(value, kind, this) ?? value) : value;
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
