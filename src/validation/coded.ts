// Codings and quantities by themselves: systems that are systems, codes that exist, units that are UCUM.
// https://hl7.org/fhir/R4/datatypes.html#Coding, https://hl7.org/fhir/R4/datatypes.html#Quantity
import type { JsonObject } from '../fhir/json.js';
import { isUnit, ucumSystem } from '../fhir/ucum.js';
import type { Finding } from './finding.js';
import type { Item } from './items.js';
import type { Run } from './run.js';

const isAbsolute = (url: string): boolean => /^[a-z][a-z0-9+.-]*:/i.test(url);

export function checkCoding(item: Item, coding: JsonObject, run: Run): void {
  const { system, code, display } = coding;
  if (typeof system !== 'string') return;
  const say = (
    severity: Finding['severity'],
    rule: string,
    element: string,
    text: string,
    issue = 'code-invalid',
  ): void => run.report({ severity, code: issue, expression: `${item.path}.${element}`, text, rule });
  if (!isAbsolute(system)) {
    say('error', 'coding-system', 'system', `The system "${system.slice(0, 200)}" must be an absolute uri.`);
    return;
  }
  if (run.terminology.isValueSet(system)) {
    say('error', 'coding-system', 'system', `${system} is a value set, which is no code system.`);
    return;
  }
  if (typeof code !== 'string') return;
  const defined = run.terminology.defines(system, code);
  if (defined === false) {
    say('error', 'coding-code', 'code', `The code system ${system} has no code "${code.slice(0, 100)}".`);
    return;
  }
  if (defined === 'unknown' || typeof display !== 'string') return;
  const displays = run.terminology.displays?.(system, code);
  if (displays && displays.length > 0 && !displays.some(one => folded(one) === folded(display)))
    say(
      run.options.wrongDisplays,
      'coding-display',
      'display',
      `The display "${display.slice(0, 100)}" is none of the code's; expected "${displays[0]!}".`,
      'invalid',
    );
}

const folded = (text: string): string => text.trim().replace(/\s+/g, ' ').toLowerCase();

export function checkQuantity(item: Item, quantity: JsonObject, run: Run): void {
  const { system, code } = quantity;
  if (system !== ucumSystem || typeof code !== 'string') return;
  if (!isUnit(code))
    run.report({
      severity: 'error',
      code: 'code-invalid',
      expression: `${item.path}.code`,
      text: `"${code.slice(0, 100)}" is no UCUM unit.`,
      rule: 'ucum',
    });
}
