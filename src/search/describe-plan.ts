// A plan in words, for people who ask how a search is answered (`_explain`): a line per node, indented by what it is part of.
import type { Condition, Node, SearchPlan } from './plan.js';

export function describePlan({ types, where, sort, count, total }: SearchPlan): string {
  const order = sort.map(
    ({ param, kind, descending }) => `${param} (${kind}${descending ? ', descending' : ''})`,
  );
  return [
    `of ${types.length > 5 ? `${types.length} types` : types.join(', ')}`,
    ...linesOf(where),
    `in order of ${[...order, 'creation'].join(', ')}; at most ${count}; total: ${total}`,
  ].join('\n');
}

function linesOf(node: Node): string[] {
  switch (node.op) {
    case 'all':
      return ['everything'];
    case 'none':
      return ['nothing'];
    case 'and':
      return ['all of', ...node.nodes.flatMap(one => indented(linesOf(one)))];
    case 'or':
      return ['any of', ...node.nodes.flatMap(one => indented(linesOf(one)))];
    case 'not':
      return ['not', ...indented(linesOf(node.node))];
    case 'link':
      return [`${node.param} leads to ${node.types.join(' or ')} with`, ...indented(linesOf(node.node))];
    case 'backlink':
      return [`${node.type}.${node.param} leads here, with`, ...indented(linesOf(node.node))];
    case 'row': {
      const where = node.where.map(describe).join(' and ');
      return [`a ${node.kind} row of ${node.param}${where === '' ? '' : ` with ${where}`}`];
    }
  }
}

const indented = (lines: readonly string[]): string[] => lines.map(line => `  ${line}`);

/** More values than these are only counted. */
const mostShown = 10;

function describe(condition: Condition): string {
  const { column } = condition;
  switch (condition.is) {
    case 'eq':
      return `${column} = ${JSON.stringify(condition.value)}`;
    case 'in':
      return condition.values.length > mostShown
        ? `${column} one of ${condition.values.length} values`
        : `${column} one of ${condition.values.map(value => JSON.stringify(value)).join(', ')}`;
    case 'prefix':
      return `${column} beginning with ${JSON.stringify(condition.value)}`;
    case 'suffix':
      return `${column} ending with ${JSON.stringify(condition.value)}`;
    case 'contains':
      return `${column} containing ${JSON.stringify(condition.value)}`;
    case 'range': {
      const { gt, ge, lt, le } = condition;
      const bounds = [
        gt === undefined ? [] : `> ${gt}`,
        ge === undefined ? [] : `>= ${ge}`,
        lt === undefined ? [] : `< ${lt}`,
        le === undefined ? [] : `<= ${le}`,
      ].flat();
      return `${column} ${bounds.join(' and ')}`;
    }
  }
}
