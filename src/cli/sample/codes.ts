// The coded vocabulary of the sample district: LOINC, SNOMED CT, ATC, CVX and HL7's own code systems.
// https://hl7.org/fhir/R4/terminologies-systems.html
import type { JsonObject } from '../../fhir/json.js';

const hl7 = (name: string) => `http://terminology.hl7.org/CodeSystem/${name}`;

export const systems = {
  loinc: 'http://loinc.org',
  snomed: 'http://snomed.info/sct',
  atc: 'http://www.whocc.no/atc',
  cvx: 'http://hl7.org/fhir/sid/cvx',
  ucum: 'http://unitsofmeasure.org',
  actCode: hl7('v3-ActCode'),
  observationCategory: hl7('observation-category'),
  interpretation: hl7('v3-ObservationInterpretation'),
  conditionClinical: hl7('condition-clinical'),
  conditionVerification: hl7('condition-ver-status'),
  conditionCategory: hl7('condition-category'),
  allergyClinical: hl7('allergyintolerance-clinical'),
  allergyVerification: hl7('allergyintolerance-verification'),
  diagnosticSection: hl7('v2-0074'),
  identifierType: hl7('v2-0203'),
  organizationType: hl7('organization-type'),
  practitionerRole: hl7('practitioner-role'),
  roleCode: hl7('v3-RoleCode'),
  participation: hl7('v3-ParticipationType'),
  locationForm: hl7('location-physical-type'),
  staffRole: 'https://example.org/CodeSystem/staff-role',
  dischargeDisposition: hl7('discharge-disposition'),
  maritalStatus: hl7('v3-MaritalStatus'),
  appointmentReason: hl7('v2-0276'),
  consentScope: hl7('consentscope'),
  language: 'urn:ietf:bcp:47',
} as const;

export const identifierSystems = {
  facility: 'https://example.org/sid/facility-code',
  licence: 'https://example.org/sid/practitioner-licence',
  patient: 'https://example.org/sid/patient-number',
  visit: 'https://example.org/sid/visit-number',
  order: 'https://example.org/sid/laboratory-order',
  accession: 'https://example.org/sid/accession-number',
  filler: 'https://example.org/sid/laboratory-report',
  invoice: 'https://example.org/sid/invoice-number',
  tariff: 'https://example.org/sid/tariff',
} as const;

export const coding = (system: string, code: string, display: string): JsonObject => ({
  system,
  code,
  display,
});

export const concept = (system: string, code: string, display: string): JsonObject => ({
  coding: [{ system, code, display }],
  text: display,
});

export const loinc = (code: string, display: string): JsonObject => concept(systems.loinc, code, display);
export const snomed = (code: string, display: string): JsonObject => concept(systems.snomed, code, display);

/** A quantity with a UCUM code; `unit` is what people read. https://ucum.org */
export const quantity = (value: number, code: string, unit: string = code): JsonObject => ({
  value,
  unit,
  system: systems.ucum,
  code,
});

export const vitalSigns = [concept(systems.observationCategory, 'vital-signs', 'Vital Signs')];
export const laboratory = [concept(systems.observationCategory, 'laboratory', 'Laboratory')];

export const interpretations = {
  low: [concept(systems.interpretation, 'L', 'Low')],
  normal: [concept(systems.interpretation, 'N', 'Normal')],
  high: [concept(systems.interpretation, 'H', 'High')],
  negative: [concept(systems.interpretation, 'NEG', 'Negative')],
  positive: [concept(systems.interpretation, 'POS', 'Positive')],
};
