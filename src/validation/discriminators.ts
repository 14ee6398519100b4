// Which slice an item belongs to, by the slice's discriminators. https://hl7.org/fhir/R4/profiling.html#discriminator
// A discriminator's path is followed twice: through the definition of the slice, for what it asks, and through the value.
import { resourceTypes } from '../fhir/definitions.js';
import { isObject } from '../fhir/json.js';
import { parseReference } from '../fhir/reference.js';
import type { Discriminator, ElementNode } from './element-tree.js';
import { fits, isFixed } from './facets.js';
import { itemsOf, within as objectIn, type Item } from './items.js';
import type { Frame, Run } from './run.js';
import { within } from './differential.js';
import { childrenOf, kindsOf, typeTree } from './types.js';

type Step =
  | { readonly kind: 'child'; readonly name: string }
  | { readonly kind: 'ofType'; readonly type: string }
  | { readonly kind: 'extension'; readonly url: string }
  | { readonly kind: 'resolve' };

const paths = new Map<string, readonly Step[] | undefined>();

/** The steps of a discriminator's path; undefined where it is none the specification allows. */
export function stepsOf(path: string): readonly Step[] | undefined {
  if (!paths.has(path)) {
    if (paths.size > 5000) paths.clear();
    paths.set(path, parse(path));
  }
  return paths.get(path);
}

