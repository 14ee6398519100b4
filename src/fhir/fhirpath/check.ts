// What can be said of an expression without a resource: names that the type does not have. https://hl7.org/fhirpath/#types-and-reflection
// Surprising: at evaluation such names are simply empty, so that a typing error in a profile would never be seen.
import { FhirPathError } from './fhirpath-error.js';
import type { TypeName } from './values.js';
import type { Ast } from './ast.js';
import { compileRun } from './compile.js';
import { ancestry, kindOf, type Kind } from './kind.js';
import { parseFhirPath, typeNameOf } from './parse.js';

/** The kinds a result may be of; undefined where that depends on the resource. */
interface Static {
  readonly kinds: readonly Kind[] | undefined;
  /** False behind children(): their order means nothing. */
  readonly ordered: boolean;
}

const unknown: Static = { kinds: undefined, ordered: true };

/** Functions that answer some of what they are called on. */
const choosing = new Set(
  'where first last tail skip take single distinct trace exclude intersect iif sort defineVariable'.split(
    ' ',
  ),
);
const byOrder = new Set('first last tail skip take'.split(' '));

/**
 * @param type what the expression is evaluated on: `Patient`, `Patient.contact`; a type R4 lacks is not judged.
 * @param strict judges also whether order is asked of what has none.
 * @throws FhirPathError
 */
export function checkFhirPath(text: string, type: string, strict = false): void {
  const ast = parseFhirPath(text);
  compileRun(ast);
  const kind = kindOf(type);
  const root: Static = { kinds: kind === undefined ? undefined : [kind], ordered: true };
  judge(ast, root, root, { root, strict });
}

interface Rules {
  readonly root: Static;
  readonly strict: boolean;
}

function judge(ast: Ast, focus: Static, self: Static, rules: Rules): Static {
  const inner = (part: Ast): Static => judge(part, focus, self, rules);
  switch (ast.kind) {
    case 'literal':
    case '$index':
    case '$total':
      return unknown;
    case 'variable':
      return ast.name === 'resource' || ast.name === 'context'
        ? { ...rules.root, kinds: undefined }
        : unknown;
    case '$this':
      return self;
    case 'member':
      return member(ast.name, ast.of === undefined ? focus : inner(ast.of), ast.of === undefined);
    case 'at':
      inner(ast.index);
      return inOrder(inner(ast.of), '[]', rules);
    case 'sign':
      inner(ast.of);
      return unknown;
    case 'is':
      inner(ast.of);
      return unknown;
    case 'as':
      inner(ast.of);
      return narrowed(ast.type);
    case 'operator': {
      const [left, right] = [inner(ast.left), inner(ast.right)];
      if (ast.operator !== '|' || left.kinds === undefined || right.kinds === undefined) return unknown;
      return { kinds: [...left.kinds, ...right.kinds], ordered: false };
    }
    case 'call':
      return call(ast, ast.of === undefined ? focus : inner(ast.of), focus, self, rules);
  }
}

function member(name: string, of: Static, first: boolean): Static {
  if (of.kinds === undefined) return { ...unknown, ordered: of.ordered };
  if (first && of.kinds.some(({ type }) => ancestry(type).includes(name))) return of;
  const members = of.kinds.flatMap(kind => kind.members().get(name) ?? []);
  if (members.length === 0) {
    const types = of.kinds.map(({ type }) => type).join(', ');
    // Of a resource within a resource nothing is known.
    if (of.kinds.length === 0 || of.kinds.some(({ type }) => type === 'Resource' || type === 'Element'))
      return unknown;
    throw new FhirPathError(`has ${name}, which is no element of ${types}`);
  }
  const kinds = members.map(({ kind }) => kind);
  return kinds.every(kind => kind !== undefined) ? { kinds, ordered: of.ordered } : unknown;
}

function narrowed(name: TypeName): Static {
  const kind = name.namespace === 'System' ? undefined : kindOf(name.name);
  return kind === undefined ? unknown : { kinds: [kind], ordered: true };
}

function inOrder(of: Static, name: string, { strict }: Rules): Static {
  if (strict && !of.ordered) throw new FhirPathError(`calls ${name}() on items that have no order`);
  return of;
}

function call(
  { name, args }: Extract<Ast, { kind: 'call' }>,
  of: Static,
  focus: Static,
  self: Static,
  rules: Rules,
): Static {
  switch (name) {
    case 'is':
      return unknown;
    case 'as':
    case 'ofType': {
      const type = typeNameOf(args[0]);
      return type === undefined ? unknown : narrowed(type);
    }
    case 'children':
    case 'descendants':
      return { kinds: undefined, ordered: false };
    case 'extension': {
      const kind = kindOf('Extension');
      return kind === undefined ? unknown : { kinds: [kind], ordered: true };
    }
    case 'where':
    case 'trace':
    case 'exists':
    case 'all':
    case 'sort':
    case 'iif':
      for (const arg of args) judge(arg, of, of, rules);
      return choosing.has(name) && name !== 'iif' ? of : unknown;
    case 'select':
      return args[0] === undefined ? unknown : judge(args[0], of, of, rules);
    case 'repeat':
    case 'repeatAll':
    case 'aggregate':
      return unknown;
  }
  for (const arg of args) judge(arg, focus, self, rules);
  if (byOrder.has(name)) return inOrder(of, name, rules);
  return choosing.has(name) ? of : unknown;
}
