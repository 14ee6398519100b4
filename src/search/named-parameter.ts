// Search parameters by the names clients give, and the refusals where there is none.
// https://hl7.org/fhir/R4/search.html#errors
import { FhirError } from '../errors.js';
import { answeredBy, type Answer } from './aliases.js';
import { didYouMean } from './did-you-mean.js';
import { parametersOf, type CustomParameters, type Parameter } from './parameters.js';
import { isCanonical } from './types/reference.js';
import { quoted } from './types/search-type.js';

/** The type searched has no such parameter: refused, or with lenient handling ignored and reported. */
export class UnknownParameter extends FhirError {
  constructor(message: string) {
    super('invalid-search', message);
    this.name = 'UnknownParameter';
  }
}

/** @throws UnknownParameter, FhirError `index-not-ready` */
export function parameterNamed(type: string, code: string, custom?: CustomParameters): Parameter {
  const known = parametersOf(type, custom);
  const parameter = known.get(code);
  if (parameter?.kind !== undefined) return parameter;
  if (parameter !== undefined)
    throw new UnknownParameter(`The search parameter ${quoted(code)} is not supported here yet.`);
  if (custom?.of(type).some(one => one.state === 'building' && one.parameter.code === code)) {
    throw new FhirError(
      'index-not-ready',
      `The index of the search parameter ${quoted(code)} of ${type} is still being made; try again later.`,
      { headers: { 'retry-after': '10' } },
    );
  }
  throw new UnknownParameter(
    `${type} has no search parameter ${quoted(code)}.${didYouMean(code, known.keys())}`,
  );
}

/** @throws FhirError where the parameter is no reference to resources of this server */
export function referenceNamed(
  type: string,
  code: string,
  name: string,
  custom?: CustomParameters,
): Parameter {
  const parameter = parameterNamed(type, code, custom);
  if (parameter.type !== 'reference') {
    throw new FhirError(
      'invalid-search',
      `${quoted(name)}: ${type}.${code} is a ${parameter.type} parameter; only references lead to other resources.`,
    );
  }
  if (isCanonical(parameter.elementTypes)) {
    throw new FhirError(
      'invalid-search',
      `${quoted(name)}: ${type}.${code} holds canonical URLs, which are not followed; search by the URL.`,
    );
  }
  return parameter;
}

/** The parameters by whose rows a reference parameter is answered. */
export function referenceAnswers(
  type: string,
  parameter: Parameter,
  custom?: CustomParameters,
): readonly Answer[] {
  const answers = answeredBy(type, parameter.code, custom);
  return 'any' in answers ? answers.any : [];
}

/** Types for a message. */
export const someOf = (types: readonly string[]): string =>
  types.length > 10 ? 'any type' : types.join(', ');
