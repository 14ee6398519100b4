// Looks after what Tsela depends on: that every package of the lock file comes from the registry with a checksum, under a
// licence that may be shipped, and that none of what is shipped has a known weakness. The last needs the registry: where it
// does not answer, that is said and nothing fails. Run by hand: node scripts/audit.mjs
import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { root } from './ready.mjs';

/** Licences under which what is shipped may come. https://spdx.org/licenses/ */
const allowed = new Set(['0BSD', 'Apache-2.0', 'BSD-2-Clause', 'BSD-3-Clause', 'BlueOak-1.0.0', 'CC0-1.0', 'ISC', 'MIT', 'MIT-0', 'Python-2.0', 'Unlicense']); // prettier-ignore

/** Packages that do not say it in the lock file, with what their own files say. */
const read = new Map([
  [
    '@lhncbc/ucum-lhc 5.0.4',
    'its LICENSE.md: free to use and give on, with its notice of the NLM and of UCUM',
  ],
  ['emitter-component 1.1.2', 'its component.json: MIT'],
]);

/** `MIT OR GPL-2.0` may be taken as MIT; of `MIT AND ISC` both have to be allowed. */
export function mayShip(licence) {
  const words = String(licence ?? '')
    .replace(/[()]/g, '')
    .trim();
  if (words === '') return false;
  return words.split(' OR ').some(choice => choice.split(' AND ').every(each => allowed.has(each.trim())));
}

/** Packages of the lock file that are shipped, as `[name, entry]`. */
export function shippedIn(lock) {
  return Object.entries(lock.packages)
    .filter(([path, entry]) => path !== '' && !entry.dev && !entry.devOptional)
    .map(([path, entry]) => [path.slice(path.lastIndexOf('node_modules/') + 'node_modules/'.length), entry]);
}

/** What is wrong with the lock file itself, one sentence each. */
export function problemsIn(lock) {
  const problems = [];
  for (const [path, { resolved, integrity, inBundle }] of Object.entries(lock.packages)) {
    if (path === '' || inBundle) continue;
    // Without an address it comes from the registry that npm is set to.
    if (resolved !== undefined && !resolved.startsWith('https://'))
      problems.push(`${path} does not come by https.`);
    if (!/^sha512-/.test(integrity ?? '')) problems.push(`${path} has no sha512 checksum.`);
  }
  for (const [name, { version, license }] of shippedIn(lock))
    if (!mayShip(license) && !read.has(`${name} ${version}`))
      problems.push(`${name} ${version} is under the licence ${license ?? 'unknown'}.`);
  return problems;
}

/** Licences of what is shipped, with how many packages each. */
export function licencesIn(lock) {
  const counts = new Map();
  for (const [, { license }] of shippedIn(lock)) counts.set(license, (counts.get(license) ?? 0) + 1);
  return [...counts].sort(([, a], [, b]) => b - a);
}

/** What `npm audit --json` said: undefined where it could not be asked, else the packages with grave weaknesses. */
export function graveIn(text) {
  let report;
  try {
    report = JSON.parse(text);
  } catch {
    return undefined;
  }
  if (report?.vulnerabilities === undefined) return undefined;
  return Object.values(report.vulnerabilities)
    .filter(({ severity }) => severity === 'high' || severity === 'critical')
    .map(({ name, severity, range }) => `${name} ${range} has a known weakness (${severity}).`);
}

/** Exit code: 0 where nothing is wrong, and where the registry does not say. */
export function audit() {
  const lock = JSON.parse(readFileSync(join(root, 'package-lock.json'), 'utf8'));
  const wrong = problemsIn(lock);
  console.log(`Licences: ${licencesIn(lock).map(([licence, count]) => `${licence} ${count}`).join(', ')}`); // prettier-ignore
  const { stdout } = spawnSync('npm', ['audit', '--omit=dev', '--json', '--fetch-retries=0', '--fetch-timeout=20000'], { cwd: root, encoding: 'utf8', timeout: 60_000, stdio: ['ignore', 'pipe', 'ignore'], shell: process.platform === 'win32' }); // prettier-ignore
  const grave = graveIn(stdout ?? '');
  if (grave === undefined)
    console.log('NOT AUDITED for known weaknesses: the registry does not answer that.');
  else console.log(`Audited for known weaknesses: ${grave.length} grave.`);
  for (const sentence of [...wrong, ...(grave ?? [])]) console.log(`  ${sentence}`);
  return wrong.length === 0 && (grave ?? []).length === 0 ? 0 : 1;
}

if (process.argv[1] === fileURLToPath(import.meta.url)) process.exitCode = audit();
