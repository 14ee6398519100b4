// Index rows of a resource: what it is found by. docs/index-rows.md is the contract.
// https://hl7.org/fhir/R4/search.html
import { createHash } from 'node:crypto';
import { searchParameters } from '../fhir/definitions.js';
import type { Resource } from '../fhir/resource.js';
import { isWritten } from './aliases.js';
import { binaryRows } from './binary-rows.js';
import { Collector } from './extract/collector.js';
import { compileExtraction, type Extraction } from './extract/compile.js';
import { parametersOf, type CustomParameters } from './parameters.js';
import type { Row } from './rows.js';
import { wordsOf } from './words.js';
import type { RowSettings } from './types/search-type.js';

/** Raised by hand whenever the same resource and parameters give other rows than before. */
const extractorVersion = 8;

/** `_id` and `_lastUpdated` are answered by the stores' own columns. */
const unwritten = new Set(['_id', '_lastUpdated']);

type Extracting = Extraction & { readonly collector: Collector };

const extractions = new Map<string, Extracting>();
const withCustom = new WeakMap<CustomParameters, Map<string, Extracting>>();

function extractionOf(type: string, custom: CustomParameters | undefined): Extracting {
  const added = custom?.of(type) ?? [];
  let types = extractions;
  if (custom !== undefined && added.length > 0) {
    types = withCustom.get(custom) ?? new Map<string, Extracting>();
    withCustom.set(custom, types);
  }
  let known = types.get(type);
  if (known === undefined) {
    const written = [...parametersOf(type).values()].filter(
      ({ code }) => !unwritten.has(code) && isWritten(type, code),
    );
    const extraction = compileExtraction([...written, ...added.map(({ rows }) => rows)]);
    known = { ...extraction, collector: new Collector(extraction.slots) };
    types.set(type, known);
  }
  return known;
}

/** The rows of all search parameters of the resource's type, without duplicates. Never throws for what the gate lets pass. */
export function indexRows(resource: Resource, settings: RowSettings): Row[] {
  const { run, collector } = extractionOf(resource.resourceType, settings.custom);
  collector.settings = settings;
  try {
    run(resource, collector);
  } catch (error) {
    collector.take(); // or the next resource would get what this one left
    throw error;
  }
  const rows: Row[] = collector.take();
  for (const row of binaryRows(resource, settings.bases)) rows.push(row);
  const { narrative, content } = wordsOf(resource);
  if (narrative !== '') rows.push({ kind: 'words', param: '_text', text: narrative });
  if (content !== '') rows.push({ kind: 'words', param: '_content', text: content });
  return rows;
}

/**
 * A name for what rows depend on: the parameters, the extractor and the zone of dates without one. A store whose rows
 * were made under another name needs a reindex.
 */
export function searchIndexVersion(zone = 'UTC'): string {
  const hash = createHash('sha256');
  hash.update(`${extractorVersion} ${zone}\n`);
  for (const { url, code, base, type, expression, component } of searchParameters()) {
    hash.update(JSON.stringify([url, code, base, type, expression, component]));
  }
  return hash.digest('hex').slice(0, 32);
}
