// HL7's own examples that are not valid R4, each with the reason. Everything else must be taken.
const noNarrative = 'the narrative is empty (txt-2)';
const noType = 'the structure is not abstract and has no baseDefinition (sdf-4)';
const noBase = 'SearchParameter.base is required and missing';

export const invalidExamples: Readonly<Record<string, string>> = {
  'Observation-clinical-gender.json': 'performer refers to an Encounter, which its definition does not allow',
  'SearchParameter-questionnaireresponse-extensions-QuestionnaireResponse-item-subject.json':
    'the id has more than 64 characters',
  'SearchParameter-codesystem-extensions-CodeSystem-author.json': noBase,
  'SearchParameter-codesystem-extensions-CodeSystem-effective.json': noBase,
  'SearchParameter-codesystem-extensions-CodeSystem-end.json': noBase,
  'SearchParameter-codesystem-extensions-CodeSystem-workflow.json': noBase,
  'SearchParameter-valueset-extensions-ValueSet-author.json': noBase,
  'SearchParameter-valueset-extensions-ValueSet-effective.json': noBase,
  'SearchParameter-valueset-extensions-ValueSet-keyword.json': noBase,
  'SearchParameter-valueset-extensions-ValueSet-workflow.json': noBase,
  'ActivityDefinition-blood-tubes-supply.json': noNarrative,
  'ActivityDefinition-heart-valve-replacement.json': noNarrative,
  'EventDefinition-example.json': noNarrative,
  'Questionnaire-zika-virus-exposure-assessment.json': noNarrative,
  'PlanDefinition-example-cardiology-os.json': 'a contained resource that nothing refers to (dom-3)',
  'RiskAssessment-breastcancer-risk.json': 'a probability of more than 100 (ras-2)',
  'StructureDefinition-Definition.json': noType,
  'StructureDefinition-Event.json': noType,
  'StructureDefinition-FiveWs.json': noType,
};
