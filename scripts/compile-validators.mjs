// Compiles profiles/schemas with ajv to standalone CommonJS in dist/validators: one module per resource type, one for
// all datatypes. Part of the build, after tsc; skipped when nothing it reads has changed. https://ajv.js.org/standalone.html
// Surprising why: a validator only answers yes or no. It visits the properties that are there (a resource has few of
// the many its type allows) and makes no error objects; src/validation/explain.ts finds the words when the answer is no.
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { gunzipSync } from 'node:zlib';
import { Ajv, _ } from 'ajv';
import standaloneCode from 'ajv/dist/standalone/index.js';

const root = fileURLToPath(new URL('..', import.meta.url));
const target = join(root, 'dist/validators');
const packed = readFileSync(join(root, 'profiles/schemas.ndjson.gz'));

const inputs = createHash('sha256')
  .update(packed)
  .update(readFileSync(fileURLToPath(import.meta.url)));
const ajvVersion = createRequire(import.meta.url)('ajv/package.json').version;
const stamp = inputs.update(ajvVersion).digest('hex');
const stampFile = join(target, 'stamp');
if (existsSync(stampFile) && readFileSync(stampFile, 'utf8') === stamp) process.exit(0);

const schemas = new Map(
  gunzipSync(packed)
    .toString('utf8')
    .trimEnd()
    .split('\n')
    .map(line => JSON.parse(line))
    .map(s => [s.$id, s]),
);
const isCodeList = schema => schema.enum !== undefined;
const isPrimitive = schema => schema.type !== 'object' && !isCodeList(schema);
const isResource = schema => schema.properties?.resourceType !== undefined;

/** The same rules in fewer keywords: references become calls, an object's rules one pass over its properties. */
function compact(schema, module) {
  if (schema.anyOf) return { ...compact(schema.anyOf[1], module), orNull: true };
  if (schema.$ref) {
    const name = schema.$ref;
    if (name === 'Resource') return { call: 'resource' };
    if (name.startsWith('#/$defs/')) return { call: `self#${name.slice('#/$defs/'.length)}` };
    const to = schemas.get(name);
    if (isCodeList(to)) return { call: `codes#${name}` };
    if (isPrimitive(to)) return { call: `primitives#${name}` };
    return { call: `${module === 'datatypes' ? 'self' : 'datatypes'}#${name}` };
  }
  if (schema.type === 'array') return { list: compact(schema.items, module) };
  if (schema.type !== 'object') return { oneOfCodes: schema.enum ?? [schema.const] };
  const { required, requiredPrimitives = [], choices = {}, primitiveLists = [], minProperties } = schema;
  const members = Object.fromEntries(
    Object.entries(schema.properties).map(([name, s]) => [name, compact(s, module)]),
  );
  return { members, rules: { required, requiredPrimitives, choices, primitiveLists, minProperties } };
}

const upperFirst = text => text[0].toUpperCase() + text.slice(1);
const refuse = gen => gen.code(_`return false`);

// One identity per callee, so that ajv declares each only once in a module.
const callees = new Map();
const callee = (gen, name, code) => {
  if (!callees.has(name)) callees.set(name, () => true);
  return gen.scopeValue('func', { ref: callees.get(name), code });
};

