// The R4 4.0.1 definitions, read from profiles/ on first use and kept once read. https://hl7.org/fhir/R4/definitions.html
// Surprising why: a pack is many small gzip members with an index beside it, so that answering a read never unpacks
// what it does not need. Everything is synchronous: a lookup costs about a millisecond once, then a Map access.
import { readFileSync, openSync, readSync, closeSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { gunzipSync } from 'node:zlib';

/** One type an element may have. https://hl7.org/fhir/R4/elementdefinition-definitions.html#ElementDefinition.type */
export interface ElementType {
  readonly code: string;
  readonly profile?: readonly string[];
  readonly targetProfile?: readonly string[];
  readonly aggregation?: readonly string[];
  readonly versioning?: string;
  readonly extension?: readonly DefinitionExtension[];
}

/** The few extensions kept: fhir-type, regex, minValueSet, maxValueSet. */
export interface DefinitionExtension {
  readonly url: string;
  readonly valueUrl?: string;
  readonly valueString?: string;
  readonly valueCanonical?: string;
  readonly valueUri?: string;
}

export interface Constraint {
  readonly key: string;
  readonly severity: 'error' | 'warning';
  readonly human: string;
  readonly expression?: string;
  readonly source?: string;
}

/** `fixed[x]`, `pattern[x]`, `minValue[x]`, `maxValue[x]` and `defaultValue[x]` are kept under their own names. */
export interface ElementDefinition {
  readonly id: string;
  readonly path: string;
  readonly representation?: readonly string[];
  readonly sliceName?: string;
  readonly slicing?: {
    readonly discriminator?: readonly { readonly type: string; readonly path: string }[];
    readonly ordered?: boolean;
    readonly rules: 'closed' | 'open' | 'openAtEnd';
  };
  readonly short?: string;
  readonly min: number;
  /** A number or `*`. */
  readonly max: string;
  readonly base?: { readonly path: string; readonly min: number; readonly max: string };
  readonly contentReference?: string;
  readonly type?: readonly ElementType[];
  readonly condition?: readonly string[];
  readonly constraint?: readonly Constraint[];
  readonly mustSupport?: boolean;
  readonly isModifier?: boolean;
  readonly isSummary?: boolean;
  readonly maxLength?: number;
  readonly binding?: {
    readonly strength: 'required' | 'extensible' | 'preferred' | 'example';
    readonly valueSet?: string;
    readonly extension?: readonly DefinitionExtension[];
  };
  readonly [value: `${'fixed' | 'pattern' | 'minValue' | 'maxValue' | 'defaultValue'}${string}`]: unknown;
}

/** https://hl7.org/fhir/R4/structuredefinition.html; only the snapshot is kept. */
export interface StructureDefinition {
  readonly resourceType: 'StructureDefinition';
  readonly id: string;
  readonly url: string;
  readonly name: string;
  readonly kind: 'primitive-type' | 'complex-type' | 'resource' | 'logical';
  readonly abstract: boolean;
  readonly type: string;
  readonly baseDefinition?: string;
  readonly derivation?: 'specialization' | 'constraint';
  readonly context?: readonly { readonly type: string; readonly expression: string }[];
  readonly contextInvariant?: readonly string[];
  readonly snapshot: { readonly element: readonly ElementDefinition[] };
}

export type SearchParameterType =
  'number' | 'date' | 'string' | 'token' | 'reference' | 'composite' | 'quantity' | 'uri' | 'special';

/** https://hl7.org/fhir/R4/searchparameter.html */
export interface SearchParameterDefinition {
  readonly resourceType: 'SearchParameter';
  readonly id: string;
  readonly url: string;
  readonly name: string;
  readonly status: string;
  readonly description: string;
  readonly code: string;
  readonly base: readonly string[];
  readonly type: SearchParameterType;
  /** FHIRPath; absent for a few (`_text`, `_content`, `_query`). */
  readonly expression?: string;
  readonly xpathUsage?: 'normal' | 'phonetic' | 'nearby' | 'distance' | 'other';
  readonly target?: readonly string[];
  readonly multipleOr?: boolean;
  readonly multipleAnd?: boolean;
  readonly comparator?: readonly string[];
  readonly modifier?: readonly string[];
  readonly chain?: readonly string[];
  readonly component?: readonly { readonly definition: string; readonly expression: string }[];
}

export interface ConceptDesignation {
  readonly language?: string;
  readonly use?: unknown;
  readonly value: string;
}

export interface ValueSetInclude {
  readonly system?: string;
  readonly version?: string;
  readonly concept?: readonly {
    readonly code: string;
    readonly display?: string;
    readonly designation?: readonly ConceptDesignation[];
  }[];
  readonly filter?: readonly { readonly property: string; readonly op: string; readonly value: string }[];
  readonly valueSet?: readonly string[];
}

/** https://hl7.org/fhir/R4/valueset.html */
export interface ValueSetDefinition {
  readonly resourceType: 'ValueSet';
  readonly id: string;
  readonly url: string;
  readonly version?: string;
  readonly name?: string;
  readonly title?: string;
  readonly compose?: {
    readonly inactive?: boolean;
    readonly include: readonly ValueSetInclude[];
    readonly exclude?: readonly ValueSetInclude[];
  };
  readonly expansion?: {
    readonly total?: number;
    readonly offset?: number;
    readonly contains?: readonly ExpandedConcept[];
  };
}

/** https://hl7.org/fhir/R4/valueset-definitions.html#ValueSet.expansion.contains */
export interface ExpandedConcept {
  readonly system?: string;
  readonly version?: string;
  readonly code?: string;
  readonly display?: string;
  readonly abstract?: boolean;
  readonly inactive?: boolean;
  readonly designation?: readonly ConceptDesignation[];
  readonly contains?: readonly ExpandedConcept[];
}

export interface CodeSystemConcept {
  readonly code: string;
  readonly display?: string;
  readonly definition?: string;
  readonly designation?: readonly ConceptDesignation[];
  readonly property?: readonly ({ readonly code: string } & Readonly<Record<string, unknown>>)[];
  readonly concept?: readonly CodeSystemConcept[];
}

/** https://hl7.org/fhir/R4/codesystem.html */
export interface CodeSystemDefinition {
  readonly resourceType: 'CodeSystem';
  readonly id: string;
  readonly url: string;
  readonly version?: string;
  readonly name?: string;
  readonly title?: string;
  readonly caseSensitive?: boolean;
  readonly valueSet?: string;
  readonly hierarchyMeaning?: string;
  readonly content: 'not-present' | 'example' | 'fragment' | 'complete' | 'supplement';
  /** Canonical of the code system it supplements. */
  readonly supplements?: string;
  readonly property?: readonly { readonly code: string; readonly uri?: string; readonly type: string }[];
  readonly concept?: readonly CodeSystemConcept[];
}

/** https://hl7.org/fhir/R4/conceptmap.html */
export interface ConceptMapDefinition {
  readonly resourceType: 'ConceptMap';
  readonly id: string;
  readonly url: string;
  readonly version?: string;
  readonly sourceUri?: string;
  readonly sourceCanonical?: string;
  readonly targetUri?: string;
  readonly targetCanonical?: string;
  readonly group?: readonly ConceptMapGroup[];
}

export interface ConceptMapGroup {
  readonly source?: string;
  readonly sourceVersion?: string;
  readonly target?: string;
  readonly targetVersion?: string;
  readonly element: readonly {
    readonly code?: string;
    readonly display?: string;
    readonly target?: readonly ConceptMapTarget[];
  }[];
  readonly unmapped?: {
    readonly mode: 'provided' | 'fixed' | 'other-map';
    readonly code?: string;
    readonly display?: string;
    readonly url?: string;
  };
}

export interface ConceptMapTarget {
  readonly code?: string;
  readonly display?: string;
  readonly equivalence: string;
  readonly comment?: string;
  readonly dependsOn?: readonly ConceptMapDependency[];
  readonly product?: readonly ConceptMapDependency[];
}

export interface ConceptMapDependency {
  readonly property: string;
  readonly system?: string;
  readonly value: string;
  readonly display?: string;
}

export interface OperationParameter {
  readonly name: string;
  readonly use: 'in' | 'out';
  readonly min: number;
  readonly max: string;
  readonly documentation?: string;
  readonly type?: string;
  readonly targetProfile?: readonly string[];
  readonly searchType?: SearchParameterType;
  readonly part?: readonly OperationParameter[];
}

/** https://hl7.org/fhir/R4/operationdefinition.html */
export interface OperationDefinition {
  readonly resourceType: 'OperationDefinition';
  readonly id: string;
  readonly url: string;
  readonly name: string;
  readonly kind: 'operation' | 'query';
  readonly code: string;
  readonly affectsState?: boolean;
  readonly resource?: readonly string[];
  readonly system: boolean;
  readonly type: boolean;
  readonly instance: boolean;
  readonly parameter?: readonly OperationParameter[];
}

/** https://hl7.org/fhir/R4/compartmentdefinition.html; a resource without `param` is not in the compartment. */
export interface CompartmentDefinition {
  readonly resourceType: 'CompartmentDefinition';
  readonly id: string;
  readonly url: string;
  readonly code: 'Patient' | 'Encounter' | 'RelatedPerson' | 'Practitioner' | 'Device';
  readonly search: boolean;
  readonly resource: readonly { readonly code: string; readonly param?: readonly string[] }[];
}

type Pack =
  | 'resources'
  | 'datatypes'
  | 'constraints'
  | 'search-parameters'
  | 'value-sets'
  | 'code-systems'
  | 'concept-maps'
  | 'operations'
  | 'compartments'
  | 'schemas';

interface Member {
  readonly offset: number;
  readonly length: number;
  readonly keys: readonly string[];
}

const folder = fileURLToPath(new URL('../../profiles/', import.meta.url));
const indexes = new Map<Pack, ReadonlyMap<string, readonly [member: Member, line: number]>>();
const read = new Map<string, unknown>();

function index(pack: Pack): ReadonlyMap<string, readonly [member: Member, line: number]> {
  let known = indexes.get(pack);
  if (!known) {
    const members = JSON.parse(readFileSync(`${folder}${pack}.index.json`, 'utf8')) as Member[];
    known = new Map(
      members.flatMap(member => member.keys.map((key, line) => [key, [member, line] as const] as const)),
    );
    indexes.set(pack, known);
  }
  return known;
}

/** The text of one definition in a pack; undefined if it is not there. */
function lineOf(pack: Pack, key: string): string | undefined {
  const place = index(pack).get(key);
  if (!place) return undefined;
  const [{ offset, length }, line] = place;
  const packed = Buffer.allocUnsafe(length);
  const file = openSync(`${folder}${pack}.ndjson.gz`, 'r');
  try {
    readSync(file, packed, 0, length, offset);
  } finally {
    closeSync(file);
  }
  return gunzipSync(packed).toString('utf8').split('\n')[line];
}

function one<T>(pack: Pack, key: string): T | undefined {
  const name = `${pack} ${key}`;
  if (!read.has(name)) {
    const text = lineOf(pack, key);
    if (text === undefined) return undefined; // not remembered: a client may ask for anything
    read.set(name, JSON.parse(text));
  }
  return read.get(name) as T;
}

const linesOf = (pack: Pack): readonly string[] =>
  gunzipSync(readFileSync(`${folder}${pack}.ndjson.gz`))
    .toString('utf8')
    .trimEnd()
    .split('\n');

function all<T>(pack: Pack): readonly T[] {
  if (!read.has(pack)) {
    read.set(
      pack,
      linesOf(pack).map(line => JSON.parse(line) as T),
    );
  }
  return read.get(pack) as readonly T[];
}

const coreUrl = 'http://hl7.org/fhir/StructureDefinition/';
const withoutVersion = (url: string): string => url.split('|', 1)[0] ?? url;

/** By url as it stands (some old v2 tables have a | in it) or without `|version`. */
const byUrl = <T>(pack: Pack, url: string): T | undefined => one(pack, url) ?? one(pack, withoutVersion(url));

let concreteTypes: ReadonlySet<string> | undefined;

/** The names of R4's 146 resource types, without the abstract Resource and DomainResource. */
export function resourceTypes(): ReadonlySet<string> {
  concreteTypes ??= new Set(
    [...index('resources').keys()]
      .map(url => url.slice(coreUrl.length))
      .filter(name => name !== 'Resource' && name !== 'DomainResource'),
  );
  return concreteTypes;
}

/** A definition by type name (`Patient`, `HumanName`), id (`bp`) or url, with or without `|version`. */
export function structureDefinition(nameOrUrl: string): StructureDefinition | undefined {
  const url = withoutVersion(nameOrUrl.includes(':') ? nameOrUrl : coreUrl + nameOrUrl);
  return one('resources', url) ?? one('datatypes', url) ?? one('constraints', url);
}

/** The urls of all StructureDefinitions: types, resources, core profiles and extensions. */
export const structureDefinitionUrls = (): readonly string[] =>
  (['resources', 'datatypes', 'constraints'] as const).flatMap(pack => [...index(pack).keys()]);

/** Every search parameter, by url; a parameter may belong to several types (`base`). */
export const searchParameters = (): readonly SearchParameterDefinition[] => all('search-parameters');

/** A value set by url, with or without `|version`. */
export const valueSet = (url: string): ValueSetDefinition | undefined => byUrl('value-sets', url);
export const valueSetUrls = (): readonly string[] => [...index('value-sets').keys()];

/** A code system by its `url`, with or without `|version`. */
export const codeSystem = (url: string): CodeSystemDefinition | undefined => byUrl('code-systems', url);
export const codeSystemUrls = (): readonly string[] => [...index('code-systems').keys()];

type CodeSystemName = Pick<CodeSystemDefinition, 'url' | 'version' | 'content'>;
let codeSystemsNamed: readonly CodeSystemName[] | undefined;

/** What the code systems are called, without keeping their concepts in memory. */
export const codeSystemNames = (): readonly CodeSystemName[] =>
  (codeSystemsNamed ??= linesOf('code-systems').map(line => {
    const { url, version, content } = JSON.parse(line) as CodeSystemDefinition;
    return { url, content, ...(version === undefined ? {} : { version }) };
  }));

export const conceptMaps = (): readonly ConceptMapDefinition[] => all('concept-maps');
export const operationDefinitions = (): readonly OperationDefinition[] => all('operations');

/** By code: `Patient`, `Encounter`, `RelatedPerson`, `Practitioner` or `Device`. */
export const compartmentDefinition = (code: string): CompartmentDefinition | undefined =>
  all<CompartmentDefinition>('compartments').find(compartment => compartment.code === code);

/** The JSON Schema of a resource type or datatype, as profiles/README.md describes it. */
export const jsonSchema = (name: string): Readonly<Record<string, unknown>> | undefined =>
  one('schemas', name);
