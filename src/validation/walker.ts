// Walks a resource along the tree of its type, and along the profiles that apply: the heart of $validate.
// https://hl7.org/fhir/R4/validation.html
// Shape, cardinality, primitives and required codes are the gate's; the walker goes where JSON Schema cannot, and leaves
// alone what is not of the shape it should be.
import { resourceTypes } from '../fhir/definitions.js';
import { type Json, type JsonObject } from '../fhir/json.js';
import { checkBinding } from './bindings.js';
import { checkCoding, checkQuantity } from './coded.js';
import type { ElementNode } from './element-tree.js';
import { checkExtension, extensionsIn, type Holder } from './extensions.js';
import { eachItem, within, type Item } from './items.js';
import { checkInvariants, walkProfile } from './profile-walk.js';
import { checkReference, frameWithin } from './references.js';
import type { Frame, Run } from './run.js';
import { childrenOf, kindsOf, typeTree } from './types.js';

/** How a JSON property is judged. */
interface Property {
  readonly node: ElementNode;
  readonly name: string;
  readonly type: string;
  /** What follows the path of its holder. */
  readonly step: string;
  /** A primitive of which nothing is left to judge once it passed the gate. */
  readonly isDone: boolean;
  /** A primitive without invariants. */
  readonly isQuiet: boolean;
}

const plans = new WeakMap<ReadonlyMap<string, ElementNode>, ReadonlyMap<string, Property>>();
const upper = (text: string): string => text.charAt(0).toUpperCase() + text.slice(1);
const native = new Set(['ele-1', 'ext-1']);

function planOf(children: ReadonlyMap<string, ElementNode>): ReadonlyMap<string, Property> {
  let plan = plans.get(children);
  if (!plan) {
    const made = new Map<string, Property>();
    for (const node of children.values()) {
      if (node.name === 'extension' || node.name === 'modifierExtension') continue;
      const codes = node.variants.length > 0 ? node.variants : ['BackboneElement'];
      for (const type of codes) {
        const name = node.isChoice ? node.name + upper(type) : node.name;
        const step = node.isChoice ? `.${node.name}.ofType(${type})` : `.${node.name}`;
        const isPrimitive = type.charCodeAt(0) >= 97;
        const isQuiet = isPrimitive && node.constraints.every(({ key }) => native.has(key));
        const isDone = isQuiet && !asksMore(node, type);
        const property: Property = { node, name, type, step, isDone, isQuiet };
        made.set(name, property);
        if (isPrimitive) made.set(`_${name}`, property);
      }
    }
    plan = made;
    plans.set(children, plan);
  }
  return plan;
}

const asksMore = (node: ElementNode, type: string): boolean =>
  (node.binding?.valueSet !== undefined && !(type === 'code' && node.binding.strength === 'required')) ||
  (type === 'canonical' && node.types.some(({ targets }) => targets.length > 0)) ||
  node.fixed !== undefined;

/** Judges a resource, and every resource within it, by its type. */
export function walkResource(resource: JsonObject, frame: Frame, run: Run): void {
  const type = resource['resourceType'];
  const root = typeof type === 'string' && resourceTypes().has(type) ? typeTree(type) : undefined;
  if (!root) return;
  const item: Item = { value: resource, sibling: undefined, type: root.path, path: frame.path };
  const holder: Holder = {
    value: resource,
    path: frame.path,
    defined: root.path,
    refersTo: undefined,
    type: root.path,
    url: undefined,
  };
  checkInvariants(item, root, frame, run);
  walkObject(resource, root.children ?? new Map(), holder, frame, run);
  run.judgeResource(item, frame);
}

function walkObject(
  object: JsonObject,
  children: ReadonlyMap<string, ElementNode>,
  holder: Holder,
  frame: Frame,
  run: Run,
): void {
  const plan = planOf(children);
  const { only, markupInStrings, exampleUrls } = run.options;
  const onlyInvariants = only === 'invariants';
  const looksAtText = !markupInStrings || !exampleUrls;
  let own = 0;
  for (const key in object) {
    if (key === 'resourceType') continue;
    if (key === 'id') {
      if (object !== frame.resource && holder.type !== 'ElementDefinition')
        checkId(object, holder, frame, run);
      continue;
    }
    own++;
    const property = plan.get(key);
    if (property === undefined) continue;
    const beside = `_${property.name}`;
    if (key === beside && object[property.name] !== undefined) continue;
    if ((onlyInvariants ? property.isQuiet : property.isDone && !looksAtText) && object[beside] === undefined)
      continue;
    eachItem(object, property.name, property.type, holder.path + property.step, item =>
      walkItem(item, property, holder, frame, run),
    );
  }
  if (own === 0 && holder.type !== frame.resource['resourceType'])
    run.report({
      severity: 'error',
      code: 'invariant',
      expression: holder.path,
      text: 'An element must have a value or children; an id alone is neither.',
      rule: 'ele-1',
    });
  if (object['extension'] !== undefined) walkExtensions(object, 'extension', holder, frame, run);
  if (object['modifierExtension'] !== undefined)
    walkExtensions(object, 'modifierExtension', holder, frame, run);
}

/** Ids of elements by the outermost resource they are in. https://hl7.org/fhir/R4/element.html#id */
const ids = new WeakMap<Run['resolve'], Map<JsonObject, Set<string>>>();

