// When the care took place that a resource tells of, as search parameters: what `start` and `end` of $everything ask.
// https://hl7.org/fhir/R4/patient-operation-everything.html
// Surprising why: types that are not listed, such as allergies, coverage and the patient, hold at all times. What has no
// date at all is kept too: a record that lacks something is worse than one with too much.
import { instant } from '../fhir/ids.js';
import { criterion, isOneOf } from '../search/criteria.js';
import { and, not, or, type Node } from '../search/plan.js';
import type { ParseSettings } from '../search/types/search-type.js';

interface CareDate {
  readonly begins: string;
  readonly ends: string;
  readonly types: readonly string[];
}

const during = (param: string, types: readonly string[]): CareDate => ({ begins: param, ends: param, types });

export const careDates: readonly CareDate[] = [
  // A condition belongs to every range between its onset and its abatement.
  { begins: 'onset-date', ends: 'abatement-date', types: ['Condition'] },
  during('date', [
    'AdverseEvent',
    'Appointment',
    'CarePlan',
    'ClinicalImpression',
    'Composition',
    'DiagnosticReport',
    'DocumentReference',
    'Encounter',
    'EpisodeOfCare',
    'Immunization',
    'ImmunizationRecommendation',
    'Invoice',
    'List',
    'MeasureReport',
    'Observation',
    'Procedure',
    'RiskAssessment',
    'SupplyRequest',
  ]),
  during('created', ['Claim', 'ClaimResponse', 'DocumentManifest', 'ExplanationOfBenefit', 'Media']),
  during('authored', ['QuestionnaireResponse', 'RequestGroup', 'ServiceRequest', 'CommunicationRequest']),
  during('authored-on', ['DeviceRequest']),
  during('authoredon', ['MedicationRequest']),
  during('collected', ['Specimen']),
  during('datetime', ['NutritionOrder']),
  during('datewritten', ['VisionPrescription']),
  during('effective', ['MedicationStatement']),
  during('effective-time', ['MedicationAdministration']),
  during('identified', ['DetectedIssue']),
  during('occurrence', ['ChargeItem']),
  during('recorded', ['Provenance']),
  during('sent', ['Communication']),
  during('started', ['ImagingStudy']),
  during('whenhandedover', ['MedicationDispense']),
];

/** The care reached beyond `from` and began before `to` (ms, either may be open), or says no date. */
export function caredBetween(
  types: readonly string[],
  { from, to }: { readonly from: number | undefined; readonly to: number | undefined },
  settings: ParseSettings,
): Node {
  const holds = (those: readonly string[], param: string, value: string): Node =>
    or(
      not(criterion(those, `${param}:missing`, 'false', settings)!),
      criterion(those, param, value, settings)!,
    );
  const dated = careDates
    .map(date => ({ ...date, types: date.types.filter(type => types.includes(type)) }))
    .filter(date => date.types.length > 0);
  const standing = types.filter(type => !dated.some(date => date.types.includes(type)));
  return or(
    isOneOf(standing),
    ...dated.map(({ begins, ends, types: those }) =>
      and(
        isOneOf(those),
        ...(from === undefined ? [] : [holds(those, ends, `ge${instant(from)}`)]),
        ...(to === undefined ? [] : [holds(those, begins, `le${instant(to)}`)]),
      ),
    ),
  );
}
