// The values an element has within an object, each with its type and place. https://hl7.org/fhir/R4/json.html
import { isObject, type Json, type JsonObject } from '../fhir/json.js';
import type { ElementNode } from './element-tree.js';

export interface Item {
  /** Undefined where a primitive has only an id or extensions. */
  readonly value: Json | undefined;
  /** Of a primitive: the object in `_x` that holds its id and extensions. */
  readonly sibling: JsonObject | undefined;
  /** As the JSON name says for a choice, resourceType for a resource, else the definition's. */
  readonly type: string;
  /** FHIRPath with indexes. */
  readonly path: string;
}

const upper = (text: string): string => text.charAt(0).toUpperCase() + text.slice(1);
const isPrimitiveCode = (code: string): boolean => code.charCodeAt(0) >= 97;

/** What an item holds below it: the object itself, or of a primitive the one in `_x`. */
export const within = ({ value, sibling }: Item): JsonObject | undefined =>
  isObject(value) ? value : sibling;

/** Walks the values of one JSON property, and of `_name` beside it. */
export function eachItem(
  parent: JsonObject,
  name: string,
  type: string,
  path: string,
  visit: (item: Item) => void,
): void {
  const isPrimitive = isPrimitiveCode(type);
  const value = parent[name];
  const beside = isPrimitive ? parent[`_${name}`] : undefined;
  if (value === undefined && beside === undefined) return;
  if (Array.isArray(value) || Array.isArray(beside)) {
    const values = Array.isArray(value) ? value : [];
    const siblings = Array.isArray(beside) ? beside : [];
    const length = Math.max(values.length, siblings.length);
    for (let i = 0; i < length; i++)
      visit(itemOf(values[i], siblings[i], type, `${path}[${i}]`, isPrimitive));
    return;
  }
  visit(itemOf(value, beside, type, path, isPrimitive));
}

function itemOf(
  value: Json | undefined,
  beside: Json | undefined,
  type: string,
  path: string,
  isPrimitive: boolean,
): Item {
  const resourceType = !isPrimitive && isObject(value) ? value['resourceType'] : undefined;
  const isResource =
    typeof resourceType === 'string' &&
    (type === 'Resource' || type === 'DomainResource' || type === resourceType);
  return {
    value: value === null ? undefined : value,
    sibling: isObject(beside) ? beside : undefined,
    type: isResource ? resourceType : type,
    path,
  };
}

/** The values of an element, in whatever of its types they come. */
export function itemsOf(parent: JsonObject, node: ElementNode, path: string): readonly Item[] {
  const items: Item[] = [];
  const add = (item: Item): void => void items.push(item);
  const { name, variants } = node;
  if (!node.isChoice) {
    eachItem(parent, name, variants[0] ?? 'BackboneElement', `${path}.${name}`, add);
    return items;
  }
  for (const code of variants) {
    const property = name + upper(code);
    if (parent[property] === undefined && parent[`_${property}`] === undefined) continue;
    eachItem(parent, property, code, `${path}.${name}.ofType(${code})`, add);
  }
  return items;
}
