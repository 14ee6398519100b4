// The criteria of a search as nodes of the plan: over several types, through chains and reverse chains by recursion.
// https://hl7.org/fhir/R4/search.html#chaining, #has
import { FhirError } from '../errors.js';
import { resourceTypes } from '../fhir/definitions.js';
import { comparedCriterion, plainCriterion } from './criterion.js';
import { located, readFilter, type Comparing, type Filter, type FilterStep } from './filter.js';
import { fullText, fullTextOf } from './full-text.js';
import { inList } from './list.js';
import { referenceAnswers, referenceNamed, someOf, UnknownParameter } from './named-parameter.js';
import type { CustomParameters, Parameter } from './parameters.js';
import { and, none, not, or, type Node } from './plan.js';
import { anyOf, equal, quoted, split, type ParseSettings } from './types/search-type.js';

/** Chains and reverse chains in one criterion; each costs the stores a join. */
export const maxJoins = 5;
/** Types looked at for one criterion: chains without types through parameters that lead anywhere would multiply them. */
const maxNodes = 500;

interface Asking {
  readonly settings: ParseSettings;
  /** Chains so far. */
  readonly joins: number;
  readonly left: { nodes: number };
}

/**
 * The node of a criterion over resources of all the types; undefined where the value is empty, which means no
 * criterion. `name` is as the client wrote it, `value` still escaped.
 * @throws UnknownParameter, FhirError `invalid-search` for modifiers and values that are not understood,
 * `too-costly-search` for chains that lead too far
 */
export function criterion(
  types: readonly string[],
  name: string,
  value: string,
  settings: ParseSettings,
): Node | undefined {
  const asking = { settings, joins: 0, left: { nodes: maxNodes } };
  if (name === '_filter') {
    const filter = readFilter(value);
    return ofTypes(types, type => filtered(type, filter, asking));
  }
  const values = split(value, ',').filter(one => one !== '');
  if (values.length === 0) return undefined;
  // Parameters of every type mean the same in each.
  const isOfAll = name.startsWith('_') && !name.startsWith('_has:');
  const asked = isOfAll ? types.slice(0, 1) : types;
  return ofTypes(asked, type => criterionOf(type, name, values, asking));
}

function ofTypes(types: readonly string[], nodeOf: (type: string) => Node): Node {
  const groups = grouped(types, nodeOf);
  if (groups.length === 1) return groups[0]!.node;
  return or(...groups.map(group => and(isOneOf(group.types), group.node)));
}

interface Group {
  readonly node: Node;
  readonly types: string[];
}

/** The types by the node they have in common. */
function grouped(types: readonly string[], nodeOf: (type: string) => Node): readonly Group[] {
  const groups = new Map<string, Group>();
  for (const type of types) {
    const node = nodeOf(type);
    const key = JSON.stringify(node);
    const group = groups.get(key);
    if (group === undefined) groups.set(key, { node, types: [type] });
    else group.types.push(type);
  }
  return [...groups.values()];
}

/** A resource of one of the types. */
export const isOneOf = (types: readonly string[]): Node => {
  const alternatives = types.map(type => [equal('code', type)]);
  return anyOf('token', '_type', alternatives);
};

function criterionOf(type: string, name: string, values: readonly string[], asking: Asking): Node {
  countNode(name, asking);
  if (/^_list(:|$)/.test(name)) return inList(name, values);
  const fullTextName = fullTextOf(name);
  if (fullTextName !== undefined) return fullText(fullTextName, values.join(','));
  if (name.startsWith('_has:')) return reverseChain(type, name, values, joined(asking, name));
  const dot = name.indexOf('.');
  if (dot >= 0) return chain(type, name, dot, values, joined(asking, name));
  return plainCriterion(type, name, values, asking.settings);
}

function countNode(name: string, asking: Asking): void {
  if (--asking.left.nodes < 0) {
    throw new FhirError(
      'too-costly-search',
      `${quoted(name)} may lead to too many types; name them, as in subject:Patient.name.`,
    );
  }
}

function joined(asking: Asking, name: string): Asking {
  if (asking.joins === maxJoins) {
    throw new FhirError('too-costly-search', `${quoted(name)} follows more than ${maxJoins} references.`);
  }
  return { ...asking, joins: asking.joins + 1 };
}

/** What `_filter` asks of resources of the type. @throws FhirError telling the place in the filter */
function filtered(type: string, filter: Filter, asking: Asking): Node {
  switch (filter.op) {
    case 'and':
      return and(...filter.of.map(one => filtered(type, one, asking)));
    case 'or':
      return or(...filter.of.map(one => filtered(type, one, asking)));
    case 'not':
      return not(filtered(type, filter.of, asking));
    case 'compare':
      return located(filter.at, () => comparedOn(type, filter, filter.path, asking));
  }
}

