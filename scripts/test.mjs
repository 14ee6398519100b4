// npm test [-- vitest arguments]: installs and builds what is missing, then runs every test that needs no service; with
// MONGODB_URL or REDIS_URL those too. tests/search runs under three time zones. The last line is the total of all runs.
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, relative } from 'node:path';
import { fileURLToPath } from 'node:url';
import { filesIn, ready, root, runTool } from './ready.mjs';

// West and east of Greenwich, one with half an hour and daylight saving.
const otherZones = ['Africa/Maseru', 'America/St_Johns'];
const services = [
  ['MONGODB_URL', 'MongoDB'],
  ['REDIS_URL', 'Redis'],
];

/** Runs the tests and prints the totals; answers whether all passed. */
export function test(args = []) {
  ready();
  for (const [name, service] of services) {
    if (!process.env[name]) console.log(`${name} is not set: what needs ${service} is skipped.`);
  }
  const totals = { passed: 0, failed: 0, skipped: 0 };
  const skipped = vitest(args, 'UTC', totals);
  if (args.length === 0 && hasTests('tests/search')) {
    for (const zone of otherZones) vitest(['tests/search'], zone, totals);
  }
  if (skipped.length > 0) console.log(`Skipped:\n${skipped.map(each => `  ${each}`).join('\n')}`);
  console.log(`${totals.passed} passed, ${totals.failed} failed, ${totals.skipped} skipped`);
  return totals.failed === 0;
}

const hasTests = folder =>
  existsSync(join(root, folder)) && filesIn(join(root, folder)).some(file => file.endsWith('.test.ts'));

/** One vitest run, added to the totals; answers what it skipped, by file and suite. */
function vitest(args, zone, totals) {
  console.log(`\nTests in the time zone ${zone}:`);
  const folder = mkdtempSync(join(tmpdir(), 'tsela-test-'));
  const report = join(folder, 'report.json');
  try {
    const code = runTool(
      'vitest/vitest.mjs',
      ['run', '--reporter=default', '--reporter=json', `--outputFile.json=${report}`, ...args],
      {
        env: { TZ: zone, NODE_ENV: 'test' },
      },
    );
    if (!existsSync(report)) {
      totals.failed++;
      return [];
    }
    const result = JSON.parse(readFileSync(report, 'utf8'));
    totals.passed += result.numPassedTests;
    totals.skipped += result.numPendingTests + result.numTodoTests;
    // A file that cannot be loaded fails without a failed test, and so does an error outside of any.
    totals.failed += Math.max(
      result.numFailedTests,
      result.testResults.filter(file => file.status === 'failed').length,
      code === 0 ? 0 : 1,
    );
    return skippedIn(result);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

function skippedIn(result) {
  const counts = new Map();
  for (const { name, assertionResults } of result.testResults) {
    for (const { status, ancestorTitles, title } of assertionResults) {
      if (status === 'passed' || status === 'failed') continue;
      const key = `${relative(root, name)}: ${ancestorTitles[0] ?? title}`;
      counts.set(key, (counts.get(key) ?? 0) + 1);
    }
  }
  return [...counts].map(([key, count]) => `${count} × ${key}`);
}

if (process.argv[1] === fileURLToPath(import.meta.url))
  process.exitCode = test(process.argv.slice(2)) ? 0 : 1;
