// Answers a plan on one connection, in steps: chooses where to start (drive.ts), in which order to read (order.ts), and
// judges candidates by SQL (filter.ts). A page comes from few candidates that are sorted, or from an index that is read
// in order until the page is full. docs/decisions/0002-sqlite-search.md
import { FhirError } from '../../errors.js';
import type { Ref } from '../../fhir/resource.js';
import { and, not, type Node, type Position, type SearchPlan, type SortKey } from '../../search/plan.js';
import { compareText } from '../../search/sort.js';
import type { Connection, Value } from './connection.js';
import type { Kind } from './dictionary.js';
import { countUpTo, driverOf, type Driver } from './drive.js';
import { allOf, filter, isNo, Query, type Fragment, type Steps } from './filter.js';
import { orderOf, referring, type KeyValue, type Order } from './order.js';
import { sortValueOf } from './pack.js';

/** A result: the resource's number and its values of the sort keys. */
export interface Hit {
  readonly r: number;
  readonly keys: readonly KeyValue[];
}

export interface Found {
  readonly hits: readonly Hit[];
  readonly next?: Position;
  readonly total?: number;
  readonly totalIsEstimate?: boolean;
}

/** So few candidates are simply sorted. */
const fewCandidates = 300;
/** More than so many are not collected; an index is read in order instead. */
const manyCandidates = 20_000;
const chunk = 400;
const largestWindow = 16_384;
const stepMs = 8;
/** An estimate counts so far. */
const estimateLimit = 10_000;