function comparedOn(
  type: string,
  filter: Comparing,
  [step, ...more]: readonly FilterStep[],
  asking: Asking,
): Node {
  if (step === undefined) return none;
  countNode(step.name, asking);
  const fullTextName = more.length === 0 ? fullTextOf(step.name) : undefined;
  if (fullTextName !== undefined) {
    if (filter.comparison === 'co') return fullText(fullTextName, filter.value);
    throw new FhirError('invalid-search', `"${filter.comparison}" is not for ${step.name}; accepted: co.`);
  }
  if (more.length === 0)
    return comparedCriterion(type, step.name, filter.comparison, filter.value, asking.settings);
  const next = joined(asking, step.name);
  return through(type, step.name, step.name, asking, target => {
    const node = comparedOn(target, filter, more, next);
    return step.filter === undefined ? node : and(filtered(target, step.filter, next), node);
  });
}

/** `subject:Patient.name`, `patient.name`, `subject.organization.name`. */
function chain(type: string, name: string, dot: number, values: readonly string[], asking: Asking): Node {
  const rest = name.slice(dot + 1);
  return through(type, name.slice(0, dot), name, asking, target => criterionOf(target, rest, values, asking));
}

/** What is asked of the resources that a reference leads to; `step` is `subject` or `subject:Patient`. */
function through(
  type: string,
  step: string,
  name: string,
  { settings: { custom } }: Asking,
  nodeOf: (target: string) => Node,
): Node {
  const [code = '', only, ...more] = step.split(':');
  const parameter = referenceNamed(type, code, name, custom);
  if (more.length > 0 || (only !== undefined && !parameter.targets.includes(only))) {
    const named = quoted([only, ...more].join(':'));
    throw new FhirError(
      'invalid-search',
      `${quoted(name)}: ${code} leads to ${someOf(parameter.targets)}, not to ${named}.`,
    );
  }
  if (only !== undefined) return links(type, parameter, [only], nodeOf(only), custom);
  const nodes = new Map<string, Node>();
  let refusal: FhirError | undefined;
  for (const target of parameter.targets) {
    try {
      nodes.set(target, nodeOf(target));
    } catch (error) {
      // Of the possible targets those count that know the parameter and understand the value.
      if (!(error instanceof FhirError) || error.code !== 'invalid-search') throw error;
      if (refusal === undefined || refusal instanceof UnknownParameter) refusal = error;
    }
  }
  if (nodes.size === 0) throw refusal ?? new UnknownParameter(`${quoted(name)} leads nowhere.`);
  const groups = grouped([...nodes.keys()], target => nodes.get(target)!);
  return or(...groups.map(({ node, types }) => links(type, parameter, types, node, custom)));
}

/** Links through the rows that answer a reference parameter. */
function links(
  type: string,
  parameter: Parameter,
  types: readonly string[],
  node: Node,
  custom: CustomParameters | undefined,
): Node {
  if (node.op === 'none') return none;
  return or(
    ...referenceAnswers(type, parameter, custom).map(({ parameter: rows, targets }): Node => {
      const reached = targets === undefined ? types : types.filter(one => targets.includes(one));
      return reached.length === 0 ? none : { op: 'link', param: rows.code, types: reached, node };
    }),
  );
}

/** `_has:Observation:patient:code`; what follows the parameter may itself be a chain or another `_has`. */
function reverseChain(type: string, name: string, values: readonly string[], asking: Asking): Node {
  const [, source = '', code = '', ...more] = name.split(':');
  const rest = more.join(':');
  if (!resourceTypes().has(source) || code === '' || rest === '') {
    throw new FhirError(
      'invalid-search',
      `${quoted(name)} is not understood: expected _has:[type]:[reference parameter]:[parameter].`,
    );
  }
  const parameter = referenceNamed(source, code, name, asking.settings.custom);
  if (!parameter.targets.includes(type)) {
    throw new FhirError(
      'invalid-search',
      `${quoted(name)}: ${source}.${code} leads to ${someOf(parameter.targets)}, not to ${type}.`,
    );
  }
  const node = criterionOf(source, rest, values, asking);
  if (node.op === 'none') return none;
  return or(
    ...referenceAnswers(source, parameter, asking.settings.custom).map(({ parameter: rows }): Node => ({
      op: 'backlink',
      type: source,
      param: rows.code,
      node,
    })),
  );
}
