// The limit of every write measure: better-sqlite3 inserting the very rows Tsela's store made, into the same tables with
// the same indexes, synced on every commit, one prepared statement per row, and nothing else. Rows are read beforehand.
import Database from 'better-sqlite3';
import { answering } from './children.mjs';

/** Tables with a row or more per resource, and the column that names it; the others are dictionaries. */
const resourceColumn = {
  res: 'rid',
  log: 'rid',
  tok: 'r',
  str: 'r',
  ref: 'r',
  rref: 'r',
  dat: 'r',
  num: 'r',
  cmp: 'r',
  cur: 'r',
};

let db;
let inserts;

answering({
  /** Makes an empty file with the tables of the store at `model`. */
  make({ file, model }) {
    db = new Database(file);
    db.pragma('page_size = 4096');
    db.pragma('journal_mode = WAL');
    db.pragma('synchronous = FULL');
    db.pragma('cache_size = -8000');
    db.pragma('mmap_size = 2147418112');
    const from = new Database(model, { readonly: true });
    for (const { sql } of from
      .prepare(
        "SELECT sql FROM sqlite_master WHERE sql IS NOT NULL AND name NOT GLOB 'sqlite_*' AND name NOT GLOB 'words_*' AND name NOT GLOB 'parts_*'",
      )
      .all())
      db.exec(sql);
    inserts = Object.fromEntries(
      Object.keys(resourceColumn).map(table => {
        const columns = from.pragma(`table_info(${table})`);
        return [table, db.prepare(`INSERT INTO ${table} VALUES (${columns.map(() => '?').join()})`)];
      }),
    );
    inserts.words = db.prepare('INSERT INTO words (rowid, tokens) VALUES (?, ?)');
    from.close();
  },
  /** Inserts the rows of the resources numbered above `after`, so many resources to a commit. */
  copy({ model, after, perCommit }) {
    const from = new Database(model, { readonly: true });
    const byResource = new Map();
    for (const [table, column] of Object.entries(resourceColumn)) {
      const statement = from.prepare(`SELECT ${column}, * FROM ${table} WHERE ${column} > ?`).raw();
      for (const [resource, ...values] of statement.iterate(after)) {
        if (!byResource.has(resource)) byResource.set(resource, []);
        byResource.get(resource).push([inserts[table], values]);
      }
    }
    for (const [resource, tokens] of wordsOf(from, after))
      byResource.get(resource)?.push([inserts.words, [resource, tokens]]);
    from.close();
    const resources = [...byResource].sort(([a], [b]) => a - b).map(([, rows]) => rows);
    const rows = resources.reduce((sum, each) => sum + each.length, 0);
    const cpu = process.cpuUsage();
    const started = performance.now();
    // Fractions are carried over, so that the average of the commits is what was asked for.
    for (let next = 0, target = perCommit; next < resources.length; target += perCommit) {
      const end = Math.min(resources.length, Math.max(next + 1, Math.round(target)));
      db.exec('BEGIN IMMEDIATE');
      for (; next < end; next++) for (const [insert, values] of resources[next]) insert.run(values);
      db.exec('COMMIT');
    }
    const seconds = (performance.now() - started) / 1000;
    const used = process.cpuUsage(cpu);
    return { resources: resources.length, rows, seconds, cpu: (used.user + used.system) / 1e6 };
  },
  close: () => db.close(),
});

/** The full-text index keeps places of words, not texts: these are put together again. */
function wordsOf(from, after) {
  from.exec('CREATE VIRTUAL TABLE temp.said USING fts5vocab (main, words, instance)');
  const words = new Map();
  for (const [resource, term, place] of from
    .prepare('SELECT doc, term, "offset" FROM temp.said WHERE doc > ?')
    .raw()
    .iterate(after)) {
    if (!words.has(resource)) words.set(resource, []);
    words.get(resource)[place] = term;
  }
  return [...words].map(([resource, terms]) => [resource, terms.join(' ')]);
}
