// The writer's rarer work: removing for good, making index rows anew in portions, names in meta.
import { refKey, type Ref } from '../../fhir/resource.js';
import type { Row, RowKind } from '../../search/rows.js';
import type { Connection } from './connection.js';
import { indexed, primaryDateAmong, type Table } from './postings.js';
import { deletion } from './record.js';
import { insert, keyColumns, moveReferences } from './tables.js';
import type { Texts } from './texts.js';
import { insertWords, removeWords } from './words.js';
import type { Writer } from './writer.js';

export type Task =
  | { readonly task: 'expunge'; readonly ref: Ref; readonly what: 'history' | 'everything' }
  | { readonly task: 'clearIndex' }
  | {
      readonly task: 'index';
      readonly resources: readonly {
        readonly rid: number;
        readonly version: number;
        readonly rows: readonly Row[];
      }[];
      /** Only postings of these parameters lack. */
      readonly params?: readonly string[];
    }
  | { readonly task: 'forgetRows'; readonly params: readonly string[] }
  | { readonly task: 'fence'; readonly generation: number }
  | { readonly task: 'setIndexVersion'; readonly name: string }
  /** `waits`: until nobody reads what is moved. */
  | { readonly task: 'checkpoint'; readonly waits: boolean };

/** After these, numbers may stand for something else. */
export const removing: ReadonlySet<Task['task']> = new Set(['expunge', 'clearIndex']);

export function maintain(connection: Connection, writer: Writer, task: Task): unknown {
  if (task.task === 'fence') return writer.raiseFence(task.generation);
  if (task.task === 'checkpoint')
    return connection.db.pragma(`wal_checkpoint(${task.waits ? 'RESTART' : 'PASSIVE'})`);
  connection.db.exec('BEGIN IMMEDIATE');
  const result = within(connection, task, writer.texts);
  writer.texts.write();
  // These change rows without a line in the log, by which readers keep their sets up to date.
  connection.run("INSERT INTO meta (k, v) VALUES ('epoch', 1) ON CONFLICT DO UPDATE SET v = v + 1");
  connection.db.exec('COMMIT');
  if (removing.has(task.task)) writer.recall();
  return result;
}

function within(
  connection: Connection,
  task: Exclude<Task, { task: 'checkpoint' | 'fence' }>,
  texts: Texts,
): unknown {
  switch (task.task) {
    case 'expunge':
      return expunge(connection, task.ref, task.what, texts);
    case 'clearIndex':
      texts.forget();
      return clearIndex(connection);
    case 'index':
      return indexEach(connection, task, texts);
    case 'forgetRows':
      return forgetRows(connection, task.params, texts);
    case 'setIndexVersion':
      connection.run(
        "INSERT INTO meta (k, v) VALUES ('indexVersion', ?) ON CONFLICT DO UPDATE SET v = excluded.v",
        task.name,
      );
      return undefined;
  }
}

function expunge(connection: Connection, ref: Ref, what: 'history' | 'everything', texts: Texts): number {
  const kind = connection.dictionary.kind(ref.type);
  const current =
    kind &&
    connection.get<{ rid: number; ver: number }>(
      'SELECT rid, ver FROM res WHERE type = ? AND id = ?',
      kind.id,
      ref.id,
    );
  if (kind === undefined || current === undefined) return 0;
  const { rid, ver } = current;
  // Sequence numbers are never used again: a reader of the change log may stand at the one that goes.
  connection.run(
    "INSERT INTO meta (k, v) SELECT 'lastSeq', max(seq) FROM log WHERE true ON CONFLICT DO UPDATE SET v = max(v, excluded.v)",
  );
  let removed = connection.run('DELETE FROM hist WHERE rid = ?', rid).changes;
  connection.run(
    'DELETE FROM log WHERE type = ? AND rid = ? AND (ver <> ? OR ?)',
    kind.id,
    rid,
    ver,
    what === 'everything' ? 1 : 0,
  );
  if (what === 'history') return removed;

  removeIndex(connection, kind.id, rid, texts);
  connection.run('DELETE FROM claim WHERE r = ?', rid);
  const referring = connection.column<number>(
    "SELECT p FROM param WHERE kind = 'reference' AND EXISTS (SELECT 1 FROM ref WHERE ref.p = param.p AND ref.v = ?)",
    rid,
  );
  connection.run(
    `UPDATE kind SET n = n - 1 WHERE id = ? AND (SELECT op FROM res WHERE rid = ?) <> ${deletion}`,
    kind.id,
    rid,
  );
  connection.run('DELETE FROM res WHERE rid = ?', rid);
  connection.dictionary.forget();
  for (const p of referring)
    moveReferences(connection, p, rid, connection.dictionary.makeTarget(refKey(ref), p));
  removed += 1;
  return removed;
}

