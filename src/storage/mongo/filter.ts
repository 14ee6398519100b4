// Compiles a plan's nodes to MongoDB filters: one entry per node kind, so that a new kind does not compile until it
// has one. Links are two-phase: the ids on the far side are looked up first, in bounded number, and become key lists.
import type { ClientSession, Filter } from 'mongodb';
import { FhirError } from '../../errors.js';
import { all, and, none, not, or, type Node } from '../../search/plan.js';
import { ask, timeLeft, type Reach } from './asking.js';
import { conjunction, holds, nothing, oneOf, quoted, rowCriteria, type Criteria } from './criteria.js';
import { between, keySafe, keyStart } from './fields.js';
import type { Current, TypeIndex } from './layout.js';

/** So many resources may stand between a chain and its result. */
export const linkLimit = 10_000;

export interface Compiled {
  /** For current, undeleted resources. */
  readonly criteria: Criteria;
  /** The transaction, the index meant and the time allowed. */
  readonly options: { session?: ClientSession; hint?: TypeIndex; maxTimeMS: number };
}

/** How the type's collection is asked for resources that satisfy the node; undefined: none can. */
export async function filterOf(reach: Reach, type: string, node: Node): Promise<Compiled | undefined> {
  const plain = ofType(type, node);
  if (plain.op === 'none') return undefined;
  const criteria = conjunction([{ o: { $gt: 0 } }, await compile(reach, type, plain)]);
  const hint = indexFor(plain);
  return { criteria, options: { ...within(reach), ...(hint ? { hint } : {}), maxTimeMS: timeLeft(reach) } };
}

/** The index as a command names it. */
export const hinted = ({ options }: Compiled): { hint?: TypeIndex } =>
  options.hint === undefined ? {} : { hint: options.hint };

/** For the driver, whose filter type wants to know every field by name. */
export const asFilter = (criteria: Criteria): Filter<Current> => criteria;

/** The index that should drive the search: the first that a necessary condition can use. */
function indexFor(node: Node): TypeIndex | undefined {
  const parts = node.op === 'and' ? node.nodes : [node];
  const leaves = parts.filter(part => part.op === 'row');
  if (leaves.some(leaf => leaf.param === '_id')) return undefined; // the primary key
  if (parts.some(part => part.op === 'backlink')) return undefined; // a list of ids
  if (parts.some(part => part.op === 'link')) return 'key';
  const kinds = new Set(leaves.filter(leaf => leaf.param !== '_lastUpdated').map(leaf => leaf.kind));
  for (const kind of ['reference', 'token', 'uri', 'string', 'words'] as const)
    if (kinds.has(kind)) return 'key';
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

/** Ids of the type's resources for which the node holds. */
async function idsOf(
  reach: Reach,
  type: string,
  node: Node,
  limit: number,
  param: string,
): Promise<string[]> {
  const compiled = await filterOf(reach, type, node);
  if (compiled === undefined) return [];
  const found = await ask(
    reach,
    () => ({ find: type, filter: compiled.criteria, limit: limit + 1, ...hinted(compiled) }),
    () =>
      reach.layout
        .type(type)
        .find(asFilter(compiled.criteria), { ...compiled.options, projection: { _id: 1 }, limit: limit + 1 })
        .toArray(),
    each => each.length,
  );
  if (found.length > limit) throw tooMany(param);
  return found.map(document => document._id);
}

/** Ids of the type's resources that a resource of `node.type` refers to by `node.param`. */
async function targetsOf(
  reach: Reach,
  type: string,
  node: Extract<Node, { op: 'backlink' }>,
): Promise<string[]> {
  const compiled = await filterOf(reach, node.type, node.node);
  if (compiled === undefined) return [];
  const start = keyStart('reference', node.param) + keySafe(`${type}/`);
  const isTarget = [{ $gte: ['$$key', start] }, { $lt: ['$$key', start + lastCharacter] }];
  const pipeline = [
    { $match: conjunction([{ k: { $regex: `^${quoted(start)}` } }, compiled.criteria]) },
    { $project: { k: { $filter: { input: '$k', as: 'key', cond: { $and: isTarget } } } } },
    { $unwind: '$k' },
    { $group: { _id: '$k' } },
    { $limit: 2 * linkLimit + 2 }, // each target is there as a key alone and as one with its version
  ];
  const found = await ask(
    reach,
    () => ({ aggregate: node.type, pipeline, cursor: {}, hint: 'key', ...hinted(compiled) }),
    () =>
      reach.layout
        .type(node.type)
        .aggregate<{ _id: string }>(pipeline, { hint: 'key', ...compiled.options, allowDiskUse: true })
        .toArray(),
    each => each.length,
  );
  const ids = new Set(found.map(({ _id: key }) => key.slice(start.length).split(between)[0]!));
  if (ids.size > linkLimit) throw tooMany(node.param);
  return [...ids];
}

const within = (reach: Reach): { session?: ClientSession } =>
  reach.session ? { session: reach.session } : {};

const tooMany = (param: string): FhirError =>
  new FhirError(
    'too-costly-search',
    `The chain over '${param.replace(/~\d+$/, '')}' passes more than ${linkLimit} resources; add a criterion that narrows them.`,
  );

/** Sorts after every id that a reference can name: ids are ASCII. */
const lastCharacter = '\u{10ffff}';
