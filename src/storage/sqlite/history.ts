// Versions in commit order, from the change log: _history at three levels, and the log itself.
// https://hl7.org/fhir/R4/http.html#history
// Surprising: lastUpdated is given before the commit and so is not in commit order. `late` says how far a version is
// behind the greatest lastUpdated before it, so that `since` ends the reading at the right place.
import { FhirError } from '../../errors.js';
import type { HistoryScope, Page, Version } from '../store.js';
import type { Connection } from './connection.js';
import type { Value } from './statements.js';
import type { Steps } from './query.js';
import { methods, toVersion, type Stored } from './record.js';

interface Entry {
  readonly seq: number;
  readonly type: number;
  readonly rid: number;
  readonly ver: number;
  readonly lu: number;
  readonly late: number;
}

const window = 1000;

export function* history(connection: Connection, scope: HistoryScope): Steps<Page> {
  const after = scope.after?.[0] ?? undefined;
  if (typeof after === 'string' || (scope.after !== undefined && after === undefined))
    throw new FhirError('invalid-cursor', 'The page link belongs to another history.');
  const range = scopeOf(connection, scope);
  if (range === undefined) return { versions: [], ...(scope.total ? { total: 0 } : {}) };
  const entries: Entry[] = [];
  if (scope.count > 0) {
    for (const steps = read(connection, scope, range, after); ;) {
      const step = steps.next();
      if (step.done) break;
      if (step.value !== undefined) entries.push(step.value);
      else yield;
      if (entries.length > scope.count) break;
    }
  }
  const versions = entries.slice(0, scope.count).flatMap(entry => versionOf(connection, entry) ?? []);
  let total: number | undefined;
  if (scope.total) {
    total = 0;
    for (const step of read(connection, scope, range, undefined)) {
      if (step === undefined) yield;
      else total++;
    }
  }
  const last = entries[scope.count - 1];
  return {
    versions,
    ...(entries.length > scope.count && last ? { next: [last.seq] } : {}),
    ...(total === undefined ? {} : { total }),
  };
}

interface Range {
  readonly on: string;
  readonly args: readonly Value[];
}

function scopeOf(connection: Connection, { type, id }: HistoryScope): Range | undefined {
  if (type === undefined) return { on: '1', args: [] };
  const kind = connection.dictionary.kind(type);
  if (kind === undefined) return undefined;
  if (id === undefined) return { on: 'type = ?', args: [kind.id] };
  const rid = connection.one<number>('SELECT rid FROM res WHERE type = ? AND id = ?', kind.id, id);
  return rid === undefined ? undefined : { on: 'rid = ?', args: [rid] };
}

/** The scope's entries; undefined between two windows. */
function* read(
  connection: Connection,
  scope: HistoryScope,
  range: Range,
  after: number | undefined,
): Generator<Entry | undefined, void> {
  const { since, at, ascending } = scope;
  if (scope.id !== undefined) {
    for (const entry of instance(connection, range.args[0] as number, scope, after)) yield entry;
    return;
  }
  let from =
    after ??
    (ascending ? (since === undefined ? 0 : firstSince(connection, since) - 1) : Number.MAX_SAFE_INTEGER);
  for (;;) {
    const some = connection.all<Entry>(
      `SELECT seq, type, rid, ver, lu, late FROM log WHERE ${range.on} AND seq ${ascending ? '>' : '<'} ? ORDER BY seq ${ascending ? 'ASC' : 'DESC'} LIMIT ?`,
      ...range.args,
      from,
      Math.min(window, Math.max(scope.count + 1, 50)),
    );
    for (const entry of some) {
      if (since !== undefined && !ascending && entry.lu + entry.late < since) return;
      if (wanted(connection, entry, since, at)) yield entry;
    }
    const last = some.at(-1);
    if (last === undefined) return;
    from = last.seq;
    yield undefined;
  }
}

