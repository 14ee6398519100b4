// How a search is answered: it is run, every statement is noted, and SQLite tells its plan for each.
// https://www.sqlite.org/eqp.html
// Surprising: SQLite does not say how many rows a statement looked at. The rows of the range it reads from are counted
// instead, by running that range alone.
import type { SearchPlan } from '../../search/plan.js';
import type { ExplainedStep, Explanation } from '../store.js';
import type { Connection } from './connection.js';
import type { Steps } from './query.js';
import { search } from './search.js';
import type { Statements, Value } from './statements.js';

interface Noted {
  times: number;
  examined: number;
  returned: number;
  milliseconds: number;
  plan: readonly string[];
}

export function* explain(connection: Connection, plan: SearchPlan): Steps<Explanation> {
  const noted = new Map<string, Noted>();
  const started = performance.now();
  const { hits } = yield* search({ ...connection, ...noting(connection, noted) }, plan);
  const milliseconds = performance.now() - started;
  const steps = [...noted].map(([asked, one]): ExplainedStep => ({
    asked,
    ...one,
    indexes: indexesIn(asked, one.plan),
  }));
  return { found: Math.min(hits.length, plan.count), milliseconds, steps };
}

/** The statements, each noted when it has run. */
function noting(connection: Connection, noted: Map<string, Noted>): Statements {
  const note = <T>(sql: string, args: readonly Value[], run: () => T, size: (result: T) => number): T => {
    const started = performance.now();
    const result = run();
    const milliseconds = performance.now() - started;
    let one = noted.get(sql);
    if (one === undefined) {
      one = { times: 0, examined: 0, returned: 0, milliseconds: 0, plan: planOf(connection, sql, args) };
      noted.set(sql, one);
    }
    const returned = size(result);
    one.times++;
    one.returned += returned;
    one.examined += examinedBy(connection, sql, args) ?? returned;
    one.milliseconds += milliseconds;
    return result;
  };
  const each = (result: readonly unknown[]): number => result.length;
  const single = (result: unknown): number => (result === undefined ? 0 : 1);
  return {
    all: <T>(sql: string, ...args: Value[]) => note(sql, args, () => connection.all<T>(sql, ...args), each),
    rows: <T extends readonly Value[]>(sql: string, ...args: Value[]) =>
      note(sql, args, () => connection.rows<T>(sql, ...args), each),
    row: <T extends readonly Value[]>(sql: string, ...args: Value[]) =>
      note(sql, args, () => connection.row<T>(sql, ...args), single),
    get: <T>(sql: string, ...args: Value[]) => note(sql, args, () => connection.get<T>(sql, ...args), single),
    column: <T>(sql: string, ...args: Value[]) =>
      note(sql, args, () => connection.column<T>(sql, ...args), each),
    one: <T>(sql: string, ...args: Value[]) => note(sql, args, () => connection.one<T>(sql, ...args), single),
    run: (sql, ...args) => connection.run(sql, ...args),
  };
}

/** SQLite's lines, indented by what they are part of. */
function planOf(connection: Connection, sql: string, args: readonly Value[]): string[] {
  const depth = new Map<number, number>([[0, 0]]);
  return connection
    .all<{ id: number; parent: number; detail: string }>(`EXPLAIN QUERY PLAN ${sql}`, ...args)
    .map(({ id, parent, detail }) => {
      const own = depth.get(parent) ?? 0;
      depth.set(id, own + 1);
      return '  '.repeat(own) + detail;
    });
}

function indexesIn(sql: string, plan: readonly string[]): readonly string[] {
  const tables = new Map(
    [...sql.matchAll(/(?:FROM|JOIN) (\w+)(?:\([^)]*\))? (\w+)/g)].map(([, table, alias]) => [alias, table]),
  );
  const names = plan.flatMap(line => {
    const [, alias, key] =
      /(?:SEARCH|SCAN) (\S+).*?(PRIMARY KEY|VIRTUAL TABLE INDEX|INDEX \S+)/.exec(line) ?? [];
    if (alias === undefined || key === undefined) return [];
    const table = tables.get(alias) ?? alias;
    if (table === 'json_each') return [];
    return key.startsWith('INDEX ') ? key.slice('INDEX '.length) : `${table} ${key.toLowerCase()}`;
  });
  return [...new Set(names)];
}

/** How many rows the innermost range has that a statement reads from; undefined where it has none within it. */
function examinedBy(connection: Connection, sql: string, args: readonly Value[]): number | undefined {
  const start = sql.indexOf('FROM (SELECT');
  if (start < 0) return undefined;
  let depth = 0;
  let end = sql.indexOf('(', start);
  const from = end + 1;
  do {
    if (sql[end] === '(') depth++;
    else if (sql[end] === ')') depth--;
    end++;
  } while (depth > 0);
  const range = sql.slice(from, end - 1);
  const before = marksIn(sql.slice(0, from));
  const own = args.slice(before, before + marksIn(range));
  return connection.one<number>(`SELECT count(*) FROM (${range})`, ...own)!;
}
const marksIn = (sql: string): number => sql.split('?').length - 1;
