// Search parameters: an expression that can be read, on the types they are for. https://hl7.org/fhir/R4/searchparameter.html
import { expressionProblem } from '../invariants.js';
import type { ResourceRule } from '../finding.js';
import { listIn, textIn } from './reading.js';

export const searchParameter: ResourceRule = (resource, path, report) => {
  const expression = textIn(resource, 'expression');
  if (expression === undefined) return;
  // Without a type every name is allowed: what is left is whether it can be read.
  const unreadable = expressionProblem(expression, '');
  const text = (why: string): string => `The expression ${why}: ${expression.slice(0, 200)}`;
  const found = { expression: `${path}.expression`, rule: 'search-parameter-expression' };
  if (unreadable !== undefined)
    return report({ ...found, severity: 'error', code: 'value', text: text(unreadable) });
  const problems = listIn(resource, 'base').map(base => expressionProblem(expression, String(base)));
  const [first] = problems;
  // The parts for other types of a shared expression are nothing to a type.
  if (first !== undefined && problems.every(problem => problem !== undefined))
    report({ ...found, severity: 'warning', code: 'value', text: text(first) });
};
