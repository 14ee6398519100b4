// Known faults of R4's own definitions, put right where they are read. Each is corrected so in R4B or R5, or stated in
// HL7's tracker. https://hl7.org/fhir/R4B/history.html
// Surprising why: IG packages repeat R4's constraints in their snapshots, so an erratum is known by what it replaces.
import type { Constraint } from '../fhir/definitions.js';

/** By the expression as published: what was meant. */
const expressions: ReadonlyMap<string, string> = new Map([
  // tim-9: the meals themselves (C, CM, CD, CV) are what an offset makes no sense with.
  [
    "offset.empty() or (when.exists() and ((when in ('C' | 'CM' | 'CD' | 'CV')).not()))",
    "offset.empty() or (when.exists() and when.select($this in ('C' | 'CM' | 'CD' | 'CV')).allFalse())",
  ],
  // que-12: more than one, as its text says.
  [
    'enableWhen.count() > 2 implies enableBehavior.exists()',
    'enableWhen.count() > 1 implies enableBehavior.exists()',
  ],
  // app-4: the code is noshow.
  [
    "Appointment.cancelationReason.exists() implies (Appointment.status='no-show' or Appointment.status='cancelled')",
    "cancelationReason.exists() implies (status = 'noshow' or status = 'cancelled')",
  ],
  // que-7: FHIR's boolean, not FHIRPath's.
  ["operator = 'exists' implies (answer is Boolean)", "operator = 'exists' implies (answer is boolean)"],
  // ref-1: `#` alone is the container; without a reference there is nothing to judge.
  [
    "reference.startsWith('#').not() or (reference.substring(1).trace('url') in %rootResource.contained.id.trace('ids'))",
    "reference.exists() implies (reference.startsWith('#').not() or reference = '#' or (reference.substring(1) in %rootResource.contained.id))",
  ],
  // bdl-8: without a fullUrl there is nothing to judge.
  ["fullUrl.contains('/_history/').not()", "fullUrl.exists() implies fullUrl.contains('/_history/').not()"],
  // opd-3: resource types that stand for a reference.
  [
    "targetProfile.exists() implies (type = 'Reference' or type = 'canonical')",
    "targetProfile.exists() implies (type = 'Reference' or type = 'canonical' or type.memberOf('http://hl7.org/fhir/ValueSet/resource-types'))",
  ],
  // eld-19, eld-20: patterns meant from start to end; `$` and choices in paths.
  [
    "path.matches('[A-Za-z][A-Za-z0-9]*(\\\\.[a-z][A-Za-z0-9]*(\\\\[x])?)*')",
    "path.matches('^[A-Za-z][A-Za-z0-9]*(\\\\.[a-z][A-Za-z0-9]*(\\\\[x\\\\])?)*$')",
  ],
  // vsd-0, csd-0: a name is optional.
  [
    "name.matches('[A-Z]([A-Za-z0-9_]){0,254}')",
    "name.exists() implies name.matches('^[A-Z]([A-Za-z0-9_]){0,254}$')",
  ],
]);

const structure = 'http://hl7.org/fhir/StructureDefinition/structuredefinition-';

/** Elements that R4's own definitions carry an extension on, beyond the contexts they give it. */
export const moreContexts: ReadonlyMap<string, string> = new Map([
  [`${structure}fhir-type`, 'ElementDefinition.type'],
  [`${structure}normative-version`, 'Element'],
  ['http://hl7.org/fhir/StructureDefinition/regex', 'ElementDefinition.type'],
]);

const vitalUnits = 'http://hl7.org/fhir/ValueSet/ucum-vitals-common|4.0.1';

/** The units of vital signs' components: extensible since R4B, as they always were for the observation itself. */
export const correctedStrength = (path: string, strength: string, valueSet: string | undefined): string =>
  path === 'Observation.component.value[x]' && valueSet === vitalUnits && strength === 'required'
    ? 'extensible'
    : strength;

export function corrected(constraint: Constraint): Constraint {
  const meant = constraint.expression === undefined ? undefined : expressions.get(constraint.expression);
  return meant === undefined ? constraint : { ...constraint, expression: meant };
}
