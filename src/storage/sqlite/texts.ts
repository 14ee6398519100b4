// The distinct texts of string parameters, found by any three letters in a row: what `:contains` and endings start from.
// A text is kept once per parameter (`txt`), its letters in an FTS5 table without positions (`parts`); whoever asks
// compares the text itself, so that a token may stand for several sequences. https://www.sqlite.org/fts5.html
// Surprising: as with words (words.ts), FTS5 writes at every savepoint, so a group's texts wait for the group's end.
import { someLeaf, type Leaf, type Node } from '../../search/plan.js';
import { textCondition } from './conditions.js';
import type { Connection } from './connection.js';
import type { Param } from './dictionary.js';
import { allOf, type Fragment } from './fragment.js';
import { askedBy, long, partsOf } from './letters.js';
import type { Statements } from './statements.js';

/** Whether `:contains` is asked of the parameter: the texts of codings are found by their beginning only. */
const isKept = (param: Param): boolean => param.kind === 'string' && !param.code.includes(':');

/** Of several texts that a text must contain, so many narrow it down enough. */
const mostAsked = 3;

/** `SELECT v …` of the texts that satisfy the leaf's conditions on `value`; undefined where it names too few letters. */
export function textsOf(param: Param, leaf: Leaf): Fragment | undefined {
  if (!isKept(param)) return undefined;
  const onValue = leaf.where.filter(one => one.column === 'value');
  const asked = onValue.flatMap(one =>
    one.is === 'contains' || one.is === 'suffix' ? (askedBy(param.p, one.value) ?? []) : [],
  );
  if (asked.length === 0) return undefined;
  const on = allOf(onValue.map(one => textCondition('txt.v', one)));
  return {
    sql: `SELECT txt.v FROM parts CROSS JOIN txt ON txt.x = parts.rowid WHERE parts MATCH ? AND goes() AND ${on.sql}`,
    args: [asked.slice(0, mostAsked).join(' AND '), ...on.args],
  };
}

/** Whether the node may ask for parts of texts, here or behind a reference. */
export const asksParts = (node: Node): boolean =>
  someLeaf(
    node,
    ({ kind, where }) => kind === 'string' && where.some(one => one.is === 'contains' || one.is === 'suffix'),
  );

/** So many texts are known to be kept, each of at most so many letters. */
const mostKnown = 20_000;
const longestKnown = 100;

interface Text {
  readonly p: number;
  readonly v: string;
}
const keyOf = (p: number, v: string): string => `${p} ${v}`;

/** The texts of a transaction that is under way. */
export class Texts {
  private readonly known = new Set<string>();
  private made: { readonly x: number; readonly tokens: string }[] = [];
  private readonly gone = new Map<string, Text>();
  constructor(private readonly connection: Connection) {}

  /** Before a row of `str` is put in. */
  add(p: number, v: string): void {
    const { connection, known } = this;
    if (v.length < long || !isKept(connection.dictionary.paramOf(p))) return;
    const key = keyOf(p, v);
    if (known.has(key)) return;
    if (!this.gone.has(key) && !isUsed(connection, { p, v })) {
      const tokens = partsOf(p, v);
      if (tokens === '') return;
      const x = Number(connection.run('INSERT INTO txt (p, v) VALUES (?, ?)', p, v).lastInsertRowid);
      this.made.push({ x, tokens });
    }
    if (known.size >= mostKnown) known.clear();
    if (v.length <= longestKnown) known.add(key);
  }
  /** A row of `str` was taken out; perhaps the last of its text. */
  remove(p: number, v: string): void {
    if (v.length >= long && isKept(this.connection.dictionary.paramOf(p)))
      this.gone.set(keyOf(p, v), { p, v });
  }

  /** Where a commit starts, to come back to. */
  mark(): number {
    return this.made.length;
  }
  backTo(mark: number): void {
    this.made.length = mark;
    this.known.clear();
  }
  /** At the end of a transaction that did not commit. */
  forget(): void {
    this.backTo(0);
    this.gone.clear();
  }
  /** Brings `parts` up to date, and takes texts away that nobody has any more: what was expunged is nowhere. */
  write(): void {
    const { connection, gone } = this;
    for (const { x, tokens } of this.made)
      connection.run('INSERT INTO parts (rowid, tokens) VALUES (?, ?)', x, tokens);
    this.made = [];
    for (const [key, text] of gone) {
      if (isUsed(connection, text)) continue;
      this.known.delete(key);
      drop(connection, text);
    }
    gone.clear();
  }
}

const isUsed = (connection: Statements, { p, v }: Text): boolean =>
  connection.one('SELECT 1 FROM str WHERE p = ? AND v = ? LIMIT 1', p, v) !== undefined;

function drop(connection: Connection, { p, v }: Text): void {
  const asked = askedBy(p, v);
  if (asked === undefined) return;
  const those = connection.column<number>(
    'SELECT x FROM parts CROSS JOIN txt ON txt.x = parts.rowid WHERE parts MATCH ? AND txt.v = ? AND txt.p = ?',
    asked,
    v,
    p,
  );
  for (const x of those) {
    connection.run("INSERT INTO parts (parts, rowid, tokens) VALUES ('delete', ?, ?)", x, partsOf(p, v));
    connection.run('DELETE FROM txt WHERE x = ?', x);
  }
}
