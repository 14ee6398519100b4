// XML Patch: RFC 5261 on the XML of a resource. https://hl7.org/fhir/R4/http.html#patch, https://www.rfc-editor.org/rfc/rfc5261
// Of XPath there is what points at one node: names, positions, and values of attributes or of what a path leads to.
import { FhirError } from '../../errors.js';
import type { Resource } from '../resource.js';
import { parseXml } from '../xml-read.js';
import { fhirNamespace, xhtmlNamespace } from '../xml-shape.js';
import { parseXmlTree, textNode, writeXmlTree, type XmlNode } from '../xml-tree.js';
import { writeXml } from '../xml-write.js';

/** Names as a client may write them without declaring a prefix. */
const prefixes: ReadonlyMap<string, string> = new Map([
  ['', fhirNamespace],
  ['f', fhirNamespace],
  ['h', xhtmlNamespace],
]);
const mostOperations = 1_000;
const maxSteps = 200;
/** So many nodes a patch may look at. */
const mostLooks = 1_000_000;

type Test = { readonly position: number } | { readonly path: readonly Step[]; readonly value: string };

interface Step {
  readonly kind: 'element' | 'attribute' | 'text' | 'comment';
  /** `*` is any. */
  readonly name: string;
  readonly namespace: string;
  readonly tests: readonly Test[];
}

interface Operation {
  readonly name: string;
  readonly node: XmlNode;
  readonly sel: string;
  readonly path: readonly Step[];
}

/** Where a selector leads: a node among its parent's children, or an attribute of it. */
interface Found {
  readonly parent: XmlNode;
  readonly node: XmlNode;
  readonly attribute?: string;
}

/**
 * A patch document, read; applied to a resource it answers another.
 * @throws FhirError `invalid-xml` or `structure` for what is no XML Patch, and when applied `business-rule` where it does
 * not fit the resource or makes no resource of it
 */
export function xmlPatch(patch: string | Uint8Array): (resource: Resource) => Resource {
  const apply = treePatch(parseXmlTree(patch, prefixes));
  return resource => {
    const patched = writeXmlTree(apply(parseXmlTree(writeXml(resource))));
    try {
      return parseXml(patched);
    } catch (error) {
      if (!(error instanceof FhirError)) throw error;
      const { message, expression } = error;
      throw new FhirError('business-rule', `What the patch makes is no resource: ${message}`, { expression });
    }
  };
}

/** The same on any tree; the tree passed in is changed. */
export function treePatch(patch: XmlNode): (root: XmlNode) => XmlNode {
  const operations = patch.children.filter(({ kind }) => kind === 'element').map(operationOf);
  if (operations.length === 0)
    throw new FhirError('structure', 'The patch has no operations: add, replace or remove.');
  if (operations.length > mostOperations)
    throw new FhirError('too-large', `A patch may have at most ${mostOperations} operations.`);
  return root => {
    const document: XmlNode = { ...textNode(''), kind: 'element', children: [root] };
    let left = mostLooks;
    const look = (at: XmlNode): void => {
      left -= 1 + at.children.length;
      if (left < 0) throw new FhirError('too-large', 'The patch looks at too many nodes.');
    };
    for (const [i, operation] of operations.entries()) carryOut(operation, document, i + 1, look);
    const [only, ...more] = document.children.filter(({ kind }) => kind === 'element');
    if (only === undefined || more.length > 0)
      throw new FhirError('business-rule', 'The patch does not leave one element as the document.');
    return only;
  };
}

function operationOf(node: XmlNode): Operation {
  const { name, attributes } = node;
  if (name !== 'add' && name !== 'replace' && name !== 'remove')
    throw new FhirError('structure', `<${name}> is no operation of XML Patch: add, replace or remove.`);
  const sel = attributes.get('sel');
  if (sel === undefined || sel === '')
    throw new FhirError('structure', `<${name}> of the patch needs a sel.`);
  return { name, node, sel, path: pathOf(sel) };
}

const stepAt =
  /(?:(text|comment)\(\)|(@)?(?:([A-Za-z_][\w.-]*):)?(\*|[A-Za-z_][\w.-]*))((?:\[[^\]]*\])*)(?:\/|$)/y;
