// Setting, inserting, moving and removing one element of a JSON object by its definition: a primitive's value and its
// id and extensions (`_name`) go together, in lists place by place. https://hl7.org/fhir/R4/json.html#primitive
import { cloneJson, isObject, type Json, type JsonObject } from '../json.js';
import { shapeOf, type Property, type Shape } from '../shape.js';

/** A value for an element, in the form its property takes. `sibling` is a primitive's id and extensions. */
export interface Fitted {
  readonly property: Property;
  readonly value: Json | undefined;
  readonly sibling: Json | undefined;
}
type Refuse = (why: string) => never;

/** What a Parameters part gives for the element: a value[x], a resource, or parts for an element without a type of its own. */
export function fitElement(shape: Shape, element: string, part: JsonObject, refuse: Refuse): Fitted {
  const stem = element.replace(/\[x\]$/, '');
  const candidates = [...shape.properties.values()].filter(
    property => property.element === stem || property.name === stem,
  );
  if (candidates.length === 0) return refuse(`${element} is not an element there`);
  const key = Object.keys(part)
    .find(name => /^_?value[A-Z]/.test(name))
    ?.replace(/^_/, '');
  const suffix = key?.slice('value'.length);
  const property =
    candidates.length === 1 ? candidates[0]! : candidates.find(({ name }) => name === stem + suffix);
  if (property === undefined) {
    return refuse(
      `${element} may not be a ${suffix ?? 'value without a type'}; it may be ${candidates.map(({ type }) => type).join(', ')}`,
    );
  }
  if (key !== undefined) {
    const [value, sibling] = [part[key], part[`_${key}`]].map(json =>
      json === undefined ? undefined : cloneJson(json),
    );
    if (property.primitive !== (typeof value !== 'object' || suffix === 'Decimal')) {
      return refuse(`${element} is a ${property.type}, not a ${suffix!}`);
    }
    return { property, value, sibling };
  }
  if (isObject(part['resource'])) return { property, value: cloneJson(part['resource']), sibling: undefined };
  if (!Array.isArray(part['part']) || property.primitive)
    return refuse(`its value gives no ${property.type}`);
  const inner = property.type === 'Resource' ? shapeOf('Resource') : property.shape();
  const value: JsonObject = {};
  for (const child of part['part']) {
    if (!isObject(child) || typeof child['name'] !== 'string')
      return refuse('its value has a part without a name');
    const fitted = fitElement(inner, child['name'], child, refuse);
    if (fitted.property.list) insertElement(value, fitted, Infinity);
    else setElement(value, fitted);
  }
  return { property, value, sibling: undefined };
}

/** Sets an element that does not repeat. */
export function setElement(holder: JsonObject, { property: { name }, value, sibling }: Fitted): void {
  if (value !== undefined) holder[name] = value;
  if (sibling !== undefined) holder[`_${name}`] = sibling;
}

/** Inserts an item before the one at `at`; past the end it is added. */
export function insertElement(holder: JsonObject, { property, value, sibling }: Fitted, at: number): void {
  inLists(holder, property, (values, siblings) => {
    values.splice(at, 0, value ?? null);
    siblings.splice(at, 0, sibling ?? null);
  });
}

export function moveElement(
  holder: JsonObject,
  property: Property,
  source: number,
  destination: number,
): void {
  inLists(holder, property, (...lists) => {
    for (const list of lists) list.splice(destination, 0, ...list.splice(source, 1));
  });
}

/** Removes the element, or its item at `at`; with `onlySibling` a primitive keeps its value. */
export function removeElement(
  holder: JsonObject,
  property: Property,
  at: number | undefined,
  onlySibling = false,
): void {
  const { name } = property;
  if (at === undefined) {
    if (!onlySibling) delete holder[name];
    delete holder[`_${name}`];
    return;
  }
  inLists(holder, property, (values, siblings) => {
    if (onlySibling && values[at] !== null) siblings[at] = null;
    else for (const list of [values, siblings]) list.splice(at, 1);
  });
}

/** Both lists of a property, equally long; afterwards those that hold nothing are gone. */
function inLists(
  holder: JsonObject,
  { name }: Property,
  change: (values: Json[], siblings: Json[]) => void,
): void {
  const lists = [name, `_${name}`].map(key => (Array.isArray(holder[key]) ? holder[key] : []));
  const length = Math.max(...lists.map(list => list.length));
  for (const list of lists) while (list.length < length) list.push(null);
  const [values, siblings] = lists as [Json[], Json[]];
  change(values, siblings);
  for (const [key, list] of [
    [name, values],
    [`_${name}`, siblings],
  ] as const) {
    if (list.some(item => item !== null)) holder[key] = list;
    else delete holder[key];
  }
}
