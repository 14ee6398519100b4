// Applies one commit inside a transaction of the writer's connection: judges it as storage/store.ts promises, then
// writes versions, log, postings and claims. Synchronous, so that nothing comes between judging and writing.
import { refKey } from '../../fhir/resource.js';
import { giveWay } from '../../give-way.js';
import { WriteConflict, type Write } from '../store.js';
import type { Connection } from './connection.js';
import type { Kind } from './dictionary.js';
import { indexed, nameOf, primaryDateAmong, type Indexed, type Posting } from './postings.js';
import { deletion, formOf, methods, refOf } from './record.js';
import { findRefs } from './search.js';
import { insert, moveReferences, remove } from './tables.js';
import { asksParts, Texts } from './texts.js';
import { asksWords, PendingWords } from './words.js';

/** A commit as it crosses to the writer's thread. */
export interface Commit {
  readonly writes: readonly Write[];
  readonly receipt?: { readonly key: string; readonly body: Uint8Array };
}

interface Current {
  readonly rid: number;
  readonly ver: number;
  readonly op: number;
}

/** Writes of a commit that is long: while it is written, reads go on. */
const long = 200;

interface Placed {
  readonly kind: Kind;
  readonly rid: number;
}

const emptyRows: Indexed = { postings: [], primaryDate: 0, tokens: '', packed: () => Buffer.alloc(0) };

export class Writer {
  private nextRid = 0;
  private nextSeq = 0;
  private greatestLu = 0;
  /** By type, how many more current resources there are than the transaction has written down. */
  private more = new Map<number, number>();
  private readonly words: PendingWords;
  readonly texts: Texts;
  /** Rows made with search parameters of a lower generation are refused. */
  private fence = 0;

  constructor(private readonly connection: Connection) {
    this.words = new PendingWords(connection);
    this.texts = new Texts(connection);
    this.recall();
  }

  /** Reads the counters again; after a transaction that did not commit. */
  recall(): void {
    const { connection } = this;
    connection.dictionary.forget();
    this.words.backTo(0);
    this.texts.forget();
    this.more.clear();
    this.nextRid = (connection.one<number | null>('SELECT max(rid) FROM res') ?? 0) + 1;
    const last = connection.get<{ seq: number; greatest: number }>(
      'SELECT seq, lu + late AS greatest FROM log ORDER BY seq DESC LIMIT 1',
    );
    this.nextSeq =
      Math.max(last?.seq ?? 0, connection.one<number>("SELECT v FROM meta WHERE k = 'lastSeq'") ?? 0) + 1;
    this.greatestLu = last?.greatest ?? 0;
  }

  /** From now on; a commit that came before is applied. */
  raiseFence(generation: number): void {
    this.fence = Math.max(this.fence, generation);
  }

  /**
   * All of the commit or nothing of it, where that takes a savepoint: what is judged before anything is written takes
   * none, and SQLite copies every page that is changed within one. Without, an error other than a conflict leaves the
   * whole transaction to be rolled back.
   * @throws WriteConflict
   */
  apply(commit: Commit, isSaved = isJudgedAfter(commit)): void {
    const { connection } = this;
    const before = [this.nextRid, this.nextSeq, this.greatestLu] as const;
    if (commit.writes.some(({ condition }) => condition !== undefined && asksWords(condition.plan.where)))
      this.words.write();
    if (commit.writes.some(({ condition }) => condition !== undefined && asksParts(condition.plan.where)))
      this.texts.write();
    const mark = this.words.mark();
    const textsMark = this.texts.mark();
    if (isSaved) connection.run('SAVEPOINT one');
    try {
      const change = this.write(commit);
      if (isSaved) connection.run('RELEASE one');
      connection.dictionary.settle();
      for (const [kind, more] of change) this.more.set(kind, (this.more.get(kind) ?? 0) + more);
    } catch (error) {
      // SQLite itself rolls the transaction back on a full disk and the like; then there is no savepoint.
      if (isSaved && connection.db.inTransaction) {
        connection.run('ROLLBACK TO one');
        connection.run('RELEASE one');
      }
      connection.dictionary.rollback();
      this.words.backTo(mark);
      this.texts.backTo(textsMark);
      [this.nextRid, this.nextSeq, this.greatestLu] = before;
      throw error;
    }
  }

  /** What the commits of a transaction have left to its end. */
  finish(): void {
    this.words.write();
    this.texts.write();
    for (const [kind, more] of this.more)
      if (more !== 0) this.connection.run('UPDATE kind SET n = n + ? WHERE id = ?', more, kind);
    this.more.clear();
  }

