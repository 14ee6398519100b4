// The roles Tsela comes with, as data. An administrator changes them at run time (`tsela role set`); what is kept in the
// documents port wins over what is written here. docs/roles.md says each in prose.
// Surprising why: a role that does not see all of a type (masks) may not change it, since it would write back holes.
import type { Role } from './role.js';

/** What care is given and recorded with. */
const clinical = [
  'AdverseEvent', 'AllergyIntolerance', 'Basic', 'Binary', 'BodyStructure', 'CarePlan', 'CareTeam', 'ClinicalImpression',
  'Communication', 'CommunicationRequest', 'Composition', 'Condition', 'DetectedIssue', 'Device', 'DeviceRequest',
  'DeviceUseStatement', 'DiagnosticReport', 'DocumentManifest', 'DocumentReference', 'Encounter', 'EpisodeOfCare',
  'FamilyMemberHistory', 'Flag', 'Goal', 'Group', 'GuidanceResponse', 'ImagingStudy', 'Immunization',
  'ImmunizationEvaluation', 'ImmunizationRecommendation', 'List', 'Media', 'Medication', 'MedicationAdministration',
  'MedicationStatement', 'MolecularSequence', 'NutritionOrder', 'Observation', 'Procedure', 'Provenance',
  'QuestionnaireResponse', 'RequestGroup', 'RiskAssessment', 'ServiceRequest', 'Specimen', 'SupplyDelivery',
  'SupplyRequest', 'Task', 'VisionPrescription',
]; // prettier-ignore
const prescribing = ['MedicationRequest', 'MedicationDispense'];
const administrative = [
  'Account', 'Appointment', 'AppointmentResponse', 'Consent', 'Coverage', 'Patient', 'Person', 'RelatedPerson', 'Schedule',
  'Slot',
]; // prettier-ignore
const directory = [
  'Endpoint', 'HealthcareService', 'Location', 'Organization', 'OrganizationAffiliation', 'Practitioner',
  'PractitionerRole',
]; // prettier-ignore
const definitions = [
  'ActivityDefinition', 'CapabilityStatement', 'CatalogEntry', 'CodeSystem', 'CompartmentDefinition', 'ConceptMap',
  'ImplementationGuide', 'MedicationKnowledge', 'NamingSystem', 'OperationDefinition', 'PlanDefinition', 'Questionnaire',
  'SearchParameter', 'StructureDefinition', 'StructureMap', 'Substance', 'ValueSet',
]; // prettier-ignore
/** How somebody is reached and found: not needed to work on a specimen or a prescription. */
const contacts = ['telecom', 'address', 'contact', 'photo'];
/** What a patient or who stands for them may add. */
const ownWords = [
  'Appointment', 'AppointmentResponse', 'Communication', 'Consent', 'DocumentReference', 'Observation',
  'QuestionnaireResponse',
]; // prettier-ignore
/** The content of their documents; it is not changed when others may have read it. */
const ownContent = { types: ['Binary'], may: 'c' };

export const shippedRoles: Readonly<Record<string, Role>> = {
  administrator: {
    says: 'Runs the server: everything that consent does not close, roles, the audit trail.',
    reach: 'all',
    purpose: 'HOPERAT',
    permissions: [{ types: ['*'], may: 'cruds' }],
    abilities: ['disclosures', 'explain', 'expunge', 'people', 'roles', 'unlabel'],
    secondFactor: 'required',
  },
  doctor: {
    says: 'Reads and writes the whole record, prescribes.',
    reach: 'all',
    purpose: 'TREAT',
    permissions: [
      { types: ['*'], except: ['AuditEvent'], may: 'rs' },
      { types: [...clinical, ...prescribing, ...administrative], may: 'cruds' },
    ],
    abilities: ['break-glass'],
  },
  nurse: {
    says: 'Reads the whole record, writes it except prescriptions.',
    reach: 'all',
    purpose: 'TREAT',
    permissions: [
      { types: ['*'], except: ['AuditEvent'], may: 'rs' },
      { types: [...clinical, ...administrative], may: 'crus' },
    ],
    abilities: ['break-glass'],
  },
  pharmacist: {
    says: 'Sees what prescriptions depend on, dispenses.',
    reach: 'all',
    purpose: 'TREAT',
    permissions: [
      { types: ['Patient', 'AllergyIntolerance', 'Condition', 'DetectedIssue', 'Encounter', 'Flag', 'Immunization', 'MedicationRequest', ...directory, ...definitions], may: 'rs' }, // prettier-ignore
      { types: ['Observation'], may: 'rs', where: 'category=laboratory,vital-signs' },
      { types: ['DetectedIssue', 'Medication', 'MedicationAdministration', 'MedicationDispense', 'MedicationStatement', 'SupplyDelivery', 'Task'], may: 'crus' }, // prettier-ignore
    ],
    masks: { Patient: ['photo', 'contact'] },
  },
  laboratory: {
    says: 'Sees what was ordered and of whom, without how to reach them; writes specimens and results.',
    reach: 'all',
    purpose: 'TREAT',
    permissions: [
      { types: ['Patient', 'Encounter', 'ServiceRequest', ...directory, ...definitions], may: 'rs' },
      { types: ['Observation'], may: 'crus', where: 'category=laboratory' },
      { types: ['DiagnosticReport'], may: 'crus', where: 'category=LAB' },
      { types: ['Specimen', 'Task'], may: 'crus' },
      { types: ['Binary'], may: 'cr' },
    ],
    masks: { Patient: contacts, Encounter: ['reasonCode', 'reasonReference', 'diagnosis'] },
  },
  reception: {
    says: 'Registers patients and books; sees that somebody comes, not why.',
    reach: 'all',
    purpose: 'HOPERAT',
    permissions: [
      { types: administrative.filter(type => type !== 'Consent'), may: 'crus' },
      { types: ['Encounter', ...directory, ...definitions], may: 'rs' },
    ],
    masks: { Encounter: ['reasonCode', 'reasonReference', 'diagnosis', 'type'] },
  },
  patient: {
    says: 'Sees the own record; adds to it; decides who else sees it.',
    reach: 'own',
    purpose: 'PATRQT',
    permissions: [
      { types: ['*'], except: ['AuditEvent'], may: 'rs' },
      { types: ownWords, may: 'cu' },
      ownContent,
    ],
    abilities: ['disclosures'],
  },
  proxy: {
    says: 'Sees and does what the patients could for whom they stand, as long as they may stand for them.',
    reach: 'own',
    purpose: 'FAMRQT',
    permissions: [
      { types: ['*'], except: ['AuditEvent'], may: 'rs' },
      { types: ownWords, may: 'cu' },
      ownContent,
    ],
    abilities: ['disclosures'],
  },
  system: {
    says: 'A machine of the facility, within the scopes it is registered for.',
    reach: 'all',
    permissions: [{ types: ['*'], may: 'cruds' }],
    abilities: ['explain'],
    consent: 'exempt',
  },
};
