// The range of a posting table that holds every resource a leaf can be true for.
import type { Leaf, Node } from '../../search/plan.js';
import {
  numberCondition,
  postingCondition,
  referenceCondition,
  systemCondition,
  textCondition,
  valuesOf,
  withFolded,
} from './conditions.js';
import type { Connection } from './connection.js';
import type { Kind, Param } from './dictionary.js';
import { none, type Driver } from './driver.js';
import { isBuiltIn } from './filter.js';
import { allOf, isNo, isYes } from './fragment.js';
import type { Query } from './query.js';
import { dateDriver, numberDriver } from './ranges.js';
import { compositeRange, tupleGuess, tupleTest } from './row-test.js';
import { textsOf } from './texts.js';
import { wordsDriver } from './words.js';

/** Undefined where a leaf bounds no range. `others` are the conjuncts beside it. */
export function leafDriver(
  query: Query,
  kind: Kind,
  leaf: Leaf,
  others: readonly Node[],
): Driver | undefined {
  const { connection } = query;
  if (isBuiltIn(leaf)) return builtInDriver(kind, leaf);
  const param = connection.dictionary.param(kind.id, leaf.param, leaf.kind);
  if (param === undefined) return none;
  if (leaf.where.length === 0) return undefined;
  switch (leaf.kind) {
    case 'token':
    case 'string':
    case 'uri':
      return textDriver(connection, param, withFolded(leaf));
    case 'reference': {
      const named = leaf.where.find(one => one.column === 'target' && valuesOf(one) !== undefined);
      if (named === undefined) return undefined;
      const on = allOf(leaf.where.map(one => referenceCondition(connection, one, 'ref')));
      if (isNo(on)) return none;
      const rows = { sql: `SELECT r FROM ref WHERE p = ? AND ${on.sql}`, args: [param.p, ...on.args] };
      const only =
        leaf.where.length === 1
          ? valuesOf(named)!.flatMap(target => connection.dictionary.target(target) ?? [])
          : [];
      return {
        rows,
        read: rows,
        exact: true,
        ...(only.length === 1 ? { target: { p: param.p, v: only[0]! } } : {}),
      };
    }
    case 'date':
      return dateDriver(param, leaf, others);
    case 'number':
      return numberDriver(connection, param, leaf);
    case 'words':
      return wordsDriver(param, leaf);
    case 'composite': {
      const range = compositeRange(leaf);
      if (isYes(range)) return undefined;
      if (isNo(range)) return none;
      const test = allOf([tupleGuess(leaf), query.tuple(tupleTest(connection, leaf))]);
      const read = { sql: `SELECT r FROM cmp WHERE p = ? AND ${range.sql}`, args: [param.p, ...range.args] };
      return {
        rows: { sql: `${read.sql} AND ${test.sql}`, args: [...read.args, ...test.args] },
        read,
        exact: true,
      };
    }
  }
}

function builtInDriver(kind: Kind, leaf: Leaf): Driver | undefined {
  if (leaf.param === '_type') return undefined;
  if (leaf.param === '_id') {
    const named = leaf.where.find(one => one.column === 'code' && valuesOf(one) !== undefined);
    if (named === undefined) return undefined;
    const rows = {
      sql: 'SELECT rid AS r FROM json_each(?) j CROSS JOIN res ON res.type = ? AND res.id = j.value',
      args: [JSON.stringify(valuesOf(named)), kind.id],
    };
    return { rows, read: rows, exact: false };
  }
  const on = allOf(leaf.where.map(one => numberCondition('lu', one)));
  if (isNo(on)) return none;
  const rows = {
    sql: `SELECT r FROM cur INDEXED BY cur_lu WHERE type = ? AND ${on.sql}`,
    args: [kind.id, ...on.args],
  };
  return { rows, read: rows, exact: leaf.where.every(one => one.column === 'lo' || one.column === 'hi') };
}

/** So many texts are asked for one by one. */
const fewTexts = 64;

/** The rows of the texts that contain what is asked, or end with it. */
function containing(connection: Connection, param: Param, leaf: Leaf): Driver | undefined {
  const texts = textsOf(param, leaf);
  if (texts === undefined) return undefined;
  const values = connection.column<string>(`${texts.sql} LIMIT ?`, ...texts.args, fewTexts + 1);
  const rest = leaf.where.filter(one => one.column !== 'value');
  if (values.length <= fewTexts)
    return textDriver(connection, param, {
      ...leaf,
      where: [{ column: 'value', is: 'in', values }, ...rest],
    });
  const on = allOf(rest.map(one => postingCondition(connection, leaf, one, 'str')));
  const rows = {
    sql: `SELECT str.r FROM (${texts.sql}) t CROSS JOIN str ON str.p = ? AND str.v = t.v AND ${on.sql}`,
    args: [...texts.args, param.p, ...on.args],
  };
  return { rows, read: rows, exact: true };
}

function textDriver(connection: Connection, param: Param, leaf: Leaf): Driver | undefined {
  const table = leaf.kind === 'token' ? 'tok' : 'str';
  const first = leaf.kind === 'token' ? 'code' : 'value';
  const named = leaf.where.find(
    one => one.column === first && (valuesOf(one) !== undefined || (one.is === 'prefix' && one.value !== '')),
  );
  if (named === undefined) return containing(connection, param, leaf);
  const range = textCondition('v', named);
  const rest = leaf.where.filter(one => one !== named);
  const on = allOf(rest.map(one => postingCondition(connection, leaf, one, table)));
  if (isNo(on) || isNo(range)) return none;
  const read = { sql: `SELECT r FROM ${table} WHERE p = ? AND ${range.sql}`, args: [param.p, ...range.args] };
  const values = valuesOf(named);
  const streamed =
    leaf.kind === 'token' && values?.length === 1 && rest.every(one => one.column === 'system');
  return {
    rows: { sql: `${read.sql} AND ${on.sql}`, args: [...read.args, ...on.args] },
    read,
    exact: true,
    ...(streamed
      ? {
          token: {
            p: param.p,
            v: values[0]!,
            on: allOf(rest.map(one => systemCondition(connection, 'x.s', one))),
          },
        }
      : {}),
  };
}
