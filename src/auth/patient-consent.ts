// A patient's Consent as labels: who may not, or may, see a resource is worked out when either is written and kept in the
// resource's meta.security, so that a grant asks for a handful of labels however many consents there are. docs/consent.md
// https://hl7.org/fhir/R4/consent.html, https://profiles.ihe.net/ITI/PCF/
// Surprising why: what is not understood in a rule that denies covers everything, and in one that permits nothing.
import { createHash } from 'node:crypto';
import { inside, isObject, objectsOf, type Json, type JsonObject } from '../fhir/json.js';
import type { Resource } from '../fhir/resource.js';
import type { Row } from '../search/rows.js';

/** Of the labels that only the server puts on and takes off. */
export const consentSystem = 'urn:tsela:consent';
export const everyone = '*';

export const denies = (name: string): string => `deny-${hidden(name)}`;
export const permits = (name: string): string => `permit-${hidden(name)}`;
/** Who sees a record does not read in its labels whom else the patient trusts. */
const hidden = (name: string): string =>
  name === everyone ? 'all' : createHash('sha256').update(name).digest('base64url').slice(0, 16);

/** A name with a purpose, and with one that is not told. */
export const forPurpose = (name: string, purpose: string | undefined): string => `${name}&${purpose ?? '?'}`;

export interface Rule {
  readonly type: 'deny' | 'permit';
  /** Names as in `namesOf` of the policy; with purposes where the rule has some. */
  readonly names: readonly string[];
  covers(about: About): boolean;
}

/** What a rule is judged on. */
export interface About {
  readonly resource: Resource;
  /** `Observation/1` */
  readonly key: string;
  readonly rows: readonly Row[];
}

const text = (value: Json | undefined): string | undefined =>
  typeof value === 'string' && value !== '' ? value : undefined;

/** Milliseconds of its period: in which a provision is in force, or somebody a member. */
export function spanOf(holder: JsonObject): { readonly from: number; readonly to: number } {
  const { start, end } = inside(holder['period']);
  return { from: instantOf(start, 'start') ?? -Infinity, to: instantOf(end, 'end') ?? Infinity };
}

/** When the consent comes to say something else, ms: where a provision begins, or has ended. */
export function edgesOf(consent: JsonObject): readonly number[] {
  const edges: number[] = [];
  const walk = (provision: JsonObject): void => {
    const { from, to } = spanOf(provision);
    edges.push(...[from, to + 1].filter(Number.isFinite));
    for (const nested of objectsOf(provision['provision'])) walk(nested);
  };
  walk(inside(consent['provision']));
  return edges;
}

function instantOf(value: Json | undefined, which: 'start' | 'end'): number | undefined {
  const given = text(value);
  if (given === undefined) return undefined;
  const at = Date.parse(given);
  if (Number.isNaN(at)) return undefined;
  if (which === 'start' || given.length > 10) return at;
  const next = new Date(at);
  if (given.length === 4) next.setUTCFullYear(next.getUTCFullYear() + 1);
  else if (given.length === 7) next.setUTCMonth(next.getUTCMonth() + 1);
  else next.setUTCDate(next.getUTCDate() + 1);
  return next.getTime() - 1;
}

/** The rules of a consent, a later one winning over an earlier; none where it is not in force at the time. */
export function rulesOf(consent: JsonObject, bases: readonly string[], now: number): readonly Rule[] {
  if (consent['status'] !== 'active' || isOfTreatment(consent['scope'])) return [];
  const root = inside(consent['provision']);
  const type = typeIn(root['type']) ?? basicPolicy(consent['policyRule']);
  const rules: Rule[] = [];
  const walk = (
    provision: JsonObject,
    within: readonly Test[],
    names: readonly string[] | undefined,
    own: Rule['type'] | undefined,
  ): void => {
    const { from, to } = spanOf(provision);
    if (now < from || now > to) return;
    const kind = own ?? 'deny';
    const tests = [...within, ...testsOf(provision, kind, bases)];
    const named = namesIn(provision, kind, bases) ?? names;
    if (own !== undefined)
      rules.push({
        type: own,
        names: named ?? [everyone],
        covers: about => tests.every(test => test(about)),
      });
    for (const nested of objectsOf(provision['provision'])) walk(nested, tests, named, typeIn(nested['type']) ?? 'deny'); // prettier-ignore
  };
  walk(root, [], undefined, type);
  return rules;
}

