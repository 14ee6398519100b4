// The terminology that stands beside a case, over R4's own.
import { codeSystemOf, coreCatalog, isVersion } from '../../dist/terminology/catalog.js';
import { conceptsIn } from '../../dist/terminology/code-system.js';

/** `packages`: what a case asks for besides, validation/installed.ts. */
export function catalogOf(resources, packages) {
  const packaged = (type, url, version) =>
    packages.find(type, version === undefined ? url : `${url}|${version}`);
  const ofType = type => resources.filter(({ resourceType }) => resourceType === type);
  const [systems, valueSets] = [ofType('CodeSystem'), ofType('ValueSet')];
  const find = (list, url, version) => list.find(one => one.url === url && isVersion(version, one.version));
  const supplementsOf = url =>
    systems.filter(
      ({ content, supplements }) => content === 'supplement' && supplements?.split('|')[0] === url,
    );
  return {
    codeSystem(url, version) {
      const own = find(systems, url, version);
      const other =
        coreCatalog.codeSystem(url, version) === undefined && packaged('CodeSystem', url, version);
      const system = own || other ? codeSystemOf(own ?? other) : coreCatalog.codeSystem(url, version);
      const supplements = supplementsOf(url).map(one => conceptsIn(one));
      return system && supplements.length > 0 ? { ...system, supplements } : system;
    },
    valueSet: (url, version) =>
      find(valueSets, url, version) ??
      coreCatalog.valueSet(url, version) ??
      packaged('ValueSet', url, version),
    conceptMaps: (url, version) => coreCatalog.conceptMaps(url, version),
    memory: new Map(),
  };
}
