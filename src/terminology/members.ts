// The codes of a value set, from R4's own definitions. https://hl7.org/fhir/R4/valueset.html#compositions
// Whatever is not certain makes the whole set unknown: a search that guessed would answer wrongly in silence.
import { valueSet, type ValueSetDefinition, type ValueSetInclude } from '../fhir/definitions.js';
import { closure, hierarchyOf } from './hierarchy.js';

/** Each code as `system|code`; no code holds a bar, systems may. */
export type Members = ReadonlySet<string>;

const known = new Map<string, Members | 'unknown'>();
const kept = 200;

/** The members of a value set by its `url` or `url|version`; `unknown` where there is no such set or it cannot be listed. */
export const members = (url: string): Members | 'unknown' => membersOf(url, []);

/** The url of the definition that a relative `ValueSet/id` names; undefined where none does. */
export function valueSetWithId(id: string): string | undefined {
  return [`http://hl7.org/fhir/ValueSet/${id}`, `http://terminology.hl7.org/ValueSet/${id}`].find(
    url => valueSet(url)?.id === id,
  );
}

/** `within`: the sets whose members are being found, which must not include themselves. */
function membersOf(url: string, within: readonly string[]): Members | 'unknown' {
  const definition = definitionOf(url);
  if (definition === undefined || within.includes(definition.url)) return 'unknown';
  let found = known.get(definition.url);
  found ??= compose(definition, [...within, definition.url]);
  known.delete(definition.url);
  known.set(definition.url, found);
  if (known.size > kept) known.delete(known.keys().next().value!);
  return found;
}

/** A version that is asked for must be the one there is. */
function definitionOf(url: string): ValueSetDefinition | undefined {
  const definition = valueSet(url);
  if (definition === undefined || definition.url === url) return definition;
  return url === `${definition.url}|${definition.version ?? ''}` ? definition : undefined;
}

function compose({ compose }: ValueSetDefinition, within: readonly string[]): Members | 'unknown' {
  if (compose === undefined || compose.inactive !== undefined) return 'unknown';
  const found = new Set<string>();
  for (const include of compose.include) {
    const some = included(include, within);
    if (some === 'unknown') return 'unknown';
    for (const member of some) found.add(member);
  }
  for (const exclude of compose.exclude ?? []) {
    const some = included(exclude, within);
    if (some === 'unknown') return 'unknown';
    for (const member of some) found.delete(member);
  }
  return found;
}

/** What an include or exclude names: the codes of its system that are in all of its value sets. */
function included(part: ValueSetInclude, within: readonly string[]): Members | 'unknown' {
  const sets: Members[] = [];
  if (part.system !== undefined) {
    const codes = codesOf(part, part.system);
    if (codes === 'unknown') return 'unknown';
    sets.push(new Set([...codes].map(code => `${part.system}|${code}`)));
  }
  for (const url of part.valueSet ?? []) {
    const set = membersOf(url, within);
    if (set === 'unknown') return 'unknown';
    sets.push(set);
  }
  const [first, ...others] = sets;
  return first === undefined
    ? 'unknown'
    : new Set([...first].filter(one => others.every(set => set.has(one))));
}

function codesOf(part: ValueSetInclude, system: string): Iterable<string> | 'unknown' {
  const { concept = [], filter = [], version } = part;
  if (concept.length > 0) return filter.length > 0 ? 'unknown' : concept.map(one => one.code);
  const hierarchy = hierarchyOf(system);
  if (hierarchy === 'unknown' || (version !== undefined && version !== hierarchy.version)) return 'unknown';
  const { below } = hierarchy;
  let codes = [...below.keys()];
  for (const { property, op, value } of filter) {
    const isHierarchical = property === 'concept' && (op === 'is-a' || op === 'descendent-of');
    if (!isHierarchical || !below.has(value)) return 'unknown';
    const some = closure(value, below);
    codes = codes.filter(code => some.has(code) && (op === 'is-a' || code !== value));
  }
  return codes;
}
