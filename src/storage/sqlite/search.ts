// Answers a plan on one connection, in steps: chooses where to start (start.ts, drive.ts), in which order to read
// (order.ts), and judges candidates by SQL (filter.ts). A page comes from few candidates that are sorted, or from an
// index that is read in order until the page is full. docs/decisions/0021-sqlite-search.md
import type { Ref } from '../../fhir/resource.js';
import { and, not, type Node, type Position, type SearchPlan, type SortKey } from '../../search/plan.js';
import { fromCandidates } from './candidates.js';
import type { Connection } from './connection.js';
import type { Kind } from './dictionary.js';
import { countUpTo } from './drive.js';
import { gathered } from './gathered-order.js';
import { compareHits, hitOf, type Hit } from './hit.js';
import { countInCreation, inCreation } from './in-creation.js';
import { inOrder } from './in-order.js';
import type { Driver } from './driver.js';
import { orderOf, referring } from './order.js';
import { Query, type Steps } from './query.js';
import { shortest, startOf, type Wanted } from './start.js';

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
        ...(yield* ordered(new Query(connection), kind, plan.where, plan.sort, plan.count + 1, after)),
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
  sort: readonly SortKey[],
  limit: number,
  after?: Hit,
): Steps<Hit[]> {
  if (where.op === 'none' || limit <= 0) return [];
  const wanted: Wanted = {
    query,
    kind,
    ...(yield* startOf(query, kind, where)),
    sort,
    limit,
    ...(after ? { after } : {}),
  };
  const drivers = [...wanted.drivers.values()];
  return yield* sort.length === 0 ? unsorted(wanted, drivers) : sorted(wanted, drivers, where);
}

/** Whether reading in order is likely to fill the page sooner than `count` candidates are judged. */
function isDense({ query, kind, limit }: Wanted, count: number): boolean {
  const all = query.connection.one<number>('SELECT n FROM kind WHERE id = ?', kind.id)!;
  return count > query.connection.limits.few && (4 * limit * all) / count < count;
}

function* unsorted(wanted: Wanted, drivers: readonly Driver[]): Steps<Hit[]> {
  const { connection } = wanted.query;
  const { limits } = connection;
  const stream = drivers.find(one => one.token);
  if (stream === undefined || drivers.length > 1) {
    const best = shortest(connection, drivers, limits.few) ?? shortest(connection, drivers, limits.many);
    if (best !== undefined && best.driver.token === undefined) {
      const early = isDense(wanted, best.count)
        ? yield* inCreation({ ...wanted, rows: best.count }, undefined)
        : undefined;
      return early ?? (yield* fromCandidates(wanted, best));
    }
    if (best !== undefined) return (yield* inCreation(wanted, best.driver))!;
  }
  return (yield* inCreation(wanted, stream))!;
}

function* sorted(wanted: Wanted, drivers: readonly Driver[], where: Node): Steps<Hit[]> {
  const { query, kind, sort, limit, after } = wanted;
  const { connection } = query;
  const { limits } = connection;
  const [first, ...others] = sort as [SortKey, ...SortKey[]];
  // The postings of a target are in order of the primary date already: no other driver beats them by much.
  const stream = isPrimary(kind, first) ? drivers.find(one => one.target) : undefined;
  const rows =
    stream !== undefined && drivers.length > 1 ? countUpTo(connection, stream, limits.few) : undefined;
  const isShort = rows !== undefined && rows < limits.few;
  const decided = stream !== undefined && (rows === undefined || isShort);
  const best = decided
    ? undefined
    : (shortest(connection, drivers, limits.few) ??
      (stream ? undefined : shortest(connection, drivers, limits.many)));
  const dense = best !== undefined && isDense(wanted, best.count);
  if (best !== undefined && !dense) return yield* fromCandidates(wanted, best);
  if (stream?.target !== undefined) {
    const order = referring(stream.target.p, stream.target.v);
    return (yield* inOrder(wanted, order, stream, isShort ? rows : undefined))!;
  }
  const found = orderOf(connection.dictionary, kind, first);
  if (best !== undefined && (found === 'gather' || found === undefined))
    return yield* fromCandidates(wanted, best);
  const order = found === 'gather' ? yield* gathered(connection, kind, first) : found;
  const hits =
    order === undefined
      ? []
      : yield* inOrder(best === undefined ? wanted : { ...wanted, rows: best.count }, order, undefined);
  if (hits === undefined) return yield* fromCandidates(wanted, best!);
  if (hits.length === limit || order?.partial === false) return hits;

  // Then the resources without a value of the first key, by the others.
  const lacking = and(where, not({ op: 'row', kind: first.kind, param: first.param, where: [] }));
  const place = after?.keys[0] === null ? { r: after.r, keys: after.keys.slice(1) } : undefined;
  const rest = yield* ordered(query, kind, lacking, others, limit - hits.length, place);
  return [...hits, ...rest.map(({ r, keys }) => ({ r, keys: [null, ...keys] }))];
}

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
  if (best === undefined || best.driver.token)
    return yield* countInCreation(wanted, best?.driver ?? drivers.find(one => one.token), limit);
  const { rows, exact } = best.driver;
  if (exact && start.nodes.length === 1)
    return connection.one<number>(`SELECT count(DISTINCT r) FROM (${rows.sql})`, ...rows.args)!;
  const most = Math.min(limit + 1, Number.MAX_SAFE_INTEGER);
  return (yield* fromCandidates({ ...wanted, sort: [], limit: most }, best)).length;
}