const token =
  /^(?:(resolve|ofType|extension)\(\s*(?:'([^']*)'|"([^"]*)"|([\w.]*))\s*\)|(\$this|[A-Za-z]\w*(?:\[x\])?))(?:\.|$)/;

function parse(path: string): readonly Step[] | undefined {
  const steps: Step[] = [];
  for (let rest = path.trim(); rest !== '';) {
    const found = token.exec(rest);
    if (!found) return undefined;
    const [whole, call, quoted, doubly, bare, name] = found;
    const argument = quoted ?? doubly ?? bare ?? '';
    rest = rest.slice(whole.length);
    if (name !== undefined) {
      if (name !== '$this') steps.push({ kind: 'child', name: name.replace('[x]', '') });
    } else if (call === 'resolve') steps.push({ kind: 'resolve' });
    else if (call === 'ofType') steps.push({ kind: 'ofType', type: argument });
    else steps.push({ kind: 'extension', url: argument });
  }
  return steps;
}

/** The definition's side: a node, and the type it is looked at as. */
interface Seen {
  readonly node: ElementNode;
  readonly type: string | undefined;
}

function nodesAt(from: ElementNode, steps: readonly Step[], run: Run): readonly Seen[] {
  let seen: readonly Seen[] = [{ node: from, type: undefined }];
  for (const step of steps) seen = seen.flatMap(one => follow(one, step, run));
  return seen;
}

function follow({ node, type }: Seen, step: Step, run: Run): readonly Seen[] {
  const treeOf = (url: string): ElementNode | undefined => run.profiles.get(url)?.root;
  switch (step.kind) {
    case 'child': {
      const own = node.children?.get(step.name);
      const child =
        own ?? (type === undefined ? within(node, treeOf) : childrenOf(node, type)).get(step.name);
      if (!child) return profiled(node, step.name, run);
      // What its slices must have is asked of it too: a coding is often fixed in one of its own.
      const slices = child.isChoice ? [] : child.slices.filter(({ min }) => min > 0);
      return [child, ...slices].map(node => ({ node, type: undefined }));
    }
    case 'ofType': {
      const slices = node.slices.filter(({ types }) => types.some(({ code }) => code === step.type));
      if (!node.types.some(({ code }) => code === step.type)) return [];
      return [{ node, type: step.type }, ...slices.map(slice => ({ node: slice, type: step.type }))];
    }
    case 'extension': {
      const extension = within(node, treeOf).get('extension');
      return (extension?.slices ?? []).flatMap(slice =>
        urlOf(slice, run) === step.url ? [{ node: slice, type: undefined }] : [],
      );
    }
    case 'resolve':
      return node.types.flatMap(({ code, targets }) =>
        code === 'Reference' || code === 'canonical' ? targets.flatMap(url => rootOf(url, run)) : [],
      );
  }
}

/** Below a node with several types or profiles: the child in any of its profiles. */
function profiled(node: ElementNode, name: string, run: Run): readonly Seen[] {
  return node.types.flatMap(({ code, profiles }) => {
    const roots = profiles.flatMap(url => run.profiles.get(url)?.root ?? []);
    const from = roots.length > 0 ? roots : [typeTree(code)];
    return from.flatMap(root => {
      const child = root && childrenOf(root).get(name);
      return child ? [{ node: child, type: undefined }] : [];
    });
  });
}

function rootOf(url: string, run: Run): readonly Seen[] {
  const root = run.profiles.get(url)?.root;
  return root ? [{ node: root, type: undefined }] : [];
}

/** The url an extension slice is about. */
function urlOf(slice: ElementNode, run: Run): unknown {
  const own = slice.children?.get('url')?.fixed?.value;
  if (own !== undefined) return own;
  for (const url of slice.types[0]?.profiles ?? []) {
    const fixed = run.profiles.get(url)?.root.children?.get('url')?.fixed?.value;
    if (fixed !== undefined) return fixed;
  }
  return undefined;
}

/** The value's side. */
interface Place {
  readonly item: Item;
  readonly frame: Frame;
}

function goTo({ item, frame }: Place, step: Step, run: Run): readonly Place[] {
  const object = objectIn(item);
  switch (step.kind) {
    case 'child': {
      if (!object) return [];
      const child = typeTree(item.type)?.children?.get(step.name);
      return child ? itemsOf(object, child, item.path).map(found => ({ item: found, frame })) : [];
    }
    case 'ofType':
      return kindsOf(item.type).has(step.type) ? [{ item, frame }] : [];
    case 'extension': {
      const list = object?.['extension'];
      if (!Array.isArray(list)) return [];
      return list.flatMap((value, i) =>
        isObject(value) && value['url'] === step.url
          ? [
              {
                item: { value, sibling: undefined, type: 'Extension', path: `${item.path}.extension[${i}]` },
                frame,
              },
            ]
          : [],
      );
    }
    case 'resolve': {
      const reference = isObject(item.value) ? item.value['reference'] : item.value;
      if (typeof reference !== 'string') return [];
      const target = run.resolve(reference, frame);
      if (target) return [{ item: target.item, frame: target.frame }];
      // What cannot be looked at still has the type its reference names.
      const parsed = parseReference(reference);
      return parsed.kind === 'literal'
        ? [{ item: { value: undefined, sibling: undefined, type: parsed.type, path: item.path }, frame }]
        : [];
    }
  }
}

/** Whether a definition asks for something of a value, by fixed values, patterns and bindings of it and what is below. */
function asks(node: ElementNode, depth: number, bindings = true): boolean {
  if (node.fixed ?? node.pattern) return true;
  if (bindings && node.binding?.strength === 'required' && !node.ofType) return true;
  if (depth === 0) return false;
  for (const child of node.children?.values() ?? []) {
    if (child.ofType) continue;
    if (asks(child, depth - 1, bindings)) return true;
    if (child.slices.some(slice => slice.min > 0 && asks(slice, depth - 1, bindings))) return true;
  }
  return false;
}

/** Whether the value has what the definition fixes, here and below. */
function answers(item: Item, node: ElementNode, run: Run, depth: number): boolean {
  const { value } = item;
  if (node.fixed && !isFixed(value, node.fixed.value)) return false;
  if (node.pattern && !fits(value, node.pattern.value)) return false;
  if (!node.ofType && node.binding?.strength === 'required' && !inBinding(item, node, run)) return false;
  if (depth === 0) return true;
  const object = objectIn(item);
  for (const child of node.children?.values() ?? []) {
    if (child.ofType) continue;
    const items = object ? itemsOf(object, child, item.path) : [];
    if (asks(child, depth - 1)) {
      if (items.length === 0 ? child.min > 0 : !items.every(one => answers(one, child, run, depth - 1)))
        return false;
    }
    for (const slice of child.slices)
      if (slice.min > 0 && asks(slice, depth - 1) && !items.some(one => answers(one, slice, run, depth - 1)))
        return false;
  }
  return true;
}

function inBinding({ value, type }: Item, { binding }: ElementNode, run: Run): boolean {
  const valueSet = binding?.valueSet;
  if (valueSet === undefined) return true;
  const holds = (system: unknown, code: unknown): boolean =>
    typeof code === 'string' &&
    run.terminology.holds(valueSet, typeof system === 'string' ? system : undefined, code) === true;
  if (typeof value === 'string') return holds(undefined, value);
  if (!isObject(value)) return false;
  if (type !== 'CodeableConcept') return holds(value['system'], value['code']);
  const codings = value['coding'];
  return Array.isArray(codings) && codings.some(one => isObject(one) && holds(one['system'], one['code']));
}

/** A choice that is cut to types by slices of its own says there what it asks. */
function chosen(seen: Seen, discriminator: string): readonly Seen[] {
  const { node } = seen;
  if (!node.isChoice || node.slices.length === 0) return [seen];
  const slices = node.slices.map(slice => ({ node: slice, type: seen.type }));
  if (discriminator !== 'type') return [seen, ...slices];
  const needed = slices.filter(one => one.node.min > 0);
  return needed.length > 0 ? needed : slices;
}

/** Deeper patterns within a slice are no discriminator any more. */
const deepest = 6;

/** True, false, or undefined where the slice says nothing about the discriminator. */
export function matches(
  item: Item,
  slice: ElementNode,
  { type, path }: Discriminator,
  frame: Frame,
  run: Run,
): boolean | undefined {
  const steps = stepsOf(path);
  if (!steps) return undefined;
  const seen = nodesAt(slice, steps, run).flatMap(one => chosen(one, type));
  if (seen.length === 0) return undefined;
  const places = placesOf(item, slice, steps, frame, run);
  switch (type) {
    case 'value':
    case 'pattern': {
      if (seen.some(({ node }) => node.max === 0)) return places.length === 0;
      // What is fixed tells more than what is bound.
      const fixing = seen.filter(({ node }) => asks(node, deepest, false));
      const asking = fixing.length > 0 ? fixing : seen.filter(({ node }) => asks(node, deepest, true));
      if (asking.length === 0) return undefined;
      return places.some(place => asking.some(({ node }) => answers(place.item, node, run, deepest)));
    }
    case 'exists': {
      const node = seen[0]!.node;
      if (node.max === 0) return places.length === 0;
      if (node.min > 0) return places.length > 0;
      return undefined;
    }
    case 'type': {
      const codes = seen.flatMap(one => one.node.types.map(({ code }) => code));
      const wanted = codes.length > 0 ? codes : seen.map(({ node }) => node.path.split('.')[0]!);
      return places.some(place => {
        const kinds = kindsOf(place.item.type);
        return wanted.some(code => kinds.has(code));
      });
    }
    case 'profile': {
      const wanted = seen.flatMap(({ node }) =>
        node.path.includes('.')
          ? node.types.flatMap(({ code, profiles }) =>
              profiles.length > 0 ? profiles : resourceTypes().has(code) ? [code] : [],
            )
          : [node.profile],
      );
      if (wanted.length === 0) return undefined;
      return places.some(place =>
        wanted.some(one => {
          if (!one.includes(':')) return kindsOf(place.item.type).has(one);
          const profile = run.profiles.get(one);
          return (
            profile !== undefined &&
            place.item.value !== undefined &&
            run.conforms(place.item, profile, place.frame)
          );
        }),
      );
    }
    default:
      return undefined;
  }
}

/** The first step leaves a backbone element by the slice's own children, which know what its type does not. */
function placesOf(
  item: Item,
  slice: ElementNode,
  steps: readonly Step[],
  frame: Frame,
  run: Run,
): readonly Place[] {
  let places: readonly Place[] = [{ item, frame }];
  let node: ElementNode | undefined = slice;
  for (const step of steps) {
    if (step.kind === 'child' && node) {
      const child: ElementNode | undefined = childrenFor(node, step.name, run);
      if (child) {
        places = places.flatMap(place => {
          const object = objectIn(place.item);
          return object
            ? itemsOf(object, child, place.item.path).map(found => ({ item: found, frame: place.frame }))
            : [];
        });
        node = child;
        continue;
      }
    }
    places = places.flatMap(place => goTo(place, step, run));
    if (step.kind !== 'ofType') node = undefined;
  }
  return places;
}

function childrenFor(node: ElementNode, name: string, run: Run): ElementNode | undefined {
  return (
    within(node, url => run.profiles.get(url)?.root).get(name) ??
    (node.base && childrenOf(node.base).get(name))
  );
}
