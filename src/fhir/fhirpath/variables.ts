// %name. https://hl7.org/fhir/R4/fhirpath.html#variables, https://hl7.org/fhirpath/#environment-variables
import { FhirPathError } from './fhirpath-error.js';
import type { Run } from './closure.js';
import { Decimal, isObject, lexemeOf, type Json } from '../json.js';
import { tableOf } from '../table.js';
import { Fixed } from './fixed.js';
import { rootNode } from './node.js';
import { nothing, type Items } from './values.js';

const fixedNames = tableOf({
  sct: 'http://snomed.info/sct',
  loinc: 'http://loinc.org',
  ucum: 'http://unitsofmeasure.org',
});

export function variable(name: string): Run {
  if (name === 'context') return (_focus, context) => context.context;
  if (name === 'resource') return (_focus, context) => [context.resource];
  if (name === 'rootResource') return (_focus, context) => [context.rootResource];
  const known =
    fixedNames(name) ??
    (name.startsWith('vs-')
      ? `http://hl7.org/fhir/ValueSet/${name.slice(3)}`
      : name.startsWith('ext-')
        ? `http://hl7.org/fhir/StructureDefinition/${name.slice(4)}`
        : undefined);
  if (known !== undefined) return () => [known];
  return (_focus, context) => {
    const defined = context.variables?.get(name);
    if (defined !== undefined) return defined;
    const given = context.ports.variables;
    if (given === undefined || !Object.hasOwn(given, name))
      throw new FhirPathError(`has the unknown variable %${name}`);
    return itemsOf(given[name]!);
  };
}

function itemsOf(value: Json): Items {
  if (value === null) return nothing;
  if (Array.isArray(value)) return value.flatMap(itemsOf);
  if (typeof value === 'number' || value instanceof Decimal) {
    if (typeof value === 'number' && Number.isInteger(value)) return [value];
    const number = Fixed.parse(lexemeOf(value));
    return number === undefined ? nothing : [number];
  }
  return isObject(value) ? [rootNode(value)] : [value];
}
