// One criterion of a search, `name:modifier=value`, as a node of the plan; chains and reverse chains by recursion.
// https://hl7.org/fhir/R4/search.html#parameters, #chaining, #has
import { FhirError } from '../errors.js';
import { resourceTypes } from '../fhir/definitions.js';
import { answeredBy, type Answer, type Answers } from './aliases.js';
import { didYouMean } from './did-you-mean.js';
import { parametersOf, type Parameter } from './parameters.js';
import { all, and, none, not, or, type Leaf, type Node } from './plan.js';
import { searchTypes } from './types/all.js';
import { componentValues, compositeAlternatives, askedOf } from './types/composite.js';
import { isCanonical } from './types/reference.js';
import {
  anyOf,
  equal,
  leaf,
  split,
  type Alternatives,
  type Asked,
  type ParseSettings,
} from './types/search-type.js';

/** The type searched has no such parameter: refused, or with lenient handling ignored and reported. */
export class UnknownParameter extends FhirError {
  constructor(message: string) {
    super('invalid-search', message);
    this.name = 'UnknownParameter';
  }
}

/** Chains and reverse chains in one criterion; each costs the stores a join. */
const maxJoins = 5;

/**
 * The node of a criterion over resources of all the types; undefined where the value is empty, which means no
 * criterion. `name` is as the client wrote it, `value` still escaped.
 * @throws UnknownParameter, FhirError `invalid-search` for modifiers and values that are not understood
 */
export function criterion(
  types: readonly string[],
  name: string,
  value: string,
  settings: ParseSettings,
  joins = 0,
): Node | undefined {
  const values = split(value, ',').filter(one => one !== '');
  if (values.length === 0) return undefined;
  // Parameters of every type mean the same in each.
  const asked =
    name.startsWith('_') && !name.startsWith('_has:') && types.length > 1 ? types.slice(0, 1) : types;
  return perType(asked, type => criterionOf(type, name, values, settings, joins));
}

/** One node for all types where they agree, else each type's own under its name. */
function perType(types: readonly string[], nodeOf: (type: string) => Node): Node {
  const groups = new Map<string, { node: Node; types: string[] }>();
  for (const type of types) {
    const node = nodeOf(type);
    const key = JSON.stringify(node);
    const group = groups.get(key);
    if (group === undefined) groups.set(key, { node, types: [type] });
    else group.types.push(type);
  }
  const found = [...groups.values()];
  return found.length === 1
    ? found[0]!.node
    : or(...found.map(group => and(isOneOf(group.types), group.node)));
}

const isOneOf = (types: readonly string[]): Node =>
  anyOf(
    'token',
    '_type',
    types.map(type => [equal('code', type)]),
  );

function criterionOf(
  type: string,
  name: string,
  values: readonly string[],
  settings: ParseSettings,
  joins: number,
): Node {
  if (name.startsWith('_has:')) return reverseChain(type, name, values, settings, joins + 1);
  const dot = name.indexOf('.');
  if (dot >= 0) return chain(type, name, dot, values, settings, joins + 1);
  const [code = '', modifier, ...more] = name.split(':');
  const parameter = parameterNamed(type, code);
  if (more.length > 0 || modifier === '')
    throw unknownModifier(parameter, name, [modifier, ...more].join(':'));
  if (modifier === 'missing') return missing(type, parameter, name, values);
  if (code === '_id') return idIsOneOf(name, modifier, values);
  checkModifier(parameter, name, modifier);
  const node = either(
    values.map(value => answered(answeredBy(type, code), parameter, { name, modifier, value, settings })),
  );
  return modifier === 'not' ? not(node) : node;
}

/** Disjunction in which leaves of one parameter become as few as possible: a list of codes is one leaf. */
function either(nodes: readonly Node[]): Node {
  const node = or(...nodes);
  if (node.op !== 'or') return node;
  const rest: Node[] = [];
  const leaves = new Map<string, Leaf[]>();
  for (const one of node.nodes) {
    if (one.op !== 'row') rest.push(one);
    else leaves.set(`${one.kind} ${one.param}`, [...(leaves.get(`${one.kind} ${one.param}`) ?? []), one]);
  }
  return or(
    ...[...leaves.values()].map(([first, ...more]) =>
      anyOf(
        first!.kind,
        first!.param,
        [first!, ...more].map(one => one.where),
      ),
    ),
    ...rest,
  );
}

/** @throws UnknownParameter */
export function parameterNamed(type: string, code: string): Parameter {
  const known = parametersOf(type);
  const parameter = known.get(code);
  if (parameter?.kind !== undefined) return parameter;
  if (parameter !== undefined || unsupported.has(code))
    throw new UnknownParameter(`The search parameter "${code}" is not supported here yet.`);
  throw new UnknownParameter(`${type} has no search parameter "${code}".${didYouMean(code, known.keys())}`);
}

