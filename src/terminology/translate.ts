// Translates codes by concept maps, in either direction. https://hl7.org/fhir/R4/conceptmap.html,
// https://hl7.org/fhir/R4/conceptmap-operation-translate.html
import type {
  ConceptMapDefinition,
  ConceptMapDependency,
  ConceptMapGroup,
  ConceptMapTarget,
} from '../fhir/definitions.js';
import { canonicalParts, isVersion, type Catalog } from './catalog.js';
import type { Coded } from './membership.js';

export interface Translation {
  readonly equivalence: string;
  /** Absent where the map says that there is none. */
  readonly concept?: {
    readonly system?: string | undefined;
    readonly version?: string | undefined;
    readonly code: string;
    readonly display?: string | undefined;
  };
  readonly products: readonly ConceptMapDependency[];
  /** Url of the map that says so. */
  readonly source: string;
}

export interface Translating {
  readonly catalog: Catalog;
  readonly targetSystem?: string | undefined;
  /** From target to source. */
  readonly reverse: boolean;
  /** What else is known of the code: values by the property that maps may depend on. */
  readonly dependencies: readonly { readonly property: string; readonly values: readonly Coded[] }[];
}

/** Maps that lead to maps are followed so far. */
const longestWay = 10;

/** All translations that the map has for the code. @throws NotLoaded */
export function translate(map: ConceptMapDefinition, coded: Coded, how: Translating): readonly Translation[] {
  return byMap(map, coded, how, []);
}

function byMap(
  map: ConceptMapDefinition,
  coded: Coded,
  how: Translating,
  way: readonly string[],
): readonly Translation[] {
  const found: Translation[] = [];
  for (const group of map.group ?? []) {
    const from = how.reverse ? group.target : group.source;
    const fromVersion = how.reverse ? group.targetVersion : group.sourceVersion;
    const to = how.reverse ? group.source : group.target;
    if (from !== undefined && from !== coded.system) continue;
    if (coded.version !== undefined && fromVersion !== undefined && !isVersion(fromVersion, coded.version)) continue; // prettier-ignore
    if (how.targetSystem !== undefined && to !== how.targetSystem) continue;
    found.push(...(how.reverse ? backwards(map, group, coded, how) : forwards(map, group, coded, how, way)));
  }
  return found;
}

function forwards(
  map: ConceptMapDefinition,
  group: ConceptMapGroup,
  coded: Coded,
  how: Translating,
  way: readonly string[],
): readonly Translation[] {
  const elements = group.element.filter(one => one.code === coded.code);
  if (elements.length === 0) return unmapped(map, group, coded, how, way);
  return elements.flatMap(({ target = [] }): Translation[] =>
    target.length === 0
      ? [{ equivalence: 'unmatched', products: [], source: map.url }]
      : target
          .filter(one => dependsOn(one, how))
          .map(({ code, display, equivalence, product = [] }) => ({
            equivalence,
            ...(code === undefined
              ? {}
              : { concept: { system: group.target, version: group.targetVersion, code, display } }),
            products: product,
            source: map.url,
          })),
  );
}

const opposite: Readonly<Record<string, string>> = {
  wider: 'narrower',
  narrower: 'wider',
  subsumes: 'specializes',
  specializes: 'subsumes',
};

function backwards(
  map: ConceptMapDefinition,
  group: ConceptMapGroup,
  coded: Coded,
  how: Translating,
): readonly Translation[] {
  return group.element.flatMap(({ code, display, target = [] }) =>
    target
      .filter(one => code !== undefined && one.code === coded.code && dependsOn(one, how))
      .map(({ equivalence }): Translation => ({
        equivalence: opposite[equivalence] ?? equivalence,
        concept: { system: group.source, version: group.sourceVersion, code: code!, display },
        products: [],
        source: map.url,
      })),
  );
}

/** Whether all that the target depends on is known to be so. */
const dependsOn = ({ dependsOn: needs = [] }: ConceptMapTarget, { dependencies }: Translating): boolean =>
  needs.every(({ property, system, value }) =>
    dependencies.some(
      one =>
        one.property === property &&
        one.values.some(given => given.code === value && (system === undefined || given.system === system)),
    ),
  );

/** https://hl7.org/fhir/R4/conceptmap-definitions.html#ConceptMap.group.unmapped */
function unmapped(
  map: ConceptMapDefinition,
  group: ConceptMapGroup,
  coded: Coded,
  how: Translating,
  way: readonly string[],
): readonly Translation[] {
  const { mode, code, display, url } = group.unmapped ?? {};
  const to = { system: group.target, version: group.targetVersion };
  if (mode === 'provided')
    return [{ equivalence: 'equal', concept: { ...to, code: coded.code }, products: [], source: map.url }];
  if (mode === 'fixed' && code !== undefined)
    return [{ equivalence: 'inexact', concept: { ...to, code, display }, products: [], source: map.url }];
  if (mode !== 'other-map' || url === undefined || way.includes(url) || way.length >= longestWay) return [];
  const { url: other, version } = canonicalParts(url);
  const [next] = how.catalog.conceptMaps(other, version);
  return next === undefined ? [] : byMap(next, coded, how, [...way, url]);
}

/** Whether a translation says what the code is called elsewhere. */
export const isTranslated = ({ equivalence, concept }: Translation): boolean =>
  concept !== undefined && equivalence !== 'unmatched' && equivalence !== 'disjoint';
