// What every script needs first: the packages of the lock file installed, the sources built. Both are checked by content
// and cost nothing when they hold. Plain Node, because it runs before anything is installed.
import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { join, relative } from 'node:path';
import { fileURLToPath } from 'node:url';

export const root = fileURLToPath(new URL('..', import.meta.url));
const at = path => join(root, path);

/** Runs a command in the project's folder with its output shown; answers the exit code. */
export function run(command, args, { env = {}, quiet = false } = {}) {
  const result = spawnSync(command, args, {
    cwd: root,
    env: { ...process.env, ...env },
    stdio: quiet ? ['ignore', 'pipe', 'pipe'] : ['ignore', 'inherit', 'inherit'],
    encoding: 'utf8',
  });
  const code = result.status ?? 1;
  if (quiet && code !== 0) process.stderr.write(`${result.stdout ?? ''}${result.stderr ?? ''}`);
  if (result.error) process.stderr.write(`${command} cannot be run: ${result.error.message}\n`);
  return code;
}

/** Runs a program of node_modules, such as tsc, with the Node that runs this. */
export const runTool = (path, args, options) =>
  run(process.execPath, [at(`node_modules/${path}`), ...args], options);

/** Installs the lock file's packages where any is missing or of another version; ends the process when that fails. */
export function install() {
  const [major, minor] = process.versions.node.split('.').map(Number);
  if (major < 20 || (major === 20 && minor < 19))
    fail(`Node ${process.versions.node} is too old: Tsela needs 20.19 or newer.`);
  if (isInstalled()) return;
  console.log('Installing packages (npm ci) …');
  if (run('npm', ['ci', '--no-audit', '--no-fund', '--loglevel=error']) !== 0) {
    fail(
      'The packages could not be installed. Without a prebuilt better-sqlite3 a compiler is needed: apt-get install build-essential python3',
    );
  }
}

function isInstalled() {
  const installedFile = at('node_modules/.package-lock.json');
  if (!existsSync(installedFile)) return false;
  const wanted = JSON.parse(readFileSync(at('package-lock.json'), 'utf8')).packages;
  const installed = JSON.parse(readFileSync(installedFile, 'utf8')).packages;
  return Object.entries(wanted).every(
    ([path, { version, optional, devOptional }]) =>
      path === '' ||
      installed[path]?.version === version ||
      (installed[path] === undefined && (optional || devOptional)),
  );
}

/** Compiles src to dist and the validators beside it, if anything changed; answers whether it succeeded. */
export function build() {
  const stampFile = at('dist/.built');
  const stamp = fingerprint();
  const isComplete = filesIn(at('src')).every(file => !file.endsWith('.ts') || existsSync(compiled(file)));
  if (isComplete && existsSync(stampFile) && readFileSync(stampFile, 'utf8') === stamp) return true;
  // tsc trusts its record of what it wrote before.
  if (!isComplete) rmSync(at('dist/.tsbuildinfo'), { force: true });
  if (runTool('typescript/bin/tsc', ['-p', 'tsconfig.build.json']) !== 0) return false;
  removeOrphans();
  if (run(process.execPath, ['scripts/compile-validators.mjs']) !== 0) return false;
  mkdirSync(at('dist'), { recursive: true });
  writeFileSync(stampFile, stamp);
  return true;
}

const compiled = source => join(at('dist'), relative(at('src'), source).replace(/\.ts$/, '.js'));

/** A name for everything the build reads. */
function fingerprint() {
  const hash = createHash('sha256');
  for (const input of [
    'src',
    'profiles',
    'scripts/compile-validators.mjs',
    'tsconfig.json',
    'tsconfig.build.json',
    'package-lock.json',
  ]) {
    for (const file of filesIn(at(input))) {
      const { size, mtimeMs } = statSync(file);
      hash.update(`${file} ${size} ${mtimeMs}\n`);
    }
  }
  return hash.digest('hex');
}

/** Files under a path, sorted; the path itself where it is a file. */
export function filesIn(path) {
  if (!statSync(path).isDirectory()) return [path];
  return readdirSync(path, { withFileTypes: true })
    .sort((a, b) => (a.name < b.name ? -1 : 1))
    .flatMap(entry => (entry.isDirectory() ? filesIn(join(path, entry.name)) : [join(path, entry.name)]));
}

/** A module whose source is gone would still be imported by what forgot to change: it is removed. */
function removeOrphans() {
  for (const file of filesIn(at('dist'))) {
    const inner = relative(at('dist'), file);
    if (inner.startsWith('validators') || !/\.js(\.map)?$/.test(inner)) continue;
    if (!existsSync(at(`src/${inner.replace(/\.js(\.map)?$/, '.ts')}`))) rmSync(file);
  }
}

/** Installed and built, or the end of the process. */
export function ready() {
  install();
  if (!build()) fail('The build failed.');
}

export function fail(message) {
  process.stderr.write(`${message}\n`);
  process.exit(1);
}
