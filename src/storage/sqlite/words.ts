// The full-text index: one FTS5 table for `_text` and `_content` of all types, a document per resource under its number.
// https://www.sqlite.org/fts5.html. Its tokens are `<parameter number>_<word>`, so that a search reads the words of its
// own type and parameter only; the folding is done above, its tokenizer only splits at spaces.
// Surprising: FTS5 writes what it holds at every savepoint, and each commit has one. So a group's words are kept here and
// written in one go before the group's transaction ends (docs/decisions/0020-sqlite-layout.md).
import Database from 'better-sqlite3';
import { someLeaf, type Leaf, type Node } from '../../search/plan.js';
import type { Connection } from './connection.js';
import type { Param } from './dictionary.js';
import type { Driver } from './driver.js';
import { Bits } from './bits.js';
import type { Query, Steps } from './query.js';

/** The words of a row (search/rows.ts) as tokens; a text's end is a token too, or phrases would reach over it. */
export const tokensOf = (p: number, text: string): string => `${p}_${text.trim().replaceAll(' ', ` ${p}_`)}`;

/** What a leaf asks of the index. `contains` with a space at its end is whole words, else the last one is a beginning. */
function matchOf(param: Param, leaf: Leaf): string {
  return leaf.where
    .map(condition => {
      if (condition.column !== 'text' || condition.is !== 'contains' || !/^ \S/.test(condition.value))
        throw new RangeError(
          `A words row has no ${condition.column} that could be asked with ${condition.is}`,
        );
      return `"${tokensOf(param.p, condition.value)}"${condition.value.endsWith(' ') ? '' : ' *'}`;
    })
    .join(' AND ');
}

export function wordsDriver(param: Param, leaf: Leaf): Driver {
  const rows = { sql: 'SELECT rowid AS r FROM words WHERE words MATCH ?', args: [matchOf(param, leaf)] };
  return { rows, read: rows, exact: true };
}

const step = 20_000;

/** The resources for which the leaf holds. */
export function* withWords(query: Query, param: Param, leaf: Leaf): Steps<Bits> {
  const found = new Bits();
  const match = matchOf(param, leaf);
  for (let last = 0; ;) {
    const some = query.connection.column<number>(
      'SELECT rowid FROM words WHERE words MATCH ? AND rowid > ? ORDER BY rowid LIMIT ?',
      match,
      last,
      step,
    );
    for (const rid of some) found.add(rid);
    if (some.length < step) return found;
    last = some.at(-1)!;
    yield;
  }
}

/** Whether words are asked for, here or behind a reference. */
export const asksWords = (node: Node): boolean => someLeaf(node, leaf => leaf.kind === 'words');

interface Change {
  readonly rid: number;
  readonly before: string;
  readonly after: string;
}

/** The words of commits whose transaction is under way. */
export class PendingWords {
  private changes: Change[] = [];
  constructor(private readonly connection: Connection) {}

  /** Where a commit starts, to come back to. */
  mark(): number {
    return this.changes.length;
  }
  backTo(mark: number): void {
    this.changes.length = mark;
  }
  /** Tokens of the state that was and of the one that is; '' for none. */
  change(rid: number, before: string, after: string): void {
    if (before !== after) this.changes.push({ rid, before, after });
  }
  write(): void {
    for (const { rid, before, after } of this.changes) {
      if (before !== '') removeWords(this.connection, rid);
      if (after !== '') insertWords(this.connection, rid, after);
    }
    this.changes = [];
  }
}

export const insertWords = (connection: Connection, rid: number, tokens: string): unknown =>
  connection.run('INSERT INTO words (rowid, tokens) VALUES (?, ?)', rid, tokens);
export const removeWords = (connection: Connection, rid: number): unknown =>
  connection.run('DELETE FROM words WHERE rowid = ?', rid);

/** A sum over the words and their places (0 where they have none), to compare what is stored with what should be. */
export function sumOfTokens(tokens: string, hasPlaces = true): number {
  let sum = 0;
  tokens.split(/[ \n]+/).forEach((token, place) => (sum = (sum + hash(token, hasPlaces ? place : 0)) | 0));
  return sum;
}

const portion = 50_000;

/** By resource, portion by portion, on a connection of its own, which a long walk keeps busy. */
export function* sumsOf(table: 'words' | 'parts', path: string): Generator<ReadonlyMap<number, number>> {
  const db = new Database(path, { readonly: true });
  try {
    db.exec(`CREATE VIRTUAL TABLE temp.said USING fts5vocab (main, ${table}, instance)`);
    let sums = new Map<number, number>();
    let many = 0;
    const all = db
      .prepare<[], [string, number, number]>('SELECT term, doc, coalesce("offset", 0) FROM temp.said')
      .raw();
    for (const [token, rid, place] of all.iterate()) {
      sums.set(rid, ((sums.get(rid) ?? 0) + hash(token, place)) | 0);
      if (++many % portion === 0) {
        yield sums;
        sums = new Map();
      }
    }
    yield sums;
  } finally {
    db.close();
  }
}

function hash(token: string, place: number): number {
  let value = place + 1;
  for (let i = 0; i < token.length; i++) value = (Math.imul(value, 31) + token.charCodeAt(i)) | 0;
  return value;
}
