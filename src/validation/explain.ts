// Says in words what the gate refused: walks a resource along the JSON Schemas the validators were compiled from and
// gives every fault its FHIRPath. https://hl7.org/fhir/R4/operationoutcome.html, https://hl7.org/fhir/R4/json.html
// Surprising why: it need not be fast, but it must find a fault wherever the validators do; a test holds them together.
import type { Issue } from '../errors.js';
import { resourceTypes } from '../fhir/definitions.js';
import { isObject, type JsonObject } from '../fhir/json.js';
import { isPrimitive, primitives, type PrimitiveName } from '../fhir/primitives.js';
import { aligned } from './aligned.js';
import { schemaOf, variant, variants, type Schema } from './schema.js';
import {
  missing,
  notAPrimitive,
  notAType,
  notInValueSet,
  onlyOneOf,
  shown,
  unknownElement,
} from './words.js';

const maxIssues = 100;
const ownDefinition = '#/$defs/';

/** The faults of a resource in document order, at most 100 issues; `within` also judges the resources inside it. */
export function explain(resource: JsonObject, within: boolean): readonly Issue[] {
  const issues: Issue[] = [];
  let unlisted = 0;

  /** Notes a fault; `words` follow the path and are only asked for where they are shown. */
  const report = (code: Issue['code'], expression: string, words: () => string): void => {
    if (issues.length >= maxIssues - 1) {
      unlisted++;
      return;
    }
    const text = `${expression}: ${words()}`;
    issues.push({ severity: 'error', code, text: text.endsWith('?') ? text : `${text}.`, expression });
  };

  /** `path` is empty for the outermost resource. */
  const walkResource = (value: unknown, path: string): void => {
    const type = isObject(value) ? value['resourceType'] : undefined;
    if (!isObject(value))
      report('structure', path, () => `${shown(value)} stands where a resource is expected`);
    else if (type === undefined)
      report('invalid', path || 'Resource', () => 'resourceType is missing; expected for example "Patient"');
    else if (typeof type !== 'string' || !resourceTypes().has(type))
      report('invalid', path || 'Resource', () => notAType(type));
    else if (path === '' || within) walkObject(value, schemaOf(type), schemaOf(type), path || type);
  };

  /** `root` is the schema whose $defs a reference may name. */
  const walk = (value: unknown, schema: Schema, root: Schema, path: string): void => {
    if (schema.anyOf) {
      if (value !== null) walk(value, schema.anyOf[1], root, path);
    } else if (schema.$ref === 'Resource') walkResource(value, path);
    else if (schema.$ref?.startsWith(ownDefinition))
      walk(value, root.$defs![schema.$ref.slice(ownDefinition.length)]!, root, path);
    else if (schema.$ref !== undefined && isPrimitive(schema.$ref)) walkPrimitive(value, schema.$ref, path);
    else if (schema.$ref !== undefined) walk(value, schemaOf(schema.$ref), schemaOf(schema.$ref), path);
    else if (schema.enum) walkCode(value, schema, path);
    else if (schema.items) walkList(value, schema.items, root, path);
    else walkObject(value, schema, root, path);
  };

  const walkPrimitive = (value: unknown, type: PrimitiveName, path: string): void => {
    if (primitives[type].is(value)) return;
    report(value === null || Array.isArray(value) ? 'structure' : 'value', path, () =>
      notAPrimitive(value, type),
    );
  };

  const walkCode = (value: unknown, schema: Schema, path: string): void => {
    if (typeof value !== 'string' || value === '') walkPrimitive(value, 'code', path);
    else if (!schema.enum!.includes(value)) report('code-invalid', path, () => notInValueSet(value, schema));
  };

  const walkList = (value: unknown, items: Schema, root: Schema, path: string): void => {
    if (!Array.isArray(value))
      report('structure', path, () => `${shown(value)} stands where a list is expected; put it in [ ]`);
    else if (value.length === 0)
      report('structure', path, () => 'a list must not be empty; leave the element out');
    else value.forEach((item, i) => walk(item, items, root, `${path}[${i}]`));
  };

  const walkObject = (value: unknown, schema: Schema, root: Schema, path: string): void => {
    if (Array.isArray(value))
      return report(
        'structure',
        path,
        () => `${shown(value)}, but the element holds one value; leave out the [ ]`,
      );
    if (!isObject(value))
      return report('structure', path, () => `${shown(value)} stands where an object is expected`);
    const names = Object.keys(value).filter(name => value[name] !== undefined);
    if (names.length === 0 && schema.minProperties) {
      return report('structure', path, () => 'an object must not be empty; leave the element out');
    }
    const byVariant = variants(schema);
    for (const name of names) {
      const plain = name.startsWith('_') ? name.slice(1) : name;
      const choice = byVariant.get(plain);
      const place = choice ? `${path}.${choice.stem}.ofType(${choice.type})` : `${path}.${plain}`;
      const known = Object.hasOwn(schema.properties!, name) ? schema.properties![name] : undefined;
      if (!known)
        report('structure', `${path}.${/^\w{1,64}$/.test(name) ? name : '?'}`, () =>
          unknownElement(name, schema),
        );
      else if (known.const === undefined) walk(value[name], known, root, place);
    }
    const has = (name: string): boolean => value[name] !== undefined;
    for (const name of schema.required!) if (!has(name)) report('required', `${path}.${name}`, missing);
    for (const name of schema.requiredPrimitives ?? [])
      if (!has(name) && !has(`_${name}`)) report('required', `${path}.${name}`, missing);
    for (const [stem, { types, required }] of Object.entries(schema.choices ?? {})) {
      const accepted = types.map(type => variant(stem, type));
      const used = accepted.filter(name => has(name) || has(`_${name}`));
      if (used.length > 1) report('structure', `${path}.${stem}`, () => onlyOneOf(used));
      if (used.length === 0 && required) report('required', `${path}.${stem}`, () => missing(accepted));
    }
    for (const name of schema.primitiveLists ?? [])
      if (!aligned(value[name], value[`_${name}`])) walkMisaligned(value, name, `${path}.${name}`);
  };

  const walkMisaligned = (owner: JsonObject, name: string, path: string): void => {
    const [values, siblings] = [owner[name], owner[`_${name}`]];
    if (Array.isArray(values) && Array.isArray(siblings) && values.length !== siblings.length) {
      const lengths = `${name} has ${values.length} places and _${name} has ${siblings.length}`;
      return report(
        'structure',
        path,
        () => `${lengths}; they belong together, so fill the shorter one with null`,
      );
    }
    const places = Array.isArray(values) ? values : (siblings as unknown[]);
    const others = Array.isArray(values) ? siblings : values;
    places.forEach((item, i) => {
      if (item !== null || (Array.isArray(others) && others[i] !== null)) return;
      report(
        'structure',
        `${path}[${i}]`,
        () => `null needs something at the same place of the other of ${name} and _${name}`,
      );
    });
  };

  walkResource(resource, '');
  if (unlisted > 0) {
    const text = `${unlisted} more ${unlisted === 1 ? 'fault was' : 'faults were'} found; the first ${maxIssues - 1} are listed.`;
    issues.push({ severity: 'information', code: 'informational', text });
  }
  return issues;
}
