// What is stored in a run: Synthea's transaction bundles where they are at hand, else the project's own sample district.
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { gunzipSync } from 'node:zlib';
import { project } from './children.mjs';

const folder = join(project, '../shared/data/synthea');

/** @returns the source's name, and the bundles as they would be posted: UTF-8 bytes and the parsed Bundle. */
export async function material() {
  if (existsSync(folder)) {
    const files = readdirSync(folder)
      .filter(name => name.endsWith('.gz'))
      .sort();
    const bundles = files.map(name => {
      const bytes = gunzipSync(readFileSync(join(folder, name)));
      return { bytes, bundle: JSON.parse(bytes) };
    });
    return { source: `Synthea, ${bundles.length} transaction bundles`, bundles };
  }
  const { generate, defaultToday } = await import('../dist/cli/sample/generate.js');
  const bundles = [...generate({ seed: 1, patients: 60, facilities: 3, today: defaultToday })].map(
    resources => {
      const entry = resources.map(resource => ({
        resource,
        request: { method: 'PUT', url: `${resource.resourceType}/${resource.id}` },
      }));
      const bundle = { resourceType: 'Bundle', type: 'transaction', entry };
      return { bytes: Buffer.from(JSON.stringify(bundle)), bundle };
    },
  );
  return {
    source: `the sample district of tsela sample, ${bundles.length} bundles (Synthea is not at hand)`,
    bundles,
  };
}

/**
 * The bundles' resources, those that several bundles tell of once, with literal references among them; a `copy` above 0
 * gives them ids of their own.
 */
export function resourcesOf(bundles, copy = 0) {
  const suffix = copy === 0 ? '' : `-${copy}`;
  const resources = new Map();
  for (const { bundle } of bundles) {
    const places = new Map();
    for (const { fullUrl, resource } of bundle.entry) {
      const key = `${resource.resourceType}/${resource.id}`;
      places.set(fullUrl ?? key, key + suffix);
    }
    for (const { resource } of bundle.entry) {
      const text = JSON.stringify(resource).replace(/"reference":"([^"]+)"/g, (whole, at) =>
        places.has(at) ? `"reference":"${places.get(at)}"` : whole,
      );
      const id = resource.id + suffix;
      resources.set(`${resource.resourceType}/${id}`, { ...JSON.parse(text), id });
    }
  }
  return [...resources.values()];
}

/** Transactions of at most `size` PUTs, for filling a store. */
export function* puts(resources, size = 400) {
  for (let i = 0; i < resources.length; i += size) {
    const entry = resources.slice(i, i + size).map(resource => ({
      resource,
      request: { method: 'PUT', url: `${resource.resourceType}/${resource.id}` },
    }));
    yield Buffer.from(JSON.stringify({ resourceType: 'Bundle', type: 'transaction', entry }));
  }
}
