// Compares what the tables hold with what the bodies give, and the tables with each other. Runs beside traffic, but
// then tells of resources that changed while it read.
import { setImmediate as turn } from 'node:timers/promises';
import Database from 'better-sqlite3';
import type { RowsOf, Version } from '../store.js';
import type { Connection } from './connection.js';
import { partsOf } from './letters.js';
import { indexed, type Table } from './postings.js';
import { deletion } from './record.js';
import { hasEnd, keyColumns, storedEnd } from './tables.js';
import { sumOfTokens, sumsOf } from './words.js';

const tables: readonly Table[] = ['tok', 'str', 'ref', 'rref', 'dat', 'num', 'cmp'];

export async function* check(
  connection: Connection,
  pages: AsyncIterable<readonly (Version & { readonly rid: number })[]>,
  rowsOf: RowsOf,
): AsyncGenerator<string> {
  const expected = new Map<string, number>();
  const words = new Map<number, number>();
  for await (const page of pages) {
    for (const version of page) yield* checkResource(connection, version, rowsOf, expected, words);
  }
  for (const table of tables) {
    yield* checkSurplus(connection, table, expected);
    await turn();
  }
  yield* checkWords(connection, words);
  yield* checkTexts(connection);
  for (const [sentence, sql] of invariants) {
    for (const row of connection.all<{ what: string }>(`${sql} LIMIT 20`)) yield `${sentence} ${row.what}.`;
    await turn();
  }
}

function* checkResource(
  connection: Connection,
  version: Version & { readonly rid: number },
  rowsOf: RowsOf,
  expected: Map<string, number>,
  words: Map<number, number>,
): Generator<string> {
  const { dictionary } = connection;
  const name = `${version.ref.type}/${version.ref.id}`;
  const kind = dictionary.kind(version.ref.type)!;
  const stored = connection.get<{ lu: number; d: number; b: Buffer }>(
    'SELECT lu, d, b FROM cur WHERE type = ? AND r = ?',
    kind.id,
    version.rid,
  );
  if (stored === undefined) {
    yield `${name} is current but not in the list of current resources.`;
    return;
  }
  let made;
  try {
    // The connection cannot write: a text the dictionaries do not know ends in an error.
    made = indexed(kind, version.rid, rowsOf(version), dictionary);
  } catch (error) {
    if (!(error instanceof Database.SqliteError && error.code.startsWith('SQLITE_READONLY'))) throw error;
    yield `${name} has index rows with texts that were never indexed.`;
    return;
  }
  if (stored.lu !== version.lastUpdated) yield `${name} is listed with another lastUpdated.`;
  if (stored.d !== made.primaryDate) yield `${name} is listed with another primary date.`;
  if (!stored.b.equals(made.packed())) yield `${name} has other packed values than its body gives.`;
  if (made.tokens !== '') words.set(version.rid, sumOfTokens(made.tokens));
  for (const { table, key, end } of made.postings) {
    const p = table === 'rref' ? key[1] : key[0];
    const counter = `${table} ${String(p)}`;
    expected.set(counter, (expected.get(counter) ?? 0) + 1);
    const on = keyColumns[table].split(', ').map(column => `${column} = ?`).join(' AND '); // prettier-ignore
    const found = connection.one<number>(
      `SELECT ${hasEnd.has(table) ? 'e' : '0'} FROM ${table} WHERE ${on}`,
      ...key,
    );
    if (found === undefined)
      yield `${name} lacks an index row of ${dictionary.paramOf(p as number).code} (${table}).`;
    else if (hasEnd.has(table) && found !== storedEnd(end))
      yield `${name} has an index row of ${dictionary.paramOf(p as number).code} with other ends.`;
  }
}

function* checkSurplus(
  connection: Connection,
  table: Table,
  expected: ReadonlyMap<string, number>,
): Generator<string> {
  for (const { p, n } of connection.all<{ p: number; n: number }>(
    `SELECT p, count(*) AS n FROM ${table} GROUP BY p`,
  )) {
    const surplus = n - (expected.get(`${table} ${p}`) ?? 0);
    if (surplus > 0) {
      const { type, code } = connection.dictionary.paramOf(p);
      yield `${connection.dictionary.kindOf(type).name} has ${surplus} index rows of ${code} (${table}) more than its resources give.`;
    }
  }
}

/** By number, a sum over the tokens that a full-text index holds. */
async function tokensFound(table: 'words' | 'parts', connection: Connection): Promise<Map<number, number>> {
  const found = new Map<number, number>();
  for (const sums of sumsOf(table, connection.db.name)) {
    for (const [id, sum] of sums) found.set(id, ((found.get(id) ?? 0) + sum) | 0);
    await turn();
  }
  return found;
}

