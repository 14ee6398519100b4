// A database's statements, prepared once and kept by their text.
import type Database from 'better-sqlite3';

export type Value = string | number | null | Uint8Array;

export interface Statements {
  /** All rows as objects. */
  all<T>(sql: string, ...args: Value[]): T[];
  /** All rows as arrays, which cost less than objects. */
  rows<T extends readonly Value[]>(sql: string, ...args: Value[]): T[];
  /** The first row as an array, if any. */
  row<T extends readonly Value[]>(sql: string, ...args: Value[]): T | undefined;
  /** The first row, if any. */
  get<T>(sql: string, ...args: Value[]): T | undefined;
  /** The first column of all rows. */
  column<T>(sql: string, ...args: Value[]): T[];
  /** The first column of the first row, if any. */
  one<T>(sql: string, ...args: Value[]): T | undefined;
  run(sql: string, ...args: Value[]): Database.RunResult;
}

/** Of each form. */
const mostKept = 500;

type Prepared = Database.Statement<Value[]>;

export function statementsOf(db: Database.Database): Statements {
  // One map per form: a key made of form and text would be hashed anew at each use.
  const kept = { objects: new Map<string, Prepared>(), pluck: new Map<string, Prepared>(), raw: new Map<string, Prepared>() }; // prettier-ignore
  const statement = (sql: string, form: keyof typeof kept = 'objects'): Prepared => {
    const those = kept[form];
    let found = those.get(sql);
    if (found === undefined) {
      if (those.size >= mostKept) those.delete(those.keys().next().value!);
      found = db.prepare<Value[]>(sql);
      if (form !== 'objects') found[form]();
      those.set(sql, found);
    }
    return found;
  };
  return {
    all: <T>(sql: string, ...args: Value[]) => statement(sql).all(...args) as T[],
    rows: <T extends readonly Value[]>(sql: string, ...args: Value[]) =>
      statement(sql, 'raw').all(...args) as T[],
    row: <T extends readonly Value[]>(sql: string, ...args: Value[]) =>
      statement(sql, 'raw').get(...args) as T | undefined,
    get: <T>(sql: string, ...args: Value[]) => statement(sql).get(...args) as T | undefined,
    column: <T>(sql: string, ...args: Value[]) => statement(sql, 'pluck').all(...args) as T[],
    one: <T>(sql: string, ...args: Value[]) => statement(sql, 'pluck').get(...args) as T | undefined,
    run: (sql, ...args) => statement(sql).run(...args),
  };
}
