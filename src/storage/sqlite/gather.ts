// The set of resources that satisfy a leaf which neither a posting nor packed values can answer by resource: rows
// without order (texts of codings), composites, texts as sent.
import type { Leaf } from '../../search/plan.js';
import { postingCondition } from './conditions.js';
import type { Value } from './statements.js';
import type { Param } from './dictionary.js';
import { allOf, isNo } from './fragment.js';
import { Bits, type Query, type Steps } from './query.js';
import { compositeRange, tupleTest } from './row-test.js';

const gatherStep = 4000;

/** The resources with a row that satisfies the leaf, by reading the parameter's postings in steps. */
export function* gather(query: Query, param: Param, leaf: Leaf): Steps<Bits> {
  const { connection } = query;
  const found = new Bits();
  const table = leaf.kind === 'composite' ? 'cmp' : leaf.kind === 'token' ? 'tok' : 'str';
  const key = { cmp: ['a', 'b', 'r', 'j'], tok: ['v', 'r', 's'], str: ['v', 'r', 'x'] }[table];
  const within = leaf.kind === 'composite' ? compositeRange(leaf) : allOf(leaf.where.filter(one => one.is === 'prefix' && one.column !== 'system' && one.column !== 'exact').map(one => postingCondition(connection, leaf, one, table))); // prettier-ignore
  const test =
    leaf.kind === 'composite'
      ? query.tuple(tupleTest(connection, leaf))
      : allOf(leaf.where.map(one => postingCondition(connection, leaf, one, 'w')));
  if (isNo(test) || isNo(within)) return found;
  let last: readonly Value[] | undefined;
  for (;;) {
    const range = `SELECT ${key.join(', ')} FROM ${table} WHERE p = ? AND ${within.sql}${last ? ` AND (${key.join(', ')}) > (${key.map(() => '?').join(', ')})` : ''} ORDER BY ${key.join(', ')} LIMIT ?`;
    const args = [param.p, ...within.args, ...(last ?? []), gatherStep];
    for (const rid of connection.column<number>(
      `SELECT r FROM (${range}) w WHERE ${test.sql}`,
      ...args,
      ...test.args,
    ))
      found.add(rid);
    const end = connection.get<Record<string, Value>>(
      `SELECT * FROM (${range}) LIMIT 1 OFFSET ?`,
      ...args,
      gatherStep - 1,
    );
    if (end === undefined) return found;
    last = key.map(column => end[column]!);
    yield;
  }
}
