// The gate that every write passes: is the resource of the shape its definition gives? ajv validators compiled at build
// time answer yes or no at full speed; only a no is walked again for words. https://hl7.org/fhir/R4/validation.html
// Invariants, profiles and terminology are not its business (README.md beside this file).
import { createRequire } from 'node:module';
import { FhirError, type ErrorCode, type Issue } from '../errors.js';
import { resourceTypes } from '../fhir/definitions.js';
import { isObject } from '../fhir/json.js';
import { primitives } from '../fhir/primitives.js';
import type { Resource } from '../fhir/resource.js';
import { aligned } from './aligned.js';
import { explain } from './explain.js';

type Check = (value: unknown) => boolean;

const require = createRequire(import.meta.url);
const load = (module: string): unknown => require(`../validators/${module}.cjs`);

/** What scripts/compile-validators.mjs makes the validators call. */
const runtime = load('runtime') as {
  primitives: typeof primitives;
  aligned: typeof aligned;
  resource: Check;
};
Object.assign(runtime, { primitives, aligned, resource: passes });

const checks = new Map<string, Check>();

function checkOf(type: unknown): Check | undefined {
  if (typeof type !== 'string') return undefined;
  const known = checks.get(type);
  if (known) return known;
  if (!resourceTypes().has(type)) return undefined;
  const check = (load(type) as Record<string, Check>)[type];
  if (check) checks.set(type, check);
  return check;
}

/** True if the value, and every resource within it, is of the shape of its own type. */
function passes(value: unknown): boolean {
  return isObject(value) && checkOf(value['resourceType'])?.(value) === true;
}

const isKnownType: Check = value => isObject(value) && checkOf(value['resourceType']) !== undefined;

const problems = (resource: Resource, within: boolean): readonly Issue[] => {
  const issues = explain(resource, within);
  if (issues.length > 0) return issues;
  const text = `This ${resource.resourceType} is not of the shape its definition gives.`;
  return [{ severity: 'error', code: 'structure', text, expression: resource.resourceType }];
};

/** What is wrong with the resource and every resource within it, at most 100 issues; [] if it passes. */
export const gate = (resource: Resource): readonly Issue[] =>
  passes(resource) ? [] : problems(resource, true);

/**
 * Like `gate`, but of the resources within (Bundle.entry.resource, Parameters.parameter.resource, contained) only the
 * type is checked: for a batch or transaction whose entries pass the gate one by one.
 */
export function gateShallow(resource: Resource): readonly Issue[] {
  runtime.resource = isKnownType;
  try {
    if (passes(resource)) return [];
  } finally {
    runtime.resource = passes;
  }
  return problems(resource, false);
}

/** @throws FhirError `structure`, `value`, `required` or `wrong-type` with all issues of `gate`, where there are any. */
export const checkGate = (resource: Resource): void => refuse(resource, gate(resource));

/** @throws FhirError as `checkGate`, for the issues of `gateShallow`. */
export const checkGateShallow = (resource: Resource): void => refuse(resource, gateShallow(resource));

const codes: Partial<Record<Issue['code'], ErrorCode>> = {
  value: 'value',
  'code-invalid': 'value',
  required: 'required',
  invalid: 'wrong-type',
};

function refuse(resource: Resource, issues: readonly Issue[]): void {
  const [first] = issues;
  if (!first) return;
  const message = issues.length === 1 ? first.text : `${first.text} (and ${issues.length - 1} more)`;
  throw new FhirError(codes[first.code] ?? 'structure', message, {
    expression: first.expression ?? resource.resourceType,
    issues,
  });
}
