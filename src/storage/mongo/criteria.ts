// A leaf of a plan as a MongoDB condition: keys and patterns over `k`, and elements of the arrays `d`, `n` and `c`
// (fields.ts). One row must satisfy all of a leaf's conditions, so they always meet in one key or one element.
import type { Condition, Leaf } from '../../search/plan.js';
import { between, keySafe, keyStart, secondKeyStart, textColumns, wordKey, type TextKind } from './fields.js';

/** A filter, or a part of one. */
export type Criteria = Readonly<Record<string, unknown>>;

export const nothing: Criteria = { $nor: [{}] };

export const conjunction = (parts: readonly Criteria[]): Criteria => {
  const kept = parts.filter(part => Object.keys(part).length > 0);
  return kept.length === 1 ? kept[0]! : kept.length === 0 ? {} : { $and: kept };
};

export const oneOf = (field: string, values: readonly string[]): Criteria =>
  values.length === 1 ? { [field]: values[0]! } : { [field]: { $in: values } };

/** Whether a text satisfies the condition: for the rows that nobody writes. */
export function holds(condition: Condition, text: string): boolean {
  switch (condition.is) {
    case 'eq':
      return text === condition.value;
    case 'in':
      return condition.values.includes(text);
    case 'prefix':
      return text.startsWith(condition.value);
    case 'suffix':
      return text.endsWith(condition.value);
    case 'contains':
      return text.includes(condition.value);
    case 'range':
      return false;
  }
}

export function rowCriteria(leaf: Leaf): Criteria {
  if (leaf.kind === 'token' && leaf.param === '_id') return idCriteria(leaf.where);
  switch (leaf.kind) {
    case 'token':
    case 'string':
    case 'reference':
    case 'uri':
      return textCriteria(leaf.kind, leaf.param, leaf.where);
    case 'date':
      if (leaf.param === '_lastUpdated')
        return conjunction(leaf.where.map(condition => ({ lu: onColumn(condition) })));
      return elements('d', leaf, condition => condition.column);
    case 'number':
      return elements('n', leaf, condition => condition.column);
    case 'words':
      return conjunction(leaf.where.map(condition => wordsCriteria(leaf.param, condition)));
    case 'composite':
      return elements('c', leaf, condition => `c${condition.column}`);
  }
}

/** `_id` rows: the code is the id, the system is empty. */
function idCriteria(where: readonly Condition[]): Criteria {
  if (!where.every(condition => condition.column === 'code' || holds(condition, ''))) return nothing;
  return conjunction(
    where.filter(({ column }) => column === 'code').map(condition => ({ _id: onColumn(condition) })),
  );
}

/** One element of the array satisfies every condition: without $elemMatch the bounds could be met by two. */
function elements(array: string, leaf: Leaf, path: (condition: Condition) => string): Criteria {
  if (leaf.where.length === 0) return { [`${array}.p`]: leaf.param };
  const conditions = leaf.where.map(condition => ({ [path(condition)]: onColumn(condition) }));
  const paths = new Set(leaf.where.map(path));
  const parts =
    paths.size === conditions.length ? (Object.assign({}, ...conditions) as Criteria) : { $and: conditions };
  return { [array]: { $elemMatch: { p: leaf.param, ...parts } } };
}

/** Words are keys; that several follow one another is seen in the text itself. */
function wordsCriteria(param: string, condition: Condition): Criteria {
  const { column, is } = condition;
  if (column !== 'text' || is !== 'contains' || !/^ \S/.test(condition.value))
    throw new TypeError(`A words row has no ${column} that could be asked with ${is}`);
  const { value } = condition;
  const words = value.trim().split(' ');
  const whole = value.endsWith(' ') ? words : words.slice(0, -1);
  const parts: Criteria[] = [...new Set(whole)].map(word => ({ k: wordKey(param, word) }));
  if (words.length > whole.length) parts.push({ k: { $regex: `^${quoted(wordKey(param, words.at(-1)!))}` } });
  if (words.length > 1) parts.push({ w: { $elemMatch: { p: param, text: { $regex: quoted(value) } } } });
  return conjunction(parts);
}