  /** Answers by type how many more current resources there are. */
  private write({ writes, receipt }: Commit): ReadonlyMap<number, number> {
    const { connection } = this;
    if (
      receipt !== undefined &&
      connection.one('SELECT 1 FROM receipt WHERE key = ?', receipt.key) !== undefined
    ) {
      throw new WriteConflict('receipt', -1, receipt.key);
    }
    const isLong = writes.length > long;
    const found: (Current | undefined)[] = [];
    for (const [index, write] of writes.entries()) found.push(this.judge(write, index));
    const seen = new Set<string>();
    for (const { ref } of writes) {
      const name = refKey(ref);
      if (seen.has(name)) throw new TypeError(`${name} appears twice in a commit`);
      seen.add(name);
    }
    // First every new resource gets its number, so that references between them find it.
    const placed: Placed[] = [];
    for (const [i, write] of writes.entries()) {
      if (isLong) giveWay();
      placed.push(this.place(write, found[i]));
    }
    for (const [i, { rid }] of placed.entries())
      if (found[i] === undefined) this.repoint(refKey(writes[i]!.ref), rid);
    for (const [i, { kind, rid }] of placed.entries()) {
      if (isLong) giveWay();
      this.index(writes[i]!, kind, rid, found[i]);
    }
    this.claim(
      writes,
      placed.map(({ rid }) => rid),
    );
    if (writes.some(({ requires, unreferenced }) => requires !== undefined || unreferenced)) {
      const own = JSON.stringify(placed.map(({ rid }) => rid));
      writes.forEach((write, index) => this.judgeAfter(write, index, placed[index]!.rid, own));
    }
    if (receipt !== undefined)
      connection.run('INSERT INTO receipt (key, body) VALUES (?, ?)', receipt.key, receipt.body);
    return change(writes, placed, found);
  }

  private judge(write: Write, index: number): Current | undefined {
    const { connection } = this;
    const { ref, expected, condition, index: made = Infinity } = write;
    if (made < this.fence) throw new WriteConflict('index', index, refKey(ref));
    const kind = connection.dictionary.kindId(ref.type);
    const current =
      kind === undefined
        ? undefined
        : connection.get<Current>('SELECT rid, ver, op FROM res WHERE type = ? AND id = ?', kind, ref.id);
    if ((current?.ver ?? 0) !== expected) throw new WriteConflict('version', index, refKey(ref));
    if (condition !== undefined) {
      const now = findRefs(connection, condition.plan);
      const same =
        now.length === condition.found.length &&
        now.every((one, i) => refKey(one) === refKey(condition.found[i]!));
      if (!same) throw new WriteConflict('condition', index, refKey(ref));
    }
    return current;
  }

  private place(write: Write, current: Current | undefined): Placed {
    const { connection } = this;
    const { ref, method, lastUpdated } = write;
    const kind = connection.dictionary.makeKind(ref.type);
    const { codec, body } = formOf(write.body ?? null);
    const op = body === null ? deletion : methods.indexOf(method);
    const ver = write.expected + 1;
    let rid: number;
    if (current === undefined) {
      rid = this.nextRid++;
      connection.run(
        'INSERT INTO res (rid, type, id, ver, lu, op, codec, body) VALUES (?, ?, ?, ?, ?, ?, ?, ?)',
        rid,
        kind.id,
        ref.id,
        ver,
        lastUpdated,
        op,
        codec,
        body,
      );
      connection.dictionary.knowRid(refKey(ref), rid);
    } else {
      rid = current.rid;
      connection.run(
        'INSERT INTO hist (rid, ver, lu, op, codec, body) SELECT rid, ver, lu, op, codec, body FROM res WHERE rid = ?',
        rid,
      );
      connection.run(
        'UPDATE res SET ver = ?, lu = ?, op = ?, codec = ?, body = ? WHERE rid = ?',
        ver,
        lastUpdated,
        op,
        codec,
        body,
        rid,
      );
    }
    this.greatestLu = Math.max(this.greatestLu, lastUpdated);
    connection.run(
      'INSERT INTO log (seq, type, rid, ver, lu, late) VALUES (?, ?, ?, ?, ?, ?)',
      this.nextSeq++,
      kind.id,
      rid,
      ver,
      lastUpdated,
      this.greatestLu - lastUpdated,
    );
    return { kind, rid };
  }

  /** References that named the resource before there was one now carry its number. */
  private repoint(target: string, rid: number): void {
    const { connection } = this;
    const t = connection.one<number>('SELECT id FROM tgt WHERE t = ?', target);
    if (t === undefined) return;
    for (const p of connection.column<number>('SELECT p FROM dangling WHERE t = ?', t))
      moveReferences(connection, p, -t, rid);
    connection.run('DELETE FROM dangling WHERE t = ?', t);
    connection.run('DELETE FROM tgt WHERE id = ?', t);
  }

