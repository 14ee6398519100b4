// $expand: the codes of a value set, whole or page by page. https://hl7.org/fhir/R4/valueset-operation-expand.html
import { randomUUID } from 'node:crypto';
import { FhirError } from '../errors.js';
import type { ConceptDesignation, ValueSetDefinition } from '../fhir/definitions.js';
import { instant } from '../fhir/ids.js';
import { pausing } from '../fhir/in-turns.js';
import type { Json, JsonObject } from '../fhir/json.js';
import type { Resource } from '../fhir/resource.js';
import { sendResource } from '../interactions/answer.js';
import type { Context, Handler } from '../interactions/context.js';
import { designationsAt, displayAt, type CodeSystem } from '../terminology/code-system.js';
import { listed, NotExpandable, type Listing, type Member } from '../terminology/expand.js';
import { hasWords, withWords, wordsOf } from '../terminology/text-filter.js';
import { givenTo, type Given } from './operation-parameters.js';
import { askedValueSet, checkPermitted, languagesOf, noSuch, remoteFor } from './terminology-subject.js';

/** Codes in one answer; a client that wants more asks page by page. */
const mostCodes = 10_000;

interface Options {
  readonly words: readonly string[];
  readonly offset: number;
  readonly count: number | undefined;
  readonly languages: readonly string[];
  readonly withDesignations: boolean;
  /** Languages, or uses as `system|code`; all where empty. */
  readonly designations: readonly string[];
  readonly isNested: boolean;
  readonly activeOnly: boolean;
  readonly noAbstract: boolean;
}

function optionsOf(given: Given): Options {
  const designations = given.texts('designation');
  return {
    words: wordsOf(given.text('filter') ?? ''),
    offset: given.count('offset') ?? 0,
    count: given.count('count'),
    languages: languagesOf(given),
    withDesignations: given.flag('includeDesignations') ?? designations.length > 0,
    designations,
    // Only where it is asked for, and never in pages: they are of a list.
    isNested: given.flag('excludeNested') === false && !given.has('offset') && !given.has('count'),
    activeOnly: given.flag('activeOnly') ?? false,
    noAbstract: given.flag('excludeNotForUI') ?? false,
  };
}

/** GET and POST of `ValueSet/$expand` and `ValueSet/[id]/$expand`. */
export const expand: Handler = async context => {
  checkPermitted(context, 'ValueSet');
  const given = givenTo(context, 'ValueSet-expand');
  const { set, name } = await askedValueSet(context, given);
  const elsewhere = async (): Promise<Resource | undefined> => {
    const remote = remoteFor(context);
    if (remote === undefined) return undefined;
    const parameters = given.asParameters();
    if (context.id !== '' && Array.isArray(parameters['parameter']))
      parameters['parameter'].push({ name: 'valueSet', resource: set as unknown as Json });
    return remote.ask('ValueSet/$expand', parameters, 'ValueSet');
  };
  if (set === undefined) {
    const found = await elsewhere();
    if (found === undefined) throw noSuch('value set', name);
    return sendResource({ status: 200 }, found, context.request);
  }
  try {
    return sendResource({ status: 200 }, await expansionOf(context, set, given), context.request);
  } catch (error) {
    if (!(error instanceof NotExpandable)) throw error;
    const found = error.reason === 'unknown' ? await elsewhere() : undefined;
    if (found !== undefined) return sendResource({ status: 200 }, found, context.request);
    throw new FhirError(error.reason === 'too-costly' ? 'too-costly-expansion' : 'not-expandable', error.message, { cause: error }); // prettier-ignore
  }
};