function onColumn(condition: Condition): unknown {
  switch (condition.is) {
    case 'eq':
      return condition.value;
    case 'in':
      return { $in: condition.values };
    case 'prefix':
      return { $regex: `^${quoted(condition.value)}` };
    case 'suffix':
      return { $regex: `${quoted(condition.value)}\\z` }; // `$` would match before a line feed too
    case 'contains':
      return { $regex: quoted(condition.value) };
    case 'range': {
      const { gt, ge, lt, le } = condition;
      if ((gt ?? ge ?? lt ?? le) === undefined) return { $exists: true };
      return {
        ...(gt === undefined ? {} : { $gt: gt }),
        ...(ge === undefined ? {} : { $gte: ge }),
        ...(lt === undefined ? {} : { $lt: lt }),
        ...(le === undefined ? {} : { $lte: le }),
      };
    }
  }
}

/** A row of text columns: a key, a list of keys, or a pattern over the key that has both columns. */
function textCriteria(kind: TextKind, param: string, where: readonly Condition[]): Criteria {
  const columns = textColumns[kind];
  const first = where.filter(condition => condition.column === columns.first);
  const second = where.filter(condition => condition.column === columns.second);
  if (first.length + second.length !== where.length) {
    throw new TypeError(`A ${kind} row has no column ${where.map(({ column }) => column).join(' or ')}`);
  }
  const start = keyStart(kind, param);
  const firsts = exactly(first);
  const seconds = exactly(second);
  if (where.length === 0) return { k: { $regex: `^${quoted(start)}` } };
  if (firsts && second.length === 0 && columns.firstAlone)
    return oneOf(
      'k',
      firsts.map(value => start + value),
    );
  if (firsts && seconds)
    return oneOf(
      'k',
      firsts.flatMap(value => seconds.map(other => start + value + between + other)),
    );
  if (first.length === 0 && columns.secondAlone) {
    const alone = secondKeyStart(kind, param);
    return seconds
      ? oneOf(
          'k',
          seconds.map(value => alone + value),
        )
      : { k: { $regex: `^${quoted(alone)}${pattern(second)}$` } };
  }
  const tail = columns.second === undefined ? '' : `${between}${pattern(second)}`;
  return { k: { $regex: `^${quoted(start)}${pattern(first)}${tail}$` } };
}

/** The key-safe values if the conditions on a column are one equality or list. */
function exactly(conditions: readonly Condition[]): readonly string[] | undefined {
  const [condition] = conditions;
  if (conditions.length !== 1) return undefined;
  if (condition?.is === 'eq') return [keySafe(condition.value)];
  return condition?.is === 'in' ? condition.values.map(keySafe) : undefined;
}

// A column's text: anything up to the separator that follows it.
const anything = `[^${between}]*`;

/** A regular expression for one column of a key. */
function pattern(conditions: readonly Condition[]): string {
  if (conditions.length === 1) return columnPattern(conditions[0]!);
  return conditions.map(condition => `(?=${columnPattern(condition)}(?:${between}|$))`).join('') + anything;
}

function columnPattern(condition: Condition): string {
  switch (condition.is) {
    case 'eq':
      return quoted(keySafe(condition.value));
    case 'in':
      if (condition.values.length === 0) return '(?!)'; // nothing is in an empty list
      return `(?:${condition.values.map(value => quoted(keySafe(value))).join('|')})`;
    case 'prefix':
      return quoted(keySafe(condition.value)) + anything;
    case 'suffix':
      return anything + quoted(keySafe(condition.value));
    case 'contains':
      return anything + quoted(keySafe(condition.value)) + anything;
    case 'range':
      throw new TypeError(`A range on the text column ${condition.column}`);
  }
}

/** Literal text in a regular expression; MongoDB refuses a NUL in one. */
export const quoted = (text: string): string =>
  text.replace(/[\\^$.*+?()[\]{}|/-]/g, '\\$&').replaceAll('\u0000', '\\x00');
