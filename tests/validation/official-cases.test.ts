// HL7's official validator cases: what conformance/validator reports must not become worse.
// https://github.com/FHIR/fhir-test-cases
import { execFileSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { expect, it } from 'vitest';

const present = existsSync(new URL('../../../shared/data/fhir-test-cases/validator/', import.meta.url));
const project = fileURLToPath(new URL('../../', import.meta.url));

it.skipIf(!present)(
  `the official cases are judged as the Java validator does${present ? '' : ' (skipped: ../shared/data is absent)'}`,
  () => {
    const told = execFileSync(process.execPath, ['conformance/run.mjs', 'validator', '--list'], {
      cwd: project,
      encoding: 'utf8',
    });
    const number = (pattern: RegExp): number => Number(pattern.exec(told)?.[1]);
    expect(number(/agreement ([\d.]+) %\s*$/)).toBeGreaterThanOrEqual(97);
    expect(number(/over-strict \d+ = ([\d.]+) %/)).toBeLessThanOrEqual(2);
    expect(number(/one level off ([\d.]+) % of/)).toBeGreaterThanOrEqual(80);
  },
  120_000,
);
