// Compiles a plan's nodes to MongoDB filters: one entry per node kind, so that a new kind does not compile until it
// has one. Links are two-phase: the ids on the far side are looked up first, in bounded number, and become key lists.
import type { ClientSession, Filter } from 'mongodb';
import { FhirError } from '../../errors.js';
import { all, and, none, not, or, type Condition, type Leaf, type Node } from '../../search/plan.js';
import { between, keySafe, keyStart, secondKeyStart, textColumns, type TextKind } from './fields.js';
import type { Current, Layout, TypeIndex } from './layout.js';

export type Criteria = Readonly<Record<string, unknown>>;

/** What a compilation may look at, and in whose transaction. */
export interface Reach {
  readonly layout: Layout;
  readonly session?: ClientSession;
}

/** So many resources may stand between a chain and its result. */
export const linkLimit = 10_000;

const nothing: Criteria = { $nor: [{}] };

/** The filter for current, undeleted resources of the type that satisfy the node; undefined: none can. */
export async function filterOf(reach: Reach, type: string, node: Node): Promise<Criteria | undefined> {
  const plain = ofType(type, node);
  if (plain.op === 'none') return undefined;
  const criteria = await compile(reach, type, plain);
  return conjunction([{ o: { $gt: 0 } }, criteria]);
}

/** For the driver, whose filter type wants to know every field by name. */
export const asFilter = (criteria: Criteria): Filter<Current> => criteria;

/** The index that should drive the search: the first that a necessary condition can use. */
export function indexFor(node: Node): TypeIndex | undefined {
  const parts = node.op === 'and' ? node.nodes : [node];
  const leaves = parts.filter(part => part.op === 'row');
  if (leaves.some(leaf => leaf.param === '_id')) return undefined; // the primary key
  if (parts.some(part => part.op === 'backlink')) return undefined; // a list of ids
  if (parts.some(part => part.op === 'link')) return 'key';
  const kinds = new Set(leaves.filter(leaf => leaf.param !== '_lastUpdated').map(leaf => leaf.kind));
  for (const kind of ['reference', 'token', 'uri', 'string'] as const) if (kinds.has(kind)) return 'key';
  for (const kind of ['composite', 'date', 'number'] as const) if (kinds.has(kind)) return kind;
  return leaves.some(leaf => leaf.param === '_lastUpdated') ? 'updated' : undefined;
}

/** Decides `_type` rows, which every resource of one collection answers alike. */
function ofType(type: string, node: Node): Node {
  switch (node.op) {
    case 'and':
      return and(...node.nodes.map(part => ofType(type, part)));
    case 'or':
      return or(...node.nodes.map(part => ofType(type, part)));
    case 'not':
      return not(ofType(type, node.node));
    case 'row':
      if (node.param !== '_type' || node.kind !== 'token') return node;
      return node.where.every(condition => holds(condition, condition.column === 'code' ? type : ''))
        ? all
        : none;
    case 'all':
    case 'none':
    case 'link':
    case 'backlink':
      return node;
  }
}

function holds(condition: Condition, text: string): boolean {
  switch (condition.is) {
    case 'eq':
      return text === condition.value;
    case 'in':
      return condition.values.includes(text);
    case 'prefix':
      return text.startsWith(condition.value);
    case 'contains':
      return text.includes(condition.value);
    case 'range':
      return false;
  }
}

type Compilers = {
  readonly [Op in Node['op']]: (
    reach: Reach,
    type: string,
    node: Extract<Node, { op: Op }>,
  ) => Promise<Criteria>;
};

const compilers: Compilers = {
  all: async () => ({}),
  none: async () => nothing,
  and: async (reach, type, node) => conjunction(await compileEach(reach, type, node.nodes)),
  or: async (reach, type, node) => disjunction(await compileEach(reach, type, node.nodes)),
  not: async (reach, type, node) => ({ $nor: [await compile(reach, type, node.node)] }),
  row: async (_reach, _type, leaf) => rowCriteria(leaf),
  link: async (reach, _type, node) => {
    const start = keyStart('reference', node.param);
    const keys: string[] = [];
    for (const type of node.types) {
      const ids = await idsOf(reach, type, node.node, linkLimit - keys.length, node.param);
      keys.push(...ids.map(id => start + keySafe(`${type}/${id}`)));
    }
    return oneOf('k', keys);
  },
  backlink: async (reach, type, node) => oneOf('_id', await targetsOf(reach, type, node)),
};

