// One criterion without chains, `name:modifier=value,value`, on one type, as a node of the plan.
// https://hl7.org/fhir/R4/search.html#modifiers
import { FhirError } from '../errors.js';
import { idPattern } from '../fhir/resource.js';
import { answeredBy, type Answer, type Answers } from './aliases.js';
import { parameterNamed } from './named-parameter.js';
import type { Parameter } from './parameters.js';
import { all, and, none, not, or, type Leaf, type Node } from './plan.js';
import { searchTypes } from './types/all.js';
import { askedOf, componentValues, compositeNode } from './types/composite.js';
import { isCanonical } from './types/reference.js';
import {
  anyOf,
  equal,
  leaf,
  quoted,
  type Alternatives,
  type Asked,
  type Comparison,
  type ParseSettings,
} from './types/search-type.js';

/** `values` are those between the commas, still escaped. @throws UnknownParameter, FhirError `invalid-search` */
export function plainCriterion(
  type: string,
  name: string,
  values: readonly string[],
  settings: ParseSettings,
): Node {
  const [code = '', modifier, ...more] = name.split(':');
  const parameter = parameterNamed(type, code, settings.custom);
  if (more.length > 0 || modifier === '') throw unknownModifier(parameter, [modifier, ...more].join(':'));
  if (modifier === 'missing')
    return missing(answeredBy(type, code, settings.custom), parameter, name, values);
  if (code === '_id') return idIsOneOf(name, modifier, values);
  checkModifier(parameter, modifier);
  const node = either(
    values.map(value =>
      answered(answeredBy(type, code, settings.custom), parameter, { name, modifier, value, settings }),
    ),
  );
  return modifier === 'not' || modifier === 'not-in' ? not(node) : node;
}

/** `_filter`'s `code comparison value` on one type. @throws UnknownParameter, FhirError `invalid-search` */
export function comparedCriterion(
  type: string,
  code: string,
  comparison: Comparison,
  value: string,
  settings: ParseSettings,
): Node {
  const parameter = parameterNamed(type, code, settings.custom);
  if (comparison === 'pr')
    return not(missing(answeredBy(type, code, settings.custom), parameter, `${code} pr`, [value]));
  const own = searchTypes[parameter.type]?.comparisons ?? ['eq'];
  const accepted = code === '_id' ? ['eq'] : own;
  const negated = accepted.includes(comparison) ? undefined : negations[comparison];
  const asked = negated ?? comparison;
  if (!accepted.includes(asked)) {
    const all = [
      ...accepted,
      ...Object.entries(negations).flatMap(([no, yes]) => (accepted.includes(yes) ? no : [])),
    ];
    throw new FhirError(
      'invalid-search',
      `"${comparison}" is not for ${parameter.type} parameters such as "${code}"; accepted: ${[...new Set(all)].join(', ')}, pr.`,
    );
  }
  const node =
    code === '_id'
      ? idIsOneOf(code, undefined, [value])
      : answered(answeredBy(type, code, settings.custom), parameter, {
          name: code,
          modifier: undefined,
          comparison: asked,
          value,
          settings,
        });
  if (negated === undefined) return node;
  return comparison === 'ni'
    ? not(node)
    : and(not(missing(answeredBy(type, code, settings.custom), parameter, code, ['true'])), not(node));
}

/** Comparisons of texts and codes that are answered by what they negate. */
const negations: Readonly<Partial<Record<Comparison, Comparison>>> = { ne: 'eq', ni: 'in' };

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

function checkModifier(parameter: Parameter, modifier: string | undefined): void {
  if (modifier === undefined) return;
  const accepted = searchTypes[parameter.type]?.modifiers ?? [];
  if (accepted.includes(modifier)) return;
  if (
    accepted.includes('[type]') &&
    parameter.targets.includes(modifier) &&
    !isCanonical(parameter.elementTypes)
  )
    return;
  throw unknownModifier(parameter, modifier);
}

function unknownModifier(parameter: Parameter, modifier: string): FhirError {
  const own = (searchTypes[parameter.type]?.modifiers ?? []).flatMap(one =>
    one === '[type]' ? typeModifiers(parameter) : [`:${one}`],
  );
  const accepted = [':missing', ...own].join(', ');
  return new FhirError(
    'invalid-search',
    `The modifier ${quoted(`:${modifier}`)} of search parameter "${parameter.code}" is not supported; accepted: ${accepted}.`,
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
  /** Of `_filter`. */
  readonly comparison?: Comparison;
  readonly value: string;
  readonly settings: ParseSettings;
}

/** What one value asks, of the rows that answer the parameter. */
function answered(answers: Answers, parameter: Parameter, question: Question): Node {
  if ('any' in answers) return or(...answers.any.map(answer => askRows(answer, parameter, question)));
  const asked: Asked = {
    param: parameter.code,
    name: question.name,
    targets: [],
    elementTypes: new Set(),
    bindings: [],
  };
  const values = componentValues(question.value, parameter, asked);
  const { comparison: _only, ...plain } = question; // `eq`: a composite's components are asked as in its parameter
  return and(
    ...answers.each.map((each, i) => {
      const whole = 'any' in each ? each.any[0]!.parameter : parameter;
      const { elementTypes, bindings } = askedOf(parameter, i, asked);
      return answered(each, { ...whole, elementTypes, bindings }, { ...plain, value: values[i]! });
    }),
  );
}

function askRows(answer: Answer, parameter: Parameter, question: Question): Node {
  const { name, modifier, comparison, value, settings } = question;
  const rows = answer.parameter;
  const asked: Asked = {
    param: rows.code,
    name,
    targets: answer.targets ?? parameter.targets,
    elementTypes: parameter.elementTypes,
    bindings: parameter.bindings,
  };
  if (rows.kind === undefined) return none;
  if (rows.type === 'composite') return compositeNode(value, rows, asked, settings);
  const type = searchTypes[rows.type]!;
  if (modifier !== undefined) return type.modified!(modifier, value, asked, settings);
  if (type.node !== undefined) return type.node(value, asked);
  if (comparison !== undefined && type.compared !== undefined)
    return type.compared(comparison, value, asked, settings);
  const prefixed = (comparison ?? '') + value;
  const converted = type.converted?.(prefixed, asked);
  if (converted !== undefined) return anyOf(rows.kind, `${rows.code}:ucum`, converted);
  return anyOf(rows.kind, rows.code, type.alternatives(prefixed, asked, settings));
}

function idIsOneOf(name: string, modifier: string | undefined, values: readonly string[]): Node {
  if (modifier !== undefined && modifier !== 'not') {
    throw new FhirError(
      'invalid-search',
      `The modifier ${quoted(`:${modifier}`)} of search parameter "_id" is not supported; accepted: :missing, :not.`,
    );
  }
  const malformed = values.find(value => !idPattern.test(value));
  if (malformed !== undefined)
    throw new FhirError(
      'invalid-search',
      `The value ${quoted(malformed)} of search parameter "${name}" is not an id.`,
    );
  const node = anyOf(
    'token',
    '_id',
    values.map(value => [equal('code', value)]),
  );
  return modifier === 'not' ? not(node) : node;
}

function missing(answers: Answers, parameter: Parameter, name: string, values: readonly string[]): Node {
  const [value, ...more] = values;
  if (more.length > 0 || (value !== 'true' && value !== 'false')) {
    throw new FhirError(
      'invalid-search',
      `The value ${quoted(values.join(','))} of search parameter "${name}" is not understood: expected true or false.`,
    );
  }
  if (parameter.code === '_id' || parameter.code === '_lastUpdated') return value === 'true' ? none : all;
  const present = isPresent(answers);
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