const testAt = /\[\s*(?:(\d{1,9})|([^\]='"]+?)\s*=\s*(?:"([^"]*)"|'([^']*)'))\s*\]/y;

function pathOf(sel: string): readonly Step[] {
  const refuse = (): never => {
    throw new FhirError(
      'structure',
      `The selector "${sel.slice(0, 200)}" is not understood: expected a path such as f:Patient/f:name[1]/@id.`,
    );
  };
  const steps: Step[] = [];
  let at = sel.startsWith('/') ? 1 : 0;
  while (at < sel.length) {
    stepAt.lastIndex = at;
    const found = stepAt.exec(sel);
    if (found === null) return refuse();
    const [all, node, isAttribute, prefix = '', name = '', tests = ''] = found;
    at += all.length;
    if (all.endsWith('/') && at === sel.length) return refuse();
    const kind =
      (node as 'text' | 'comment' | undefined) ?? (isAttribute === undefined ? 'element' : 'attribute');
    const namespace = kind === 'element' ? (prefixes.get(prefix) ?? refuse()) : '';
    const isLast = at === sel.length;
    if (kind !== 'element' && !isLast) return refuse();
    steps.push({
      kind,
      name: kind === 'attribute' && prefix !== '' ? `${prefix}:${name}` : name,
      namespace,
      tests: testsOf(tests, refuse),
    });
  }
  // No path without end: what is added lies no deeper than its path and what a document may nest.
  return steps.length === 0 || steps.length > maxSteps ? refuse() : steps;
}

function testsOf(text: string, refuse: () => never): readonly Test[] {
  const tests: Test[] = [];
  let at = 0;
  while (at < text.length) {
    testAt.lastIndex = at;
    const found = testAt.exec(text);
    if (found === null) return refuse();
    const [all, position, path, double, single] = found;
    at += all.length;
    if (position !== undefined) tests.push({ position: Number(position) });
    else if (path!.includes('[')) return refuse();
    else tests.push({ path: pathOf(path!), value: double ?? single ?? '' });
  }
  return tests;
}

/** Told of every node whose children are looked at; may throw. */
type Look = (at: XmlNode) => void;

/** All that the path leads to from the children of a node. */
function select(from: XmlNode, path: readonly Step[], look: Look): readonly Found[] {
  let found: Found[] = [{ parent: from, node: from }];
  for (const { kind, name, namespace, tests } of path) {
    found = found.flatMap(({ node: parent }) => {
      look(parent);
      if (kind === 'attribute')
        return parent.attributes.has(name) ? [{ parent, node: parent, attribute: name }] : [];
      let nodes = parent.children.filter(
        node =>
          node.kind === kind &&
          (kind !== 'element' || ((name === '*' || node.name === name) && node.namespace === namespace)),
      );
      for (const test of tests)
        nodes = nodes.filter((node, i) =>
          'position' in test
            ? i + 1 === test.position
            : select(node, test.path, look).some(one => valueOf(one) === test.value),
        );
      return nodes.map(node => ({ parent, node }));
    });
  }
  return found;
}

const valueOf = ({ node, attribute }: Found): string =>
  attribute === undefined ? contentOf(node) : node.attributes.get(attribute)!;
const contentOf = (node: XmlNode): string =>
  node.kind === 'element'
    ? node.children.map(child => (child.kind === 'comment' ? '' : contentOf(child))).join('')
    : node.text;

function carryOut(
  { name, node: { attributes, children }, sel, path }: Operation,
  document: XmlNode,
  count: number,
  look: Look,
): void {
  const refuse = (why: string): never => {
    throw new FhirError(
      'business-rule',
      `Operation ${count} of the patch (${name} ${sel.slice(0, 200)}) cannot be applied: ${why}.`,
    );
  };
  const [only, ...more] = select(document, path, look);
  if (only === undefined) return refuse('there is no such node');
  if (more.length > 0) return refuse('there are several such nodes');
  const { parent, node, attribute } = only;
  const content = (): string => children.map(contentOf).join('');
  const index = parent.children.indexOf(node);
  if (name === 'remove') {
    if (attribute !== undefined) node.attributes.delete(attribute);
    else parent.children.splice(index, 1);
  } else if (name === 'replace') {
    if (attribute !== undefined) node.attributes.set(attribute, content());
    else if (node.kind === 'text') parent.children.splice(index, 1, textNode(content()));
    else {
      const [by, ...others] = children.filter(child => child.kind === node.kind);
      if (by === undefined || others.length > 0)
        return refuse(`one ${node.kind} must be there to replace it`);
      parent.children.splice(index, 1, copyOf(by));
    }
  } else {
    const type = attributes.get('type');
    const place = attributes.get('pos');
    if (type !== undefined) {
      const added =
        /^@([\w:.-]+)$/.exec(type)?.[1] ?? /^namespace::([\w.-]+)$/.exec(type)?.[1]?.replace(/^/, 'xmlns:');
      if (added === undefined || node.kind !== 'element' || attribute !== undefined)
        return refuse(`type="${type}" is not understood`);
      if (node.attributes.has(added)) return refuse(`${added} is there already`);
      node.attributes.set(added, content());
      return;
    }
    const nodes = children.map(copyOf);
    if (attribute !== undefined) return refuse('nothing can be added to an attribute');
    if (place === 'before') parent.children.splice(index, 0, ...nodes);
    else if (place === 'after') parent.children.splice(index + 1, 0, ...nodes);
    else if (node.kind !== 'element') return refuse('only an element can have something inside');
    else if (place === 'prepend') node.children.unshift(...nodes);
    else if (place === undefined) node.children.push(...nodes);
    else return refuse(`pos="${place}" is not before, after or prepend`);
  }
}

/** A patch may be applied again, to another state. */
const copyOf = (node: XmlNode): XmlNode => ({
  ...node,
  attributes: new Map(node.attributes),
  children: node.children.map(copyOf),
});
