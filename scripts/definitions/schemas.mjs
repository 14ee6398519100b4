// Makes one JSON Schema per resource type, datatype and primitive from the StructureDefinitions, for the gate and for
// people. https://json-schema.org/draft/2020-12, https://hl7.org/fhir/R4/json.html
// Three keywords go beyond the standard, because it cannot say them: requiredPrimitives, choices, primitiveLists
// (profiles/README.md); `valueSet` is a note. A standard validator ignores them and checks the rest.

const fhirType = 'http://hl7.org/fhir/StructureDefinition/structuredefinition-fhir-type';
const regex = 'http://hl7.org/fhir/StructureDefinition/regex';
const inlineCodes = 80;
const upperFirst = text => text[0].toUpperCase() + text.slice(1);
const lastStep = path => path.slice(path.lastIndexOf('.') + 1);

/** Schemas by name from base StructureDefinitions; `codesOf` lists the codes of a value set or answers undefined. */
export function makeSchemas(definitions, codesOf) {
  const primitives = new Map(definitions.filter(d => d.kind === 'primitive-type').map(d => [d.type, d]));
  const schemas = new Map();
  const draft = 'https://json-schema.org/draft/2020-12/schema';

  for (const [name, definition] of primitives) {
    const value = definition.snapshot.element.find(e => e.path === `${name}.value`);
    const pattern = value.type[0].extension?.find(e => e.url === regex)?.valueString;
    const json = ['integer', 'positiveInt', 'unsignedInt'].includes(name)
      ? 'integer'
      : name === 'decimal'
        ? 'number'
        : name;
    const type = ['integer', 'number', 'boolean'].includes(json) ? json : 'string';
    schemas.set(name, {
      $schema: draft,
      $id: name,
      type,
      ...(type === 'string' && pattern ? { pattern: `^(?:${pattern})$` } : {}),
    });
  }

  /** The type an element's value has in JSON: System.String of the definitions hides string, uri and id. */
  const typeName = (element, type) => {
    if (!type.code.startsWith('http://hl7.org/fhirpath/')) return type.code;
    if (/^[A-Z]\w*\.id$/.test(element.path) && element.base.path === 'Resource.id') return 'id';
    const url = type.extension.find(e => e.url === fhirType);
    return url.valueUrl;
  };

  const boundCode = element => {
    if (element.binding?.strength !== 'required' || !element.binding.valueSet) return undefined;
    const valueSet = element.binding.valueSet.split('|')[0];
    const codes = codesOf(valueSet);
    if (!codes) return undefined;
    if (codes.length <= inlineCodes) return { type: 'string', enum: codes, valueSet };
    const id = `ValueSet-${lastStep(valueSet.replaceAll('/', '.'))}`;
    schemas.set(id, { $schema: draft, $id: id, type: 'string', enum: codes, valueSet });
    return { $ref: id };
  };

  function objectSchema(definition, path, children, defs) {
    const properties = {};
    const required = [];
    const requiredPrimitives = [];
    const choices = {};
    const primitiveLists = [];
    const nullable = schema => ({ anyOf: [{ type: 'null' }, schema] });

    const add = (element, name, type, valueSchema) => {
      const isList = element.max === '*';
      const isPrimitive = type !== undefined && primitives.has(type);
      // ids, Extension.url and narrative are XML attributes or markup: they have no _sibling
      const hasSibling =
        isPrimitive &&
        type !== 'xhtml' &&
        element.representation === undefined &&
        element.base?.path !== 'Resource.id';
      if (!isList) properties[name] = valueSchema;
      else
        properties[name] = {
          type: 'array',
          minItems: 1,
          items: hasSibling ? nullable(valueSchema) : valueSchema,
        };
      if (hasSibling) {
        const sibling = { $ref: 'Element' };
        properties[`_${name}`] = isList ? { type: 'array', minItems: 1, items: nullable(sibling) } : sibling;
        if (isList) primitiveLists.push(name);
      }
      return hasSibling;
    };

    for (const element of children.get(path) ?? []) {
      if (element.max === '0') continue;
      const name = lastStep(element.path);
      if (element.contentReference) {
        const target = element.contentReference.slice(element.contentReference.indexOf('#') + 1);
        add(element, name, undefined, { $ref: `#/$defs/${target}` });
        if (element.min > 0) required.push(name);
        continue;
      }
      if (name.endsWith('[x]')) {
        const stem = name.slice(0, -3);
        const types = element.type.map(type => type.code);
        for (const type of types) add(element, stem + upperFirst(type), type, boundChoice(element, type));
        choices[stem] = { types, ...(element.min > 0 ? { required: true } : {}) };
        continue;
      }
      const type = typeName(element, element.type[0]);
      let schema = { $ref: type };
      if (children.has(element.path)) {
        schema = { $ref: `#/$defs/${element.path}` };
        defs[element.path] = objectSchema(definition, element.path, children, defs);
      } else if (type === 'code') schema = boundCode(element) ?? schema;
      const hasSibling = add(element, name, type, schema);
      if (element.min > 0) (hasSibling ? requiredPrimitives : required).push(name);
    }

    const isResource = definition.kind === 'resource' && path === definition.type;
    return {
      type: 'object',
      ...(isResource ? {} : { minProperties: 1 }),
      properties: isResource ? { resourceType: { const: definition.type }, ...properties } : properties,
      required: isResource ? ['resourceType', ...required] : required,
      ...(requiredPrimitives.length ? { requiredPrimitives } : {}),
      ...(Object.keys(choices).length ? { choices } : {}),
      ...(primitiveLists.length ? { primitiveLists } : {}),
      additionalProperties: false,
    };
  }
  const boundChoice = (element, type) => (type === 'code' && boundCode(element)) || { $ref: type };

  for (const definition of definitions) {
    if (definition.kind !== 'resource' && definition.kind !== 'complex-type') continue;
    if (['Resource', 'DomainResource'].includes(definition.type)) continue;
    const children = new Map();
    for (const element of definition.snapshot.element) {
      const parent = element.path.slice(0, Math.max(0, element.path.lastIndexOf('.')));
      if (parent) children.set(parent, [...(children.get(parent) ?? []), element]);
    }
    const defs = {};
    const schema = objectSchema(definition, definition.type, children, defs);
    const sorted = Object.keys(defs).sort();
    schemas.set(definition.type, {
      $schema: draft,
      $id: definition.type,
      ...schema,
      ...(sorted.length ? { $defs: Object.fromEntries(sorted.map(path => [path, defs[path]])) } : {}),
    });
  }

  const concrete = definitions.filter(d => d.kind === 'resource' && !d.abstract).map(d => d.type);
  schemas.set('Resource', {
    $schema: draft,
    $id: 'Resource',
    type: 'object',
    required: ['resourceType'],
    anyOf: concrete.map(name => ({ $ref: name })),
  });
  return schemas;
}
