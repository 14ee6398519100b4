// The rules that judge whole resources by what no StructureDefinition can say, by type: each is a file of rules/, its
// source the page of the specification in its first lines.
import { tableOf } from '../fhir/table.js';
import type { ResourceRule } from './finding.js';
import { bundle } from './rules/bundle.js';
import { canonicals } from './rules/canonicals.js';
import { codeSystem } from './rules/code-system.js';
import { conceptMap } from './rules/concept-map.js';
import { elements } from './rules/elements.js';
import { measureReport } from './rules/measure-report.js';
import { narrative } from './rules/narrative.js';
import { questionnaire } from './rules/questionnaire.js';
import { questionnaireResponse } from './rules/questionnaire-response.js';
import { searchParameter } from './rules/search-parameter.js';
import { structureDefinition } from './rules/structure-definition.js';
import { valueSet } from './rules/value-set.js';

const everywhere: readonly ResourceRule[] = [narrative, elements, canonicals];

const byType = tableOf<readonly ResourceRule[]>({
  Bundle: [bundle],
  CodeSystem: [codeSystem],
  ConceptMap: [conceptMap],
  MeasureReport: [measureReport],
  Questionnaire: [questionnaire],
  QuestionnaireResponse: [questionnaireResponse],
  SearchParameter: [searchParameter],
  StructureDefinition: [structureDefinition],
  ValueSet: [valueSet],
});

/** Rules for a resource of the type, wherever it stands: by itself, contained, in an entry. */
export const rulesFor = (type: string): readonly ResourceRule[] => {
  const own = byType(type);
  return own === undefined ? everywhere : [...everywhere, ...own];
};
