// Answers a plan on one connection, in steps: chooses where to start (start.ts, drive.ts), in which order to read
// (order.ts), and judges candidates by SQL (filter.ts). A page comes from few candidates that are sorted, or from an
// index that is read in order until the page is full. docs/decisions/0021-sqlite-search.md
import type { Ref } from '../../fhir/resource.js';
import { and, not, type Node, type Position, type SearchPlan, type SortKey } from '../../search/plan.js';
import type { Bits } from './bits.js';
import { fromCandidates, fromSet } from './candidates.js';
import type { Connection } from './connection.js';
import type { Kind } from './dictionary.js';
import { reads } from './drive.js';
import { compareHits, hitOf, type Hit } from './hit.js';
import { countInCreation, inCreation } from './in-creation.js';
import { inOrder, type Among } from './in-order.js';
import type { Driver } from './driver.js';
import { allOf, type Fragment } from './fragment.js';
import { orderOf, referring } from './order.js';
import { leafDriver } from './leaf-driver.js';
import { Query, type Steps } from './query.js';
import { setOf } from './sets.js';
import { shortest, startOf, type Wanted } from './start.js';
import { tieOf } from './tie.js';

/** An estimate counts so far. */
const estimateLimit = 10_000;

export interface Found {
  readonly hits: readonly Hit[];
  readonly next?: Position;
  readonly total?: number;
  readonly totalIsEstimate?: boolean;
}

export function* search(connection: Connection, plan: SearchPlan): Steps<Found> {
  const kinds = kindsOf(connection, plan.types);
  let hits: Hit[] = [];
  if (plan.count > 0) {
    const after = plan.after && hitOf(plan.after, plan.sort);
    for (const kind of kinds) {
      hits.push(
        ...(yield* ordered(new Query(connection), kind, plan.where, {
          sort: plan.sort,
          limit: plan.count + 1,
          ...(after ? { after } : {}),
        })),
      );
    }
    if (kinds.length > 1) hits.sort(compareHits(plan.sort));
  }
  const more = hits.length > plan.count;
  hits = hits.slice(0, plan.count);
  const last = hits.at(-1);
  const limit = plan.total === 'estimate' ? estimateLimit : Infinity;
  const total = plan.total === 'none' ? undefined : yield* countAll(connection, plan, limit);
  return {
    hits,
    ...(more && last ? { next: [...last.keys, last.r] } : {}),
    ...(total === undefined ? {} : { total: Math.min(total, limit) }),
    ...(total !== undefined && total > limit ? { totalIsEstimate: true } : {}),
  };
}

/** How many satisfy the plan; stops counting beyond the limit. */
export function* countAll(connection: Connection, plan: SearchPlan, limit: number): Steps<number> {
  let total = 0;
  for (const kind of kindsOf(connection, plan.types)) {
    total += yield* countKind(new Query(connection), kind, plan.where, limit - total);
    if (total > limit) break;
  }
  return total;
}

const kindsOf = (connection: Connection, types: readonly string[]): readonly Kind[] =>
  [...new Set(types)].flatMap(type => connection.dictionary.kind(type) ?? []);

/** Takes all steps at once: for the writer, whose transaction must not be interrupted. */
export function atOnce<T>(steps: Steps<T>): T {
  for (;;) {
    const step = steps.next();
    if (step.done) return step.value;
  }
}

/** The first matches of a plan, as references. */
export function findRefs(connection: Connection, plan: SearchPlan): Ref[] {
  return atOnce(search(connection, { ...plan, total: 'none' })).hits.map(({ r }) => {
    const row = connection.get<{ type: number; id: string }>('SELECT type, id FROM res WHERE rid = ?', r)!;
    return { type: connection.dictionary.kindOf(row.type).name, id: row.id };
  });
}

/** The first `limit` results of a type after a place. */
function* ordered(
  query: Query,
  kind: Kind,
  where: Node,
  rest: Pick<Wanted, 'sort' | 'limit' | 'after' | 'also'>,
): Steps<Hit[]> {
  if (where.op === 'none' || rest.limit <= 0) return [];
  const short = shortTarget(query, kind, where, rest.sort[0]);
  if (short !== undefined) return yield* sorted({ query, kind, ...short, ...rest }, where, true);
  const wanted: Wanted = { query, kind, ...(yield* startOf(query, kind, where)), ...rest };
  return yield* rest.sort.length === 0 ? unsorted(wanted, where) : sorted(wanted, where);
}

/**
 * A conjunct that names a target few refer to, where its postings are in the order asked for: then no other way has to
 * be thought of. What is asked most goes this way: something of one patient, the latest first.
 */
function shortTarget(
  query: Query,
  kind: Kind,
  where: Node,
  key: SortKey | undefined,
): Pick<Wanted, 'nodes' | 'drivers'> | undefined {
  if (where.op !== 'and' || key === undefined || !isPrimary(kind, key)) return undefined;
  for (const node of where.nodes) {
    const driver =
      node.op === 'row' && node.kind === 'reference' ? leafDriver(query, kind, node, []) : undefined;
    if (driver?.target !== undefined && !reads(query.connection, driver.read, query.connection.limits.few))
      return { nodes: where.nodes, drivers: new Map([[node, driver]]) };
  }
  return undefined;
}

/**
 * The set of what satisfies the node, where a connection keeps sets. Others tell the asker that it will take long here,
 * and go on without if they must.
 */
function* setWhere(query: Query, kind: Kind, where: Node): Steps<Bits | undefined> {
  if (query.connection.sets !== undefined) return yield* setOf(query, kind, where);
  yield 'long';
  return undefined;
}

