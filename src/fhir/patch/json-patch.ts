// JSON Patch: RFC 6902, with the pointers of RFC 6901. https://hl7.org/fhir/R4/http.html#patch
// Our own, because numbers must keep their lexeme and because a patch may come from anyone: `copy` can double a
// document with every operation and nest it without end, so what it copies and how deep it goes is bounded.
import { FhirError } from '../../errors.js';
import { cloneJson, isObject, maxDepth, type Json, type JsonObject } from '../json.js';
import { sameJson } from '../same.js';

/** So many characters and nodes one patch may copy with `copy`. */
const copyLimit = 10_000_000;

type Operation =
  | { readonly op: 'add' | 'replace' | 'test'; readonly path: string[]; readonly value: Json }
  | { readonly op: 'remove'; readonly path: string[] }
  | { readonly op: 'move' | 'copy'; readonly path: string[]; readonly from: string[] };

/**
 * The document after the operations, in order, all or none; the document and the patch are left as they are. May answer
 * anything, even no object: that it is still the same resource is for the caller to check.
 * @throws FhirError `structure` (400) for what is not a JSON Patch, `business-rule` (422) for one that does not apply here,
 * a failed `test` included.
 */
export function jsonPatch(document: Json, patch: readonly Json[]): Json {
  let left = copyLimit;
  const spend = (amount: number): void => {
    left -= amount;
    if (left < 0) throw new FhirError('too-large', 'The patch copies too much.');
  };
  const root = { '': cloneJson(document, maxDepth) };
  patch.map(operationOf).forEach((operation, index) => {
    const path = ['', ...operation.path];
    const room = maxDepth - operation.path.length;
    const refuse = (why: string): never => {
      throw new FhirError(
        'business-rule',
        `Operation ${index + 1} of the patch (${describe(operation)}) cannot be applied: ${why.slice(0, 200)}.`,
      );
    };
    switch (operation.op) {
      case 'add':
        return add(root, path, cloneJson(operation.value, room), refuse);
      case 'replace':
        return replace(root, path, cloneJson(operation.value, room), refuse);
      case 'remove':
        return void remove(root, path, refuse);
      case 'test':
        if (sameJson(get(root, path, refuse), operation.value, 'value')) return;
        return refuse('the value there is another');
      case 'copy':
        return add(root, path, cloneJson(get(root, ['', ...operation.from], refuse), room, spend), refuse);
      case 'move': {
        const from = ['', ...operation.from];
        if (path.length > from.length && from.every((step, i) => step === path[i]))
          return refuse('nothing can move into itself');
        return add(root, path, cloneJson(remove(root, from, refuse), room), refuse);
      }
    }
  });
  return root['']!;
}

function operationOf(json: Json, index: number): Operation {
  const malformed = (what: string): never => {
    throw new FhirError('structure', `Operation ${index + 1} of the patch ${what}.`);
  };
  if (!isObject(json)) return malformed('is not an object');
  const { op, value } = json;
  const pointer = (name: 'path' | 'from'): string[] => {
    const text = json[name];
    if (typeof text !== 'string')
      return malformed(`has no "${name}", a JSON Pointer such as "/name/0/family"`);
    if (text === '') return [];
    if (!text.startsWith('/') || /~(?![01])/.test(text))
      return malformed(`has a "${name}" that is not a JSON Pointer: ${JSON.stringify(text.slice(0, 200))}`);
    return text
      .slice(1)
      .split('/')
      .map(step => step.replaceAll('~1', '/').replaceAll('~0', '~'));
  };
  switch (op) {
    case 'add':
    case 'replace':
    case 'test':
      if (value === undefined) return malformed(`has no "value", which "${op}" needs`);
      return { op, path: pointer('path'), value };
    case 'remove':
      return { op, path: pointer('path') };
    case 'move':
    case 'copy':
      return { op, from: pointer('from'), path: pointer('path') };
    default:
      return malformed(
        `has the "op" ${(JSON.stringify(op) ?? 'missing').slice(0, 200)}; it may be add, remove, replace, move, copy or test`,
      );
  }
}

const pointerText = (path: readonly string[]): string =>
  path.map(step => `/${step.replaceAll('~', '~0').replaceAll('/', '~1')}`).join('');
const describe = ({ op, path }: Operation): string => `${op} "${pointerText(path).slice(0, 200)}"`;

type Refuse = (why: string) => never;

/** The place in a list that a pointer's step names; `end`: one after the last is allowed, and is what "-" means. */
function indexOf(list: readonly Json[], step: string, end: boolean, refuse: Refuse): number {
  if (end && step === '-') return list.length;
  if (!/^(?:0|[1-9][0-9]*)$/.test(step)) return refuse(`"${step}" is not a place in a list`);
  const index = Number(step);
  return index < list.length + (end ? 1 : 0)
    ? index
    : refuse(`the list has only ${list.length} items, no ${step}`);
}

function child(parent: Json, step: string, refuse: Refuse): Json {
  if (Array.isArray(parent)) return parent[indexOf(parent, step, false, refuse)]!;
  if (isObject(parent) && Object.hasOwn(parent, step)) return parent[step]!;
  return refuse(`there is no "${step}"`);
}

const get = (root: JsonObject, path: readonly string[], refuse: Refuse): Json =>
  path.reduce<Json>((parent, step) => child(parent, step, refuse), root);

function add(root: JsonObject, path: readonly string[], value: Json, refuse: Refuse): void {
  const parent = get(root, path.slice(0, -1), refuse);
  const step = path.at(-1)!;
  if (Array.isArray(parent)) parent.splice(indexOf(parent, step, true, refuse), 0, value);
  else if (isObject(parent) && step !== '__proto__') parent[step] = value;
  else refuse(`"${step}" cannot be added there`);
}

function replace(root: JsonObject, path: readonly string[], value: Json, refuse: Refuse): void {
  const parent = get(root, path.slice(0, -1), refuse);
  const step = path.at(-1)!;
  child(parent, step, refuse);
  (parent as JsonObject)[step] = value; // an index is a property name too
}

function remove(root: JsonObject, path: readonly string[], refuse: Refuse): Json {
  if (path.length === 1) return refuse('the whole resource cannot be removed');
  const parent = get(root, path.slice(0, -1), refuse);
  const step = path.at(-1)!;
  const removed = child(parent, step, refuse);
  if (Array.isArray(parent)) parent.splice(Number(step), 1);
  else delete (parent as JsonObject)[step];
  return removed;
}
