// Composite parameters: values joined by `$`, all of one occurrence. https://hl7.org/fhir/R4/search.html#composite
// Conditions of the components become conditions on the columns `0.code`, `1.lo` of one composite row.
import type { Node } from '../plan.js';
import { bindingsOf, type Parameter } from '../parameters.js';
import { searchTypes } from './all.js';
import { anyOf, refuse, split, type Alternatives, type Asked, type ParseSettings } from './search-type.js';

/** The values of a composite's components, still escaped. */
export function componentValues(value: string, parameter: Parameter, asked: Asked): readonly string[] {
  const values = split(value, '$');
  if (values.length === parameter.components.length && !values.includes('')) return values;
  return refuse(asked, value, `expected ${parameter.components.map(component => component.code).join('$')}`);
}

/** What a component is asked as, for its type. */
export const askedOf = (parameter: Parameter, i: number, asked: Asked): Asked => ({
  param: asked.param,
  name: asked.name,
  targets: parameter.components[i]!.target ?? [],
  elementTypes: new Set(parameter.tuples.flatMap(tuple => tuple.components[i]!.map(path => path.type))),
  bindings: bindingsOf(parameter.tuples.flatMap(tuple => tuple.components[i]!)),
});

/**
 * The value as a criterion on one composite row, for every combination of the components' alternatives: a row with
 * converted units where the value has such a unit.
 */
export function compositeNode(
  value: string,
  parameter: Parameter,
  asked: Asked,
  settings: ParseSettings,
): Node {
  let combined: Alternatives = [[]];
  let isConverted = false;
  for (const [i, part] of componentValues(value, parameter, asked).entries()) {
    const type = searchTypes[parameter.components[i]!.type];
    if (type === undefined)
      return refuse(asked, value, `the component ${parameter.components[i]!.code} cannot be searched`);
    const of = askedOf(parameter, i, asked);
    const converted = type.converted?.(part, of);
    isConverted ||= converted !== undefined;
    const alternatives = converted ?? type.alternatives(part, of, settings);
    combined = combined.flatMap(before =>
      alternatives.map(where => [...before, ...where.map(one => ({ ...one, column: `${i}.${one.column}` }))]),
    );
  }
  return anyOf('composite', isConverted ? `${parameter.code}:ucum` : parameter.code, combined);
}
