// Where the candidates of a search may come from: for a condition, the rows that hold every resource it can be true for.
// The search takes the shortest; it never relies on SQLite's own statistics.
import type { Node } from '../../search/plan.js';
import type { Connection } from './connection.js';
import type { Kind } from './dictionary.js';
import { filter } from './filter.js';
import { allOf, isNo, type Fragment } from './fragment.js';
import { none, union, type Driver } from './driver.js';
import { leafDriver } from './leaf-driver.js';
import type { Query, Steps } from './query.js';

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
        if (driver !== none) drivers.push(driver);
      }
      const [first, ...others] = drivers;
      if (first === undefined) return none;
      const exact = node.nodes.every(one => one.op !== 'and') && drivers.every(one => one.exact);
      // The only one may be read in an order of its own.
      if (others.length === 0) return { ...first, exact };
      return { rows: union(drivers.map(one => one.rows)), read: union(drivers.map(one => one.read)), exact };
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

/**
 * How many rows a driver reads, at most `limit`. Surprising: two statements, because SQLite counts a range three times
 * as fast as one with a limit.
 */
export function countUpTo(connection: Connection, { read }: Driver, limit: number): number {
  if (reads(connection, read, limit)) return limit;
  return connection.one<number>(`SELECT count(*) FROM (${read.sql})`, ...read.args)!;
}

/** Whether there are at least `rows` rows. */
export const reads = (connection: Connection, { sql, args }: Fragment, rows: number): boolean =>
  rows <= 0 || connection.one(`${sql} LIMIT 1 OFFSET ?`, ...args, rows - 1) !== undefined;

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
