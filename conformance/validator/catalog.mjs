// The terminology that stands beside a case, over R4's own.
import { codeSystemOf, coreCatalog, isVersion } from '../../dist/terminology/catalog.js';
import { conceptsIn } from '../../dist/terminology/code-system.js';

export function catalogOf(resources) {
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
      const system = own ? codeSystemOf(own) : coreCatalog.codeSystem(url, version);
      const supplements = supplementsOf(url).map(one => conceptsIn(one));
      return system && supplements.length > 0 ? { ...system, supplements } : system;
    },
    valueSet: (url, version) => find(valueSets, url, version) ?? coreCatalog.valueSet(url, version),
    conceptMaps: (url, version) => coreCatalog.conceptMaps(url, version),
    memory: new Map(),
  };
}
