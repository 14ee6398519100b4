// References: where they lead, and whether what is there may be there. https://hl7.org/fhir/R4/references.html
import { resourceTypes } from '../fhir/definitions.js';
import { isObject, type Json, type JsonObject } from '../fhir/json.js';
import { parseReference } from '../fhir/reference.js';
import type { ElementNode, TypeReference } from './element-tree.js';
import type { Item } from './items.js';
import type { Frame, Run, Target } from './run.js';
import { kindsOf } from './types.js';

const text = (value: Json | undefined): string | undefined => (typeof value === 'string' ? value : undefined);

const itemOf = (resource: JsonObject, path: string): Item => ({
  value: resource,
  sibling: undefined,
  type: text(resource['resourceType']) ?? 'Resource',
  path,
});

/** A bundle's entries by fullUrl; built once, because a search per reference would grow with the square. */
const indexes = new WeakMap<JsonObject, ReadonlyMap<string, number>>();

function entriesOf(bundle: JsonObject): ReadonlyMap<string, number> {
  let index = indexes.get(bundle);
  if (!index) {
    const made = new Map<string, number>();
    const entries = Array.isArray(bundle['entry']) ? bundle['entry'] : [];
    for (const [i, entry] of entries.entries()) {
      const url = isObject(entry) ? text(entry['fullUrl']) : undefined;
      if (url !== undefined && !made.has(url)) made.set(url, i);
    }
    index = made;
    indexes.set(bundle, index);
  }
  return index;
}

/** The fullUrl of the entry at `Bundle.entry[n].resource`. */
function fullUrlOf(bundle: JsonObject, path: string): string | undefined {
  const index = /\.entry\[(\d+)\]\.resource$/.exec(path)?.[1];
  const entries = bundle['entry'];
  const entry = index !== undefined && Array.isArray(entries) ? entries[Number(index)] : undefined;
  return isObject(entry) ? text(entry['fullUrl']) : undefined;
}

/** The frame of a resource that stands at the path within another. */
export function frameWithin(resource: JsonObject, path: string, frame: Frame): Frame {
  const isContained = path.startsWith(`${frame.path}.contained[`);
  return {
    resource,
    root: isContained ? frame.root : resource,
    path,
    parent: frame,
    fullUrl: isContained ? undefined : fullUrlOf(frame.resource, path),
  };
}

const restful = /^(https?:\/\/.+\/)[A-Z]\w+\/[A-Za-z0-9\-.]{1,64}$/;

/** Within the resource and the bundle it is in; undefined where it leads elsewhere. */
export function resolveWithin(reference: string, frame: Frame): Target | undefined {
  if (reference === '#') {
    let at: Frame = frame;
    while (at.resource !== at.root && at.parent) at = at.parent;
    return { item: itemOf(at.root, at.path), frame: at, kind: 'contained' };
  }
  if (reference.startsWith('#')) {
    const contained = frame.root['contained'];
    if (!Array.isArray(contained)) return undefined;
    const i = contained.findIndex(one => isObject(one) && one['id'] === reference.slice(1));
    if (i < 0) return undefined;
    let container: Frame = frame;
    while (container.resource !== container.root && container.parent) container = container.parent;
    const item = itemOf(contained[i] as JsonObject, `${container.path}.contained[${i}]`);
    return {
      item,
      frame: {
        resource: item.value as JsonObject,
        root: frame.root,
        path: item.path,
        parent: container,
        fullUrl: undefined,
      },
      kind: 'contained',
    };
  }
  let fullUrl: string | undefined;
  for (let at: Frame | undefined = frame; at; at = at.parent) {
    fullUrl ??= at.fullUrl;
    const bundle = at.resource;
    if (bundle['resourceType'] === 'Parameters') {
      const found = inParameters(bundle, reference, at);
      if (found) return found;
    }
    if (bundle['resourceType'] !== 'Bundle') continue;
    const [plain = ''] = reference.split('/_history/', 1);
    const index = entriesOf(bundle);
    const base = fullUrl === undefined ? undefined : restful.exec(fullUrl)?.[1];
    const i =
      index.get(reference) ?? index.get(plain) ?? (base === undefined ? undefined : index.get(base + plain));
    if (i === undefined) continue;
    const entry = (bundle['entry'] as Json[])[i] as JsonObject;
    const resource = entry['resource'];
    if (!isObject(resource)) return undefined;
    const item = itemOf(resource, `${at.path}.entry[${i}].resource`);
    return {
      item,
      frame: { resource, root: resource, path: item.path, parent: at, fullUrl: text(entry['fullUrl']) },
      kind: 'bundled',
    };
  }
  return undefined;
}

/** Among the resources of the same Parameters. */
function inParameters(parameters: JsonObject, reference: string, frame: Frame): Target | undefined {
  const list = Array.isArray(parameters['parameter']) ? parameters['parameter'] : [];
  for (const [i, one] of list.entries()) {
    const resource = isObject(one) ? one['resource'] : undefined;
    if (!isObject(resource ?? null)) continue;
    const item = itemOf(resource as JsonObject, `${frame.path}.parameter[${i}].resource`);
    if (reference !== `${item.type}/${text((resource as JsonObject)['id']) ?? ''}`) continue;
    const value = resource as JsonObject;
    return {
      item,
      frame: { resource: value, root: value, path: item.path, parent: frame, fullUrl: undefined },
      kind: 'bundled',
    };
  }
  return undefined;
}

