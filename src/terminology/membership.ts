// Whether a code is in a code system or a value set: true, false, or unknown where this server cannot know.
// https://hl7.org/fhir/R4/valueset.html#compositions
// Surprising why: a code is judged by walking the composition, not by looking it up in an expansion. A set of all of
// SNOMED CT then costs nothing, and one part that is not known spoils only codes that no other part holds.
import type { ExpandedConcept, ValueSetDefinition, ValueSetInclude } from '../fhir/definitions.js';
import { canonicalParts, isVersion, type Catalog } from './catalog.js';
import { displayAt, placeOf, type CodeSystem, type Place } from './code-system.js';
import { compileFilter, type Passes } from './filter.js';
import { grammarOf, type Membership } from './grammar.js';

export interface Coded {
  readonly system?: string | undefined;
  readonly version?: string | undefined;
  readonly code: string;
}

/** What a code system says of a code. */
export interface Located {
  readonly is: Membership;
  readonly system?: CodeSystem;
  readonly place?: Place;
  readonly display?: string | undefined;
  /** Written otherwise than the code system has it. */
  readonly isOtherCase?: boolean;
  /** Why it is not known. */
  readonly why?: string;
}

/** Looks the code up in its code system. @throws NotLoaded */
export function locate(catalog: Catalog, url: string, code: string, version?: string): Located {
  const system = catalog.codeSystem(url, version);
  const grammar = system?.content === 'complete' ? undefined : grammarOf(url);
  if (grammar !== undefined) return { is: grammar.has(code), display: grammar.display?.(code) };
  if (system === undefined) {
    const isThere = version !== undefined && catalog.codeSystem(url) !== undefined;
    return {
      is: 'unknown',
      why: `the code system ${url}${isThere ? ` in version ${version}` : ''} is not known here`,
    };
  }
  const found = placeOf(system, code);
  if (found !== undefined) {
    const { isOtherCase, ...place } = found;
    return { is: true, system, place, display: displayAt(place), ...(isOtherCase ? { isOtherCase } : {}) };
  }
  if (system.content === 'complete') return { is: false, system };
  const held = system.content === 'not-present' ? 'none' : 'not all';
  return { is: 'unknown', system, why: `${held} of the codes of ${url} are known here` };
}

/** The value set of a canonical, also of those that exist without a resource. @throws NotLoaded */
export function valueSetOf(catalog: Catalog, canonical: string): ValueSetDefinition | undefined {
  const whole = catalog.valueSet(canonical);
  if (whole !== undefined) return whole;
  const { url, version } = canonicalParts(canonical);
  return (version === undefined ? undefined : catalog.valueSet(url, version)) ?? implicit(url, version);
}

/** https://hl7.org/fhir/R4/snomedct.html#implicit, https://hl7.org/fhir/R4/loinc.html#implicit */
function implicit(url: string, version: string | undefined): ValueSetDefinition | undefined {
  const of = (include: ValueSetInclude): ValueSetDefinition => ({
    resourceType: 'ValueSet',
    id: 'implicit',
    url,
    compose: { include: [{ ...(version === undefined ? {} : { version }), ...include }] },
  });
  if (url === 'http://loinc.org/vs') return of({ system: 'http://loinc.org' });
  const [, edition, set] = /^(http:\/\/snomed\.info\/sct(?:\/[^?]*)?)\?fhir_vs(?:=(.*))?$/.exec(url) ?? [];
  if (edition === undefined) return undefined;
  const system = {
    system: 'http://snomed.info/sct',
    ...(edition === 'http://snomed.info/sct' ? {} : { version: edition }),
  };
  if (set === undefined) return of(system);
  const [, top] = /^isa\/(\d+)$/.exec(set) ?? [];
  return top === undefined
    ? undefined
    : of({ ...system, filter: [{ property: 'concept', op: 'is-a', value: top }] });
}

/** What a value set says of a code. */
export interface Held {
  readonly is: Membership;
  /** The system of the set that has the code, where none was given. */
  readonly system?: string;
  readonly display?: string | undefined;
  readonly why?: string;
}

/** A code without a system is looked for in all systems of the set. @throws NotLoaded */
export function isMember(catalog: Catalog, valueSet: ValueSetDefinition, coded: Coded): Held {
  return judge(catalog, valueSet, coded, { sets: [], known: new Map() });
}

/** How a set was come to. */
interface Trail {
  readonly sets: readonly ValueSetDefinition[];
  /** What was found on the way: sets may include each other so often that the ways could not be counted. */
  readonly known: Map<ValueSetDefinition, Map<string | undefined, Held>>;
}

/** Sets within sets; more is no composition but an attack. */
const deepest = 100;

function judge(catalog: Catalog, set: ValueSetDefinition, coded: Coded, within: Trail): Held {
  const { compose, expansion } = set;
  if (compose === undefined) return expansion === undefined ? unknown(`${set.url} says nothing of its codes`) : inExpansion(set, coded); // prettier-ignore
  const trail = { ...within, sets: [...within.sets, set] };
  let held: Held = { is: false };
  for (const include of compose.include) {
    const one = inPart(catalog, include, coded, trail, compose.inactive);
    if (one.is === true) {
      held = one;
      break;
    }
    if (one.is === 'unknown') held = one;
  }
  if (held.is === false) return held;
  const asked = held.system === undefined ? coded : { ...coded, system: held.system };
  for (const exclude of compose.exclude ?? []) {
    const one = inPart(catalog, exclude, asked, trail, undefined);
    if (one.is === true) return { is: false };
    if (one.is === 'unknown') held = { ...held, ...one };
  }
  return held;
}