/** All postings of a resource, found without knowing its rows: by what its type's parameters hold. */
function removeIndex(connection: Connection, type: number, rid: number, texts: Texts): void {
  const of = `p IN (SELECT p FROM param WHERE type = ?)`;
  for (const [p, v] of connection.rows<readonly [number, string]>(
    `SELECT p, v FROM str WHERE ${of} AND r = ?`,
    type,
    rid,
  ))
    texts.remove(p, v);
  for (const table of ['tok', 'str', 'ref', 'dat', 'num', 'cmp'])
    connection.run(`DELETE FROM ${table} WHERE ${of} AND r = ?`, type, rid);
  connection.run('DELETE FROM rref WHERE r = ?', rid);
  removeWords(connection, rid);
  connection.run('DELETE FROM cur WHERE type = ? AND r = ?', type, rid);
}

/** Empties postings and parameters; targets that were never created stay known, they are made again. */
function clearIndex(connection: Connection): void {
  for (const table of [...Object.keys(keyColumns), 'cur', 'dangling', 'tgt', 'param', 'txt'])
    connection.db.exec(`DELETE FROM ${table}`);
  connection.db.exec("INSERT INTO words (words) VALUES ('delete-all')");
  connection.db.exec("INSERT INTO parts (parts) VALUES ('delete-all')");
  connection.db.exec('UPDATE kind SET primary_date = NULL');
  // Until it is whole again the index has no name: whoever is interrupted finds that it must be made anew.
  connection.db.exec("DELETE FROM meta WHERE k = 'indexVersion'");
  connection.dictionary.forget();
}

/** So many postings go in one transaction. */
const slice = 2_000;

/** Takes away some rows of the parameters; how many. The parameters keep their numbers: packed values may still name them. */
function forgetRows(connection: Connection, params: readonly string[], texts: Texts): number {
  for (const param of params) {
    const those = connection.all<{ p: number; kind: keyof typeof tableOf }>(
      `SELECT p, kind FROM param WHERE code = ? OR substr(code, 1, ?) = ?`,
      param,
      param.length + 1,
      `${param}:`,
    );
    for (const { p, kind } of those) {
      const table = tableOf[kind];
      const keys = keyColumns[table];
      const some = `FROM ${table} WHERE p = ? LIMIT ${slice}`;
      if (table === 'ref') {
        connection.run('DELETE FROM dangling WHERE p = ?', p);
        connection.run(`DELETE FROM rref WHERE (r, p, v) IN (SELECT r, p, v ${some})`, p);
      }
      if (table === 'str')
        for (const v of connection.column<string>(`SELECT DISTINCT v FROM (SELECT v ${some})`, p))
          texts.remove(p, v);
      const removed = connection.run(`DELETE FROM ${table} WHERE (${keys}) IN (SELECT ${keys} ${some})`, p);
      if (removed.changes > 0) return removed.changes;
    }
  }
  return 0;
}

/** Words are of no parameter that comes and goes. */
const tableOf: Readonly<Record<Exclude<RowKind, 'words'>, Exclude<Table, 'rref'>>> = {
  token: 'tok',
  string: 'str',
  uri: 'str',
  reference: 'ref',
  date: 'dat',
  number: 'num',
  composite: 'cmp',
};

/** Rows of resources that lack some; answers those that changed since their bodies were read and are to be read again. */
function indexEach(
  connection: Connection,
  { resources, params }: Extract<Task, { task: 'index' }>,
  texts: Texts,
): number[] {
  const wanted = params === undefined ? undefined : new Set(params);
  return resources.flatMap(({ rid, version, rows }) =>
    index(connection, rid, version, rows, wanted, texts) ? [] : [rid],
  );
}

/** Whether it is done; false where the resource changed since its body was read. */
function index(
  connection: Connection,
  rid: number,
  version: number,
  rows: readonly Row[],
  params: ReadonlySet<string> | undefined,
  texts: Texts,
): boolean {
  const current = connection.get<{ type: number; ver: number; lu: number; op: number }>(
    'SELECT type, ver, lu, op FROM res WHERE rid = ?',
    rid,
  );
  if (current === undefined || current.op === deletion) return true;
  if (current.ver !== version) return false;
  const { dictionary } = connection;
  let kind = dictionary.kindOf(current.type);
  if (kind.primaryDate === null) {
    const chosen = primaryDateAmong(
      rows.flatMap(row => (row.kind === 'date' && row.end !== undefined ? [row.param] : [])),
    );
    if (chosen !== null) kind = dictionary.choosePrimaryDate(kind, chosen);
  }
  const made = indexed(kind, rid, rows, dictionary);
  for (const posting of made.postings) {
    const p = posting.table === 'rref' ? posting.key[1] : posting.key[0];
    if (params === undefined || params.has(dictionary.paramOf(p as number).code.split(':', 1)[0]!))
      insert(connection, posting, texts);
  }
  if (params === undefined) {
    removeWords(connection, rid);
    if (made.tokens !== '') insertWords(connection, rid, made.tokens);
  }
  connection.run(
    'INSERT OR REPLACE INTO cur (type, r, lu, d, b) VALUES (?, ?, ?, ?, ?)',
    kind.id,
    rid,
    current.lu,
    made.primaryDate,
    made.packed(),
  );
  return true;
}