/** The type a reference names, or its target has. */
function typeOf(
  reference: string | undefined,
  value: JsonObject,
  target: Target | undefined,
): string | undefined {
  if (target) return target.item.type;
  const parsed = reference === undefined ? undefined : parseReference(reference);
  const named = parsed && 'type' in parsed ? (parsed.type as string | undefined) : undefined;
  if (named !== undefined && resourceTypes().has(named)) return named;
  const said = text(value['type']);
  return said !== undefined && resourceTypes().has(said) ? said : undefined;
}

/** A Reference by itself, and by what R4 allows it to lead to. */
export function checkReference(
  item: Item,
  value: JsonObject,
  node: ElementNode,
  frame: Frame,
  run: Run,
): void {
  const reference = text(value['reference']);
  if (reference !== undefined && !isWellFormed(reference))
    // Within a bundle every reference must lead somewhere; elsewhere a reader may know what is meant.
    run.report({
      severity: isBundled(frame) ? 'error' : 'warning',
      code: 'value',
      expression: item.path,
      text: `"${reference.slice(0, 200)}" is no reference; expected Type/id, a url, urn:uuid:…, urn:oid:… or #id.`,
      rule: 'reference-form',
    });
  if (run.options.referencesMustResolve && reference !== undefined && isMissing(reference, frame, run))
    run.report({
      severity: 'error',
      code: 'not-found',
      expression: item.path,
      text: `The reference "${reference.slice(0, 200)}" leads to nothing that is known here.`,
      rule: 'reference-resolves',
    });
  const said = text(value['type']);
  if (said !== undefined && reference !== undefined) {
    const target = run.resolve(reference, frame);
    const actual = typeOf(reference, {}, target);
    if (
      actual !== undefined &&
      actual !== said &&
      said !== `http://hl7.org/fhir/StructureDefinition/${actual}`
    )
      run.report({
        severity: 'error',
        code: 'structure',
        expression: item.path,
        text: `The reference says it leads to a ${said.slice(0, 100)}, and it leads to a ${actual}.`,
        rule: 'reference-type',
      });
  }
  const type = node.types.find(({ code }) => code === 'Reference');
  if (type) checkTarget(item, type, node, frame, run);
}

function isBundled(frame: Frame): boolean {
  for (let at = frame.parent; at; at = at.parent) if (at.resource['resourceType'] === 'Bundle') return true;
  return false;
}

/** Whether a relative reference out of a resource among others leads to none of them; alone it may lead anywhere. */
const isMissing = (reference: string, frame: Frame, run: Run): boolean =>
  frame.resource === frame.root &&
  frame.parent !== undefined &&
  parseReference(reference).kind === 'literal' &&
  !run.resolve(reference, frame);

function isWellFormed(reference: string): boolean {
  if (reference.startsWith('#') || reference.includes('?')) return true;
  if (/^[a-z][a-z0-9+.-]*:/i.test(reference)) return true;
  const [type = '', ...rest] = reference.split('/');
  return rest.length > 0 && resourceTypes().has(type);
}

/** Judges where a Reference leads by the targets a type allows. */
export function checkTarget(
  item: Item,
  type: TypeReference,
  node: ElementNode,
  frame: Frame,
  run: Run,
): void {
  const value = item.value;
  if (!isObject(value) || type.targets.length === 0) return;
  const reference = text(value['reference']);
  const target = reference === undefined ? undefined : run.resolve(reference, frame);
  const actual = typeOf(reference, value, target);
  if (actual === undefined) return;
  const kinds = kindsOf(actual);
  const wanted = type.targets.map(url => run.profiles.get(url) ?? url);
  const say = (rule: string, words: string): void =>
    run.report({
      severity: 'error',
      code: 'structure',
      expression: item.path,
      text: words,
      rule,
      profile: node.profile,
    });
  const fitting = wanted.filter(one => typeof one === 'string' || kinds.has(one.type));
  if (fitting.length === 0) {
    const names = wanted.map(one => (typeof one === 'string' ? one : one.type));
    say(
      'reference-target',
      `The reference leads to a ${actual}; expected ${[...new Set(names)].join(' or ')}.`,
    );
    return;
  }
  checkAggregation(type, target, reference, say);
  if (!target || fitting.some(one => typeof one === 'string' || one.root.ofType)) return;
  if (!fitting.some(one => typeof one === 'string' || run.conforms(target.item, one, target.frame))) {
    const names = fitting.map(one => (typeof one === 'string' ? one : one.url));
    say('reference-profile', `What the reference leads to is not of the profile ${names.join(' or ')}.`);
  }
}

function checkAggregation(
  { aggregation, versioning }: TypeReference,
  target: Target | undefined,
  reference: string | undefined,
  say: (rule: string, words: string) => void,
): void {
  if (reference === undefined) return;
  if (aggregation.length > 0) {
    const kind = target?.kind ?? (reference.startsWith('#') ? 'contained' : 'referenced');
    const allowed = aggregation.includes(kind) || (kind === 'bundled' && aggregation.includes('referenced'));
    if (!allowed)
      say('reference-aggregation', `The reference is ${kind}; it must be ${aggregation.join(' or ')}.`);
  }
  const isVersioned = reference.includes('/_history/');
  if (versioning === 'specific' && !isVersioned)
    say('reference-version', 'The reference must name a version.');
  if (versioning === 'independent' && isVersioned)
    say('reference-version', 'The reference must not name a version.');
}
