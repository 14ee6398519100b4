// The snapshot generator: lays a differential over the tree of what it derives from.
// https://hl7.org/fhir/R4/profiling.html#snapshot
// Elements below a datatype, a contentReference or a profiled type are unfolded only where the differential goes there.
import type { ElementDefinition } from '../fhir/definitions.js';
import { copy, idsOf, merge, type Draft, type ElementNode, type TypeReference } from './element-tree.js';
import { childrenOf, typeTree } from './types.js';

/** Finds the tree of a profile; undefined where it is not known. */
export type TreeOf = (canonical: string) => ElementNode | undefined;

export interface Built {
  readonly root: ElementNode;
  /** Elements of the differential that no snapshot can have, in words. */
  readonly problems: readonly string[];
}

const upper = (text: string): string => text.charAt(0).toUpperCase() + text.slice(1);

/** The id in steps; slice names may hold dots only where ids do not tell. */
const stepsOf = (id: string): readonly (readonly [name: string, slice: string | undefined])[] =>
  id.split('.').map(step => {
    const colon = step.indexOf(':');
    return colon < 0 ? [step, undefined] : [step.slice(0, colon), step.slice(colon + 1)];
  });

/** `url` is the profile's. `elements` are its differential, `base` the tree of its baseDefinition. */
export function applyDifferential(
  base: ElementNode,
  elements: readonly ElementDefinition[],
  url: string,
  treeOf: TreeOf,
): Built {
  const problems: string[] = [];
  const owned = new Set<ElementNode>();
  const own = (node: ElementNode): Draft => {
    if (owned.has(node)) return node as Draft;
    const mine = copy(node);
    owned.add(mine);
    return mine;
  };
  /** A copy that shares nothing with what was changed so far. */
  const fork = (node: ElementNode): Draft => {
    const mine = copy(node);
    mine.slices = node.slices.map(slice => (owned.has(slice) ? fork(slice) : slice));
    if (mine.children)
      for (const [name, child] of mine.children) if (owned.has(child)) mine.children.set(name, fork(child));
    owned.add(mine);
    return mine;
  };
  const root = own(base);

  /** The children of a node, so that they may be changed. */
  const unfold = (node: Draft): Map<string, ElementNode> => {
    node.children ??= new Map(within(node, treeOf));
    return node.children;
  };

  const step = (parent: Draft, given: string, slice: string | undefined): Draft | undefined => {
    const children = unfold(parent);
    const name = given.endsWith('[x]') ? given.slice(0, -3) : given;
    let child = children.get(name);
    let sliceName = slice;
    if (!child) {
      // valueQuantity stands for value[x]:valueQuantity.
      for (const one of children.values()) {
        if (!one.isChoice || !given.startsWith(one.name)) continue;
        if (!one.variants.some(code => one.name + upper(code) === given)) continue;
        child = one;
        sliceName = slice ?? given;
      }
    }
    if (!child) return undefined;
    const mine = own(child);
    if (mine !== child) children.set(mine.name, mine);
    return sliceName === undefined ? mine : sliceOf(mine, sliceName);
  };

  const sliceOf = (sliced: Draft, name: string): Draft => {
    const at = sliced.slices.findIndex(one => one.sliceName === name);
    if (at >= 0) {
      const mine = own(sliced.slices[at]!);
      sliced.slices[at] = mine;
      return mine;
    }
    // A reslice narrows its slice; any other slice the element itself. Both begin without a minimum.
    const cut = name.lastIndexOf('/');
    const from = cut < 0 ? undefined : sliced.slices.find(one => one.sliceName === name.slice(0, cut));
    const slice: Draft = {
      ...fork({ ...(from ?? sliced), slices: [] }),
      id: `${sliced.id}:${name}`,
      sliceName: name,
      min: 0,
      slices: [],
      slicing: undefined,
      constraints: [],
    };
    const ofType = sliced.isChoice
      ? sliced.types.filter(({ code }) => sliced.name + upper(code) === name)
      : [];
    if (ofType.length === 1) slice.types = ofType;
    owned.add(slice);
    sliced.slices.push(slice);
    sliced.slicing ??= impliedSlicing(sliced);
    return slice;
  };

  const ids = idsOf(elements);
  for (const [i, element] of elements.entries()) {
    let node: Draft | undefined = root;
    for (const [name, slice] of stepsOf(ids[i]!).slice(1)) {
      node = step(node, name, slice);
      if (!node) break;
    }
    if (!node) {
      problems.push(
        `${element.path} is no element of ${base.path}, or lies below one whose type is not settled`,
      );
      continue;
    }
    const types: readonly TypeReference[] = node.types;
    merge(node, element, url);
    node.id = ids[i]!;
    // A differential that names a type only to give it a profile does not repeat the targets.
    if (element.type !== undefined && node.contentReference === undefined)
      node.types = node.types.map(type => {
        const before = types.find(({ code }) => code === type.code);
        return before && type.targets.length === 0 ? { ...type, targets: before.targets } : type;
      });
    if (node.max === 1 && node.slicing === undefined && node.slices.length > 0 && node.isChoice)
      node.slicing = impliedSlicing(node);
  }
  return { root, problems };
}

/** The elements within a node, seen from a profile: where its type has one profile, those of that. */
export function within(node: ElementNode, treeOf: TreeOf): ReadonlyMap<string, ElementNode> {
  if (node.children) return node.children;
  const [type, ...others] = node.types;
  if (type === undefined || others.length > 0) {
    const found = childrenOf(node);
    return found.size > 0 ? found : (typeTree('Element')?.children ?? found);
  }
  const profile = type.profiles.length === 1 ? treeOf(type.profiles[0]!) : undefined;
  return profile?.children ?? childrenOf(node, type.code);
}

const impliedSlicing = (node: ElementNode): ElementNode['slicing'] => ({
  discriminators:
    node.name === 'extension' || node.name === 'modifierExtension'
      ? [{ type: 'value', path: 'url' }]
      : node.isChoice
        ? [{ type: 'type', path: '$this' }]
        : [],
  ordered: false,
  rules: 'open',
});
