// An implementation guide's package: the .tgz that a FHIR registry serves, read to its conformance resources.
// https://hl7.org/fhir/R4/packages.html, https://confluence.hl7.org/display/FHIR/NPM+Package+Specification
// Surprising why: what a package holds is not trusted. Only JSON files directly in package/ count, sizes are bounded while
// unpacking, and no file is ever written.
import { gunzipSync } from 'node:zlib';
import { FhirError } from '../errors.js';
import { isObject, parseJson, type Json, type JsonObject } from '../fhir/json.js';
import type { Resource } from '../fhir/resource.js';

export interface Package {
  readonly name: string;
  readonly version: string;
  readonly fhirVersions: readonly string[];
  /** Name to version. */
  readonly dependencies: Readonly<Record<string, string>>;
  /** What the server computes with; narrative and prose are left out. */
  readonly definitions: readonly Resource[];
}

/** Unpacked; the largest published guides have a tenth of it. */
const mostBytes = 512 * 1024 * 1024;
const kinds: ReadonlySet<string> = new Set([
  'StructureDefinition',
  'ValueSet',
  'CodeSystem',
  'ConceptMap',
  'ImplementationGuide',
]);

/** @throws FhirError `value` where the bytes are no FHIR package for R4. */
export function readPackage(tgz: Uint8Array): Package {
  const refuse = (why: string, cause?: unknown): never => {
    throw new FhirError('value', `This is not a FHIR package: ${why}.`, { cause });
  };
  let tar: Buffer;
  try {
    tar = gunzipSync(tgz, { maxOutputLength: mostBytes });
  } catch (cause) {
    return refuse('it cannot be unpacked as gzip, or is too large', cause);
  }
  let manifest: JsonObject | undefined;
  const definitions: Resource[] = [];
  for (const [name, bytes] of filesIn(tar)) {
    const file = /^(?:\.\/)?package\/([^/]+\.json)$/.exec(name)?.[1];
    if (file === undefined || file.startsWith('.')) continue;
    if (file === 'package.json') {
      const found = parsed(bytes);
      if (isObject(found)) manifest = found;
    } else if (isDefinition(bytes)) {
      const resource = parsed(bytes);
      if (isObject(resource) && typeof resource['url'] === 'string')
        definitions.push(slim(resource as Resource));
    }
  }
  if (!manifest) return refuse('it has no package/package.json');
  const { name, version } = manifest;
  if (typeof name !== 'string' || typeof version !== 'string')
    return refuse('its package.json has no name or no version');
  const fhirVersions = texts(manifest['fhirVersions'] ?? manifest['fhir-version-list'] ?? null);
  if (fhirVersions.length > 0 && !fhirVersions.some(one => one.startsWith('4.0')))
    refuse(`it is for FHIR ${fhirVersions.join(', ')}, and this server speaks 4.0.1`);
  const dependencies = isObject(manifest['dependencies'] ?? null)
    ? Object.fromEntries(
        Object.entries(manifest['dependencies'] as JsonObject).map(([key, value]) => [key, String(value)]),
      )
    : {};
  return { name, version, fhirVersions, dependencies, definitions };
}

const texts = (value: Json): string[] =>
  Array.isArray(value) ? value.filter(one => typeof one === 'string') : [];

function parsed(bytes: Uint8Array): Json {
  try {
    return parseJson(bytes);
  } catch (error) {
    if (error instanceof FhirError) return null;
    throw error;
  }
}

/** Whether the file is worth parsing: examples are most of a package. */
function isDefinition(bytes: Buffer): boolean {
  const found = /"resourceType"\s*:\s*"(\w+)"/.exec(bytes.toString('utf8', 0, 4096));
  return found !== null && kinds.has(found[1]!);
}

/** The regular files of a tar archive. https://pubs.opengroup.org/onlinepubs/9699919799/utilities/pax.html */
function* filesIn(tar: Buffer): Generator<readonly [name: string, bytes: Buffer]> {
  let longName: string | undefined;
  for (let at = 0; at + 512 <= tar.length;) {
    const header = tar.subarray(at, at + 512);
    const text = (from: number, length: number): string =>
      header.toString('utf8', from, from + length).replace(/\0[^]*$/, '');
    const size = parseInt(text(124, 12).trim() || '0', 8);
    if (header[0] === 0 || !(size >= 0)) return;
    const bytes = tar.subarray(at + 512, at + 512 + size);
    const kind = text(156, 1);
    const prefix = text(257, 5) === 'ustar' ? text(345, 155) : '';
    if (kind === 'L') longName = bytes.toString('utf8').replace(/\0[^]*$/, '');
    else if (kind === 'x') longName = /\d+ path=([^\n]*)\n/.exec(bytes.toString('utf8'))?.[1] ?? longName;
    else {
      const name = longName ?? (prefix === '' ? text(0, 100) : `${prefix}/${text(0, 100)}`);
      longName = undefined;
      if (kind === '0' || kind === '') yield [name, bytes];
    }
    at += 512 + Math.ceil(size / 512) * 512;
  }
}

const prose: ReadonlySet<string> = new Set([
  'alias',
  'comment',
  'definition',
  'example',
  'isModifierReason',
  'mapping',
  'meaningWhenMissing',
  'orderMeaning',
  'requirements',
]);

const slimElements = (view: Json): Json =>
  isObject(view) && Array.isArray(view['element'])
    ? { element: view['element'].map(element => (isObject(element) ? without(element, prose) : element)) }
    : view;

const without = (object: JsonObject, names: ReadonlySet<string>): JsonObject =>
  Object.fromEntries(Object.entries(object).filter(([name]) => !names.has(name)));

const documentation: ReadonlySet<string> = new Set(['text', 'contact', 'mapping', 'copyright', 'purpose']);

function slim(resource: Resource): Resource {
  const kept = without(resource, documentation) as Resource;
  if (kept.resourceType === 'ImplementationGuide') delete kept['definition'];
  if (kept.resourceType !== 'StructureDefinition') return kept;
  if (isObject(kept['snapshot'])) {
    kept['snapshot'] = slimElements(kept['snapshot']);
    delete kept['differential'];
  } else if (isObject(kept['differential'])) kept['differential'] = slimElements(kept['differential']);
  return kept;
}
