// Codings and quantities by themselves: systems that are systems, codes that exist, units that are UCUM.
// https://hl7.org/fhir/R4/datatypes.html#Coding, https://hl7.org/fhir/R4/datatypes.html#Quantity
import type { JsonObject } from '../fhir/json.js';
import { isUnit, ucumSystem } from '../fhir/ucum.js';
import type { CodeIssue } from '../terminology/validate-code.js';
import type { Item } from './items.js';
import type { Run } from './run.js';

/** What an issue of a coding is about. */
const elements: Partial<Record<CodeIssue['kind'], string>> = {
  'wrong-display': 'display',
  'unknown-system': 'system',
  'relative-system': 'system',
  'value-set-as-system': 'system',
  'supplement-as-system': 'system',
};

export function checkCoding(item: Item, coding: JsonObject, run: Run): void {
  const { system, code, display, version } = coding;
  if (typeof system !== 'string') return;
  const issues = run.terminology.issuesOf(
    system,
    typeof code === 'string' ? code : '',
    typeof version === 'string' ? version : undefined,
    typeof display === 'string' ? display : undefined,
  );
  for (const { kind, severity, text } of issues) {
    const element = elements[kind] ?? 'code';
    if (typeof code !== 'string' && element !== 'system') continue;
    run.report({
      severity: kind === 'wrong-display' ? run.options.wrongDisplays : severity,
      code: kind === 'wrong-display' ? 'invalid' : kind === 'unknown-system' ? 'not-found' : 'code-invalid',
      expression: `${item.path}.${element}`,
      text,
      rule: kind,
    });
  }
}

export function checkQuantity(item: Item, quantity: JsonObject, run: Run): void {
  const { system, code } = quantity;
  if (system !== ucumSystem || typeof code !== 'string' || isUnit(code)) return;
  run.report({
    severity: 'error',
    code: 'code-invalid',
    expression: `${item.path}.code`,
    text: `"${code.slice(0, 100)}" is no UCUM unit.`,
    rule: 'ucum',
  });
}
