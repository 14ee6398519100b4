// What this server does for terminology: GET metadata?mode=terminology. It lists the code systems the caller may know of.
// https://hl7.org/fhir/R4/terminologycapabilities.html
import { operationDefinitions } from '../fhir/definitions.js';
import type { Json, JsonObject } from '../fhir/json.js';
import type { Resource } from '../fhir/resource.js';
import { grammarSystems } from '../terminology/grammar.js';
import type { Context } from './context.js';

/** Accepted, and without effect: definitions are kept as they are, and codes as they are defined. */
const withoutEffect = new Set(['date', 'excludePostCoordinated', 'contextDirection']);

/** `head`: what all statements begin with. @throws NotLoaded */
export function terminologyCapabilities({ catalog, request }: Context, head: JsonObject): Resource {
  const versions = new Map<string, { version: string | undefined; isListed: boolean }[]>();
  for (const { url, version, content } of catalog.codeSystems()) {
    if (content === 'supplement') continue;
    versions.set(url, [...(versions.get(url) ?? []), { version, isListed: content === 'complete' }]);
  }
  for (const url of grammarSystems) if (!versions.has(url)) versions.set(url, []);
  return {
    resourceType: 'TerminologyCapabilities',
    ...head,
    implementation: { description: 'Tsela, a FHIR R4 server', url: request.base },
    codeSystem: [...versions].map(([uri, list]): Json => {
      const named = list.filter(one => one.version !== undefined);
      const isKnown = list.some(one => one.isListed);
      return {
        uri,
        ...(named.length === 0
          ? {}
          : {
              version: named.map(({ version }) => ({
                code: version!,
                ...(named.length === 1 ? { isDefault: true } : {}),
              })),
            }),
        subsumption: isKnown,
      };
    }),
    expansion: {
      hierarchical: true,
      paging: true,
      incomplete: false,
      parameter: (operationDefinitions().find(one => one.id === 'ValueSet-expand')?.parameter ?? [])
        .filter(one => one.use === 'in')
        .map(({ name }) => ({
          name,
          ...(withoutEffect.has(name) ? { documentation: 'Accepted, without effect.' } : {}),
        })),
      textFilter:
        'Each word of the filter begins a word of the code, its display or a designation; case and accents do not count.',
    },
    codeSearch: 'explicit',
    validateCode: { translations: true },
    translation: { needsMap: true },
    closure: { translation: false },
  };
}
