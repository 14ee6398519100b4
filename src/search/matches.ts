// The plan's tree in memory: the guard, the overlay of transactions, subscriptions and the tests' oracle all ask here.
// What the stores compile to SQL and MQL must answer like this. https://hl7.org/fhir/R4/search.html
import { refKey, type Ref } from '../fhir/resource.js';
import type { Condition, Leaf, Node } from './plan.js';
import type { Part, Row } from './rows.js';
import type { Indexed } from './sort.js';

export type { Indexed } from './sort.js';

/** How links are followed; a source in memory may answer at once. */
export interface Resolve {
  /** The current resource, undefined where there is none. */
  target(ref: Ref): Indexed | undefined | Promise<Indexed | undefined>;
  /** Current resources of `type` that have a reference row of `param` to `ref`. */
  referrers(type: string, param: string, ref: Ref): Iterable<Indexed> | AsyncIterable<Indexed>;
}

type Answer = boolean | Promise<boolean>;

/** Whether the node holds for the resource. A promise only where a link had to be followed. */
export function matches(node: Node, self: Indexed, resolve: Resolve): Answer {
  switch (node.op) {
    case 'all':
      return true;
    case 'none':
      return false;
    case 'row':
      return leafHolds(node, self);
    case 'not': {
      const inner = matches(node.node, self, resolve);
      return typeof inner === 'boolean' ? !inner : inner.then(holds => !holds);
    }
    case 'and':
      return decide(node.nodes, false, one => matches(one, self, resolve));
    case 'or':
      return decide(node.nodes, true, one => matches(one, self, resolve));
    case 'link':
      return linked(node, self, resolve);
    case 'backlink':
      return backlinked(node, self, resolve);
  }
}

/** Whether one of the nodes gives the deciding answer; nodes that ask nobody go first. */
function decide(nodes: readonly Node[], deciding: boolean, judge: (node: Node) => Answer): Answer {
  const later: Node[] = [];
  for (const node of nodes) {
    if (followsLinks(node)) later.push(node);
    else if (judge(node) === deciding) return deciding;
  }
  return later.length === 0 ? !deciding : inTurn(later, deciding, judge);
}

async function inTurn(
  nodes: readonly Node[],
  deciding: boolean,
  judge: (node: Node) => Answer,
): Promise<boolean> {
  for (const node of nodes) if ((await judge(node)) === deciding) return deciding;
  return !deciding;
}

/** Whether the node leads to other resources. */
export function followsLinks(node: Node): boolean {
  switch (node.op) {
    case 'link':
    case 'backlink':
      return true;
    case 'and':
    case 'or':
      return node.nodes.some(followsLinks);
    case 'not':
      return followsLinks(node.node);
    default:
      return false;
  }
}

const localTarget = /^([A-Z][A-Za-z]+)\/([A-Za-z0-9\-.]{1,64})$/;

async function linked(
  node: Extract<Node, { op: 'link' }>,
  self: Indexed,
  resolve: Resolve,
): Promise<boolean> {
  for (const row of self.rows) {
    if (row.kind !== 'reference' || row.param !== node.param) continue;
    const [, type, id] = localTarget.exec(row.target) ?? [];
    if (type === undefined || id === undefined || !node.types.includes(type)) continue;
    const target = await resolve.target({ type, id });
    if (target !== undefined && (await matches(node.node, target, resolve))) return true;
  }
  return false;
}

async function backlinked(
  node: Extract<Node, { op: 'backlink' }>,
  self: Indexed,
  resolve: Resolve,
): Promise<boolean> {
  for await (const referrer of resolve.referrers(node.type, node.param, self.ref)) {
    if (await matches(node.node, referrer, resolve)) return true;
  }
  return false;
}

/** Whether the resource has a reference row of `param` to `ref`: for those who answer `referrers` from rows in memory. */
export const refersTo = (of: Indexed, param: string, ref: Ref): boolean =>
  of.rows.some(row => row.kind === 'reference' && row.param === param && row.target === refKey(ref));

function leafHolds(leaf: Leaf, self: Indexed): boolean {
  switch (leaf.param) {
    case '_id':
      return rowHolds({ kind: 'token', param: '_id', system: '', code: self.ref.id }, leaf);
    case '_type':
      return rowHolds({ kind: 'token', param: '_type', system: '', code: self.ref.type }, leaf);
    case '_lastUpdated':
      return rowHolds(
        { kind: 'date', param: '_lastUpdated', lo: self.lastUpdated, hi: self.lastUpdated },
        leaf,
      );
    default:
      return self.rows.some(row => rowHolds(row, leaf));
  }
}

const rowHolds = (row: Row, leaf: Leaf): boolean =>
  row.param === leaf.param &&
  row.kind === leaf.kind &&
  leaf.where.every(condition => conditionHolds(condition, columnOf(row, condition.column)));

/** @throws RangeError for a column the row's kind does not have: the plan is wrong, not the data */
function columnOf(row: Row, column: string): string | number {
  if (row.kind === 'words') return row.text;
  if (row.kind !== 'composite') return columnOfPart(row, column);
  const dot = column.indexOf('.');
  const part = row.parts[Number(column.slice(0, dot))];
  if (part === undefined) throw new RangeError(`A composite row of ${row.param} has no column ${column}`);
  return columnOfPart(part, column.slice(dot + 1));
}

function columnOfPart(part: Part, column: string): string | number {
  const value = (part as unknown as Readonly<Record<string, string | number | undefined>>)[column];
  if (value === undefined) throw new RangeError(`A ${part.kind} row has no column ${column}`);
  return value;
}

function conditionHolds(condition: Condition, value: string | number): boolean {
  switch (condition.is) {
    case 'eq':
      return value === condition.value;
    case 'in':
      return condition.values.includes(value as string);
    case 'prefix':
      return (value as string).startsWith(condition.value);
    case 'suffix':
      return (value as string).endsWith(condition.value);
    case 'contains':
      return (value as string).includes(condition.value);
    case 'range':
      return (
        typeof value === 'number' &&
        (condition.gt === undefined || value > condition.gt) &&
        (condition.ge === undefined || value >= condition.ge) &&
        (condition.lt === undefined || value < condition.lt) &&
        (condition.le === undefined || value <= condition.le)
      );
  }
}
