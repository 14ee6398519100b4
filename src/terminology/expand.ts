// Lists the codes of a value set. https://hl7.org/fhir/R4/valueset.html#expansion
// Surprising why: codes come one by one from a generator and only those of the page are kept: a set of four hundred
// thousand codes is counted without being built.
import type {
  ConceptDesignation,
  ExpandedConcept,
  ValueSetDefinition,
  ValueSetInclude,
} from '../fhir/definitions.js';
import { canonicalParts, isVersion, type Catalog } from './catalog.js';
import { placeOf, type CodeSystem, type Place } from './code-system.js';
import { grammarOf } from './grammar.js';
import { filterOf, isMember, valueSetOf } from './membership.js';

/** A code of a value set, as its definition and its code system have it. */
export interface Member {
  readonly system: string;
  readonly version?: string | undefined;
  readonly code: string;
  /** As the value set has it. */
  readonly display?: string | undefined;
  readonly designations?: readonly ConceptDesignation[] | undefined;
  /** Where the code system is here. */
  readonly place?: Place | undefined;
  readonly abstract?: boolean | undefined;
  readonly inactive?: boolean | undefined;
}

/** Why a value set cannot be listed. */
export class NotExpandable extends Error {
  constructor(
    readonly reason: 'unknown' | 'too-costly' | 'version',
    message: string,
  ) {
    super(message);
    this.name = 'NotExpandable';
  }
}

/** Which versions of code systems to use; canonicals `system|version`. */
export interface Versions {
  /** Where nothing else is said. */
  readonly usual?: readonly string[];
  /** Must be the ones used. */
  readonly checked?: readonly string[];
  /** Used whatever is said. */
  readonly forced?: readonly string[];
}

export interface Listing {
  readonly catalog: Catalog;
  readonly versions?: Versions;
  /** Systems, also as `system|version`, whose codes are left out. */
  readonly excludedSystems?: readonly string[];
  readonly activeOnly?: boolean;
  /** Only concepts of a code system for which this holds; asked before anything else. */
  readonly accepts?: (system: CodeSystem) => ((ordinal: number) => boolean) | undefined;
  /** List what is known of systems that are not here in whole, too. */
  readonly partly?: boolean;
  /** Told of what is used: canonicals. */
  readonly used?: {
    readonly systems: Set<string>;
    readonly valueSets: Set<string>;
    /** Those of the systems that are not here in whole. */
    readonly incomplete: Set<string>;
  };
}

/** Each member once, in the order of the definition. @throws NotLoaded, NotExpandable */
export function* listed(set: ValueSetDefinition, listing: Listing): Generator<Member> {
  const seen = seenBefore();
  const effort = { spent: 0 };
  for (const member of withRepeats(set, listing, { sets: [], effort })) if (!seen(member)) yield member;
}

/** How a set was come to. */
interface Trail {
  readonly sets: readonly string[];
  /** Of the whole listing. */
  readonly effort: { spent: number };
}

/** Includes and codes looked at for one listing: value sets may include each other so often that there is no end of it. */
const mostEffort = 3_000_000;
const deepest = 100;

function spend({ effort, sets }: Trail): void {
  if (++effort.spent > mostEffort || sets.length > deepest)
    throw new NotExpandable('too-costly', 'The value set includes too many others, or too deep.');
}

/** Tells for each member whether it came before. */
function seenBefore(): (member: Member) => boolean {
  const ordinals = new Map<CodeSystem, Uint8Array>();
  const codes = new Set<string>();
  return ({ system, code, place }) => {
    if (place === undefined) {
      const key = `${system}|${code}`;
      if (codes.has(key)) return true;
      codes.add(key);
      return false;
    }
    let marks = ordinals.get(place.system);
    if (marks === undefined) ordinals.set(place.system, (marks = new Uint8Array(place.system.concepts.size)));
    if (marks[place.ordinal] === 1) return true;
    marks[place.ordinal] = 1;
    return false;
  };
}

function* withRepeats(set: ValueSetDefinition, listing: Listing, within: Trail): Generator<Member> {
  const { compose, expansion } = set;
  if (compose === undefined) {
    const isPart =
      (expansion?.total ?? 0) > (expansion?.contains?.length ?? 0) && (expansion?.offset ?? 0) > 0;
    if (expansion === undefined || isPart) throw new NotExpandable('unknown', `The value set ${set.url} says nothing of its codes.`); // prettier-ignore
    yield* contained(expansion.contains ?? []);
    return;
  }
  const trail = { ...within, sets: [...within.sets, set.url] };
  const excluded: ValueSetDefinition | undefined = compose.exclude?.length
    ? { ...set, url: `${set.url}#exclude`, compose: { include: compose.exclude } }
    : undefined;
  const activeOnly = listing.activeOnly === true || compose.inactive === false;
  for (const include of compose.include) {
    spend(within);
    for (const member of ofPart(include, listing, trail)) {
      spend(within);
      if (activeOnly && isInactive(member)) continue;
      if (excluded !== undefined && isIn(listing.catalog, excluded, member)) continue;
      yield member;
    }
  }
}

