// The official FHIRPath suite for R4 as data: its expressions, the resources they are about, what they must answer.
// https://github.com/FHIR/fhir-test-cases, r4/fhirpath
import { readFileSync } from 'node:fs';
import { checkFhirPath } from '../../../src/fhir/fhirpath/check.js';
import { compileExpression } from '../../../src/fhir/fhirpath/engine.js';
import { Node } from '../../../src/fhir/fhirpath/node.js';
import { Temporal } from '../../../src/fhir/fhirpath/temporal.js';
import { systemOf, typeInfoOf, type Item } from '../../../src/fhir/fhirpath/values.js';
import { parseJson, type JsonObject } from '../../../src/fhir/json.js';
import { filesOfPackage, shared } from '../package.js';

export const suite = shared('fhir-test-cases/r4/fhirpath/tests-fhir-r4.xml');
const examples = shared('fhir-test-cases/r4/examples/patient-example.json');
const packed = shared('hl7/hl7.fhir.r4.examples-4.0.1-two-thirds.tgz');
export const present = suite.present && examples.present && packed.present;

/** What has no JSON beside the suite, as its expressions describe it. */
const own: Readonly<Record<string, JsonObject>> = {
  'parameters-example-types': {
    resourceType: 'Parameters',
    parameter: [
      { name: 'string', valueString: 'string value' },
      { name: 'integer', valueInteger: 1 },
      { name: 'uuid', valueUuid: 'urn:uuid:8c2a4e7c-6f9d-4b1e-9d0a-3d1f3f6b2a10' },
      { name: 'decimal', valueDecimal: 1.5 },
    ],
  },
  'patient-example-period': {
    resourceType: 'Patient',
    identifier: [{ period: { start: '2021-01-18', end: '2021-01' } }],
  },
  'patient-container-example': {
    resourceType: 'Patient',
    id: '2',
    contained: [{ resourceType: 'Patient', id: '1' }],
  },
  'patient-name-extensions': {
    resourceType: 'Patient',
    name: [
      {
        given: [null, 'Anna'],
        _given: [{ extension: [{ url: 'http://example.com/x', valueCode: 'y' }] }, null],
      },
    ],
  },
};
/** What the suite's own copies have besides. */
const besides: Readonly<Record<string, JsonObject>> = {
  'observation-example': {
    extension: [
      { url: 'http://example.com/fhir/StructureDefinition/patient-age', valueAge: { value: 64, code: 'a' } },
    ],
  },
  'valueset-example-expansion': { version: '20150622' },
};
const inPackage: Readonly<Record<string, string>> = {
  'appointment-examplereq': 'Appointment-examplereq.json',
  'valueset-example-expansion': 'ValueSet-example-expansion.json',
  'explanationofbenefit-example': 'ExplanationOfBenefit-EB3501.json',
};

const inputs = new Map<string, JsonObject>();
function inputOf(file: string): JsonObject {
  const name = file.replace(/\.(xml|json)$/, '');
  let input = inputs.get(name) ?? own[name];
  if (input === undefined) {
    const inside = inPackage[name];
    const text =
      inside === undefined
        ? readFileSync(new URL(`${name}.json`, examples.url), 'utf8')
        : [...filesOfPackage(packed.url)].find(([each]) => each === inside)![1];
    input = { ...(parseJson(text) as JsonObject), ...besides[name] };
  }
  inputs.set(name, input);
  return input;
}

export interface Case {
  /** `group/name`, with a number where the group has the name twice. */
  readonly name: string;
  readonly expression: string;
  readonly input: JsonObject;
  readonly strict: boolean;
  readonly predicate: boolean;
  readonly ordered: boolean;
  readonly invalid: 'syntax' | 'semantic' | 'execution' | undefined;
  readonly output: readonly { readonly type: string | undefined; readonly text: string }[];
}

const plain = (xml: string): string =>
  xml
    .replace(/<!\[CDATA\[([^]*?)\]\]>/g, '$1')
    .replace(/&(lt|gt|quot|apos|amp|#x[0-9a-fA-F]+|#[0-9]+);/g, (_, name: string) => {
      if (name.startsWith('#'))
        return String.fromCodePoint(Number(`0${name.slice(1)}`.replace(/^0(?=[0-9])/, '')));
      return { lt: '<', gt: '>', quot: '"', apos: "'", amp: '&' }[name]!;
    });