function compile(reach: Reach, type: string, node: Node): Promise<Criteria> {
  const compiler = compilers[node.op] as (reach: Reach, type: string, node: Node) => Promise<Criteria>;
  return compiler(reach, type, node);
}

async function compileEach(reach: Reach, type: string, nodes: readonly Node[]): Promise<Criteria[]> {
  const compiled: Criteria[] = [];
  for (const node of nodes) compiled.push(await compile(reach, type, node)); // one by one: a session is not for parallel use
  return compiled;
}

const conjunction = (parts: readonly Criteria[]): Criteria => {
  const kept = parts.filter(part => Object.keys(part).length > 0);
  return kept.length === 1 ? kept[0]! : kept.length === 0 ? {} : { $and: kept };
};

/** Alternatives on the same field become one list, so that long OR lists are one walk through the index. */
function disjunction(parts: readonly Criteria[]): Criteria {
  const lists = new Map<string, string[]>();
  const others: Criteria[] = [];
  for (const part of parts) {
    const [field, condition] = Object.entries(part)[0] ?? [];
    if (field === undefined) return {};
    const values = typeof condition === 'string' ? [condition] : (condition as { $in?: string[] }).$in;
    if (Object.keys(part).length !== 1 || values === undefined) others.push(part);
    else lists.set(field, [...(lists.get(field) ?? []), ...values]);
  }
  for (const [field, values] of lists) others.push(oneOf(field, values));
  return others.length === 1 ? others[0]! : { $or: others };
}

const oneOf = (field: string, values: readonly string[]): Criteria =>
  values.length === 1 ? { [field]: values[0]! } : { [field]: { $in: values } };

/** Ids of the type's resources for which the node holds. */
async function idsOf(
  reach: Reach,
  type: string,
  node: Node,
  limit: number,
  param: string,
): Promise<string[]> {
  const criteria = await filterOf(reach, type, node);
  if (criteria === undefined) return [];
  const found = await reach.layout
    .type(type)
    .find(asFilter(criteria), { ...within(reach), projection: { _id: 1 }, limit: limit + 1 })
    .toArray();
  if (found.length > limit) throw tooMany(param);
  return found.map(document => document._id);
}

/** Ids of the type's resources that a resource of `node.type` refers to by `node.param`. */
async function targetsOf(
  reach: Reach,
  type: string,
  node: Extract<Node, { op: 'backlink' }>,
): Promise<string[]> {
  const criteria = await filterOf(reach, node.type, node.node);
  if (criteria === undefined) return [];
  const start = keyStart('reference', node.param) + keySafe(`${type}/`);
  const isTarget = [{ $gte: ['$$key', start] }, { $lt: ['$$key', start + lastCharacter] }];
  const found = await reach.layout
    .type(node.type)
    .aggregate<{ _id: string }>(
      [
        { $match: conjunction([{ k: { $regex: `^${quoted(start)}` } }, criteria]) },
        { $project: { k: { $filter: { input: '$k', as: 'key', cond: { $and: isTarget } } } } },
        { $unwind: '$k' },
        { $group: { _id: '$k' } },
        { $limit: 2 * linkLimit + 2 }, // each target is there as a key alone and as one with its version
      ],
      { ...within(reach), allowDiskUse: true },
    )
    .toArray();
  const ids = new Set(found.map(({ _id: key }) => key.slice(start.length).split(between)[0]!));
  if (ids.size > linkLimit) throw tooMany(node.param);
  return [...ids];
}

const within = (reach: Reach): { session?: ClientSession } =>
  reach.session ? { session: reach.session } : {};

const tooMany = (param: string): FhirError =>
  new FhirError(
    'too-costly-search',
    `The chain over '${param}' passes more than ${linkLimit} resources; add a criterion that narrows them.`,
  );

/** Sorts after every id that a reference can name: ids are ASCII. */
const lastCharacter = '\u{10ffff}';

function rowCriteria(leaf: Leaf): Criteria {
  if (leaf.kind === 'token' && leaf.param === '_id') return idCriteria(leaf.where);
  switch (leaf.kind) {
    case 'token':
    case 'string':
    case 'reference':
    case 'uri':
      return textCriteria(leaf.kind, leaf.param, leaf.where);
    case 'date':
      if (leaf.param === '_lastUpdated')
        return conjunction(leaf.where.map(condition => ({ lu: onColumn(condition) })));
      return elements('d', leaf, condition => condition.column);
    case 'number':
      return elements('n', leaf, condition => condition.column);
    case 'composite':
      return elements('c', leaf, condition => `c${condition.column}`);
  }
}