const isInactive = ({ inactive, place }: Member): boolean =>
  inactive ?? place?.system.concepts.isInactive(place.ordinal) ?? false;

function isIn(catalog: Catalog, set: ValueSetDefinition, { system, version, code }: Member): boolean {
  const { is, why } = isMember(catalog, set, { system, version, code });
  if (is === 'unknown') throw new NotExpandable('unknown', `The value set cannot be listed: ${why ?? ''}.`);
  return is;
}

function* contained(list: readonly ExpandedConcept[]): Generator<Member> {
  for (const { system, version, code, display, designation, abstract, inactive, contains } of list) {
    if (system !== undefined && code !== undefined && abstract !== true)
      yield { system, version, code, display, designations: designation, abstract, inactive };
    yield* contained(contains ?? []);
  }
}

/** The codes of its system that are in all of its value sets. */
function* ofPart(part: ValueSetInclude, listing: Listing, within: Trail): Generator<Member> {
  const sets = (part.valueSet ?? []).map(canonical => {
    const set = valueSetOf(listing.catalog, canonical);
    if (set === undefined)
      throw new NotExpandable('unknown', `The value set ${canonical} is not known here.`);
    if (within.sets.includes(set.url)) throw new NotExpandable('unknown', `The value set ${set.url} includes itself.`); // prettier-ignore
    listing.used?.valueSets.add(set.version === undefined ? set.url : `${set.url}|${set.version}`);
    return set;
  });
  const [first, ...others] = sets;
  const source =
    part.system !== undefined
      ? ofSystem(part, part.system, listing)
      : first === undefined
        ? []
        : withRepeats(first, listing, within);
  const tests = part.system === undefined ? others : sets;
  for (const member of source) if (tests.every(set => isIn(listing.catalog, set, member))) yield member;
}

const versionOf = (canonicals: readonly string[] | undefined, url: string): string | undefined =>
  canonicals?.map(canonicalParts).find(one => one.url === url)?.version;

function* ofSystem(part: ValueSetInclude, url: string, listing: Listing): Generator<Member> {
  const { catalog, versions, excludedSystems = [], used } = listing;
  const wanted = versionOf(versions?.forced, url) ?? part.version ?? versionOf(versions?.usual, url);
  const system = catalog.codeSystem(url, wanted);
  const isExcluded = excludedSystems
    .map(canonicalParts)
    .some(one => one.url === url && isVersion(one.version, system?.version ?? wanted));
  if (isExcluded) return;
  const must = versionOf(versions?.checked, url);
  const version = system?.version ?? wanted;
  if (must !== undefined && !isVersion(must, version))
    throw new NotExpandable('version', `The version of ${url} must be ${must}; here it is ${version ?? 'not known'}.`); // prettier-ignore
  used?.systems.add(version === undefined ? url : `${url}|${version}`);
  const { concept = [], filter = [] } = part;
  if (concept.length > 0) {
    const accepted = system && listing.accepts?.(system);
    for (const { code, display, designation } of concept) {
      const place = system && placeOf(system, code);
      if (place !== undefined && accepted !== undefined && !accepted(place.ordinal) && display === undefined)
        continue;
      yield { system: url, version, code, display, designations: designation, place };
    }
    return;
  }
  const isPart = listing.partly === true && (system?.content === 'fragment' || system?.content === 'example');
  if (isPart) used?.incomplete.add(version === undefined ? url : `${url}|${version}`);
  if (system === undefined || (system.content !== 'complete' && !isPart)) {
    const grammar = grammarOf(url);
    if (grammar?.codes !== undefined && filter.length === 0) {
      for (const code of grammar.codes) yield { system: url, code, display: grammar.display?.(code) };
      return;
    }
    if (grammar !== undefined)
      throw new NotExpandable('too-costly', `The codes of ${url} follow a grammar and cannot be listed.`);
    const what = system === undefined ? `The code system ${url}${wanted === undefined ? '' : ` in version ${wanted}`} is not known here` : `Of the code system ${url} not all codes are known here`; // prettier-ignore
    throw new NotExpandable('unknown', `${what}, so the value set cannot be listed.`);
  }
  const passes = filter.map(one => {
    const compiled = filterOf(system, one);
    if (compiled === undefined)
      throw new NotExpandable('unknown', `The filter ${one.property} ${one.op} ${one.value.slice(0, 100)} on ${url} is not understood here.`); // prettier-ignore
    return compiled;
  });
  const accepted = listing.accepts?.(system);
  const { concepts } = system;
  for (let ordinal = 0; ordinal < concepts.size; ordinal++) {
    if (accepted !== undefined && !accepted(ordinal)) continue;
    if (passes.every(pass => pass(ordinal)))
      yield { system: url, version, code: concepts.code(ordinal), place: { system, ordinal } };
  }
}
