// The walker on its own: $validate of Synthea's resources by their types, and by a US Core profile where one is at hand;
// what writes are judged by; how soon definitions and validators are ready. A process of its own, one core.
import { existsSync, readFileSync } from 'node:fs';
import { answering } from './children.mjs';

const started = performance.now();
const { createValidation } = await import('../dist/validation/validation.js');
const { installedPackages, packed } = await import('../dist/validation/installed.js');
const { readPackage } = await import('../dist/validation/package.js');
const { coreCatalog } = await import('../dist/terminology/catalog.js');
const { parseJson } = await import('../dist/fhir/json.js');
const { resourceTypes } = await import('../dist/fhir/definitions.js');
const { typeTree } = await import('../dist/validation/types.js');
const { checkGate } = await import('../dist/validation/gate.js');

const validation = (installed = installedPackages()) =>
  createValidation({ level: 'full', required: new Map(), installed, catalog: coreCatalog });
const base = validation();
for (const type of resourceTypes()) {
  typeTree(type);
  try {
    checkGate({ resourceType: type });
  } catch {
    // its validator is loaded now
  }
}
base.validate({ resourceType: 'Patient' });
const ready = { ms: performance.now() - started, megabytes: process.memoryUsage().heapUsed / 1e6 };

const file = new URL('../../shared/data/us-core/us-core-311.tgz', import.meta.url);
const canonical = 'http://hl7.org/fhir/us/core/StructureDefinition/us-core-';
const profiles = {
  AllergyIntolerance: 'allergyintolerance',
  CarePlan: 'careplan',
  CareTeam: 'careteam',
  Condition: 'condition',
  Encounter: 'encounter',
  Immunization: 'immunization',
  MedicationRequest: 'medicationrequest',
  Observation: 'observation-lab',
  Patient: 'patient',
  Procedure: 'procedure',
};

let resources = [];
let profiled = [];
let withGuide;

const perSecond = (list, judge) => {
  const from = performance.now();
  for (const resource of list) judge(resource);
  return (list.length / (performance.now() - from)) * 1000;
};

answering({
  ready: () => ready,
  take(texts) {
    resources = texts.map(text => parseJson(text));
    for (const resource of resources) delete resource.meta;
    if (!existsSync(file)) return false;
    const installed = installedPackages();
    installed.add(packed(readPackage(readFileSync(file))));
    withGuide = validation(installed);
    profiled = resources
      .filter(({ resourceType }) => resourceType in profiles)
      .map(resource => ({ ...resource, meta: { profile: [canonical + profiles[resource.resourceType]] } }));
    return true;
  },
  round: () => ({
    base: perSecond(resources, one => base.validate(one, { isGated: true })),
    write: perSecond(resources, one => base.judgeWrite(one, 'gate')),
    ...(withGuide === undefined
      ? {}
      : { profile: perSecond(profiled, one => withGuide.validate(one, { isGated: true })) }),
  }),
});
