// FHIRPath Patch: operations in a Parameters resource. https://hl7.org/fhir/R4/fhirpatch.html
// Surprising why: JSON keeps a primitive in two places (birthDate and _birthDate) and a choice under its type
// (deceasedBoolean), so an element is set and removed by its definition, not by its name.
import { FhirError } from '../../errors.js';
import { compileFhirPathNodes, valueAt, type FhirPathNode, type JsonPath } from '../fhirpath.js';
import { cloneJson, isObject, maxDepth, type Json, type JsonObject } from '../json.js';
import type { Resource } from '../resource.js';
import { fitElement, insertElement, moveElement, removeElement, setElement, type Fitted } from './element.js';
import { shapeOf, type Property, type Shape } from '../shape.js';

interface Operation {
  readonly type: string;
  readonly path: string;
  readonly name: string | undefined;
  readonly value: JsonObject | undefined;
  readonly index: number | undefined;
  readonly source: number | undefined;
  readonly destination: number | undefined;
}
type Refuse = (why: string) => never;

/** Characters that the different paths of one patch may have, because reading them takes long. */
const pathLimit = 10_000;

/**
 * The resource after the operations, in order, all or none; the one given is left as it is. That its type and id are the
 * same, and that it is valid, is for the caller to check.
 * @throws FhirError `structure` (400) for what is not a FHIRPath Patch, `business-rule` (422) for one that does not apply here.
 */
export function fhirPathPatch(resource: Resource, parameters: JsonObject): Resource {
  const patched = cloneJson(resource) as Resource;
  const operations = operationsIn(parameters);
  const text = [...new Set(operations.map(({ path }) => path))].reduce((sum, path) => sum + path.length, 0);
  if (text > pathLimit) {
    throw new FhirError(
      'too-large',
      `The paths of a patch may together have ${pathLimit} characters, not ${text}.`,
    );
  }
  operations.forEach((operation, index) => {
    const place = `Operation ${index + 1} of the patch (${operation.type} at "${operation.path.slice(0, 200)}")`;
    apply(patched, operation, why => {
      throw new FhirError('business-rule', `${place} cannot be applied: ${why.slice(0, 200)}.`);
    });
  });
  return patched;
}

function apply(resource: Resource, operation: Operation, refuse: Refuse): void {
  const { type, path, name, index, source, destination } = operation;
  switch (type) {
    case 'add': {
      const target = one(resource, path, refuse);
      const [holder, shape] = holderOf(resource, target);
      const fitted = fit(shape, name!, operation, target.length, refuse);
      const { property } = fitted;
      if (!property.list && existing(holder, shape, property) !== undefined) {
        return refuse(`${property.element} is there already and does not repeat; replace it`);
      }
      return property.list ? insertElement(holder, fitted, Infinity) : setElement(holder, fitted);
    }
    case 'insert': {
      const { holder, shape, element, depth } = listOf(resource, path, refuse);
      const fitted = fit(shape, element, operation, depth, refuse);
      if (index! > lengthOf(holder, fitted.property))
        return refuse(
          `the list has only ${lengthOf(holder, fitted.property)} items, none can be number ${index!}`,
        );
      return insertElement(holder, fitted, index!);
    }
    case 'replace': {
      const target = one(resource, path, refuse);
      const { holder, shape, property, at } = elementAt(resource, target, refuse);
      const fitted = fit(shape, property.element, operation, target.length, refuse);
      removeElement(holder, property, at);
      return at === undefined ? setElement(holder, fitted) : insertElement(holder, fitted, at);
    }
    case 'delete': {
      const found = select(resource, path, refuse);
      if (found.length > 0) remove(resource, single(found, refuse), refuse); // R4: "if found"
      return;
    }
    case 'move': {
      const { holder, shape, element } = listOf(resource, path, refuse);
      const property = shape.properties.get(element)!;
      const length = lengthOf(holder, property);
      const outside = [source!, destination!].find(place => place >= length);
      if (outside !== undefined) return refuse(`the list has only ${length} items, no ${outside}`);
      return moveElement(holder, property, source!, destination!);
    }
  }
}

/** What the path selects. A path that is no navigation is malformed; one that stumbles over this resource does not apply. */
function select(resource: Resource, path: string, refuse: Refuse): FhirPathNode[] {
  const nodes = compileFhirPathNodes(path, { from: 'client' });
  try {
    return nodes(resource);
  } catch {
    return refuse('its path cannot be evaluated on this');
  }
}

function single(found: readonly FhirPathNode[], refuse: Refuse): JsonPath {
  if (found.length === 0) return refuse('there is no such element');
  if (found.length > 1) return refuse(`it selects ${found.length} elements, not one`);
  return found[0]!.path ?? refuse('it does not select an element of the resource');
}

/** Where the one element that the path selects is. */
const one = (resource: Resource, path: string, refuse: Refuse): JsonPath =>
  single(select(resource, path, refuse), refuse);

/** The list that a path such as `Patient.contact[0].telecom` names, which may still be without items. */
function listOf(
  resource: Resource,
  path: string,
  refuse: Refuse,
): { holder: JsonObject; shape: Shape; element: string; depth: number } {
  const [, before = resource.resourceType, element] =
    /^(?:(.+)\.)?`?([A-Za-z]+)`?$/s.exec(path.trim()) ?? refuse('it must end in the name of a list');
  const target = one(resource, before, refuse);
  const [holder, shape] = holderOf(resource, target);
  if (shape.properties.get(element!)?.list !== true) return refuse(`${element!} is not a list there`);
  return { holder, shape, element: element!, depth: target.length + 2 };
}

