// Walks a value along what a profile says beyond its type: cardinality, types, values, codes, slices, and profiles of
// what is within. https://hl7.org/fhir/R4/profiling.html
import { isObject, type JsonObject } from '../fhir/json.js';
import { checkBinding } from './bindings.js';
import type { ElementNode, TypeReference } from './element-tree.js';
import { checkFacets } from './facets.js';
import { itemsOf, within, type Item } from './items.js';
import { checkTarget, frameWithin } from './references.js';
import type { Profile } from './profiles.js';
import type { CheckInvariants } from './invariants.js';
import type { Frame, Run } from './run.js';
import { checkSlices } from './slicing.js';
import { kindsOf } from './types.js';

/** What a node's constraints add to those of the element it narrows, compiled once. */
const added = new WeakMap<ElementNode, CheckInvariants | null>();

/** Rules the walk along the type judges itself, for every element. */
const native: ReadonlySet<string> = new Set(['ele-1', 'ext-1']);

/** Judges an item by the node's invariants, those apart that the element it narrows has too. */
export function checkInvariants(item: Item, node: ElementNode, frame: Frame, run: Run): void {
  let check = added.get(node);
  if (check === undefined) {
    const known = node.base === node ? undefined : node.base?.constraints;
    const fresh = node.constraints.filter(
      ({ key, expression }) =>
        !native.has(key) && !known?.some(one => one.key === key && one.expression === expression),
    );
    check = fresh.length === 0 ? null : run.compileInvariants(fresh, node.profile);
    added.set(node, check);
  }
  if (check === null || (item.value === undefined && !item.sibling)) return;
  check(
    {
      value: item.value,
      extra: item.sibling,
      type: structural.has(item.type) ? node.path : item.type,
      resource: frame.resource,
      rootResource: frame.root,
      path: item.path,
    },
    run.ports(frame),
    run.report,
  );
}
/** Elements without a type of their own are known by their place. */
const structural: ReadonlySet<string> = new Set(['BackboneElement', 'Element']);

/** The frame within an item: its own where it is a resource. */
function frameOf({ value, path }: Item, frame: Frame): Frame {
  const isResource = isObject(value) && typeof value['resourceType'] === 'string' && value !== frame.resource;
  return isResource ? frameWithin(value, path, frame) : frame;
}

/** Judges an item by a whole profile. */
export function walkProfile(item: Item, profile: Profile, frame: Frame, run: Run): void {
  // A profile may ask of its own element that it be of the profile.
  const walk = `${item.path} ${profile.url}`;
  if (run.walking.has(walk)) return;
  run.walking.add(walk);
  judge(item, profile.root, frameOf(item, frame), run);
  run.walking.delete(walk);
}

/** What the element itself asks of one item, then what is within. */
function judge(item: Item, node: ElementNode, frame: Frame, run: Run): void {
  if (node.ofType) return;
  const { base } = node;
  const type = checkType(item, node, run);
  if (type === 'wrong') return;
  checkFacets(item, node, run);
  if (base?.binding !== node.binding) checkBinding(item, node, run, false);
  checkInvariants(item, node, frame, run);
  if (type) {
    checkTypeProfiles(item, type, node, frame, run);
    const before = base?.types.find(({ code }) => code === type.code);
    if ((item.type === 'Reference' || item.type === 'canonical') && type.targets !== before?.targets)
      checkTarget(item, type, node, frame, run);
  }
  const object = within(item);
  if (object && node.children) walkChildren(object, node.children, item.path, frameOf(item, frame), run);
}

function walkChildren(
  object: JsonObject,
  children: ReadonlyMap<string, ElementNode>,
  path: string,
  frame: Frame,
  run: Run,
): void {
  for (const child of children.values()) {
    if (child.ofType) continue;
    const items = itemsOf(object, child, path);
    const place = `${path}.${child.name}`;
    checkCount(items.length, child, place, path, run);
    for (const item of items) judge(item, child, frame, run);
    if (child.slices.length > 0 || child.slicing?.rules === 'closed')
      checkSlices(items, child, place, frame, run, (item, slice) => judge(item, slice, frame, run));
  }
}

function checkCount(count: number, node: ElementNode, place: string, path: string, run: Run): void {
  const { min, max, base, profile } = node;
  if (count < min && !(base && min <= base.min))
    run.report({
      severity: 'error',
      code: count === 0 ? 'required' : 'structure',
      expression: path,
      text: `${place} is there ${count} times; at least ${min} needed.`,
      rule: 'min',
      profile,
    });
  if (count > max && !(base && max >= base.max))
    run.report({
      severity: 'error',
      code: 'structure',
      expression: max === 0 ? `${place}` : path,
      text: `${place} is there ${count} times; at most ${max} allowed.`,
      rule: 'max',
      profile,
    });
}

/** The type of the node that the item is of; undefined where the node says nothing of types. */
function checkType(item: Item, node: ElementNode, run: Run): TypeReference | 'wrong' | undefined {
  const { types, profile } = node;
  if (types.length === 0) return undefined;
  const exact = types.find(({ code }) => code === item.type);
  if (exact) return exact;
  const kinds = kindsOf(item.type);
  const wider = types.find(({ code }) => kinds.has(code));
  if (wider) return wider;
  // A snapshot may say BackboneElement where the type says Element, and the other way round.
  if (!node.isChoice && !isObject(item.value)) return types[0];
  if (node.path.includes('.') && !node.isChoice && item.type !== 'Resource' && kinds.has('Element'))
    return types[0];
  run.report({
    severity: 'error',
    code: 'structure',
    expression: item.path,
    text: `The type is ${item.type}; expected ${types.map(({ code }) => code).join(' or ')}.`,
    rule: 'type',
    profile,
  });
  return 'wrong';
}

function checkTypeProfiles(item: Item, type: TypeReference, node: ElementNode, frame: Frame, run: Run): void {
  if (type.profiles.length === 0) return;
  const before = node.base?.types.find(({ code }) => code === type.code)?.profiles;
  if (before === type.profiles) return;
  const known = type.profiles.flatMap(url => {
    const profile = run.profiles.get(url);
    if (!profile)
      run.report({
        severity: 'warning',
        code: 'not-found',
        expression: item.path,
        text: `The profile ${url} is not known here, so this was not judged by it.`,
        rule: 'type-profile-unknown',
        profile: node.profile,
      });
    return profile ?? [];
  });
  const kinds = kindsOf(item.type);
  const fitting = known.filter(({ type: constrained }) => kinds.has(constrained));
  if (fitting.length === 0) {
    if (known.length === type.profiles.length)
      run.report({
        severity: 'error',
        code: 'structure',
        expression: item.path,
        text: `The type is ${item.type}; expected ${known.map(one => one.type).join(' or ')}.`,
        rule: 'type',
        profile: node.profile,
      });
    return;
  }
  if (fitting.length === 1) walkProfile(item, fitting[0]!, frame, run);
  else if (!fitting.some(profile => run.conforms(item, profile, frame)))
    run.report({
      severity: 'error',
      code: 'structure',
      expression: item.path,
      text: `This is none of the profiles ${fitting.map(({ url }) => url).join(', ')}.`,
      rule: 'profile',
      profile: node.profile,
    });
}
