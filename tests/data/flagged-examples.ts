// Published examples that $validate finds wrong, each with the reason. Everything else must be without an error, and
// what is here must be found wrong. tests/data/validate-examples.test.ts
import { invalidExamples } from './invalid-examples.js';

const noUnit = (code: string): string => `"${code}" is given as a UCUM code and is none`;
const noType = 'the structure is not abstract and has no baseDefinition (sdf-4)';

/** HL7's R4 examples, by file. */
export const flaggedHl7: Readonly<Record<string, string>> = {
  ...invalidExamples,
  'Basic-referral.json': 'a modifier extension that nothing defines',
  'Bundle-father.json': noUnit('tbl'),
  'Bundle-hla-1.json': 'the extension hla-genotyping-results-glstring has no part "uri"',
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
  'PlanDefinition-example-cardiology-os.json': 'a contained resource that nothing refers to (dom-3)',
  'RiskAssessment-breastcancer-risk.json': 'a probability of more than 100 (ras-2)',
  'StructureDefinition-Definition.json': noType,
  'StructureDefinition-Event.json': noType,
  'StructureDefinition-FiveWs.json': noType,
  'VisionPrescription-33124.json': noUnit('month'),
};

/** Examples of US Core, by version and file. */
export const flaggedUsCore: Readonly<Record<string, string>> = {
  '311/DiagnosticReport-cardiology-report.json': 'the hash holds dots and is not base64',
  '311/Observation-oxygen-saturation.json':
    'pulse oximetry without the LOINC code 2708-6 that the vital sign must have',
  '311/Observation-usg.json': 'a UCUM annotation with blanks',
};
