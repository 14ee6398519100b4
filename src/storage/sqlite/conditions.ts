// Conditions of the plan on columns, as SQL and in JavaScript. Text compares by code point on both sides.
import { fold } from '../../search/fold.js';
import type { Condition, Leaf } from '../../search/plan.js';
import type { Connection } from './connection.js';
import { allOf, inList, isYes, no, yes, type Fragment } from './fragment.js';

/** The least text after every text with this prefix, by code point; undefined if there is none. */
export function beyondPrefix(prefix: string): string | undefined {
  const points = [...prefix].map(letter => letter.codePointAt(0)!);
  while (points.length > 0) {
    const last = points.pop()!;
    if (last < 0x10ffff) return String.fromCodePoint(...points, last === 0xd7ff ? 0xe000 : last + 1);
  }
  return undefined;
}

/** A condition on a column that holds text. */
export function textCondition(column: string, condition: Condition): Fragment {
  switch (condition.is) {
    case 'eq':
      return { sql: `${column} = ?`, args: [condition.value] };
    case 'in':
      return inList(column, condition.values);
    case 'prefix': {
      if (condition.value === '') return yes;
      const end = beyondPrefix(condition.value);
      return end === undefined
        ? { sql: `${column} >= ?`, args: [condition.value] }
        : { sql: `(${column} >= ? AND ${column} < ?)`, args: [condition.value, end] };
    }
    case 'suffix':
      return condition.value === ''
        ? yes
        : { sql: `substr(${column}, -length(?)) = ?`, args: [condition.value, condition.value] };
    case 'contains':
      return condition.value === '' ? yes : { sql: `instr(${column}, ?) > 0`, args: [condition.value] };
    case 'range':
      return no;
  }
}
/** The same in JavaScript. */
export function holdsText(condition: Condition): (text: string) => boolean {
  switch (condition.is) {
    case 'eq':
      return text => text === condition.value;
    case 'in': {
      const values = new Set(condition.values);
      return text => values.has(text);
    }
    case 'prefix':
      return text => text.startsWith(condition.value);
    case 'suffix':
      return text => text.endsWith(condition.value);
    case 'contains':
      return text => text.includes(condition.value);
    case 'range':
      return () => false;
  }
}
export function holdsNumber(condition: Condition): (value: number) => boolean {
  if (condition.is !== 'range') return () => false;
  const { gt = -Infinity, ge = -Infinity, lt = Infinity, le = Infinity } = condition;
  return value => value > gt && value >= ge && value < lt && value <= le;
}
/** A range on a number column of SQL. */
export function numberCondition(column: string, condition: Condition): Fragment {
  if (condition.is !== 'range') return no;
  const parts: Fragment[] = [];
  for (const [name, sign] of [
    ['gt', '>'],
    ['ge', '>='],
    ['lt', '<'],
    ['le', '<='],
  ] as const) {
    // prettier-ignore
    const bound = condition[name];
    if (bound !== undefined) parts.push({ sql: `${column} ${sign} ?`, args: [bound] });
  }
  return allOf(parts);
}

/** The values an `eq` or `in` condition allows. */
export function valuesOf(condition: Condition): readonly string[] | undefined {
  return condition.is === 'eq' ? [condition.value] : condition.is === 'in' ? condition.values : undefined;
}

/** A condition on the dictionary number of a token's system. */
export function systemCondition(connection: Connection, column: string, condition: Condition): Fragment {
  const values = valuesOf(condition);
  if (values !== undefined)
    return inList(
      column,
      values.flatMap(url => connection.dictionary.system(url) ?? []),
    );
  const none = holdsText(condition)('');
  const on = textCondition('url', condition);
  return isYes(on)
    ? yes
    : {
        sql: `(${column} IN (SELECT id FROM sys WHERE ${on.sql})${none ? ` OR ${column} = 0` : ''})`,
        args: on.args,
      };
}

/** A text as sent lies under its folded value. */
export function withFolded(leaf: Leaf): Leaf {
  if (leaf.kind !== 'string' || leaf.where.some(one => one.column === 'value' && valuesOf(one) !== undefined))
    return leaf;
  const exact = leaf.where.find(one => one.column === 'exact' && valuesOf(one) !== undefined);
  return exact === undefined
    ? leaf
    : { ...leaf, where: [{ column: 'value', is: 'in', values: valuesOf(exact)!.map(fold) }, ...leaf.where] };
}

/** A condition on a row of `tok` or `str`. `x` is '' where the text as sent is the folded one. */
export function postingCondition(
  connection: Connection,
  leaf: Leaf,
  condition: Condition,
  t: string,
): Fragment {
  const { column } = condition;
  if (leaf.kind === 'token') {
    return column === 'code'
      ? textCondition(`${t}.v`, condition)
      : column === 'system'
        ? systemCondition(connection, `${t}.s`, condition)
        : no;
  }
  if (column === 'value') return textCondition(`${t}.v`, condition);
  if (column === 'exact' && leaf.kind === 'string')
    return textCondition(`(CASE ${t}.x WHEN '' THEN ${t}.v ELSE ${t}.x END)`, condition);
  return no;
}

/** A condition on a row of `ref` or `rref` (target only). */
export function referenceCondition(connection: Connection, condition: Condition, t: string): Fragment {
  if (condition.column === 'version') return textCondition(`${t}.w`, condition);
  if (condition.column !== 'target') return no;
  const values = valuesOf(condition);
  if (values !== undefined)
    return inList(
      `${t}.v`,
      values.flatMap(target => connection.dictionary.target(target) ?? []),
    );
  const text = `coalesce((SELECT g.t FROM tgt g WHERE g.id = -${t}.v), (SELECT k.name || '/' || s.id FROM res s CROSS JOIN kind k ON k.id = s.type WHERE s.rid = ${t}.v))`;
  return textCondition(text, condition);
}