/** In the specification, but not here yet. */
const unsupported = new Set(['_text', '_content', '_list', '_query', '_filter']);

function checkModifier(parameter: Parameter, name: string, modifier: string | undefined): void {
  if (modifier === undefined) return;
  const accepted = searchTypes[parameter.type]?.modifiers ?? [];
  if (accepted.includes(modifier)) return;
  if (
    accepted.includes('[type]') &&
    parameter.targets.includes(modifier) &&
    !isCanonical(parameter.elementTypes)
  )
    return;
  throw unknownModifier(parameter, name, modifier);
}

function unknownModifier(parameter: Parameter, name: string, modifier: string): FhirError {
  const own = (searchTypes[parameter.type]?.modifiers ?? []).flatMap(one =>
    one === '[type]' ? typeModifiers(parameter) : [`:${one}`],
  );
  const accepted = [':missing', ...own].join(', ');
  return new FhirError(
    'invalid-search',
    `The modifier ":${modifier}" of search parameter "${name.split(':')[0]}" is not supported; accepted: ${accepted}.`,
  );
}

const typeModifiers = (parameter: Parameter): readonly string[] => {
  if (isCanonical(parameter.elementTypes)) return [];
  return parameter.targets.length > 10
    ? [':[any resource type]']
    : parameter.targets.map(target => `:${target}`);
};

interface Question {
  readonly name: string;
  readonly modifier: string | undefined;
  readonly value: string;
  readonly settings: ParseSettings;
}

/** What one value asks, of the rows that answer the parameter. */
function answered(answers: Answers, parameter: Parameter, question: Question): Node {
  if ('any' in answers) return or(...answers.any.map(answer => askRows(answer, parameter, question)));
  const asked: Asked = { param: parameter.code, name: question.name, targets: [], elementTypes: new Set() };
  const values = componentValues(question.value, parameter, asked);
  return and(
    ...answers.each.map((each, i) => {
      const whole = 'any' in each ? each.any[0]!.parameter : parameter;
      const value = values[i]!;
      return answered(
        each,
        { ...whole, elementTypes: askedOf(parameter, i, asked).elementTypes },
        { ...question, value },
      );
    }),
  );
}

function askRows(answer: Answer, parameter: Parameter, { name, modifier, value, settings }: Question): Node {
  const rows = answer.parameter;
  const asked: Asked = {
    param: rows.code,
    name,
    targets: answer.targets ?? parameter.targets,
    elementTypes: parameter.elementTypes,
  };
  if (rows.kind === undefined) return none;
  if (rows.type === 'composite')
    return anyOf('composite', rows.code, compositeAlternatives(value, rows, asked, settings));
  const type = searchTypes[rows.type]!;
  if (modifier !== undefined) return type.modified!(modifier, value, asked, settings);
  return anyOf(rows.kind, rows.code, type.alternatives(value, asked, settings));
}

function idIsOneOf(name: string, modifier: string | undefined, values: readonly string[]): Node {
  if (modifier !== undefined && modifier !== 'not') {
    throw new FhirError(
      'invalid-search',
      `The modifier ":${modifier}" of search parameter "_id" is not supported; accepted: :missing, :not.`,
    );
  }
  const malformed = values.find(value => !/^[A-Za-z0-9\-.]{1,64}$/.test(value));
  if (malformed !== undefined)
    throw new FhirError(
      'invalid-search',
      `The value "${malformed}" of search parameter "${name}" is not an id.`,
    );
  const node = anyOf(
    'token',
    '_id',
    values.map(value => [equal('code', value)]),
  );
  return modifier === 'not' ? not(node) : node;
}

function missing(type: string, parameter: Parameter, name: string, values: readonly string[]): Node {
  const [value, ...more] = values;
  if (more.length > 0 || (value !== 'true' && value !== 'false')) {
    throw new FhirError(
      'invalid-search',
      `The value "${values.join(',')}" of search parameter "${name}" is not understood: expected true or false.`,
    );
  }
  if (parameter.code === '_id' || parameter.code === '_lastUpdated') return value === 'true' ? none : all;
  const present = isPresent(answeredBy(type, parameter.code));
  return value === 'true' ? not(present) : present;
}

/** There is a value, even one that no row can be made of. */
function isPresent(answers: Answers): Node {
  if ('each' in answers) return and(...answers.each.map(isPresent));
  return or(
    ...answers.any.map(({ parameter, targets }) => {
      const { code, kind, type, elementTypes } = parameter;
      if (kind === undefined) return none;
      if (targets !== undefined) return anyOf(kind, code, leadingTo(targets));
      const index = searchTypes[type]?.index;
      // Primitive values always make a row: only others may be there without one.
      const always = [...elementTypes].every(one => /^[a-z]/.test(one) && index?.[one] !== undefined);
      return always || kind === 'composite'
        ? leaf(kind, code)
        : or(leaf(kind, code), leaf('token', `${code}:present`));
    }),
  );
}

