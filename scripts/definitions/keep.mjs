// What profiles/ keeps of each definition: what the server computes with. Narrative, mappings, examples, contacts
// and long prose stay behind; `short` and `human` remain because error texts and consoles show them.
// https://hl7.org/fhir/R4/elementdefinition.html, https://hl7.org/fhir/R4/searchparameter.html

const pick = (from, names) => {
  const kept = {};
  for (const name of names) if (from[name] !== undefined) kept[name] = from[name];
  return kept;
};

/** Extensions that carry a rule; every other extension of a definition is documentation. */
const meaningful = new Set([
  'http://hl7.org/fhir/StructureDefinition/structuredefinition-fhir-type',
  'http://hl7.org/fhir/StructureDefinition/regex',
  'http://hl7.org/fhir/StructureDefinition/elementdefinition-maxValueSet',
  'http://hl7.org/fhir/StructureDefinition/elementdefinition-minValueSet',
]);
const withExtensions = (kept, from) => {
  const extension = from.extension?.filter(e => meaningful.has(e.url));
  return extension?.length ? { ...kept, extension } : kept;
};

const elementFields = [
  'id',
  'path',
  'representation',
  'sliceName',
  'slicing',
  'short',
  'min',
  'max',
  'base',
  'contentReference',
];
const elementRules = ['condition', 'mustSupport', 'isModifier', 'isSummary', 'maxLength'];
const valued = /^(fixed|pattern|defaultValue|minValue|maxValue)[A-Z]/;

export const element = from => {
  const kept = withExtensions(pick(from, elementFields), from);
  if (from.type)
    kept.type = from.type.map(t =>
      withExtensions(pick(t, ['code', 'profile', 'targetProfile', 'aggregation', 'versioning']), t),
    );
  for (const name of Object.keys(from)) if (valued.test(name)) kept[name] = from[name];
  Object.assign(kept, pick(from, elementRules));
  if (from.constraint)
    kept.constraint = from.constraint.map(c => pick(c, ['key', 'severity', 'human', 'expression', 'source']));
  if (from.binding) kept.binding = withExtensions(pick(from.binding, ['strength', 'valueSet']), from.binding);
  return kept;
};

const structure = [
  'resourceType',
  'id',
  'url',
  'version',
  'name',
  'title',
  'status',
  'description',
  'kind',
  'abstract',
  'context',
];

export const keep = {
  StructureDefinition: from => ({
    ...pick(from, [...structure, 'contextInvariant', 'type', 'baseDefinition', 'derivation']),
    snapshot: { element: from.snapshot.element.map(element) },
  }),
  SearchParameter: from => {
    const names = [
      'resourceType',
      'id',
      'url',
      'version',
      'name',
      'status',
      'description',
      'derivedFrom',
      'code',
      'base',
      'type',
    ];
    return pick(from, [
      ...names,
      'expression',
      'xpathUsage',
      'target',
      'multipleOr',
      'multipleAnd',
      'comparator',
      'modifier',
      'chain',
      'component',
    ]);
  },
  ValueSet: from =>
    pick(from, [
      'resourceType',
      'id',
      'url',
      'version',
      'name',
      'title',
      'status',
      'immutable',
      'compose',
      'expansion',
    ]),
  CodeSystem: from => {
    const names = [
      'resourceType',
      'id',
      'url',
      'version',
      'name',
      'title',
      'status',
      'caseSensitive',
      'valueSet',
      'hierarchyMeaning',
    ];
    return pick(from, [
      ...names,
      'compositional',
      'versionNeeded',
      'content',
      'supplements',
      'count',
      'filter',
      'property',
      'concept',
    ]);
  },
  ConceptMap: from => {
    const names = [
      'resourceType',
      'id',
      'url',
      'version',
      'name',
      'title',
      'status',
      'sourceUri',
      'sourceCanonical',
    ];
    return pick(from, [...names, 'targetUri', 'targetCanonical', 'group']);
  },
  OperationDefinition: from => {
    const names = [
      'resourceType',
      'id',
      'url',
      'version',
      'name',
      'title',
      'status',
      'description',
      'kind',
      'affectsState',
      'code',
    ];
    return pick(from, [
      ...names,
      'base',
      'resource',
      'system',
      'type',
      'instance',
      'inputProfile',
      'outputProfile',
      'parameter',
      'overload',
    ]);
  },
  CompartmentDefinition: from =>
    pick(from, ['resourceType', 'id', 'url', 'version', 'name', 'status', 'code', 'search', 'resource']),
};
