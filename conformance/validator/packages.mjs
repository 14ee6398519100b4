// The packages of guides a case asks for, of those at hand: the version asked for, else the newest before it.
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { compareVersions, installedPackages, packed } from '../../dist/validation/installed.js';
import { readPackage } from '../../dist/validation/package.js';

const folder = new URL('../../../shared/data/us-core/', import.meta.url);
let known;

function all() {
  known ??= !existsSync(folder)
    ? []
    : readdirSync(folder)
        .filter(name => name.endsWith('.tgz'))
        .map(name => packed(readPackage(readFileSync(new URL(name, folder)))));
  return known;
}

/** `names` as name#version. */
export function packagesOf(names) {
  const installed = installedPackages();
  for (const asked of names) {
    const [name, version = ''] = asked.split('#');
    const ordered = all()
      .filter(one => one.name === name)
      .sort((a, b) => compareVersions(a.version, b.version));
    const before = ordered.filter(one => compareVersions(one.version, version) <= 0);
    const found = before.at(-1) ?? ordered[0];
    if (found) installed.add(found);
  }
  return installed;
}