const keywords = [
  {
    // "resource", or "<module>#<name>": the value passes that function
    keyword: 'call',
    code({ gen, schema, data, parentSchema }) {
      const [where, name] = schema.split('#');
      const fn = {
        resource: () => _`${callee(gen, 'runtime', _`require("./runtime.cjs")`)}.resource`,
        primitives: () => callee(gen, schema, _`require("./runtime.cjs").primitives[${name}].is`),
        codes: () => _`${callee(gen, schema, _`require("./codes.cjs")[${name}]`)}.has`,
        datatypes: () => _`${callee(gen, where, _`require("./datatypes.cjs")`)}[${name}]`,
        self: () => _`${callee(gen, where, _`exports`)}[${name}]`,
      }[where]();
      const fails = _`!${fn}(${data})`;
      gen.if(parentSchema.orNull ? _`${data} !== null && ${fails}` : fails, () => refuse(gen));
    },
  },
  {
    keyword: 'oneOfCodes',
    code({ gen, schema, data, parentSchema }) {
      const codes = parentSchema.orNull ? [...schema, null] : schema;
      gen.if(
        codes.map(code => _`${data} !== ${code}`).reduce((a, b) => _`${a} && ${b}`),
        () => refuse(gen),
      );
    },
  },
  {
    keyword: 'list',
    code(cxt) {
      const { gen, data } = cxt;
      gen.if(_`!Array.isArray(${data}) || ${data}.length === 0`, () => refuse(gen));
      gen.forRange('i', 0, _`${data}.length`, i => {
        const item = gen.const('item', _`${data}[${i}]`);
        cxt.subschema({ keyword: 'list', data: item, dataTypes: [] }, gen.name('valid'));
      });
    },
  },
  {
    keyword: 'members',
    code(cxt) {
      const { gen, schema, data, parentSchema } = cxt;
      const { required, requiredPrimitives, choices, primitiveLists, minProperties } = parentSchema.rules;
      gen.if(_`typeof ${data} !== "object" || ${data} === null || Array.isArray(${data})`, () => refuse(gen));

      // which of a choice's variants was seen: 0 none; x and _x are one variant
      const variants = new Map();
      const neededChoices = [];
      for (const [stem, { types, required: needed }] of Object.entries(choices)) {
        const seen = gen.let('seen', 0);
        types.forEach((type, i) => {
          for (const name of [stem + upperFirst(type), `_${stem}${upperFirst(type)}`])
            variants.set(name, { seen, number: i + 1 });
        });
        if (needed) neededChoices.push(seen);
      }
      const hasLists = primitiveLists.length ? gen.let('lists', false) : undefined;
      const isEmpty = minProperties ? gen.let('empty', true) : undefined;

      gen.forIn('key', data, key => {
        const value = gen.const('value', _`${data}[${key}]`);
        gen.if(_`${value} === undefined`, _`continue`);
        if (isEmpty) gen.assign(isEmpty, false);
        Object.keys(schema).forEach((name, i) => {
          const is = _`${key} === ${name}`;
          if (i === 0) gen.if(is);
          else gen.elseIf(is);
          const variant = variants.get(name);
          if (variant) {
            gen.if(_`${variant.seen} !== 0 && ${variant.seen} !== ${variant.number}`, () => refuse(gen));
            gen.assign(variant.seen, variant.number);
          }
          if (hasLists && primitiveLists.includes(name.replace(/^_/, ''))) gen.assign(hasLists, true);
          cxt.subschema(
            { keyword: 'members', schemaProp: name, data: value, dataTypes: [] },
            gen.name('valid'),
          );
        });
        gen.else();
        refuse(gen);
        gen.endIf();
      });

      if (isEmpty) gen.if(isEmpty, () => refuse(gen));
      for (const name of required) gen.if(_`${data}[${name}] === undefined`, () => refuse(gen));
      for (const name of requiredPrimitives) {
        gen.if(_`${data}[${name}] === undefined && ${data}[${`_${name}`}] === undefined`, () => refuse(gen));
      }
      for (const seen of neededChoices) gen.if(_`${seen} === 0`, () => refuse(gen));
      if (hasLists) {
        const aligned = callee(gen, 'aligned', _`require("./runtime.cjs").aligned`);
        gen.if(hasLists, () => {
          for (const name of primitiveLists) {
            gen.if(_`!${aligned}(${data}[${name}], ${data}[${`_${name}`}])`, () => refuse(gen));
          }
        });
      }
    },
  },
];

/** The source of one module with a function per schema; `entries` are [export name, compact schema]. */
function moduleSource(entries) {
  const code = { source: true, optimize: true };
  const ajv = new Ajv({
    code,
    strict: false,
    messages: false,
    meta: false,
    validateSchema: false,
    logger: false,
  });
  ajv.addVocabulary(['orNull', 'rules']);
  for (const keyword of keywords) ajv.addKeyword(keyword);
  for (const [name, schema] of entries) ajv.addSchema(schema, name);
  let source = standaloneCode.default(ajv, Object.fromEntries(entries.map(([name]) => [name, name])));
  // what only error objects would need: the schemas themselves and the path of the value
  for (const [, schema] of entries)
    source = without(source, /const schema\d+ = $/, `${JSON.stringify(schema)};`);
  return source
    .replaceAll(
      '(data, {instancePath="", parentData, parentDataProperty, rootData=data}={}){let vErrors = null;let errors = 0;',
      '(data){',
    )
    .replaceAll(/validate\d+\.errors = vErrors;return errors === 0;/g, 'return true;');
}

/** The text without `constant` and the declaration before it. */
function without(text, declaration, constant) {
  const at = text.indexOf(constant);
  const before = text.slice(0, at);
  if (at < 0 || !declaration.test(before))
    throw new Error('ajv writes its code in another way now: look at moduleSource');
  return before.replace(declaration, '') + text.slice(at + constant.length);
}

/** The object schemas within one schema: itself and its backbone elements. */
const objectsOf = (schema, module) =>
  [[schema.$id, schema], ...Object.entries(schema.$defs ?? {})].map(([name, s]) => [
    name,
    compact(s, module),
  ]);

const all = [...schemas.values()];
const objects = all.filter(s => s.type === 'object' && s.$id !== 'Resource');
const modules = {
  runtime:
    '"use strict"; // src/validation/gate.ts fills it before it loads any other module here\nmodule.exports = {};\n',
  codes: `"use strict";\n${all
    .filter(isCodeList)
    .map(s => `exports[${JSON.stringify(s.$id)}] = new Set(${JSON.stringify(s.enum)});\n`)
    .join('')}`,
  datatypes: moduleSource(objects.filter(s => !isResource(s)).flatMap(s => objectsOf(s, 'datatypes'))),
};
for (const schema of objects.filter(isResource))
  modules[schema.$id] = moduleSource(objectsOf(schema, schema.$id));

rmSync(target, { recursive: true, force: true });
mkdirSync(target, { recursive: true });
for (const [name, source] of Object.entries(modules)) writeFileSync(join(target, `${name}.cjs`), source);
writeFileSync(stampFile, stamp);