async function expansionOf(context: Context, set: ValueSetDefinition, given: Given): Promise<Resource> {
  const options = optionsOf(given);
  const { words, offset, count } = options;
  const used = {
    systems: new Set<string>(),
    valueSets: new Set<string>(),
    incomplete: new Set<string>(),
  };
  const chosen = new Map<CodeSystem, (ordinal: number) => boolean>();
  const accepts = (system: CodeSystem): ((ordinal: number) => boolean) => {
    let known = chosen.get(system);
    if (known === undefined) chosen.set(system, (known = withWords(system, words)));
    return known;
  };
  const listing: Listing = {
    catalog: context.catalog,
    versions: {
      usual: given.texts('system-version'),
      checked: given.texts('check-system-version'),
      forced: given.texts('force-system-version'),
    },
    excludedSystems: given.texts('exclude-system'),
    activeOnly: options.activeOnly,
    partly: true,
    used,
    ...(words.length === 0 ? {} : { accepts }),
  };
  const kept: Member[] = [];
  const end = count === undefined ? Infinity : offset + count;
  let total = 0;
  const pause = pausing();
  for (const member of listed(set, listing)) {
    await pause();
    if (!isShown(member, options, accepts)) continue;
    if (total >= offset && total < end) kept.push(member);
    total++;
    if (kept.length > mostCodes)
      throw new NotExpandable('too-costly', `The value set has more than ${mostCodes} codes: ask for them in pages (offset, count), or with a filter.`); // prettier-ignore
  }
  const entries = kept.map(member => entryOf(member, options));
  return {
    ...describedBy(set, given.flag('includeDefinition') === true),
    expansion: {
      identifier: `urn:uuid:${randomUUID()}`,
      timestamp: instant(Date.now()),
      total,
      ...(given.has('offset') || given.has('count') ? { offset } : {}),
      ...someOf('parameter', [...echoed(given), ...usedParameters(used)]),
      ...someOf('contains', options.isNested ? nested(kept, entries) : entries),
    },
  };
}

const someOf = (name: string, list: Json[]): JsonObject => (list.length === 0 ? {} : { [name]: list });

function isShown(
  member: Member,
  { words, noAbstract }: Options,
  accepts: (system: CodeSystem) => (ordinal: number) => boolean,
): boolean {
  if (noAbstract && isAbstract(member)) return false;
  if (words.length === 0) return true;
  const { code, display = '', designations = [], place } = member;
  // Concepts of a known system were chosen by all their texts; what only the value set says is looked at here.
  if (place !== undefined && accepts(place.system)(place.ordinal)) return true;
  return hasWords([code, display, ...designations.map(one => one.value)].join('\t'), words);
}

const isAbstract = ({ abstract, place }: Member): boolean =>
  abstract ?? place?.system.concepts.isAbstract(place.ordinal) ?? false;
const isInactive = ({ inactive, place }: Member): boolean =>
  inactive ?? place?.system.concepts.isInactive(place.ordinal) ?? false;

function entryOf(member: Member, options: Options): JsonObject {
  const { system, version, code, place } = member;
  const designations = options.withDesignations
    ? wantedOf(allDesignations(member), options.designations)
    : [];
  const display = displayOf(member, options.languages);
  return {
    system,
    ...(isAbstract(member) ? { abstract: true } : {}),
    ...(isInactive(member) ? { inactive: true } : {}),
    // Where several versions of a system are at hand it matters which one said so.
    ...(version === undefined || place === undefined ? {} : { version }),
    code,
    ...(display === undefined ? {} : { display }),
    ...someOf('designation', designations),
  };
}

const allDesignations = ({ designations = [], place }: Member): readonly ConceptDesignation[] => [
  ...designations,
  ...(place === undefined ? [] : designationsAt(place)),
];

function wantedOf(all: readonly ConceptDesignation[], wanted: readonly string[]): Json[] {
  const isWanted = ({ language, use }: ConceptDesignation): boolean => {
    const { system = '', code = '' } = (use ?? {}) as { system?: string; code?: string };
    return wanted.some(one => one === language || one === `${system}|${code}` || one === `urn:ietf:bcp:47|${language ?? ''}`); // prettier-ignore
  };
  return all
    .filter(one => wanted.length === 0 || isWanted(one))
    .map(({ language, use, value }) => ({
      ...(language === undefined ? {} : { language }),
      ...(use === undefined ? {} : { use: use as Json }),
      value,
    }));
}

