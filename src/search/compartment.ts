// A compartment as a node of the plan: what the parameters of its definition link to the resource it is about.
// https://hl7.org/fhir/R4/search.html#2.21.1.1, https://hl7.org/fhir/R4/compartmentdefinition.html
// Surprising why: the resource itself belongs to its compartment by its id, which no parameter says.
import { compartmentLinks, compartmentParams, type CompartmentType } from '../fhir/compartments.js';
import { isOneOf } from './criteria.js';
import { referenceAnswers } from './named-parameter.js';
import { parametersOf } from './parameters.js';
import { all, and, or, type Condition, type Node } from './plan.js';
import type { Row } from './rows.js';
import { equal, leaf } from './types/search-type.js';

/** The types a compartment can hold, the one it is about first. */
export const typesInCompartment = (compartment: CompartmentType): readonly string[] => [
  ...new Set([compartment, ...compartmentLinks(compartment).keys()]),
];

/** What of the types is in the compartment of the resource with this id; without an id: in any of the kind. */
export function inCompartment(
  compartment: CompartmentType,
  id: string | undefined,
  types: readonly string[],
): Node {
  const target: Condition =
    id === undefined
      ? { column: 'target', is: 'prefix', value: `${compartment}/` }
      : equal('target', `${compartment}/${id}`);
  const typesOf = new Map<string, string[]>();
  for (const type of types) {
    for (const param of rowsLinking(compartment, type))
      typesOf.set(param, [...(typesOf.get(param) ?? []), type]);
  }
  const linked = [...typesOf].map(([param, those]) =>
    and(oneOf(those, types), leaf('reference', param, [target])),
  );
  if (!types.includes(compartment)) return or(...linked);
  const own = id === undefined ? [] : [leaf('token', '_id', [equal('code', id)])];
  return or(and(oneOf([compartment], types), ...own), ...linked);
}

/** Ids of the resources in whose compartment a resource of the type with these rows is; itself not among them. */
export function ownersIn(
  compartment: CompartmentType,
  type: string,
  rows: readonly Row[],
): readonly string[] {
  const params = rowsLinking(compartment, type);
  const found = new Set<string>();
  for (const row of rows) {
    if (row.kind === 'reference' && params.has(row.param) && row.target.startsWith(`${compartment}/`))
      found.add(row.target.slice(compartment.length + 1));
  }
  return [...found];
}

const linking = new Map<string, ReadonlySet<string>>();

/** The parameters whose rows answer those that link the type; those of the specification, so they stay the same. */
function rowsLinking(compartment: CompartmentType, type: string): ReadonlySet<string> {
  const key = `${compartment} ${type}`;
  let found = linking.get(key);
  if (found === undefined) {
    const answers = compartmentParams(compartment, type)
      .flatMap(code => parametersOf(type).get(code) ?? [])
      .flatMap(parameter => referenceAnswers(type, parameter));
    linking.set(key, (found = new Set(answers.map(answer => answer.parameter.code))));
  }
  return found;
}

/** Nothing has to be asked where there are no others. */
const oneOf = (types: readonly string[], among: readonly string[]): Node =>
  types.length === among.length ? all : isOneOf(types);
