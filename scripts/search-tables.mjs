// The tables of docs/search.md that come from the code: every cell is asked of the parser itself, so that the page says
// what the server does. Written by make-docs.mjs between the page's two marks.
const dist = path => import(new URL(`../dist/search/${path}`, import.meta.url));
const { parseSearch, resultParameters } = await dist('parse.js');
const { parametersOf } = await dist('parameters.js');
const { searchTypes } = await dist('types/all.js');
const { mostValues, mostWalks } = await dist('cost.js');
const { maxJoins } = await dist('criteria.js');
const { mostComparisons } = await dist('filter.js');
const { mostWords } = await dist('full-text.js');
const { defaultMax, mostRounds } = await dist('include.js');
const { maxCodes } = await dist('types/coded.js');
const { queries } = await import(new URL('../dist/clinic/queries.js', import.meta.url));
const { resourceTypes } = await import(new URL('../dist/fhir/definitions.js', import.meta.url));

const code = text => `\`${String(text).replaceAll('|', '\\|')}\``;
const cell = text => String(text).replaceAll('|', '\\|');

/** What the parser says to `Type?query` (decoded): nothing where it is understood, else its refusal. */
function refusal(query) {
  const [type, ...rest] = query.split('?');
  const params = rest
    .join('?')
    .split('&')
    .map(pair => [pair.slice(0, pair.indexOf('=')), pair.slice(pair.indexOf('=') + 1)]);
  const settings = {
    bases: [],
    handling: 'strict',
    zone: 'UTC',
    defaultCount: 10,
    maxCount: 100,
    now: 0,
    queries,
  };
  try {
    parseSearch({ types: type === '' ? [] : [type], params, ...settings });
    return undefined;
  } catch (error) {
    if (error.issues === undefined && error.code === undefined) throw error;
    return error.message;
  }
}

/** Parameters to ask about, with values that each modifier could take. */
const asked = {
  string: { params: ['Patient?family'], value: 'x' },
  token: { params: ['Patient?gender', 'Patient?identifier', 'Condition?clinical-status'], value: 'x' },
  date: { params: ['Patient?birthdate'], value: '2020' },
  number: { params: ['RiskAssessment?probability'], value: '5' },
  quantity: { params: ['Observation?value-quantity'], value: '5' },
  reference: { params: ['Observation?subject'], value: 'x' },
  uri: { params: ['ValueSet?url'], value: 'http://x.org/y' },
  composite: { params: ['Observation?code-value-quantity'], value: 'x$5' },
  special: { params: ['Location?near'], value: '1|2' },
};
const modifiers = {
  missing: ['true'],
  exact: ['x'],
  contains: ['x'],
  text: ['x'],
  not: ['x'],
  in: ['ValueSet/administrative-gender'],
  'not-in': ['ValueSet/administrative-gender'],
  above: ['http://x.org/y', 'http://terminology.hl7.org/CodeSystem/condition-clinical|recurrence'],
  below: ['http://x.org/y', 'http://terminology.hl7.org/CodeSystem/condition-clinical|active'],
  'of-type': ['http://x.org|MR|1'],
  identifier: ['http://x.org|1'],
  Patient: ['x'],
};
const prefixes = ['eq', 'ne', 'gt', 'lt', 'ge', 'le', 'sa', 'eb', 'ap'];

const understands = (params, suffix, values) =>
  params.some(param => values.some(value => refusal(`${param}${suffix}=${value}`) === undefined));

function typesTable() {
  const lines = [
    '| type | elements | values | modifiers | prefixes | `_sort` |',
    '|---|---|---|---|---|---|',
  ];
  for (const [name, { params, value }] of Object.entries(asked)) {
    const type = searchTypes[name];
    const own = Object.entries(modifiers).flatMap(([modifier, values]) =>
      understands(params, `:${modifier}`, values) ? (modifier === 'Patient' ? '[type]' : modifier) : [],
    );
    // What is no prefix there is part of the text, and matches as such.
    const takes = ['date', 'number', 'quantity'].includes(name)
      ? prefixes.filter(prefix => refusal(`${params[0]}=${prefix}${value}`) === undefined)
      : [];
    const [of, param] = params[0].split('?');
    const sorts = refusal(`${of}?_sort=${param}`) === undefined;
    const elements = Object.keys(type?.index ?? {}).join(', ');
    const form = type === undefined ? 'a value of each component, joined by $' : type.form;
    lines.push(
      `| ${name} | ${elements === '' ? "its components'" : cell(elements)} | ${cell(form)} | ` +
        `${own.map(one => code(`:${one}`)).join(', ')} | ${takes.map(code).join(' ') || 'none'} | ${sorts ? 'yes' : 'no'} |`,
    );
  }
  return lines;
}

