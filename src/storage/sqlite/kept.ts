// The sets of resources that a connection keeps from search to search, brought up to date by the change log: what has
// changed since a set was made is judged anew. docs/decisions/0021-sqlite-search.md
import type { Leaf } from '../../search/plan.js';
import type { Bits, Moment } from './bits.js';
import { withFolded } from './conditions.js';
import type { Connection } from './connection.js';
import type { Kind } from './dictionary.js';
import { yes } from './fragment.js';
import { gather, gatherCurrent } from './gather.js';
import type { Query, Steps } from './query.js';

/** What a set is of: the resources with a row, or all of their type. */
export type Kept = Leaf | { readonly op: 'all' };
/** Which of a type's resources satisfy what the set is of; undefined where that cannot be asked by resource. */
export type Judge = (rids: readonly number[]) => Steps<readonly number[] | undefined>;

const mostBytes = 64 << 20;
/** What takes so long to say is not asked twice. */
const longKey = 2000;
/** After so many changes a set is made anew. */
const mostChanges = 4000;

/** The set, kept, brought up to date or made. It belongs to the keeper: nobody else changes it. */
export function* keptSet(query: Query, kind: Kind, what: Kept, judge?: Judge): Steps<Bits> {
  const { connection } = query;
  const { sets } = connection;
  const key = `${kind.id} ${JSON.stringify(what)}`;
  if (sets === undefined || key.length > longKey) return yield* made(query, kind, what);
  const at = momentOf(connection);
  const known = sets.get(key);
  sets.delete(key);
  const bits = (known && (yield* upToDate(connection, kind, known, at, judge))) ?? (yield* made(query, kind, what)); // prettier-ignore
  sets.set(key, { bits, at });
  let bytes = 0;
  for (const one of sets.values()) bytes += one.bits.bytes;
  for (const [oldest, one] of sets) {
    if (bytes <= mostBytes) break;
    bytes -= one.bits.bytes;
    sets.delete(oldest);
  }
  return bits;
}

function momentOf(connection: Connection): Moment {
  return {
    seq: connection.one<number | null>('SELECT max(seq) FROM log') ?? 0,
    epoch: connection.one<number>("SELECT v FROM meta WHERE k = 'epoch'") ?? 0,
  };
}

function* made(query: Query, kind: Kind, what: Kept): Steps<Bits> {
  if (what.op === 'all') return yield* gatherCurrent(query.connection, kind, yes);
  return yield* gather(query, kind, withFolded(what));
}

/** Undefined where it is as well to make the set anew. */
function* upToDate(
  connection: Connection,
  kind: Kind,
  { bits, at }: { readonly bits: Bits; readonly at: Moment },
  now: Moment,
  judge: Judge | undefined,
): Steps<Bits | undefined> {
  if (at.epoch !== now.epoch || at.seq > now.seq) return undefined;
  if (at.seq === now.seq) return bits;
  const changed = connection.column<number>(
    'SELECT DISTINCT rid FROM log WHERE type = ? AND seq > ? LIMIT ?',
    kind.id,
    at.seq,
    mostChanges,
  );
  if (changed.length === 0) return bits;
  const holding = changed.length < mostChanges ? yield* judge?.(changed) ?? nobody() : undefined;
  if (holding === undefined) return undefined;
  for (const rid of changed) bits.delete(rid);
  for (const rid of holding) bits.add(rid);
  return bits;
}
// eslint-disable-next-line require-yield
function* nobody(): Steps<undefined> {
  return undefined;
}
