// A place in a resource as FHIRPath sees it: a value with its FHIR type, and for primitives also what stands in _x.
// https://hl7.org/fhir/R4/fhirpath.html#types
import { isObject, type Json, type JsonObject } from '../json.js';
import { kindOf, type Kind, type Member } from './kind.js';

export class Node {
  constructor(
    /** Undefined where a primitive has only a `_x`. */
    readonly value: Json | undefined,
    readonly extra: JsonObject | undefined,
    readonly kind: Kind,
    readonly parent: Node | undefined,
    /** The JSON property it stands in, '' of a root; and the place in its list, -1 where there is none. */
    readonly name: string,
    readonly index: number,
  ) {}

  /** What its children are read from. */
  get holder(): JsonObject | undefined {
    return this.kind.primitive ? this.extra : isObject(this.value) ? this.value : undefined;
  }

  /** The nearest resource at or around it, or where there is none the outermost element. */
  get resource(): Node {
    const isResource = isObject(this.value) && typeof this.value['resourceType'] === 'string';
    return isResource || this.parent === undefined ? this : this.parent.resource;
  }

  /** Names and places from the root: what is below a primitive goes through its `_x`. */
  get path(): (string | number)[] {
    if (this.parent === undefined) return [];
    const path = this.parent.path;
    if (this.parent.kind.primitive) {
      const name = path.findLastIndex(step => typeof step === 'string');
      if (name >= 0) path[name] = `_${path[name]!}`;
    }
    path.push(this.name);
    if (this.index >= 0) path.push(this.index);
    return path;
  }
}

const element = kindOf('Element')!;

/** A resource, or an element of the type given: `HumanName`, `Patient.contact`. */
export function rootNode(value: Json | undefined, type?: string, extra?: JsonObject): Node {
  const named = type ?? (isObject(value) ? value['resourceType'] : undefined);
  const kind = (typeof named === 'string' ? kindOf(named) : undefined) ?? element;
  return new Node(value, extra, kind, undefined, '', -1);
}

const kindIn = (value: Json): Kind => {
  const type = isObject(value) ? value['resourceType'] : undefined;
  return (typeof type === 'string' ? kindOf(type) : undefined) ?? element;
};

const extraIn = (value: Json | undefined): JsonObject | undefined => (isObject(value) ? value : undefined);

/** Adds the children of the node that the member names. */
export function collect(node: Node, holder: JsonObject, member: Member, into: Node[]): void {
  const { json, sibling, kind } = member;
  const value = holder[json];
  const beside = sibling === undefined ? undefined : holder[sibling];
  if (value === undefined && beside === undefined) return;
  if (!Array.isArray(value) && !Array.isArray(beside)) {
    if (value === null && beside === undefined) return;
    into.push(new Node(value ?? undefined, extraIn(beside), kind ?? kindIn(value!), node, json, -1));
    return;
  }
  const values = Array.isArray(value) ? value : [];
  const extras = Array.isArray(beside) ? beside : [];
  const count = Math.max(values.length, extras.length);
  for (let i = 0; i < count; i++) {
    const one = values[i] ?? undefined;
    const extra = extraIn(extras[i]);
    if (one === undefined && extra === undefined) continue;
    into.push(new Node(one, extra, kind ?? kindIn(one!), node, json, i));
  }
}

/** All children, in the order of the definition. */
export function childrenOf(node: Node, into: Node[]): void {
  const { holder } = node;
  if (holder === undefined) return;
  for (const members of node.kind.members().values())
    for (const member of members) collect(node, holder, member, into);
}

/** Whether a member has anything in it, without making nodes. */
export function isPresent(holder: JsonObject, { json, sibling }: Member): boolean {
  const value = holder[json];
  if (value !== undefined && value !== null && !(Array.isArray(value) && value.length === 0)) return true;
  const beside = sibling === undefined ? undefined : holder[sibling];
  return beside !== undefined && beside !== null && !(Array.isArray(beside) && beside.length === 0);
}