export function* search(connection: Connection, plan: SearchPlan): Steps<Found> {
  const kinds = kindsOf(connection, plan.types);
  let hits: Hit[] = [];
  if (plan.count > 0) {
    const order = compareHits(plan.sort);
    for (const kind of kinds) {
      hits.push(...(yield* searchKind(connection, kind, plan)));
    }
    if (kinds.length > 1) hits.sort(order);
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

/** Compares by keys, then by order of creation; null comes last in both directions. */
function compareHits(sort: readonly SortKey[]): (a: Hit, b: Hit) => number {
  return (a, b) => {
    for (let i = 0; i < sort.length; i++) {
      const order = compareKeys(a.keys[i]!, b.keys[i]!, sort[i]!.descending);
      if (order !== 0) return order;
    }
    return a.r - b.r;
  };
}
function compareKeys(x: KeyValue, y: KeyValue, descending: boolean): number {
  if (x === y) return 0;
  if (x === null) return 1;
  if (y === null) return -1;
  const order = typeof x === 'string' ? compareText(x, String(y)) : x - Number(y);
  return descending ? -order : order;
}

/** One type's results, one more than the plan's count. `_type` is the same for all of them and drops out. */
function* searchKind(connection: Connection, kind: Kind, plan: SearchPlan): Steps<Hit[]> {
  const place = plan.sort.findIndex(key => key.param === '_type');
  let after = plan.after === undefined ? undefined : hitOf(plan.after, plan.sort);
  if (place < 0)
    return yield* ordered(new Query(connection), kind, plan.where, plan.sort, plan.count + 1, after);
  const sort = plan.sort.filter(key => key.param !== '_type');
  if (after !== undefined) {
    const order = compareKeys(kind.name, after.keys[place]!, plan.sort[place]!.descending);
    if (place > 0 && order !== 0)
      throw new FhirError('invalid-search', '_sort over several types accepts _type as its first key only.');
    if (order < 0) return [];
    after = order > 0 ? undefined : { r: after.r, keys: after.keys.toSpliced(place, 1) };
  }
  const hits = yield* ordered(new Query(connection), kind, plan.where, sort, plan.count + 1, after);
  return hits.map(({ r, keys }) => ({ r, keys: keys.toSpliced(place, 0, kind.name) }));
}

function hitOf(position: Position, sort: readonly SortKey[]): Hit {
  const r = position.at(-1);
  if (position.length !== sort.length + 1 || typeof r !== 'number')
    throw new FhirError('invalid-cursor', 'The page link belongs to another search.');
  return { r, keys: position.slice(0, -1) };
}

interface Best {
  readonly driver: Driver;
  readonly count: number;
}
interface Start {
  /** The conjuncts, and which of them each driver stands for. */
  readonly nodes: readonly Node[];
  readonly drivers: ReadonlyMap<Node, Driver>;
}

function* startOf(query: Query, kind: Kind, where: Node): Steps<Start> {
  const nodes = where.op === 'and' ? where.nodes : where.op === 'all' ? [] : [where];
  const drivers = new Map<Node, Driver>();
  for (const node of nodes) {
    const driver = yield* driverOf(query, kind, node, nodes);
    if (driver !== undefined) drivers.set(node, driver);
  }
  return { nodes, drivers };
}

function shortest(connection: Connection, drivers: Iterable<Driver>, limit: number): Best | undefined {
  let best: Best | undefined;
  for (const driver of drivers) {
    const count = countUpTo(connection, driver, best === undefined ? limit : best.count);
    if (count < (best?.count ?? limit)) best = { driver, count };
    if (best !== undefined && best.count === 0) break;
  }
  return best;
}

/** What remains to be judged of candidates that a driver gives. */
function* remaining(
  query: Query,
  kind: Kind,
  start: Start,
  driver: Driver | undefined,
  r: string,
  cur: string,
): Steps<Fragment> {
  const parts: Fragment[] = [];
  for (const node of start.nodes) {
    if (driver?.exact && start.drivers.get(node) === driver) continue;
    parts.push(yield* filter(query, kind, node, r, cur));
  }
  return allOf(parts);
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
  const { connection } = query;
  if (where.op === 'none' || limit <= 0) return [];
  const start = yield* startOf(query, kind, where);
  const drivers = [...start.drivers.values()];

  // An index that is a condition and the order at once is read without more ado when it is short or the only choice.
  const stream =
    sort.length === 0
      ? drivers.find(one => one.token)
      : isPrimary(kind, sort)
        ? drivers.find(one => one.target)
        : undefined;
  const decided =
    stream !== undefined &&
    (drivers.length === 1 ||
      (sort.length > 0 && countUpTo(connection, stream, fewCandidates) < fewCandidates));
  if (!decided) {
    const best =
      shortest(connection, drivers, fewCandidates) ??
      (stream && sort.length > 0 ? undefined : shortest(connection, drivers, manyCandidates));
    if (best !== undefined && best.driver.token !== undefined && sort.length === 0)
      return yield* inCreation(query, kind, start, best.driver, limit, after?.r ?? 0);
    if (best !== undefined) return yield* fromCandidates(query, kind, start, best, sort, limit, after);
  }
  if (sort.length === 0) return yield* inCreation(query, kind, start, stream, limit, after?.r ?? 0);
  if (stream?.target !== undefined) {
    const { p, v } = stream.target;
    return yield* inOrder(query, kind, start, stream, referring(p, v), where, sort, limit, after);
  }
  const order = orderOf(connection.dictionary, kind, sort[0]!);
  if (order === undefined) return yield* withoutValue(query, kind, where, sort, limit, after);
  return yield* inOrder(
    query,
    kind,
    start,
    undefined,
    order === 'gather' ? yield* gathered(connection, kind, sort[0]!) : order,
    where,
    sort,
    limit,
    after,
  );
}

const isPrimary = (kind: Kind, sort: readonly SortKey[]): boolean =>
  sort[0]!.kind === 'date' &&
  sort[0]!.descending &&
  kind.primaryDate !== null &&
  sort[0]!.param === kind.primaryDate;

interface Candidate {
  readonly r: number;
  readonly lu?: number;
  readonly b?: Buffer;
  readonly id?: string;
}

/** What of a candidate its sort values are made from, as columns of a select. */
function valueColumns(sort: readonly SortKey[], cur: string): { sql: string; cur: boolean } {
  const columns: string[] = [];
  if (sort.some(key => key.param === '_lastUpdated')) columns.push(`${cur}.lu`);
  if (sort.some(key => key.param === '_id')) columns.push(`(SELECT id FROM res WHERE rid = ${cur}.r) AS id`);
  if (sort.some(key => key.param !== '_lastUpdated' && key.param !== '_id')) columns.push(`${cur}.b`);
  return { sql: columns.map(one => `, ${one}`).join(''), cur: columns.length > 0 };
}

function valuesOf(
  connection: Connection,
  kind: Kind,
  sort: readonly SortKey[],
): (candidate: Candidate) => Hit {
  const readers = sort.map(key => {
    if (key.param === '_lastUpdated') return (candidate: Candidate): KeyValue => candidate.lu!;
    if (key.param === '_id') return (candidate: Candidate): KeyValue => candidate.id!;
    const param = connection.dictionary.param(kind.id, key.param, key.kind);
    return (candidate: Candidate): KeyValue =>
      (param && sortValueOf(candidate.b!, param, key.descending)) ?? null;
  });
  return candidate => ({ r: candidate.r, keys: readers.map(read => read(candidate)) });
}

/** Few candidates: judged, sorted, cut. */
function* fromCandidates(
  query: Query,
  kind: Kind,
  start: Start,
  best: Best,
  sort: readonly SortKey[],
  limit: number,
  after?: Hit,
): Steps<Hit[]> {
  const { connection } = query;
  const { rows } = best.driver;
  if (best.count === 0) return [];
  const c = query.alias('c');
  const on = yield* remaining(query, kind, start, best.driver, 'x.r', c);
  if (isNo(on)) return [];
  const values = valueColumns(sort, c);
  const toHit = valuesOf(connection, kind, sort);
  const compare = compareHits(sort);
  const inCur = ` CROSS JOIN cur ${c} ON ${c}.type = ? AND ${c}.r = x.r`;
  let hits: Hit[] = [];
  const take = (candidates: readonly Candidate[]): void => {
    for (const candidate of candidates) {
      const hit = toHit(candidate);
      if (after === undefined || compare(hit, after) > 0) hits.push(hit);
    }
  };
  if (best.count <= fewCandidates) {
    take(
      connection.all<Candidate>(
        `SELECT DISTINCT x.r${values.sql} FROM (${rows.sql}) x${inCur} WHERE ${on.sql}`,
        ...rows.args,
        kind.id,
        ...on.args,
      ),
    );
  } else {
    const rids = connection
      .column<number>(`SELECT DISTINCT r FROM (${rows.sql})`, ...rows.args)
      .sort((a, b) => a - b);
    const from = sort.length === 0 && after !== undefined ? rids.findIndex(r => r > after.r) : 0;
    for (let at = from < 0 ? rids.length : from; at < rids.length; at += chunk) {
      const some = JSON.stringify(rids.slice(at, at + chunk));
      take(
        connection.all<Candidate>(
          `SELECT x.r${values.sql} FROM (SELECT value AS r FROM json_each(?)) x${inCur} WHERE ${on.sql}`,
          some,
          kind.id,
          ...on.args,
        ),
      );
      if (sort.length === 0 && hits.length >= limit) break;
      yield;
    }
  }
  hits.sort(compare);
  if (hits.length > limit) hits = hits.slice(0, limit);
  return hits;
}

/** Grows and shrinks the window, so that a step takes a few milliseconds. */
class Window {
  constructor(public size: number) {}
  measure<T>(work: () => T): T {
    const started = performance.now();
    const result = work();
    const took = performance.now() - started;
    if (took < stepMs / 3) this.size = Math.min(this.size * 4, largestWindow);
    else if (took > stepMs * 1.5) this.size = Math.max(this.size >> 1, 16);
    return result;
  }
}

/** The resources of the type, or those of one token value, in order of creation. */
function creation(kind: Kind, token: Driver['token']): (after: number, size: number) => Fragment {
  return token === undefined
    ? (after, size) => ({
        sql: 'SELECT r, lu, d, b FROM cur WHERE type = ? AND r > ? ORDER BY r LIMIT ?',
        args: [kind.id, after, size],
      })
    : (after, size) => ({
        sql: 'SELECT r, s FROM tok WHERE p = ? AND v = ? AND r > ? ORDER BY r LIMIT ?',
        args: [token.p, token.v, after, size],
      });
}

function* inCreation(
  query: Query,
  kind: Kind,
  start: Start,
  stream: Driver | undefined,
  limit: number,
  after: number,
): Steps<Hit[]> {
  const { connection } = query;
  const token = stream?.token;
  const c = token === undefined ? 'x' : query.alias('c');
  const rest = yield* remaining(query, kind, start, token === undefined ? undefined : stream, 'x.r', c);
  const on = token === undefined ? rest : allOf([token.on, rest]);
  if (isNo(on)) return [];
  const joined =
    token !== undefined && on.cur ? ` CROSS JOIN cur ${c} ON ${c}.type = ${kind.id} AND ${c}.r = x.r` : '';
  const window = new Window(Math.max(64, 2 * limit));
  const read = creation(kind, token);
  const hits: Hit[] = [];
  let last = after;
  for (;;) {
    const { size } = window;
    const range = read(last, size);
    const found = window.measure(() =>
      connection.column<number>(
        `SELECT x.r FROM (${range.sql}) x${joined} WHERE ${on.sql} LIMIT ?`,
        ...range.args,
        ...on.args,
        limit + 8,
      ),
    );
    for (const r of found) {
      if (r <= last) continue;
      last = r;
      hits.push({ r, keys: [] });
      if (hits.length === limit) return hits;
    }
    if (found.length < limit + 8) {
      const end = connection.one<number>(
        `SELECT r FROM (${range.sql}) LIMIT 1 OFFSET ?`,
        ...range.args,
        size - 1,
      );
      if (end === undefined) return hits;
      last = end;
    }
    yield;
  }
}

/** The resources by a sort key's index, then those without a value of it. */
function* inOrder(
  query: Query,
  kind: Kind,
  start: Start,
  driver: Driver | undefined,
  order: Order,
  where: Node,
  sort: readonly SortKey[],
  limit: number,
  after?: Hit,
): Steps<Hit[]> {
  const { connection } = query;
  const c = query.alias('c');
  const rest = yield* remaining(query, kind, start, driver, 'x.r', c);
  if (isNo(rest)) return [];
  const values = valueColumns(sort.slice(1), c);
  // res knows the deleted too; an order by _id must be held against cur.
  const joined =
    rest.cur || values.cur || sort[0]!.param === '_id'
      ? ` CROSS JOIN cur ${c} ON ${c}.type = ${kind.id} AND ${c}.r = x.r`
      : '';
  const compare = compareHits(sort);
  const furtherKeys = valuesOf(connection, kind, sort.slice(1));
  const hits: Hit[] = [];
  const window = new Window(Math.max(32, 2 * limit));
  const judged = (range: Fragment): Hit[] =>
    window
      .measure(() =>
        connection.all<Candidate & { key: string | number }>(
          `SELECT x.r, x.key${values.sql} FROM (${range.sql}) x${joined} WHERE ${rest.sql}`,
          ...range.args,
          ...rest.args,
        ),
      )
      .map(row => ({
        r: row.r,
        keys: [row.key === order.absent ? null : row.key, ...furtherKeys(row).keys],
      }));
  const add = (more: Hit[]): void => {
    more.sort(compare);
    for (const hit of more) {
      if (after !== undefined && compare(hit, after) <= 0) continue;
      if (hits.at(-1)?.r !== hit.r) hits.push(hit);
    }
  };
  /** All resources with one key, in order of creation; with further keys all of them must be seen before the first. */
  function* ties(key: Value, from: number): Steps<void> {
    let last = from;
    const some: Hit[] = [];
    for (;;) {
      const { size } = window;
      const range = order.ties(key, last, size);
      const more = judged(range);
      if (sort.length === 1) add(more);
      else some.push(...more);
      if (hits.length >= limit) return;
      const end = connection.one<number>(
        `SELECT r FROM (${range.sql}) LIMIT 1 OFFSET ?`,
        ...range.args,
        size - 1,
      );
      if (end === undefined) break;
      last = end;
      yield;
    }
    add(some);
  }

  const [first] = after?.keys ?? [];
  if (after === undefined || first !== null || order.absent !== undefined) {
    let from: Value | undefined;
    if (after !== undefined) {
      from = first ?? order.absent!;
      yield* ties(from, sort.length === 1 ? after.r : 0);
    }
    while (hits.length < limit) {
      const { size } = window;
      const range = order.beyond(from, size);
      const more = judged(range);
      const boundary = connection.one<string | number>(
        `SELECT key FROM (${range.sql}) LIMIT 1 OFFSET ?`,
        ...range.args,
        size - 1,
      );
      if (boundary === undefined) {
        add(more);
        from = undefined;
        break;
      }
      // The last key's resources may go on beyond the window: they are read by themselves.
      add(more.filter(hit => hit.keys[0] !== (boundary === order.absent ? null : boundary)));
      if (hits.length >= limit) break;
      yield* ties(boundary, 0);
      from = boundary;
      yield;
    }
  }
  if (hits.length < limit && order.partial)
    hits.push(
      ...(yield* withoutValue(
        query,
        kind,
        where,
        sort,
        limit - hits.length,
        first === null ? after : undefined,
      )),
    );
  return hits.slice(0, limit);
}

/** The resources without a value of the first sort key, by the other keys. */
function* withoutValue(
  query: Query,
  kind: Kind,
  where: Node,
  sort: readonly SortKey[],
  limit: number,
  after?: Hit,
): Steps<Hit[]> {
  const [first, ...others] = sort;
  const lacking = and(where, not({ op: 'row', kind: first!.kind, param: first!.param, where: [] }));
  const rest = after && { r: after.r, keys: after.keys.slice(1) };
  const hits = yield* ordered(query, kind, lacking, others, limit, rest);
  return hits.map(({ r, keys }) => ({ r, keys: [null, ...keys] }));
}

/** An order no index has: all values of the parameter, read and sorted. */
function* gathered(connection: Connection, kind: Kind, sort: SortKey): Steps<Order> {
  const param = connection.dictionary.param(kind.id, sort.param, sort.kind)!;
  const entries: { r: number; key: number }[] = [];
  const size = 4000;
  let last: readonly Value[] = [];
  for (;;) {
    const range = `SELECT k, lo, r, hi, u, e FROM num WHERE p = ?${last.length ? ' AND (k, lo, r, hi, u) > (?, ?, ?, ?, ?)' : ''} ORDER BY k, lo, r, hi, u LIMIT ?`;
    const rows: { k: number; lo: number; r: number; hi: number; u: number; e: number }[] = connection.all(
      range,
      param.p,
      ...last,
      size,
    );
    for (const row of rows)
      if (row.e & (sort.descending ? 2 : 1))
        entries.push({ r: row.r, key: sort.descending ? row.hi : row.lo });
    const end = rows.at(-1);
    if (rows.length < size || end === undefined) break;
    last = [end.k, end.lo, end.r, end.hi, end.u];
    yield;
  }
  const sign = sort.descending ? -1 : 1;
  entries.sort((a, b) => sign * (a.key - b.key) || sign * (a.r - b.r));
  const select = (some: readonly { r: number; key: number }[]): Fragment => ({
    sql: "SELECT value ->> 'r' AS r, value ->> 'key' AS key FROM json_each(?)",
    args: [JSON.stringify(some)],
  });
  const firstBeyond = (key: number): number => {
    let low = 0;
    let high = entries.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      if (sign * (entries[middle]!.key - key) > 0) high = middle;
      else low = middle + 1;
    }
    return low;
  };
  return {
    partial: true,
    beyond: (key, many) => {
      const from = key === undefined ? 0 : firstBeyond(key as number);
      return select(entries.slice(from, from + many));
    },
    ties: (key, after, many) => {
      const end = firstBeyond(key as number);
      let from = end;
      while (from > 0 && entries[from - 1]!.key === key) from--;
      return select(entries.slice(from, end).filter(one => one.r > after).sort((a, b) => a.r - b.r).slice(0, many)); // prettier-ignore
    },
  };
}

function* countKind(query: Query, kind: Kind, where: Node, limit: number): Steps<number> {
  const { connection } = query;
  if (where.op === 'none') return 0;
  const start = yield* startOf(query, kind, where);
  const drivers = [...start.drivers.values()];
  const best = shortest(connection, drivers, manyCandidates);
  if (best !== undefined)
    return (yield* fromCandidates(
      query,
      kind,
      start,
      best,
      [],
      limit === Infinity ? Number.MAX_SAFE_INTEGER : limit + 1,
    )).length;
  const stream = drivers.find(one => one.token);
  const token = stream?.token;
  const c = token === undefined ? 'x' : query.alias('c');
  const rest = yield* remaining(query, kind, start, token === undefined ? undefined : stream, 'x.r', c);
  const on = token === undefined ? rest : allOf([token.on, rest]);
  if (isNo(on)) return 0;
  const joined =
    token !== undefined && on.cur ? ` CROSS JOIN cur ${c} ON ${c}.type = ${kind.id} AND ${c}.r = x.r` : '';
  // Without a condition the smaller index is enough.
  const plain = token === undefined && start.nodes.length === 0;
  const read = creation(kind, token);
  const window = new Window(1000);
  let total = 0;
  let last = 0;
  if (plain)
    return connection.one<number>('SELECT count(*) FROM cur INDEXED BY cur_lu WHERE type = ?', kind.id)!;
  for (;;) {
    const { size } = window;
    const range = read(last, size);
    total += window.measure(() =>
      connection.one<number>(
        `SELECT count(${token === undefined ? '*' : 'DISTINCT x.r'}) FROM (${range.sql}) x${joined} WHERE ${on.sql}`,
        ...range.args,
        ...on.args,
      )!,
    );
    if (total > limit) return total;
    const end = connection.one<number>(
      `SELECT r FROM (${range.sql}) LIMIT 1 OFFSET ?`,
      ...range.args,
      size - 1,
    );
    if (end === undefined) return total;
    last = end;
    yield;
  }
}
