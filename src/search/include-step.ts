// `_include` and `_revinclude` as steps that include.ts carries out. https://hl7.org/fhir/R4/search.html#include
import { FhirError } from '../errors.js';
import { resourceTypes } from '../fhir/definitions.js';
import { referenceAnswers, referenceNamed } from './named-parameter.js';
import { didYouMean } from './did-you-mean.js';
import { parametersOf, type CustomParameters } from './parameters.js';
import { isCanonical } from './types/reference.js';
import { quoted } from './types/search-type.js';

export interface IncludeStep {
  /** As the client wrote it, `_include=Observation:patient`; for messages. */
  readonly name: string;
  readonly direction: 'include' | 'revinclude';
  /** The type whose references are followed; undefined: every type of the page. */
  readonly source?: string;
  /** The reference parameters, as in rows; undefined: all. */
  readonly through?: readonly Through[];
  /** Only targets of this type. */
  readonly target?: string;
  /** Of what was included too, again and again until nothing is added. */
  readonly iterate?: true;
}

export interface Through {
  readonly param: string;
  /** Only targets of these types, where the parameter is narrower than its rows. */
  readonly targets?: readonly string[];
}

/** @throws FhirError naming the part that is not understood */
export function parseInclude(
  name: string,
  value: string,
  types: readonly string[],
  custom?: CustomParameters,
): IncludeStep {
  const [option = '', modifier] = name.split(':');
  const text = `${name}=${value}`;
  // `recurse` is what STU3 called it.
  if (modifier !== undefined && modifier !== 'iterate' && modifier !== 'recurse') {
    throw new FhirError(
      'invalid-search',
      `${quoted(name)} is not understood: the only modifier of ${option} is :iterate.`,
    );
  }
  const iterate = modifier === undefined ? {} : ({ iterate: true } as const);
  const direction = option === '_include' ? 'include' : 'revinclude';
  const [source = '', code = '', target, ...more] = value.split(':');
  if (value === '*' && direction === 'include') return { name: text, direction, ...iterate };
  if (more.length > 0 || code === '') {
    throw new FhirError(
      'invalid-search',
      `${quoted(text)} is not understood: expected [type]:[reference parameter] or [type]:[reference parameter]:[target type].`,
    );
  }
  checkType(text, source);
  if (target !== undefined) checkType(text, target);
  if (direction === 'include' && modifier === undefined && !types.includes(source)) {
    throw new FhirError(
      'invalid-search',
      `${quoted(text)} follows references of ${source}, but this search finds ${types.join(', ')}.`,
    );
  }
  const parameters =
    code === '*'
      ? [...parametersOf(source, custom).values()].filter(
          one => one.type === 'reference' && !isCanonical(one.elementTypes),
        )
      : [referenceNamed(source, code, text, custom)];
  const isOpen = direction === 'include' || modifier !== undefined; // what it leads to need not be a match
  const reached = !isOpen ? types : target === undefined ? undefined : [target];
  if (
    code !== '*' &&
    reached !== undefined &&
    !parameters.some(one => one.targets.some(type => reached.includes(type)))
  ) {
    throw new FhirError(
      'invalid-search',
      `${quoted(text)}: ${source}.${code} does not lead to ${reached.join(', ')}.`,
    );
  }
  const through = parameters.flatMap(one =>
    referenceAnswers(source, one, custom).map(({ parameter, targets }) => ({
      param: parameter.code,
      ...(targets === undefined ? {} : { targets }),
    })),
  );
  return { name: text, direction, source, through, ...(target === undefined ? {} : { target }), ...iterate };
}

function checkType(text: string, type: string): void {
  if (!resourceTypes().has(type))
    throw new FhirError(
      'invalid-search',
      `${quoted(text)}: ${quoted(type)} is no resource type.${didYouMean(type, resourceTypes())}`,
    );
}
