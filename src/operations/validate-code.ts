// $validate-code of code systems and value sets. Whether a code is right is an answer, never an error of HTTP.
// https://hl7.org/fhir/R4/codesystem-operation-validate-code.html, https://hl7.org/fhir/R4/valueset-operation-validate-code.html
import { FhirError, type Issue } from '../errors.js';
import type { CodeSystemDefinition } from '../fhir/definitions.js';
import { isObject, type Json, type JsonObject } from '../fhir/json.js';
import { operationOutcome } from '../fhir/outcome.js';
import type { Resource } from '../fhir/resource.js';
import { sendResource } from '../interactions/answer.js';
import type { Context, Handler } from '../interactions/context.js';
import type { FhirResponse } from '../interactions/exchange.js';
import {
  judgeCode,
  judgeConcept,
  type AskedCode,
  type CodeIssue,
  type CodeOptions,
  type GivenCoding,
  type JudgedCode,
} from '../terminology/validate-code.js';
import { givenTo, parametersOut, valued, type Given } from './operation-parameters.js';
import {
  askedValueSet,
  checkPermitted,
  definitionOfInstance,
  languagesOf,
  noSuch,
  remoteFor,
  withSystem,
} from './terminology-subject.js';

const text = (value: Json | undefined): string | undefined => (typeof value === 'string' ? value : undefined);

const codingOf = (coding: JsonObject): GivenCoding => ({
  system: text(coding['system']),
  version: text(coding['version']),
  code: text(coding['code']),
  display: text(coding['display']),
});

/** What is to be judged: one code, or the codings of a concept. */
interface Asked {
  readonly codings: readonly GivenCoding[];
  readonly from: 'code' | 'coding' | 'codeableConcept';
}

const forms = ['code', 'coding', 'codeableConcept'] as const;

/** @param given the code's own system and version are under these names */
function askedOf(given: Given, system: string | undefined, version: string | undefined): Asked {
  const present = forms.filter(name => given.has(name));
  const [from, another] = present;
  if (from === undefined || another !== undefined)
    throw new FhirError('required', `Exactly one of code, coding and codeableConcept is needed, not ${present.length === 0 ? 'none' : present.join(' and ')}.`); // prettier-ignore
  if (from === 'code')
    return {
      from,
      codings: [{ code: given.text('code')!, system, version, display: given.text('display') }],
    };
  if (from === 'coding') {
    const coding = codingOf(given.object('coding')!);
    if (coding.code === undefined) throw new FhirError('required', 'The coding needs a code.');
    return { from, codings: [{ ...coding, version: coding.version ?? version }] };
  }
  const list = given.object('codeableConcept')!['coding'];
  return { from, codings: (Array.isArray(list) ? list : []).filter(isObject).map(codingOf) };
}

const optionsOf = (given: Given): CodeOptions => {
  const abstract = given.flag('abstract');
  return { languages: languagesOf(given), ...(abstract === undefined ? {} : { abstract }) };
};

/** GET and POST of `ValueSet/$validate-code` and `ValueSet/[id]/$validate-code`. */
export const validateCodeInValueSet: Handler = async context => {
  checkPermitted(context, 'ValueSet');
  const given = givenTo(context, 'ValueSet-validate-code');
  const asked = askedOf(given, given.text('system'), given.text('systemVersion'));
  const { set, name } = await askedValueSet(context, given);
  if (set === undefined) {
    const elsewhere = await askRemote(context, 'ValueSet', given);
    if (elsewhere !== undefined) return elsewhere;
    throw noSuch('value set', name);
  }
  const options = { ...optionsOf(given), catalog: context.catalog };
  const judged =
    asked.from === 'codeableConcept'
      ? judgeConcept(asked.codings, set, options)
      : judgeCode(asked.codings[0] as AskedCode, set, options);
  if (judged.result === 'unknown') {
    const more = context.id === '' ? undefined : set;
    const elsewhere = await askRemote(context, 'ValueSet', given, more as unknown as Resource);
    if (elsewhere !== undefined) return elsewhere;
  }
  return answer(context, judged, asked.from);
};

