// What an embedded store's files tell from outside: how many commits were made, how many rows and bytes there are.
import Database from 'better-sqlite3';
import { closeSync, openSync, readSync, statSync } from 'node:fs';
import { join } from 'node:path';

export const fileOf = folder => join(folder, 'data', 'tsela.sqlite');

/** SQLite counts the transactions of a WAL in bytes 8 to 11 of its index. https://www.sqlite.org/walformat.html */
export function commits(file) {
  const counter = Buffer.alloc(4);
  const index = openSync(`${file}-shm`, 'r');
  readSync(index, counter, 0, 4, 8);
  closeSync(index);
  return counter.readUInt32LE();
}

export function greatestNumber(file) {
  const db = new Database(file, { readonly: true });
  const greatest = db.prepare('SELECT max(rid) FROM res').pluck().get();
  db.close();
  return greatest ?? 0;
}

const postings = ['tok', 'str', 'ref', 'rref', 'dat', 'num', 'cmp'];

/** Of a store that is closed: index rows and bytes per resource, and bytes per table with its indexes. */
export function anatomy(file) {
  const db = new Database(file);
  db.pragma('wal_checkpoint(TRUNCATE)');
  const one = sql => db.prepare(sql).pluck().get();
  const resources = one('SELECT count(*) FROM res');
  const rows = Object.fromEntries(postings.map(table => [table, one(`SELECT count(*) FROM ${table}`)]));
  const body = one('SELECT avg(length(body)) FROM res');
  const tables = db
    .prepare(
      'SELECT m.tbl_name AS name, sum(s.pgsize) AS bytes FROM dbstat s JOIN sqlite_master m ON m.name = s.name GROUP BY 1 ORDER BY 2 DESC',
    )
    .all();
  db.close();
  const indexRows = Object.values(rows).reduce((sum, each) => sum + each, 0);
  return {
    resources,
    indexRows: indexRows / resources,
    body,
    bytes: statSync(file).size / resources,
    rows,
    tables,
  };
}