/** To be treated, or not to be: no word about who may know. https://hl7.org/fhir/R4/valueset-consent-scope.html */
function isOfTreatment(scope: Json | undefined): boolean {
  const codes = objectsOf(inside(scope)['coding']).map(coding => coding['code']);
  return codes.length > 0 && codes.every(code => code === 'treatment' || code === 'adr');
}

const typeIn = (value: Json | undefined): Rule['type'] | undefined =>
  value === 'deny' || value === 'permit' ? value : undefined;

function basicPolicy(policyRule: Json | undefined): Rule['type'] | undefined {
  const codes = objectsOf(inside(policyRule)['coding']).map(coding => coding['code']);
  return codes.includes('OPTOUT') ? 'deny' : codes.includes('OPTIN') ? 'permit' : undefined;
}

type Test = (about: About) => boolean;

/** Who the provision is about; undefined: whom the one around it is about. */
function namesIn(
  provision: JsonObject,
  kind: Rule['type'],
  bases: readonly string[],
): readonly string[] | undefined {
  const actors = objectsOf(provision['actor']);
  const purposes = objectsOf(provision['purpose']).flatMap(coding => text(coding['code']) ?? []);
  if (actors.length === 0 && purposes.length === 0) return undefined;
  const names =
    actors.length === 0
      ? [everyone]
      : actors.flatMap(actor => actorNames(inside(actor['reference']), kind, bases));
  if (purposes.length === 0) return names;
  // Who does not say why is denied what is denied for any purpose.
  const told = [...purposes, ...(kind === 'deny' ? [undefined] : [])];
  return names.flatMap(name => told.map(purpose => forPurpose(name, purpose)));
}

/** Kinds that somebody may belong to many of. */
export const ofMany = new Set(['PractitionerRole', 'Organization', 'CareTeam', 'Group']);
const actorTypes = new Set(['Practitioner', 'RelatedPerson', 'Patient', ...ofMany]);
/** Calls by name who belongs to more of a kind than could be looked at. */
export const everyOf = (type: string): string => `${type}/*`;

/** `Practitioner/7`, or by identifier `role:nurse` and `client:app`. */
function actorNames(reference: JsonObject, kind: Rule['type'], bases: readonly string[]): readonly string[] {
  const unknown = kind === 'deny' ? [everyone] : [];
  const local = localOf(reference['reference'], bases);
  if (local !== undefined) {
    const type = local.split('/')[0]!;
    if (!actorTypes.has(type)) return unknown;
    return kind === 'deny' && ofMany.has(type) ? [local, everyOf(type)] : [local];
  }
  const { system, value } = inside(reference['identifier']);
  const named = { 'urn:tsela:role': 'role', 'urn:tsela:client': 'client' }[String(system)];
  return named === undefined || text(value) === undefined ? unknown : [`${named}:${String(value)}`];
}

/** What the text of a reference names, as `Patient/1`; without bases any server is ours. */
export function localOf(value: Json | undefined, bases?: readonly string[]): string | undefined {
  const reference = text(value);
  if (reference === undefined) return undefined;
  if (bases === undefined) return ending.exec(reference)?.[1];
  const base = bases.find(one => reference.startsWith(`${one}/`));
  const relative = base === undefined ? reference : reference.slice(base.length + 1);
  const [, key] = /^([A-Z][A-Za-z]+\/[A-Za-z0-9\-.]{1,64})(?:\/_history\/.*)?$/.exec(relative) ?? [];
  return key;
}

const ending = /(?:^|\/)([A-Z][A-Za-z]+\/[A-Za-z0-9\-.]{1,64})(?:\/_history\/.*)?$/;

const resourceTypeSystem = 'http://hl7.org/fhir/resource-types';

