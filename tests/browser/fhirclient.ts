// The library SMART apps use, fetched once as its package and not installed: its dependencies are those of other platforms.
// https://github.com/smart-on-fhir/client-js
import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

const version = '2.6.3';
const sha512 = 'CirZixcwWelbkIXxpxlNQx5+ZdJirl6F1s4y4yvA1X7hHAkr9n99aVHaMi0wX+97nATjKQ65X6NB5as/wZoJzg==';
const folder = fileURLToPath(new URL('../../node_modules/.cache/fhirclient', import.meta.url));

/** The browser build; undefined where the registry cannot be reached. @throws where the package is not the known one */
export function fhirclient(): string | undefined {
  const file = join(folder, `fhirclient-${version}.tgz`);
  if (!existsSync(file)) {
    mkdirSync(folder, { recursive: true });
    spawnSync('npm', ['pack', `fhirclient@${version}`], { cwd: folder, timeout: 30_000 });
  }
  if (!existsSync(file)) return undefined;
  const found = createHash('sha512').update(readFileSync(file)).digest('base64');
  if (found !== sha512) throw new Error(`${file} is not fhirclient ${version}`);
  const unpacked = spawnSync('tar', ['-xzOf', file, 'package/build/fhir-client.js'], { maxBuffer: 2 ** 25 });
  return unpacked.status === 0 ? unpacked.stdout.toString() : undefined;
}