  private index(write: Write, kind: Kind, rid: number, current: Current | undefined): void {
    const { connection } = this;
    const { dictionary } = connection;
    let type = dictionary.kindOf(kind.id);
    if (type.primaryDate === null && write.rows.some(row => row.kind === 'date')) {
      const chosen = primaryDateAmong(
        write.rows.flatMap(row => (row.kind === 'date' && row.end !== undefined ? [row.param] : [])),
      );
      if (chosen !== null) type = dictionary.choosePrimaryDate(type, chosen);
    }
    const d =
      current === undefined || current.op === deletion
        ? undefined
        : connection.one<number>('SELECT d FROM cur WHERE type = ? AND r = ?', kind.id, rid);
    const before = d === undefined ? emptyRows : indexed(type, rid, write.replaces, dictionary, { d });
    const after = write.body === undefined ? emptyRows : indexed(type, rid, write.rows, dictionary);
    if (before.postings.length === 0) {
      const isFirst = current === undefined;
      for (const posting of after.postings) insert(connection, posting, this.texts, isFirst);
    } else this.exchange(before.postings, after.postings);
    this.words.change(rid, before.tokens, after.tokens);
    if (write.body === undefined) {
      if (d !== undefined) connection.run('DELETE FROM cur WHERE type = ? AND r = ?', kind.id, rid);
    } else if (d === undefined) {
      connection.run(
        'INSERT INTO cur (type, r, lu, d, b) VALUES (?, ?, ?, ?, ?)',
        kind.id,
        rid,
        write.lastUpdated,
        after.primaryDate,
        after.packed(),
      );
    } else {
      connection.run(
        'UPDATE cur SET lu = ?, d = ?, b = ? WHERE type = ? AND r = ?',
        write.lastUpdated,
        after.primaryDate,
        after.packed(),
        kind.id,
        rid,
      );
    }
  }

  private exchange(before: readonly Posting[], after: readonly Posting[]): void {
    const had = new Map(before.map(posting => [nameOf(posting), posting]));
    const has = new Set<string>();
    const more: Posting[] = [];
    for (const posting of after) {
      const name = nameOf(posting);
      has.add(name);
      if (had.get(name)?.end !== posting.end) more.push(posting);
    }
    for (const [name, posting] of had) if (!has.has(name)) remove(this.connection, posting, this.texts);
    for (const posting of more) insert(this.connection, posting, this.texts);
  }

  /** Releases first, so that one write of a commit may take over what another gives up. */
  private claim(writes: readonly Write[], rids: readonly number[]): void {
    const { connection } = this;
    for (const [i, write] of writes.entries()) {
      if (write.expected === 0) continue;
      for (const claim of connection.column<string>('SELECT claim FROM claim WHERE r = ?', rids[i]!)) {
        if (!write.claims?.includes(claim)) connection.run('DELETE FROM claim WHERE claim = ?', claim);
      }
    }
    for (const [i, { claims }] of writes.entries()) {
      for (const claim of new Set(claims)) {
        const owner = connection.one<number>('SELECT r FROM claim WHERE claim = ?', claim);
        if (owner === undefined)
          connection.run('INSERT INTO claim (claim, r) VALUES (?, ?)', claim, rids[i]!);
        else if (owner !== rids[i]) throw new WriteConflict('claim', i, claim, refOf(connection, owner));
      }
    }
  }

  private judgeAfter(write: Write, index: number, rid: number, own: string): void {
    const { connection } = this;
    for (const ref of write.requires ?? []) {
      const kind = connection.dictionary.kind(ref.type);
      const op =
        kind && connection.one<number>('SELECT op FROM res WHERE type = ? AND id = ?', kind.id, ref.id);
      if (op === undefined || op === deletion) throw new WriteConflict('required', index, refKey(ref));
    }
    if (write.unreferenced && write.body === undefined) {
      const by = connection.one<number>(
        `SELECT ref.r FROM param CROSS JOIN ref ON ref.p = param.p AND ref.v = ?
         WHERE param.kind = 'reference' AND ref.r NOT IN (SELECT value FROM json_each(?)) LIMIT 1`,
        rid,
        own,
      );
      if (by !== undefined)
        throw new WriteConflict('referenced', index, refKey(write.ref), refOf(connection, by));
    }
  }
}

/** Whether it may still be refused when it has been written. */
const isJudgedAfter = ({ writes }: Commit): boolean =>
  writes.some(
    ({ claims, requires, unreferenced }) =>
      claims !== undefined || requires !== undefined || unreferenced !== undefined,
  );

/** By type, how many more current resources there are. */
function change(
  writes: readonly Write[],
  placed: readonly { readonly kind: Kind }[],
  found: readonly (Current | undefined)[],
): ReadonlyMap<number, number> {
  const change = new Map<number, number>();
  for (const [i, { body }] of writes.entries()) {
    const was = found[i] !== undefined && found[i].op !== deletion;
    const more = Number(body !== undefined) - Number(was);
    const { id } = placed[i]!.kind;
    change.set(id, (change.get(id) ?? 0) + more);
  }
  return change;
}
