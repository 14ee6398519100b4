// $closure: keeps a table of which of a client's codes subsume which, so that its database can ask without this server.
// https://hl7.org/fhir/R4/conceptmap-operation-closure.html, https://hl7.org/fhir/R4/terminology-service.html#closure
import { FhirError } from '../errors.js';
import { instant } from '../fhir/ids.js';
import type { Json, JsonObject } from '../fhir/json.js';
import type { Resource } from '../fhir/resource.js';
import { sendResource } from '../interactions/answer.js';
import type { Context, Handler } from '../interactions/context.js';
import { placeOf, type Place } from '../terminology/code-system.js';
import { subsumption } from '../terminology/lookup.js';
import { settled } from '../terminology/catalog.js';
import { givenTo } from './operation-parameters.js';
import { checkPermitted, noSuch } from './terminology-subject.js';

interface Concept {
  readonly system: string;
  readonly code: string;
}

/** `below` is subsumed by `above`; both are of one system. */
interface Relation {
  readonly system: string;
  readonly below: string;
  readonly above: string;
  /** Of the table, when it was found. */
  readonly version: number;
}

interface Table {
  readonly version: number;
  readonly concepts: readonly Concept[];
  readonly relations: readonly Relation[];
}

const collection = 'terminology-closures';
const mostConcepts = 5000;
const attempts = 5;

/** POST `$closure`. Tables are of those who made them: another caller's of the same name is another. */
export const closure: Handler = async context => {
  checkPermitted(context, 'CodeSystem');
  checkPermitted(context, 'ConceptMap');
  const given = givenTo(context, 'ConceptMap-closure');
  const name = given.text('name');
  if (name === undefined || name.length > 200)
    throw new FhirError('required', 'The closure table needs a name of at most 200 characters.');
  const since = given.text('version');
  if (since !== undefined && given.has('concept'))
    throw new FhirError(
      'value',
      'version asks for what was said before, concept for something new: give one of them.',
    );
  const key = `${context.grant.principal}|${name}`;
  if (since !== undefined) {
    const table = await tableOf(context, key, name);
    const from = Number(since);
    if (!/^\d{1,9}$/.test(since) || from > table.version)
      throw new FhirError('value', `The closure table "${name}" has versions 0 to ${table.version}, not "${since.slice(0, 20)}".`); // prettier-ignore
    return sendResource({ status: 200 }, mapOf(name, table, table.relations.filter(one => one.version > from)), context.request); // prettier-ignore
  }
  if (!given.has('concept')) {
    const empty: Table = { version: 0, concepts: [], relations: [] };
    await context.catalog.shelf.put(collection, key, empty);
    return sendResource({ status: 200 }, mapOf(name, empty, []), context.request);
  }
  const concepts = given.objects('concept').map(conceptOf);
  for (let attempt = 1; ; attempt++) {
    const before = await context.catalog.shelf.get(collection, key);
    if (before === undefined) throw unknownTable(name);
    const after = await settled(() => extended(context, before.value as Table, concepts));
    if (after.version === (before.value as Table).version) return sendResource({ status: 200 }, mapOf(name, after, []), context.request); // prettier-ignore
    const isKept = await context.catalog.shelf.put(collection, key, after, { expected: before.revision });
    if (isKept !== undefined) {
      const found = after.relations.filter(one => one.version === after.version);
      return sendResource({ status: 200 }, mapOf(name, after, found), context.request);
    }
    if (attempt === attempts) throw new FhirError('conflict', `The closure table "${name}" kept changing; try again.`); // prettier-ignore
  }
};

const unknownTable = (name: string): FhirError =>
  new FhirError('not-found', `There is no closure table "${name}": begin it with its name alone.`);

async function tableOf({ catalog }: Context, key: string, name: string): Promise<Table> {
  const found = await catalog.shelf.get(collection, key);
  if (found === undefined) throw unknownTable(name);
  return found.value as Table;
}

function conceptOf({ system, code }: JsonObject): Concept {
  if (typeof system !== 'string' || typeof code !== 'string')
    throw new FhirError('required', 'Each concept needs a system and a code.');
  return { system, code };
}

/** The table with the concepts that are new to it, and how they relate to the others. @throws NotLoaded */
function extended({ catalog }: Context, table: Table, added: readonly Concept[]): Table {
  const keyOf = ({ system, code }: Concept): string => `${system}|${code}`;
  const known = new Set(table.concepts.map(keyOf));
  const all: { readonly concept: Concept; readonly place: Place | undefined }[] = [];
  const placed = (concept: Concept): Place | undefined => {
    const system = catalog.codeSystem(concept.system);
    return system && placeOf(system, concept.code);
  };
  for (const concept of table.concepts) all.push({ concept, place: placed(concept) });
  const version = table.version + 1;
  const relations: Relation[] = [];
  for (const concept of added) {
    if (known.has(keyOf(concept))) continue;
    known.add(keyOf(concept));
    if (catalog.codeSystem(concept.system) === undefined) throw noSuch('code system', concept.system);
    const place = placed(concept);
    if (place === undefined)
      throw new FhirError('not-found', `The code system ${concept.system} has no code "${concept.code.slice(0, 100)}".`); // prettier-ignore
    for (const other of all) {
      if (other.place?.system !== place.system) continue;
      const how = subsumption(place, other.place);
      const { system } = concept;
      if (how === 'subsumed-by') relations.push({ system, below: concept.code, above: other.concept.code, version }); // prettier-ignore
      if (how === 'subsumes') relations.push({ system, below: other.concept.code, above: concept.code, version }); // prettier-ignore
    }
    all.push({ concept, place });
  }
  if (all.length > mostConcepts)
    throw new FhirError('too-large', `A closure table has at most ${mostConcepts} concepts.`);
  if (all.length === table.concepts.length) return table;
  return { version, concepts: all.map(one => one.concept), relations: [...table.relations, ...relations] };
}

/** Of each code below, those above it: `subsumes` is said of the target. */
function mapOf(name: string, table: Table, relations: readonly Relation[]): Resource {
  const groups = new Map<string, Map<string, string[]>>();
  for (const { system, below, above } of relations) {
    const group = groups.get(system) ?? new Map<string, string[]>();
    groups.set(system, group);
    group.set(below, [...(group.get(below) ?? []), above]);
  }
  const group = [...groups].map(([system, elements]): Json => ({
    source: system,
    target: system,
    element: [...elements].map(([code, targets]) => ({
      code,
      target: targets.map(target => ({ code: target, equivalence: 'subsumes' })),
    })),
  }));
  return {
    resourceType: 'ConceptMap',
    version: String(table.version),
    name,
    status: 'active',
    experimental: true,
    date: instant(Date.now()),
    ...(group.length === 0 ? {} : { group }),
  };
}
