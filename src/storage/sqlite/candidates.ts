// A page from few candidates: all of them judged, sorted and cut.
import { isNo } from './fragment.js';
import { compareHits, valueColumns, valuesOf, type Candidate, type Hit } from './hit.js';
import type { Driver } from './driver.js';
import type { Steps } from './query.js';
import { remaining, withCur, type Wanted } from './start.js';

/** So many candidates are judged in a step. */
const chunk = 400;

export function* fromCandidates(
  wanted: Wanted,
  { driver, count }: { readonly driver: Driver; readonly count: number },
): Steps<Hit[]> {
  const { query, kind, sort, limit, after } = wanted;
  const { connection } = query;
  const { rows } = driver;
  if (count === 0) return [];
  const c = query.alias('c');
  const on = yield* remaining(wanted, driver, c);
  if (isNo(on)) return [];
  const values = valueColumns(sort, c);
  const toHit = valuesOf(connection, kind, sort);
  const compare = compareHits(sort);
  const seen = new Set<number>();
  const hits: Hit[] = [];
  const take = (candidates: readonly Candidate[]): void => {
    for (const candidate of candidates) {
      if (seen.has(candidate.r)) continue;
      seen.add(candidate.r);
      const hit = toHit(candidate);
      if (after === undefined || compare(hit, after) > 0) hits.push(hit);
    }
  };
  const select = `SELECT x.r${values.sql} FROM`;
  if (count <= connection.limits.few) {
    take(
      connection.all<Candidate>(
        `${select} (${rows.sql}) x${withCur(kind, c)} WHERE ${on.sql}`,
        ...rows.args,
        ...on.args,
      ),
    );
  } else {
    const rids = connection
      .column<number>(`SELECT DISTINCT r FROM (${rows.sql})`, ...rows.args)
      .sort((a, b) => a - b);
    const from = sort.length === 0 && after !== undefined ? rids.findIndex(r => r > after.r) : 0;
    for (let at = from < 0 ? rids.length : from; at < rids.length; at += chunk) {
      const some = JSON.stringify(rids.slice(at, at + chunk));
      take(
        connection.all<Candidate>(
          `${select} (SELECT value AS r FROM json_each(?)) x${withCur(kind, c)} WHERE ${on.sql}`,
          some,
          ...on.args,
        ),
      );
      if (sort.length === 0 && hits.length >= limit) break;
      yield;
    }
  }
  hits.sort(compare);
  return hits.slice(0, limit);
}
