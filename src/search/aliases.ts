// Which parameters have rows, and by whose rows the others are answered. The only place that knows: the extractor asks
// `isWritten`, everyone who builds a plan asks `answeredBy`. docs/index-rows.md, "Parameters without rows".
import { parametersOf, type CustomParameters, type Parameter } from './parameters.js';
import type { TypedPath } from './extract/typed-path.js';

/** One parameter whose rows answer; `targets` where only some of its references count. */
export interface Answer {
  readonly parameter: Parameter;
  readonly targets?: readonly string[];
}

/** How a parameter is answered: by any of several parameters' rows, or, for a composite, by all of them in order. */
export type Answers = { readonly any: readonly Answer[] } | { readonly each: readonly Answers[] };

const byType = new Map<string, ReadonlyMap<string, Answers>>();

/** By code, for every parameter of the type. */
function answersOf(type: string): ReadonlyMap<string, Answers> {
  let known = byType.get(type);
  if (known === undefined) {
    known = findAnswers([...parametersOf(type).values()]);
    byType.set(type, known);
  }
  return known;
}

/** @throws RangeError where the type has no such parameter */
export function answeredBy(type: string, code: string, custom?: CustomParameters): Answers {
  const added = custom?.of(type).find(one => one.state === 'ready' && one.parameter.code === code);
  if (added !== undefined) return { any: [{ parameter: added.rows }] };
  const answers = answersOf(type).get(code);
  if (answers === undefined) throw new RangeError(`${type} has no search parameter ${code}`);
  return answers;
}

/** Whether rows with this parameter's code are made. */
export function isWritten(type: string, code: string): boolean {
  const answers = answersOf(type).get(code);
  return (
    answers !== undefined && 'any' in answers && answers.any.some(answer => answer.parameter.code === code)
  );
}

function findAnswers(all: readonly Parameter[]): ReadonlyMap<string, Answers> {
  const found = new Map<string, Answers>();
  const settle = (parameter: Parameter): Answers => {
    let answers = found.get(parameter.code);
    if (answers === undefined) {
      answers =
        sameAsEarlier(parameter, all) ??
        narrowed(parameter, all) ??
        union(parameter, all, settle) ??
        inParts(parameter, all, settle);
      answers ??= { any: [{ parameter }] };
      found.set(parameter.code, answers);
    }
    return answers;
  };
  for (const parameter of all) settle(parameter);
  return found;
}

/** What a parameter's values are, as text: path and type, for composites with their components. */
function signature(parameter: Parameter): ReadonlySet<string> {
  if (parameter.test !== undefined) return new Set([JSON.stringify(parameter.test)]);
  if (parameter.evaluate !== undefined) return new Set([parameter.url]);
  const tuples = parameter.tuples.map(({ base, components }) =>
    JSON.stringify([base.key, components.map(keys)]),
  );
  return new Set([...keys(parameter.paths), ...tuples]);
}
const keys = (paths: readonly TypedPath[]): readonly string[] =>
  paths.map(path => `${path.key} ${path.type}`).sort();

const covers = (a: ReadonlySet<string>, b: ReadonlySet<string>): boolean => [...b].every(one => a.has(one));

function sameAsEarlier(parameter: Parameter, all: readonly Parameter[]): Answers | undefined {
  const own = signature(parameter);
  const earlier = all.slice(0, all.indexOf(parameter)).find(other => {
    const its = other.type === parameter.type ? signature(other) : undefined;
    return its !== undefined && its.size === own.size && covers(its, own);
  });
  if (earlier === undefined || (parameter.type === 'reference' && !isWider(earlier, parameter.targets)))
    return undefined;
  return { any: [withTargets(earlier, parameter.targets)] };
}

const isWider = (parameter: Parameter, targets: readonly string[]): boolean =>
  targets.every(target => parameter.targets.includes(target));

const withTargets = (parameter: Parameter, targets: readonly string[]): Answer =>
  targets.length === parameter.targets.length ? { parameter } : { parameter, targets };

/** `subject.where(resolve() is Patient)` is what `subject` finds among Patients. */
function narrowed(parameter: Parameter, all: readonly Parameter[]): Answers | undefined {
  if (parameter.type !== 'reference') return undefined;
  const types = new Set<string>();
  const wide = new Set<string>();
  for (const path of parameter.paths) {
    const last = path.moves.at(-1);
    if (last?.move !== 'where' || last.test.test !== 'resolves-to') return undefined;
    types.add(last.test.type);
    wide.add(`${path.key.slice(0, -(last.key.length + 2))} ${path.type}`);
  }
  if (types.size !== 1) return undefined;
  const targets = [...types];
  const wider = all.find(other => {
    const its = other !== parameter && other.type === 'reference' ? signature(other) : undefined;
    return its !== undefined && its.size === wide.size && covers(its, wide) && isWider(other, targets);
  });
  return wider === undefined ? undefined : { any: [withTargets(wider, targets)] };
}

/** `combo-code` is `code` or `component-code`. */
function union(
  parameter: Parameter,
  all: readonly Parameter[],
  settle: (parameter: Parameter) => Answers,
): Answers | undefined {
  const own = signature(parameter);
  if (own.size < 2 || parameter.type === 'reference') return undefined;
  const members: Parameter[] = [];
  const rest = new Set(own);
  for (const other of all) {
    const its = signature(other);
    if (other.type !== parameter.type || its.size >= own.size || ![...its].every(one => rest.has(one)))
      continue;
    members.push(other);
    for (const one of its) rest.delete(one);
  }
  if (rest.size > 0) return undefined;
  const any: Answer[] = [];
  for (const member of members) {
    const answers = settle(member);
    if ('each' in answers) return undefined;
    any.push(...answers.any);
  }
  return { any };
}

/**
 * A composite of two elements of the resource that occur at most once is both of them, without rows of its own. The one
 * of a code and a quantity keeps its rows: they are the index that the two need together.
 */
function inParts(
  parameter: Parameter,
  all: readonly Parameter[],
  settle: (parameter: Parameter) => Answers,
): Answers | undefined {
  const [tuples, ...more] = parameter.tuples;
  if (tuples === undefined || more.length > 0 || tuples.base.key !== '') return undefined;
  if (parameter.components.some(component => component.type === 'quantity')) return undefined;
  const each: Answers[] = [];
  for (const [i, paths] of tuples.components.entries()) {
    const own = new Set(keys(paths));
    const whole = all.find(other => {
      const its = other.type === parameter.components[i]!.type ? signature(other) : undefined;
      return its !== undefined && its.size === own.size && covers(its, own);
    });
    if (whole === undefined || !paths.every(path => path.single)) return undefined;
    each.push(settle(whole));
  }
  return { each };
}
