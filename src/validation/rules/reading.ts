// Reading JSON that need not be of the shape it should be: rules judge what they find and pass over the rest.
// https://hl7.org/fhir/R4/json.html
import { isObject, type Json, type JsonObject } from '../../fhir/json.js';

export const textIn = (holder: JsonObject, name: string): string | undefined => {
  const value = holder[name];
  return typeof value === 'string' ? value : undefined;
};

export const listIn = (holder: JsonObject, name: string): readonly Json[] => {
  const value = holder[name];
  return Array.isArray(value) ? value : [];
};

/** The objects of a list; what else is in it is left out. */
export const objectsIn = (holder: JsonObject, name: string): readonly JsonObject[] =>
  listIn(holder, name).filter(isObject);

/** Every object in a value that `visit` is for, with its path. */
export function eachObject(
  value: Json,
  path: string,
  visit: (object: JsonObject, path: string, name: string) => void,
  name = '',
): void {
  if (Array.isArray(value)) {
    for (let i = 0; i < value.length; i++) eachObject(value[i]!, `${path}[${i}]`, visit, name);
  } else if (isObject(value)) {
    visit(value, path, name);
    for (const key in value) {
      const one = value[key]!;
      if (typeof one === 'object') eachObject(one, `${path}.${key}`, visit, key);
    }
  }
}