const unknown = (why: string): Held => ({ is: 'unknown', why });

/** What an include or exclude names: the codes of its system that are in all of its value sets. */
function inPart(
  catalog: Catalog,
  part: ValueSetInclude,
  coded: Coded,
  within: Trail,
  inactive: boolean | undefined,
): Held {
  let held: Held | undefined;
  if (part.system !== undefined) {
    if (coded.system !== undefined && coded.system !== part.system) return { is: false };
    held = inSystem(catalog, part, part.system, coded, inactive);
    if (held.is === false) return held;
  }
  for (const canonical of part.valueSet ?? []) {
    const one = inSet(catalog, canonical, held?.system === undefined ? coded : { ...coded, system: held.system }, within); // prettier-ignore
    if (one.is === false) return one;
    held = held === undefined || one.is === 'unknown' ? one : held;
  }
  return held ?? { is: false };
}

function inSet(catalog: Catalog, canonical: string, coded: Coded, within: Trail): Held {
  const set = valueSetOf(catalog, canonical);
  if (set === undefined) return unknown(`the value set ${canonical} is not known here`);
  if (within.sets.some(one => one.url === set.url))
    return unknown(`the value set ${canonical} includes itself`);
  if (within.sets.length >= deepest) return unknown(`${canonical} is included too deep`);
  let known = within.known.get(set);
  if (known === undefined) within.known.set(set, (known = new Map<string | undefined, Held>()));
  let held = known.get(coded.system);
  if (held === undefined) known.set(coded.system, (held = judge(catalog, set, coded, within)));
  return held;
}

const listed = new WeakMap<object, ReadonlyMap<string, string | undefined>>();

/** The codes an include names one by one, with the displays it gives them. */
function listOf(part: ValueSetInclude): ReadonlyMap<string, string | undefined> {
  let list = listed.get(part);
  if (list === undefined) {
    list = new Map(part.concept!.map(({ code, display }) => [code, display]));
    listed.set(part, list);
  }
  return list;
}

function inSystem(
  catalog: Catalog,
  part: ValueSetInclude,
  url: string,
  { code, version }: Coded,
  inactive: boolean | undefined,
): Held {
  if (
    version !== undefined &&
    part.version !== undefined &&
    !isVersion(part.version, version) &&
    !isVersion(version, part.version)
  )
    // prettier-ignore
    return { is: false };
  const wanted = part.version ?? version;
  if (part.concept !== undefined && part.concept.length > 0) {
    const list = listOf(part);
    if (!list.has(code)) {
      // A list of a system in which case does not matter holds the code in any case.
      const { place, isOtherCase } = locate(catalog, url, code, wanted);
      const written = isOtherCase ? place?.system.concepts.code(place.ordinal) : undefined;
      if (written === undefined || !list.has(written)) return { is: false };
    }
    if (inactive === false) {
      const { place } = locate(catalog, url, code, wanted);
      if (place?.system.concepts.isInactive(place.ordinal)) return { is: false };
    }
    return { is: true, system: url, display: list.get(code) };
  }
  const { is, place, display, why } = locate(catalog, url, code, wanted);
  if (is === false) return { is };
  const filters = part.filter ?? [];
  if (place === undefined) {
    if (is === true && filters.length === 0) return { is, system: url, display };
    return unknown(why ?? `the filters of ${url} cannot be judged here`);
  }
  if (inactive === false && place.system.concepts.isInactive(place.ordinal)) return { is: false };
  let judged: Membership = true;
  for (const filter of filters) {
    const passes = filterOf(place.system, filter);
    if (passes === undefined) judged = 'unknown';
    else if (!passes(place.ordinal)) return { is: false };
  }
  return judged === true
    ? { is: true, system: url, display }
    : unknown(`a filter on ${url} is not understood here`);
}

const compiled = new WeakMap<CodeSystem, Map<string, Passes | undefined>>();
const mostCompiled = 200;

/** The filter made ready for the system; remembered. */
export function filterOf(
  system: CodeSystem,
  filter: NonNullable<ValueSetInclude['filter']>[number],
): Passes | undefined {
  let known = compiled.get(system);
  if (known === undefined) compiled.set(system, (known = new Map<string, Passes | undefined>()));
  const key = JSON.stringify([filter.property, filter.op, filter.value]);
  if (!known.has(key)) {
    if (known.size >= mostCompiled) known.clear();
    known.set(key, compileFilter(system, filter));
  }
  return known.get(key);
}

/** A set that comes with its codes alone. */
function inExpansion({ url, expansion }: ValueSetDefinition, { system, code }: Coded): Held {
  let count = 0;
  const look = (list: readonly ExpandedConcept[]): Held | undefined => {
    for (const one of list) {
      count++;
      const isIt = one.code === code && (system === undefined || one.system === system) && !one.abstract;
      if (isIt) return { is: true, ...(one.system === undefined ? {} : { system: one.system }), display: one.display }; // prettier-ignore
      const inner = look(one.contains ?? []);
      if (inner !== undefined) return inner;
    }
    return undefined;
  };
  const found = look(expansion?.contains ?? []);
  if (found !== undefined) return found;
  const isPart = (expansion?.total ?? 0) > count || (expansion?.offset ?? 0) > 0;
  return isPart ? unknown(`only a part of the expansion of ${url} is here`) : { is: false };
}
