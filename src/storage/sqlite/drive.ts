// Where the candidates of a search may come from: for a condition, the range of a posting table that holds every
// resource it can be true for. The search takes the shortest; it never relies on SQLite's own statistics.
import type { Leaf, Node } from '../../search/plan.js';
import type { Connection, Value } from './connection.js';
import type { Kind, Param } from './dictionary.js';
import {
  allOf,
  compositeRange,
  filter,
  isBuiltIn,
  isNo,
  isYes,
  numberCondition,
  postingCondition,
  type Query,
  referenceCondition,
  systemCondition,
  textCondition,
  tupleTest,
  valuesOf,
  withFolded,
  type Fragment,
  type Steps,
} from './filter.js';
import { dayClassLength, openEnds, pointClass, widestClass, widthOf } from './postings.js';

export interface Driver {
  /** `SELECT r …`; resources may repeat. */
  readonly rows: Fragment;
  /** The rows that have to be read for it, to be counted; often `rows` itself. */
  readonly read: Fragment;
  /** Every candidate satisfies the condition. */
  readonly exact: boolean;
  /** The postings of one token value: in order of creation, to be read window by window. */
  readonly token?: { readonly p: number; readonly v: string; readonly on: Fragment };
  /** The postings of one target: in descending order of the primary date. */
  readonly target?: { readonly p: number; readonly v: number };
}

const nothing: Fragment = { sql: 'SELECT 0 AS r WHERE 0', args: [] };
const none: Driver = { rows: nothing, read: nothing, exact: true };

/** The driver of a conjunct; undefined where it has none. `others` are the conjuncts beside it. */
export function* driverOf(
  query: Query,
  kind: Kind,
  node: Node,
  others: readonly Node[],
): Steps<Driver | undefined> {
  switch (node.op) {
    case 'none':
      return none;
    case 'row':
      return leafDriver(query, kind, node, others);
    case 'or': {
      const drivers: Driver[] = [];
      for (const one of node.nodes) {
        const driver = yield* andDriver(query, kind, one);
        if (driver === undefined) return undefined;
        drivers.push(driver);
      }
      return {
        rows: union(drivers.map(one => one.rows)),
        read: union(drivers.map(one => one.read)),
        exact: node.nodes.every((one, i) => one.op !== 'and' && drivers[i]!.exact),
      };
    }
    case 'link': {
      const param = query.connection.dictionary.param(kind.id, node.param, 'reference');
      if (param === undefined) return none;
      const targets: number[] = [];
      for (const type of node.types) {
        const target = query.connection.dictionary.kind(type);
        if (target === undefined) continue;
        const some = yield* few(query, target, node.node, query.connection.limits.chain - targets.length);
        if (some === undefined) return undefined;
        targets.push(...some);
      }
      const rows = {
        sql: `SELECT r FROM json_each(?) j CROSS JOIN ref ON ref.p = ? AND ref.v = j.value`,
        args: [JSON.stringify(targets), param.p],
      };
      return { rows, read: rows, exact: true };
    }
    case 'backlink': {
      const { dictionary } = query.connection;
      const source = dictionary.kind(node.type);
      const param = source && dictionary.param(source.id, node.param, 'reference');
      if (source === undefined || param === undefined) return none;
      const sources = yield* few(query, source, node.node, query.connection.limits.chain);
      if (sources === undefined) return undefined;
      const rows = {
        sql: 'SELECT rref.v AS r FROM json_each(?) j CROSS JOIN rref ON rref.r = j.value AND rref.p = ? CROSS JOIN cur ON cur.type = ? AND cur.r = rref.v',
        args: [JSON.stringify(sources), param.p, kind.id],
      };
      return { rows, read: rows, exact: true };
    }
    case 'and':
    case 'all':
    case 'not':
      return undefined;
  }
}

/** The best driver of a node that may be a conjunction: the shortest of its parts. */
function* andDriver(query: Query, kind: Kind, node: Node): Steps<Driver | undefined> {
  if (node.op !== 'and') return yield* driverOf(query, kind, node, []);
  let best: Driver | undefined;
  let least = Infinity;
  for (const one of node.nodes) {
    const driver = yield* driverOf(query, kind, one, node.nodes);
    const count = driver && countUpTo(query.connection, driver, 1000);
    if (count !== undefined && count < least) [best, least] = [driver, count];
  }
  return best && { rows: best.rows, read: best.read, exact: false };
}

/** How many rows a driver reads, at most `limit`. */
export function countUpTo(connection: Connection, driver: Driver, limit: number): number {
  return connection.one<number>(
    `SELECT count(*) FROM (${driver.read.sql} LIMIT ?)`,
    ...driver.read.args,
    limit,
  )!;
}