function checkId(object: JsonObject, holder: Holder, frame: Frame, run: Run): void {
  const { id } = object;
  if (typeof id !== 'string') return;
  // Keyed by what all parts of one validation share.
  const byRoot = ids.get(run.resolve) ?? new Map<JsonObject, Set<string>>();
  ids.set(run.resolve, byRoot);
  const seen = byRoot.get(frame.resource) ?? new Set<string>();
  byRoot.set(frame.resource, seen);
  if (seen.has(id))
    run.report({
      severity: 'error',
      code: 'duplicate',
      expression: holder.path,
      text: `The id "${id.slice(0, 100)}" is that of another element of this resource too.`,
      rule: 'element-id',
    });
  seen.add(id);
}

/** What a browser would take for markup; no need to know it all, only where it begins. */
const markup = /<[a-z!/?][^<>]*>/i;
const exampleHost = /^https?:\/\/(?:[^/]*\.)?(?:example\.(?:org|com|net)|acme\.com)(?:[:/]|$)/i;

function checkText(value: string, item: Item, run: Run): void {
  const { markupInStrings, exampleUrls } = run.options;
  if (!markupInStrings && item.type !== 'xhtml' && markup.test(value))
    run.report({
      severity: 'error',
      code: 'invalid',
      expression: item.path,
      text: 'The text holds what looks like markup, which is not allowed here.',
      rule: 'markup',
    });
  if (!exampleUrls && item.type === 'url' && exampleHost.test(value))
    run.report({
      severity: 'error',
      code: 'value',
      expression: item.path,
      text: `${value.slice(0, 200)} is an address for examples, which is not allowed here.`,
      rule: 'example-url',
    });
}

function walkItem(item: Item, property: Property, parent: Holder, frame: Frame, run: Run): void {
  const { node, type } = property;
  const { value } = item;
  const object = within(item);
  const onlyInvariants = run.options.only === 'invariants';
  if (type.charCodeAt(0) >= 97) {
    if (!onlyInvariants && (!property.isDone || value === undefined))
      checkBinding(item, node, run, type === 'code');
    if (!property.isQuiet) checkInvariants(item, node, frame, run);
    if (typeof value === 'string') checkText(value, item, run);
    // Beside a value an id is enough.
    if (object && (value === undefined || hasMoreThanId(object)))
      walkObject(object, noChildren, holderOf(item, object, node, parent), frame, run);
    return;
  }
  if (!object) return;
  if (type === 'Resource' || (resourceTypes().has(item.type) && item.type !== 'Element')) {
    walkWithin(object, item.path, frame, run);
    return;
  }
  const root = node.children || node.contentReference !== undefined ? undefined : typeTree(item.type);
  if (!onlyInvariants) checkBinding(item, node, run, false);
  checkInvariants(item, node, frame, run);
  if (root) checkInvariants(item, root, frame, run);
  if (!onlyInvariants) checkByType(item, object, node, frame, run);
  walkObject(
    object,
    root?.children ?? childrenOf(node, item.type),
    holderOf(item, object, node, parent),
    frame,
    run,
  );
}
const noChildren: ReadonlyMap<string, ElementNode> = new Map();

function hasMoreThanId(object: JsonObject): boolean {
  for (const name in object) if (name !== 'id') return true;
  return false;
}

const holderOf = (item: Item, value: JsonObject, node: ElementNode, parent: Holder): Holder => ({
  value,
  path: item.path,
  defined: node.path,
  refersTo: node.contentReference?.slice(node.contentReference.indexOf('#') + 1),
  type: item.type,
  url: parent.type === 'Extension' ? parent.url : undefined,
});
const textOf = (value: Json | undefined): string | undefined =>
  typeof value === 'string' ? value : undefined;

/** What a datatype asks beyond its definition. */
function checkByType(item: Item, object: JsonObject, node: ElementNode, frame: Frame, run: Run): void {
  switch (item.type) {
    case 'Coding':
      checkCoding(item, object, run);
      break;
    case 'Reference':
      checkReference(item, object, node, frame, run);
      break;
    default:
      if (item.type === 'Quantity' || kindsOf(item.type).has('Quantity')) checkQuantity(item, object, run);
  }
}

function walkWithin(resource: JsonObject, path: string, frame: Frame, run: Run): void {
  walkResource(resource, frameWithin(resource, path, frame), run);
}

function walkExtensions(
  object: JsonObject,
  name: 'extension' | 'modifierExtension',
  holder: Holder,
  frame: Frame,
  run: Run,
): void {
  const children = typeTree('Extension')!.children!;
  extensionsIn(object, name, (extension, i) => {
    const path = `${holder.path}.${name}[${i}]`;
    const item: Item = { value: extension, sibling: undefined, type: 'Extension', path };
    const profile =
      run.options.only === 'invariants'
        ? undefined
        : checkExtension(extension, path, holder, name === 'modifierExtension', frame, run);
    const hasValue = Object.keys(extension).some(key => key.startsWith('value') || key.startsWith('_value'));
    if (hasValue === (extension['extension'] !== undefined))
      run.report({
        severity: 'error',
        code: 'invariant',
        expression: path,
        text: hasValue
          ? 'An extension has a value or extensions, not both.'
          : 'An extension must have a value or extensions.',
        rule: 'ext-1',
      });
    walkObject(
      extension,
      children,
      {
        value: extension,
        path,
        defined: 'Extension',
        refersTo: undefined,
        type: 'Extension',
        url: textOf(extension['url']),
      },
      frame,
      run,
    );
    if (profile) walkProfile(item, profile, frame, run);
  });
}