/** GET and POST of `CodeSystem/$validate-code` and `CodeSystem/[id]/$validate-code`. */
export const validateCodeInSystem: Handler = async context => {
  checkPermitted(context, 'CodeSystem');
  const given = givenTo(context, 'CodeSystem-validate-code');
  const own =
    (await definitionOfInstance(context, 'CodeSystem')) ??
    (given.resource('codeSystem') as unknown as CodeSystemDefinition | undefined);
  const catalog = own === undefined ? context.catalog : withSystem(context.catalog, own);
  const system = own?.url ?? given.text('url');
  const asked = askedOf(given, system, own?.version ?? given.text('version'));
  const options = { ...optionsOf(given), catalog };
  const codings = asked.codings.map(one => ({ ...one, system: one.system ?? (asked.from === 'coding' ? system : undefined) })); // prettier-ignore
  if (system !== undefined) {
    const wrong = codings.find(one => one.system !== undefined && one.system !== system);
    if (wrong !== undefined && codings.length === 1)
      return answer(context, ofAnother(wrong, system), asked.from);
  }
  const [only] = codings;
  if (codings.length === 1 && asked.from !== 'codeableConcept' && only?.system === undefined)
    throw new FhirError('required', 'The code system is needed: url, or the system of the coding.');
  const relevant = system === undefined ? codings : codings.filter(one => one.system === system);
  const judged =
    asked.from === 'codeableConcept'
      ? judgeConcept(relevant, undefined, options)
      : judgeCode(only as AskedCode, undefined, options);
  if (judged.result === 'unknown') {
    const elsewhere = await askRemote(context, 'CodeSystem', given);
    if (elsewhere !== undefined) return elsewhere;
  }
  return answer(context, judged, asked.from);
};

const ofAnother = ({ system, code }: GivenCoding, wanted: string): JudgedCode => {
  const message = `The code "${code ?? ''}" is of ${system ?? ''}, not of ${wanted}.`;
  return { result: false, message, issues: [{ severity: 'error', kind: 'unknown-code', text: message }] };
};

async function askRemote(
  context: Context,
  type: string,
  given: Given,
  valueSet?: Resource,
): Promise<FhirResponse | undefined> {
  const remote = remoteFor(context);
  if (remote === undefined) return undefined;
  const parameters = given.asParameters();
  if (valueSet !== undefined && Array.isArray(parameters['parameter']))
    parameters['parameter'].push({ name: 'valueSet', resource: valueSet });
  const found = await remote.ask(`${type}/$validate-code`, parameters, 'Parameters');
  return found && sendResource({ status: 200 }, found, context.request);
}

const codes: Readonly<Record<CodeIssue['kind'], Issue['code']>> = {
  'unknown-code': 'code-invalid',
  'not-in-value-set': 'code-invalid',
  'unknown-system': 'not-found',
  'unknown-value-set': 'not-found',
  'wrong-display': 'invalid',
  'other-case': 'informational',
  abstract: 'business-rule',
  inactive: 'business-rule',
  'no-system': 'invalid',
  'relative-system': 'invalid',
  'value-set-as-system': 'invalid',
  'supplement-as-system': 'invalid',
  'no-code': 'required',
};

const element = (kind: CodeIssue['kind']): string =>
  kind === 'wrong-display' ? 'display' : /system/.test(kind) ? 'system' : 'code';

function placeOf({ kind, index = 0 }: CodeIssue, from: Asked['from']): string {
  if (from === 'code') return element(kind) === 'code' ? 'code' : element(kind);
  if (from === 'coding') return `Coding.${element(kind)}`;
  return kind === 'no-code' ? 'CodeableConcept.coding' : `CodeableConcept.coding[${index}].${element(kind)}`;
}

function answer({ request }: Context, judged: JudgedCode, from: Asked['from']): FhirResponse {
  const issues = judged.issues.map((issue): Issue => {
    return {
      severity: issue.severity,
      code: codes[issue.kind],
      text: issue.text,
      expression: placeOf(issue, from),
    };
  });
  return sendResource(
    { status: 200 },
    parametersOut([
      { name: 'result', valueBoolean: judged.result === true },
      valued('message', 'String', judged.message),
      valued('display', 'String', judged.display),
      issues.length === 0 ? undefined : { name: 'issues', resource: operationOutcome(issues) },
    ]),
    request,
  );
}
