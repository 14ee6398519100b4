// A validator that knows what stands beside a case, as strict as the one whose outcomes were recorded.
import { existsSync } from 'node:fs';
import { compileInvariants } from '../../dist/validation/invariants.js';
import { rulesFor } from '../../dist/validation/rules.js';
import { createProfiles } from '../../dist/validation/profiles.js';
import { createValidator } from '../../dist/validation/validate.js';
import { terminologyOf } from '../../dist/validation/terminology.js';
import { catalogOf } from './catalog.mjs';
import { packagesOf } from './packages.mjs';
import { folder, material } from './cases.mjs';

/** As the recorded validator: examples' domains are not looked up. */
const severityOfUnknown = url => (/example\.org|acme\.com|nema\.org/.test(url) ? 'information' : 'error');

export function validatorFor(one) {
  const beside = new Map();
  for (const name of [...one.beside, ...(one.source === undefined ? [] : [one.source])]) {
    const resource = material(name);
    if (resource?.url) {
      beside.set(resource.url, resource);
      if (resource.version) beside.set(`${resource.url}|${resource.version}`, resource);
    }
  }
  const packages = packagesOf(one.packages ?? []);
  const find = (type, canonical) => {
    const found = beside.get(canonical) ?? beside.get(canonical.split('|')[0]);
    return found?.resourceType === type ? found : packages.find(type, canonical);
  };
  const profiles = createProfiles(canonical => find('StructureDefinition', canonical));
  const globals = [...new Set(beside.values())].flatMap(({ resourceType, global = [] }) =>
    resourceType === 'ImplementationGuide' ? global : [],
  );
  const validate = createValidator({
    profiles,
    terminology: terminologyOf(catalogOf([...new Set(beside.values())], packages)),
    compileInvariants,
    rulesFor,
    find,
    requiredProfiles: type => globals.flatMap(global => (global.type === type ? [global.profile] : [])),
  });
  const isUrl = one.source?.startsWith('http') === true;
  const source = one.source === undefined || isUrl ? { url: one.source } : material(one.source);
  return resource =>
    validate(resource, {
      unknownExtensions: severityOfUnknown,
      wrongDisplays: 'error',
      asErrors: new Set(['narrative-anchor', 'type-profile-unknown']),
      markupInStrings: one['security-checks'] !== true,
      referencesMustResolve: one.validateReference !== undefined,
      exampleUrls: one.examples !== false,
      ...(source?.url ? { profiles: [source.url] } : {}),
      resolve: reference => {
        const [, type, id] = /^(?:.*\/)?([A-Z]\w+)\/([\w.-]+)$/.exec(reference) ?? [];
        if (type === undefined) return undefined;
        for (const name of [
          `${id}.json`,
          `${id}.xml`,
          `${type.toLowerCase()}-${id}.json`,
          `${type.toLowerCase()}-${id}.xml`,
        ])
          if (existsSync(folder + name)) {
            const found = material(name);
            if (found?.resourceType === type) return found;
          }
        return undefined;
      },
    });
}
