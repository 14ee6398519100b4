// Constraints that stand on every resource, element or reference, as code: the same rules, without an expression.
// https://hl7.org/fhir/R4/domainresource.html#invs, https://hl7.org/fhir/R4/references.html#contained
// Surprising: dom-3 is wider here than its expression in R4, which overlooks what a narrative refers to.
import { structureDefinition, type Constraint } from '../fhir/definitions.js';
import { isObject, type Json, type JsonObject } from '../fhir/json.js';
import { tableOf } from '../fhir/table.js';
import { narrativeProblems } from '../fhir/xhtml.js';
import { corrected } from './errata.js';

/** True where the constraint holds. */
export type NativeInvariant = (
  value: Json | undefined,
  resource: JsonObject,
  rootResource: JsonObject,
) => boolean;

const none: readonly never[] = [];
const listOf = (value: Json | undefined): readonly Json[] => (Array.isArray(value) ? value : none);
const isEmpty = (value: Json | undefined): boolean =>
  value === undefined || value === null || (Array.isArray(value) && value.length === 0);

const contained = (value: Json | undefined): readonly JsonObject[] => {
  const list = isObject(value) ? value['contained'] : undefined;
  return list === undefined ? none : listOf(list).filter(isObject);
};

/** Every text of the resource that may refer: `#`, `#id`, and what a narrative links to. */
function localTexts(value: Json, into: Set<string>): void {
  if (Array.isArray(value)) {
    for (const one of value) localTexts(one, into);
  } else if (isObject(value)) {
    for (const name in value) {
      const one = value[name]!;
      if (typeof one !== 'string') localTexts(one, into);
      else if (one.startsWith('#')) into.add(one);
      else if (name === 'div')
        for (const [, id] of one.matchAll(/(?:src|href)\s*=\s*["'](#[^"']*)["']/g)) into.add(id!);
    }
  }
}

/** What is contained is referred to from the resource, or refers to it. */
const isContainedUsed: NativeInvariant = value => {
  const resources = contained(value);
  if (resources.length === 0 || !isObject(value)) return true;
  const used = new Set<string>();
  localTexts(value, used);
  return resources.every(resource => {
    const { id } = resource;
    if (typeof id !== 'string' || used.has(`#${id}`)) return true;
    const own = new Set<string>();
    localTexts(resource, own);
    return own.has('#');
  });
};

const ids = new WeakMap<JsonObject, ReadonlySet<unknown>>();
/** Made once per container: each reference asks. */
function containedIds(container: JsonObject): ReadonlySet<unknown> {
  let known = ids.get(container);
  if (known === undefined) {
    known = new Set(contained(container).map(one => one['id']));
    ids.set(container, known);
  }
  return known;
}

const metaOf = (resource: JsonObject): JsonObject => (isObject(resource['meta']) ? resource['meta'] : {});

const isLocalReferenceThere: NativeInvariant = (value, _resource, rootResource) => {
  const reference = isObject(value) ? value['reference'] : undefined;
  if (typeof reference !== 'string' || !reference.startsWith('#') || reference === '#') return true;
  return containedIds(rootResource).has(reference.slice(1));
};

const isExtension: NativeInvariant = value => {
  if (!isObject(value)) return true;
  let hasValue = false;
  for (const name in value) if (name.startsWith('value') || name.startsWith('_value')) hasValue = true;
  return isEmpty(value['extension']) === hasValue;
};

const byKey: Readonly<Record<string, NativeInvariant>> = {
  'dom-2': value => contained(value).every(one => isEmpty(one['contained'])),
  'dom-3': isContainedUsed,
  'dom-4': value =>
    contained(value).every(one => isEmpty(metaOf(one)['versionId']) && isEmpty(metaOf(one)['lastUpdated'])),
  'dom-5': value => contained(value).every(one => isEmpty(metaOf(one)['security'])),
  'ref-1': isLocalReferenceThere,
  'ext-1': isExtension,
};

/** Both have the same expression, so that only their keys tell them apart. */
const narrative = tableOf<NativeInvariant>({
  'txt-1': value =>
    typeof value !== 'string' ||
    narrativeProblems(value).every(({ rule }) => rule === 'txt-2' || rule === 'link'),
  'txt-2': value =>
    typeof value !== 'string' || narrativeProblems(value).every(({ rule }) => rule !== 'txt-2'),
});

/** By the expression, as R4 publishes it and as it is corrected; a profile that says the same under another key included. */
const byExpression: ReadonlyMap<string, NativeInvariant> = new Map(
  ['DomainResource', 'Reference', 'Extension'].flatMap(type =>
    (structureDefinition(type)?.snapshot.element[0]?.constraint ?? []).flatMap(constraint => {
      const native = byKey[constraint.key];
      if (native === undefined) return [];
      return [constraint, corrected(constraint)].flatMap(({ expression }) =>
        expression === undefined ? [] : [[expression, native] as const],
      );
    }),
  ),
);

/** The code that judges a constraint, where it is one of these. */
export const nativeInvariant = ({ key, expression }: Constraint): NativeInvariant | undefined =>
  expression === undefined
    ? undefined
    : expression === 'htmlChecks()'
      ? narrative(key)
      : byExpression.get(expression);

/** From a day, or from an offset, to the end: what two times must have in common to be in the order of their texts. */
const isInOrder = (start: string, end: string): boolean =>
  start.length === end.length &&
  start <= end &&
  (start.length <= 10 || (start.endsWith('Z') ? end.endsWith('Z') : start.slice(-6) === end.slice(-6)));

/** Whether a start is before its end, where their texts tell. Leap seconds do too: the later text is never the earlier time. */
const isPeriodInOrder: NativeInvariant = value => {
  if (!isObject(value)) return false;
  const { start, end } = value;
  if (start === undefined || end === undefined) return true;
  return typeof start === 'string' && typeof end === 'string' && isInOrder(start, end);
};

const periodInOrder = structureDefinition('Period')?.snapshot.element[0]?.constraint?.find(
  ({ key }) => key === 'per-1',
)?.expression;

/** Code that says of most elements at once that the constraint holds; false says nothing. */
export const quickInvariant = ({ expression }: Constraint): NativeInvariant | undefined =>
  expression !== undefined && expression === periodInOrder ? isPeriodInOrder : undefined;
