// A StructureDefinition as others send it: with a snapshot, a differential, or both.
// https://hl7.org/fhir/R4/structuredefinition.html
import { isObject, type Json, type JsonObject } from '../fhir/json.js';
import type { ElementDefinition, StructureDefinition } from '../fhir/definitions.js';

export interface Structure extends Omit<StructureDefinition, 'snapshot' | 'resourceType' | 'id' | 'name'> {
  readonly version?: string;
  readonly name?: string;
  readonly snapshot?: { readonly element: readonly ElementDefinition[] };
  readonly differential?: { readonly element: readonly ElementDefinition[] };
}

/** Finds the StructureDefinition of a canonical, `url` or `url|version`, beyond R4's own; undefined where it is not known. */
export type FindStructure = (canonical: string) => Structure | undefined;

type Clean = (value: Json) => Json | undefined;

const text: Clean = value => (typeof value === 'string' ? value : undefined);
const whole: Clean = value => (typeof value === 'number' ? value : undefined);
const flag: Clean = value => (typeof value === 'boolean' ? value : undefined);
const listOf =
  (clean: Clean): Clean =>
  value =>
    Array.isArray(value) ? value.flatMap(one => clean(one) ?? []) : undefined;
/** An object with its known properties as they have to be; undefined where one that is needed is not. */
const objectOf =
  (known: Readonly<Record<string, Clean>>, needed: readonly string[] = []): Clean =>
  value => {
    if (!isObject(value)) return undefined;
    const found: JsonObject = {};
    for (const [name, item] of Object.entries(value)) {
      const clean = known[name];
      const kept = clean === undefined ? item : clean(item);
      if (kept !== undefined) found[name] = kept;
    }
    return needed.every(name => found[name] !== undefined) ? found : undefined;
  };

const extensions = listOf(
  objectOf(
    {
      url: text,
      valueUrl: text,
      valueUri: text,
      valueString: text,
      valueCanonical: text,
      valueInteger: whole,
    },
    ['url'],
  ),
);
const texts = listOf(text);
const type = objectOf(
  {
    code: text,
    profile: texts,
    targetProfile: texts,
    aggregation: texts,
    versioning: text,
    extension: extensions,
  },
  ['code'],
);
const element = objectOf(
  {
    id: text,
    path: text,
    sliceName: text,
    min: whole,
    max: text,
    maxLength: whole,
    contentReference: text,
    isModifier: flag,
    type: listOf(type),
    constraint: listOf(
      objectOf({ key: text, severity: text, human: text, expression: text, source: text }, [
        'key',
        'severity',
        'human',
      ]),
    ),
    slicing: objectOf(
      {
        discriminator: listOf(objectOf({ type: text, path: text }, ['type', 'path'])),
        ordered: flag,
        rules: text,
      },
      ['rules'],
    ),
    binding: objectOf({ strength: text, valueSet: text, extension: extensions }, ['strength']),
    extension: extensions,
  },
  ['path'],
);
const view = objectOf({ element: listOf(element) }, ['element']);
const structure = objectOf(
  {
    url: text,
    version: text,
    type: text,
    kind: text,
    derivation: text,
    baseDefinition: text,
    snapshot: view,
    differential: view,
    context: listOf(objectOf({ type: text, expression: text }, ['type', 'expression'])),
    contextInvariant: texts,
  },
  ['url', 'type'],
);

const cleaned = new WeakMap<object, Structure | undefined>();

/** What others sent, without what is not of the shape it must have; undefined where it is no definition of a structure. */
export function soundStructure(given: object): Structure | undefined {
  if (!cleaned.has(given))
    cleaned.set(given, structure(given as JsonObject) as unknown as Structure | undefined);
  return cleaned.get(given);
}
