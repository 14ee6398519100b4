// exists() and empty() of a plain path, walked in the JSON without making nodes. https://hl7.org/fhirpath/#existence
import type { Ast } from './ast.js';
import type { Truth } from './closure.js';
import type { Kind, Member } from './kind.js';
import { collect, isPresent, Node } from './node.js';
import { Quantity } from './quantity.js';
import { TypeInfo, type Item } from './values.js';

/** What FHIRPath's own values have within. */
export const partOf = (item: Item, name: string): Item | undefined => {
  if (item instanceof TypeInfo)
    return name === 'name' ? item.name : name === 'namespace' ? item.namespace : undefined;
  if (item instanceof Quantity)
    return name === 'value' ? item.value : name === 'unit' ? item.unit : undefined;
  return undefined;
};

/** Whether a path of names has anything at its end, walked in the JSON; undefined for other expressions. */
export function presence(ast: Ast | undefined): Truth | undefined {
  const names: string[] = [];
  for (let at = ast; at !== undefined; at = at.of) {
    if (at.kind === '$this') break;
    if (at.kind !== 'member') return undefined;
    names.unshift(at.name);
  }
  if (names.length === 0 || /^[A-Z]/.test(names[0]!)) return undefined;
  const fromThis = startsAtThis(ast);
  const last = names.length - 1;
  const knownKinds: (Kind | undefined)[] = [];
  const knownMembers: (readonly Member[] | undefined)[] = [];
  const has = (holder: unknown, extra: unknown, kind: Kind, at: number): boolean => {
    if (kind !== knownKinds[at]) {
      knownKinds[at] = kind;
      knownMembers[at] = kind.members().get(names[at]!);
    }
    const members = knownMembers[at];
    const from = kind.primitive ? extra : holder;
    if (members === undefined || typeof from !== 'object' || from === null || Array.isArray(from))
      return false;
    const json = from as Node['holder'] & object;
    for (const member of members) {
      if (at === last) {
        if (isPresent(json, member)) return true;
        continue;
      }
      if (!isPresent(json, member)) continue;
      const value = json[member.json];
      if (member.kind === undefined || member.kind.primitive || Array.isArray(value)) {
        const next: Node[] = [];
        collect(new Node(json, undefined, kind, undefined, '', -1), json, member, next);
        if (next.some(node => has(node.value, node.extra, node.kind, at + 1))) return true;
      } else if (has(value, undefined, member.kind, at + 1)) return true;
    }
    return false;
  };
  return (focus, context) => {
    for (const item of fromThis ? context.self : focus)
      if (
        item instanceof Node
          ? has(item.value, item.extra, item.kind, 0)
          : names.length === 1 && partOf(item, names[0]!) !== undefined
      )
        return true;
    return false;
  };
}

const startsAtThis = (ast: Ast | undefined): boolean => {
  let at = ast;
  while (at?.kind === 'member') at = at.of;
  return at?.kind === '$this';
};