/** The resources that satisfy the node if they are few and cheaply found. */
function* few(query: Query, kind: Kind, node: Node, limit: number): Steps<readonly number[] | undefined> {
  const driver = yield* andDriver(query, kind, node);
  if (driver === undefined || countUpTo(query.connection, driver, limit + 1) > limit) return undefined;
  const c = query.alias('c');
  const on = driver.exact && node.op !== 'and' ? allOf([]) : yield* filter(query, kind, node, 'x.r', c);
  if (isNo(on)) return [];
  return query.connection.column<number>(
    `SELECT DISTINCT x.r FROM (${driver.rows.sql}) x CROSS JOIN cur ${c} ON ${c}.type = ? AND ${c}.r = x.r WHERE ${on.sql}`,
    ...driver.rows.args,
    kind.id,
    ...on.args,
  );
}

const union = (parts: readonly Fragment[]): Fragment =>
  parts.length === 0
    ? nothing
    : {
        sql: parts.map(one => `SELECT r FROM (${one.sql})`).join(' UNION ALL '),
        args: parts.flatMap(one => one.args),
      };

function leafDriver(query: Query, kind: Kind, leaf: Leaf, others: readonly Node[]): Driver | undefined {
  const { connection } = query;
  if (isBuiltIn(leaf)) return builtInDriver(kind, leaf);
  const param = connection.dictionary.param(kind.id, leaf.param, leaf.kind);
  if (param === undefined) return none;
  if (leaf.where.length === 0) return undefined;
  switch (leaf.kind) {
    case 'token':
    case 'string':
    case 'uri':
      return textDriver(connection, param, withFolded(leaf));
    case 'reference': {
      const named = leaf.where.find(one => one.column === 'target' && valuesOf(one) !== undefined);
      if (named === undefined) return undefined;
      const on = allOf(leaf.where.map(one => referenceCondition(connection, one, 'ref')));
      if (isNo(on)) return none;
      const rows = { sql: `SELECT r FROM ref WHERE p = ? AND ${on.sql}`, args: [param.p, ...on.args] };
      const only =
        leaf.where.length === 1
          ? valuesOf(named)!.flatMap(target => connection.dictionary.target(target) ?? [])
          : [];
      return {
        rows,
        read: rows,
        exact: true,
        ...(only.length === 1 ? { target: { p: param.p, v: only[0]! } } : {}),
      };
    }
    case 'date':
      return dateDriver(param, leaf, others);
    case 'number':
      return numberDriver(connection, param, leaf);
    case 'composite': {
      const range = compositeRange(leaf);
      if (isYes(range)) return undefined;
      if (isNo(range)) return none;
      const test = query.tuple(tupleTest(connection, leaf));
      const read = { sql: `SELECT r FROM cmp WHERE p = ? AND ${range.sql}`, args: [param.p, ...range.args] };
      return {
        rows: { sql: `${read.sql} AND ${test.sql}`, args: [...read.args, ...test.args] },
        read,
        exact: true,
      };
    }
  }
}

function builtInDriver(kind: Kind, leaf: Leaf): Driver | undefined {
  if (leaf.param === '_type') return undefined;
  if (leaf.param === '_id') {
    const named = leaf.where.find(one => one.column === 'code' && valuesOf(one) !== undefined);
    if (named === undefined) return undefined;
    const rows = {
      sql: 'SELECT rid AS r FROM json_each(?) j CROSS JOIN res ON res.type = ? AND res.id = j.value',
      args: [JSON.stringify(valuesOf(named)), kind.id],
    };
    return { rows, read: rows, exact: false };
  }
  const on = allOf(leaf.where.map(one => numberCondition('lu', one)));
  if (isNo(on)) return none;
  const rows = {
    sql: `SELECT r FROM cur INDEXED BY cur_lu WHERE type = ? AND ${on.sql}`,
    args: [kind.id, ...on.args],
  };
  return { rows, read: rows, exact: leaf.where.every(one => one.column === 'lo' || one.column === 'hi') };
}