/** `expected`: a sum over the words that each resource should have. */
async function* checkWords(
  connection: Connection,
  expected: ReadonlyMap<number, number>,
): AsyncGenerator<string> {
  const found = await tokensFound('words', connection);
  const what = (rid: number): string =>
    connection.one<string>(`SELECT ${named} FROM res WHERE rid = ?`, rid) ?? `Resource number ${rid}`;
  for (const [rid, sum] of expected)
    if (found.get(rid) !== sum)
      yield `${what(rid)} has other words in the full-text index than its body gives.`;
  for (const rid of found.keys())
    if (!expected.has(rid))
      yield `${what(rid)} has words in the full-text index that its body does not give.`;
}

const textsAtATime = 5000;

/** Texts and the parts they are found by. */
async function* checkTexts(connection: Connection): AsyncGenerator<string> {
  const found = await tokensFound('parts', connection);
  for (let last = 0; ;) {
    const some = connection.rows<readonly [x: number, p: number, v: string]>(
      'SELECT x, p, v FROM txt WHERE x > ? ORDER BY x LIMIT ?',
      last,
      textsAtATime,
    );
    for (const [x, p, v] of some) {
      if (found.get(x) !== sumOfTokens(partsOf(p, v), false))
        yield `Text number ${x} of ${connection.dictionary.paramOf(p).code} is found by other parts than it has.`;
      found.delete(x);
      last = x;
    }
    if (some.length < textsAtATime) break;
    await turn();
  }
  for (const x of found.keys()) yield `Text number ${x} is found by its parts but is not there.`;
}

const named = "(SELECT k.name || '/' || res.id FROM kind k WHERE k.id = res.type)";
const invariants: readonly (readonly [string, string])[] = [
  ['A gap in the versions of', `SELECT ${named} AS what FROM res WHERE EXISTS (SELECT 1 FROM hist h WHERE h.rid = res.rid) AND ((SELECT max(ver) FROM hist h WHERE h.rid = res.rid) <> res.ver - 1 OR (SELECT max(ver) - min(ver) + 1 - count(*) FROM hist h WHERE h.rid = res.rid) <> 0)`],
  ['A wrong count of current resources of type', `SELECT name AS what FROM kind WHERE n <> (SELECT count(*) FROM res WHERE res.type = kind.id AND op <> ${deletion})`],
  ['A superseded version without a resource:', `SELECT h.rid || '/' || h.ver AS what FROM hist h WHERE NOT EXISTS (SELECT 1 FROM res WHERE res.rid = h.rid)`],
  ['A body where there should be none, or none where there should be one:', `SELECT ${named} AS what FROM res WHERE (body IS NULL) <> (op = ${deletion})`],
  ['A deleted resource is listed as current:', `SELECT ${named} AS what FROM cur CROSS JOIN res ON res.rid = cur.r WHERE res.op = ${deletion}`],
  ['Listed as current but unknown:', `SELECT cur.r AS what FROM cur WHERE NOT EXISTS (SELECT 1 FROM res WHERE res.rid = cur.r AND res.type = cur.type)`],
  ['A current version is not in the change log:', `SELECT rid || '/' || ver AS what FROM (SELECT type, rid, ver FROM res EXCEPT SELECT type, rid, ver FROM log)`],
  ['The change log names what is not there:', `SELECT log.seq AS what FROM log WHERE NOT EXISTS (SELECT 1 FROM res WHERE res.rid = log.rid AND res.ver >= log.ver)`],
  ['A text is not found by its parts: one of', `SELECT code AS what FROM param WHERE p IN (SELECT p FROM (SELECT DISTINCT str.p, str.v FROM param CROSS JOIN str ON str.p = param.p WHERE param.kind = 'string' AND instr(param.code, ':') = 0 AND length(str.v) >= 3 EXCEPT SELECT p, v FROM txt))`],
  ['A text is kept that no resource has: one of', 'SELECT code AS what FROM param WHERE p IN (SELECT p FROM (SELECT p, v FROM txt EXCEPT SELECT p, v FROM str))'],
  ['A claim whose owner is not current:', `SELECT claim AS what FROM claim WHERE NOT EXISTS (SELECT 1 FROM res WHERE res.rid = claim.r AND res.op <> ${deletion})`],
  ['A reference is kept by name although its target exists:', `SELECT t AS what FROM tgt WHERE EXISTS (SELECT 1 FROM res CROSS JOIN kind k ON k.id = res.type WHERE k.name = substr(t, 1, instr(t, '/') - 1) AND res.id = substr(t, instr(t, '/') + 1))`],
  ['A reference without its reverse:', 'SELECT p || \'/\' || r AS what FROM ref WHERE NOT EXISTS (SELECT 1 FROM rref WHERE rref.r = ref.r AND rref.p = ref.p AND rref.v = ref.v)'],
]; // prettier-ignore
