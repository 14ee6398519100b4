// SMART scopes as values: read, compared, narrowed; version 1 (`patient/Observation.read`) and 2 with search arguments
// (`patient/Observation.rs?category=…`). https://hl7.org/fhir/smart-app-launch/scopes-and-launch-context.html
// Surprising why: what is not understood is no scope at all, since granting it without its constraint would widen it.
import { resourceTypes } from '../fhir/definitions.js';
import { parametersOf } from '../search/parameters.js';

export type ScopeContext = 'patient' | 'user' | 'system';

export interface ResourceScope {
  readonly context: ScopeContext;
  /** A resource type, or `*` for all. */
  readonly type: string;
  /** Of `cruds`, in that order. */
  readonly permissions: string;
  /** Decoded; each has to hold. */
  readonly criteria: readonly (readonly [param: string, value: string])[];
}

/** Scopes the library itself knows; they are not about resources. */
export const staticScopes = ['openid', 'fhirUser', 'profile', 'offline_access', 'online_access'] as const;

const maxLength = 512;
const maxCriteria = 8;
/** Parameters that mean the same in every type. */
const ofEveryType = new Set(['_id', '_tag', '_security', '_profile', '_source', '_lastUpdated']);
const version1: Readonly<Record<string, string>> = { read: 'rs', write: 'cud', '*': 'cruds' };
const pattern = /^(patient|user|system)\/([A-Za-z]+|\*)\.([a-z]+|\*)(?:\?(.+))?$/;

/** A scope about resources; undefined where it is none, or asks for what this server does not have. */
export function parseResourceScope(text: string): ResourceScope | undefined {
  if (text.length > maxLength) return undefined;
  const [, context, type, letters, query] = pattern.exec(text) ?? [];
  if (type === undefined || letters === undefined) return undefined;
  if (type !== '*' && !resourceTypes().has(type)) return undefined;
  const permissions = version1[letters] ?? (/^(?=.)c?r?u?d?s?$/.test(letters) ? letters : undefined);
  if (permissions === undefined || (query !== undefined && version1[letters] !== undefined)) return undefined;
  const criteria = query === undefined ? [] : criteriaOf(type, query);
  if (criteria === undefined) return undefined;
  return { context: context as ScopeContext, type, permissions, criteria };
}

function criteriaOf(type: string, query: string): ResourceScope['criteria'] | undefined {
  const pairs = query.split('&');
  if (pairs.length > maxCriteria) return undefined;
  const criteria: (readonly [string, string])[] = [];
  for (const pair of pairs) {
    const at = pair.indexOf('=');
    const param = pair.slice(0, at);
    const value = decoded(pair.slice(at + 1));
    // Modifiers, chains and _has have a colon or a dot; _filter and what shapes the answer are no parameters of the type.
    if (at < 1 || value === undefined || value === '' || !isCriterion(type, param)) return undefined;
    criteria.push([param, value]);
  }
  return criteria;
}

const isCriterion = (type: string, param: string): boolean =>
  type === '*' ? ofEveryType.has(param) : parametersOf(type).has(param);

function decoded(text: string): string | undefined {
  try {
    const value = decodeURIComponent(text);
    return value.includes('\0') ? undefined : value;
  } catch {
    return undefined;
  }
}

/** Encoded so that a value cannot end the pair, the query or the scope, and otherwise as people write it. */
const encoded = (value: string): string =>
  value.replace(/[%&#\s"\\\p{C}\u{80}-\u{10FFFF}]/gu, character => encodeURIComponent(character));

/** The one way a scope is written; version 1 becomes version 2. */
export const canonicalScope = ({ context, type, permissions, criteria }: ResourceScope): string => {
  const query = [...new Set(criteria.map(([param, value]) => `${param}=${encoded(value)}`))].sort();
  return `${context}/${type}.${permissions}${query.length === 0 ? '' : `?${query.join('&')}`}`;
};

const has = (criteria: ResourceScope['criteria'], [param, value]: readonly [string, string]): boolean =>
  criteria.some(([name, other]) => name === param && other === value);

/** Whether everything `a` allows, `b` allows. */
export const within = (a: ResourceScope, b: ResourceScope): boolean =>
  a.context === b.context &&
  (b.type === '*' || a.type === b.type) &&
  [...a.permissions].every(letter => b.permissions.includes(letter)) &&
  b.criteria.every(pair => has(a.criteria, pair));

/** What both allow; undefined where that is nothing, or not sayable as one scope. */
export function meet(a: ResourceScope, b: ResourceScope): ResourceScope | undefined {
  if (a.context !== b.context) return undefined;
  if (a.type !== b.type && a.type !== '*' && b.type !== '*') return undefined;
  const type = a.type === '*' ? b.type : a.type;
  const permissions = [...a.permissions].filter(letter => b.permissions.includes(letter)).join('');
  if (permissions === '') return undefined;
  const criteria = [...a.criteria, ...b.criteria.filter(pair => !has(a.criteria, pair))];
  return criteria.length > maxCriteria ? undefined : { context: a.context, type, permissions, criteria };
}

const launchScope = /^launch(?:\/(?:patient|encounter))?$/;

/** Whether the scope asks for context: `launch`, `launch/patient`, `launch/encounter`. */
export const isLaunchScope = (text: string): boolean => launchScope.test(text);

export const isStaticScope = (text: string): boolean => (staticScopes as readonly string[]).includes(text);

/** The scopes of a space-separated list, each once. */
export const scopesIn = (list: string | undefined): readonly string[] => [
  ...new Set((list ?? '').split(' ').filter(text => text !== '')),
];

/**
 * What of the asked scopes a ceiling allows. A scope within it stays as it was written; one that reaches beyond is cut
 * to what both say; what is not understood goes. Scopes without resources need to be in the ceiling by name.
 */
export function granted(asked: Iterable<string>, ceiling: Iterable<string>): readonly string[] {
  const allowed = new Set(ceiling);
  const limits = [...allowed].flatMap(text => parseResourceScope(text) ?? []);
  const found = new Set<string>();
  for (const text of asked) {
    if (isStaticScope(text) || isLaunchScope(text)) {
      if (allowed.has(text)) found.add(text);
      continue;
    }
    const scope = parseResourceScope(text);
    if (scope === undefined) continue;
    if (limits.some(limit => within(scope, limit))) found.add(text);
    else for (const part of cut(scope, limits)) found.add(part);
  }
  return [...found];
}

/** What a scope and the limits have in common, without what another part already says. */
function cut(scope: ResourceScope, limits: readonly ResourceScope[]): readonly string[] {
  const parts = limits.flatMap(limit => meet(scope, limit) ?? []);
  const kept = parts.filter(
    (part, i) => !parts.some((other, j) => i !== j && within(part, other) && (j < i || !within(other, part))),
  );
  return kept.map(canonicalScope);
}