const attributesOf = (tag: string): Readonly<Record<string, string>> =>
  Object.fromEntries(
    [...tag.matchAll(/([\w-]+)="([^"]*)"/g)].map(([, name, value]) => [name!, plain(value!)]),
  );

export function readSuite(): readonly Case[] {
  const xml = readFileSync(suite.url, 'utf8').replace(/<!--[^]*?-->/g, '');
  const cases: Case[] = [];
  const taken = new Set<string>();
  for (const [, groupTag, body] of xml.matchAll(/<group([^>]*)>([^]*?)<\/group>/g)) {
    const group = attributesOf(groupTag!)['name']!;
    for (const [, tag, inside] of body!.matchAll(/<test\b([^>]*)>([^]*?)<\/test>/g)) {
      const given = attributesOf(tag!);
      const [, expressionTag = '', expression = ''] =
        /<expression([^>]*)>([^]*?)<\/expression>/.exec(inside!) ?? [];
      let name = `${group}/${given['name'] ?? ''}`;
      for (let i = 2; taken.has(name); i++) name = `${group}/${given['name'] ?? ''} ${i}`;
      taken.add(name);
      const invalid = attributesOf(expressionTag)['invalid'];
      cases.push({
        name,
        expression: plain(expression),
        input: inputOf(given['inputfile'] ?? 'patient-example.xml'),
        strict: given['mode'] === 'strict',
        predicate: given['predicate'] === 'true',
        ordered: given['ordered'] !== 'false',
        invalid: (invalid === 'true' ? 'execution' : invalid) as Case['invalid'],
        output: [...inside!.matchAll(/<output([^>]*?)(?:\/>|>([^]*?)<\/output>)/g)].map(
          ([, outputTag, text = '']) => ({
            type: attributesOf(outputTag!)['type'],
            text: plain(text),
          }),
        ),
      });
    }
  }
  return cases;
}

const shown = (item: Item): { type: string; text: string } => {
  const value = systemOf(item);
  const text = value instanceof Node || value === undefined ? '' : String(value);
  return {
    type: typeInfoOf(item).name,
    text: value instanceof Temporal ? `@${value.type === 'Time' ? 'T' : ''}${text}` : text,
  };
};

const profiles = new Set(['http://hl7.org/fhir/StructureDefinition/Patient']);

/** Undefined where the case holds; what is wrong otherwise. */
export function judge({
  expression,
  input,
  strict,
  predicate,
  ordered,
  invalid,
  output,
}: Case): string | undefined {
  let found: { type: string; text: string }[];
  try {
    if (strict || invalid === 'semantic') checkFhirPath(expression, input['resourceType'] as string, strict);
    const compiled = compileExpression(expression);
    const place = { value: input, resource: input, rootResource: input };
    const items = compiled.run(place, {
      conformsTo: (_, profile) => (profiles.has(profile) ? true : undefined),
    });
    found = items.map(shown);
    if (predicate) found = [{ type: 'Boolean', text: String(items.length > 0) }];
  } catch (error) {
    if (invalid !== undefined) return undefined;
    return `threw ${error instanceof Error ? error.message : String(error)}`;
  }
  const told = found.map(({ type, text }) => `${type} ${text}`).join(', ');
  if (invalid !== undefined) return `was taken though it is invalid (${invalid}): ${told}`;
  const expected = output.map(({ text }) => text.replace(/\r\n/g, '\n'));
  const texts = found.map(({ text }, i) =>
    output[i]?.text.startsWith('@') === false && text.startsWith('@') ? text.slice(1) : text,
  );
  if (!ordered) {
    expected.sort();
    texts.sort();
  }
  const typed = output.every(
    ({ type }, i) => type === undefined || !ordered || found[i]?.type.toLowerCase() === type.toLowerCase(),
  );
  if (expected.length === texts.length && expected.every((text, i) => text === texts[i]) && typed)
    return undefined;
  return `answers ${told || 'nothing'} instead of ${output.map(({ type, text }) => `${type ?? ''} ${text}`).join(', ') || 'nothing'}`;
}
