// Says in words what the gate refused: walks a resource along the JSON Schemas the validators were compiled from and
// gives every fault its FHIRPath. https://hl7.org/fhir/R4/operationoutcome.html, https://hl7.org/fhir/R4/json.html
// Surprising why: it need not be fast, but it must find a fault wherever the validators do; tests hold them together.
import type { Issue } from '../errors.js';
import { jsonSchema, resourceTypes } from '../fhir/definitions.js';
import { isNumber, isObject, lexemeOf, type JsonObject } from '../fhir/json.js';
import { nearest } from '../fhir/nearest.js';
import { isPrimitive, primitives } from '../fhir/primitives.js';
import { aligned } from './aligned.js';

/** A schema of profiles/schemas; README.md there explains the last four. */
interface Schema {
  readonly type?: string;
  readonly properties?: Readonly<Record<string, Schema>>;
  readonly required?: readonly string[];
  readonly minProperties?: number;
  readonly items?: Schema;
  readonly anyOf?: readonly [{ readonly type: 'null' }, Schema];
  readonly $ref?: string;
  readonly $defs?: Readonly<Record<string, Schema>>;
  readonly enum?: readonly string[];
  readonly const?: string;
  readonly requiredPrimitives?: readonly string[];
  readonly choices?: Readonly<
    Record<string, { readonly types: readonly string[]; readonly required?: boolean }>
  >;
  readonly primitiveLists?: readonly string[];
  readonly valueSet?: string;
}

const maxIssues = 100;
const maxCodes = 12;
const upperFirst = (text: string): string => text.charAt(0).toUpperCase() + text.slice(1);
const localDefinition = '#/$defs/';

/** The words `a, b or c`. */
const oneOf = (words: readonly string[]): string =>
  words.length < 2 ? words.join('') : `${words.slice(0, -1).join(', ')} or ${words[words.length - 1]!}`;

/** The value as a client finds it again in its own body, shortened. */
function shown(value: unknown): string {
  if (Array.isArray(value)) return value.length === 0 ? 'an empty list' : 'a list';
  if (isNumber(value)) return short(lexemeOf(value));
  if (typeof value === 'object' && value !== null) return 'an object';
  return short(JSON.stringify(value) ?? 'undefined');
}
const short = (text: string): string => (text.length <= 60 ? text : `${text.slice(0, 57)}...`);

