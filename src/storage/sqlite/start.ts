// Where a search starts: its conjuncts, what each could be driven by, the shortest of these, and what is left to judge.
import { followsLinks } from '../../search/matches.js';
import type { Node, SortKey } from '../../search/plan.js';
import type { Connection } from './connection.js';
import type { Kind } from './dictionary.js';
import { countUpTo, driverOf } from './drive.js';
import { filter } from './filter.js';
import { allOf, type Fragment } from './fragment.js';
import type { Hit } from './hit.js';
import type { Driver } from './driver.js';
import type { Query, Steps } from './query.js';

/** What is wanted of one type: the first `limit` results after a place. */
export interface Wanted {
  readonly query: Query;
  readonly kind: Kind;
  /** The conjuncts, and what each may be driven by. */
  readonly nodes: readonly Node[];
  readonly drivers: ReadonlyMap<Node, Driver>;
  readonly sort: readonly SortKey[];
  readonly limit: number;
  readonly after?: Hit;
  /** Reading an index in order is given up after so many rows. */
  readonly rows?: number;
  /** What else must hold of a candidate `x`, its row of `cur` under an alias. */
  readonly also?: (cur: string) => Fragment;
}

/** So few candidates are judged at once whatever else is asked. */
const handful = 16;

export function* startOf(query: Query, kind: Kind, where: Node): Steps<Pick<Wanted, 'nodes' | 'drivers'>> {
  const nodes = where.op === 'and' ? where.nodes : where.op === 'all' ? [] : [where];
  const drivers = new Map<Node, Driver>();
  const far = nodes.filter(followsLinks);
  const near = nodes.filter(node => !far.includes(node));
  for (const node of [...near, ...far]) {
    // The far ends of chains need not be searched where there are few already.
    if (node === far[0] && shortest(query.connection, drivers.values(), handful) !== undefined) break;
    const driver = yield* driverOf(query, kind, node, nodes);
    if (driver !== undefined) drivers.set(node, driver);
  }
  return { nodes, drivers };
}

/** The driver that reads the fewest rows, and how many; undefined if none reads fewer than the limit. */
export function shortest(
  connection: Connection,
  drivers: Iterable<Driver>,
  limit: number,
): { readonly driver: Driver; readonly count: number } | undefined {
  let best: { driver: Driver; count: number } | undefined;
  for (const driver of drivers) {
    const count = countUpTo(connection, driver, best?.count ?? limit);
    if (count < (best?.count ?? limit)) best = { driver, count };
    if (count === 0) break;
  }
  return best;
}

/** What remains to be judged of candidates that a driver gives. `cur` is the alias of their row of `cur`. */
export function* remaining(
  wanted: Pick<Wanted, 'query' | 'kind' | 'nodes' | 'drivers' | 'also'>,
  driver: Driver | undefined,
  cur: string,
): Steps<Fragment> {
  return allOf(yield* eachRemaining(wanted, driver, cur));
}

/** The same, condition by condition. */
export function* eachRemaining(
  wanted: Pick<Wanted, 'query' | 'kind' | 'nodes' | 'drivers' | 'also'>,
  driver: Driver | undefined,
  cur: string,
): Steps<Fragment[]> {
  const parts: Fragment[] = wanted.also === undefined ? [] : [wanted.also(cur)];
  for (const node of wanted.nodes) {
    if (driver?.exact && wanted.drivers.get(node) === driver) continue;
    parts.push(yield* filter(wanted.query, wanted.kind, node, 'x.r', cur));
  }
  return parts;
}

/** Joins a candidate `x` to its row of `cur`. */
export const withCur = (kind: Kind, cur: string): string =>
  ` CROSS JOIN cur ${cur} ON ${cur}.type = ${kind.id} AND ${cur}.r = x.r`;