/** The object that holds an element's children, made where a primitive has none yet, and its shape. */
function holderOf(resource: Resource, path: JsonPath): [JsonObject, Shape] {
  const value = valueAt(resource, path)!;
  if (isObject(value)) return [value, shapeAt(resource, path)];
  const at = path.at(-1);
  const name = `_${String(typeof at === 'number' ? path.at(-2) : at)}`;
  const parent = valueAt(resource, path.slice(0, typeof at === 'number' ? -2 : -1)) as JsonObject;
  let sibling: JsonObject;
  if (typeof at === 'number') {
    const list = Array.isArray(parent[name]) ? parent[name] : (parent[name] = []);
    while (list.length <= at) list.push(null);
    sibling = isObject(list[at]) ? list[at] : (list[at] = {});
  } else sibling = isObject(parent[name]) ? parent[name] : (parent[name] = {});
  return [sibling, shapeOf('Element')];
}

/** The shape of the object at a path, by its definition and, where resources nest, by their types. */
function shapeAt(resource: Resource, path: JsonPath): Shape {
  let value: Json = resource;
  let shape = shapeOf(resource.resourceType);
  for (const step of path) {
    value = (value as JsonObject)[step]!;
    if (typeof step === 'number') {
      if (isObject(value) && typeof value['resourceType'] === 'string')
        shape = shapeOf(value['resourceType']);
      continue;
    }
    const property: Property | undefined = shape.properties.get(step.replace(/^_/, ''));
    if (property === undefined) return shapeOf('Element');
    shape =
      isObject(value) && typeof value['resourceType'] === 'string'
        ? shapeOf(value['resourceType'])
        : property.shape();
  }
  return shape;
}

function elementAt(
  resource: Resource,
  path: JsonPath,
  refuse: Refuse,
): { holder: JsonObject; shape: Shape; property: Property; at: number | undefined; parent: JsonPath } {
  if (path.length === 0) return refuse('that is the whole resource');
  const last = path.at(-1)!;
  const at = typeof last === 'number' ? last : undefined;
  const parent = path.slice(0, at === undefined ? -1 : -2);
  const name = String(path[parent.length]).replace(/^_/, '');
  const shape = shapeAt(resource, parent);
  const property = shape.properties.get(name) ?? refuse(`${name} is not an element there`);
  return { holder: valueAt(resource, parent) as JsonObject, shape, property, at, parent };
}

/** Removes an element, and what it leaves empty. */
function remove(resource: Resource, path: JsonPath, refuse: Refuse): void {
  const { holder, property, at, parent } = elementAt(resource, path, refuse);
  const isSibling = String(path[parent.length]).startsWith('_');
  removeElement(holder, property, at, isSibling);
  if (parent.length > 0 && Object.keys(holder).length === 0) remove(resource, parent, refuse);
}

function fit(shape: Shape, element: string, { value }: Operation, depth: number, refuse: Refuse): Fitted {
  const fitted = fitElement(shape, element, value!, refuse);
  const room = maxDepth - depth - 1;
  for (const part of [fitted.value, fitted.sibling]) if (part !== undefined) cloneJson(part, room); // throws where it is too deep
  return fitted;
}

const existing = (holder: JsonObject, shape: Shape, { element }: Property): Property | undefined =>
  [...shape.properties.values()].find(
    property => property.element === element && (property.name in holder || `_${property.name}` in holder),
  );

const lengthOf = (holder: JsonObject, { name }: Property): number =>
  Math.max(...[holder[name], holder[`_${name}`]].map(list => (Array.isArray(list) ? list.length : 0)));

/** Which parts an operation needs beside type and path. */
const needs: Readonly<Record<string, readonly (keyof Operation)[]>> = {
  add: ['name', 'value'],
  insert: ['value', 'index'],
  delete: [],
  replace: ['value'],
  move: ['source', 'destination'],
};

function operationsIn(parameters: JsonObject): Operation[] {
  const list = parameters['parameter'] ?? [];
  if (!Array.isArray(list))
    throw new FhirError('structure', 'A FHIRPath Patch has a list of parameters.', {
      expression: 'Parameters.parameter',
    });
  return list.map((parameter, i) => {
    const expression = `Parameters.parameter[${i}]`;
    const malformed = (what: string): never => {
      throw new FhirError('structure', `Operation ${i + 1} of the patch ${what}.`, { expression });
    };
    if (!isObject(parameter) || parameter['name'] !== 'operation' || !Array.isArray(parameter['part'])) {
      return malformed('is not a parameter named "operation" with parts');
    }
    const parts = new Map<string, JsonObject>();
    for (const part of parameter['part']) {
      if (!isObject(part) || typeof part['name'] !== 'string') return malformed('has a part without a name');
      if (parts.has(part['name'])) return malformed(`has the part "${part['name']}" twice`);
      parts.set(part['name'], part);
    }
    const text = (name: string): string | undefined => {
      const value = parts.get(name)?.['valueString'] ?? parts.get(name)?.['valueCode'];
      return typeof value === 'string' ? value : undefined;
    };
    const place = (name: string): number | undefined => {
      const value = parts.get(name)?.['valueInteger'];
      return typeof value === 'number' && Number.isInteger(value) && value >= 0 ? value : undefined;
    };
    const type = text('type') ?? '';
    const operation = {
      type,
      path: text('path') ?? malformed('has no path, a valueString with a FHIRPath such as "Patient.name[0]"'),
      name: text('name'),
      value: parts.get('value'),
      index: place('index'),
      source: place('source'),
      destination: place('destination'),
    };
    const needed = Object.hasOwn(needs, type)
      ? needs[type]!
      : malformed(`has the type "${type}"; it may be add, insert, delete, replace or move`);
    const missing = needed.find(name => operation[name] === undefined);
    return missing === undefined ? operation : malformed(`has no valid "${missing}", which "${type}" needs`);
  });
}