/** Whether reading in order is likely to fill the page sooner than `count` candidates are judged. */
function isDense({ query, kind, limit }: Wanted, count: number): boolean {
  const all = query.connection.one<number>('SELECT n FROM kind WHERE id = ?', kind.id)!;
  return count > query.connection.limits.few && (4 * limit * all) / count < count;
}

function* unsorted(wanted: Wanted, where: Node): Steps<Hit[]> {
  const { query, kind } = wanted;
  const { connection } = query;
  const { limits } = connection;
  const drivers = [...wanted.drivers.values()];
  const stream = drivers.find(one => one.token);
  const from = ({ driver, count }: { driver: Driver; count: number }): Steps<Hit[] | undefined> =>
    driver.token ? inCreation(wanted, driver) : fromCandidates(wanted, { driver, count });
  const few = shortest(connection, drivers, limits.few) ?? shortest(connection, drivers, limits.probe);
  if (few !== undefined && !isDense(wanted, few.count)) return (yield* from(few))!;
  const rows = few?.count ?? limits.probe;
  const early = rows === 0 ? undefined : yield* inCreation({ ...wanted, rows }, stream);
  if (early !== undefined) return early;
  const some = shortest(connection, drivers, limits.many);
  if (some !== undefined) return (yield* from(some))!;
  return (yield* inCreation(wanted, (yield* setWhere(query, kind, where)) ?? stream))!;
}

function* sorted(wanted: Wanted, where: Node, isKnownShort = false): Steps<Hit[]> {
  const { query, kind, sort, limit, after, also } = wanted;
  const { connection } = query;
  const { limits } = connection;
  const drivers = [...wanted.drivers.values()];
  const [first, ...others] = sort as [SortKey, ...SortKey[]];
  /** Results with a value of the first key, by the others. */
  const among: Among = (key, most, place) => {
    const tie = tieOf(query, kind, first, key);
    const both = (cur: string): Fragment => allOf([tie.exactly(cur), ...(also ? [also(cur)] : [])]);
    const further = { sort: others, limit: most, also: both, ...(place ? { after: place } : {}) };
    return ordered(query, kind, and(where, tie.node), further);
  };
  // The postings of a target are in order of the primary date already: no other driver beats them by much.
  const stream = isPrimary(kind, first) ? drivers.find(one => one.target) : undefined;
  const isShort =
    isKnownShort ||
    (stream !== undefined && drivers.length > 1 && !reads(connection, stream.read, limits.few));
  const decided = stream !== undefined && (drivers.length === 1 || isShort);
  const few = decided
    ? undefined
    : (shortest(connection, drivers, limits.few) ??
      (stream ? undefined : shortest(connection, drivers, limits.probe)));
  if (few !== undefined && !isDense(wanted, few.count)) return yield* fromCandidates(wanted, few);
  if (stream?.target !== undefined) {
    const order = referring(stream.target.p, stream.target.v);
    return (yield* inOrder(wanted, order, among, stream, isShort))!;
  }
  const order = orderOf(connection, kind, first);
  const most = few?.count ?? limits.probe;
  let hits: Hit[] | undefined = order === undefined ? [] : undefined;
  if (order !== undefined && most > 0) hits = yield* inOrder({ ...wanted, rows: most }, order, among);
  if (hits === undefined) {
    const some = shortest(connection, drivers, limits.many);
    if (some !== undefined) return yield* fromCandidates(wanted, some);
    const set = yield* setWhere(query, kind, where);
    if (set !== undefined && set.size <= limits.many) return yield* fromSet(wanted, set);
    hits = (yield* inOrder(set === undefined ? wanted : within(wanted, set), order!, among))!;
  }
  if (hits.length === limit || order?.partial === false) return hits;

  // Then the resources without a value of the first key, by the others.
  const lacking = and(where, not({ op: 'row', kind: first.kind, param: first.param, where: [] }));
  const place = after?.keys[0] === null ? { r: after.r, keys: after.keys.slice(1) } : undefined;
  const rest = yield* ordered(query, kind, lacking, {
    sort: others,
    limit: limit - hits.length,
    ...(place ? { after: place } : {}),
    ...(also ? { also } : {}),
  });
  return [...hits, ...rest.map(({ r, keys }) => ({ r, keys: [null, ...keys] }))];
}

/** What is wanted, of the members of a set. */
const within = (wanted: Wanted, set: Bits): Wanted => ({
  ...wanted,
  nodes: [],
  also: cur => allOf([wanted.query.inset(set, 'x.r'), ...(wanted.also ? [wanted.also(cur)] : [])]),
});

const isPrimary = (kind: Kind, key: SortKey): boolean =>
  key.kind === 'date' && key.descending && key.param === kind.primaryDate;

/** How many resources of a type satisfy the node; stops counting beyond the limit. */
function* countKind(query: Query, kind: Kind, where: Node, limit: number): Steps<number> {
  const { connection } = query;
  if (where.op === 'none') return 0;
  if (where.op === 'all') return connection.one<number>('SELECT n FROM kind WHERE id = ?', kind.id)!;
  const start = yield* startOf(query, kind, where);
  const drivers = [...start.drivers.values()];
  const best = shortest(connection, drivers, connection.limits.many);
  const wanted = { query, kind, ...start };
  if (best?.driver.token) return yield* countInCreation(wanted, best.driver, limit);
  if (best === undefined) {
    const set = yield* setWhere(query, kind, where);
    return set?.size ?? (yield* countInCreation(wanted, drivers.find(one => one.token), limit)); // prettier-ignore
  }
  const { rows, exact } = best.driver;
  if (exact && start.nodes.length === 1)
    return connection.one<number>(`SELECT count(DISTINCT r) FROM (${rows.sql})`, ...rows.args)!;
  const most = Math.min(limit + 1, Number.MAX_SAFE_INTEGER);
  return (yield* fromCandidates({ ...wanted, sort: [], limit: most }, best)).length;
}