function testsOf(provision: JsonObject, kind: Rule['type'], bases: readonly string[]): readonly Test[] {
  const unknown = kind === 'deny';
  const tests: Test[] = [];
  const classes = objectsOf(provision['class']);
  if (classes.length > 0)
    tests.push(({ resource }) =>
      classes.some(({ system, code }) =>
        system === resourceTypeSystem ? code === resource.resourceType : unknown,
      ),
    );
  const codes = objectsOf(provision['code']).flatMap(concept => objectsOf(concept['coding']));
  if (objectsOf(provision['code']).length > 0)
    tests.push(({ resource }) => (codes.length === 0 ? unknown : codingsIn(resource).some(has => codes.some(one => isSame(has, one))))); // prettier-ignore
  const labels = objectsOf(provision['securityLabel']);
  if (labels.length > 0)
    tests.push(({ resource }) => objectsOf(inside(resource['meta'])['security']).some(has => labels.some(one => isSame(has, one)))); // prettier-ignore
  // https://hl7.org/fhir/R4/valueset-consent-action.html: what is permitted may be less than to see.
  const actions = objectsOf(provision['action']).flatMap(concept => objectsOf(concept['coding']));
  if (
    objectsOf(provision['action']).length > 0 &&
    !actions.some(({ code }) => code === 'access' || code === 'use')
  )
    tests.push(() => unknown);
  const { start, end } = inside(provision['dataPeriod']);
  if (start !== undefined || end !== undefined) {
    const from = instantOf(start, 'start') ?? -Infinity;
    const to = instantOf(end, 'end') ?? Infinity;
    tests.push(({ rows }) => {
      const dates = rows.flatMap(row => (row.kind === 'date' && !undated.has(row.param) ? [row] : []));
      return dates.length === 0 ? unknown : dates.some(({ lo, hi }) => lo <= to && hi >= from);
    });
  }
  const data = objectsOf(provision['data']);
  if (data.length > 0) {
    const wanted = data.map(({ meaning, reference }) => ({
      meaning,
      key: localOf(inside(reference)['reference'], bases),
    }));
    tests.push(({ key, rows }) =>
      wanted.some(one => {
        if (one.key === undefined) return unknown;
        if (one.key === key) return one.meaning !== 'authoredby' && one.meaning !== 'dependents';
        return (
          one.meaning !== 'instance' && rows.some(row => row.kind === 'reference' && row.target === one.key)
        );
      }),
    );
  }
  return tests;
}

/** Of the person or the record, not of what happened. */
const undated = new Set(['birthdate', 'death-date', '_lastUpdated']);

const isSame = (a: JsonObject, b: JsonObject): boolean =>
  a['code'] !== undefined && a['code'] === b['code'] && (a['system'] ?? '') === (b['system'] ?? '');

/** Every coding in the resource, the labels apart. */
function codingsIn(value: Json): readonly JsonObject[] {
  if (Array.isArray(value)) return value.flatMap(codingsIn);
  if (!isObject(value)) return [];
  const { meta: _meta, coding, ...rest } = value;
  return [...objectsOf(coding), ...Object.values(rest).flatMap(one => codingsIn(one))];
}

/**
 * The codes of the labels that the consents put on a resource. Of one consent the later rule wins for a name; of several
 * a denial does. Who is denied by name stays denied; who is permitted passes a denial of everyone only where each consent
 * that denies everyone permits them too.
 */
export function labelCodes(consents: readonly (readonly Rule[])[], about: About): readonly string[] {
  const denied = new Set<string>();
  let permitted: Set<string> | undefined;
  let offered = new Set<string>();
  for (const rules of consents) {
    const said = new Map<string, Rule['type']>();
    for (const rule of rules)
      if (rule.covers(about)) for (const name of rule.names) said.set(name, rule.type);
    const allowed = new Set([...said].filter(([, type]) => type === 'permit').map(([name]) => name));
    for (const [name, type] of said) if (type === 'deny') denied.add(name);
    if ([...said].some(([name, type]) => type === 'deny' && isEveryone(name)))
      permitted =
        permitted === undefined ? allowed : new Set([...permitted].filter(name => allowed.has(name)));
    offered = new Set([...offered, ...allowed]);
  }
  const passing = [...(permitted ?? offered)].filter(name => !denied.has(name));
  return [...[...denied].map(denies), ...passing.map(permits)].sort();
}

const isEveryone = (name: string): boolean => name === everyone || name.startsWith(`${everyone}&`);

/** The resource with these labels of consents and no others; the same where it has them. */
export function withConsentLabels(resource: Resource, codes: readonly string[]): Resource {
  const meta = inside(resource['meta']);
  const all = Array.isArray(meta['security']) ? meta['security'] : [];
  if (all.length === 0 && codes.length === 0) return resource;
  const isOurs = (label: Json): boolean => isObject(label) && label['system'] === consentSystem;
  const had = all.flatMap(label => (isOurs(label) ? [String((label as JsonObject)['code'])] : []));
  if (had.length === codes.length && [...had].sort().every((code, i) => code === codes[i])) return resource;
  const security = [
    ...all.filter(label => !isOurs(label)),
    ...codes.map(code => ({ system: consentSystem, code })),
  ];
  const { security: _security, ...rest } = meta;
  const left = security.length === 0 ? rest : { ...rest, security };
  const { meta: _meta, ...others } = resource;
  return Object.keys(left).length === 0 ? others : { ...resource, meta: left };
}