/** Targets of these types, here or elsewhere. */
const leadingTo = (types: readonly string[]): Alternatives =>
  types.flatMap(type => [
    [{ column: 'target', is: 'prefix', value: `${type}/` }],
    [{ column: 'target', is: 'contains', value: `/${type}/` }],
  ]);

/** `subject:Patient.name`, `patient.name`, `subject.organization.name`. */
function chain(
  type: string,
  name: string,
  dot: number,
  values: readonly string[],
  settings: ParseSettings,
  joins: number,
): Node {
  limitJoins(name, joins);
  const [code = '', only, ...more] = name.slice(0, dot).split(':');
  const rest = name.slice(dot + 1);
  const parameter = referenceNamed(type, code, name);
  if (more.length > 0 || (only !== undefined && !parameter.targets.includes(only))) {
    throw new FhirError(
      'invalid-search',
      `"${name}": ${code} leads to ${someOf(parameter.targets)}, not to "${[only, ...more].join(':')}".`,
    );
  }
  const byNode = new Map<string, { node: Node; types: string[] }>();
  let refusal: FhirError | undefined;
  for (const target of only === undefined ? parameter.targets : [only]) {
    try {
      const node = criterionOf(target, rest, values, settings, joins);
      const key = JSON.stringify(node);
      const group = byNode.get(key) ?? { node, types: [] };
      group.types.push(target);
      byNode.set(key, group);
    } catch (error) {
      // Of the possible targets those count that know the parameter and understand the value.
      if (!(error instanceof FhirError)) throw error;
      if (refusal === undefined || refusal instanceof UnknownParameter) refusal = error;
    }
  }
  if (byNode.size === 0) throw refusal ?? new UnknownParameter(`"${name}" leads nowhere.`);
  return or(...[...byNode.values()].map(({ node, types }) => links(type, parameter, types, node)));
}

/** Links through the rows that answer a reference parameter. */
function links(type: string, parameter: Parameter, types: readonly string[], node: Node): Node {
  return or(
    ...referenceAnswers(type, parameter).map(({ parameter: rows, targets }): Node => {
      const reached = targets === undefined ? types : types.filter(one => targets.includes(one));
      return reached.length === 0 || node.op === 'none'
        ? none
        : { op: 'link', param: rows.code, types: reached, node };
    }),
  );
}

/** The parameters by whose rows a reference parameter is answered. */
export function referenceAnswers(type: string, parameter: Parameter): readonly Answer[] {
  const answers = answeredBy(type, parameter.code);
  return 'any' in answers ? answers.any : [];
}

/** `_has:Observation:patient:code`; what follows the second colon may itself be a chain or another `_has`. */
function reverseChain(
  type: string,
  name: string,
  values: readonly string[],
  settings: ParseSettings,
  joins: number,
): Node {
  limitJoins(name, joins);
  const [, source = '', code = '', ...more] = name.split(':');
  const rest = more.join(':');
  if (!resourceTypes().has(source) || code === '' || rest === '') {
    throw new FhirError(
      'invalid-search',
      `"${name}" is not understood: expected _has:[type]:[reference parameter]:[parameter].`,
    );
  }
  const parameter = referenceNamed(source, code, name);
  if (!parameter.targets.includes(type)) {
    throw new FhirError(
      'invalid-search',
      `"${name}": ${source}.${code} leads to ${someOf(parameter.targets)}, not to ${type}.`,
    );
  }
  const node = criterionOf(source, rest, values, settings, joins);
  if (node.op === 'none') return none;
  return or(
    ...referenceAnswers(source, parameter).map(({ parameter: rows }): Node => ({
      op: 'backlink',
      type: source,
      param: rows.code,
      node,
    })),
  );
}

/** @throws FhirError where the parameter is no reference to resources of this server */
export function referenceNamed(type: string, code: string, name: string): Parameter {
  const parameter = parameterNamed(type, code);
  if (parameter.type !== 'reference') {
    throw new FhirError(
      'invalid-search',
      `"${name}": ${type}.${code} is a ${parameter.type} parameter; only references lead to other resources.`,
    );
  }
  if (isCanonical(parameter.elementTypes)) {
    throw new FhirError(
      'invalid-search',
      `"${name}": ${type}.${code} holds canonical URLs, which are not followed; search by the URL.`,
    );
  }
  return parameter;
}

function limitJoins(name: string, joins: number): void {
  if (joins > maxJoins)
    throw new FhirError('too-costly-search', `"${name}" follows more than ${maxJoins} references.`);
}

const someOf = (types: readonly string[]): string => (types.length > 10 ? 'any type' : types.join(', '));
