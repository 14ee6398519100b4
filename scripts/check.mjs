// npm run check: what CI runs. Type-check of sources and tests, lint, format, audit of the
// dependencies, build, tests; all of them, even after a
// failure, so that one run tells everything. The last line is the total of the tests.
import { audit } from './audit.mjs';
import { build, install, runTool } from './ready.mjs';
import { test } from './test.mjs';

install();
const folders = ['src', 'tests', 'scripts', 'bench'];
const failed = [];
const step = (name, code) => {
  console.log(`${code === 0 ? 'ok    ' : 'FAILED'} ${name}`);
  if (code !== 0) failed.push(name);
};
step('type-check', runTool('typescript/bin/tsc', ['-p', 'tsconfig.json']));
step('lint', runTool('eslint/bin/eslint.js', ['--no-error-on-unmatched-pattern', ...folders]));
step(
  'format',
  runTool('prettier/bin/prettier.cjs', [
    '--check',
    '--log-level=warn',
    '--no-error-on-unmatched-pattern',
    ...folders,
    '*.{js,json,ts}',
  ]),
);
step('dependencies', audit());
step('build', build() ? 0 : 1);
if (failed.length > 0) console.log(`Failed before the tests: ${failed.join(', ')}`);
const isBuilt = !failed.includes('build');
if (!isBuilt) console.log('0 passed, 1 failed, 0 skipped');
process.exitCode = isBuilt && test() && failed.length === 0 ? 0 : 1;