function textDriver(connection: Connection, param: Param, leaf: Leaf): Driver | undefined {
  const table = leaf.kind === 'token' ? 'tok' : 'str';
  const first = leaf.kind === 'token' ? 'code' : 'value';
  const named = leaf.where.find(
    one => one.column === first && (valuesOf(one) !== undefined || (one.is === 'prefix' && one.value !== '')),
  );
  if (named === undefined) return undefined;
  const range = textCondition('v', named);
  const rest = leaf.where.filter(one => one !== named);
  const on = allOf(rest.map(one => postingCondition(connection, leaf, one, table)));
  if (isNo(on) || isNo(range)) return none;
  const read = { sql: `SELECT r FROM ${table} WHERE p = ? AND ${range.sql}`, args: [param.p, ...range.args] };
  const values = valuesOf(named);
  const streamed =
    leaf.kind === 'token' && values?.length === 1 && rest.every(one => one.column === 'system');
  return {
    rows: { sql: `${read.sql} AND ${on.sql}`, args: [...read.args, ...on.args] },
    read,
    exact: true,
    ...(streamed
      ? {
          token: {
            p: param.p,
            v: values[0]!,
            on: allOf(rest.map(one => systemCondition(connection, 'x.s', one))),
          },
        }
      : {}),
  };
}

interface Bounds {
  loMin: number;
  loMax: number;
  hiMin: number;
  hiMax: number;
}
function boundsOf(leaves: readonly Leaf[]): Bounds {
  const bounds: Bounds = { loMin: -Infinity, loMax: Infinity, hiMin: -Infinity, hiMax: Infinity };
  for (const condition of leaves.flatMap(leaf => leaf.where)) {
    if (condition.is !== 'range' || (condition.column !== 'lo' && condition.column !== 'hi')) continue;
    const { column } = condition;
    bounds[`${column}Min`] = Math.max(
      bounds[`${column}Min`],
      condition.ge ?? -Infinity,
      condition.gt ?? -Infinity,
    );
    bounds[`${column}Max`] = Math.min(
      bounds[`${column}Max`],
      condition.le ?? Infinity,
      condition.lt ?? Infinity,
    );
  }
  return bounds;
}
function between(column: string, min: number, max: number): Fragment {
  return allOf([
    ...(min === -Infinity ? [] : [{ sql: `${column} >= ?`, args: [min] }]),
    ...(max === Infinity ? [] : [{ sql: `${column} <= ?`, args: [max] }]),
  ]);
}

/**
 * Resources with one date of at most a day (classes 0 to 2) must satisfy all conditions with that date, so that ge and lt
 * of two leaves together bound the range. The others (class 3) may satisfy each with another date.
 */
function dateDriver(param: Param, leaf: Leaf, others: readonly Node[]): Driver | undefined {
  const same = others.filter(
    (one): one is Leaf =>
      one.op === 'row' && one.kind === 'date' && one.param === leaf.param && one.where.length > 0,
  );
  const all = boundsOf(same.includes(leaf) ? same : [leaf, ...same]);
  const own = boundsOf([leaf]);
  if (Object.values(own).every(bound => !Number.isFinite(bound))) return undefined;
  const parts = [0, 999, dayClassLength].map((length, k): Fragment => {
    const range = between('lo', Math.max(all.loMin, all.hiMin - length), Math.min(all.loMax, all.hiMax));
    return {
      sql: `SELECT r FROM dat WHERE p = ? AND k = ${k} AND ${range.sql}`,
      args: [param.p, ...range.args],
    };
  });
  const byLo = openEnds(own.loMin, own.loMax);
  const byHi = openEnds(own.hiMin, own.hiMax);
  if (byHi < byLo || (byHi === byLo && own.hiMin > -Infinity)) {
    const range = between('hi', own.hiMin, own.hiMax);
    parts.push({
      sql: `SELECT r FROM dat INDEXED BY dat_hi WHERE p = ? AND k >= 2 AND ${range.sql} AND k = 3`,
      args: [param.p, ...range.args],
    });
  } else {
    const range = between('lo', own.loMin, own.loMax);
    parts.push({
      sql: `SELECT r FROM dat WHERE p = ? AND k = 3 AND ${range.sql}`,
      args: [param.p, ...range.args],
    });
  }
  const rows = union(parts);
  return { rows, read: rows, exact: false };
}

/** Rows are kept by classes of width, so that a bound on hi bounds lo too. */
function numberDriver(connection: Connection, param: Param, leaf: Leaf): Driver | undefined {
  const own = boundsOf([leaf]);
  if (Object.values(own).every(bound => !Number.isFinite(bound))) return undefined;
  const parts: Fragment[] = [];
  let k: number | null = pointClass - 1;
  for (;;) {
    k = connection.one<number | null>('SELECT min(k) FROM num WHERE p = ? AND k > ?', param.p, k) ?? null;
    if (k === null || k > widestClass) break;
    const range = between('lo', Math.max(own.loMin, own.hiMin - widthOf(k)), Math.min(own.loMax, own.hiMax));
    parts.push({
      sql: `SELECT r FROM num WHERE p = ? AND k = ? AND ${range.sql}`,
      args: [param.p, k, ...range.args] satisfies Value[],
    });
  }
  const rows = union(parts);
  return { rows, read: rows, exact: false };
}