function sharedTable() {
  const everywhere = [...parametersOf('Basic').values()].filter(one =>
    [...resourceTypes()].every(type => parametersOf(type).has(one.code)),
  );
  return [
    '| parameter of all types | type |',
    '|---|---|',
    ...everywhere.map(one => `| ${code(one.code)} | ${one.type} |`),
    ...criteria
      .filter(([, query]) => refusal(query) === undefined)
      .map(([name, , says]) => `| ${code(name)} | ${says} |`),
  ];
}
/** Criteria that no definition has an expression for: name, one of them, what it is. */
const criteria = [
  ['_has', 'Patient?_has:Observation:patient:status=final', 'reverse chain'],
  ['_list', 'Patient?_list=42', 'the id of a List'],
  ['_filter', 'Patient?_filter=active eq true', 'its grammar is above'],
  ['_text', 'Patient?_text=x', 'words of the narrative'],
  ['_content', 'Patient?_content=x', 'words of the resource'],
  [
    '_query',
    'Patient?_query=find&words=x',
    `a named query: ${queries.map(one => code(`${one.type}?_query=${one.name}`)).join(', ')}`,
  ],
];

const meanings = {
  _sort: 'order of the result',
  _count: 'resources on a page',
  _total: 'whether to count',
  _summary: 'which elements',
  _elements: 'these elements',
  _include: 'what matches refer to',
  _revinclude: 'what refers to matches',
  _contained: 'whether to search contained resources',
  _containedType: 'what to answer of them',
  _type: 'types of a search of the system',
  _explain: 'how it is answered',
};

function resultTable() {
  const lines = ['| result parameter | is about | accepted |', '|---|---|---|'];
  for (const name of resultParameters) {
    const said = refusal(`${name === '_type' ? '' : 'Patient'}?${name}=~`);
    lines.push(`| ${code(name)} | ${meanings[name] ?? 'see above'} | ${cell(acceptedFrom(name, said))} |`);
  }
  return lines;
}

function acceptedFrom(name, said) {
  if (said === undefined) return 'names of elements';
  if (said.includes(`"${name}"`) && name !== '_sort') return 'nothing: refused';
  if (name.startsWith('_contained')) return name === '_contained' ? 'false' : 'nothing: refused';
  const list = /(?:accepted here: |expected )(.*)\.$/.exec(said)?.[1];
  return list?.replace(/ to 100$/, " to the server's maximum") ?? 'names that the types searched know';
}

const limitsTable = () => [
  '| limit | most |',
  '|---|---|',
  `| values of a search, commas and repeats together | ${mostValues} |`,
  `| of them prefixes, parts and ranges | ${mostWalks} |`,
  `| joins of a criterion | ${maxJoins} |`,
  `| comparisons of a \`_filter\` | ${mostComparisons} |`,
  `| words of \`_text\` and \`_content\` | ${mostWords} |`,
  `| codes of a value set or hierarchy that are looked for | ${maxCodes} |`,
  `| resources included besides a page | ${defaultMax} |`,
  `| steps of \`:iterate\` | ${mostRounds} |`,
];

/** Of each kind that may be refused, one; what is understood by now is left out. */
const refused = [
  'Patient?nmae=x',
  'Patient?name:like=x',
  'Patient?birthdate=tomorrow',
  'Patient?active=yes',
  'Observation?subject:above=x',
  'Observation?subject:below=x',
  'Observation?subject:Medication=x',
  'ValueSet?url:below=urn:oid:1.2',
  'ServiceRequest?instantiates-canonical.name=x',
  'ServiceRequest?_include=ServiceRequest:instantiates-canonical',
  'Patient?_list=$current-problems',
  'Patient?_query=x',
  'Patient?_contained=true',
  'Patient?_sort=general-practitioner',
  'Patient?_include=Observation:patient',
  'Patient?_include:all=Patient:organization',
  'Patient?_total=some',
  'Patient?_type=Observation',
  'Patient?gender:in=http://x.org/unknown',
];

function refusedTable() {
  const lines = ['| search | answer |', '|---|---|'];
  for (const query of refused) {
    const said = refusal(query);
    if (said !== undefined) lines.push(`| ${code(query)} | ${cell(said)} |`);
  }
  return lines;
}

/** The whole part of the page between its marks. */
export const searchTables = () =>
  [
    ...['### Types, modifiers, prefixes', '', ...typesTable(), ''],
    ...['### For all types', '', ...sharedTable(), ''],
    ...['### Result parameters', '', ...resultTable(), ''],
    ...['### Limits', '', ...limitsTable(), ''],
    ...['### Refused', '', 'Each with 400 and an OperationOutcome that says:', '', ...refusedTable()],
  ].join('\n');
