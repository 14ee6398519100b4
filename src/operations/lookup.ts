// $lookup and $subsumes of code systems. https://hl7.org/fhir/R4/codesystem-operation-lookup.html,
// https://hl7.org/fhir/R4/codesystem-operation-subsumes.html
import { FhirError } from '../errors.js';
import type { Json, JsonObject } from '../fhir/json.js';
import { sendResource } from '../interactions/answer.js';
import type { Handler } from '../interactions/context.js';
import { placeOf, type Place } from '../terminology/code-system.js';
import { grammarOf } from '../terminology/grammar.js';
import { lookUp, subsumption } from '../terminology/lookup.js';
import { givenTo, parametersOut, valued, type Answered, type Given } from './operation-parameters.js';
import {
  checkPermitted,
  definitionOfInstance,
  languagesOf,
  noSuch,
  remoteFor,
  withSystem,
} from './terminology-subject.js';

const text = (value: Json | undefined): string | undefined => (typeof value === 'string' ? value : undefined);

interface Named {
  readonly system: string;
  readonly version: string | undefined;
  readonly code: string;
}

/** A code by its system, or a Coding. `own`: the system that the URL names. */
function codeIn(given: Given, code: string, coding: string, own?: string): Named {
  const whole = given.object(coding);
  if ((whole === undefined) === !given.has(code))
    throw new FhirError('required', `One of ${code} and ${coding} is needed, and not both.`);
  const value = whole === undefined ? given.text(code) : text(whole['code']);
  const system = own ?? (whole === undefined ? given.text('system') : text(whole['system']));
  if (value === undefined) throw new FhirError('required', `The ${coding} needs a code.`);
  if (system === undefined)
    throw new FhirError('required', `The code system is needed: ${whole === undefined ? 'system' : `the system of ${coding}`}.`); // prettier-ignore
  if (own !== undefined && whole !== undefined && (text(whole['system']) ?? own) !== own)
    throw new FhirError('value', `The ${coding} is not of ${own}.`);
  return { system, code: value, version: (whole && text(whole['version'])) ?? given.text('version') };
}

/** GET and POST of `CodeSystem/$lookup`. */
export const lookup: Handler = async context => {
  checkPermitted(context, 'CodeSystem');
  const given = givenTo(context, 'CodeSystem-lookup');
  const named = codeIn(given, 'code', 'coding');
  const { system: url, version, code } = named;
  const { catalog, request } = context;
  const system = catalog.codeSystem(url, version);
  const place = system && placeOf(system, code);
  if (place === undefined || system === undefined) {
    const grammar = grammarOf(url);
    if (grammar?.has(code) === true) {
      const display = grammar.display?.(code) ?? code;
      return sendResource(
        { status: 200 },
        parametersOut([
          { name: 'name', valueString: url },
          { name: 'display', valueString: display },
        ]),
        request,
      );
    }
    const isKnownWhole = system?.content === 'complete';
    const elsewhere = isKnownWhole
      ? undefined
      : await remoteFor(context)?.ask('CodeSystem/$lookup', given.asParameters(), 'Parameters');
    if (elsewhere !== undefined) return sendResource({ status: 200 }, elsewhere, request);
    if (system === undefined) throw noSuch('code system', version === undefined ? url : `${url}|${version}`);
    throw new FhirError('not-found', `The code system ${url} has no code "${code.slice(0, 100)}"${isKnownWhole ? '' : ' among those known here'}.`); // prettier-ignore
  }
  const found = lookUp(place, languagesOf(given), given.texts('property'));
  return sendResource(
    { status: 200 },
    parametersOut([
      { name: 'name', valueString: found.name },
      valued('version', 'String', found.version),
      { name: 'display', valueString: found.display },
      valued('definition', 'String', found.definition),
      ...found.designations.map(({ language, use, value }): Answered => ({
        name: 'designation',
        part: [
          valued('language', 'Code', language),
          valued('use', 'Coding', use),
          { name: 'value', valueString: value },
        ].filter(part => part !== undefined),
      })),
      ...found.properties.map(({ code: property, type, value, description }): Answered => ({
        name: 'property',
        part: [
          { name: 'code', valueCode: property },
          valued('value', type, value),
          valued('description', 'String', description),
        ].filter(part => part !== undefined),
      })),
    ]),
    request,
  );
};

/** GET and POST of `CodeSystem/$subsumes` and `CodeSystem/[id]/$subsumes`. */
export const subsumes: Handler = async context => {
  checkPermitted(context, 'CodeSystem');
  const given = givenTo(context, 'CodeSystem-subsumes');
  const own = await definitionOfInstance(context, 'CodeSystem');
  const catalog = own === undefined ? context.catalog : withSystem(context.catalog, own);
  const a = codeIn(given, 'codeA', 'codingA', own?.url);
  const b = codeIn(given, 'codeB', 'codingB', own?.url);
  if (a.system !== b.system)
    throw new FhirError(
      'value',
      `Both codes must be of one code system, not of ${a.system} and ${b.system}.`,
    );
  const version = own?.version ?? a.version ?? b.version;
  const system = catalog.codeSystem(a.system, version);
  if (system === undefined) throw noSuch('code system', a.system);
  const placed = ({ code }: Named): Place => {
    const place = placeOf(system, code);
    if (place === undefined)
      throw new FhirError('not-found', `The code system ${system.url} has no code "${code.slice(0, 100)}".`);
    return place;
  };
  const outcome = subsumption(placed(a), placed(b));
  const answer: JsonObject = { name: 'outcome', valueCode: outcome };
  return sendResource({ status: 200 }, { resourceType: 'Parameters', parameter: [answer] }, context.request);
};