function wanted(
  connection: Connection,
  entry: Entry,
  since: number | undefined,
  at: HistoryScope['at'],
): boolean {
  if (since !== undefined && entry.lu < since) return false;
  if (at === undefined) return true;
  if (entry.lu > at.to) return false;
  const next =
    connection.one<number>(
      'SELECT lu FROM hist WHERE rid = ? AND ver > ? ORDER BY ver LIMIT 1',
      entry.rid,
      entry.ver,
    ) ?? connection.one<number>('SELECT lu FROM res WHERE rid = ? AND ver > ?', entry.rid, entry.ver);
  return next === undefined || next > at.from;
}

/** One resource's versions go by their numbers; the place is the version, as an Entry's seq. */
function instance(
  connection: Connection,
  rid: number,
  scope: HistoryScope,
  after: number | undefined,
): Entry[] {
  const sign = scope.ascending ? '>' : '<';
  const versions = connection.all<{ ver: number; lu: number }>(
    `SELECT * FROM (SELECT ver, lu FROM res WHERE rid = ? UNION ALL SELECT ver, lu FROM hist WHERE rid = ?)
     WHERE ver ${sign} ? ORDER BY ver ${scope.ascending ? 'ASC' : 'DESC'}`,
    rid,
    rid,
    after ?? (scope.ascending ? 0 : Number.MAX_SAFE_INTEGER),
  );
  const type = connection.one<number>('SELECT type FROM res WHERE rid = ?', rid)!;
  return versions
    .map(({ ver, lu }) => ({ seq: ver, type, rid, ver, lu, late: 0 }))
    .filter(entry => wanted(connection, entry, scope.since, scope.at));
}

/** The first entry whose greatest lastUpdated so far reaches `since`; it only grows, so the place is searched by halves. */
function firstSince(connection: Connection, since: number): number {
  let low = connection.one<number | null>('SELECT min(seq) FROM log') ?? 1;
  let high = (connection.one<number | null>('SELECT max(seq) FROM log') ?? 0) + 1;
  while (low < high) {
    const middle = Math.floor((low + high) / 2);
    const entry = connection.get<{ seq: number; greatest: number }>(
      'SELECT seq, lu + late AS greatest FROM log WHERE seq >= ? ORDER BY seq LIMIT 1',
      middle,
    );
    if (entry === undefined || entry.greatest >= since) high = middle;
    else low = entry.seq + 1;
  }
  return low;
}

function versionOf(connection: Connection, { rid, ver }: Entry): Version | undefined {
  const current = connection.get<Stored & { type: number; id: string }>(
    'SELECT type, id, ver, lu, op, codec, body FROM res WHERE rid = ?',
    rid,
  );
  if (current === undefined) return undefined;
  const ref = { type: connection.dictionary.kindOf(current.type).name, id: current.id };
  if (current.ver === ver) return toVersion(ref, current);
  const old = connection.get<Stored>(
    'SELECT ver, lu, op, codec, body FROM hist WHERE rid = ? AND ver = ?',
    rid,
    ver,
  );
  return old && toVersion(ref, old);
}

export interface LogEntry {
  readonly seq: number;
  readonly type: string;
  readonly id: string;
  readonly version: number;
  readonly op: number;
  readonly lu: number;
}

/** The log after a place, at most `count`. */
export function logAfter(connection: Connection, after: number, count: number): LogEntry[] {
  return connection.all<LogEntry>(
    `SELECT l.seq, k.name AS type, r.id, l.ver AS version, l.lu,
       CASE WHEN r.ver = l.ver THEN r.op ELSE (SELECT op FROM hist h WHERE h.rid = l.rid AND h.ver = l.ver) END AS op
     FROM log l CROSS JOIN res r ON r.rid = l.rid CROSS JOIN kind k ON k.id = l.type
     WHERE l.seq > ? ORDER BY l.seq LIMIT ?`,
    after,
    count,
  );
}
export const methodOf = (op: number): (typeof methods)[number] => methods[op]!;