/** The issues of a resource in document order, at most 100; `within` also judges the resources inside it. */
export function explain(resource: JsonObject, within: boolean): readonly Issue[] {
  const issues: Issue[] = [];
  let left = 0;

  /** Notes a fault; `what` goes on after the path. */
  const report = (code: Issue['code'], expression: string, what: () => string): void => {
    if (issues.length < maxIssues - 1)
      issues.push({ severity: 'error', code, text: `${expression}: ${what()}.`, expression });
    else left++;
  };

  const walkResource = (value: unknown, path: string, depth: number): void => {
    if (!isObject(value))
      return report(
        'structure',
        path || 'Resource',
        () => `${shown(value)} stands where a resource is expected`,
      );
    const type = value['resourceType'];
    const where = path || (typeof type === 'string' && resourceTypes().has(type) ? type : 'Resource');
    if (type === undefined)
      return report('invalid', where, () => 'resourceType is missing; expected the name of a resource type');
    if (typeof type !== 'string' || !resourceTypes().has(type)) {
      return report('invalid', where, () => {
        const near = typeof type === 'string' ? nearest(type, resourceTypes()) : undefined;
        return `resourceType ${shown(type)} is not a resource type of FHIR R4${near ? `; did you mean "${near}"?` : ''}`.replace(
          /\?$/,
          '?',
        );
      });
    }
    if (depth > 0 && !within) return;
    const schema = jsonSchema(type) as Schema;
    walkObject(value, schema, schema, where, depth);
  };

  const walk = (value: unknown, schema: Schema, root: Schema, path: string, depth: number): void => {
    if (schema.anyOf) {
      if (value !== null) walk(value, schema.anyOf[1], root, path, depth);
    } else if (schema.$ref) {
      const name = schema.$ref;
      if (name === 'Resource') walkResource(value, path, depth + 1);
      else if (name.startsWith(localDefinition))
        walkObject(value, root.$defs![name.slice(localDefinition.length)]!, root, path, depth);
      else if (isPrimitive(name)) walkPrimitive(value, name, path);
      else {
        const target = jsonSchema(name) as Schema;
        walk(value, target, target, path, depth);
      }
    } else if (schema.enum) walkCode(value, schema.enum, schema.valueSet ?? '', path);
    else if (schema.type === 'array') walkList(value, schema.items!, root, path, depth);
    else if (schema.type === 'object') walkObject(value, schema, root, path, depth);
  };

  const walkPrimitive = (value: unknown, name: keyof typeof primitives, path: string): void => {
    if (primitives[name].is(value)) return;
    if (value === null) report('structure', path, () => 'null is not a value; leave the element out');
    else if (Array.isArray(value))
      report('structure', path, () => `${shown(value)}, but the element holds one value`);
    else if (value === '')
      report('value', path, () => 'an empty string is not a value; leave the element out');
    else report('value', path, () => `${shown(value)} is ${primitives[name].sentence}`);
  };

  const walkCode = (value: unknown, codes: readonly string[], valueSet: string, path: string): void => {
    if (typeof value !== 'string' || value === '') return walkPrimitive(value, 'code', path);
    if (codes.includes(value)) return;
    report('code-invalid', path, () => {
      const refused = `${shown(value)} is not a code of ${valueSet}`;
      if (codes.length <= maxCodes) return `${refused}, expected ${oneOf(codes)}`;
      const near = nearest(value, codes);
      return `${refused}, which has ${codes.length} codes${near ? `; did you mean "${near}"` : `, for example ${oneOf(codes.slice(0, 5))}`}`;
    });
  };

  const walkList = (value: unknown, items: Schema, root: Schema, path: string, depth: number): void => {
    if (!Array.isArray(value))
      return report(
        'structure',
        path,
        () => `${shown(value)} stands where a list is expected; put it in [ ]`,
      );
    if (value.length === 0)
      return report('structure', path, () => 'a list must not be empty; leave the element out');
    value.forEach((item, i) => walk(item, items, root, `${path}[${i}]`, depth));
  };

  const walkObject = (value: unknown, schema: Schema, root: Schema, path: string, depth: number): void => {
    if (Array.isArray(value))
      return report(
        'structure',
        path,
        () => `${shown(value)}, but the element holds one value; leave out the [ ]`,
      );
    if (!isObject(value))
      return report('structure', path, () => `${shown(value)} stands where an object is expected`);
    const properties = schema.properties ?? {};
    const names = Object.keys(value).filter(name => value[name] !== undefined);
    if (names.length === 0 && schema.minProperties) {
      return report('structure', path, () => 'an object must not be empty; leave the element out');
    }
    const choices = Object.entries(schema.choices ?? {});
    const choiceOf = new Map(
      choices.flatMap(([stem, { types }]) =>
        types.map(type => [stem + upperFirst(type), { stem, type }] as const),
      ),
    );
    /** The FHIRPath of a property: `_birthDate` is birthDate's, `valueQuantity` is value.ofType(Quantity). */
    const pathOf = (property: string): string => {
      const name = property.startsWith('_') ? property.slice(1) : property;
      const choice = choiceOf.get(name);
      return choice ? `${path}.${choice.stem}.ofType(${choice.type})` : `${path}.${name}`;
    };

    for (const name of names) {
      const known = Object.hasOwn(properties, name) ? properties[name] : undefined;
      if (known === undefined) reportUnknown(name, properties, choices, path);
      else if (known.const === undefined) walk(value[name], known, root, pathOf(name), depth);
    }

    for (const name of [...(schema.required ?? []), ...(schema.requiredPrimitives ?? [])]) {
      const there =
        value[name] !== undefined ||
        (schema.requiredPrimitives?.includes(name) && value[`_${name}`] !== undefined);
      if (!there) report('required', `${path}.${name}`, () => 'the element is missing, and it is required');
    }
    for (const [stem, { types, required }] of choices) {
      const used = types
        .map(type => stem + upperFirst(type))
        .filter(name => value[name] !== undefined || value[`_${name}`] !== undefined);
      if (used.length > 1)
        report(
          'structure',
          `${path}.${stem}`,
          () => `${oneOf(used).replace(' or ', ' and ')} are given, but only one of them may be`,
        );
      if (used.length === 0 && required) {
        report(
          'required',
          `${path}.${stem}`,
          () =>
            `the element is missing, and it is required: ${oneOf(types.map(type => stem + upperFirst(type)))}`,
        );
      }
    }
    for (const name of schema.primitiveLists ?? []) {
      if (!aligned(value[name], value[`_${name}`])) reportMisaligned(value, name, path);
    }
  };

  const reportUnknown = (
    name: string,
    properties: Readonly<Record<string, Schema>>,
    choices: readonly (readonly [string, { readonly types: readonly string[] }])[],
    path: string,
  ): void => {
    const safe = /^\w{1,64}$/.test(name) ? name : short(name.replace(/[^\w-]/g, '?'));
    report('structure', `${path}.${safe}`, () => {
      const choice = choices.find(
        ([stem]) => stem === name || (name.startsWith(stem) && /^[A-Z]/.test(name.slice(stem.length))),
      );
      if (choice) {
        const variants = choice[1].types.map(type => choice[0] + upperFirst(type));
        if (variants.length <= maxCodes)
          return `there is no element "${safe}" here; expected ${oneOf(variants)}`;
      }
      const accepted = Object.keys(properties).filter(
        known => name.startsWith('_') || !known.startsWith('_'),
      );
      const near = nearest(name, accepted);
      if (near) return `there is no element "${safe}" here; did you mean "${near}"`;
      return accepted.length <= maxCodes
        ? `there is no element "${safe}" here; expected ${oneOf(accepted)}`
        : `there is no element "${safe}" here`;
    });
  };

  const reportMisaligned = (value: JsonObject, name: string, path: string): void => {
    const values = value[name];
    const siblings = value[`_${name}`];
    if (Array.isArray(values) && Array.isArray(siblings) && values.length !== siblings.length) {
      const lengths = `${name} has ${values.length} places and _${name} ${siblings.length}`;
      return report(
        'structure',
        `${path}.${name}`,
        () => `${lengths}; they belong together, so fill the shorter one with null`,
      );
    }
    const [longer, other] = Array.isArray(values) ? [values, siblings] : [siblings as unknown[], values];
    longer.forEach((item, i) => {
      if (item !== null || (Array.isArray(other) && other[i] !== null)) return;
      report(
        'structure',
        `${path}.${name}[${i}]`,
        () => `null in ${name} needs a value at the same place of _${name}, and the other way round`,
      );
    });
  };

  walkResource(resource, '', 0);
  if (left > 0) {
    const text = `${left} more ${left === 1 ? 'fault was' : 'faults were'} found; the first ${maxIssues - 1} are listed.`;
    issues.push({ severity: 'information', code: 'informational', text });
  }
  return issues;
}
