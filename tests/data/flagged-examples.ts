// Published examples that $validate finds wrong, each with the reason. Everything else must be without an error, and
// what is here must be found wrong. tests/data/validate-examples.test.ts
import { invalidExamples } from './invalid-examples.js';

const noUnit = (code: string): string => `"${code}" is given as a UCUM code and is none`;
const noMatch = 'a fullUrl that does not end with the id of its resource';

/** HL7's R4 examples, by file. */
export const flaggedHl7: Readonly<Record<string, string>> = {
  ...invalidExamples,
  'Basic-referral.json': 'a modifier extension that nothing defines',
  'Bundle-father.json': noUnit('tbl'),
  'Bundle-hla-1.json': 'the extension hla-genotyping-results-glstring has no part "uri"',
  'Bundle-bundle-search-warning.json': 'an entry of a searchset without a fullUrl',
  'Bundle-10bb101f-a121-4264-a920-67be9cb82c74.json': noMatch,
  'Bundle-3a0707d3-549e-4467-b8b8-5a2ab3800efe.json': noMatch,
  'Bundle-lri-example.json': noMatch,
  'CodeSystem-snomedct.json': 'three properties with the same uri, which stands for one to be chosen',
  'ValueSet-example-hierarchical.json': 'a system that is no uri',
  'Library-library-fhir-helpers.json': 'a canonical that is a mere id',
  'Organization-2.16.840.1.113883.19.5.json': 'an OID as a URI without urn:oid:',
  'StructureDefinition-Consent.json': 'an example with an OID as a URI without urn:oid:',
  'TerminologyCapabilities-example.json': 'a urn:uuid in upper case',
  'Claim-760152.json': noUnit('TAB'),
  'MedicationDispense-meddisp0309.json': noUnit('drop'),
  'MedicationDispense-meddisp0313.json': noUnit('mEq'),
  'MedicationDispense-meddisp0318.json': noUnit('mcg'),
  'MedicationDispense-meddisp0324.json': noUnit('ea'),
  'MedicationDispense-meddisp0327.json': noUnit('ea'),
  'MedicationDispense-meddisp0328.json': noUnit('ea'),
  'MedicationDispense-meddisp0329.json': noUnit('ea'),
  'MedicationRequest-medrx0304.json': noUnit('drop'),
  'MedicationRequest-medrx0314.json': noUnit('mcg'),
  'MedicationRequest-medrx0319.json': noUnit('ml/hr'),
  'MedicationRequest-medrx0322.json': noUnit('mEq'),
  'MedicationRequest-medrx0334.json': noUnit('ea'),
  'MedicationRequest-medrx0335.json': noUnit('ea'),
  'Observation-f202.json': 'a body temperature without a time, which the vital sign must have',
  'VisionPrescription-33124.json': noUnit('month'),
};

/** Examples of US Core, by version and file. */
export const flaggedUsCore: Readonly<Record<string, string>> = {
  '311/Bundle-66c8856b-ba11-4876-8aa8-467aad8c11a2.json': noMatch,
  '311/Bundle-uscore-mo3.json': 'a relative fullUrl',
  '610/Bundle-66c8856b-ba11-4876-8aa8-467aad8c11a2.json': noMatch,
  '610/Bundle-docref-example-2.json': noMatch,
  '311/DiagnosticReport-cardiology-report.json': 'the hash holds dots and is not base64',
  '311/Observation-oxygen-saturation.json':
    'pulse oximetry without the LOINC code 2708-6 that the vital sign must have',
  '311/Observation-usg.json': 'a UCUM annotation with blanks',
};
