// The functions FHIR adds. https://hl7.org/fhir/R4/fhirpath.html#functions
import { isObject, type JsonObject } from '../../json.js';
import { narrativeProblems } from '../../xhtml.js';
import { FhirPathError, Unknown } from '../fhirpath-error.js';
import { argument, boolean, nodesIn, only, text, type Functions } from '../closure.js';
import type { Context } from '../context.js';
import { ancestry, isKnownType } from '../kind.js';
import { collect, Node, rootNode } from '../node.js';
import { nothing, systemOf, type Item } from '../values.js';

const coreUrl = 'http://hl7.org/fhir/StructureDefinition/';

function extensionsOf(node: Node, url: string, into: Node[]): void {
  const { holder } = node;
  if (holder?.['extension'] === undefined) return;
  const found: Node[] = [];
  for (const member of node.kind.members().get('extension') ?? []) collect(node, holder, member, found);
  for (const extension of found)
    if (isObject(extension.value) && extension.value['url'] === url) into.push(extension);
}

/** What a literal reference leads to. */
function resolved(item: Item, context: Context): Node | undefined {
  const reference = item instanceof Node && isObject(item.value) ? item.value['reference'] : systemOf(item);
  if (typeof reference !== 'string') return undefined;
  const around = item instanceof Node ? item.resource : context.resource;
  const from = isObject(around.value) && 'resourceType' in around.value ? around : context.resource;
  if (reference.startsWith('#')) {
    const holder = containerOf(from, context);
    if (reference === '#') return holder;
    const contained: Node[] = [];
    if (isObject(holder.value))
      for (const member of holder.kind.members().get('contained') ?? [])
        collect(holder, holder.value, member, contained);
    return contained.find(node => isObject(node.value) && node.value['id'] === reference.slice(1));
  }
  const { resolve } = context.ports;
  if (resolve === undefined) throw new Unknown('resolves a reference, which is not possible here');
  const found = resolve(reference, (from.value ?? {}) as JsonObject);
  return found === undefined ? undefined : rootNode(found);
}

/** The resource whose `contained` ids are meant in `from`. */
function containerOf(from: Node, context: Context): Node {
  if (from.parent !== undefined && from.name === 'contained') return from.parent.resource;
  return from.value === context.resource.value ? context.rootResource : from;
}

export const fhir: Functions = {
  extension: call => {
    const url = text(call.run(argument(call, 0)));
    return (focus, context) => {
      const wanted = url(focus, context);
      if (wanted === undefined) return nothing;
      const found: Node[] = [];
      for (const node of nodesIn(call.of(focus, context))) extensionsOf(node, wanted, found);
      return found;
    };
  },
  getValue: call => (focus, context) => {
    const item = only(call.of(focus, context));
    if (!(item instanceof Node)) return item === undefined ? nothing : [item];
    const value = item.kind.primitive ? systemOf(item) : undefined;
    return value === undefined ? nothing : [value];
  },
  resolve: call => (focus, context) => {
    const found: Node[] = [];
    for (const item of call.of(focus, context)) {
      const node = resolved(item, context);
      if (node !== undefined) found.push(node);
    }
    return found;
  },
  memberOf: call => {
    const url = text(call.run(argument(call, 0)));
    return (focus, context) => {
      const item = only(call.of(focus, context));
      const valueSet = url(focus, context);
      if (item === undefined || valueSet === undefined) return nothing;
      const value = item instanceof Node ? item.value : item;
      if (value === undefined || (typeof value === 'object' && !isObject(value))) return nothing;
      const type = item instanceof Node ? item.kind.type : 'code';
      const member = context.ports.memberOf?.(value, type, valueSet);
      if (member === undefined)
        throw new Unknown(`asks for ${valueSet.slice(0, 200)}, whose members are not known here`);
      return boolean(member);
    };
  },
  conformsTo: call => {
    const url = text(call.run(argument(call, 0)));
    return (focus, context) => {
      const item = only(call.of(focus, context));
      const profile = url(focus, context);
      if (item === undefined || profile === undefined) return nothing;
      if (!(item instanceof Node) || item.value === undefined) return boolean(false);
      const type = profile.startsWith(coreUrl) ? profile.slice(coreUrl.length) : '';
      if (isKnownType(type) && !ancestry(item.kind.type).includes(type)) return boolean(false);
      const conforms =
        context.ports.conformsTo?.(item.value, profile) ?? (isKnownType(type) ? true : undefined);
      if (conforms === undefined)
        throw new Unknown(`asks for the profile ${profile.slice(0, 200)}, which is not known here`);
      return boolean(conforms);
    };
  },
  htmlChecks: call => (focus, context) => {
    const item = only(call.of(focus, context));
    const value = item === undefined ? undefined : systemOf(item);
    return typeof value === 'string' ? boolean(narrativeProblems(value).length === 0) : nothing;
  },
  checkModifiers: call => {
    const allowed = call.args.map(ast => text(call.run(ast)));
    return (focus, context) => {
      const items = call.of(focus, context);
      const known = new Set(allowed.map(get => get(focus, context)));
      for (const { value } of nodesIn(items)) {
        const modifiers = isObject(value) ? value['modifierExtension'] : undefined;
        if (!Array.isArray(modifiers)) continue;
        if (modifiers.some(one => isObject(one) && typeof one['url'] === 'string' && !known.has(one['url'])))
          throw new FhirPathError('meets a modifier extension that it does not name');
      }
      return items;
    };
  },
};
