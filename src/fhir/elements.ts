// Parts of a resource for _summary and _elements. https://hl7.org/fhir/R4/search.html#summary,
// https://hl7.org/fhir/R4/search.html#elements. What leaves here is tagged SUBSETTED, so that nobody stores it as whole.
import { isObject, type Json, type JsonObject } from './json.js';
import type { Resource } from './resource.js';
import { shapeOf, type Property, type Shape } from './shape.js';

const subsetted = {
  system: 'http://terminology.hl7.org/CodeSystem/v3-ObservationValue',
  code: 'SUBSETTED',
  display: 'subsetted',
};

/** `true`: what the definitions mark as summary. `text`: narrative and mandatory elements. `data`: all but the narrative. */
export function summarize(resource: Resource, mode: 'true' | 'text' | 'data'): Resource {
  switch (mode) {
    case 'true':
      return tagged(inSummary(resource, shapeOf(resource.resourceType)));
    case 'text':
      return tagged(pick(resource, ({ name, mandatory }) => mandatory || name === 'text'));
    case 'data':
      return tagged(pick(resource, ({ name }) => name !== 'text'));
  }
}

/**
 * The elements named, at the top of the resource, with those that are mandatory and those that may change its meaning.
 * `name`, `value` and `valueQuantity` name elements of every type, `Patient.name` of one; a resource of whose type
 * nothing is said is left whole.
 */
export function pickElements(resource: Resource, elements: readonly string[]): Resource {
  const { resourceType } = resource;
  const wanted = new Set<string>();
  for (const element of elements) {
    const [first = '', second] = element.trim().split('.');
    if (!/^[A-Z]/.test(first)) wanted.add(first.replace(/\[x\]$/, ''));
    else if (first === resourceType && second !== undefined) wanted.add(second.replace(/\[x\]$/, ''));
  }
  if (wanted.size === 0) return resource;
  const always = new Set(['implicitRules', 'modifierExtension']);
  return tagged(
    pick(
      resource,
      ({ name, element, mandatory }) =>
        mandatory || always.has(name) || wanted.has(name) || wanted.has(element),
    ),
  );
}

/** The top of a resource: its id and meta, and what `keep` wants. */
function pick(resource: Resource, keep: (property: Property) => boolean): JsonObject {
  const { properties } = shapeOf(resource.resourceType);
  const picked: JsonObject = {};
  for (const name in resource) {
    const property = properties.get(name.replace(/^_/, ''));
    if (
      name === 'resourceType' ||
      name === 'id' ||
      name === 'meta' ||
      (property !== undefined && keep(property))
    ) {
      picked[name] = resource[name]!;
    }
  }
  return picked;
}

/** At every level what is in the summary, and what is mandatory or a modifier where the rest would mislead without it. */
function inSummary(value: JsonObject, { properties }: Shape): JsonObject {
  const picked: JsonObject = {};
  for (const name in value) {
    if (name === 'resourceType') picked[name] = value[name]!;
    const property = properties.get(name.replace(/^_/, ''));
    if (property === undefined || !(property.summary || property.mandatory || property.modifier)) continue;
    // Nothing inside an extension is marked as summary: one that is kept, because it modifies, is kept whole.
    const whole = property.primitive || property.type === 'Extension';
    const item = whole ? value[name]! : within(value[name]!, property);
    if (item !== undefined) picked[name] = item;
  }
  return picked;
}

/** Undefined where nothing of it is left: JSON in FHIR has no empty objects or lists. */
function within(value: Json, property: Property): Json | undefined {
  if (Array.isArray(value)) {
    const items = value.map(item => within(item, property)).filter(item => item !== undefined);
    return items.length === 0 ? undefined : items;
  }
  if (!isObject(value)) return value;
  const { resourceType } = value;
  const picked = inSummary(
    value,
    typeof resourceType === 'string' ? shapeOf(resourceType) : property.shape(),
  );
  return Object.keys(picked).length === 0 ? undefined : picked;
}

function tagged(resource: JsonObject): Resource {
  const meta = isObject(resource['meta']) ? resource['meta'] : {};
  const tags = Array.isArray(meta['tag']) ? meta['tag'] : [];
  const has = tags.some(
    tag => isObject(tag) && tag['system'] === subsetted.system && tag['code'] === subsetted.code,
  );
  const { resourceType, id, meta: _meta, ...rest } = resource as Resource;
  return {
    resourceType,
    ...(id === undefined ? {} : { id }),
    meta: { ...meta, tag: has ? tags : [...tags, { ...subsetted }] },
    ...rest,
  };
}