/** In a language asked for: by the value set, then by the code system; else as the value set has it. */
function displayOf(
  { display, designations = [], place }: Member,
  languages: readonly string[],
): string | undefined {
  for (const language of languages) {
    const own = designations.find(one => one.language?.toLowerCase() === language);
    if (own !== undefined) return own.value;
  }
  const usual = place && displayAt(place);
  const translated = place && languages.length > 0 ? displayAt(place, languages) : usual;
  return translated !== usual ? translated : (display ?? usual);
}

/** Each below the first of its parents that is in the list too. */
function nested(members: readonly Member[], entries: readonly JsonObject[]): JsonObject[] {
  const at = new Map(members.map(({ system, code }, i) => [`${system}|${code}`, i]));
  const parent = members.map(({ system, place }) => {
    const above = place === undefined ? [] : [...place.system.concepts.above(place.ordinal)];
    for (const ordinal of above) {
      const index = at.get(`${system}|${place!.system.concepts.code(ordinal)}`);
      if (index !== undefined) return index;
    }
    return undefined;
  });
  /** A hierarchy may go round in a ring; such concepts stay at the top. */
  const reachesTop = (start: number): boolean => {
    const seen = new Set<number>();
    for (let i: number | undefined = start; i !== undefined; i = parent[i]) {
      if (seen.has(i)) return false;
      seen.add(i);
    }
    return true;
  };
  const top: JsonObject[] = [];
  entries.forEach((entry, i) => {
    const above = parent[i];
    if (above === undefined || !reachesTop(i)) top.push(entry);
    else {
      const holder = entries[above]!;
      if (Array.isArray(holder['contains'])) holder['contains'].push(entry);
      else holder['contains'] = [entry];
    }
  });
  return top;
}

/** The value set without its codes, or with its definition too. */
function describedBy(set: ValueSetDefinition, whole: boolean): Resource {
  const { expansion: _, text: _narrative, ...rest } = set as unknown as Resource;
  if (whole) return rest;
  const names = ['resourceType', 'id', 'language', 'url', 'identifier', 'version', 'name', 'title', 'status', 'experimental', 'date', 'publisher', 'description']; // prettier-ignore
  const kept = Object.fromEntries(
    names.flatMap(name => (rest[name] === undefined ? [] : [[name, rest[name]]])),
  );
  return { resourceType: 'ValueSet', status: 'active', ...kept };
}

const booleans = ['includeDesignations', 'includeDefinition', 'activeOnly', 'excludeNested', 'excludeNotForUI', 'excludePostCoordinated']; // prettier-ignore

/** The parameters that made the expansion what it is. */
function echoed(given: Given): JsonObject[] {
  const texts = ['filter', 'displayLanguage', 'date'].flatMap(name => {
    const value = given.text(name);
    return value === undefined ? [] : [{ name, valueString: value }];
  });
  const lists = ['designation', 'exclude-system', 'system-version', 'check-system-version', 'force-system-version'].flatMap(name => given.texts(name).map(value => ({ name, [name === 'designation' ? 'valueString' : 'valueUri']: value }))); // prettier-ignore
  const numbers = ['offset', 'count'].flatMap(name => {
    const value = given.count(name);
    return value === undefined ? [] : [{ name, valueInteger: value }];
  });
  const flags = booleans.flatMap(name => {
    const value = given.flag(name);
    return value === undefined ? [] : [{ name, valueBoolean: value }];
  });
  return [...texts, ...lists, ...numbers, ...flags];
}

const usedParameters = (used: NonNullable<Listing['used']>): JsonObject[] => [
  ...[...used.incomplete].map(valueUri => ({ name: 'incomplete-codesystem', valueUri })),
  ...[...used.systems].map(valueUri => ({ name: 'used-codesystem', valueUri })),
  ...[...used.valueSets].map(valueUri => ({ name: 'used-valueset', valueUri })),
];
