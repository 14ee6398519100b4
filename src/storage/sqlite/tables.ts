// The posting tables: their keys, and rows put in, taken out and moved.
import type { Connection } from './connection.js';
import type { Value } from './statements.js';
import type { Posting, Table } from './postings.js';
import type { Texts } from './texts.js';

export const keyColumns: Readonly<Record<Table, string>> = {
  tok: 'p, v, r, s',
  str: 'p, v, r, x',
  ref: 'p, v, d, r, w',
  rref: 'r, p, v',
  dat: 'p, k, lo, r, hi',
  num: 'p, k, lo, r, hi, u',
  cmp: 'p, a, b, r, j',
};
export const hasEnd: ReadonlySet<Table> = new Set(['tok', 'str', 'dat', 'num']);

const insertSql = {} as Record<Table, string>;
/** Of a resource without others there: what is there already is the same. */
const firstSql = {} as Record<Table, string>;
const deleteSql = {} as Record<Table, string>;
for (const [table, columns] of Object.entries(keyColumns) as [Table, string][]) {
  const marks = columns.replace(/\w+/g, '?');
  insertSql[table] = hasEnd.has(table)
    ? `INSERT INTO ${table} (${columns}, e) VALUES (${marks}, ?) ON CONFLICT DO UPDATE SET e = excluded.e`
    : `INSERT OR IGNORE INTO ${table} (${columns}) VALUES (${marks})`;
  firstSql[table] = hasEnd.has(table)
    ? `INSERT INTO ${table} (${columns}, e) VALUES (${marks}, ?) ON CONFLICT DO NOTHING`
    : insertSql[table];
  deleteSql[table] = `DELETE FROM ${table} WHERE ${columns.split(', ').map(column => `${column} = ?`).join(' AND ')}`; // prettier-ignore
}

/** `e` of a posting: the ends it is not. */
export const storedEnd = (end: number): number => end ^ 3;

export function insert(
  connection: Connection,
  { table, key, end }: Posting,
  texts: Texts,
  isFirst = false,
): void {
  if (table === 'str') texts.add(key[0] as number, key[1] as string);
  const sql = (isFirst ? firstSql : insertSql)[table];
  if (hasEnd.has(table)) connection.run(sql, ...key, storedEnd(end));
  else connection.run(sql, ...key);
}
export function remove(connection: Connection, { table, key }: Posting, texts: Texts): void {
  if (table === 'str') texts.remove(key[0] as number, key[1] as string);
  connection.run(deleteSql[table], ...key);
}

/** Postings of one parameter from one target to another; in `ref` and in its reverse. */
export function moveReferences(connection: Connection, p: number, from: number, to: number): void {
  const args: Value[] = [to, p, from];
  connection.run(
    'INSERT OR IGNORE INTO rref (r, p, v) SELECT r, p, ? FROM ref WHERE p = ? AND v = ?',
    ...args,
  );
  connection.run(
    'DELETE FROM rref WHERE p = ? AND v = ? AND r IN (SELECT r FROM ref WHERE p = ? AND v = ?)',
    p,
    from,
    p,
    from,
  );
  connection.run('UPDATE OR IGNORE ref SET v = ? WHERE p = ? AND v = ?', ...args);
  connection.run('DELETE FROM ref WHERE p = ? AND v = ?', p, from);
}
