// The packages a server has, in memory: compressed until something in one of them is asked for.
// https://hl7.org/fhir/R4/packages.html
import { gunzipSync, gzipSync } from 'node:zlib';
import { parseJson, writeJson, isObject } from '../fhir/json.js';
import type { Resource } from '../fhir/resource.js';
import type { Package } from './package.js';

/** A package as it is kept. */
export interface KeptPackage {
  readonly name: string;
  readonly version: string;
  readonly dependencies: Readonly<Record<string, string>>;
  /** `Type url|version` of each definition, in the order of the lines of `content`. */
  readonly keys: readonly string[];
  /** Canonicals that all resources of a type must have: [type, canonical]. */
  readonly globals: readonly (readonly [type: string, profile: string])[];
  /** gzip of NDJSON. */
  readonly content: Uint8Array;
}

export interface Installed {
  readonly list: () => readonly KeptPackage[];
  /** Takes the place of the same version. */
  readonly add: (kept: KeptPackage) => void;
  /** By `url` (of the newest version that has it) or `url|version`. */
  readonly find: (type: string, canonical: string) => Resource | undefined;
  readonly globals: (type: string) => readonly string[];
  /** Told after each `add`. */
  readonly onChange: (listener: () => void) => void;
}

export function packed(found: Package): KeptPackage {
  const { name, version, dependencies, definitions } = found;
  return {
    name,
    version,
    dependencies,
    keys: definitions.map(keyOf),
    globals: definitions.flatMap(globalsOf),
    content: gzipSync(definitions.map(one => writeJson(one)).join('\n')),
  };
}

const keyOf = ({ resourceType, url, version }: Resource): string =>
  `${resourceType} ${String(url)}${typeof version === 'string' ? `|${version}` : ''}`;

/** https://hl7.org/fhir/R4/implementationguide-definitions.html#ImplementationGuide.global */
function globalsOf(resource: Resource): (readonly [string, string])[] {
  const list = resource.resourceType === 'ImplementationGuide' ? resource['global'] : undefined;
  return Array.isArray(list)
    ? list
        .filter(isObject)
        .flatMap(({ type, profile }) =>
          typeof type === 'string' && typeof profile === 'string' ? [[type, profile] as const] : [],
        )
    : [];
}

interface Place {
  readonly kept: KeptPackage;
  readonly line: number;
}

export function installedPackages(): Installed {
  const packages = new Map<string, KeptPackage>();
  const listeners: (() => void)[] = [];
  let places = new Map<string, Place>();
  const unpacked = new WeakMap<KeptPackage, string[]>();
  const parsed = new Map<string, Resource>();

  const index = (): void => {
    places = new Map();
    parsed.clear();
    const ordered = [...packages.values()].sort((a, b) => compareVersions(a.version, b.version));
    for (const kept of ordered)
      for (const [line, key] of kept.keys.entries()) {
        places.set(key, { kept, line });
        const bar = key.indexOf('|');
        if (bar >= 0) places.set(key.slice(0, bar), { kept, line });
      }
  };

  return {
    list: () => [...packages.values()],
    add(kept) {
      packages.set(`${kept.name}#${kept.version}`, kept);
      index();
      for (const listener of listeners) listener();
    },
    find(type, canonical) {
      const key = `${type} ${canonical}`;
      const place = places.get(key);
      if (!place) return undefined;
      let resource = parsed.get(key);
      if (!resource) {
        let lines = unpacked.get(place.kept);
        if (!lines) {
          lines = gunzipSync(place.kept.content).toString('utf8').split('\n');
          unpacked.set(place.kept, lines);
        }
        resource = parseJson(lines[place.line]!) as Resource;
        parsed.set(key, resource);
      }
      return resource;
    },
    globals: type => [
      ...new Set(
        [...packages.values()].flatMap(({ globals }) =>
          globals.flatMap(([of, profile]) => (of === type ? [profile] : [])),
        ),
      ),
    ],
    onChange: listener => void listeners.push(listener),
  };
}

/** By numbers, then as text: 6.1.0 is newer than 3.1.1, 1.10 newer than 1.9. */
export function compareVersions(a: string, b: string): number {
  const [left, right] = [a.split(/[.-]/), b.split(/[.-]/)];
  for (let i = 0; i < Math.max(left.length, right.length); i++) {
    const [x = '', y = ''] = [left[i], right[i]];
    const [m, n] = [Number(x), Number(y)];
    // A release is newer than its previews: 6.1.0 than 6.1.0-ballot.
    if (x === '' || y === '') return x === '' ? (Number.isNaN(n) ? 1 : -1) : Number.isNaN(m) ? -1 : 1;
    if (x !== y) return Number.isNaN(m) || Number.isNaN(n) ? (x < y ? -1 : 1) : m - n;
  }
  return 0;
}
