// The tables of an embedded store, and the steps that bring an older file up to date. docs/decisions/0020-sqlite-layout.md
// gives the reasons. Surprising: postings (tok, str, ref, dat, num, cmp) lead from a value to resources, `cur` holds the
// same values packed per resource, so that a filter can be judged and a page sorted from either end.
import type Database from 'better-sqlite3';

/** Steps from one schema version to the next: `migrations[n]` makes version n + 1. Never change one that was released. */
const migrations: readonly string[] = [
  `
  CREATE TABLE meta (k TEXT PRIMARY KEY, v ANY) STRICT, WITHOUT ROWID;

  -- Dictionaries. A text is kept once, its rows carry a small number.
  CREATE TABLE kind (id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE, primary_date TEXT, n INT NOT NULL DEFAULT 0) STRICT;
  CREATE TABLE param (p INTEGER PRIMARY KEY, type INT NOT NULL, code TEXT NOT NULL, kind TEXT NOT NULL, packed INT NOT NULL, UNIQUE (type, code, kind)) STRICT;
  CREATE TABLE sys (id INTEGER PRIMARY KEY, url TEXT NOT NULL UNIQUE) STRICT;
  CREATE TABLE unit (id INTEGER PRIMARY KEY, system TEXT NOT NULL, code TEXT NOT NULL, UNIQUE (system, code)) STRICT;
  -- Targets that are no resource here; a posting carries the negative id. dangling: what to re-point when it is created.
  CREATE TABLE tgt (id INTEGER PRIMARY KEY, t TEXT NOT NULL UNIQUE) STRICT;
  CREATE TABLE dangling (t INT NOT NULL, p INT NOT NULL, PRIMARY KEY (t, p)) STRICT, WITHOUT ROWID;

  -- A row per resource that ever was; rid is the order of creation. op: see methods in record.ts; a deletion has no body.
  CREATE TABLE res (rid INTEGER PRIMARY KEY, type INT NOT NULL, id TEXT NOT NULL, ver INT NOT NULL, lu INT NOT NULL, op INT NOT NULL, codec INT NOT NULL, body BLOB) STRICT;
  CREATE UNIQUE INDEX res_id ON res (type, id);
  -- Superseded versions.
  CREATE TABLE hist (rid INT NOT NULL, ver INT NOT NULL, lu INT NOT NULL, op INT NOT NULL, codec INT NOT NULL, body BLOB) STRICT;
  CREATE UNIQUE INDEX hist_rv ON hist (rid, ver);
  -- The change log. late: how far the greatest lastUpdated so far is ahead of lu.
  CREATE TABLE log (seq INTEGER PRIMARY KEY, type INT NOT NULL, rid INT NOT NULL, ver INT NOT NULL, lu INT NOT NULL, late INT NOT NULL) STRICT;
  CREATE INDEX log_type ON log (type);

  -- Current, undeleted resources: primary date (d) and packed values (b, see pack.ts).
  CREATE TABLE cur (type INT NOT NULL, r INT NOT NULL, lu INT NOT NULL, d INT NOT NULL, b BLOB NOT NULL, PRIMARY KEY (type, r)) STRICT, WITHOUT ROWID;
  CREATE INDEX cur_lu ON cur (type, lu, r);

  -- Postings. e: bit 1 not the lowest, bit 2 not the highest value of the resource for the parameter; mostly 0, which takes no byte.
  CREATE TABLE tok (p INT NOT NULL, v TEXT NOT NULL, r INT NOT NULL, s INT NOT NULL, e INT NOT NULL, PRIMARY KEY (p, v, r, s)) STRICT, WITHOUT ROWID;
  CREATE TABLE str (p INT NOT NULL, v TEXT NOT NULL, r INT NOT NULL, x TEXT NOT NULL, e INT NOT NULL, PRIMARY KEY (p, v, r, x)) STRICT, WITHOUT ROWID;
  CREATE TABLE ref (p INT NOT NULL, v INT NOT NULL, d INT NOT NULL, r INT NOT NULL, w TEXT NOT NULL, PRIMARY KEY (p, v, d, r, w)) STRICT, WITHOUT ROWID;
  CREATE TABLE rref (r INT NOT NULL, p INT NOT NULL, v INT NOT NULL, PRIMARY KEY (r, p, v)) STRICT, WITHOUT ROWID;
  CREATE TABLE dat (p INT NOT NULL, k INT NOT NULL, lo INT NOT NULL, r INT NOT NULL, hi INT NOT NULL, e INT NOT NULL, PRIMARY KEY (p, k, lo, r, hi)) STRICT, WITHOUT ROWID;
  CREATE INDEX dat_hi ON dat (p, hi, r) WHERE k >= 2;
  CREATE TABLE num (p INT NOT NULL, k INT NOT NULL, lo REAL NOT NULL, r INT NOT NULL, hi REAL NOT NULL, u INT NOT NULL, e INT NOT NULL, PRIMARY KEY (p, k, lo, r, hi, u)) STRICT, WITHOUT ROWID;
  -- A composite: a the text of its first part, b the lo or the text of its second, j the rest (postings.ts).
  CREATE TABLE cmp (p INT NOT NULL, a TEXT NOT NULL, b ANY NOT NULL, r INT NOT NULL, j TEXT NOT NULL, PRIMARY KEY (p, a, b, r, j)) STRICT, WITHOUT ROWID;

  CREATE TABLE claim (claim TEXT PRIMARY KEY, r INT NOT NULL) STRICT, WITHOUT ROWID;
  CREATE INDEX claim_r ON claim (r);
  CREATE TABLE receipt (key TEXT PRIMARY KEY, body BLOB NOT NULL) STRICT;
  `,
  `
  -- The words of current resources by their number: words.ts.
  CREATE VIRTUAL TABLE words USING fts5 (tokens, content = '', contentless_delete = 1, tokenize = "ascii tokenchars '_'");
  `,
  `
  -- The distinct texts of string parameters, and their letters three by three: texts.ts, whose function parts() is.
  CREATE TABLE txt (x INTEGER PRIMARY KEY, p INT NOT NULL, v TEXT NOT NULL) STRICT;
  CREATE VIRTUAL TABLE parts USING fts5 (tokens, content = '', detail = none, columnsize = 0, tokenize = "ascii tokenchars '_'");
  INSERT INTO parts (parts, rank) VALUES ('automerge', 2), ('crisismerge', 4); -- few segments, for every search reads each
  INSERT INTO txt (p, v) SELECT DISTINCT str.p, str.v FROM param CROSS JOIN str ON str.p = param.p
    WHERE param.kind = 'string' AND instr(param.code, ':') = 0 AND parts(str.p, str.v) <> '';
  INSERT INTO parts (rowid, tokens) SELECT x, parts(p, v) FROM txt;
  `,
];

export const schemaVersion = migrations.length;

/** Creates or updates the tables. @throws Error where the file was written by a newer Tsela. */
export function migrate(db: Database.Database): void {
  const version = db.pragma('user_version', { simple: true }) as number;
  if (version > migrations.length) {
    throw new Error(
      `its schema version is ${version}, this release knows up to ${migrations.length}: start the newer Tsela`,
    );
  }
  for (let next = version; next < migrations.length; next++) {
    db.transaction(() => {
      db.exec(migrations[next]!);
      db.pragma(`user_version = ${next + 1}`);
    }).immediate();
  }
}
