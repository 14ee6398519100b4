// A page from few candidates: all of them judged, sorted and cut.
import type { Bits } from './bits.js';
import { isNo, type Fragment } from './fragment.js';
import { compareHits, valueColumns, valuesOf, type Candidate, type Hit } from './hit.js';
import type { Driver } from './driver.js';
import type { Steps } from './query.js';
import { remaining, withCur, type Wanted } from './start.js';

/** So many candidates are judged in a step. */
const chunk = 400;

/** Of the candidates that a driver gives. */
export function* fromCandidates(
  wanted: Wanted,
  { driver, count }: { readonly driver: Driver; readonly count: number },
): Steps<Hit[]> {
  const { query, kind } = wanted;
  const { connection } = query;
  const { rows } = driver;
  if (count === 0) return [];
  const c = query.alias('c');
  const on = yield* remaining(wanted, driver, c);
  if (isNo(on)) return [];
  if (count > connection.limits.few) {
    const rids = connection.column<number>(`SELECT DISTINCT r FROM (${rows.sql})`, ...rows.args);
    return yield* amongThem(wanted, rids.sort((a, b) => a - b), on, c); // prettier-ignore
  }
  const { sql } = valueColumns(wanted.sort, c);
  const candidates = connection.all<Candidate>(
    `SELECT x.r${sql} FROM (${rows.sql}) x${withCur(kind, c)} WHERE ${on.sql}`,
    ...rows.args,
    ...on.args,
  );
  return first(wanted, hitsOf(wanted, candidates, new Set()));
}

/** Of the resources of a set, which leave nothing but `wanted.also` to be judged. */
export function* fromSet(wanted: Wanted, set: Bits): Steps<Hit[]> {
  const c = wanted.query.alias('c');
  const on = yield* remaining({ ...wanted, nodes: [] }, undefined, c);
  return yield* amongThem(wanted, set.following(0, Infinity), on, c);
}

function* amongThem(wanted: Wanted, rids: readonly number[], on: Fragment, c: string): Steps<Hit[]> {
  const { query, kind, sort, limit, after } = wanted;
  const values = valueColumns(sort, c);
  const hits: Hit[] = [];
  const seen = new Set<number>();
  const from = sort.length === 0 && after !== undefined ? rids.findIndex(r => r > after.r) : 0;
  for (let at = from < 0 ? rids.length : from; at < rids.length; at += chunk) {
    const candidates = query.connection.all<Candidate>(
      `SELECT x.r${values.sql} FROM (SELECT value AS r FROM json_each(?)) x${withCur(kind, c)} WHERE ${on.sql}`,
      JSON.stringify(rids.slice(at, at + chunk)),
      ...on.args,
    );
    hits.push(...hitsOf(wanted, candidates, seen));
    if (sort.length === 0 && hits.length >= limit) break;
    yield;
  }
  return first(wanted, hits);
}

/** What comes after the place, each resource once. */
function hitsOf(
  { query, kind, sort, after }: Wanted,
  candidates: readonly Candidate[],
  seen: Set<number>,
): Hit[] {
  const toHit = valuesOf(query.connection, kind, sort);
  const compare = compareHits(sort);
  return candidates.flatMap(candidate => {
    if (seen.has(candidate.r)) return [];
    seen.add(candidate.r);
    const hit = toHit(candidate);
    return after === undefined || compare(hit, after) > 0 ? [hit] : [];
  });
}
const first = ({ sort, limit }: Wanted, hits: Hit[]): Hit[] => hits.sort(compareHits(sort)).slice(0, limit);