/** `_id` rows: the code is the id, the system is empty. */
function idCriteria(where: readonly Condition[]): Criteria {
  if (!where.every(condition => condition.column === 'code' || holds(condition, ''))) return nothing;
  return conjunction(
    where.filter(({ column }) => column === 'code').map(condition => ({ _id: onColumn(condition) })),
  );
}

/** One element of the array satisfies every condition: without $elemMatch the bounds could be met by two. */
function elements(array: string, leaf: Leaf, path: (condition: Condition) => string): Criteria {
  if (leaf.where.length === 0) return { [`${array}.p`]: leaf.param };
  const conditions = leaf.where.map(condition => ({ [path(condition)]: onColumn(condition) }));
  const paths = new Set(leaf.where.map(path));
  const parts =
    paths.size === conditions.length ? (Object.assign({}, ...conditions) as Criteria) : { $and: conditions };
  return { [array]: { $elemMatch: { p: leaf.param, ...parts } } };
}

function onColumn(condition: Condition): unknown {
  switch (condition.is) {
    case 'eq':
      return condition.value;
    case 'in':
      return { $in: condition.values };
    case 'prefix':
      return { $regex: `^${quoted(condition.value)}` };
    case 'contains':
      return { $regex: quoted(condition.value) };
    case 'range': {
      const { gt, ge, lt, le } = condition;
      if ((gt ?? ge ?? lt ?? le) === undefined) return { $exists: true };
      return {
        ...(gt === undefined ? {} : { $gt: gt }),
        ...(ge === undefined ? {} : { $gte: ge }),
        ...(lt === undefined ? {} : { $lt: lt }),
        ...(le === undefined ? {} : { $lte: le }),
      };
    }
  }
}

/** A row of text columns: a key, a list of keys, or a pattern over the key that has both columns. */
function textCriteria(kind: TextKind, param: string, where: readonly Condition[]): Criteria {
  const columns = textColumns[kind];
  const first = where.filter(condition => condition.column === columns.first);
  const second = where.filter(condition => condition.column === columns.second);
  if (first.length + second.length !== where.length) {
    throw new TypeError(`A ${kind} row has no column ${where.map(({ column }) => column).join(' or ')}`);
  }
  const start = keyStart(kind, param);
  const firsts = exactly(first);
  const seconds = exactly(second);
  if (where.length === 0) return { k: { $regex: `^${quoted(start)}` } };
  if (firsts && second.length === 0 && columns.firstAlone)
    return oneOf(
      'k',
      firsts.map(value => start + value),
    );
  if (firsts && seconds)
    return oneOf(
      'k',
      firsts.flatMap(value => seconds.map(other => start + value + between + other)),
    );
  if (first.length === 0 && columns.secondAlone) {
    const alone = secondKeyStart(kind, param);
    return seconds
      ? oneOf(
          'k',
          seconds.map(value => alone + value),
        )
      : { k: { $regex: `^${quoted(alone)}${pattern(second)}$` } };
  }
  const tail = columns.second === undefined ? '' : `${between}${pattern(second)}`;
  return { k: { $regex: `^${quoted(start)}${pattern(first)}${tail}$` } };
}

/** The key-safe values if the conditions on a column are one equality or list. */
function exactly(conditions: readonly Condition[]): readonly string[] | undefined {
  const [condition] = conditions;
  if (conditions.length !== 1) return undefined;
  if (condition?.is === 'eq') return [keySafe(condition.value)];
  return condition?.is === 'in' ? condition.values.map(keySafe) : undefined;
}

// A column's text: anything up to the separator that follows it.
const anything = `[^${between}]*`;

/** A regular expression for one column of a key. */
function pattern(conditions: readonly Condition[]): string {
  if (conditions.length === 1) return columnPattern(conditions[0]!);
  return conditions.map(condition => `(?=${columnPattern(condition)}(?:${between}|$))`).join('') + anything;
}

function columnPattern(condition: Condition): string {
  switch (condition.is) {
    case 'eq':
      return quoted(keySafe(condition.value));
    case 'in':
      return `(?:${condition.values.map(value => quoted(keySafe(value))).join('|')})`;
    case 'prefix':
      return quoted(keySafe(condition.value)) + anything;
    case 'contains':
      return anything + quoted(keySafe(condition.value)) + anything;
    case 'range':
      throw new TypeError(`A range on the text column ${condition.column}`);
  }
}

/** Literal text in a regular expression; MongoDB refuses a NUL in one. */
const quoted = (text: string): string =>
  text.replace(/[\\^$.*+?()[\]{}|/-]/g, '\\$&').replaceAll('\u0000', '\\x00');
