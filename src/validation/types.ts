// The trees of R4's types: resources, datatypes, primitives; compiled on first use and kept.
// https://hl7.org/fhir/R4/datatypes.html, https://hl7.org/fhir/R4/resourcelist.html
import { structureDefinition } from '../fhir/definitions.js';
import { treeOf, type ElementNode } from './element-tree.js';

const trees = new Map<string, ElementNode | undefined>();
const noChildren: ReadonlyMap<string, ElementNode> = new Map();

/** The tree of a resource type or datatype; undefined where R4 has none. */
export function typeTree(type: string): ElementNode | undefined {
  const known = trees.get(type);
  if (known) return known;
  const definition = structureDefinition(type);
  if (definition === undefined || definition.type !== type || definition.derivation === 'constraint')
    return undefined;
  const root = treeOf(definition.snapshot.element, definition.url, true);
  if (root) {
    link(root);
    trees.set(type, root);
  }
  return root;
}

function link(node: {
  base: ElementNode | undefined;
  children: ReadonlyMap<string, ElementNode> | undefined;
}): void {
  node.base = node as ElementNode;
  for (const child of node.children?.values() ?? []) link(child);
}

/** The element of a type by its path: `Observation.referenceRange`. */
export function elementAt(path: string): ElementNode | undefined {
  const [type = '', ...names] = path.split('.');
  let node = typeTree(type);
  for (const name of names) node = node && childrenOf(node).get(name.replace('[x]', ''));
  return node;
}

/** The elements within a node where its value is of the type: its own, those of what it refers to, or the type's. */
export function childrenOf(node: ElementNode, type?: string): ReadonlyMap<string, ElementNode> {
  if (node.children) return node.children;
  if (node.contentReference !== undefined)
    return (
      elementAt(node.contentReference.slice(node.contentReference.indexOf('#') + 1))?.children ?? noChildren
    );
  const code = type ?? (node.types.length === 1 ? node.types[0]!.code : undefined);
  return code === undefined ? noChildren : (typeTree(code)?.children ?? noChildren);
}

const ancestors = new Map<string, ReadonlySet<string>>();

/** The type and what it specialises: `Age` is a `Quantity`, `Patient` a `DomainResource`. */
export function kindsOf(type: string): ReadonlySet<string> {
  let kinds = ancestors.get(type);
  if (kinds === undefined) {
    const found = new Set<string>();
    for (let at: string | undefined = type; at !== undefined && !found.has(at);) {
      found.add(at);
      const definition = structureDefinition(at);
      at =
        definition?.type === at
          ? definition.baseDefinition?.slice(definition.baseDefinition.lastIndexOf('/') + 1)
          : undefined;
    }
    kinds = found;
    if (ancestors.size < 1000) ancestors.set(type, kinds);
  }
  return kinds;
}
